// Each codec against frames made by hand (vectors.ts): whole, cut anywhere, and with others around it.

import { describe, expect, test } from "vitest";
import {
  addressed,
  CannotEncode,
  cobs,
  encodeFrame,
  jsonLines,
  lengthDelimited,
  netstring,
  varintDelimited,
} from "../src/index.ts";
import { hex, SUITES } from "./vectors.ts";

describe.each(SUITES)("$name", ({ codec, maxBytes, good, bad }) => {
  test("says how large its largest frame is", () => expect(codec.maxBytes).toBe(maxBytes));

  test.each(good)("$bytes: $why", ({ message, bytes, readOnly }) => {
    const frame = hex(bytes);
    if (!readOnly) expect(encodeFrame(codec, message)).toEqual(frame);
    const between = Uint8Array.from([...frame, ...frame, 0x55]);
    expect(codec.decode(between, frame.length, 0)).toEqual({ message, used: frame.length });
  });

  test.each(good)("$bytes cut anywhere is more, by as much as it says at most", ({ bytes }) => {
    const frame = hex(bytes);
    for (let there = 0; there < frame.length; there++) {
      const more = codec.decode(frame.subarray(0, there), 0, 0);
      const right = more === "more" || (typeof more === "number" && more > there && more <= frame.length);
      if (!right) expect({ there, more }).toBe("more");
    }
  });

  test.each(bad)("$bytes is malformed: $malformed", ({ bytes, malformed, offset, used }) => {
    const frame = hex(bytes);
    expect(codec.decode(frame, 0, 0)).toEqual({
      malformed: expect.stringMatching(malformed),
      offset,
      ...(used === undefined ? {} : { used }),
    });
    // As soon as the byte that is wrong is there, and no byte behind it matters.
    const more = codec.decode(Uint8Array.from([...frame, 0, 1, 2]), 0, 0);
    expect(more).toEqual(codec.decode(frame, 0, 0));
  });
});

describe("what has no frame is refused", () => {
  const three = hex("010203");
  test.each([
    ["a length beyond its width", () => encodeFrame(lengthDelimited({ widthBytes: 1 }), hex("00x256"))],
    ["a length beyond the largest", () => encodeFrame(lengthDelimited({ maxFrameBytes: 2 }), three)],
    ["a length below 0", () => encodeFrame(lengthDelimited({ adjustment: 4 }), three)],
    ["a frame within its head", () => encodeFrame(lengthDelimited({ skipBytes: 0 }), three)],
    [
      "a message too large for a varint's frame",
      () => encodeFrame(varintDelimited({ maxMessageBytes: 2 }), three),
    ],
    ["one too large for a netstring", () => encodeFrame(netstring({ maxMessageBytes: 2 }), three)],
    ["one too large for COBS", () => encodeFrame(cobs({ maxMessageBytes: 2 }), three)],
    ["a line too long", () => encodeFrame(jsonLines({ maxLineBytes: 4 }), "abc")],
    ["what JSON has not", () => encodeFrame(jsonLines(), undefined as never)],
    ["what JSON cannot say", () => encodeFrame(jsonLines(), 1n as never)],
    ["an address of 33 bits", () => encodeFrame(addressed(cobs()), { address: 2 ** 32, batch: three })],
  ])("%s", (_what, encode) => expect(encode).toThrow(CannotEncode));

  test.each([
    ["widthBytes", () => lengthDelimited({ widthBytes: 9 })],
    ["widthBytes", () => lengthDelimited({ widthBytes: 0 })],
    ["adjustment", () => lengthDelimited({ adjustment: 0.5 })],
    ["maxFrameBytes", () => lengthDelimited({ maxFrameBytes: Number.POSITIVE_INFINITY })],
    ["the largest frame", () => lengthDelimited({ widthBytes: 8, maxFrameBytes: 2 ** 31 })],
    ["maxMessageBytes", () => cobs({ maxMessageBytes: -1 })],
    ["maxLineBytes", () => jsonLines({ maxLineBytes: 1 })],
  ])("the option %s", (name, make) => expect(make).toThrow(name));
});
