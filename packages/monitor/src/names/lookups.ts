// The reactor's side of names: what it has asked the main thread to resolve, until that says that the lookup has ended.
//
//   asked ── answers ──▶ asked ── the last answer ──▶ forgotten
//     └── cancel ──▶ cancelled ── the last answer ──▶ `ended` is called, forgotten
//
// Who cancels pays until `ended`: the main thread's queue is bounded by what guests may have under way, however fast
// they ask and give up.

import type { Answer } from "./resolver.ts";

/** What the main thread is asked. */
export type LookupMessage =
  | {
      readonly kind: "resolve";
      readonly id: number;
      /** Who pays for it. */
      readonly key: string;
      readonly name: string;
      readonly family: 0 | 4 | 6;
      readonly timeoutMs: number;
    }
  | {
      readonly kind: "reverse";
      readonly id: number;
      readonly key: string;
      readonly address: string;
      readonly timeoutMs: number;
    }
  /** Answered by its end, where that is not on its way already. */
  | { readonly kind: "resolve-cancel"; readonly id: number };

export class Lookups {
  readonly #post: (message: LookupMessage) => void;
  readonly #asked: Map<number, (answer: Answer) => void> = new Map();
  #next = 1;

  constructor(post: (message: LookupMessage) => void) {
    this.#post = post;
  }

  /** Returns a number for cancel(). `tell` is called until an answer has `ended`. */
  start(
    key: string,
    name: string,
    timeoutMs: number,
    tell: (answer: Answer) => void,
    family: 0 | 4 | 6 = 0,
  ): number {
    const id = this.#next++;
    this.#asked.set(id, tell);
    this.#post({ kind: "resolve", id, key, name, family, timeoutMs });
    return id;
  }

  /** The same for the names of an address. */
  startReverse(key: string, address: string, timeoutMs: number, tell: (answer: Answer) => void): number {
    const id = this.#next++;
    this.#asked.set(id, tell);
    this.#post({ kind: "reverse", id, key, address, timeoutMs });
    return id;
  }

  /** No more answers; `ended` is called once the main thread has let go of the lookup. For one that has not ended. */
  cancel(id: number, ended: () => void): void {
    this.#asked.set(id, (answer) => {
      if (answer.ended) ended();
    });
    this.#post({ kind: "resolve-cancel", id });
  }

  answered(id: number, answer: Answer): void {
    const tell = this.#asked.get(id);
    if (answer.ended) this.#asked.delete(id);
    tell?.(answer);
  }
}
