// The thread behind an EventfdBell: blocks on the descriptors, posts what happened, and ends when it is told to.

import { parentPort, workerData } from "node:worker_threads";
import { drainEventfd, POLLIN, PollSet } from "@ringway/linux";
import { BellMessage, type BellWorkerData } from "./eventfd-bell.ts";

// Longest wait: should nobody ring the stop eventfd (a worker that was terminated), the thread still ends soon.
const BACKSTOP_MS = 1000;

const { rung, socket, stop } = workerData as BellWorkerData;
const set = new PollSet([
  { fd: rung, events: POLLIN },
  { fd: socket, events: POLLIN },
  { fd: stop, events: POLLIN },
]);

parentPort!.postMessage(BellMessage.READY);
for (;;) {
  if (set.wait(BACKSTOP_MS) <= 0) continue;
  if (set.revents(2) !== 0) break;
  if (set.revents(0) !== 0) {
    drainEventfd(rung);
    parentPort!.postMessage(BellMessage.RUNG);
  }
  // The monitor sends nothing after its hello, so anything here, data too, is the end of it.
  if (set.revents(1) !== 0) {
    parentPort!.postMessage(BellMessage.GONE);
    set.set(1, -1, 0);
  }
}
