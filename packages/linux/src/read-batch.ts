// Reads of what the page cache has, several with one call: io_submit(2) of reads with RWF_NOWAIT. The way into the
// kernel and back, through koffi, costs as much as a small read does; here it is gone once for all of them.
//
//   add() add() add() ──▶ run() ──▶ count(0) count(1) count(2) ──▶ add() ...
//
// Each gives what readAtNoWait() would. None is under way when run() returns: the kernel carries such a read out in
// io_submit(), to its end, and its completion is there then. Were one not, run() would wait for it, and no memory is
// written behind the caller's back. A single read, and what the kernel does not take (before Linux 4.14; a filter of
// system calls), is readAtNoWait()'s.

import { awaitEvents, createContext, EVENT_BYTES, IOCB_BYTES, submit } from "./aio-context.ts";
import { readAtNoWait } from "./files/bytes.ts";
import { putI64, type Scratch, scratch } from "./libc.ts";

const IOCB_CMD_PREAD = 0;
const RWF_NOWAIT = 8;

/** In words. struct iocb: data u64 | key, rw_flags u32 | opcode u16, prio i16, fd u32 | buf, nbytes, offset u64. */
const REQUEST = {
  words: IOCB_BYTES / 4,
  data: 0,
  flags: 3,
  opcode: 4,
  fd: 5,
  address: 6,
  bytes: 8,
  offset: 10,
};
/** Of a completion: data, obj, res, res2, each a u64. */
const EVENT = { words: EVENT_BYTES / 4, data: 0, result: 4 };

export class ReadBatch {
  /** How many were added. */
  length = 0;
  readonly #most: number;
  /** undefined: not tried yet; null: there is none to be had. */
  #context: number | null | undefined;
  readonly #requests: Scratch;
  readonly #requestWords: Uint32Array;
  readonly #pointers: Scratch;
  readonly #events: Scratch;
  readonly #eventWords: Int32Array;
  readonly #counts: Int32Array;

  /** Of `most` reads at a time. It lives as long as its thread. */
  constructor(most: number) {
    this.#most = most;
    this.#requests = scratch(IOCB_BYTES * most);
    this.#requestWords = new Uint32Array(this.#requests.bytes.buffer);
    this.#pointers = scratch(8 * most);
    this.#events = scratch(EVENT_BYTES * most);
    this.#eventWords = new Int32Array(this.#events.bytes.buffer);
    this.#counts = new Int32Array(most);
    for (let i = 0; i < most; i++) {
      const word = i * REQUEST.words;
      this.#requestWords[word + REQUEST.data] = i;
      this.#requestWords[word + REQUEST.flags] = RWF_NOWAIT;
      this.#requestWords[word + REQUEST.opcode] = IOCB_CMD_PREAD;
      putI64(this.#pointers.view, 8 * i, this.#requests.address + IOCB_BYTES * i);
    }
  }

  /** `bytes` below 2^31, to `address`. The caller has seen that there is room. Hot. */
  add(fd: number, address: number, bytes: number, offset: number): void {
    const words = this.#requestWords;
    const at = this.length++ * REQUEST.words;
    words[at + REQUEST.fd] = fd;
    words[at + REQUEST.address] = address;
    words[at + REQUEST.address + 1] = address / 2 ** 32;
    words[at + REQUEST.bytes] = bytes;
    words[at + REQUEST.offset] = offset;
    words[at + REQUEST.offset + 1] = offset / 2 ** 32;
  }

  /** Bytes that the read was asked for. */
  bytes(i: number): number {
    return this.#requestWords[i * REQUEST.words + REQUEST.bytes]!;
  }

  offset(i: number): number {
    return this.#u64(i * REQUEST.words + REQUEST.offset);
  }

  /** What the read gave, as readAtNoWait(). */
  count(i: number): number {
    return this.#counts[i]!;
  }

  /** Makes those that were added; the next add() begins anew. How many there are. Hot. */
  run(): number {
    const { length } = this;
    this.length = 0;
    const taken = length > 1 ? this.#submit(length) : 0;
    for (let i = taken; i < length; i++) this.#counts[i] = this.#single(i);
    return length;
  }

  /** How many the kernel has taken, and carried out. */
  #submit(length: number): number {
    if (this.#context === undefined) this.#context = createContext(this.#most) ?? null;
    const context = this.#context;
    if (context === null) return 0;
    const taken = submit(context, length, this.#pointers.address);
    if (taken <= 0) return 0;
    const count = awaitEvents(context, taken, this.#events.address);
    if (count !== taken) throw new Error(`${taken} reads have ${count} completions`);
    const events = this.#eventWords;
    for (let i = 0; i < taken; i++) {
      const at = i * EVENT.words;
      this.#counts[events[at + EVENT.data]!] = events[at + EVENT.result]!;
    }
    return taken;
  }

  #single(i: number): number {
    const at = i * REQUEST.words;
    const words = this.#requestWords;
    return readAtNoWait(
      words[at + REQUEST.fd]! | 0,
      this.#u64(at + REQUEST.address),
      this.bytes(i),
      this.offset(i),
    );
  }

  #u64(at: number): number {
    return this.#requestWords[at]! + this.#requestWords[at + 1]! * 2 ** 32;
  }
}
