// Reads that the page cache can answer (MNT-9): out of the request where it lies, straight into its answer's place in
// the other ring, with no copy and no object. Those that lie behind one another are read by one call into the kernel,
// taken, and their answers published, together: what is shared with the guest is touched once for all of them.
//
//   next request ── a read, and all of it is cached ──▶ ANSWERED
//      ├── a read up to a byte that is cached, and no room for its answer ──▶ WAITS there, and so does all behind it
//      └── anything else: not a read, not cached or lately not, the file's end, a mistake ──▶ OTHER, as every request
//
// A read that fails to be one here has changed nothing, whatever those behind it gave: it is looked at again from its
// first word, and they are, after it. None of these is ever under way, so none counts as that (MNT-3, LIM-1); they are
// paid for in time, as all that the thread does.

import {
  FRAME_HEADER_BYTES,
  type FrameReader,
  type FrameWriter,
  fileMessages,
  mountMessages,
} from "@ringway/control";
import { type ReadBatch, readAtNoWait } from "@ringway/linux";
import type { Stream } from "../../../guests/stream.ts";
import { Counter } from "../../../reactor/counters.ts";
import { READS_TOGETHER_MAX } from "../../host.ts";
import type { MountCore } from "./core.ts";
import type { Handle } from "./handles.ts";

export const Read = { OTHER: 0, ANSWERED: 1, WAITS: 2 } as const;
export type Read = (typeof Read)[keyof typeof Read];

/** Of a MountRead: handle, offset in two words, bytes. */
const REQUEST_BYTES = 16;
const FRAME_BYTES: number = FRAME_HEADER_BYTES + REQUEST_BYTES;
/** So many bytes of answers are worth a ring of their own: the guest gets to work while this thread goes on. */
const RING_AT_ONCE_BYTES = 32 * 1024;
/** Reads go together as long as their answers have fewer bytes: the guest waits for all of them. */
const TOGETHER_BYTES = 32 * 1024;

export class CachedReads {
  /** How many the last next() has answered. */
  answered = 0;
  readonly #core: MountCore;
  readonly #stream: Stream;
  readonly #signal: () => void;
  readonly #requests: FrameReader;
  readonly #replies: FrameWriter;
  /** Of all mounts. Nothing stays in it between two calls. */
  readonly #batch: ReadBatch;
  /** Of the reads in it. */
  readonly #handles: Handle[] = [];
  /** Of the read that #find() has found. */
  #offset = 0;
  #bytes = 0;
  /** Where the first free byte of the answers' ring is, and how many there are up to the ring's end. */
  #place = 0;
  #toEnd = 0;
  /** Since the guest was rung at once. */
  #answeredBytes = 0;

  constructor(core: MountCore, requests: FrameReader, replies: FrameWriter) {
    this.#core = core;
    this.#stream = core.stream;
    this.#signal = core.stream.signaller();
    this.#requests = requests;
    this.#replies = replies;
    this.#batch = core.host.reads;
  }

  /** What the next request is; those behind it that are such reads are answered with it, `most` in all. Hot. */
  next(most: number): Read {
    const { guest, pipe } = this.#stream;
    const { toHost, toGuest } = pipe;
    const readable = toHost.readable();
    this.answered = 0;
    const handle = this.#find(0, readable);
    const room = handle === undefined ? Read.OTHER : this.#room(handle);
    if (room !== Read.ANSWERED) return room;
    this.#place = guest.memory.address + toGuest.spanOffset();
    this.#toEnd = toGuest.spanBytes(toGuest.capacity);
    const isAlone = readable < 2 * FRAME_BYTES || this.#isAround(0);
    const put = isAlone ? this.#alone(handle!) : this.#together(handle!, readable, most);
    if (put === 0) return Read.OTHER;
    this.#requests.take(this.answered * FRAME_BYTES, this.#signal);
    const bytes = put - this.answered * FRAME_HEADER_BYTES;
    this.#core.host.counters.add(Counter.fileBytesRead, bytes);
    this.#answeredBytes += bytes;
    this.#replies.publishAll(put, this.#ring);
    return Read.ANSWERED;
  }

