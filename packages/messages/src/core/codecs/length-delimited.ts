// Frames that say their length: all that tokio-util's LengthDelimitedCodec can be set to.
//
//        │◀── offsetBytes ──▶│◀ widthBytes ▶│                              │
//        │ anything          │ length       │ the rest                     │
//        │◀────── skipBytes: not part of the message ──────▶│◀─ message ──▶│     length + adjustment = message
//
// Without skipBytes the message begins behind the length. With 0 it begins with the frame, head and all. A frame ends
// nowhere within its own head, so each frame uses bytes, whatever a peer writes.
//
// tokio's encoder knows width, order and adjustment alone; this one writes what its decoder reads, for any setting:
// bytes of the head that the message does not have are zeros, and the length is always right. Where offsetBytes is 0
// and nothing else is skipped, the two write the same.

import {
  type Bytes,
  CannotEncode,
  type Codec,
  type Decoded,
  requireKnown,
  requireWhole,
  type Writer,
} from "../codec.ts";
import { DEFAULT_FRAME_BYTES } from "../limits.ts";

export interface LengthOptions {
  /** Of the length: 1 to 8. Default 4. */
  readonly widthBytes?: number;
  /** Default: big endian, the network's order. */
  readonly littleEndian?: boolean;
  /** Before the length. Default 0. */
  readonly offsetBytes?: number;
  /** How many bytes more than the length says the message has; less, where it is negative. Default 0. */
  readonly adjustment?: number;
  /** From the frame's first byte to the message's. Default: all up to the length's end. */
  readonly skipBytes?: number;
  /** The largest length that is written or believed, before the adjustment. Default 8 MiB. */
  readonly maxFrameBytes?: number;
}

const OPTIONS = ["widthBytes", "littleEndian", "offsetBytes", "adjustment", "skipBytes", "maxFrameBytes"];

/** A frame is shorter than this, head and all: what one view of memory can be. */
const MOST = 2 ** 31;

/** Messages are bytes, as views of what was received. */
export function lengthDelimited(options: LengthOptions = {}): Codec<Bytes> {
  return new LengthDelimited(options);
}

class LengthDelimited implements Codec<Bytes> {
  readonly maxBytes: number;
  readonly #width: number;
  readonly #little: boolean;
  readonly #offset: number;
  readonly #adjustment: number;
  readonly #skip: number;
  readonly #maxLength: number;
  /** Bytes that must be there before anything is known. */
  readonly #head: number;

  constructor(options: LengthOptions) {
    const { widthBytes = 4, offsetBytes = 0, adjustment = 0, maxFrameBytes = DEFAULT_FRAME_BYTES } = options;
    const { littleEndian = false, skipBytes = offsetBytes + widthBytes } = options;
    requireKnown(options, OPTIONS);
    requireWhole("widthBytes", widthBytes, 1, 8);
    requireWhole("offsetBytes", offsetBytes, 0, MOST);
    requireWhole("adjustment", adjustment, -MOST, MOST);
    requireWhole("skipBytes", skipBytes, 0, MOST);
    requireWhole("maxFrameBytes", maxFrameBytes, 0, MOST);
    this.#width = widthBytes;
    this.#little = littleEndian;
    this.#offset = offsetBytes;
    this.#adjustment = adjustment;
    this.#skip = skipBytes;
    // No length of a width can be larger than its bytes hold.
    this.#maxLength = Math.min(maxFrameBytes, 2 ** (8 * widthBytes) - 1);
    this.#head = Math.max(offsetBytes + widthBytes, skipBytes);
    this.maxBytes = Math.max(this.#head, skipBytes + this.#maxLength + adjustment);
    requireWhole("the largest frame", this.maxBytes, 1, MOST);
  }

  encode(message: Bytes, writer: Writer): void {
    const length = message.length - this.#adjustment;
    const frame = this.#skip + message.length;
    if (length < 0 || length > this.#maxLength) {
      throw new CannotEncode(`a message of ${message.length} bytes has the length ${length}, \
and lengths are 0 to ${this.#maxLength}`);
    }
    if (frame < this.#head) throw new CannotEncode(`a frame of ${frame} bytes ends within its head`);
    const at = writer.claim(frame);
    if (at < 0) return;
    const { buffer } = writer;
    if (this.#skip > 0) buffer.fill(0, at, at + this.#skip);
    buffer.set(message, at + this.#skip);
    this.#writeLength(buffer, at + this.#offset, length);
  }

  decode(bytes: Bytes, at: number): Decoded<Bytes> {
    if (bytes.length - at < this.#head) return this.#head;
    const length = this.#readLength(bytes, at + this.#offset);
    if (length > this.#maxLength) {
      return { malformed: `the length is more than ${this.#maxLength}`, offset: this.#offset };
    }
    const frame = this.#skip + length + this.#adjustment;
    if (length + this.#adjustment < 0 || frame < this.#head) {
      return {
        malformed: `a length of ${length} ends within the ${this.#head} bytes of its head`,
        offset: this.#offset,
      };
    }
    if (bytes.length - at < frame) return frame;
    return { message: bytes.subarray(at + this.#skip, at + frame), used: frame };
  }

  /** Beyond 2^53 it is not exact, and too large all the same. */
  #readLength(bytes: Bytes, at: number): number {
    const width = this.#width;
    let length = 0;
    if (this.#little) for (let i = at + width - 1; i >= at; i--) length = length * 256 + bytes[i]!;
    else for (let i = at; i < at + width; i++) length = length * 256 + bytes[i]!;
    return length;
  }

  #writeLength(buffer: Bytes, at: number, length: number): void {
    let rest = length;
    for (let i = 0; i < this.#width; i++) {
      buffer[this.#little ? at + i : at + this.#width - 1 - i] = rest % 256;
      rest = Math.floor(rest / 256);
    }
  }
}
