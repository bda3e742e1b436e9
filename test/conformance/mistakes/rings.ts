// Mistakes with rings and their positions (PROTOCOL.md section 5).

import { type Mistake, of } from "./mistake.ts";

const ring = of("ring");
const stream = of("typescript/stream");

export const RING_MISTAKES: readonly Mistake[] = [
  // ── Positions ──
  ring(
    "leaves a byte of each ring unused",
    "RING-5",
    "return this.capacity - used;",
    "return this.capacity - used - 1;",
  ),
  ring(
    "checks no read position of the host's",
    "RING-4",
    "if (used > (this.#written - this.#read) >>> 0) {",
    "if (false) {",
  ),
  ring(
    "takes a read position that goes back",
    "RING-4",
    "if (used > (this.#written - this.#read) >>> 0) {",
    "if (used > this.capacity) {",
  ),
  ring(
    "checks no write position of the host's",
    "RING-4",
    "if (ahead > this.capacity || ahead < (this.#written - this.#read) >>> 0) {",
    "if (false) {",
  ),
  ring(
    "takes a write position past the ring",
    "RING-4",
    "if (ahead > this.capacity || ahead < (this.#written - this.#read) >>> 0) {",
    "if (ahead < (this.#written - this.#read) >>> 0) {",
  ),
  ring(
    "takes a write position that goes back over bytes that it has not taken",
    "RING-4",
    "if (ahead > this.capacity || ahead < (this.#written - this.#read) >>> 0) {",
    "if (ahead > this.capacity) {",
  ),
  ring(
    "takes positions for numbers that only grow, as a writer",
    "RING-4",
    "const used = (this.#written - read) >>> 0;",
    "const used = this.#written - read;",
  ),
  ring(
    "takes positions for numbers that only grow, as a reader",
    "RING-4",
    "const ahead = (written - this.#read) >>> 0;",
    "const ahead = written - this.#read;",
  ),
  ring(
    "reads its own write position back from the region",
    "RING-2",
    "this.#written = (this.#written + bytes) >>> 0;",
    "this.#written = (Atomics.load(this.#words, this.#own + PRODUCER_POSITION / 4) + bytes) >>> 0;",
  ),
  ring(
    "reads its own read position back from the region",
    "RING-2",
    "this.#read = (this.#read + bytes) >>> 0;",
    "this.#read = (Atomics.load(this.#words, this.#own + CONSUMER_POSITION / 4) + bytes) >>> 0;",
  ),
  ring(
    "publishes what it put the time before",
    "RING-3",
    "Atomics.store(this.#words, this.#own + PRODUCER_POSITION / 4, this.#written | 0);",
    "Atomics.store(this.#words, this.#own + PRODUCER_POSITION / 4, (this.#written - bytes) | 0);",
  ),
  ring(
    "gives no space back",
    "RING-3",
    "Atomics.store(this.#words, this.#own + CONSUMER_POSITION / 4, this.#read | 0);",
    "",
  ),
  // ── Bytes ──
  ring(
    "puts the tail of what goes around the end behind the ring",
    "RING-3",
    "const first = Math.min(source.length, this.capacity - offset);",
    "const first = source.length;",
  ),
  ring(
    "puts few bytes on past the end of the ring",
    "RING-3",
    "bytes[data + ((this.#written + at + i) & mask)] = source[i];",
    "bytes[data + (this.#written & mask) + at + i] = source[i];",
  ),
  ring(
    "leaves out the tail of what comes around the end",
    "RING-3",
    "target.set(this.#bytes.subarray(data, data + target.length - first), first);",
    "",
  ),
  ring(
    "takes few bytes from past the end of the ring",
    "RING-3",
    "target[i] = bytes[data + ((this.#read + at + i) & mask)];",
    "target[i] = bytes[data + (this.#read & mask) + at + i];",
  ),
  // ── Want words ──
  ring("does not say that it waits for space", "RING-9", "if (this.#wantSpace !== bytes) {", "if (false) {"),
  stream(
    "waits for more space than the ring has",
    "RING-9",
    "if (!producer.wantSpace(producer.capacity / 4))",
    "if (!producer.wantSpace(producer.capacity * 2))",
  ),
  ring("does not say that it waits for data", "RING-9", "if (this.#wantData === 0) {", "if (false) {"),
  ring(
    "signals no data",
    "RING-9",
    "return Atomics.load(this.#words, this.#other + CONSUMER_WANT_DATA / 4) !== 0;",
    "return false;",
  ),
  ring("signals no space", "BELL-3", "if (want === 0) return false;", "return false;"),
  ring("signals space a byte late", "BELL-3", "return free >= want;", "return free > want;"),
  // ── Closed words ──
  ring(
    "takes any closed word of the host's for a reset",
    "RING-10",
    "const closed = Atomics.load(this.#words, this.#other + PRODUCER_CLOSED / 4) >>> 0;",
    "const closed = Math.min(2, Atomics.load(this.#words, this.#other + PRODUCER_CLOSED / 4) >>> 0);",
  ),
  ring(
    "lets a closed word of the host's shrink",
    "RING-10",
    "if (closed > Closed.RESET || closed < this.#peerClosed) {",
    "if (closed > Closed.RESET) {",
  ),
  ring(
    "takes any word for a consumer that reads no more",
    "RING-10",
    "if (closed !== 1) {",
    "if (closed === 0) {",
  ),
  ring(
    "goes on writing where a consumer takes back that it reads no more",
    "RING-10",
    "if (closed === (this.#abandoned ? 1 : 0)) return this.#abandoned;",
    "if (closed <= 1) return closed === 1;",
  ),
  ring(
    "does not say that it reads no more",
    "RING-7",
    "Atomics.store(this.#words, this.#own + CONSUMER_CLOSED / 4, 1);",
    "",
  ),
  ring(
    "does not say that it has ended",
    "RING-6",
    "Atomics.store(this.#words, this.#own + PRODUCER_CLOSED / 4, closed);",
    "",
  ),
  stream(
    "writes on where the host reads no more",
    "RING-7",
    "if (producer.abandoned()) { return { status: this",
    "if (false) { return { status: this",
  ),
  stream(
    "tells the end as soon as END is there, bytes or no bytes",
    "RING-6",
    'if (closed === Closed.RESET) return { status: "reset" }; const count = Math.min(max, consumer.readable());',
    'if (closed !== Closed.OPEN) return { status: closed === Closed.END ? "end" : "reset" };' +
      " const count = Math.min(max, consumer.readable());",
  ),
  stream(
    "takes bytes that come after the end",
    "RING-6",
    'if (this.#ended) return { status: "end" }; if (consumer.closed)',
    "if (consumer.closed)",
  ),
];
