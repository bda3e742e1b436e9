// Reads that the page cache can answer (MNT-9): out of the request where it lies, straight into its answer's place in
// the other ring, with one system call each, no copy and no object. Those that lie behind one another are taken, and
// their answers published, together: what is shared with the guest is touched once for all of them.
//
//   next request ── a read, and all of it is cached ──▶ ANSWERED
//      ├── a read up to a byte that is cached, and no room for its answer ──▶ WAITS there, and so does all behind it
//      └── anything else: not a read, not cached or lately not, the file's end, a mistake ──▶ OTHER, as every request
//
// A read that fails to be one here has changed nothing: it is looked at again from its first word. None of these is
// ever under way, so none counts as that (MNT-3, LIM-1); they are paid for in time, as all that the thread does.

import {
  FRAME_HEADER_BYTES,
  type FrameReader,
  type FrameWriter,
  fileMessages,
  mountMessages,
} from "@ringway/control";
import { readAtNoWait } from "@ringway/linux";
import type { Stream } from "../../../guests/stream.ts";
import { Counter } from "../../../reactor/counters.ts";
import type { MountCore } from "./core.ts";
import type { Handle } from "./handles.ts";

export const Read = { OTHER: 0, ANSWERED: 1, WAITS: 2 } as const;
export type Read = (typeof Read)[keyof typeof Read];

/** Of a MountRead: handle, offset in two words, bytes. */
const REQUEST_BYTES = 16;
/** So many bytes of answers are worth a ring of their own: the guest gets to work while this thread goes on. */
const RING_AT_ONCE_BYTES = 32 * 1024;
/** Reads go together as long as their answers have fewer bytes: they are taken, and published, as one. */
const TOGETHER_BYTES = 16 * 1024;

export class CachedReads {
  /** How many the last next() has answered. */
  answered = 0;
  readonly #core: MountCore;
  readonly #stream: Stream;
  readonly #signal: () => void;
  readonly #requests: FrameReader;
  readonly #replies: FrameWriter;
  /** Of the read that #find() has found. */
  #offset = 0;
  #bytes = 0;
  /** Since the guest was rung at once. */
  #answeredBytes = 0;

  constructor(core: MountCore, requests: FrameReader, replies: FrameWriter) {
    this.#core = core;
    this.#stream = core.stream;
    this.#signal = core.stream.signaller();
    this.#requests = requests;
    this.#replies = replies;
  }

  /** What the next request is; those behind it that are such reads are answered with it, `most` in all. Hot. */
  next(most: number): Read {
    const { toHost, toGuest } = this.#stream.pipe;
    const readable = toHost.readable();
    this.answered = 0;
    let handle = this.#find(0, readable);
    const room = handle === undefined ? Read.OTHER : this.#room(handle);
    if (room !== Read.ANSWERED) return room;
    const writable = toGuest.writable();
    let taken = 0;
    let put = 0;
    while (handle !== undefined && put + FRAME_HEADER_BYTES + this.#bytes <= writable) {
      const bytes = this.#bytes;
      const count = this.#read(handle.fd, put);
      if (count !== bytes) {
        handle.atOnce.gave(count, bytes, this.#offset);
        break;
      }
      this.#replies.putHead(put, fileMessages.Data.type, this.#requests.requestId(taken), bytes);
      handle.flow?.toGuest(bytes);
      taken += FRAME_HEADER_BYTES + REQUEST_BYTES;
      put += FRAME_HEADER_BYTES + bytes;
      if (++this.answered === most || put >= TOGETHER_BYTES) break;
      handle = this.#find(taken, readable);
    }
    if (put === 0) return Read.OTHER;
    this.#requests.take(taken, this.#signal);
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

  /** Into the place of an answer's payload, `put` bytes behind the first free one, which may go around the end. */
  #read(fd: number, put: number): number {
    const { pipe, guest } = this.#stream;
    const { toGuest } = pipe;
    const { capacity } = toGuest;
    const bytes = this.#bytes;
    const offset = this.#offset;
    const address = guest.memory.address + toGuest.spanOffset() + put + FRAME_HEADER_BYTES;
    const toEnd = toGuest.spanBytes(capacity) - put - FRAME_HEADER_BYTES;
    if (toEnd >= bytes) return readAtNoWait(fd, address, bytes, offset);
    if (toEnd <= 0) return readAtNoWait(fd, address - capacity, bytes, offset);
    return readAtNoWait(fd, address, toEnd, offset, address + toEnd - capacity, bytes - toEnd);
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
