// Tables of the commands that look at a monitor, and what two texts differ in.

import type { GuestStatus } from "@ringway/monitor";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { differences, diffLines } from "../src/admin/differences.ts";
import { age, bytes, plain, table } from "../src/admin/text.ts";
import { KEYS, rowsOf, SORTS, screenOf } from "../src/admin/top-view.ts";

const guest = (id: string, more: Partial<GuestStatus> = {}): GuestStatus => ({
  id,
  name: `g-${id}`,
  labels: {},
  key: "k",
  pid: 1,
  state: "attached",
  ageMs: 5000,
  streams: 1,
  bytesToHost: 0,
  bytesToGuest: 0,
  regionBytes: 0,
  held: false,
  parked: false,
  ...more,
});

describe("what a guest has chosen", () => {
  it("reaches a terminal as text alone", () => {
    const evil = "a\x1b[2J\x07\r\n\u009b1m\u202eb\u2028\u{e0001}";
    expect(plain(evil)).toBe("a\\u{1b}[2J\\u{7}\\u{d}\\u{a}\\u{9b}1m\\u{202e}b\\u{2028}\\u{e0001}");
    expect(plain("example.com:443 Grüße")).toBe("example.com:443 Grüße");
    const lines = table([{ title: "NAME", of: (row: string) => row }], [evil, "b"]);
    expect(lines).toHaveLength(3);
    expect(lines.join("")).not.toMatch(/\p{C}/u);
    const rows = rowsOf(
      { atMs: 0, guests: [] },
      { atMs: 1, guests: [guest("1", { name: evil, state: evil })] },
    );
    expect(screenOf(rows, "rate", { columns: 200, lines: 10 }).join("")).not.toMatch(/\p{C}/u);
  });
});

it("sizes and times are short", () => {
  expect([0, 1023, 1024, 1536, 150 * 1024, 2 ** 31, 2 ** 60].map(bytes)).toEqual([
    "0 B",
    "1023 B",
    "1.0 KiB",
    "1.5 KiB",
    "150 KiB",
    "2.0 GiB",
    "1048576 TiB",
  ]);
  expect([0, 9900, 59_000, 180_000, 7_200_000, 200_000_000].map(age)).toEqual([
    "0.0 s",
    "9.9 s",
    "59 s",
    "3 min",
    "2 h",
    "2 d",
  ]);
});

describe("top", () => {
  it("has rates of what went between two looks, and of a guest that has come, since it came", () => {
    const before = { atMs: 1000, guests: [guest("1", { bytesToHost: 100 }), guest("9")] };
    const now = { atMs: 3000, guests: [guest("1", { bytesToHost: 300 }), guest("2", { bytesToGuest: 50 })] };
    expect(rowsOf(before, now).map(({ toHostRate, toGuestRate }) => [toHostRate, toGuestRate])).toEqual([
      [100, 0],
      [0, 10],
    ]);
  });

  it("is sorted by each of its keys, and fits the screen, whatever its size", () => {
    const now = {
      atMs: 1,
      guests: [
        guest("1", { name: "b", bytesToHost: 10, streams: 1, regionBytes: 3, ageMs: 2 }),
        guest("2", { name: "a", bytesToHost: 5, streams: 2, regionBytes: 4, ageMs: 3000 }),
      ],
    };
    const rows = rowsOf(now, now);
    const first = (sort: string): string =>
      screenOf(rows, sort, { columns: 80, lines: 9 })[2]!.trim().split(/ +/)[1]!;
    expect(Object.keys(SORTS).map((sort) => [sort, first(sort)])).toEqual([
      ["rate", "a"],
      ["bytes", "b"],
      ["streams", "a"],
      ["memory", "a"],
      ["age", "a"],
      ["name", "a"],
    ]);
    for (const [columns, lines] of [
      [0, 0],
      [1, 1],
      [20, 2],
      [500, 50],
    ] as const) {
      const screen = screenOf(rows, "name", { columns, lines });
      expect(screen.length).toBeLessThanOrEqual(lines);
      for (const line of screen) expect(line.length).toBeLessThanOrEqual(columns);
    }
    expect(KEYS).toBe("r rate, b bytes, s streams, m memory, a age, n name, q quit");
  });
});

describe("differences()", () => {
  it("makes the one of the other, by as few lines as there are", () => {
    const lines = fc.array(fc.constantFrom("a", "b", "c"), { maxLength: 12 });
    fc.assert(
      fc.property(lines, lines, (before, after) => {
        const diff = diffLines(before, after);
        expect(diff.flatMap(({ sign, text }) => (sign === "+" ? [] : [text]))).toEqual(before);
        expect(diff.flatMap(({ sign, text }) => (sign === "-" ? [] : [text]))).toEqual(after);
        const kept = diff.filter(({ sign }) => sign === " ").length;
        expect(kept).toBe(commonLength(before, after));
      }),
    );
  });

  it("leaves out what is far from others, and is empty where there are none", () => {
    const numbers = Array.from({ length: 20 }, (_, i) => String(i));
    expect(differences(numbers, numbers)).toEqual([]);
    const other = numbers.with(10, "x");
    expect(differences(numbers, other)).toEqual([
      ...["...", " 7", " 8", " 9", "-10", "+x", " 11", " 12", " 13", "..."],
    ]);
  });
});

/** By the definition, for few lines. */
function commonLength(one: readonly string[], other: readonly string[]): number {
  const [head, ...rest] = one;
  if (head === undefined) return 0;
  const at = other.indexOf(head);
  const without = commonLength(rest, other);
  return at < 0 ? without : Math.max(without, 1 + commonLength(rest, other.slice(at + 1)));
}
