// Regions, unmade by a real thread: what cannot be made is told as what it is, and leaves nothing behind.

import { readdirSync, readFileSync } from "node:fs";
import { PAGE_BYTES } from "@ringway/control";
import type { SharedMemory } from "@ringway/linux";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Account, Accounts } from "../dist/accounts/accounts.js";
// As it is built: the thread is a module of its own.
import { Counters } from "../dist/reactor/counters.js";
import { Reactor } from "../dist/reactor/reactor.js";
import { Regions } from "../dist/regions/regions.js";
import { RegionThread } from "../dist/regions/thread.js";

const MiB = 1 << 20;

let thread: RegionThread;
let reactor: Reactor;
let regions: Regions;
let account: Account;

beforeAll(async () => {
  thread = new RegionThread((error) => {
    throw error;
  });
  await thread.ready;
  reactor = new Reactor({ busyPollUs: 0, counters: new Counters() });
  regions = new Regions(reactor, thread.port, () => reactor.pause());
  account = new Accounts().take("uid:1");
});
afterAll(async () => {
  regions.close();
  await thread.stop(1000);
});

/** As the reactor's thread does: it sleeps in epoll, and not in Node's loop. */
function make(
  name: string,
  bytes: number,
  bytesTotal: number = Number.MAX_SAFE_INTEGER,
): SharedMemory | Error {
  let outcome: SharedMemory | Error | undefined;
  regions.make({
    account,
    name,
    bytes,
    bytesTotal,
    done: (made) => {
      outcome = made;
      reactor.pause();
    },
  });
  while (outcome === undefined) reactor.run();
  return outcome;
}

function unmake(memory: SharedMemory): void {
  memory[Symbol.dispose]();
  while (regions.load > 0) reactor.run();
}

const held = (): object => ({
  regions: account.regions,
  bytes: account.regionBytes,
  leaving: account.leavingBytes,
});
const NOTHING = { regions: 0, bytes: 0, leaving: 0 };
const descriptors = (): number => readdirSync("/proc/self/fd").length;
const mappingsOf = (name: string): number =>
  readFileSync("/proc/self/maps", "utf8").split(`memfd:${name}`).length - 1;

test("a region is counted from the asking until its pages are free, and is never in two hands", () => {
  const before = descriptors();
  const first = make("first", MiB) as SharedMemory;
  new Uint8Array(first.buffer).fill(7);
  expect(held()).toEqual({ regions: 1, bytes: MiB, leaving: 0 });
  expect(mappingsOf("first")).toBe(2);
  first[Symbol.dispose]();
  expect(held()).toEqual({ regions: 1, bytes: MiB, leaving: MiB });
  expect(() => first.buffer).toThrow("released");
  const second = make("second", MiB) as SharedMemory;
  expect(new Uint8Array(second.buffer).every((byte) => byte === 0)).toBe(true);
  unmake(second);
  expect(held()).toEqual(NOTHING);
  expect(mappingsOf("first") + mappingsOf("second")).toBe(0);
  expect(descriptors()).toBe(before);
});

test("who comes while what it left is being unmade waits for that, and is not refused", () => {
  let left = make("left", 4 * MiB) as SharedMemory;
  for (let i = 0; i < 20; i++) {
    new Uint8Array(left.buffer).fill(1);
    left[Symbol.dispose]();
    // Its key may have one.
    left = make(`next-${i}`, 4 * MiB, 4 * MiB) as SharedMemory;
    expect(held()).toEqual({ regions: 1, bytes: 4 * MiB, leaving: 0 });
  }
  unmake(left);
});

describe("a region that cannot be made", () => {
  test.each([
    ["for its name", "x".repeat(300), MiB, "EINVAL", "memfd_create"],
    ["for its size", "large", 2 ** 53 - PAGE_BYTES, "ENOMEM", "mmap"],
  ])("%s is told with the call and the errno, and leaves nothing", (_why, name, bytes, code, syscall) => {
    const before = descriptors();
    expect(make(name, bytes)).toMatchObject({ name: "SystemError", code, syscall });
    expect(held()).toEqual(NOTHING);
    expect(descriptors()).toBe(before);
    expect(mappingsOf(name.slice(0, 200))).toBe(0);
    // Others are none the worse.
    unmake(make("after", MiB) as SharedMemory);
  });
});
