// Who waits for a disk worker because its operations of a second are used up (DiskPool).

import { MessageChannel, type MessagePort, receiveMessageOnPort } from "node:worker_threads";
import { closeFd, createEventfd, ringEventfd } from "@ringway/linux";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { DiskPool } from "../src/disk/pool.ts";
import type { Reactor } from "../src/reactor/reactor.ts";

const JOBS = 30;
const operation = { kind: "call", path: "/x" } as const;

let nowMs = 0;
let wakeFd = -1;
let channel: MessageChannel;
/** Timers that were asked for. */
let timers: { readonly ms: number; readonly run: () => void }[];
let collect: () => void;
let pool: DiskPool;

beforeEach(() => {
  vi.spyOn(performance, "now").mockImplementation(() => nowMs);
  wakeFd = createEventfd();
  channel = new MessageChannel();
  timers = [];
  const reactor = {
    counters: { add: () => {} },
    watchForNobody: (_fd: number, _events: number, onEvents: () => void) => {
      collect = onEvents;
    },
    after: (ms: number, run: () => void) => timers.push({ ms, run }),
  } as unknown as Reactor;
  pool = new DiskPool(reactor, { ports: [channel.port1], wakeFd });
});
afterEach(() => {
  vi.restoreAllMocks();
  pool.close();
  channel.port2.close();
  closeFd(wakeFd);
});

/** Does all that the worker is given, until it is given nothing: how much that was. */
function work(port: MessagePort): number {
  for (let count = 0; ; count++) {
    const received = receiveMessageOnPort(port);
    if (received === undefined) return count;
    const { id } = received.message as { readonly id: number };
    port.postMessage({ id, result: { errno: 0, value: 0 }, lookups: 0 });
    ringEventfd(wakeFd);
    collect();
  }
}

function restOver(): void {
  const { ms, run } = timers.shift()!;
  nowMs += ms;
  run();
}

test("a reload that raises how many it may have raises it for those that wait, too", () => {
  const rate = { diskOperations: 10 };
  let done = 0;
  const user = {};
  for (let i = 0; i < JOBS; i++) pool.submit(user, operation, rate, () => done++);
  work(channel.port2);
  // One in a tenth of a second.
  expect(done).toBe(1);
  restOver();
  work(channel.port2);
  expect(done).toBe(2);
  rate.diskOperations = 1_000_000;
  restOver();
  work(channel.port2);
  expect(done).toBe(JOBS);
  expect(timers).toEqual([]);
});

test("one that lowers it holds for them as well", () => {
  const rate = { diskOperations: 1000 };
  const user = {};
  let done = 0;
  for (let i = 0; i < 10 * JOBS; i++) pool.submit(user, operation, rate, () => done++);
  work(channel.port2);
  expect(done).toBe(100);
  rate.diskOperations = 10;
  for (let i = 1; i <= 3; i++) {
    restOver();
    work(channel.port2);
    expect(done).toBe(100 + i);
  }
});
