// How often something was asked for, when, and by whom: what a learned rule has as its comment.

import { yamlText } from "./yaml.ts";

const GUESTS_MAX = 5;

interface Seen {
  readonly time?: string | undefined;
  readonly guest?: string | undefined;
  readonly isAgain?: boolean;
}

export class Evidence {
  #count = 0;
  #first = "";
  #last = "";
  readonly #guests: Set<string> = new Set();
  #hasMoreGuests = false;

  /** `time`: as ISO 8601 has it, in UTC. `isAgain`: the end of what has been counted. */
  add({ time, guest, isAgain = false }: Seen): void {
    if (!isAgain) this.#count++;
    if (time !== undefined) {
      if (this.#first === "" || time < this.#first) this.#first = time;
      if (time > this.#last) this.#last = time;
    }
    if (guest === undefined || this.#guests.has(guest)) return;
    if (this.#guests.size < GUESTS_MAX) this.#guests.add(guest);
    else this.#hasMoreGuests = true;
  }

  /** `3 times, TIME to TIME, by web-1`; "" where no times are known. */
  toString(): string {
    if (this.#first === "") return "";
    const count = this.#count <= 1 ? "once" : `${this.#count} times`;
    const when = this.#first === this.#last ? this.#first : `${this.#first} to ${this.#last}`;
    const guests = [...this.#guests].map(yamlText).join(", ");
    const by = guests === "" ? "" : `, by ${guests}${this.#hasMoreGuests ? " and others" : ""}`;
    return `${count}, ${when}${by}`;
  }
}
