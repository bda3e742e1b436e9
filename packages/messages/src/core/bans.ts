// Who is not served for a while, and why. Bounded: a peer with many addresses makes others' bans end early, no more.
//
// Invariant: the entries stand in the order in which they were made, and there are no more than `limit`.

export interface Ban {
  readonly reason: string;
  readonly untilMs: number;
}

export class Bans {
  readonly #bans = new Map<string, Ban>();
  readonly #limit: number;

  constructor(limit: number) {
    this.#limit = limit;
  }

  add(who: string, reason: string, untilMs: number): void {
    this.#bans.delete(who);
    if (this.#bans.size === this.#limit) this.#bans.delete(this.#bans.keys().next().value!);
    this.#bans.set(who, { reason, untilMs });
  }

  /** Undefined where there is none, or none any more. */
  of(who: string, nowMs: number): Ban | undefined {
    const ban = this.#bans.get(who);
    if (ban === undefined || ban.untilMs > nowMs) return ban;
    this.#bans.delete(who);
    return undefined;
  }

  lift(who: string): void {
    this.#bans.delete(who);
  }
}
