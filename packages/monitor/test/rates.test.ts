// Rates: what a bucket gives, who is woken when, and what a guest's budget of the network says and counts.

import { Errno } from "@ringway/control";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Accounts } from "../src/accounts/accounts.ts";
import { Rate, type Waiter } from "../src/accounts/rates.ts";
import { NetworkBudget, USED_UP } from "../src/guests/network-budget.ts";
import { DEFAULT_LIMITS, DEFAULT_RATES } from "../src/policy/defaults.ts";
import type { PolicyState } from "../src/policy/in-force.ts";
import { type RateLimit, type Rates, UNLIMITED } from "../src/policy/types.ts";
import { Counters, type CounterValues } from "../src/reactor/counters.ts";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
});
afterEach(() => {
  vi.useRealTimers();
});

const after = (delayMs: number, callback: () => void): unknown => setTimeout(callback, delayMs);
const nobody: Waiter = { run: () => {} };

/** Takes as much as it gets, whenever it is run. */
class Taker implements Waiter {
  taken = 0;
  runs = 0;
  readonly #rate: Rate;
  readonly #limit: RateLimit;
  readonly #wanted: number;

  constructor(rate: Rate, limit: RateLimit, wanted: number) {
    this.#rate = rate;
    this.#limit = limit;
    this.#wanted = wanted;
  }

  run(): void {
    this.runs++;
    for (;;) {
      const got = this.#rate.take(this.#wanted, this.#limit, this, after);
      if (got === 0) return;
      this.taken += got;
    }
  }
}

describe("a rate", () => {
  test("gives its burst at once, and then so much in a second", () => {
    const limit = { perSecond: 100_000, burst: 30_000 };
    const taker = new Taker(new Rate(1024), limit, 1_000_000);
    taker.run();
    expect(taker.taken).toBe(30_000);
    vi.advanceTimersByTime(10_000);
    expect(taker.taken).toBeGreaterThan(1_020_000);
    expect(taker.taken).toBeLessThanOrEqual(1_030_000);
    // By timers alone: some hundred times a second, and not more.
    expect(taker.runs).toBeLessThan(1100);
  });

  test("is never passed, whoever takes whatever when", () => {
    const step = fc.record({
      ms: fc.nat(500),
      wanted: fc.integer({ min: 1, max: 50_000 }),
      back: fc.nat(50_000),
    });
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 100_000 }),
        fc.integer({ min: 1, max: 100_000 }),
        fc.array(step, { maxLength: 50 }),
        (perSecond, burst, steps) => {
          const rate = new Rate(1024);
          let taken = 0;
          let passedMs = 0;
          for (const { ms, wanted, back } of steps) {
            vi.advanceTimersByTime(ms);
            passedMs += ms;
            const got = rate.take(wanted, { perSecond, burst }, nobody, after);
            expect(got).toBeLessThanOrEqual(wanted);
            const given = Math.min(got, back);
            rate.give(given);
            taken += got - given;
            expect(taken).toBeLessThanOrEqual(burst + (passedMs * perSecond) / 1000 + 1e-6);
          }
        },
      ),
    );
  });

  test("goes to all who wait, one after the other", () => {
    const limit = { perSecond: 1_000_000, burst: 100_000 };
    const rate = new Rate(1024);
    const takers = Array.from({ length: 100 }, () => new Taker(rate, limit, 65_536));
    for (const taker of takers) taker.run();
    vi.advanceTimersByTime(5000);
    const all = takers.map(({ taken }) => taken);
    expect(all.reduce((sum, taken) => sum + taken, 0)).toBeGreaterThan(5_000_000);
    expect(Math.max(...all) - Math.min(...all)).toBeLessThan(250_000);
    expect(Math.min(...all)).toBeGreaterThan(10_000);
  });

  test("of one in a second wakes nobody before", () => {
    const limit = { perSecond: 1, burst: 1 };
    const taker = new Taker(new Rate(1), limit, 1);
    taker.run();
    expect(taker).toMatchObject({ taken: 1, runs: 1 });
    vi.advanceTimersByTime(990);
    expect(taker).toMatchObject({ taken: 1, runs: 1 });
    vi.advanceTimersByTime(10_000);
    expect(taker.taken).toBeGreaterThanOrEqual(10);
    expect(taker.runs).toBeLessThanOrEqual(13);
  });

  test("runs nobody who is forgotten, and leaves no timer behind", () => {
    const limit = { perSecond: 10, burst: 1 };
    const rate = new Rate(1);
    const [first, second] = [new Taker(rate, limit, 1), new Taker(rate, limit, 1)];
    first.run();
    second.run();
    expect(rate.waiting).toBe(2);
    rate.forget(second);
    rate.forget(first);
    vi.advanceTimersByTime(1000);
    expect([first.runs, second.runs, vi.getTimerCount()]).toEqual([1, 1, 0]);
  });

  test("what is whole goes where there is any room, and what it owes is paid before anything goes", () => {
    const limit = { perSecond: 1000, burst: 1000 };
    const rate = new Rate(1024);
    expect(rate.room(limit, nobody, after)).toBe(1000);
    rate.spend(5000);
    vi.advanceTimersByTime(4500);
    expect(rate.take(1000, limit, nobody, after)).toBe(0);
    expect(rate.room(limit, nobody, after)).toBe(0);
    vi.advanceTimersByTime(600);
    expect(rate.take(1000, limit, nobody, after)).toBe(1000);
  });

  test("who owes much is woken when it is paid, and not before", () => {
    const limit = { perSecond: 2048, burst: 4096 };
    const rate = new Rate(1024);
    const found: number[] = [];
    const waiter = { run: () => void found.push(rate.room(limit, waiter, after)) };
    expect(rate.room(limit, waiter, after)).toBe(4096);
    rate.spend(65_507);
    expect(rate.room(limit, waiter, after)).toBe(0);
    vi.advanceTimersByTime(30_000);
    expect(found).toEqual([]);
    vi.advanceTimersByTime(1000);
    expect(found.length).toBe(1);
    expect(found[0]).toBeGreaterThan(1000);
  });

  test("who asks again before its turn keeps its place in the row", () => {
    const limit = { perSecond: 100, burst: 1 };
    const rate = new Rate(1);
    const order: string[] = [];
    const named = (name: string): Waiter => ({ run: () => void order.push(name) });
    const [first, second] = [named("first"), named("second")];
    expect(rate.take(1, limit, nobody, after)).toBe(1);
    for (const waiter of [first, second, first]) expect(rate.take(1, limit, waiter, after)).toBe(0);
    vi.advanceTimersByTime(1000);
    expect(order).toEqual(["first", "second"]);
  });
});

