// Work that belongs to nobody, and whose pieces neighbours' work comes between (Reactor.soon()).

import { closeFd, createEventfd, drainEventfd, EPOLLIN, ringEventfd } from "@ringway/linux";
import { expect, onTestFinished, test } from "vitest";
import { Counters } from "../src/reactor/counters.ts";
import { Reactor, type Tenant } from "../src/reactor/reactor.ts";
import { type Task, TaskQueue } from "../src/reactor/tasks.ts";

function rig() {
  const reactor = new Reactor({ busyPollUs: 0, counters: new Counters() });
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
  const tenant: Tenant = {
    bells: { pending: () => false } as unknown as Tenant["bells"],
    parked: false,
    ready,
    mayRun: true,
    spend: () => {},
    scan: () => {},
    flushBell: () => {},
  };
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
