// Codecs with messages for them, and streams cut at any place, for fast-check.

import fc from "fast-check";
import {
  addressed,
  type Codec,
  cobs,
  encodeFrame,
  jsonLines,
  lengthDelimited,
  netstring,
  type Problem,
  varintDelimited,
} from "../src/index.ts";

export interface Kind {
  readonly name: string;
  readonly codec: Codec<unknown>;
  readonly message: fc.Arbitrary<unknown>;
}

/** Small, so that what is too large is not rare, and large enough for several blocks and several digits. */
const MOST = 600;

const bytes = (most = MOST): fc.Arbitrary<Uint8Array> =>
  fc.oneof(
    fc.uint8Array({ maxLength: 20 }),
    fc.uint8Array({ maxLength: most }),
    // Zeros and none, as many as blocks of COBS have.
    fc
      .tuple(fc.integer({ min: 0, max: most }), fc.integer({ min: 0, max: 1 }))
      .map(([length, value]) => new Uint8Array(length).fill(value)),
  );

const kind = <M>(name: string, codec: Codec<M>, message: fc.Arbitrary<M>): Kind => ({
  name,
  codec: codec as Codec<unknown>,
  message,
});

const batches = fc
  .tuple(fc.integer({ min: 0, max: 2 ** 32 - 1 }), bytes(MOST - 4))
  .map(([address, batch]) => ({ address, batch }));

export const KINDS: readonly Kind[] = [
  kind("lengthDelimited", lengthDelimited({ maxFrameBytes: MOST }), bytes()),
  kind(
    "lengthDelimited, turned around",
    lengthDelimited({
      widthBytes: 8,
      littleEndian: true,
      offsetBytes: 3,
      skipBytes: 13,
      adjustment: -5,
      maxFrameBytes: MOST + 5,
    }),
    bytes(),
  ),
  kind("varintDelimited", varintDelimited({ maxMessageBytes: MOST }), bytes()),
  kind("netstring", netstring({ maxMessageBytes: MOST }), bytes()),
  kind("cobs", cobs({ maxMessageBytes: MOST }), bytes()),
  kind(
    "jsonLines",
    jsonLines({ maxLineBytes: MOST }),
    // JSON has no -0, and an own __proto__ is no property to toEqual().
    fc
      .json({ maxDepth: 2 })
      .filter((text) => text.length < 90)
      .map((text) => JSON.parse(text) as unknown),
  ),
  kind("addressed(cobs)", addressed(cobs({ maxMessageBytes: MOST })), batches),
  kind("addressed(lengthDelimited)", addressed(lengthDelimited({ maxFrameBytes: MOST })), batches),
];

export function streamOf(codec: Codec<unknown>, messages: readonly unknown[]): Uint8Array {
  return Uint8Array.from(messages.flatMap((message) => [...encodeFrame(codec, message)]));
}

/** Cuts a stream: sizes in turn, and again from the first. */
export function* chunksOf(stream: Uint8Array, sizes: readonly number[]): Generator<Uint8Array> {
  for (let at = 0, i = 0; at < stream.length; i++) {
    const size = Math.max(1, sizes[i % sizes.length] ?? stream.length);
    yield stream.slice(at, at + size);
    at += size;
  }
}

/** Mostly small ones. */
export const sizes: fc.Arbitrary<number[]> = fc.array(
  fc.oneof(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 1, max: 3000 })),
  { minLength: 1, maxLength: 8 },
);

export interface Read {
  readonly messages: unknown[];
  readonly problem: Pick<Problem, "what" | "position" | "framePosition"> | undefined;
  /** Bytes behind the last whole frame. */
  readonly left: number;
}

/** What a stream has, read all at once: the oracle. */
export function readWhole(codec: Codec<unknown>, stream: Uint8Array): Read {
  const messages: unknown[] = [];
  let at = 0;
  while (at < stream.length) {
    const decoded = codec.decode(stream, at, 0);
    if (typeof decoded !== "object") break;
    if (decoded.malformed !== undefined) {
      const { malformed: what, offset } = decoded;
      return {
        messages,
        problem: { what, position: at + offset, framePosition: at },
        left: stream.length - at,
      };
    }
    messages.push(decoded.message);
    at += decoded.used;
  }
  return { messages, problem: undefined, left: stream.length - at };
}
