// A guest that leaves: held, no event of its streams is lost, though they are looked at in slices; with its looks used
// up, it is looked at a few times more.

import { Closed } from "@ringway/control";
import { expect, test } from "vitest";
import { Departure, type Leaver } from "../src/guests/departure.ts";
import { Ending, type EndingOwner } from "../src/guests/ending.ts";
import type { Epochs } from "../src/guests/epochs.ts";
import { Life, LifeState } from "../src/guests/life.ts";
import type { GuestLink } from "../src/links/link.ts";
import type { Reactor } from "../src/reactor/reactor.ts";
import type { Task } from "../src/reactor/tasks.ts";

test("streams that are looked at after a held guest goes on are queued like those before", () => {
  const queue: Task[] = [];
  let queued = 0;
  const stream = {
    relay: {},
    pipe: { toHost: { peerClosed: () => Closed.END } },
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

test.each([
  [false, 500],
  [true, 16],
])("streams that somebody goes on marking, parked: %s: looked at %i times of 500", (parked, expected) => {
  const queue: Task[] = [];
  let looks = 0;
  const guest = {
    life: new Life(),
    share: { parked, ready: { length: 0, put: (task: Task) => queue.push(task) }, mayGoOn: () => true },
    session: { pending: { pending: () => true } },
    streams: { list: () => [] },
    held: false,
    lookAgain: () => looks++,
    close: () => guest.life.enter(LifeState.CLOSING),
  };
  guest.life.enter(LifeState.ATTACHED);
  const reactor = { cancel: () => {}, after: () => {} } as unknown as Reactor;
  new Departure(guest as unknown as Leaver, reactor, 1000, "the guest hung up").begin();
  for (let turn = 1; turn < 500; turn++) queue.shift()?.run();
  expect(looks).toBe(expected);
  expect(guest.life.state).toBe(parked ? LifeState.CLOSING : LifeState.LEAVING);
});

test.each([
  ["when it has left", LifeState.ATTACHED],
  ["before it has attached", LifeState.ATTACHING],
])("what a guest had is held by no timer once it is closed, gone %s", (_, state) => {
  const timers = new Set<() => void>();
  const reactor = {
    after(_delayMs: number, callback: () => void) {
      timers.add(callback);
      return callback;
    },
    cancel: (timer: () => void) => timers.delete(timer),
  } as unknown as Reactor;
  const owner = {
    life: new Life(),
    share: { parked: false, ready: { length: 0 } },
    session: { pending: { pending: () => false } },
    streams: { list: () => [], abandonAll: () => {}, dropping: false },
    held: false,
    lookAgain: () => {},
    pinned: () => {},
    closed: () => {},
    close: (reason: string) => ending.close(reason),
  };
  if (state !== LifeState.ATTACHING) owner.life.enter(state);
  const link = { hangUp: () => {} } as unknown as GuestLink;
  const ending: Ending = new Ending(owner as unknown as EndingOwner, link, {} as Epochs, reactor, 1000);
  ending.depart("the guest hung up");
  expect(owner.life.state).toBe(LifeState.CLOSED);
  expect(timers.size).toBe(0);
});
