// Work that belongs to nobody, and whose pieces neighbours' work comes between (Reactor.soon()).

import { closeFd, createEventfd, drainEventfd, EPOLLIN, ringEventfd } from "@ringway/linux";
import { expect, onTestFinished, test, vi } from "vitest";
import { Counters } from "../src/reactor/counters.ts";
import { Pieces } from "../src/reactor/pieces.ts";
import { Reactor, type Tenant } from "../src/reactor/reactor.ts";
import { type Task, TaskQueue } from "../src/reactor/tasks.ts";

function rig(busyPollUs = 0) {
  const reactor = new Reactor({ busyPollUs, counters: new Counters() });
  const bell = createEventfd();
  const done: string[] = [];
  reactor.watchForNobody(bell, EPOLLIN, () => {
    drainEventfd(bell);
    done.push("event");
  });
  onTestFinished(() => {
    reactor.epoll.close();
    closeFd(bell);
  });
  return { reactor, ring: () => ringEventfd(bell), done };
}

/** It never rings. */
function guestWith(ready: TaskQueue): Tenant {
  return {
    bells: { pending: () => false, prepareSleep: () => true, awake: () => {} } as unknown as Tenant["bells"],
    parked: false,
    ready,
    mayRun: true,
    spend: () => {},
    scan: () => {},
    flushBell: () => {},
  };
}

test("before each piece, what has happened is looked at, and the reactor does not sleep while there are some", () => {
  const { reactor, ring, done } = rig();
  for (const name of ["one", "two", "three"]) {
    reactor.soon(() => {
      done.push(name);
      ring();
    });
  }
  reactor.soon(() => reactor.pause());
  ring();
  reactor.run();
  expect(done).toEqual(["event", "one", "event", "two", "event", "three", "event"]);
});

test("a piece that asks for another does not go first", () => {
  const { reactor, done } = rig();
  reactor.soon(() => {
    done.push("one");
    reactor.soon(() => {
      done.push("its second");
      reactor.pause();
    });
  });
  reactor.soon(() => done.push("two"));
  reactor.run();
  expect(done).toEqual(["one", "two", "its second"]);
});

test("one that always has work to do keeps no piece waiting for good, and is stepped between two", () => {
  const { reactor, done } = rig();
  const ready = new TaskQueue();
  const task: Task = {
    queued: false,
    run: () => {
      done.push("step");
      ready.put(task);
    },
  };
  const tenant = guestWith(ready);
  reactor.add(tenant);
  ready.put(task);
  reactor.soon(() => done.push("one"));
  reactor.soon(() => {
    done.push("two");
    reactor.pause();
  });
  reactor.run();
  expect(done.filter((what) => what !== "step")).toEqual(["one", "two"]);
  expect(done.slice(done.indexOf("one"))).toContain("step");
});

test("beside guests a piece rests before its turn, and so does the one after it; alone none does", () => {
  let nowMs = 1000;
  const clock = vi.spyOn(performance, "now").mockImplementation(() => nowMs);
  onTestFinished(() => clock.mockRestore());
  const pieces = new Pieces();
  const dueAfter = (ms: number): boolean => {
    nowMs += ms;
    return pieces.isDue();
  };
  pieces.put(() => {}, true);
  pieces.put(() => {}, true);
  expect(dueAfter(0.1)).toBe(false);
  // What comes later does not put the first off.
  pieces.put(() => {}, true);
  expect(dueAfter(0.09)).toBe(false);
  expect(pieces.untilDueMs(nowMs)).toBeCloseTo(0.01);
  expect(dueAfter(0.0101)).toBe(true);
  expect(pieces.untilDueMs(nowMs)).toBe(0);
  pieces.runFirst(true);
  expect(dueAfter(0.19)).toBe(false);
  expect(dueAfter(0.0101)).toBe(true);
  pieces.runFirst(false);
  expect(dueAfter(0)).toBe(true);
  pieces.runFirst(false);
  expect(pieces.some).toBe(false);
  nowMs += 1;
  pieces.put(() => {}, false);
  expect(dueAfter(0)).toBe(true);
});

test("a piece does not wait until a poll for work is over", () => {
  const { reactor, done } = rig(10_000_000);
  reactor.add(guestWith(new TaskQueue()));
  const startMs = performance.now();
  reactor.soon(() => done.push("one"));
  reactor.soon(() => reactor.pause());
  reactor.run();
  expect(done).toEqual(["one"]);
  // A poll takes ten seconds.
  expect(performance.now() - startMs).toBeLessThan(5000);
});
