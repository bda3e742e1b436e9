import { expect, test } from "vitest";
import { Counters } from "../src/reactor/counters.ts";
import { Reactor } from "../src/reactor/reactor.ts";
import { KeepAlives } from "../src/relays/keep-alives.ts";

/** What is told, in order, by connections that are added and deleted before the loop runs for `runMs`. */
function told(runMs: number, use: (all: KeepAlives, add: (fd: number) => void) => void): number[] {
  const reactor = new Reactor({ busyPollUs: 0, counters: new Counters() });
  const all = new KeepAlives(reactor, 5);
  const asked: number[] = [];
  use(all, (fd) => all.add(fd, { keepAlive: () => asked.push(fd) }));
  reactor.after(runMs, () => reactor.pause());
  reactor.run();
  reactor.epoll.close();
  return asked;
}

test("a connection that is over before the look comes round is left alone", () => {
  const asked = told(40, (all, add) => {
    for (const fd of [3, 4, 5]) add(fd);
    all.delete(4);
  });
  expect(asked).toEqual([3, 5]);
});

test("a thousand are all taken, each once and a few at a time, those that come meanwhile with the next look", () => {
  const reactor = new Reactor({ busyPollUs: 0, counters: new Counters() });
  const all = new KeepAlives(reactor, 5);
  const turns = new Map<number, number>();
  const asked = new Set<number>();
  const keepAlive = (fd: number) => (): void => {
    expect(asked.has(fd)).toBe(false);
    asked.add(fd);
    turns.set(reactor.turn, (turns.get(reactor.turn) ?? 0) + 1);
    if (fd < 1000) all.add(fd + 1000, { keepAlive: keepAlive(fd + 1000) });
    if (asked.size === 2000) reactor.pause();
  };
  for (let fd = 0; fd < 1000; fd++) all.add(fd, { keepAlive: keepAlive(fd) });
  reactor.after(20_000, () => reactor.pause());
  reactor.run();
  reactor.epoll.close();
  expect([...asked].slice(0, 1000)).toEqual(Array.from({ length: 1000 }, (_, fd) => fd));
  expect(asked.size).toBe(2000);
  expect(Math.max(...turns.values())).toBeLessThan(50);
});

test("the first look after one that found nobody left, half-way, takes all", () => {
  const due: (() => void)[] = [];
  const reactor = { after: (_: number, look: () => void) => due.push(look) } as unknown as Reactor;
  const all = new KeepAlives(reactor, 5);
  const asked: number[] = [];
  const add = (fd: number): void => all.add(fd, { keepAlive: () => asked.push(fd) });
  for (let fd = 20; fd < 200; fd++) add(fd);
  for (let fd = 36; fd < 200; fd++) all.delete(fd);
  due.shift()!();
  expect([asked.length, due.length]).toEqual([16, 0]);
  add(20);
  due.shift()!();
  expect(asked.slice(16)).toEqual([20]);
});
