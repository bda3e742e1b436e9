// The hostile host's second thread: flips words of the region under the SDK, one after the other, until it is told
// others.

import { workerData } from "node:worker_threads";

const { memory, command } = workerData;
const words = new Int32Array(memory);
const told = new Int32Array(command);
for (let i = 0; ; i++) {
  const pairs = Atomics.load(told, 0);
  if (pairs === 0) {
    Atomics.wait(told, 0, 0);
    continue;
  }
  const at = 1 + 3 * (i % pairs);
  Atomics.store(words, told[at], (i / pairs) & 1 ? told[at + 1] : told[at + 2]);
}