  /** The handle of the read that lies `at` bytes behind the first unread one, if it may be answered here. */
  #find(at: number, readable: number): Handle | undefined {
    const requests = this.#requests;
    if (!requests.isAt(at, readable, mountMessages.MountRead.type, REQUEST_BYTES)) return undefined;
    const handle = this.#core.handles.get(requests.word(0, at));
    const { tree } = this.#stream.guest.policy.folders;
    if (handle === undefined || !handle.atOnce.tries || handle.tree !== tree) return undefined;
    const low = requests.word(1, at);
    this.#offset = requests.word(2, at) * 2 ** 32 + low;
    this.#bytes = requests.word(3, at);
    if (this.#bytes === 0 || this.#bytes > this.#core.dataMax) return undefined;
    return Number.isSafeInteger(this.#offset + this.#bytes) ? handle : undefined;
  }

  /** Has the ring room for the answer? Asks for it where the answer is known to need it. */
  #room(handle: Handle): Read {
    const { toGuest } = this.#stream.pipe;
    const whole = FRAME_HEADER_BYTES + this.#bytes;
    if (toGuest.writable() < whole) {
      const reaches = this.#reaches(handle, this.#offset + this.#bytes - 1);
      if (reaches && !toGuest.wantSpace(whole)) return Read.WAITS;
      // Nobody reads the answer.
      if (!reaches || toGuest.abandoned()) {
        toGuest.unwantSpace();
        return Read.OTHER;
      }
    }
    toGuest.unwantSpace();
    return Read.ANSWERED;
  }

  /** Is there a byte, and cached? Then the answer has all before it too, and needs its room whoever reads it. */
  #reaches({ fd, atOnce }: Handle, last: number): boolean {
    const count = readAtNoWait(fd, this.#core.host.scratch.address, 1, last);
    atOnce.gave(count, 1, last);
    return count === 1;
  }

  /** Would the payload of the answer that is put so many bytes behind the first free one go around the ring's end? */
  #isAround(put: number): boolean {
    const toEnd = this.#toEnd - put - FRAME_HEADER_BYTES;
    return toEnd > 0 && toEnd < this.#bytes;
  }

  /** The address of the payload of an answer there: its head may be what goes around the end. */
  #payloadAt(put: number): number {
    const at = put + FRAME_HEADER_BYTES;
    return this.#place + at - (at < this.#toEnd ? 0 : this.#stream.pipe.toGuest.capacity);
  }

  /** The read that was found, perhaps around the ring's end. Bytes of its answer: 0 where it has none here. */
  #alone(handle: Handle): number {
    const bytes = this.#bytes;
    const offset = this.#offset;
    const at = this.#payloadAt(0);
    const first = this.#isAround(0) ? this.#toEnd - FRAME_HEADER_BYTES : bytes;
    const begin = at + first - this.#stream.pipe.toGuest.capacity;
    const count = readAtNoWait(handle.fd, at, first, offset, begin, bytes - first);
    return this.#answer(handle, count, bytes, offset, 0);
  }

  /** The read that was found, and those behind it that may go with it. Bytes of their answers. */
  #together(handle: Handle, readable: number, most: number): number {
    this.#gather(handle, readable, Math.min(most, READS_TOGETHER_MAX));
    const batch = this.#batch;
    const count = batch.run();
    let put = 0;
    for (let i = 0; i < count; i++) {
      const bytes = this.#answer(this.#handles[i]!, batch.count(i), batch.bytes(i), batch.offset(i), put);
      if (bytes === 0) break;
      put += bytes;
    }
    return put;
  }

  #gather(first: Handle, readable: number, most: number): void {
    const writable = this.#stream.pipe.toGuest.writable();
    let handle: Handle | undefined = first;
    for (let count = 0, put = 0; handle !== undefined; ) {
      const end = put + FRAME_HEADER_BYTES + this.#bytes;
      if (end > writable || this.#isAround(put)) return;
      this.#batch.add(handle.fd, this.#payloadAt(put), this.#bytes, this.#offset);
      this.#handles[count++] = handle;
      put = end;
      if (count === most || put >= TOGETHER_BYTES) return;
      handle = this.#find(count * FRAME_BYTES, readable);
      if (handle !== undefined && !handle.atOnce.triesWith(count)) return;
    }
  }

  /** The head of the next answer, whose payload was read into its place. Its bytes: 0 where that is not all there. */
  #answer(handle: Handle, count: number, bytes: number, offset: number, put: number): number {
    handle.atOnce.gave(count, bytes, offset);
    if (count !== bytes) return 0;
    const requestId = this.#requests.requestId(this.answered++ * FRAME_BYTES);
    this.#replies.putHead(put, fileMessages.Data.type, requestId, bytes);
    handle.flow?.toGuest(bytes);
    return FRAME_HEADER_BYTES + bytes;
  }

  readonly #ring = (): void => {
    if (this.#answeredBytes < RING_AT_ONCE_BYTES) {
      this.#stream.signal();
      return;
    }
    this.#answeredBytes = 0;
    this.#stream.signalNow();
  };
}
