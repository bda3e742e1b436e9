// What has happened lately, for those who follow it: the last events, each written once, however many read them. Who
// reads too slowly finds that some are gone, and how many.
//
// Invariant: at most EVENTS_KEPT of them, and BYTES_KEPT.

const EVENTS_KEPT = 4096;
const BYTES_KEPT = 1024 * 1024;

interface Kept {
  readonly kind: string;
  /** JSON. */
  readonly data: string;
  readonly bytes: number;
}

/** In place of what was dropped, so that nothing holds its text. */
const DROPPED: Kept = { kind: "", data: "", bytes: 0 };

export class EventLog {
  /** Of this monitor: ids of another's are strange here. */
  readonly #name: string = Date.now().toString(36);
  /** The oldest is #first, the newest before `end`. */
  #events: Kept[] = [];
  #dropped = 0;
  #first = 1;
  #bytes = 0;
  /** Of each kind: how many are not kept any more, and the position of the last of them. */
  readonly #gone: Map<string, { count: number; last: number }> = new Map();
  readonly #readers: Set<() => void> = new Set();

  add(kind: string, data: object): void {
    const text = JSON.stringify(data);
    const bytes = Buffer.byteLength(text);
    this.#events.push({ kind, data: text, bytes });
    this.#bytes += bytes;
    while (this.end - this.#first > EVENTS_KEPT || this.#bytes > BYTES_KEPT) {
      this.#drop();
    }
    // Now and then, and not for each.
    if (this.#dropped >= EVENTS_KEPT) {
      this.#events = this.#events.slice(this.#dropped);
      this.#dropped = 0;
    }
    for (const look of this.#readers) look();
  }

  #drop(): void {
    const { kind, bytes } = this.#events[this.#dropped]!;
    const gone = this.#gone.get(kind) ?? { count: 0, last: 0 };
    this.#gone.set(kind, gone);
    gone.count++;
    gone.last = this.#first++;
    this.#bytes -= bytes;
    this.#events[this.#dropped++] = DROPPED;
  }

  /** Of these kinds, or of all: how many are not kept any more, and the position of the last of them, 0 for none. */
  gone(kinds: ReadonlySet<string> | undefined): { readonly count: number; readonly last: number } {
    let [count, last] = [0, 0];
    for (const [kind, gone] of this.#gone) {
      if (kinds !== undefined && !kinds.has(kind)) continue;
      count += gone.count;
      last = Math.max(last, gone.last);
    }
    return { count, last };
  }

  /** Behind the newest. */
  get end(): number {
    return this.#first + this.#events.length - this.#dropped;
  }

  /** The oldest that is kept. */
  get first(): number {
    return this.#first;
  }

  at(position: number): Kept {
    return this.#events[position - this.#first + this.#dropped]!;
  }

  idOf(position: number): string {
    return `${this.#name}-${position}`;
  }

  /** Where to go on behind the event with this id. Undefined: it is none of this monitor's. */
  behind(id: string): number | undefined {
    const [name, number, ...rest] = id.split("-");
    const position = Number(number);
    const isOne = name === this.#name && rest.length === 0 && Number.isSafeInteger(position) && position > 0;
    return isOne ? Math.min(position + 1, this.end) : undefined;
  }

  /** Calls `look` when there is another. */
  follow(look: () => void): void {
    this.#readers.add(look);
  }

  unfollow(look: () => void): void {
    this.#readers.delete(look);
  }

  get readers(): number {
    return this.#readers.size;
  }
}
