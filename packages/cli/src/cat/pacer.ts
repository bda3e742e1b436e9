// Holds one giver of chunks for as long as an outlet that it gave one to has not let it out.
//
//   reading ─ a chunk that some outlet keeps ─▶ held ─ the last of them is clear ─▶ reading
//
// Invariant: each outlet of `#waitsFor` has one callback of ours; the giver is held exactly while there is one.

import type { Outlet, Speaker } from "./outlet.ts";
import type { Slow } from "./words.ts";

/** Who is held: a peer, or the input. */
export interface Held {
  hold(): void;
  release(): void;
}

export class Pacer {
  readonly #held: Held;
  readonly #waitsFor: Set<Outlet> = new Set();

  constructor(held: Held) {
    this.#held = held;
  }

  get isHolding(): boolean {
    return this.#waitsFor.size > 0;
  }

  give(chunk: Buffer, outlet: Outlet, from: Speaker | undefined, slow: Slow = "pace"): void {
    if (slow === "drop" && outlet.isFull) {
      outlet.passedOver(chunk.length);
      return;
    }
    outlet.send(chunk, from);
    if (slow === "drop" || outlet.isClear || this.#waitsFor.has(outlet)) return;
    this.#waitsFor.add(outlet);
    if (this.#waitsFor.size === 1) this.#held.hold();
    outlet.whenClear(() => {
      this.#waitsFor.delete(outlet);
      if (this.#waitsFor.size === 0) this.#held.release();
    });
  }
}
