// A walk over guests or streams in pieces, each of which takes so many steps and no more.

import type { Attachment } from "../guests/attachment.ts";
import type { Stream } from "../guests/stream.ts";
import type { Fields } from "./census-rows.ts";

/** Of what is taken: rows cost some 2 us each, and as much again to be posted. */
const TAKEN_PER_PIECE = 32;
/** Of what is only passed by, a guest or the number of a stream that is no more: some 0.1 ms. */
const STEPS_PER_PIECE = 4096;

export interface Walk {
  /** Takes some steps, and puts what there is to answer. True: it is through. */
  piece(fields: Fields): boolean;
}

/** passed: nothing was there to do; wait: nothing is there before a later piece; end: there is nothing behind it. */
type Step = "taken" | "passed" | "wait" | "end";

export function walked(step: (fields: Fields) => Step): Walk {
  return {
    piece(fields) {
      for (let steps = 0, taken = 0; steps < STEPS_PER_PIECE && taken < TAKEN_PER_PIECE; steps++) {
        const found = step(fields);
        if (found === "end" || found === "wait") return found === "end";
        if (found === "taken") taken++;
      }
      return false;
    },
  };
}

/** The streams of guests, in the order of their guests and of their ids: those that there are when it is their turn. */
export class EachStream {
  readonly #guests: Iterator<Attachment>;
  readonly #isAsked: (guest: Attachment) => boolean;
  readonly #after: { readonly guest: number; readonly stream: number };
  /** Whose stream step() has given. */
  guest: Attachment | undefined;
  /** Of its streams, those up to this id are behind. */
  #id = 0;

  /** Begins behind `after`. */
  constructor(
    guests: ReadonlySet<Attachment>,
    isAsked: (guest: Attachment) => boolean,
    after: { readonly guest: number; readonly stream: number } = { guest: 0, stream: 0 },
  ) {
    this.#guests = guests.values();
    this.#isAsked = isAsked;
    this.#after = after;
  }

  /** Looks at one number: a guest that had many streams once has as many. */
  step(): Stream | "passed" | "end" {
    if (this.guest === undefined) return this.#nextGuest();
    const { streams } = this.guest;
    if (++this.#id < streams.idsEnd) return streams.open(this.#id) ?? "passed";
    this.guest = undefined;
    return "passed";
  }

  #nextGuest(): "passed" | "end" {
    const { done, value: guest } = this.#guests.next();
    if (done === true) return "end";
    this.guest = this.#isAsked(guest) ? guest : undefined;
    this.#id = guest.serial === this.#after.guest ? this.#after.stream : 0;
    return "passed";
  }
}
