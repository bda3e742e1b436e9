// Numbers and bytes that are the same for one seed: xorshift128 by Marsaglia, period 2^128 - 1. No secrets are made of
// it.

/** Least and most, both possible. */
export type Range = readonly [least: number, most: number];

/** Of printable ASCII: a space to a tilde. */
const ASCII = { first: 0x20, count: 95 };

export class Random {
  #x: number;
  #y: number = 362436069;
  #z: number = 521288629;
  #w: number = 88675123;

  constructor(seed: number) {
    this.#x = (seed ^ 123456789) >>> 0;
    // Seeds that are near each other give numbers that are not.
    for (let i = 0; i < 16; i++) this.next();
  }

  /** 0 to 2^32 - 1. */
  next(): number {
    const t = this.#x ^ (this.#x << 11);
    this.#x = this.#y;
    this.#y = this.#z;
    this.#z = this.#w;
    this.#w = (this.#w ^ (this.#w >>> 19) ^ t ^ (t >>> 8)) >>> 0;
    return this.#w;
  }

  /** From 0, below 1. */
  fraction(): number {
    return this.next() / 2 ** 32;
  }

  /** A whole number. */
  within([least, most]: Range): number {
    return least + Math.floor(this.fraction() * (most - least + 1));
  }

  bytes(length: number, isAscii: boolean): Buffer {
    const made = Buffer.allocUnsafe(length);
    for (let at = 0; at < length; at++) {
      made[at] = isAscii ? ASCII.first + (this.next() % ASCII.count) : this.next() >>> 24;
    }
    return made;
  }
}
