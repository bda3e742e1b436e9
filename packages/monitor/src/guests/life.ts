// The life of one guest as the monitor sees it, from its greeting to the last that is let go of.
//
//   ATTACHING ── it attached ──▶ ATTACHED ── hang-up, detach ──▶ LEAVING
//       │                                                           │ what it did before is looked at, or time over
//       └─────── hang-up ───────────────────────────────────▶ LINGERING
//                                                                   │ all flushed, or time over
//   any of these ── violation on stream 0, stop, a bug ──────▶ CLOSING ── every stream is let go of ──▶ CLOSED
//
//   LEAVING    what it did before it left may not have been looked at: it is served, and nobody reads its replies
//   LINGERING  what it has ended in order may still reach its peers; everything else is reset (departure.ts)
//   CLOSING    its streams are void, and their relays let go, in slices (dropping.ts)
//
// ATTACHED stays through fresh epochs: a guest that asks for one has been attached, and is a moment later again. Beside
// this a guest may be held (observe/lines.ts) or parked (share.ts): then nothing of it is stepped, whatever its state.

export const LifeState = {
  ATTACHING: 0,
  ATTACHED: 1,
  LEAVING: 2,
  LINGERING: 3,
  CLOSING: 4,
  CLOSED: 5,
} as const;
export type LifeState = (typeof LifeState)[keyof typeof LifeState];

const { ATTACHING, ATTACHED, LEAVING, LINGERING, CLOSING, CLOSED } = LifeState;

/** By state: those that may follow it. */
const NEXT: readonly (readonly LifeState[])[] = [
  [ATTACHED, LINGERING, CLOSING],
  [ATTACHED, LEAVING, CLOSING],
  [LINGERING, CLOSING],
  [CLOSING],
  [CLOSED],
  [],
];

export class Life {
  #state: LifeState = ATTACHING;

  get state(): LifeState {
    return this.#state;
  }

  /** The one place where it changes. */
  enter(next: LifeState): void {
    if (!NEXT[this.#state]!.includes(next)) {
      const [before, after] = [this.#state, next].map((state) => stateName(LifeState, state));
      throw new Error(`a guest's life goes from ${before} to ${after}`);
    }
    this.#state = next;
  }

  /** Its control pipe is served. */
  get served(): boolean {
    return this.#state === ATTACHED || this.#state === LEAVING;
  }

  /** Nobody reads what comes for it any more, and nothing that it does is looked at. */
  get departed(): boolean {
    return this.#state >= LINGERING;
  }

  /** Its streams are void. */
  get over(): boolean {
    return this.#state >= CLOSING;
  }
}

/** The name of a state, for people: of a guest's life, or of a stream. */
export function stateName(states: Readonly<Record<string, number>>, state: number): string {
  return Object.keys(states).find((name) => states[name] === state)!;
}
