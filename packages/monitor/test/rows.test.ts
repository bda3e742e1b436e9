// Lines of several keys on their way into one file: the rows take turns, by bytes.

import fc from "fast-check";
import { expect, test } from "vitest";
import { type RowEntry, Rows, TURN_BYTES } from "../src/observe/rows.ts";

const text = (name: string, length: number): RowEntry => ({
  ...{ kind: "text", text: name.repeat(length), bytes: length, lines: 1, required: true },
});

/** What is given of each, in order, until `most` bytes were taken. */
function given(rows: Rows, most = Number.POSITIVE_INFINITY): string[] {
  const texts: string[] = [];
  let left = most;
  rows.give((entry) => {
    if (entry.kind !== "text") return true;
    if (entry.text.length > left) return false;
    left -= entry.text.length;
    texts.push(entry.text);
    return true;
  });
  return texts;
}

test("a key's line waits behind its own, and for one turn of each other key, however much waits there", () => {
  const rows = new Rows();
  for (let i = 0; i < 10_000; i++) rows.put("flood", text("f", 700));
  for (let i = 0; i < 1000; i++) rows.put("leaver", text("l", 12_000));
  expect(given(rows, 100_000)).not.toContain("g".repeat(300));
  rows.put("good", text("g", 300));
  const before = given(rows, 200_000).findIndex((each) => each.startsWith("g"));
  // What is left of the turn that has begun, and one of the other: a long line waits for three turns.
  const bytes = before * 700;
  expect(before).toBeGreaterThanOrEqual(0);
  expect(bytes).toBeLessThan(4 * TURN_BYTES + 12_000);
});

test("keys that want more than there is have the same bytes of it, whatever their lines' lengths", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 60_000 }), { minLength: 2, maxLength: 5 }), (lengths) => {
      const rows = new Rows();
      const names = "abcde".slice(0, lengths.length);
      for (const [i, length] of lengths.entries()) {
        for (let bytes = 0; bytes < 1_000_000; bytes += length) rows.put(names[i]!, text(names[i]!, length));
      }
      const taken = given(rows, 500_000);
      const of = (name: string): number =>
        taken.filter((each) => each.startsWith(name)).reduce((sum, each) => sum + each.length, 0);
      const all = [...names].map(of);
      expect(Math.max(...all) - Math.min(...all)).toBeLessThanOrEqual(2 * TURN_BYTES + Math.max(...lengths));
    }),
    { numRuns: 30 },
  );
});

test("what is given, and said to be through, is each key's in its order; and nothing is left", () => {
  const rows = new Rows();
  const passed: string[] = [];
  for (let i = 0; i < 3000; i++) {
    for (const key of ["a", "b"]) {
      const each = `${key}${i};`;
      rows.put(key, { kind: "text", text: each, bytes: each.length, lines: 1, required: true });
      if (i % 100 === 99) rows.put(key, { kind: "mark", passed: () => passed.push(`${key}${i}`) });
    }
  }
  rows.put("a", { kind: "lost", lines: 7, bytes: 70, errno: "EAGAIN" });
  expect(rows.lines).toBe(6007);
  const written: Record<string, string> = { a: "", b: "" };
  let left = 0;
  while (rows.count > 0) {
    left = 50;
    rows.give((entry) => {
      if (entry.kind === "mark") entry.passed();
      else if (entry.kind === "text") {
        if (left-- === 0) return false;
        written[entry.text[0]!] += entry.text;
      }
      return true;
    });
  }
  for (const key of ["a", "b"]) {
    expect(written[key]).toBe(Array.from({ length: 3000 }, (_, i) => `${key}${i};`).join(""));
    const marks = Array.from({ length: 30 }, (_, i) => `${key}${i * 100 + 99}`);
    expect(passed.filter((each) => each.startsWith(key))).toEqual(marks);
  }
  expect([rows.bytes, rows.lines]).toEqual([0, 0]);
});
