// The heap's pages, as the host gives them out (REG-4): best fit over free runs, its bookkeeping private.
//
// Not a buddy allocator: a block of two equal rings has 2^k + 1 pages, and of each aligned 2^(k+1) pages buddies could
// use only half for such blocks. Here every free page counts: a request is met whenever enough pages lie side by side.
//
// What is given back is most often asked for again in the same size: so the last few blocks are kept as they are, by
// size. One of exactly the right size is the best fit there is; where there is none, all of them become runs again
// before anything is looked for.
//
// Invariant: free runs never touch each other (neighbours are merged), and each is in all three indexes. Kept blocks
// are in none.

import { invariant } from "./invariant.ts";

/** Free pages side by side: a run, or a block that is kept as it is. */
interface Free {
  readonly start: number;
  readonly pages: number;
  readonly isRun: boolean;
}

/** Bounds what one request that finds no kept block has to make runs of. */
const KEPT_MAX = 64;

/** Runs of pages, by number. It never touches the pages themselves. */
export class PageAllocator {
  readonly #first: number;
  readonly #pages: number;
  /** Pages of the free run that begins at a page. */
  readonly #pagesAt: Map<number, number> = new Map();
  /** First page of the free run that ends before a page. */
  readonly #startBefore: Map<number, number> = new Map();
  /** By floor(log2(pages)), then by pages: first pages of the runs of that size. */
  readonly #bySize: (Map<number, Set<number>> | undefined)[] = new Array(32);
  #freePages = 0;
  /** First pages of kept blocks, by their pages. */
  readonly #kept: Map<number, number[]> = new Map();
  #keptBlocks = 0;

  /** Manages `pages` pages, the first of which is number `first`. */
  constructor(first: number, pages: number) {
    this.#first = first;
    this.#pages = pages;
    this.#freePages = pages;
    if (pages > 0) this.#merge(first, pages);
  }

  /** Pages that nobody has, side by side or not. */
  get freePages(): number {
    return this.#freePages;
  }

  /** Page number of a run of `pages` pages, or undefined when no run is long enough. */
  allocate(pages: number): number | undefined {
    const kept = this.#kept.get(pages)?.pop();
    if (kept !== undefined) {
      this.#keptBlocks--;
      this.#freePages -= pages;
      return kept;
    }
    this.#mergeKept();
    const size = this.#bestSize(pages);
    if (size === undefined) return undefined;
    const [start] = this.#bySize[order(size)]!.get(size)!;
    this.#remove(start!, size);
    if (size > pages) this.#add(start! + pages, size - pages);
    this.#freePages -= pages;
    return start!;
  }

  /** Gives back exactly what allocate(pages) gave. */
  release(page: number, pages: number): void {
    this.#freePages += pages;
    if (this.#keptBlocks === KEPT_MAX) {
      this.#merge(page, pages);
      return;
    }
    const kept = this.#kept.get(pages);
    if (kept === undefined) this.#kept.set(pages, [page]);
    else kept.push(page);
    this.#keptBlocks++;
  }

  /** Throws BrokenInvariant. Its cost is that of the free runs and kept blocks. */
  invariants(): void {
    const free: Free[] = [];
    for (const [start, pages] of this.#pagesAt) {
      const starts = this.#bySize[order(pages)]?.get(pages);
      invariant(this.#startBefore.get(start + pages) === start, "each free run is in the index of ends");
      invariant(starts?.has(start) === true, "each free run is in the index of sizes");
      free.push({ start, pages, isRun: true });
    }
    invariant(this.#startBefore.size === this.#pagesAt.size, "the index of ends has free runs alone");
    let bySize = 0;
    for (const sizes of this.#bySize) for (const starts of sizes?.values() ?? []) bySize += starts.size;
    invariant(bySize === this.#pagesAt.size, "the index of sizes has free runs alone");
    let keptBlocks = 0;
    for (const [pages, blocks] of this.#kept) {
      keptBlocks += blocks.length;
      for (const start of blocks) free.push({ start, pages, isRun: false });
    }
    invariant(keptBlocks === this.#keptBlocks && keptBlocks <= KEPT_MAX, "kept blocks are counted, and few");
    this.#requireApart(free);
  }

  #requireApart(free: Free[]): void {
    free.sort((a, b) => a.start - b.start);
    let end = this.#first;
    let isAfterRun = false;
    let sum = 0;
    for (const { start, pages, isRun } of free) {
      invariant(start >= end, "nothing that is free overlaps, or lies before the heap");
      invariant(!(isAfterRun && isRun && start === end), "free runs do not touch each other");
      end = start + pages;
      isAfterRun = isRun;
      sum += pages;
    }
    invariant(end <= this.#first + this.#pages, "nothing that is free lies behind the heap");
    invariant(sum === this.#freePages, "free pages are counted");
  }

  #mergeKept(): void {
    if (this.#keptBlocks === 0) return;
    for (const [pages, blocks] of this.#kept) for (const page of blocks) this.#merge(page, pages);
    this.#kept.clear();
    this.#keptBlocks = 0;
  }

  /** Makes pages that are free a run, with those beside them. */
  #merge(page: number, pages: number): void {
    let start = page;
    let end = page + pages;
    const before = this.#startBefore.get(start);
    if (before !== undefined) {
      this.#remove(before, start - before);
      start = before;
    }
    const after = this.#pagesAt.get(end);
    if (after !== undefined) {
      this.#remove(end, after);
      end += after;
    }
    this.#add(start, end - start);
  }

  /** The smallest size of a free run that holds `pages`. Its cost is that of the different sizes, not of the runs. */
  #bestSize(pages: number): number | undefined {
    for (let k = order(pages); k < this.#bySize.length; k++) {
      let best: number | undefined;
      for (const size of this.#bySize[k]?.keys() ?? []) {
        if (size >= pages && (best === undefined || size < best)) best = size;
      }
      if (best !== undefined) return best;
    }
    return undefined;
  }

  #add(start: number, pages: number): void {
    this.#pagesAt.set(start, pages);
    this.#startBefore.set(start + pages, start);
    this.#bySize[order(pages)] ??= new Map();
    const sizes = this.#bySize[order(pages)]!;
    const starts = sizes.get(pages);
    if (starts === undefined) sizes.set(pages, new Set([start]));
    else starts.add(start);
  }

  #remove(start: number, pages: number): void {
    this.#pagesAt.delete(start);
    this.#startBefore.delete(start + pages);
    const sizes = this.#bySize[order(pages)]!;
    const starts = sizes.get(pages)!;
    starts.delete(start);
    if (starts.size === 0) sizes.delete(pages);
  }
}

/** floor(log2(pages)), of a page count from 1 to 2^32 - 1. */
function order(pages: number): number {
  return 31 - Math.clz32(pages);
}
