// Which ranges of a file a handle has locked: kept beside the kernel's list, which has no bound of its own but memory.
//
// Invariant: ranges are in order, none touches another of its kind, none overlaps.

interface Range {
  readonly start: number;
  /** The first byte that is not locked. */
  readonly end: number;
  /** A MountLockKind. */
  readonly kind: number;
}

export class LockRanges {
  #ranges: readonly Range[] = [];
  /** Of all ranges of its mount, and changed with them. */
  readonly #total: { count: number };

  constructor(total: { count: number }) {
    this.#total = total;
  }

  get count(): number {
    return this.#ranges.length;
  }

  /** Does a range go on at both sides of these bytes? Then there is one more without them. `bytes` 0: to the end. */
  splits(start: number, bytes: number): boolean {
    if (bytes === 0) return false;
    return this.#ranges.some((range) => range.start < start && range.end > start + bytes);
  }

  /** As the kernel has done it: what was there is replaced. `bytes` 0: to the end. Kind 0 unlocks. */
  set(kind: number, start: number, bytes: number): void {
    const end = bytes === 0 ? Number.POSITIVE_INFINITY : start + bytes;
    const next: Range[] = [];
    for (const range of this.#ranges) {
      if (range.start < start) next.push({ ...range, end: Math.min(range.end, start) });
      if (range.end > end) next.push({ ...range, start: Math.max(range.start, end) });
    }
    if (kind !== 0) next.push({ start, end, kind });
    next.sort((a, b) => a.start - b.start);
    const merged: Range[] = [];
    for (const range of next) {
      const last = merged.at(-1);
      if (last !== undefined && last.end === range.start && last.kind === range.kind) {
        merged[merged.length - 1] = { ...last, end: range.end };
      } else merged.push(range);
    }
    this.#total.count += merged.length - this.#ranges.length;
    this.#ranges = merged;
  }

  /** The handle is gone, and they are with it. */
  clear(): void {
    this.#total.count -= this.#ranges.length;
    this.#ranges = [];
  }
}
