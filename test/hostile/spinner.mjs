// A guest's thread that does one thing as fast as it can, until it is terminated.

import { parentPort, workerData } from "node:worker_threads";
import { drainEventfd, ringEventfd, SharedMemory, setNonBlocking } from "@ringway/linux";

const { what, region, bell } = workerData;
const words = new Int32Array(SharedMemory.fromFd(region).buffer);
const PAGE = 1024;
const top = PAGE + 0x80 / 4;
/** As a guest does, so that the monitor never sleeps. */
const wake = () => {
  if (Atomics.load(words, PAGE) !== 0 && Atomics.exchange(words, PAGE, 0) !== 0) ringEventfd(bell);
};
parentPort.postMessage("spinning");
for (let n = 1; ; n++) {
  switch (what) {
    case "nothing":
      break;
    case "bits behind which there is nothing":
      Atomics.store(words, top, -1);
      wake();
      break;
    case "bits for every stream there could be":
      for (let i = 0; i < 1024; i++) Atomics.store(words, 2 * PAGE + i, -1);
      for (let i = 0; i < 32; i++) Atomics.store(words, PAGE + 0x100 / 4 + i, -1);
      Atomics.store(words, top, -1);
      wake();
      break;
    case "rings of the bell":
      ringEventfd(bell);
      break;
    case "rings that are taken back, on a descriptor that waits":
      setNonBlocking(bell, false);
      ringEventfd(bell);
      drainEventfd(bell);
      break;
    case "requests to attach":
      Atomics.store(words, 0x100 / 4, n);
      ringEventfd(bell);
      break;
    case "a new epoch and its end":
      Atomics.store(words, 0x100 / 4, n);
      Atomics.store(words, 0x104 / 4, 2);
      ringEventfd(bell);
  }
}
