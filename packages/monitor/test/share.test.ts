// What a guest owes in looks, and how long it is not looked at for that.

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { LookQuota, VIOLATION_LOOKS } from "../src/accounts/quotas.ts";
import { Life } from "../src/guests/life.ts";
import { type Sharer, ThreadShare } from "../src/guests/share.ts";
import { Counters } from "../src/reactor/counters.ts";
import type { Reactor } from "../src/reactor/reactor.ts";
import { Timers } from "../src/reactor/timers.ts";

beforeEach(() => void vi.useFakeTimers({ toFake: ["performance"] }));
afterEach(() => void vi.useRealTimers());

/** How long a guest with 1000 looks a second is parked for these, which one scan of it has caused. */
function parkedMs(...looks: readonly number[]): number {
  const timers = new Timers();
  const reactor = {
    shared: false,
    after: (ms: number, callback: () => void) => timers.add(performance.now() + ms, callback),
  } as unknown as Reactor;
  const sharer = {
    life: new Life(),
    account: { looks: new LookQuota() },
    policy: { policy: { limits: { bells: 1000 } } },
    suspend: () => {},
    resume: () => {},
  } as unknown as Sharer;
  const share = new ThreadShare(reactor, new Counters(), sharer);
  for (const each of looks) share.looked(each);
  const startMs = performance.now();
  while (share.parked) {
    vi.advanceTimersByTime(1);
    timers.run(performance.now());
  }
  return performance.now() - startMs;
}

test("a guest within its quota is not parked, and one a look past it for the rest of the interval", () => {
  expect(parkedMs(100)).toBe(0);
  expect(parkedMs(101)).toBeLessThan(110);
});

test("all violations of one scan are paid for, also those that were found once the quota was used up", () => {
  const one = parkedMs(100, VIOLATION_LOOKS);
  const sixty = parkedMs(100, ...Array<number>(60).fill(VIOLATION_LOOKS));
  expect(one).toBeLessThan(210);
  // 3840 looks, at 1000 a second.
  expect(sixty).toBeGreaterThan(3700);
  expect(sixty).toBeLessThan(4000);
});
