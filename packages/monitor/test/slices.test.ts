// Who pays for the reactor's time, and what a guest past its slice has to wait with.

import { setTimeout as delay } from "node:timers/promises";
import { closeFd, createEventfd, duplicateFd, EPOLLET, EPOLLIN, ringEventfd } from "@ringway/linux";
import { afterEach, describe, expect, test } from "vitest";
import { Dropping } from "../src/guests/dropping.ts";
import type { Stream } from "../src/guests/stream.ts";
import { Counters } from "../src/reactor/counters.ts";
import { Reactor, type Tenant } from "../src/reactor/reactor.ts";
import { TaskQueue } from "../src/reactor/tasks.ts";

class FakeGuest implements Tenant {
  readonly bells = { pending: () => false, prepareSleep: () => true, awake: () => {} } as never;
  readonly parked = false;
  readonly ready: TaskQueue = new TaskQueue();
  mayRun = true;
  spentMs = 0;

  spend(ms: number): void {
    this.spentMs += ms;
  }

  scan(): void {}
  flushBell(): void {}
}

describe("time", () => {
  const reactor = new Reactor({ busyPollUs: 0, counters: new Counters() });
  afterEach(() => reactor.epoll.close());

  test("since the last mark is the guest's that work was done for, and counted once; waiting is nobody's", async () => {
    const [one, other] = [new FakeGuest(), new FakeGuest()];
    reactor.add(one);
    reactor.charge(one);
    // A guest that is alone pays nothing: no clock is read for it.
    expect(one.spentMs).toBe(0);
    reactor.add(other);
    // A machine that is busy takes tens of milliseconds between two lines; not a second.
    await delay(1000);
    reactor.charge(one);
    reactor.charge(other);
    expect(one.spentMs).toBeGreaterThan(990);
    expect(other.spentMs).toBeLessThan(500);
    const before = one.spentMs;
    reactor.after(1000, () => reactor.pause());
    reactor.run();
    reactor.charge(one);
    expect(one.spentMs - before).toBeLessThan(500);
  });
});

describe("time of work that no guest has asked for", () => {
  const burn = (ms: number): void => {
    const endMs = performance.now() + ms;
    while (performance.now() < endMs);
  };

  test("before a guest's own in the same turn is not that guest's: of timers, and of an event", () => {
    const reactor = new Reactor({ busyPollUs: 0, counters: new Counters() });
    const [one, other] = [new FakeGuest(), new FakeGuest()];
    reactor.add(one);
    reactor.add(other);
    const [first, second] = [createEventfd(), createEventfd()];
    for (const fd of [first, second]) ringEventfd(fd);
    let events = 0;
    reactor.watch(first, EPOLLIN | EPOLLET, {
      onEvents() {
        burn(50);
        reactor.pass();
      },
    });
    reactor.watch(second, EPOLLIN | EPOLLET, {
      onEvents() {
        events++;
        reactor.charge(one);
      },
    });
    // Both are due at once.
    reactor.after(0, () => burn(50));
    reactor.after(0, () => reactor.charge(other));
    reactor.after(100, () => reactor.pause());
    reactor.run();
    expect(events).toBe(1);
    expect(one.spentMs).toBeLessThan(25);
    expect(other.spentMs).toBeLessThan(25);
    for (const fd of [first, second]) closeFd(fd);
    reactor.epoll.close();
  });
});

test("descriptors that are always ready, more than a batch of events holds, keep no time limit from its time", () => {
  const reactor = new Reactor({ busyPollUs: 0, counters: new Counters() });
  const descriptors = Array.from({ length: 300 }, () => createEventfd());
  for (const fd of descriptors) {
    ringEventfd(fd);
    reactor.watch(fd, EPOLLIN, { onEvents() {} });
  }
  const startMs = performance.now();
  // The loop would turn for ever: the events end it, long after the time limit should have.
  let turns = 0;
  const another = duplicateFd(descriptors[0]!);
  reactor.watch(another, EPOLLIN, {
    onEvents: () => {
      if (++turns > 100_000) reactor.pause();
    },
  });
  let firedMs = Number.POSITIVE_INFINITY;
  reactor.after(20, () => {
    firedMs = performance.now() - startMs;
    reactor.pause();
  });
  reactor.run();
  for (const fd of [another, ...descriptors]) closeFd(fd);
  reactor.epoll.close();
  expect(firedMs).toBeGreaterThanOrEqual(20);
  expect(firedMs).toBeLessThan(5000);
});

describe("streams that are let go of", () => {
  const streams = Array.from({ length: 1000 }, (_, id) =>
    id % 3 === 0 ? undefined : ({ id } as unknown as Stream),
  );

  test("go all at once while the slice lasts, and in the ready queue past it, each once and in order", () => {
    let looks = 0;
    const ready = new TaskQueue();
    const dropped: number[] = [];
    let done = 0;
    const dropper = { ready, mayGoOn: () => ++looks % 4 !== 0 };
    const drop = (stream: Stream): void => void dropped.push(stream.id);
    new Dropping(dropper, streams, drop, () => done++).run();
    expect(dropped.length).toBeLessThan(200);
    expect([ready.length, done]).toEqual([1, 0]);
    let turns = 1;
    for (; ready.length > 0; turns++) ready.runFirst();
    expect(turns).toBeGreaterThan(5);
    expect(dropped).toEqual(streams.flatMap((stream) => stream?.id ?? []));
    expect(done).toBe(1);
  });

  test("none at all are done at once", () => {
    let done = 0;
    const dropper = { ready: new TaskQueue(), mayGoOn: () => false };
    new Dropping(
      dropper,
      [],
      () => {},
      () => done++,
    ).run();
    expect(done).toBe(1);
  });
});
