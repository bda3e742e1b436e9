// Slips something in before one of the next atomic accesses: the other side's turns, or the end of this side.

const METHODS = ["load", "store", "exchange", "or"] as const;

type Method = (words: Int32Array, index: number, value?: number) => number;

/** Thrown out of a side's code where it crashes. Production code never catches it. */
export class Crash extends Error {}

export class Interleaver {
  #left = 0;
  #action: () => void = () => {};

  /** Takes over Atomics until the returned function is called. */
  install(): () => void {
    const atomics = Atomics as unknown as Record<string, Method>;
    const originals = METHODS.map((name) => atomics[name]!);
    for (const [i, name] of METHODS.entries()) {
      const original = originals[i]!;
      atomics[name] = (words, index, value): number => {
        if (this.#left > 0 && --this.#left === 0) this.#action();
        return original(words, index, value);
      };
    }
    return () => {
      for (const [i, name] of METHODS.entries()) atomics[name] = originals[i]!;
    };
  }

  /** Calls `action` before access number `accesses`, counted from 1, unless disarmed before that. */
  arm(accesses: number, action: () => void): void {
    this.#left = accesses;
    this.#action = action;
  }

  disarm(): void {
    this.#left = 0;
  }
}
