// Connections that become guests, with real sockets and regions: the region, the guest and its greeting are pieces of
// work each, and whatever happens between them leaves nothing behind.

import { decodeHello, Errno } from "@ringway/control";
import { closeFd, receiveWithFds, SharedMemory, unixPair } from "@ringway/linux";
import { expect, onTestFinished, test } from "vitest";
import { Accounts } from "../src/accounts/accounts.ts";
import { type Beginner, Beginnings, type BeginningsHost } from "../src/links/beginnings.ts";
import { SocketCloser } from "../src/links/socket-closer.ts";
import type { RegionRequest } from "../src/regions/regions.ts";

const REGION_BYTES = 65_536;

/** With `made`, its guest is made, and says what becomes of it. */
function rig(made?: string[]) {
  const later: (() => void)[] = [];
  const regions: SharedMemory[] = [];
  const begun: string[] = [];
  const disk = { submit: () => expect.unreachable("the kernel refuses descriptors") };
  const host = {
    closer: new SocketCloser(disk, true),
    regions: {
      make({ name, bytes, done }: RegionRequest) {
        const region = SharedMemory.create(name, bytes);
        regions.push(region);
        done(region);
      },
    },
    policy: { policy: { limits: { regionBytes: REGION_BYTES, regionBytesTotal: REGION_BYTES } } },
    begin({ name, fd }: Beginner, memory: SharedMemory) {
      begun.push(name);
      const letGo = (): void => {
        closeFd(fd);
        memory[Symbol.dispose]();
      };
      if (made === undefined) {
        letGo();
        return undefined;
      }
      const greet = () => {
        made.push("greeted");
        letGo();
        return { mustAskWithin: (ms: number) => made.push(`must ask within ${ms} ms`) };
      };
      const turnAway = (): void => {
        made.push("turned away");
        letGo();
      };
      return { greet, turnAway };
    },
    warn: () => {},
    soon: (work: () => void) => later.push(work),
  };
  const beginnings = new Beginnings(host as unknown as BeginningsHost);
  const account = new Accounts().take("uid:1");
  const [fd, guest] = unixPair();
  let isThere = true;
  const hangUp = (): void => {
    if (isThere) closeFd(guest);
    isThere = false;
  };
  onTestFinished(hangUp);
  beginnings.add({ fd, name: "guest-1", account, own: undefined, attachMs: undefined });
  return { beginnings, account, guest, hangUp, region: regions[0]!, begun, next: () => later.shift()?.() };
}

test("its region is there before it is a guest, and what others wait for comes between", () => {
  const { beginnings, account, begun, next } = rig();
  expect(begun).toEqual([]);
  expect(beginnings.count).toBe(1);
  next();
  expect(begun).toEqual(["guest-1"]);
  expect(beginnings.count).toBe(0);
  expect(account.beginning).toBe(0);
});

test("where the monitor stops between the two, it is turned away, and its region is let go of", () => {
  const { beginnings, account, guest, region, begun, next } = rig();
  beginnings.close();
  const hello = receiveWithFds(guest, 64, 0);
  expect(typeof hello === "number" ? hello : decodeHello(hello.bytes).errno).toBe(Errno.ESHUTDOWN);
  expect(region.released).toBe(true);
  next();
  expect(begun).toEqual([]);
  expect(account.beginning).toBe(0);
});

test("where it hangs up between the two, its region is let go of", () => {
  const { beginnings, hangUp, region, begun, next } = rig();
  hangUp();
  next();
  expect(begun).toEqual([]);
  expect(region.released).toBe(true);
  expect(beginnings.count).toBe(0);
});

test("a guest that was made is greeted in a piece of its own, and counts until then", () => {
  const made: string[] = [];
  const { beginnings, account, begun, next } = rig(made);
  next();
  expect(begun).toEqual(["guest-1"]);
  expect(made).toEqual([]);
  expect([beginnings.count, account.beginning]).toEqual([1, 1]);
  next();
  expect(made).toEqual(["greeted"]);
  expect([beginnings.count, account.beginning]).toEqual([0, 0]);
});

test.each(["the monitor stops", "it hangs up"])(
  "where %s before it is greeted, it is turned away once",
  (what) => {
    const made: string[] = [];
    const { beginnings, account, hangUp, region, next } = rig(made);
    next();
    if (what === "it hangs up") hangUp();
    else beginnings.close();
    next();
    expect(made).toEqual(["turned away"]);
    expect(region.released).toBe(true);
    expect([beginnings.count, account.beginning]).toEqual([0, 0]);
  },
);
