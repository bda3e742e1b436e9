// Any chunking gives the same messages, and the same problem at the same place, in no more memory than the bounds say:
// the receive buffer against an oracle that reads the whole stream at once. hostile.ts does it a million times.

import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ReceiveBuffer } from "../src/core/receive-buffer.ts";
import { type Codec, encodeFrame, lengthDelimited, netstring } from "../src/index.ts";
import { chunksOf, KINDS, type Read, readWhole, sizes, streamOf } from "./arbitrary.ts";

/** The same in pieces, with all bounds looked at after each step. */
function readChunks(codec: Codec<unknown>, chunks: Iterable<Uint8Array>, multiple = 1): Read {
  const buffer = new ReceiveBuffer(codec, multiple);
  const messages: unknown[] = [];
  let length = 0;
  for (const chunk of chunks) {
    length += chunk.length;
    for (let rest = chunk; rest.length > 0 && buffer.problem === undefined; ) {
      const taken = buffer.receive(rest);
      assert(taken > 0 && buffer.heldBytes() <= buffer.limit);
      rest = rest.subarray(taken);
      for (;;) {
        const message = buffer.next();
        buffer.invariants();
        assert(buffer.memoryBytes() <= codec.maxBytes);
        if (message === undefined) break;
        messages.push(message);
      }
    }
  }
  const { problem } = buffer;
  return {
    messages,
    problem: problem && {
      what: problem.what,
      position: problem.position,
      framePosition: problem.framePosition,
    },
    left: length - buffer.position(),
  };
}

describe.each(KINDS)("$name", ({ codec, message }) => {
  test("gives its messages back, however they are cut", () => {
    fc.assert(
      fc.property(fc.array(message, { maxLength: 12 }), sizes, (messages, cuts) => {
        const stream = streamOf(codec, messages);
        assert.deepEqual(readChunks(codec, chunksOf(stream, cuts)), {
          messages,
          problem: undefined,
          left: 0,
        });
      }),
      { numRuns: 20 },
    );
  });

  test("reads what a hostile peer writes as it would read it whole", () => {
    const strike = fc.record({ at: fc.nat(), byte: fc.integer({ min: 0, max: 255 }) });
    fc.assert(
      fc.property(
        fc.array(message, { minLength: 1, maxLength: 6 }),
        fc.array(strike, { maxLength: 3 }),
        fc.uint8Array({ maxLength: 40 }),
        sizes,
        (messages, strikes, more, cuts) => {
          const stream = Uint8Array.from([...streamOf(codec, messages), ...more]);
          for (const { at, byte } of strikes) stream[at % stream.length] = byte;
          assert.deepEqual(readChunks(codec, chunksOf(stream, cuts)), readWhole(codec, stream));
        },
      ),
      { numRuns: 40 },
    );
  });
});

