// A region of the suite's: a file that a testee maps, looked at word by word.

import { closeSync, ftruncateSync, openSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { SharedMemory } from "@ringway/linux";
import { PAGE } from "./layout.ts";

/** Words of a region as they were at one moment. */
export interface Snapshot {
  readonly from: number;
  readonly words: Int32Array;
  /** Offsets of words that do not count. */
  readonly but: ReadonlySet<number>;
}

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

  /** What stands from byte `from` to `to`, but in the words at `but`. */
  snapshot(from = 0, to: number = this.bytes.length, but: readonly number[] = []): Snapshot {
    return { from, words: this.words.slice(from / 4, to / 4), but: new Set(but) };
  }

  /** The first word that is another now; undefined where none is. */
  changeSince({ from, words, but }: Snapshot): string | undefined {
    const isOther = (was: number, i: number): boolean =>
      was !== this.words[from / 4 + i] && !but.has(from + 4 * i);
    const at = words.findIndex(isOther);
    if (at < 0) return undefined;
    const offset = from + 4 * at;
    const is = hex(this.words[offset / 4]!);
    return `the word at ${hex(offset)} of the region was ${hex(words[at]!)} and is ${is}`;
  }

  [Symbol.dispose](): void {
    unlinkSync(this.path);
    this.memory[Symbol.dispose]();
  }
}

function hex(value: number): string {
  return `0x${(value >>> 0).toString(16)}`;
}
