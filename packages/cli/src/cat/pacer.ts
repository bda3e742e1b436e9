// Holds one giver of chunks for as long as an outlet that it gave one to has not let it out.
//
//   reading ─ a chunk that some outlet keeps ─▶ held ─ the last of them is clear ─▶ reading
//
// Invariant: `#waiting` outlets have a callback of ours; the giver is held exactly while it is above 0.

import type { Outlet, Speaker } from "./outlet.ts";
import type { Slow } from "./words.ts";

/** Who is held: a peer, or the input. */
export interface Held {
  hold(): void;
  release(): void;
}

export class Pacer {
  readonly #held: Held;
  readonly #cleared: () => void;
  #waiting = 0;

  constructor(held: Held) {
    this.#held = held;
    this.#cleared = () => {
      this.#waiting--;
      if (this.#waiting === 0) held.release();
    };
  }

  give(chunk: Buffer, outlet: Outlet, from: Speaker | undefined, slow: Slow = "pace"): void {
    if (slow === "drop" && !outlet.isClear) {
      outlet.passedOver(chunk.length);
      return;
    }
    outlet.send(chunk, from);
    if (slow === "drop" || outlet.isClear) return;
    this.#waiting++;
    if (this.#waiting === 1) this.#held.hold();
    outlet.whenClear(this.#cleared);
  }
}
