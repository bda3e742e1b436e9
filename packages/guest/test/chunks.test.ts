import { expect, test } from "vitest";
import { takeChunk } from "../src/chunks.ts";

test("no two chunks share a byte, whatever their sizes", () => {
  let state = 1;
  const size = (): number => {
    state = Math.imul(state, 48_271) % 0x7fff_ffff;
    return 1 + (Math.abs(state) % [100, 5000, 65_536, 300_000][Math.abs(state) % 4]!);
  };
  const chunks = Array.from({ length: 400 }, size).map(takeChunk);
  for (const [index, chunk] of chunks.entries()) chunk.fill(index & 0xff);
  for (const [index, chunk] of chunks.entries()) {
    expect(chunk.every((byte) => byte === (index & 0xff))).toBe(true);
  }
});

test("large chunks come four to a slab, so that the allocator need not ask the kernel for each", () => {
  const slabs = new Set(Array.from({ length: 64 }, () => takeChunk(256 * 1024).buffer));
  expect(slabs.size).toBeLessThanOrEqual(17);
});

test("a chunk has the length that was asked for", () => {
  for (const bytes of [0, 1, 2047, 2048, 65_536, 131_072, 131_073, 1 << 20])
    expect(takeChunk(bytes).length).toBe(bytes);
});
