// What the threads of the model run: a side's loop as the monitor's reactor and the guest's engine have it, and the
// ends of a pipe as their relays and pumps have them. Everything that touches shared memory is a call of the production
// code.
//
// No private fields in here: the model copies programs and compares them.

import {
  type BellReceiver,
  type BellSender,
  Closed,
  FRAME_HEADER_BYTES,
  type FrameReader,
  type FrameWriter,
  type RingConsumer,
  type RingProducer,
} from "@ringway/control";
import { choose, load, Program, store, Wrong, waitFor } from "./fiber.ts";

/** Mistakes of a caller's, for the explorer to find. */
export type Mistake =
  | "publishes before it puts"
  | "gives space back before it copies"
  | "ends before its last bytes"
  | "does not signal its end"
  | "tests emptiness before closed"
  | "clears want-data late"
  | "clears want-space late";

/** One stream of one side. */
export interface Stream {
  readonly id: number;
  /** Through: not looked at any more. */
  over: boolean;
  /** Its ends. A getter, so that the model does not take them for state twice. */
  readonly rings: readonly (RingProducer | RingConsumer)[];
  /** Goes on a little. True: go on; false: wait for a signal. */
  step(side: Side): boolean;
  /** The ring may have been for something else that it waits for. */
  woken?(): void;
}

/** One side: take what is pending, step those streams, sleep. */
export class Side extends Program {
  phase: "step" | "take" | "sleep" | "wait" = "step";
  ready: number[];
  /** Streams were marked, and the other side was not woken for them yet. */
  due = false;
  readonly streams: readonly Stream[];
  readonly sender: BellSender;
  readonly receiver: BellReceiver;
  readonly ownBell: number;
  /** How many ids it takes at once. */
  readonly room: number;
  /** Marks streams as it goes and wakes the other side once, before it looks for more (the reactor's way). */
  readonly wakesOnce: boolean;
  readonly mistake: Mistake | undefined;

  constructor(
    streams: readonly Stream[],
    bell: { readonly sender: BellSender; readonly receiver: BellReceiver; readonly own: number },
    options: { readonly room: number; readonly wakesOnce: boolean; readonly mistake: Mistake | undefined },
  ) {
    super();
    this.streams = streams;
    this.ready = streams.map(({ id }) => id);
    this.sender = bell.sender;
    this.receiver = bell.receiver;
    this.ownBell = bell.own;
    this.room = options.room;
    this.wakesOnce = options.wakesOnce;
    this.mistake = options.mistake;
  }

  override get doing(): string {
    return this.streams.map(String).join(", ");
  }

  override invariants(): void {
    for (const { rings } of this.streams) for (const ring of rings) ring.invariants();
  }

  signal(id: number): void {
    if (!this.wakesOnce) this.sender.signal(id);
    else if (this.sender.mark(id)) this.due = true;
  }

  override run(): void {
    if (this.phase === "step") this.goOn();
    else if (this.phase === "take") this.takeNext();
    else if (this.phase === "sleep") this.phase = this.receiver.prepareSleep() ? "wait" : "take";
    else {
      waitFor(this.ownBell);
      this.receiver.awake();
      const heard = this.streams.filter(({ woken }) => woken !== undefined);
      for (const stream of heard) stream.woken!();
      this.ready = heard.map(({ id }) => id);
      this.phase = heard.length > 0 ? "step" : "take";
    }
  }

  goOn(): void {
    const stream = this.streams.find(({ id }) => id === this.ready[0]);
    if (stream === undefined || stream.over || !stream.step(this)) this.ready.shift();
    if (this.ready.length > 0) return;
    this.phase = "take";
    if (!this.due && this.streams.every(({ over }) => over)) this.done = true;
  }

  takeNext(): void {
    if (this.due) {
      this.due = false;
      this.sender.wake();
      if (this.streams.every(({ over }) => over)) this.done = true;
      return;
    }
    const ids = new Uint16Array(this.room);
    const count = this.receiver.take(ids);
    this.ready = [...ids.subarray(0, count)];
    this.phase = count === 0 ? "sleep" : "step";
  }
}

