// What is counted for the metrics has bounds, whoever comes and whatever they are refused, and no count falls.

import { describe, expect, test } from "vitest";
import { Accounts } from "../src/accounts/accounts.ts";
import { GUESTS_MAX, OTHER, RULES_MAX, Tally } from "../src/accounts/tally.ts";
import { GuestTraffic } from "../src/accounts/traffic.ts";
import { Counter } from "../src/reactor/counters.ts";
import { Histogram } from "../src/reactor/histogram.ts";

describe("a key's tally", () => {
  test("has the host's name for it, and for processes without one the user's", () => {
    const accounts = new Accounts();
    const names = ["guest:web", "vm:db", "uid:1000", "attach:1"].map((key) => accounts.take(key).tally.name);
    expect(names).toEqual(["web", "db", "uid:1000", "attach:1"]);
  });

  test("is its own for as many as may have one, and that of the others for who comes after", () => {
    const accounts = new Accounts();
    const held = Array.from({ length: GUESTS_MAX }, (_, i) => accounts.take(`uid:${i}`));
    expect(new Set(held.map(({ tally }) => tally)).size).toBe(GUESTS_MAX);
    const late = ["a", "b"].map((key) => accounts.take(key));
    expect(late.map(({ tally }) => tally.name)).toEqual([OTHER, OTHER]);
    for (const { tally } of late) tally.hit(Counter.quotaBells);
    expect(late[0]!.tally.hits.get(Counter.quotaBells)).toBe(2);
    // Who goes, and comes back, while nobody wants its place.
    held[0]!.release();
    held[0]!.tally.hit(Counter.quotaBells);
    expect(accounts.take("uid:0").tally.hits.get(Counter.quotaBells)).toBe(1);
    expect(accounts.tallies.all.size).toBe(GUESTS_MAX + 1);
  });

  test("makes room where nobody is there, for who comes", () => {
    const accounts = new Accounts();
    const held = Array.from({ length: GUESTS_MAX }, (_, i) => accounts.take(`uid:${i}`));
    held[7]!.release();
    expect(accounts.take("vm:late").tally.name).toBe("late");
    expect(accounts.take("uid:7").tally.name).toBe(OTHER);
    expect(accounts.tallies.all.size).toBe(GUESTS_MAX + 1);
  });

  test("is gone with a key that nobody can come back to", () => {
    const accounts = new Accounts();
    for (let i = 0; i < 3 * GUESTS_MAX; i++) accounts.takeOwn(`attach:${i}`).release();
    expect(accounts.tallies.all.size).toBe(0);
  });

  test("counts so many rules by themselves, and the rest of each protocol together", () => {
    const tally = new Tally("web");
    for (let i = 0; i < 1000; i++) tally.refuse("tcp-connect", `rule ${i}`);
    tally.refuse("file", "rule 1");
    tally.refuse("tcp-connect", "rule 0");
    const counts = [...tally.refused.values()];
    expect(counts).toHaveLength(RULES_MAX + 2);
    expect(counts[0]).toEqual({ protocol: "tcp-connect", rule: "rule 0", count: 2 });
    expect(counts.slice(-2)).toEqual([
      { protocol: "tcp-connect", rule: OTHER, count: 1000 - RULES_MAX },
      { protocol: "file", rule: OTHER, count: 1 },
    ]);
  });
});

test("a guest tells of each byte once, also of those that come when it has told", () => {
  const tally = new Tally("web");
  const traffic = new GuestTraffic();
  const tcp = traffic.of("tcp-connect");
  tcp.bytesToHost += 10;
  traffic.tell(tally.traffic);
  traffic.tell(tally.traffic);
  tcp.bytesToHost += 5;
  traffic.of("file").bytesToGuest += 7;
  traffic.tell(tally.traffic);
  expect(Object.fromEntries(tally.traffic)).toEqual({
    "tcp-connect": { bytesToHost: 15, bytesToGuest: 0 },
    file: { bytesToHost: 0, bytesToGuest: 7 },
  });
  expect(traffic.total()).toEqual({ bytesToHost: 15, bytesToGuest: 7 });
});

test("a histogram counts what is at most a bound below it, and all at the end", () => {
  const times = new Histogram([0.1, 1]);
  for (const seconds of [0.05, 0.1, 0.5, 2]) times.observe(seconds);
  expect([...times.upTo()]).toEqual([
    ["0.1", 2],
    ["1", 3],
    ["+Inf", 4],
  ]);
  expect(times.sum).toBeCloseTo(2.65);
});
