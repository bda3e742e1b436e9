// The two ends of one ring as a program has them: writes or reads a stream's bytes, in pieces of any size, looking in
// any of the orders that RING-6 and RING-9 allow, and now and then pausing. Each call does one thing.

import { Closed, type RingConsumer, type RingProducer } from "@ringway/control";
import { fill, mismatch } from "./content.ts";
import type { Random } from "./random.ts";

/** again: call again; rest: wait for a signal; pause: the program is busy elsewhere for a while; else: through. */
export type Progress = "again" | "rest" | "pause" | "end" | "reset" | "enough";

/** Something that must never be. */
export class Wrong extends Error {}

export class Sending {
  sent = 0;
  readonly #ring: RingProducer;
  readonly #key: number;
  readonly #total: number;
  readonly #resetsAt: number;
  readonly #random: Random;

  constructor(ring: RingProducer, key: number, total: number, resetsAt: number, random: Random) {
    this.#ring = ring;
    this.#key = key;
    this.#total = total;
    this.#resetsAt = resetsAt;
    this.#random = random;
  }

  /** "end" and "reset" are told before anything is closed: the caller closes. */
  step(signal: () => void): Progress {
    const ring = this.#ring;
    const random = this.#random;
    if (this.sent >= this.#resetsAt) return "reset";
    if (this.sent === this.#total || ring.abandoned()) {
      ring.unwantSpace();
      return "end";
    }
    const free = ring.writable();
    if (free === 0 || random.once(8)) {
      const want = random.pick([1, 1 + random.below(ring.capacity), ring.capacity / 2, ring.capacity]);
      return ring.wantSpace(want) ? "again" : "rest";
    }
    if (random.once(4)) ring.unwantSpace();
    const most = Math.min(free, this.#total - this.sent);
    const bytes = new Uint8Array(random.once(3) ? most : 1 + random.skewed(most - 1));
    fill(bytes, this.#key, this.sent);
    const half = random.below(bytes.length + 1);
    ring.put(bytes.subarray(0, half));
    ring.put(bytes.subarray(half), half);
    this.sent += bytes.length;
    if (ring.advance(bytes.length)) signal();
    return "again";
  }
}

export class Receiving {
  got = 0;
  readonly #ring: RingConsumer;
  readonly #key: number;
  readonly #stopsAt: number;
  readonly #random: Random;

  constructor(ring: RingConsumer, key: number, stopsAt: number, random: Random) {
    this.#ring = ring;
    this.#key = key;
    this.#stopsAt = stopsAt;
    this.#random = random;
  }

  /** "end", "reset" and "enough" are told before this side closes: the caller closes. */
  step(signal: () => void): Progress {
    const ring = this.#ring;
    if (this.got >= this.#stopsAt) return "enough";
    if (this.#random.once(64)) {
      ring.unwantData();
      return "pause";
    }
    const { readable, closed } = this.#look();
    if (closed === Closed.RESET) return "reset";
    if (readable === 0) {
      if (closed === Closed.END) return "end";
      return ring.wantData() ? "again" : "rest";
    }
    const most = Math.min(readable, this.#stopsAt - this.got);
    this.take(this.#random.once(3) ? most : 1 + this.#random.skewed(most - 1), signal);
    return "again";
  }

  /** Takes and checks so many bytes; returns them. */
  take(count: number, signal: () => void): Uint8Array {
    const bytes = new Uint8Array(count);
    this.#ring.copy(bytes);
    const wrong = mismatch(bytes, this.#key, this.got);
    if (wrong >= 0) throw new Wrong(`byte ${this.got + wrong} of a stream is not the one that was sent`);
    this.got += count;
    if (this.#ring.advance(count)) signal();
    return bytes;
  }

  /** Three ways to see an end, all of which look for bytes after they have seen closed. */
  #look(): { readable: number; closed: Closed } {
    const ring = this.#ring;
    switch (this.#random.below(3)) {
      case 0: {
        const closed = ring.peerClosed();
        return { readable: ring.readable(), closed };
      }
      case 1: {
        if (ring.ended()) return { readable: 0, closed: Closed.END };
        return { readable: ring.readable(), closed: Closed.OPEN };
      }
      default: {
        const readable = ring.readable();
        if (readable > 0) return { readable, closed: Closed.OPEN };
        const closed = ring.peerClosed();
        return { readable: ring.readable(), closed };
      }
    }
  }
}