export interface WriterOptions {
  readonly total: number;
  /** How much space it waits for. */
  readonly want: number;
  /** Puts any number of bytes that fit, and not all that fit. */
  readonly anyLength?: boolean;
  readonly how: "end" | "reset" | "end, then reset" | "reset at any time";
}

/** The writing end: bytes that can be told from each other, then the end. */
export class Writer implements Stream {
  readonly id: number;
  readonly ring: RingProducer;
  readonly options: WriterOptions;
  over = false;
  sent = 0;
  closed = 0;

  constructor(id: number, ring: RingProducer, options: WriterOptions) {
    this.id = id;
    this.ring = ring;
    this.options = options;
  }

  get rings(): Stream["rings"] {
    return [this.ring];
  }

  step(side: Side): boolean {
    const { ring } = this;
    const { total, want, how } = this.options;
    if (this.closed > 0) {
      if (ring.abandoned()) this.over = true;
      if (!this.over && how === "end, then reset" && this.closed < Closed.RESET)
        return this.close(side, Closed.RESET);
      return false;
    }
    if (ring.abandoned()) return this.close(side, Closed.END);
    if (how === "reset at any time" && choose(2) === 1) return this.close(side, Closed.RESET);
    if (this.sent === total) return this.close(side, how === "reset" ? Closed.RESET : Closed.END);
    const free = ring.writable();
    if (free === 0) {
      const go = ring.wantSpace(want);
      if (side.mistake === "clears want-space late") ring.unwantSpace();
      return go;
    }
    const most = Math.min(free, total - this.sent);
    const count = this.options.anyLength ? 1 + choose(most) : most;
    const bytes = Uint8Array.from({ length: count }, (_, i) => this.sent + i + 1);
    this.sent += count;
    if (side.mistake === "ends before its last bytes" && this.sent === total) ring.end();
    if (side.mistake !== "publishes before it puts") {
      ring.put(bytes);
      if (ring.advance(count)) side.signal(this.id);
    } else {
      const signal = ring.advance(count);
      ring.put(bytes, -count);
      if (signal) side.signal(this.id);
    }
    return true;
  }

  close(side: Side, closed: Closed): boolean {
    this.closed = closed;
    this.ring.unwantSpace();
    if (closed === Closed.END) this.ring.end();
    else this.ring.reset();
    if (side.mistake !== "does not signal its end") side.signal(this.id);
    return true;
  }

  toString(): string {
    return `stream ${this.id} having sent ${this.sent} of ${this.options.total}${this.closed > 0 ? " and closed" : ""}`;
  }
}

export interface ReaderOptions {
  /** What the writer sends, if it comes to its end. */
  readonly total: number;
  /** Takes any number of bytes that are there, and not all of them. */
  readonly anyLength?: boolean;
  /**
   * How it looks. "pump": bytes, then closed, then bytes again. "ended": asks ended(). "closed first": closed, then
   * bytes, as the relays do.
   */
  readonly looks: "pump" | "ended" | "closed first";
  /** Withdraws want-data whenever it is awake. */
  readonly unwants?: boolean;
  /** Reads no more after this many bytes. */
  readonly closesAfter?: number;
}

/** The reading end: checks every byte, and that the end is the end. */
export class Reader implements Stream {
  readonly id: number;
  readonly ring: RingConsumer;
  readonly options: ReaderOptions;
  over = false;
  got = 0;
  outcome: "none yet" | "end" | "reset" | "closed" = "none yet";

  constructor(id: number, ring: RingConsumer, options: ReaderOptions) {
    this.id = id;
    this.ring = ring;
    this.options = options;
  }

  get rings(): Stream["rings"] {
    return [this.ring];
  }

  step(side: Side): boolean {
    const { ring } = this;
    if (this.got === this.options.closesAfter) return this.finish(side, "closed");
    if (this.options.unwants) ring.unwantData();
    const { readable, closed } = this.look(side);
    if (closed === Closed.RESET) return this.finish(side, "reset");
    if (readable > 0) return this.takeNext(side, readable);
    if (closed === Closed.END) return this.finish(side, "end");
    const go = ring.wantData();
    if (side.mistake === "clears want-data late") ring.unwantData();
    return go;
  }

