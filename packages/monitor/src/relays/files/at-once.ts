// Whether reads of one open file are tried at once, out of the page cache, on the thread of all guests.
//
//   TRIED ── one misses ──▶ LEFT ALONE ── a worker has answered READS_AFTER_MISS of them ──▶ TRIED
//
// A read of what is cached takes it from memory. But where pages are missing, or at the mark of those that were read
// ahead, the kernel begins to read ahead, in this thread: it looks up where the blocks are, for which the file system
// may have to read a block of its own, and hands the disk requests, for which its queue must have room. So misses are
// made rare: on a disk that does not answer there is one for each open file, because the next try needs workers'
// answers first.
//
// Several at a time are tried only where as many have just been cached: of those, too, misses are fewer than others.

/**
 * Answers that a worker gives, after a miss and with that of the read that missed, before the next try: of the reads of
 * one open file, one in four at the most is a miss. More would send reads of what is mostly cached to workers.
 */
export const READS_AFTER_MISS = 4;

/** More say no more. */
const HITS_MAX = 255;

/** No page is smaller, and all are made of these. */
const PAGE_BYTES = 4096;

export class AtOnce {
  /** What was opened may be read at once at all (disk/file-systems.ts). */
  readonly #allowed: boolean;
  #left = 0;
  /** Reads since the last that was short, all of which were cached, up to HITS_MAX. */
  #hits = 0;

  constructor(allowed: boolean) {
    this.#allowed = allowed;
  }

  /** Is the next read tried? Hot. */
  get tries(): boolean {
    return this.#allowed && this.#left === 0;
  }

  /** Is it tried together with `others`, before it is known what those give? Hot. */
  triesWith(others: number): boolean {
    return this.tries && others <= this.#hits;
  }

  /**
   * What readAtNoWait() gave. It ends short at a page that is not cached, or at the file's end, which is not told apart
   * but where no page begins. Either way what was tried with it is to be read once more: next time it is alone. Hot.
   */
  gave(count: number, wanted: number, offset: number): void {
    if (count === wanted) {
      if (this.#hits < HITS_MAX) this.#hits++;
      return;
    }
    this.#hits = 0;
    if (count < 0 || (offset + count) % PAGE_BYTES === 0) this.#left = READS_AFTER_MISS;
  }

  /** A worker has answered a read. */
  workerRead(): void {
    if (this.#left > 0) this.#left--;
  }
}
