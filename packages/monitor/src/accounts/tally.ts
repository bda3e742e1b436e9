// What is counted of one key for the metrics (docs/operate.md), by whoever does what is counted: private to the
// reactor's thread, and read out when somebody scrapes (thread/metrics-walk.ts).
//
// Series cost whoever keeps them, for months: GUESTS_MAX keys have a tally of their own, and all others one together,
// OTHER. Which it is, is settled when the key comes, so that no count ever falls but with its key. Of the rules that
// refuse a key, RULES_MAX have a count of their own.
//
// Invariant: `all` has GUESTS_MAX tallies at most, and that of the others.

import type { Counter } from "../reactor/counters.ts";
import type { Traffic } from "./traffic.ts";

export const GUESTS_MAX = 256;
/** By protocol and rule. */
export const RULES_MAX = 64;
export const OTHER = "other";

export interface Refused {
  readonly protocol: string;
  readonly rule: string;
  count: number;
}

/** The names that the host has given stand by themselves: no guest and no machine have the same. */
const NAMED = /^(?:guest|vm):/;

export class Tally {
  readonly name: string;
  /** By protocol: what its guests have told of so far (traffic.ts). */
  readonly traffic: Map<string, Traffic> = new Map();
  /** Streams that were opened, by Protocol. */
  readonly opened: Map<number, number> = new Map();
  readonly refused: Map<string, Refused> = new Map();
  /** How often it had used up what it may have, by the counter of that. */
  readonly hits: Map<Counter, number> = new Map();
  /** Times that its guests were rung, were awake already, and have rung. */
  rung = 0;
  spared = 0;
  rang = 0;

  constructor(name: string) {
    this.name = name;
  }

  open(protocol: number): void {
    this.opened.set(protocol, (this.opened.get(protocol) ?? 0) + 1);
  }

  hit(counter: Counter): void {
    this.hits.set(counter, (this.hits.get(counter) ?? 0) + 1);
  }

  refuse(protocol: string, rule: string): void {
    const refused = this.#refused(protocol, rule) ?? this.#refused(protocol, OTHER, true)!;
    refused.count++;
  }

  /** Undefined: as many have one as may. Of the others there are as many as protocols. */
  #refused(protocol: string, rule: string, isOther = false): Refused | undefined {
    const key = `${protocol} ${rule}`;
    const known = this.refused.get(key);
    if (known !== undefined) return known;
    if (!isOther && this.refused.size >= RULES_MAX) return undefined;
    const refused = { protocol, rule, count: 0 };
    this.refused.set(key, refused);
    return refused;
  }
}

/** Of all keys. */
export class Tallies {
  readonly #other: Tally = new Tally(OTHER);
  readonly all: Set<Tally> = new Set();

  /** All that there may be have one: the next is one of the others. */
  get isFull(): boolean {
    return this.all.size - (this.all.has(this.#other) ? 1 : 0) >= GUESTS_MAX;
  }

  take(key: string): Tally {
    if (this.isFull) return this.takeOther();
    const tally = new Tally(key.replace(NAMED, ""));
    this.all.add(tally);
    return tally;
  }

  takeOther(): Tally {
    this.all.add(this.#other);
    return this.#other;
  }

  /** Nobody counts there any more. False: it is that of the others, which stays. */
  give(tally: Tally): boolean {
    return tally !== this.#other && this.all.delete(tally);
  }
}