  /** Closed other than OPEN, beside no bytes, means that there will be none. */
  look(side: Side): { readable: number; closed: Closed } {
    const { ring } = this;
    if (this.options.looks === "closed first") {
      const closed = ring.peerClosed();
      return { readable: ring.readable(), closed };
    }
    if (this.options.looks === "ended") {
      if (ring.ended()) return { readable: 0, closed: Closed.END };
      // Not ended: END alone says nothing here.
      const closed = ring.peerClosed();
      const readable = ring.readable();
      return { readable, closed: closed === Closed.END ? Closed.OPEN : closed };
    }
    const readable = ring.readable();
    if (readable > 0) return { readable, closed: Closed.OPEN };
    const closed = ring.peerClosed();
    const again = closed === Closed.END && side.mistake !== "tests emptiness before closed";
    return { readable: again ? ring.readable() : 0, closed };
  }

  takeNext(side: Side, readable: number): boolean {
    const { ring, options } = this;
    let most = readable;
    if (options.closesAfter !== undefined) most = Math.min(most, options.closesAfter - this.got);
    const bytes = new Uint8Array(options.anyLength ? 1 + choose(most) : most);
    let signal = false;
    if (side.mistake === "gives space back before it copies") {
      signal = ring.advance(bytes.length);
      ring.copy(bytes, -bytes.length);
    } else {
      ring.copy(bytes);
      signal = ring.advance(bytes.length);
    }
    for (const byte of bytes) {
      this.got++;
      if (byte !== this.got) throw new Wrong(`byte ${this.got} of stream ${this.id} reads ${byte}`);
    }
    if (signal) side.signal(this.id);
    return true;
  }

  finish(side: Side, outcome: "end" | "reset" | "closed"): boolean {
    if (outcome === "end" && this.got !== this.options.total) {
      throw new Wrong(`false end: stream ${this.id} ended after ${this.got} of ${this.options.total} bytes`);
    }
    this.outcome = outcome;
    this.over = true;
    this.ring.close();
    side.signal(this.id);
    return false;
  }

  toString(): string {
    return `stream ${this.id} having got ${this.got} of ${this.options.total}`;
  }
}

/** Both ends of a pipe on one side: writes, and reads what comes back. */
export class Caller implements Stream {
  readonly id: number;
  readonly writer: Writer;
  readonly reader: Reader;
  over = false;
  reads = false;

  constructor(writer: Writer, reader: Reader) {
    this.id = writer.id;
    this.writer = writer;
    this.reader = reader;
  }

  get rings(): Stream["rings"] {
    return [...this.writer.rings, ...this.reader.rings];
  }

  step(side: Side): boolean {
    const end = this.reads ? this.reader : this.writer;
    if (!end.over && end.step(side)) return true;
    this.over = this.writer.over && this.reader.over;
    this.reads = !this.reads;
    return this.reads;
  }

  toString(): string {
    return `${this.writer} and ${this.reader}`;
  }
}

/** Sends back what it gets, as the monitor's echo relay does. */
export class Echo implements Stream {
  readonly id: number;
  readonly from: RingConsumer;
  readonly to: RingProducer;
  over = false;
  ended = false;

  constructor(id: number, from: RingConsumer, to: RingProducer) {
    this.id = id;
    this.from = from;
    this.to = to;
  }

  get rings(): Stream["rings"] {
    return [this.from, this.to];
  }

  step(side: Side): boolean {
    const { from, to } = this;
    if (this.ended) {
      this.over = from.peerClosed() !== Closed.OPEN && to.abandoned();
      return false;
    }
    const closed = from.peerClosed();
    if (closed === Closed.RESET) return this.close(side, true);
    const readable = from.readable();
    if (readable === 0) return closed === Closed.END ? this.close(side, false) : from.wantData();
    if (to.abandoned()) {
      if (from.advance(readable)) side.signal(this.id);
      return true;
    }
    const writable = to.writable();
    if (writable === 0) return to.wantSpace(1);
    const bytes = new Uint8Array(Math.min(readable, writable));
    from.copy(bytes);
    to.put(bytes);
    const space = from.advance(bytes.length);
    const data = to.advance(bytes.length);
    if (space || data) side.signal(this.id);
    return true;
  }

