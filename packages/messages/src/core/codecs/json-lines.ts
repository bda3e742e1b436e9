// JSON, a line for each value: JSON Lines, NDJSON. A line ends with LF; CR LF is read as well. A line that is no JSON
// says where the next one begins.

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
import { decodeText, encodeText } from "../text.ts";

const LF = 0x0a;

/** What JSON can say. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

export interface JsonLinesOptions {
  /** With its LF. Default 8 MiB. */
  readonly maxLineBytes?: number;
}

export function jsonLines(options: JsonLinesOptions = {}): Codec<Json> {
  requireKnown(options, ["maxLineBytes"]);
  const { maxLineBytes = DEFAULT_FRAME_BYTES } = options;
  requireWhole("maxLineBytes", maxLineBytes, 2, 2 ** 29);
  return {
    maxBytes: maxLineBytes,

    encode(message: Json, writer: Writer): void {
      const text = textOf(message);
      if (text === undefined) throw new CannotEncode(`JSON has no ${typeof message}`);
      const line = encodeText(`${text}\n`);
      if (line.length > maxLineBytes) {
        throw new CannotEncode(`a line of ${line.length} bytes is more than ${maxLineBytes}`);
      }
      writer.bytes(line);
    },

    decode(bytes: Bytes, at: number, seen: number): Decoded<Json> {
      const end = bytes.indexOf(LF, at + seen);
      const used = (end < 0 ? bytes.length : end + 1) - at;
      if (used > maxLineBytes || (end < 0 && used === maxLineBytes)) {
        // Whether its end is known yet or not: nothing that a stream does depends on how its bytes came.
        return { malformed: `no end of a line within ${maxLineBytes} bytes`, offset: maxLineBytes - 1 };
      }
      return end < 0 ? "more" : parsed(bytes.subarray(at, end), used);
    },
  };
}

function textOf(message: Json): string | undefined {
  try {
    return JSON.stringify(message);
  } catch (cause) {
    // A circle, a number of another kind, one nested too deep, or a toJSON() of its own.
    throw new CannotEncode("JSON has no text for it", { cause });
  }
}

function parsed(line: Bytes, used: number): Decoded<Json> {
  const text = decodeText(line);
  if (text === undefined) return { malformed: "a line that is not UTF-8", offset: 0, used };
  try {
    return { message: JSON.parse(text) as Json, used };
  } catch {
    // What the engine says of it quotes the peer, and differs from one engine to the next.
    return { malformed: "a line that is not JSON", offset: 0, used };
  }
}
