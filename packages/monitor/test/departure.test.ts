// A guest that leaves while it is held: no event of its streams is lost, though they are looked at in slices.

import { Closed } from "@ringway/control";
import { expect, test } from "vitest";
import { Departure, type Leaver } from "../src/guests/departure.ts";
import { Life } from "../src/guests/life.ts";
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
