// How many of what was measured took how long, in seconds: counts between fixed bounds, and their sum.

export class Histogram {
  /** Upper bounds, rising; above the last there is no bound. */
  readonly bounds: readonly number[];
  /** As many as bounds, and one more. */
  readonly counts: Float64Array;
  sum = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = new Float64Array(bounds.length + 1);
  }

  observe(seconds: number): void {
    let at = 0;
    while (at < this.bounds.length && seconds > this.bounds[at]!) at++;
    this.counts[at]!++;
    this.sum += seconds;
  }

  /** As Prometheus has it: how many took at most so long, in all, and at last how many there were. */
  *upTo(): Generator<readonly [le: string, count: number]> {
    let count = 0;
    for (const [at, bound] of this.bounds.entries()) {
      count += this.counts[at]!;
      yield [String(bound), count];
    }
    yield ["+Inf", count + this.counts.at(-1)!];
  }
}
