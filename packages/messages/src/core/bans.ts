// Who is not served for a while, and why. Bounded: a peer with many addresses makes others' bans end early, no more.
//
// Invariant: the entries stand in the order in which they were made, there are no more than `limit`, and a reason has
// at most MOST_REASON characters, in memory of its own: it may quote what a peer has said.

import { decodeText, encodeText } from "./text.ts";

const MOST_REASON = 200;

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
    this.#bans.set(who, { reason: shortened(reason), untilMs });
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

/** A part of a text may keep all of it in memory: so it is made anew. */
function shortened(reason: string): string {
  if (reason.length <= MOST_REASON) return reason;
  return `${decodeText(encodeText(reason.slice(0, MOST_REASON - 1)))}…`;
}