describe("a rate whose limit is another now", () => {
  const low = { perSecond: 1000, burst: 1000 };

  /** Somebody who owes 60,000 at 1000 in a second, and what it finds when it is run. */
  function owing(): { rate: Rate; found: number[]; go: (limit: RateLimit) => void } {
    const rate = new Rate(1024);
    const found: number[] = [];
    let limit = low;
    const waiter = { run: () => void found.push(rate.room(limit, waiter, after)) };
    rate.room(low, waiter, after);
    rate.spend(60_000);
    expect(rate.room(low, waiter, after)).toBe(0);
    vi.advanceTimersByTime(100);
    const go = (next: RateLimit): void => {
      limit = next;
      rate.limitChanged(low, next, after);
    };
    return { rate, found, go };
  }

  test("lets who waits go on as soon as that one allows it, and once", () => {
    const { found, go } = owing();
    go({ perSecond: 1_000_000, burst: 1_000_000 });
    vi.advanceTimersByTime(100);
    expect(found).toEqual([expect.any(Number)]);
    expect(found[0]).toBeGreaterThan(1000);
    vi.advanceTimersByTime(100_000);
    expect(found.length).toBe(1);
  });

  test("or is none any more: all go on at once", () => {
    const { found, go } = owing();
    go({ perSecond: UNLIMITED, burst: UNLIMITED });
    vi.advanceTimersByTime(2);
    expect(found.length).toBe(1);
    vi.advanceTimersByTime(100_000);
    expect(found.length).toBe(1);
  });

  test("makes who waits wait for longer where it is lower", () => {
    const { found, go } = owing();
    go({ perSecond: 100, burst: 1000 });
    vi.advanceTimersByTime(500_000);
    expect(found).toEqual([]);
    vi.advanceTimersByTime(200_000);
    expect(found.length).toBeGreaterThan(0);
  });

  test("keeps nobody waiting who came after the change", () => {
    const rate = new Rate(1);
    const [gone, second] = [new Taker(rate, low, 100_000), { run: vi.fn() }];
    rate.spend(30_000);
    gone.run();
    rate.forget(gone);
    const high = { perSecond: 1_000_000, burst: 10 };
    rate.limitChanged(low, high, after);
    rate.spend(20);
    expect(rate.take(10, high, second, after)).toBe(0);
    vi.advanceTimersByTime(100);
    expect(second.run).toHaveBeenCalledTimes(1);
  });
});

