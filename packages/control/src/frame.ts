// Frames on a ring (PROTOCOL.md section 7): a header of three words, then the payload.
//
// A frame must fit its ring whole (FRM-3), so a reader waits until all of it is there and copies it out once: bytes
// wait in the ring and nowhere else, and what is parsed is a private copy that the other side cannot change. A small
// request on a hot path may be read where it lies instead, each word loaded once (nextIs()); and one that cannot be
// taken yet stays there, and is copied out when it can (nextBytes()).

import { ProtocolError, Violation } from "./errors.ts";
import { FRAME_HEADER_BYTES, FRAME_PAYLOAD_MAX } from "./limits.ts";
import type { RingConsumer, RingProducer } from "./ring.ts";
import { type Message, putU32 } from "./wire.ts";

/** One frame, as it was taken off a ring: private bytes. */
export interface Frame {
  readonly type: number;
  readonly requestId: number;
  /** All of its buffer that is used: nobody else has a view of it, so who takes the frame may give the memory away. */
  readonly payload: Uint8Array;
}

/** Bit 15 of a type: from host to guest (FRM-4). */
export const FROM_HOST = 0x8000;

/** A frame as bytes. */
export function encodeFrame(type: number, requestId: number, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(FRAME_HEADER_BYTES + payload.length);
  putU32(bytes, 0, payload.length);
  putU32(bytes, 4, type);
  putU32(bytes, 8, requestId);
  bytes.set(payload, FRAME_HEADER_BYTES);
  return bytes;
}

/** Largest payload of a frame on a ring of this capacity. */
export function maxPayload(capacity: number): number {
  return Math.min(FRAME_PAYLOAD_MAX, capacity - FRAME_HEADER_BYTES);
}

/** Takes whole frames off a ring. */
export class FrameReader {
  readonly #ring: RingConsumer;
  readonly #maxPayload: number;

  constructor(ring: RingConsumer) {
    this.#ring = ring;
    this.#maxPayload = maxPayload(ring.capacity);
  }

