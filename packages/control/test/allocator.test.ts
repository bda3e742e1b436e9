// The page allocator against a row of booleans.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { PageAllocator } from "../src/index.ts";

/** The oracle: one flag a page. */
class Row {
  readonly first: number;
  readonly taken: boolean[];

  constructor(first: number, pages: number) {
    this.first = first;
    this.taken = new Array(pages).fill(false);
  }

  /** The most free pages side by side. */
  longest(): number {
    let longest = 0;
    let run = 0;
    for (const taken of this.taken) {
      run = taken ? 0 : run + 1;
      longest = Math.max(longest, run);
    }
    return longest;
  }

  set(page: number, pages: number, taken: boolean): void {
    for (let i = 0; i < pages; i++) {
      const at = page - this.first + i;
      if (at < 0 || at >= this.taken.length) throw new Error(`page ${page + i} is outside`);
      if (this.taken[at] === taken)
        throw new Error(`page ${page + i} is ${taken ? "taken" : "free"} already`);
      this.taken[at] = taken;
    }
  }

  get free(): number {
    return this.taken.filter((taken) => !taken).length;
  }
}

describe("the page allocator", () => {
  const step = fc.oneof(
    fc.record({
      allocate: fc.oneof(fc.integer({ min: 1, max: 20 }), fc.constantFrom(3, 5, 33, 65, 129, 257)),
    }),
    fc.record({ release: fc.nat() }),
  );

  test("never gives a page twice, finds every run that is there, counts every page, and grows together again", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(0, 1, 38, 1000),
        fc.integer({ min: 1, max: 700 }),
        fc.array(step, { maxLength: 120, size: "max" }),
        (first, pages, steps) => {
          const allocator = new PageAllocator(first, pages);
          const row = new Row(first, pages);
          const held: { page: number; pages: number }[] = [];
          for (const each of steps) {
            if ("allocate" in each) {
              const page = allocator.allocate(each.allocate);
              expect(page !== undefined).toBe(row.longest() >= each.allocate);
              if (page === undefined) continue;
              row.set(page, each.allocate, true);
              held.push({ page, pages: each.allocate });
            } else if (held.length > 0) {
              const [gone] = held.splice(each.release % held.length, 1);
              allocator.release(gone!.page, gone!.pages);
              row.set(gone!.page, gone!.pages, false);
            }
            expect(allocator.freePages).toBe(row.free);
            allocator.invariants();
          }
          for (const { page, pages: size } of held) allocator.release(page, size);
          expect(allocator.freePages).toBe(pages);
          expect(allocator.allocate(pages)).toBe(first);
          expect(allocator.freePages).toBe(0);
        },
      ),
      { numRuns: 300 },
    );
  });

  test("has no page that it cannot give", () => {
    for (let pages = 1; pages <= 64; pages++) {
      const allocator = new PageAllocator(7, pages);
      const got = new Set<number>();
      for (let page = allocator.allocate(1); page !== undefined; page = allocator.allocate(1)) got.add(page);
      expect([...got].sort((a, b) => a - b)).toEqual(Array.from({ length: pages }, (_, i) => 7 + i));
    }
  });

  test("wastes nothing on blocks of two equal rings, which have one page more than a power of two", () => {
    const allocator = new PageAllocator(38, 129 * 7 + 121);
    const got = Array.from({ length: 8 }, () => allocator.allocate(129));
    expect(got.filter((page) => page !== undefined)).toHaveLength(7);
    expect(allocator.freePages).toBe(121);
  });

  test("gives back first what was given back last, where its size is asked for again", () => {
    const allocator = new PageAllocator(0, 100);
    const blocks = [3, 5, 3].map((pages) => ({ pages, page: allocator.allocate(pages)! }));
    for (const { page, pages } of blocks) allocator.release(page, pages);
    expect(allocator.freePages).toBe(100);
    expect([3, 5, 3].map((pages) => allocator.allocate(pages))).toEqual([
      blocks[2]!.page,
      blocks[1]!.page,
      blocks[0]!.page,
    ]);
    expect(allocator.freePages).toBe(100 - 11);
  });

  test("prefers the run that fits best, and so keeps the long ones", () => {
    const allocator = new PageAllocator(0, 100);
    const small = allocator.allocate(5)!;
    const wall = allocator.allocate(1)!;
    allocator.release(small, 5);
    expect(allocator.allocate(4)).toBe(small);
    expect(allocator.allocate(94)).toBe(wall + 1);
  });

  test("prefers the run that fits best among runs of like size, in whatever order they came free", () => {
    for (const order of [
      [5, 6, 7],
      [7, 6, 5],
      [6, 5, 7],
    ]) {
      const allocator = new PageAllocator(0, 30);
      const runs = new Map(
        [5, 6, 7].map((size) => {
          const run = [size, allocator.allocate(size)!] as const;
          allocator.allocate(1);
          return run;
        }),
      );
      allocator.allocate(9);
      for (const size of order) allocator.release(runs.get(size)!, size);
      expect(allocator.allocate(4)).toBe(runs.get(5));
    }
  });

  test("manages page numbers up to the largest region", () => {
    const last = 2 ** 32 - 1;
    const allocator = new PageAllocator(38, last - 38);
    const all = allocator.freePages;
    const pages = [8193, 3, 2 ** 31, 2 ** 30 + 1, 129];
    const got = pages.map((size) => ({ size, page: allocator.allocate(size)! }));
    expect(allocator.freePages).toBe(all - pages.reduce((sum, size) => sum + size, 0));
    for (const { size, page } of got) {
      expect(page).toBeGreaterThanOrEqual(38);
      expect(page + size).toBeLessThanOrEqual(last);
    }
    for (const { size, page } of got) allocator.release(page, size);
    expect(allocator.allocate(all + 1)).toBeUndefined();
    expect(allocator.allocate(all)).toBe(38);
  });

  test("refuses at once what it does not have, however broken up it is", () => {
    const allocator = new PageAllocator(0, 5 * 32768);
    const got = Array.from({ length: 32768 }, () => allocator.allocate(5)!);
    for (let i = 0; i < got.length; i += 2) allocator.release(got[i]!, 5);
    expect(allocator.allocate(7)).toBeUndefined(); // what was kept is runs now
    for (const pages of [7, 5]) {
      let found: number | undefined;
      const steps = stepsOf(() => {
        found = allocator.allocate(pages);
      });
      expect(found === undefined).toBe(pages === 7);
      expect(steps).toBeLessThan(100); // some for each order of sizes, and not for each of 16384 runs
    }
  });

  test("of no pages has nothing to give", () => {
    const allocator = new PageAllocator(5, 0);
    expect(allocator.freePages).toBe(0);
    expect(allocator.allocate(1)).toBeUndefined();
  });
});

/** How many entries of maps and sets `work` walks over. */
function stepsOf(work: () => void): number {
  let steps = 0;
  const walks = [new Map().keys(), new Set().keys()].map((walk) => Object.getPrototypeOf(walk));
  const nexts = walks.map(({ next }) => next);
  for (const [i, walk] of walks.entries()) {
    walk.next = function (this: unknown) {
      steps++;
      return nexts[i].call(this);
    };
  }
  try {
    work();
  } finally {
    for (const [i, walk] of walks.entries()) walk.next = nexts[i];
  }
  return steps;
}
