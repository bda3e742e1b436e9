// What a relay says in frames, where it may have to wait for room in the ring.
//
//   put() ──▶ WAITS ── flush(), and there is room ──▶ in the ring
//               └── there is none: the guest is asked to ring once it has made some; flush() is called again then
//
// Who reads no more (RING-7) is told nothing: what waits is over as if it had gone.
//
// Invariant: frames go in the order in which they were put; once flush() has said no, want-space is set for the first.
// A relay that takes no request until flush() says yes has no more of them than it had requests under way.
//
// Of each frame the rows have a place, and places are used again: no frame makes an object.

import {
  Errno,
  ErrorReply,
  FRAME_HEADER_BYTES,
  type FrameWriter,
  type Message,
  maxPayload,
  type Refusal,
} from "@ringway/control";
import type { Stream } from "../guests/stream.ts";
import { refusal } from "../policy/refusal.ts";
import { NOTHING } from "./empty-body.ts";

export class Replies {
  readonly #stream: Stream;
  readonly #signal: () => void;
  readonly #writer: FrameWriter;
  /** Bytes of the largest payload that the ring takes. */
  readonly #mostBytes: number;
  readonly #types: number[] = [];
  readonly #requestIds: number[] = [];
  readonly #payloads: Uint8Array[] = [];
  readonly #overs: ((() => void) | undefined)[] = [];
  /** Those from #first up to #end wait. */
  #first = 0;
  #end = 0;
  /** Want-space is set for a frame of these. What others of the relay wait for on the ring is theirs. */
  #wantsSpace = false;

  constructor(stream: Stream) {
    this.#stream = stream;
    this.#signal = stream.signaller();
    this.#writer = stream.writer();
    this.#mostBytes = maxPayload(stream.pipe.toGuest.capacity);
  }

  /** How many wait. */
  get length(): number {
    return this.#end - this.#first;
  }

  reply<T>(kind: Message<T>, requestId: number, value: T, over?: () => void): void {
    this.put(kind.type, requestId, kind.encode(value), over);
  }

  fail(requestId: number, why: Refusal, over?: () => void): void {
    this.reply(ErrorReply, requestId, this.#stream.guest.reports.answer(why), over);
  }

  /** `over` is called once, when it is in the ring or never will be. What the ring can never take is an Error. */
  put(type: number, requestId: number, payload: Uint8Array, over?: () => void): void {
    if (payload.length > this.#mostBytes) {
      const reason = `the reply has ${payload.length} bytes, and the ring takes ${this.#mostBytes}`;
      this.fail(requestId, refusal(Errno.EOVERFLOW, reason), over);
      return;
    }
    const at = this.#end++;
    this.#types[at] = type;
    this.#requestIds[at] = requestId;
    this.#payloads[at] = payload;
    this.#overs[at] = over;
  }

  /** Puts what waits into the ring. False: it has no room for all of it yet, and the guest rings when it has. */
  flush(): boolean {
    while (this.#first !== this.#end) {
      const at = this.#first;
      if (!this.#write(this.#types[at]!, this.#requestIds[at]!, this.#payloads[at]!)) return false;
      this.#pass();
    }
    if (this.#wantsSpace) this.#unwant();
    return true;
  }

  /** Puts a frame that does not wait here into the ring, behind those that do. False, as flush(): not yet. */
  offer(type: number, requestId: number, payload: Uint8Array): boolean {
    if (!this.flush() || !this.#write(type, requestId, payload)) return false;
    if (this.#wantsSpace) this.#unwant();
    return true;
  }

  /** Has the ring room for a frame that the caller puts, or nobody who reads it? False, as flush(): not yet. */
  hasRoom(bytes: number): boolean {
    const { toGuest } = this.#stream.pipe;
    while (toGuest.writable() < bytes && !toGuest.abandoned()) {
      if (toGuest.wantSpace(bytes)) continue;
      this.#wantsSpace = true;
      return false;
    }
    if (this.#wantsSpace) this.#unwant();
    return true;
  }

  /** Nothing of it goes any more. Touches no ring: the stream may be over. */
  drop(): void {
    while (this.#first !== this.#end) this.#pass();
  }

  #write(type: number, requestId: number, payload: Uint8Array): boolean {
    const { toGuest } = this.#stream.pipe;
    while (!toGuest.abandoned() && !this.#writer.write(type, requestId, payload, this.#signal)) {
      if (toGuest.wantSpace(FRAME_HEADER_BYTES + payload.length)) continue;
      this.#wantsSpace = true;
      return false;
    }
    return true;
  }

  #unwant(): void {
    this.#wantsSpace = false;
    this.#stream.pipe.toGuest.unwantSpace();
  }

  /** The first is over. */
  #pass(): void {
    const at = this.#first++;
    const over = this.#overs[at];
    this.#payloads[at] = NOTHING;
    this.#overs[at] = undefined;
    if (this.#first === this.#end) {
      this.#first = 0;
      this.#end = 0;
    }
    over?.();
  }
}
