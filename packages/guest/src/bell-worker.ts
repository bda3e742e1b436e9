// The thread behind a bell: blocks on the descriptors, posts what happened, and ends when it is told to.

import { parentPort, workerData } from "node:worker_threads";
import { drainDevice, drainEventfd, POLLIN, PollSet, threadLoaded } from "@ringway/linux";
import { BellMessage, type BellWorkerData } from "./bell-thread.ts";

// Longest wait: should nobody ring the stop eventfd (a worker that was terminated), the thread still ends soon.
const BACKSTOP_MS = 1000;
const STOP = 0;
const BELL = 1;
const SOCKET = 2;

threadLoaded();
const { on, stop } = workerData as BellWorkerData;
const set = new PollSet([
  { fd: stop, events: POLLIN },
  { fd: on.kind === "eventfd" ? on.rung : on.channel, events: POLLIN },
  { fd: on.kind === "eventfd" ? on.socket : -1, events: POLLIN },
]);

parentPort!.postMessage(BellMessage.READY);
for (;;) {
  if (set.wait(BACKSTOP_MS) <= 0) continue;
  if (set.revents(STOP) !== 0) break;
  if (set.revents(BELL) !== 0) heard();
  // The monitor sends nothing after its hello, so anything here, data too, is the end of it.
  if (set.revents(SOCKET) !== 0) gone(SOCKET);
}

function heard(): void {
  if (on.kind === "eventfd") {
    drainEventfd(on.rung);
    parentPort!.postMessage(BellMessage.RUNG);
    return;
  }
  // One read: what is left wakes poll() again, and what was rung before a hang-up comes before it.
  const count = drainDevice(on.channel);
  if (count > 0) parentPort!.postMessage(BellMessage.RUNG);
  else if (count < 0) gone(BELL);
}

function gone(entry: number): void {
  parentPort!.postMessage(BellMessage.GONE);
  set.set(entry, -1, 0);
}