  /**
   * The next frame, or undefined while it is not all there. Throws ProtocolError for a length over the bound, before
   * anything is kept. `onSpace` is called when the producer waits for the space that this gave back. With `only`, a
   * frame of another type stays where it is; the type that is looked at is the frame's.
   */
  next(onSpace: () => void, only?: ReadonlySet<number>): Frame | undefined {
    const length = this.nextBytes();
    if (length < 0) return undefined;
    const type = this.#ring.u32(4);
    if (only !== undefined && !only.has(type)) return undefined;
    const requestId = this.#ring.u32(8);
    const payload = new Uint8Array(length);
    this.#ring.copy(payload, FRAME_HEADER_BYTES);
    if (this.#ring.advance(FRAME_HEADER_BYTES + length)) onSpace();
    return { type, requestId, payload };
  }

  /**
   * Bytes of the next frame's payload, or -1 while it is not all there. Throws as next() does. A frame that may have to
   * stay is looked at where it lies: type(), requestId(), copy(), and at last skip(), with these bytes.
   */
  nextBytes(): number {
    const readable = this.#ring.readable();
    if (readable < FRAME_HEADER_BYTES) return -1;
    const length = this.#ring.u32(0);
    if (length > this.#maxPayload) {
      throw new ProtocolError(
        Violation.FRAME_LENGTH,
        "FRM-3",
        `a frame's payload of ${length} bytes is over ${this.#maxPayload}`,
      );
    }
    return readable < FRAME_HEADER_BYTES + length ? -1 : length;
  }

  /** The type of a frame that nextBytes() has found: the word may change, so it is asked for once. */
  type(): number {
    return this.#ring.u32(4);
  }

  /** Copies out the beginning of the payload of a frame that nextBytes() has found. */
  copy(target: Uint8Array): void {
    this.#ring.copy(target, FRAME_HEADER_BYTES);
  }

  /**
   * Is the next frame of this type, with so many bytes of payload, and all there? Then its words can be looked at where
   * they are, and skip() takes it: for small requests on a hot path, of which a copy costs more than they do. The other
   * side may change a word at any time, so each is loaded once, and its copy is what counts.
   */
  nextIs(type: number, payloadBytes: number): boolean {
    return this.isAt(0, this.#ring.readable(), type, payloadBytes);
  }

  /** nextIs(), `at` bytes further on, where so many are `readable` in all: for several that are taken together. */
  isAt(at: number, readable: number, type: number, payloadBytes: number): boolean {
    const ring = this.#ring;
    return (
      readable - at >= FRAME_HEADER_BYTES + payloadBytes &&
      ring.u32(at) === payloadBytes &&
      ring.u32(at + 4) === type
    );
  }

  /** The request id of a frame that nextIs(), isAt() or nextBytes() has found. */
  requestId(at = 0): number {
    return this.#ring.u32(at + 8);
  }

  /** A word of its payload. */
  word(index: number, at = 0): number {
    return this.#ring.u32(at + FRAME_HEADER_BYTES + 4 * index);
  }

  /** Takes it. */
  skip(payloadBytes: number, onSpace: () => void): void {
    this.take(FRAME_HEADER_BYTES + payloadBytes, onSpace);
  }

  /** Takes so many bytes of frames that isAt() has found. */
  take(bytes: number, onSpace: () => void): void {
    if (this.#ring.advance(bytes)) onSpace();
  }

  /** When END was seen, THEN next() found nothing: throws ProtocolError where the end cut a frame off (FRM-3). */
  end(): void {
    const left = this.#ring.readable();
    if (left === 0) return;
    throw new ProtocolError(
      Violation.FRAME_LENGTH,
      "FRM-3",
      `the stream ended amid a frame, after ${left} bytes of it`,
    );
  }
}

/** Puts whole frames on a ring. */
export class FrameWriter {
  readonly #ring: RingProducer;

  constructor(ring: RingProducer) {
    this.#ring = ring;
  }

  /** Can a payload of this many bytes be written now? */
  fits(payloadBytes: number): boolean {
    return this.#ring.writable() >= FRAME_HEADER_BYTES + payloadBytes;
  }

  /**
   * Writes one frame, published at once. False, and nothing written, while there is no room. Throws RangeError for a
   * frame that could never fit. `onData` is called when the consumer waits for data.
   */
  write(type: number, requestId: number, payload: Uint8Array, onData: () => void): boolean {
    if (payload.length > maxPayload(this.#ring.capacity)) {
      throw new RangeError(
        `a payload of ${payload.length} bytes never fits a ring of ${this.#ring.capacity}`,
      );
    }
    if (!this.fits(payload.length)) return false;
    this.#ring.put(payload, FRAME_HEADER_BYTES);
    this.publish(type, requestId, payload.length, onData);
    return true;
  }

  /**
   * write() of a payload that is in its place already, FRAME_HEADER_BYTES behind the first free byte, and that fits().
   */
  publish(type: number, requestId: number, payloadBytes: number, onData: () => void): void {
    this.putHead(0, type, requestId, payloadBytes);
    this.publishAll(FRAME_HEADER_BYTES + payloadBytes, onData);
  }

  /** The head of a frame whose payload is in its place already, `at` bytes behind the first free one. */
  putHead(at: number, type: number, requestId: number, payloadBytes: number): void {
    const ring = this.#ring;
    ring.putU32(payloadBytes, at);
    ring.putU32(type, at + 4);
    ring.putU32(requestId, at + 8);
  }

  /** Publishes so many bytes of frames that are in their places, one behind the other. */
  publishAll(bytes: number, onData: () => void): void {
    if (this.#ring.advance(bytes)) onData();
  }

  /** write() of a message. */
  send<T>(kind: Message<T>, requestId: number, value: T, onData: () => void): boolean {
    return this.write(kind.type, requestId, kind.encode(value), onData);
  }
}
