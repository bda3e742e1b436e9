// The reactor's side of names: what guests have looked up. The main thread does it, a few at once; the others wait
// here, and what is given up before its turn has cost the main thread nothing.
//
//   WAITING ── its turn ──▶ ASKED ── answers ──▶ ASKED ── the last answer ──▶ gone
//      │                      └── cancel ──▶ CANCELLED ── the last answer: `ended` is called ──▶ gone
//      ├── cancel: `ended` is called ──▶ gone
//      └── its time over: the last answer ──▶ gone
//
// Who cancels pays until `ended`: what a guest starts and gives up, again and again, is never more than what it may
// have under way. Its key pays for each that the main thread begins (turns.ts), the guest for this thread's time with
// it.

import { Errno } from "@ringway/control";
import { Counter, type Counters } from "../reactor/counters.ts";
import type { Timer } from "../reactor/timers.ts";
import type { Answer } from "./resolver.ts";
import { type Payer, type Turn, Turns } from "./turns.ts";

/** At once: with c-ares, at most four descriptors each. */
const LOOKUPS_MAX = 16;
/** Of these for one key: who has names that nobody answers for leaves room for the others. */
const LOOKUPS_PER_KEY = 4;

const LATE: Answer = { addresses: [], errno: Errno.ETIMEDOUT, ended: true };

/** What is looked up: a name, or an address whose names are wanted. */
type Question =
  | { readonly kind: "resolve"; readonly name: string; readonly family: 0 | 4 | 6 }
  | { readonly kind: "reverse"; readonly address: string };

/** What the main thread is asked. */
export type LookupMessage =
  | (Question & { readonly id: number; readonly guest: string; readonly timeoutMs: number })
  /** Answered by its end, where that is not on its way already. */
  | { readonly kind: "resolve-cancel"; readonly id: number };

/** Whose it is. */
export interface LookupGuest {
  readonly name: string;
  readonly account: Payer;
  /** Its time on this thread. */
  readonly share: { charge(): void };
}

export interface LookupsHost {
  readonly reactor: {
    after(delayMs: number, callback: () => void): Timer;
    cancel(timer: Timer | undefined): void;
  };
  readonly counters: Counters;
  post(message: LookupMessage): void;
}

/** One of them, for cancel(). */
export interface Asked {
  readonly guest: LookupGuest;
  readonly question: Question;
  readonly dueMs: number;
  tell: (answer: Answer) => void;
  turn: Turn | undefined;
  /** Its time limit, while it waits. */
  timer: Timer | undefined;
  /** By which the main thread has it, or had it; 0: it waits for its turn, or did to its end. */
  id: number;
}

export class Lookups {
  readonly #host: LookupsHost;
  readonly #turns: Turns;
  /**
   * Those that the main thread has: the rest of an id is its place. No Map: V8 keeps what was in one when it outgrew
   * itself for as long as its next large collection, and with that the streams that came and went.
   */
  readonly #begun: (Asked | undefined)[] = new Array<undefined>(LOOKUPS_MAX).fill(undefined);
  #sequence = 1;

  constructor(host: LookupsHost) {
    this.#host = host;
    this.#turns = new Turns(LOOKUPS_MAX, LOOKUPS_PER_KEY, (delayMs, over) => {
      host.counters.add(Counter.quotaLookups);
      host.reactor.after(delayMs, over);
    });
  }

  /** `tell` is called, later, until an answer has `ended`. The time limit covers the wait for a turn too. */
  start(
    guest: LookupGuest,
    name: string,
    timeoutMs: number,
    tell: (answer: Answer) => void,
    family: 0 | 4 | 6 = 0,
  ): Asked {
    return this.#start(guest, { kind: "resolve", name, family }, timeoutMs, tell);
  }

  /** The same for the names of an address. */
  startReverse(
    guest: LookupGuest,
    address: string,
    timeoutMs: number,
    tell: (answer: Answer) => void,
  ): Asked {
    return this.#start(guest, { kind: "reverse", address }, timeoutMs, tell);
  }

  #start(guest: LookupGuest, question: Question, timeoutMs: number, tell: (answer: Answer) => void): Asked {
    const dueMs = performance.now() + timeoutMs;
    const asked: Asked = { guest, question, dueMs, tell, turn: undefined, timer: undefined, id: 0 };
    asked.turn = this.#turns.enter(guest.account, () => this.#begin(asked));
    if (asked.id === 0) asked.timer = this.#host.reactor.after(timeoutMs, () => this.#late(asked));
    return asked;
  }

  #begin(asked: Asked): void {
    const { question, dueMs, guest } = asked;
    const place = this.#begun.indexOf(undefined);
    const id = LOOKUPS_MAX * this.#sequence++ + place;
    this.#begun[place] = asked;
    asked.id = id;
    this.#host.reactor.cancel(asked.timer);
    const timeoutMs = Math.max(1, Math.ceil(dueMs - performance.now()));
    this.#host.post({ ...question, id, guest: guest.name, timeoutMs });
    guest.share.charge();
  }

  #late(asked: Asked): void {
    asked.tell(LATE);
    this.#turns.leave(asked.turn!);
  }

  /** No more answers; `ended` is called once nothing is left of it. For one that has not ended. */
  cancel(asked: Asked, ended: () => void): void {
    const { id } = asked;
    if (id !== 0) {
      asked.tell = (answer) => {
        if (answer.ended) ended();
      };
      this.#host.post({ kind: "resolve-cancel", id });
      return;
    }
    this.#host.reactor.cancel(asked.timer);
    ended();
    this.#turns.leave(asked.turn!);
  }

  /** By the main thread. */
  answered(id: number, answer: Answer): void {
    const place = id % LOOKUPS_MAX;
    const asked = this.#begun[place];
    if (asked?.id !== id) return;
    if (answer.ended) this.#begun[place] = undefined;
    asked.tell(answer);
    asked.guest.share.charge();
    // Last: the next one's turn begins within.
    if (answer.ended) this.#turns.leave(asked.turn!);
  }
}
