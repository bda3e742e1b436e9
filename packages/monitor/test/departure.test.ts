// A guest that leaves: held, no event of its streams is lost, though they are looked at in slices; parked, it pays for
// its looks as any guest does, and ends.

import { Closed, ProtocolError, Violation } from "@ringway/control";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { LookQuota } from "../src/accounts/quotas.ts";
import { Departure, type Leaver } from "../src/guests/departure.ts";
import { Life, LifeState } from "../src/guests/life.ts";
import { type Sharer, ThreadShare } from "../src/guests/share.ts";
import { Counters } from "../src/reactor/counters.ts";
import type { Reactor } from "../src/reactor/reactor.ts";
import type { Task } from "../src/reactor/tasks.ts";
import { Timers } from "../src/reactor/timers.ts";

test("streams that are looked at after a held guest goes on are queued like those before", () => {
  const queue: Task[] = [];
  let queued = 0;
  const stream = {
    relay: {},
    pipe: { toHost: { peerClosed: () => Closed.END } },
    guard: (work: () => void) => work(),
    later: () => queued++,
  };
  const guest = {
    life: new Life(),
    share: { ready: { put: (task: Task) => queue.push(task) }, mayGoOn: () => false },
    streams: { list: () => Array.from({ length: 100 }, () => ({ ...stream })) },
  };
  const reactor = { cancel: () => {}, after: () => {} } as unknown as Reactor;
  const departure = new Departure(guest as unknown as Leaver, reactor, 1000, "the guest hung up");
  departure.begin();
  expect(queue).toHaveLength(1);
  queued = 0;
  departure.goOn();
  const sorted = queued;
  expect(sorted).toBeGreaterThan(0);
  expect(sorted).toBeLessThan(100);
  for (let task = queue.shift(); task !== undefined; task = queue.shift()) task.run();
  expect(queued).toBe(100);
});

describe("somebody goes on marking streams of a guest that has left", () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ["performance"] }));
  afterEach(() => void vi.useRealTimers());

  /** A thread that has only this guest: its turns, its timers, and how often the guest was looked at. */
  class Thread {
    readonly life = new Life();
    readonly share: ThreadShare;
    readonly #timers = new Timers();
    readonly #departure: Departure;
    looks = 0;
    closedMs = Number.NaN;

    constructor(bells: number, lingerMs: number, looksOwed = 0) {
      const reactor = {
        shared: false,
        after: (ms: number, callback: () => void) => this.#timers.add(performance.now() + ms, callback),
        cancel: (timer: undefined) => this.#timers.cancel(timer),
        charge: () => {},
      } as unknown as Reactor;
      const sharer = {
        life: this.life,
        account: { looks: new LookQuota() },
        policy: { policy: { limits: { bells } } },
        suspend: () => {},
        resume: () => this.#departure.resumed(),
      } as unknown as Sharer;
      this.share = new ThreadShare(reactor, new Counters(), sharer);
      const leaver = {
        life: this.life,
        share: this.share,
        session: { pending: { pending: () => true } },
        streams: { list: () => [] },
        held: false,
        lookAgain: () => {
          this.looks++;
          this.share.looked(1);
        },
        close: () => {
          this.life.enter(LifeState.CLOSING);
          this.closedMs = performance.now();
        },
      } as unknown as Leaver;
      this.#departure = new Departure(leaver, reactor, lingerMs, "the guest hung up");
      this.life.enter(LifeState.ATTACHED);
      if (looksOwed > 0) this.share.looked(looksOwed);
      this.#departure.begin();
    }

    /** Twenty turns in each millisecond. */
    run(ms: number): void {
      for (let turn = 0; turn < 20 * ms; turn++) {
        for (let left = this.share.ready.length; left > 0; left--) this.share.ready.runFirst();
        vi.advanceTimersByTime(0.05);
        this.#timers.run(performance.now());
      }
    }
  }

  test("its looks are as many as any guest's, and it ends in its time", () => {
    const startMs = performance.now();
    const thread = new Thread(1000, 1000);
    thread.run(1100);
    expect(thread.life.state).toBe(LifeState.CLOSING);
    expect(thread.closedMs - startMs).toBeLessThan(1010);
    // 100 for each tenth of a second, and one in each that was one too many.
    expect(thread.looks).toBeGreaterThan(500);
    expect(thread.looks).toBeLessThan(1150);
  });

  test("one that owes more than it will ever pay is not looked at, and ends in its time", () => {
    const startMs = performance.now();
    const thread = new Thread(1, 500, 100_000);
    thread.run(600);
    expect(thread.looks).toBe(0);
    expect(thread.closedMs - startMs).toBeLessThan(510);
  });
});

test("a closed word that cannot be is a violation also of a stream whose guest has left", () => {
  const found: unknown[] = [];
  const stream = {
    relay: {},
    pipe: {
      toHost: {
        peerClosed: () => {
          throw new ProtocolError(Violation.RING_FLAG, "RING-10", "producer's closed word went from 0 to 9");
        },
      },
    },
    guard(work: () => void) {
      try {
        work();
      } catch (error) {
        found.push(error);
      }
    },
    abandon: () => {},
  };
  const guest = {
    life: new Life(),
    share: { ready: { put: () => {} }, mayGoOn: () => true },
    streams: { list: () => [stream] },
    close: () => {},
  };
  const reactor = { cancel: () => {}, after: () => {} } as unknown as Reactor;
  new Departure(guest as unknown as Leaver, reactor, 1000, "the guest hung up").begin();
  expect(found).toMatchObject([{ clause: "RING-10" }]);
});
