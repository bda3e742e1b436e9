// Consistent overhead byte stuffing: frames without a zero in them, and a zero behind each.
//
//        message     11 22 00 33
//        frame       03 11 22 02 33 00        a code says how far it is to the next code, where a zero was; the last
//                    ╰──────▶╰─────▶           one leads to the end
//
// A code of 255 is followed by 254 bytes and stands for no zero. Whoever joins in the middle is right again behind the
// next zero, so a malformed frame says where the next one begins.

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

/** Bytes behind a code, at most. */
const BLOCK = 254;

export interface CobsOptions {
  /** As it was before stuffing. Default 8 MiB. */
  readonly maxMessageBytes?: number;
}

/** Messages are bytes, copies of what was received. */
export function cobs(options: CobsOptions = {}): Codec<Bytes> {
  requireKnown(options, ["maxMessageBytes"]);
  const { maxMessageBytes = DEFAULT_FRAME_BYTES } = options;
  requireWhole("maxMessageBytes", maxMessageBytes, 0, 2 ** 31 - 2 ** 24);
  // A code for each 254 bytes begun, one for an end behind full blocks, and the zero.
  const maxBytes = maxMessageBytes + Math.floor(maxMessageBytes / BLOCK) + 2;
  return {
    maxBytes,

    encode(message: Bytes, writer: Writer): void {
      if (message.length > maxMessageBytes) {
        throw new CannotEncode(`a message of ${message.length} bytes is more than ${maxMessageBytes}`);
      }
      const at = writer.claim(stuffedBytes(message));
      if (at >= 0) stuff(message, writer.buffer, at);
    },

    decode(bytes: Bytes, at: number, seen: number): Decoded<Bytes> {
      const end = bytes.indexOf(0, at + seen);
      const length = (end < 0 ? bytes.length : end + 1) - at;
      if (length > maxBytes || (end < 0 && length === maxBytes)) {
        // Whether its end is known yet or not: nothing that a stream does depends on how its bytes came.
        return { malformed: `no zero within ${maxBytes} bytes`, offset: maxBytes - 1 };
      }
      return end < 0 ? "more" : unstuff(bytes, at, end, maxMessageBytes);
    },
  };
}

function stuffedBytes(message: Bytes): number {
  let codes = 1;
  let run = 0;
  for (let i = 0; i < message.length; i++) {
    if (message[i] === 0) run = 0;
    else if (++run === BLOCK && i + 1 < message.length) {
      run = 0;
      codes++;
    }
  }
  return message.length + codes + 1;
}

function stuff(message: Bytes, buffer: Bytes, begin: number): void {
  let code = begin;
  let at = begin + 1;
  for (let i = 0; i < message.length; i++) {
    const byte = message[i]!;
    if (byte !== 0) buffer[at++] = byte;
    if (byte === 0 || (at - code === BLOCK + 1 && i + 1 < message.length)) {
      buffer[code] = at - code;
      code = at++;
    }
  }
  buffer[code] = at - code;
  buffer[at] = 0;
}

function unstuff(bytes: Bytes, begin: number, end: number, most: number): Decoded<Bytes> {
  const used = end - begin + 1;
  if (begin === end) return { malformed: "a frame without a code", offset: 0, used };
  // No longer than the frame without its first code and its zero.
  const message = new Uint8Array(end - begin - 1);
  let length = 0;
  for (let code = begin; code < end; ) {
    const next = code + bytes[code]!;
    if (next > end) return { malformed: "a code leads beyond the frame", offset: code - begin, used };
    for (let i = code + 1; i < next; i++) message[length++] = bytes[i]!;
    // A zero is left out behind each block but full ones and the last.
    if (next - code <= BLOCK && next < end) message[length++] = 0;
    code = next;
  }
  if (length > most) return { malformed: `a message of more than ${most} bytes`, offset: 0, used };
  return { message: message.subarray(0, length), used };
}