  close(side: Side, reset: boolean): boolean {
    this.ended = true;
    if (reset) this.to.reset();
    else this.to.end();
    this.from.close();
    side.signal(this.id);
    return true;
  }

  toString(): string {
    return `stream ${this.id} echoing`;
  }
}

/** Sends frames of one byte each, as GuestSession.send() does. */
export class FrameSender implements Stream {
  readonly id: number;
  readonly ring: RingProducer;
  readonly frames: FrameWriter;
  readonly total: number;
  over = false;
  sent = 0;

  constructor(id: number, ring: RingProducer, frames: FrameWriter, total: number) {
    this.id = id;
    this.ring = ring;
    this.frames = frames;
    this.total = total;
  }

  get rings(): Stream["rings"] {
    return [this.ring];
  }

  step(side: Side): boolean {
    if (!this.write(side) && (!this.ring.wantSpace(FRAME_HEADER_BYTES + 1) || !this.write(side)))
      return false;
    this.ring.unwantSpace();
    this.over = ++this.sent === this.total;
    return !this.over;
  }

  write(side: Side): boolean {
    const payload = Uint8Array.of(this.sent + 1);
    return this.frames.write(1, this.sent, payload, () => side.signal(this.id));
  }

  toString(): string {
    return `stream ${this.id} having sent ${this.sent} of ${this.total} frames`;
  }
}

/** Takes whole frames, as the control pipe's two ends do: want-data is set from the start, for good. */
export class FrameTaker implements Stream {
  readonly id: number;
  readonly frames: FrameReader;
  readonly total: number;
  over = false;
  got = 0;

  constructor(id: number, frames: FrameReader, total: number) {
    this.id = id;
    this.frames = frames;
    this.total = total;
  }

  get rings(): Stream["rings"] {
    return [];
  }

  step(side: Side): boolean {
    const frame = this.frames.next(() => side.signal(this.id));
    if (frame === undefined) return false;
    if (frame.requestId !== this.got || frame.payload[0] !== this.got + 1) {
      throw new Wrong(`frame ${this.got} comes as ${frame.requestId} with ${frame.payload.join()}`);
    }
    this.over = ++this.got === this.total;
    return !this.over;
  }

  toString(): string {
    return `stream ${this.id} having got ${this.got} of ${this.total} frames`;
  }
}

/** Only signals: counts in a word of the model's own, then signals that stream. */
export class Poster extends Program {
  readonly sender: BellSender;
  readonly ids: readonly number[];
  /** The place of a stream's count. */
  readonly counts: Readonly<Record<number, number>>;
  /** Marks all, then wakes once. */
  readonly wakesOnce: boolean;
  at = 0;
  due = false;

  constructor(
    sender: BellSender,
    ids: readonly number[],
    counts: Readonly<Record<number, number>>,
    wakesOnce: boolean,
  ) {
    super();
    this.sender = sender;
    this.ids = ids;
    this.counts = counts;
    this.wakesOnce = wakesOnce;
  }

  override get doing(): string {
    return `having posted ${this.at} of ${this.ids.length}`;
  }

  override run(): void {
    const id = this.ids[this.at];
    if (id === undefined) {
      if (this.due) this.sender.wake();
      this.done = true;
      return;
    }
    store(this.counts[id]!, this.ids.slice(0, ++this.at).filter((each) => each === id).length);
    if (!this.wakesOnce) this.sender.signal(id);
    else if (this.sender.mark(id)) this.due = true;
  }
}

/** Only takes: sees what was posted to a stream when its bit comes. */
export class Watched implements Stream {
  readonly id: number;
  /** Places of the posters' counts for this stream, and what each comes to. */
  readonly counts: readonly { readonly place: number; readonly total: number }[];
  over = false;

  constructor(id: number, counts: Watched["counts"]) {
    this.id = id;
    this.counts = counts;
  }

  get rings(): Stream["rings"] {
    return [];
  }

  step(): boolean {
    this.over = this.counts.map(({ place, total }) => load(place) === total).every(Boolean);
    return false;
  }

  toString(): string {
    return `stream ${this.id} ${this.over ? "seen" : "not seen"}`;
  }
}
