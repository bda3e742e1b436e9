// Netstrings: the length in ASCII, a colon, the message, a comma.
//
//        │ 5 │ : │ hello │ , │
//
// A length has no zero before it, but for 0 itself, and no more digits than the largest one.

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

const ZERO = 0x30;
const COLON = 0x3a;
const COMMA = 0x2c;

export interface NetstringOptions {
  /** Without its length and marks. Default 8 MiB. */
  readonly maxMessageBytes?: number;
}

/** Messages are bytes, as views of what was received. */
export function netstring(options: NetstringOptions = {}): Codec<Bytes> {
  requireKnown(options, ["maxMessageBytes"]);
  const { maxMessageBytes = DEFAULT_FRAME_BYTES } = options;
  requireWhole("maxMessageBytes", maxMessageBytes, 0, 2 ** 31 - 13);
  const mostDigits = String(maxMessageBytes).length;
  return {
    maxBytes: mostDigits + 1 + maxMessageBytes + 1,

    encode(message: Bytes, writer: Writer): void {
      if (message.length > maxMessageBytes) {
        throw new CannotEncode(`a message of ${message.length} bytes is more than ${maxMessageBytes}`);
      }
      const digits = String(message.length);
      let at = writer.claim(digits.length + 1 + message.length + 1);
      if (at < 0) return;
      const { buffer } = writer;
      for (let i = 0; i < digits.length; i++) buffer[at++] = digits.charCodeAt(i);
      buffer[at++] = COLON;
      buffer.set(message, at);
      buffer[at + message.length] = COMMA;
    },

    decode(bytes: Bytes, at: number): Decoded<Bytes> {
      let length = 0;
      for (let digits = 0; digits <= mostDigits; digits++) {
        if (at + digits === bytes.length) return digits + 1;
        const byte = bytes[at + digits]!;
        if (byte === COLON && digits > 0) return framed(bytes, at, digits, length, maxMessageBytes);
        const digit = byte - ZERO;
        if (digit < 0 || digit > 9) return { malformed: "no digit of a length", offset: digits };
        if (digits === 1 && length === 0) return { malformed: "a zero before a length", offset: 0 };
        length = length * 10 + digit;
      }
      return { malformed: `a length of more than ${mostDigits} digits`, offset: mostDigits };
    },
  };
}

function framed(bytes: Bytes, at: number, digits: number, length: number, most: number): Decoded<Bytes> {
  if (length > most) return { malformed: `a length of ${length} is more than ${most}`, offset: 0 };
  const begin = digits + 1;
  const used = begin + length + 1;
  if (bytes.length - at < used) return used;
  if (bytes[at + used - 1] !== COMMA) {
    return { malformed: "no comma behind the message", offset: used - 1 };
  }
  return { message: bytes.subarray(at + begin, at + begin + length), used };
}
