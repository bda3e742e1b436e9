// A region of the suite's: a file that a testee maps, looked at word by word.

import { closeSync, ftruncateSync, openSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { SharedMemory } from "@ringway/linux";
import { PAGE } from "./layout.ts";

/** The memory that the testee maps; words are read and stored at byte offsets. */
export class Region implements Disposable {
  readonly path: string;
  readonly memory: SharedMemory;
  readonly words: Int32Array;
  readonly bytes: Uint8Array;

  constructor(folder: string, name: string, pages: number) {
    this.path = join(folder, name);
    const fd = openSync(this.path, "w+", 0o600);
    try {
      ftruncateSync(fd, pages * PAGE);
    } catch (error) {
      closeSync(fd);
      throw error;
    }
    // A file of our own: nobody truncates it.
    this.memory = SharedMemory.fromFd(fd, { requireSeals: false });
    this.words = new Int32Array(this.memory.buffer);
    this.bytes = new Uint8Array(this.memory.buffer);
  }

  get pages(): number {
    return this.bytes.length / PAGE;
  }

  get(offset: number): number {
    return Atomics.load(this.words, offset / 4) >>> 0;
  }

  set(offset: number, value: number): void {
    Atomics.store(this.words, offset / 4, value | 0);
  }

  [Symbol.dispose](): void {
    unlinkSync(this.path);
    this.memory[Symbol.dispose]();
  }
}
