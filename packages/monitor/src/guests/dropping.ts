// Letting go of many streams at once. Some thousand of them, with their sockets, take milliseconds: that is work like
// any other, and goes on in the guest's slices.

import type { Task, TaskQueue } from "../reactor/tasks.ts";
import type { Stream } from "./stream.ts";

/** Streams between two looks at the clock. */
const STREAMS_PER_LOOK = 32;

/** Whose streams they are. */
export interface Dropper {
  readonly ready: TaskQueue;
  /** Charges what was done so far, and says whether the slice has room for more. */
  mayGoOn(): boolean;
}

export class Dropping implements Task {
  queued = false;
  readonly #dropper: Dropper;
  readonly #streams: readonly (Stream | undefined)[];
  readonly #drop: (stream: Stream) => void;
  readonly #done: () => void;
  #next = 0;
  #isDone = false;

  /** Calls `drop` for each of `streams`, and then `done`: some or all of that in run(), the rest in later turns. */
  constructor(
    dropper: Dropper,
    streams: readonly (Stream | undefined)[],
    drop: (stream: Stream) => void,
    done: () => void,
  ) {
    this.#dropper = dropper;
    this.#streams = streams;
    this.#drop = drop;
    this.#done = done;
  }

  /** What is left of it, now, whatever the slice says; what fails with one stream keeps no other. */
  finish(): void {
    while (this.#next < this.#streams.length) {
      const stream = this.#streams[this.#next++];
      try {
        if (stream !== undefined) this.#drop(stream);
      } catch {
        // This thread ends for an error that came before.
      }
    }
    this.#end();
  }

  #end(): void {
    if (this.#isDone) return;
    this.#isDone = true;
    this.#done();
  }

  run(): void {
    const streams = this.#streams;
    while (this.#next < streams.length) {
      const stream = streams[this.#next++];
      if (stream !== undefined) this.#drop(stream);
      if (this.#next % STREAMS_PER_LOOK === 0 && !this.#dropper.mayGoOn()) {
        this.#dropper.ready.put(this);
        return;
      }
    }
    this.#end();
  }
}
