// Reads that the page cache can answer (MNT-9): out of the request where it lies, straight into its answer's place in
// the other ring, with one system call, no copy and no object.
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

export class CachedReads {
  readonly #core: MountCore;
  readonly #stream: Stream;
  readonly #signal: () => void;
  readonly #requests: FrameReader;
  readonly #replies: FrameWriter;
  /** Since the guest was rung at once. */
  #answeredBytes = 0;

  constructor(core: MountCore, requests: FrameReader, replies: FrameWriter) {
    this.#core = core;
    this.#stream = core.stream;
    this.#signal = core.stream.signaller();
    this.#requests = requests;
    this.#replies = replies;
  }

  /** What the next request is; no reply waits. Hot. */
  next(): Read {
    const requests = this.#requests;
    if (!requests.nextIs(mountMessages.MountRead.type, REQUEST_BYTES)) return Read.OTHER;
    const { pipe, guest } = this.#stream;
    const handle = this.#core.handles.get(requests.word(0));
    if (handle === undefined || !handle.atOnce.tries || handle.tree !== guest.policy.folders.tree) {
      return Read.OTHER;
    }
    const low = requests.word(1);
    const offset = requests.word(2) * 2 ** 32 + low;
    const bytes = requests.word(3);
    if (bytes === 0 || bytes > this.#core.dataMax || !Number.isSafeInteger(offset + bytes)) return Read.OTHER;
    const whole = FRAME_HEADER_BYTES + bytes;
    const { toGuest } = pipe;
    if (toGuest.writable() < whole) {
      if (!this.#reaches(handle, offset + bytes - 1)) {
        toGuest.unwantSpace();
        return Read.OTHER;
      }
      if (!toGuest.wantSpace(whole)) return Read.WAITS;
      // Nobody reads the answer.
      if (toGuest.abandoned()) return Read.OTHER;
    }
    toGuest.unwantSpace();
    const count = this.#read(handle.fd, bytes, offset);
    if (count !== bytes) {
      handle.atOnce.gave(count, bytes, offset);
      return Read.OTHER;
    }
    const requestId = requests.requestId();
    requests.skip(REQUEST_BYTES, this.#signal);
    this.#core.host.counters.add(Counter.fileBytesRead, bytes);
    if (handle.flow !== undefined) handle.flow.bytesToGuest += bytes;
    this.#answeredBytes += bytes;
    this.#replies.publish(fileMessages.Data.type, requestId, bytes, this.#ring);
    return Read.ANSWERED;
  }

  /** Is there a byte, and cached? Then the answer has all before it too, and needs its room whoever reads it. */
  #reaches({ fd, atOnce }: Handle, last: number): boolean {
    const count = readAtNoWait(fd, this.#core.host.scratch.address, 1, last);
    atOnce.gave(count, 1, last);
    return count === 1;
  }

  /** Into the place of the next answer's payload, which may go around the ring's end. */
  #read(fd: number, bytes: number, offset: number): number {
    const { pipe, guest } = this.#stream;
    const { toGuest } = pipe;
    const { capacity } = toGuest;
    const address = guest.memory.address + toGuest.spanOffset() + FRAME_HEADER_BYTES;
    const toEnd = toGuest.spanBytes(capacity) - FRAME_HEADER_BYTES;
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