describe("a receive buffer", () => {
  const codec = lengthDelimited({ maxFrameBytes: 100_000 });
  const large = new Uint8Array(90_000).fill(7);

  test("copies nothing of a message that lies whole in a chunk", () => {
    const chunk = streamOf(codec, [Uint8Array.of(1, 2), Uint8Array.of(3)]);
    const buffer = new ReceiveBuffer(codec, 1);
    buffer.receive(chunk);
    for (const at of [4, 10]) {
      const message = buffer.next() as Uint8Array;
      expect([message.buffer, message.byteOffset]).toEqual([chunk.buffer, at]);
    }
    expect(buffer.memoryBytes()).toBe(0);
  });

  test("copies of a message that is cut no byte behind it, and what follows it stays where it is", () => {
    const stream = streamOf(codec, [large, Uint8Array.of(1, 2)]);
    const buffer = new ReceiveBuffer(codec, 1);
    buffer.receive(stream.subarray(0, 50_000));
    expect(buffer.next()).toBeUndefined();
    const last = stream.subarray(50_000);
    buffer.receive(last);
    const message = buffer.next()!;
    expect(Buffer.compare(message, large)).toBe(0);
    // The frame's own memory, which is the message's now.
    expect([message.buffer.byteLength, buffer.memoryBytes()]).toEqual([90_004, 0]);
    expect(buffer.next()!.buffer).toBe(last.buffer);
  });

  test("has no memory for bytes that a header claims and nobody sends", () => {
    const buffer = new ReceiveBuffer(codec, 1);
    buffer.receive(encodeFrame(codec, large).subarray(0, 10));
    expect(buffer.next()).toBeUndefined();
    expect(buffer.memoryBytes()).toBe(4096);
  });

  test("gives memory back while a frame is not going on", () => {
    const buffer = new ReceiveBuffer(codec, 1);
    buffer.receive(encodeFrame(codec, large).subarray(0, 20_000));
    buffer.next();
    const sizes = Array.from({ length: 8 }, () => {
      buffer.shrink();
      buffer.invariants();
      return buffer.memoryBytes();
    });
    // 80,000, of which a quarter goes each time, and 20,000 are in use.
    expect(sizes).toEqual([60_000, 45_000, 33_750, 25_312, 20_000, 20_000, 20_000, 20_000]);
    buffer.receive(encodeFrame(codec, large).subarray(20_000));
    expect(Buffer.compare(buffer.next()!, large)).toBe(0);
  });

  test("takes no more than its limit, and the next chunk when all of one is read", () => {
    const small = lengthDelimited({ maxFrameBytes: 5000 });
    const buffer = new ReceiveBuffer(small, 2);
    const stream = streamOf(small, [
      large.subarray(0, 5000),
      large.subarray(0, 5000),
      large.subarray(0, 5000),
    ]);
    // 2 * (5000 + 4).
    expect(buffer.receive(stream)).toBe(10_008);
    expect(buffer.receive(stream.subarray(10_008))).toBe(0);
    expect([buffer.next()?.length, buffer.next()?.length, buffer.next()]).toEqual([5000, 5000, undefined]);
    expect(buffer.receive(stream.subarray(10_008))).toBe(5004);
  });

  test("says where a stream is malformed, and what is around it", () => {
    const buffer = new ReceiveBuffer(netstring({ maxMessageBytes: 100 }), 1);
    const stream = Buffer.from("5:hello,3:abc;3:def,");
    for (const chunk of chunksOf(stream, [3])) {
      if (buffer.receive(chunk) === 0) break;
      while (buffer.next() !== undefined);
    }
    const { around, ...problem } = buffer.problem!;
    expect(problem).toEqual({
      what: "no comma behind the message",
      // 8 of the first frame, and "3:abc".
      position: 13,
      framePosition: 8,
      aroundPosition: 8,
    });
    expect(Buffer.from(around).toString()).toBe("3:abc;");
    expect(buffer.receive(stream)).toBe(0);
  });

  test("leaves a malformed frame out where that is wanted and its end is known", () => {
    const kind = KINDS.find(({ name }) => name === "jsonLines")!;
    const skipped: number[] = [];
    const buffer = new ReceiveBuffer(kind.codec, 1, ({ position }) => skipped.push(position) > 0);
    const read: unknown[] = [];
    for (const chunk of chunksOf(Buffer.from("1\n{\n2\n\n3\n"), [4])) {
      buffer.receive(chunk);
      for (let message = buffer.next(); message !== undefined; message = buffer.next()) read.push(message);
    }
    expect([read, skipped, buffer.problem]).toEqual([[1, 2, 3], [2, 6], undefined]);
  });

  test("calls a codec's frame malformed that never ends", () => {
    const endless: Codec<string> = { maxBytes: 5000, encode() {}, decode: () => "more" };
    const buffer = new ReceiveBuffer(endless, 1);
    for (let i = 0; i < 7; i++) {
      buffer.receive(new Uint8Array(1000));
      expect(buffer.next()).toBeUndefined();
      buffer.invariants();
    }
    expect(buffer.problem?.what).toBe("a frame of more than 5000 bytes");
  });
});
