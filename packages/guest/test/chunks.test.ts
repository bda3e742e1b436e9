import { expect, it } from "vitest";
import { takeChunk } from "../src/stream/chunks.ts";

it("has the length that was asked for", () => {
  for (const bytes of [0, 1, 2047, 2048, 16_384, 65_536, 262_144, 1 << 20])
    expect(takeChunk(bytes).length).toBe(bytes);
});

it.each([100, 65_536])("of %i bytes is transferred without taking another chunk's bytes with it", (bytes) => {
  const [first, second, third] = [takeChunk(bytes), takeChunk(bytes), takeChunk(bytes)];
  for (const chunk of [first, second, third]) chunk.fill(7);
  structuredClone(second, { transfer: [second.buffer as ArrayBuffer] });
  expect([first.length, second.length, third.length]).toEqual([bytes, 0, bytes]);
  expect(third.every((byte) => byte === 7)).toBe(true);
});
