// Frames as protobuf's writeDelimitedTo() makes them: the length as a varint, seven bits a byte, lowest first, all
// bytes but the last with the eighth bit; then the message.
//
//        │ 1xxxxxxx │ 0xxxxxxx │ message                                   300 = 0b10_0101100: ac 02
//
// It reads a length with more bytes than it takes, but no more than five: lengths have 32 bits. Protobuf reads ten.

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

/** 7 bits each: 35 of them. */
const MOST_LENGTH_BYTES = 5;

export interface VarintOptions {
  /** Without its length. Default 8 MiB. */
  readonly maxMessageBytes?: number;
}

/** Messages are bytes, as views of what was received. */
export function varintDelimited(options: VarintOptions = {}): Codec<Bytes> {
  requireKnown(options, ["maxMessageBytes"]);
  const { maxMessageBytes = DEFAULT_FRAME_BYTES } = options;
  requireWhole("maxMessageBytes", maxMessageBytes, 0, 2 ** 31 - 1 - MOST_LENGTH_BYTES);
  return {
    maxBytes: MOST_LENGTH_BYTES + maxMessageBytes,

    encode(message: Bytes, writer: Writer): void {
      const { length } = message;
      if (length > maxMessageBytes) {
        throw new CannotEncode(`a message of ${length} bytes is more than ${maxMessageBytes}`);
      }
      let at = writer.claim(lengthBytes(length) + length);
      if (at < 0) return;
      const { buffer } = writer;
      let rest = length;
      for (; rest > 127; rest >>>= 7) buffer[at++] = (rest & 127) | 128;
      buffer[at++] = rest;
      buffer.set(message, at);
    },

    decode(bytes: Bytes, at: number): Decoded<Bytes> {
      let length = 0;
      for (let i = 0; i < MOST_LENGTH_BYTES; i++) {
        if (at + i === bytes.length) return i + 1;
        const byte = bytes[at + i]!;
        // Not by a shift, which has 32 bits.
        length += (byte & 127) * 128 ** i;
        if (byte > 127) continue;
        if (length > maxMessageBytes) {
          return { malformed: `a length of ${length} is more than ${maxMessageBytes}`, offset: 0 };
        }
        const used = i + 1 + length;
        if (bytes.length - at < used) return used;
        return { message: bytes.subarray(at + i + 1, at + used), used };
      }
      return { malformed: "the length does not end within five bytes", offset: MOST_LENGTH_BYTES - 1 };
    },
  };
}

function lengthBytes(length: number): number {
  let bytes = 1;
  for (let rest = length >>> 7; rest > 0; rest >>>= 7) bytes++;
  return bytes;
}
