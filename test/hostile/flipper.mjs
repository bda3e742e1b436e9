// The hostile guest's second thread: it changes words while the monitor is between two looks at them. Commands come by
// shared memory, because a thread that spins takes no messages.

import { workerData } from "node:worker_threads";
import { SharedMemory } from "@ringway/linux";

// [0] number of the command, [1] the last one done, [2] kind: 1 map, 2 flip; [3]... its arguments.
const command = new Int32Array(workerData);
let memory;
let words;
for (let done = 0; ; ) {
  Atomics.wait(command, 0, done);
  const next = Atomics.load(command, 0);
  if (next === done) continue;
  done = next;
  if (command[2] === 1) {
    // The descriptor is this thread's from here on.
    memory?.[Symbol.dispose]();
    memory = SharedMemory.fromFd(command[3]);
    words = new Int32Array(memory.buffer);
  } else if (words !== undefined) {
    const [, , , at, one, other, times] = command;
    for (let i = 0; i < times; i++) Atomics.store(words, at, i & 1 ? one : other);
  }
  Atomics.store(command, 1, done);
}