describe("a guest's budget of the network", () => {
  const each = (perSecond: number): RateLimit => ({ perSecond, burst: perSecond });

  function budgetOf(rates: Partial<Rates>, networkBytes = UNLIMITED, account = new Accounts().take("uid:1")) {
    const counters = new Counters();
    const settings = { limits: { ...DEFAULT_LIMITS, networkBytes }, rates: { ...DEFAULT_RATES, ...rates } };
    const policy = { policy: settings } as unknown as PolicyState;
    const holder = { account, policy, reports: { warn: () => {} } };
    const budget = new NetworkBudget({ counters, after }, holder);
    const counted = (): Partial<CounterValues> =>
      Object.fromEntries(Object.entries(counters.read()).filter(([, value]) => value !== 0));
    return { account, budget, counted, settings };
  }

  test("has nothing to ask where the policy limits nothing", () => {
    expect(budgetOf({}).budget.limited).toBe(false);
    for (const key of Object.keys(DEFAULT_RATES))
      expect(budgetOf({ [key]: each(10) }).budget.limited).toBe(true);
    expect(budgetOf({}, 10).budget.limited).toBe(true);
  });

  test("counts nothing of a stream against a way that it has no rate for", () => {
    const { budget } = budgetOf({});
    const stream: Waiter = { run: () => {} };
    budget.setStream(stream, { bytesToGuest: each(1000) });
    budget.spent(0, 100_000_000, stream);
    budget.setStream(stream, { bytesToHost: each(1_000_000) });
    expect(budget.takeBytes(0, 500, stream)).toBe(500);
  });

  test("counts for the key, over all of its guests, and by what had to wait", () => {
    const { account, budget, counted } = budgetOf({
      bytesToHost: each(5000),
      bytesToGuest: each(6000),
      connections: each(2),
      datagrams: each(3),
      lookups: each(1),
    });
    const other = budgetOf({ connections: each(2) }, UNLIMITED, account);
    expect(budget.takeBytes(0, 100_000, nobody)).toBe(5000);
    expect(budget.takeBytes(0, 100_000, nobody)).toBe(0);
    expect(budget.takeBytes(1, 6000, nobody)).toBe(6000);
    expect(budget.takeBytes(1, 1, nobody)).toBe(0);
    expect([budget.takeConnection(nobody), other.budget.takeConnection(nobody)]).toEqual([true, true]);
    expect([budget.takeConnection(nobody), other.budget.takeConnection(nobody)]).toEqual([false, false]);
    expect(budget.roomForDatagrams(nobody)).toBe(3);
    budget.spent(0, 0, nobody, 3);
    expect(other.budget.roomForDatagrams(nobody)).toBe(UNLIMITED);
    expect(budget.roomForDatagrams(nobody)).toBe(0);
    expect([budget.takeLookup(nobody), budget.takeLookup(nobody)]).toEqual([true, false]);
    const waits = {
      rateBytesToHost: 1,
      rateBytesToGuest: 1,
      rateConnections: 1,
      rateDatagrams: 1,
      rateLookups: 1,
    };
    expect(counted()).toEqual(waits);
    expect(other.counted()).toEqual({ rateConnections: 1 });
    budget.giveConnection();
    expect(other.budget.takeConnection(nobody)).toBe(true);
  });

  test("ends, both ways together, with EDQUOT; what was given back is there again", () => {
    const { account, budget, counted } = budgetOf({}, 1000);
    expect(budget.takeBytes(0, 600, nobody)).toBe(600);
    expect(budget.takeBytes(1, 600, nobody)).toBe(400);
    expect(budget.takeBytes(1, 600, nobody)).toBe(USED_UP);
    expect(budget.usedUp).toMatchObject({ errno: Errno.EDQUOT, rule: "" });
    budget.giveBytes(1, 100, nobody);
    expect(budget.usedUp).toBeUndefined();
    expect(budget.takeBytes(0, 600, nobody)).toBe(100);
    budget.giveBytes(0, 10, nobody);
    // What is whole goes while any of it is left.
    expect(budget.roomForWhole(0, nobody)).toBe(10);
    budget.spent(0, 60, nobody);
    expect(account.network.usedBytes).toBe(1050);
    expect(budget.takeBytes(0, 600, nobody)).toBe(USED_UP);
    expect(budget.roomForWhole(1, nobody)).toBe(USED_UP);
    expect(counted()).toEqual({ quotaNetworkBytes: 4 });
  });

  test("follows the policy that is in force", () => {
    const { budget, settings } = budgetOf({});
    settings.rates = { ...DEFAULT_RATES, connections: each(1) };
    budget.policyChanged();
    expect(budget.limited).toBe(true);
    expect([budget.takeConnection(nobody), budget.takeConnection(nobody)]).toEqual([true, false]);
    settings.rates = DEFAULT_RATES;
    budget.policyChanged();
    expect([budget.limited, budget.takeConnection(nobody)]).toEqual([false, true]);
  });

  test("whose policy lowers a rate keeps no guest of its key waiting that has its own", () => {
    const { account, budget, settings } = budgetOf({ connections: each(1) });
    const other = budgetOf({ connections: each(100) }, UNLIMITED, account);
    const slow = { run: vi.fn() };
    const fast = { run: vi.fn(() => account.network.connections.spend(1)) };
    while (other.budget.takeConnection(fast));
    expect(budget.takeConnection(slow)).toBe(false);
    settings.rates = { ...DEFAULT_RATES, connections: { perSecond: 0.01, burst: 1 } };
    budget.policyChanged();
    vi.advanceTimersByTime(100);
    expect([slow.run.mock.calls.length, fast.run.mock.calls.length]).toEqual([0, 1]);
  });

  test("of a higher rate does not wait for a guest of its key that has a lower one", () => {
    const { account, budget } = budgetOf({ connections: { perSecond: 0.01, burst: 1 } });
    const other = budgetOf({ connections: each(100) }, UNLIMITED, account);
    const [slow, fast] = [{ run: vi.fn() }, { run: vi.fn() }];
    while (budget.takeConnection(slow));
    expect(other.budget.takeConnection(fast)).toBe(false);
    vi.advanceTimersByTime(100);
    expect(fast.run).toHaveBeenCalled();
  });

  test.each(["bytesToHost", "bytesToGuest", "connections", "datagrams", "lookups"] as const)(
    "runs who waits for %s when a policy raises that, and nobody else",
    (key) => {
      const low = Object.fromEntries(Object.keys(DEFAULT_RATES).map((name) => [name, each(1)]));
      const { budget, settings } = budgetOf(low as unknown as Rates);
      const waiters = {
        bytesToHost: { run: vi.fn() },
        bytesToGuest: { run: vi.fn() },
        connections: { run: vi.fn() },
        datagrams: { run: vi.fn() },
        lookups: { run: vi.fn() },
      };
      budget.spent(0, 1000, nobody, 1000);
      budget.spent(1, 1000, nobody);
      expect(budget.roomForWhole(0, waiters.bytesToHost)).toBe(0);
      expect(budget.roomForWhole(1, waiters.bytesToGuest)).toBe(0);
      expect(budget.roomForDatagrams(waiters.datagrams)).toBe(0);
      for (const take of ["takeConnection", "takeLookup"] as const) {
        const waiter = take === "takeLookup" ? waiters.lookups : waiters.connections;
        expect([budget[take](nobody), budget[take](waiter)]).toEqual([true, false]);
      }
      settings.rates = { ...settings.rates, [key]: each(1_000_000) };
      budget.policyChanged();
      vi.advanceTimersByTime(20);
      const run = Object.entries(waiters).filter(([, waiter]) => waiter.run.mock.calls.length > 0);
      expect(run.map(([name]) => name)).toEqual([key]);
    },
  );
});
