// What the scenarios are made of.

import type { Case } from "../world.ts";

/** A case; its clauses as people write them, with spaces between. */
export function scenario(name: string, clauses: string, run: Case["run"], pages?: number): Case {
  return { name, clauses: clauses.split(" "), run, ...(pages === undefined ? {} : { pages }) };
}

/** Bytes that no shift maps to themselves. */
export function pattern(length: number, seed = 1): Uint8Array {
  let state = (seed * 2654435761) >>> 0;
  return Uint8Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 24;
  });
}

export const hex: (bytes: Uint8Array) => string = (bytes) => Buffer.from(bytes).toString("hex");

/** The u32 that a payload consists of. */
export function words(bytes: Uint8Array): number[] {
  const buffer = Buffer.from(bytes);
  return Array.from({ length: bytes.length / 4 }, (_, i) => buffer.readUInt32LE(4 * i));
}
