// Sockets whose streams are over: real ones, on a clock of the test's.

import { closeFd, recv, scratch, send, unixPair } from "@ringway/linux";
import { expect, onTestFinished, test } from "vitest";
import { type Account, Accounts } from "../src/accounts/accounts.ts";
import type { Reactor } from "../src/reactor/reactor.ts";
import { Timers } from "../src/reactor/timers.ts";
import { Partings } from "../src/relays/partings.ts";
import { SocketLoan } from "../src/relays/socket-loan.ts";

const LIMIT_BYTES = 1024 * 1024;
const room = scratch(4096);

function set() {
  const timers = new Timers();
  let nowMs = 0;
  const reactor = {
    after: (ms: number, callback: () => void) => timers.add(nowMs + ms, callback),
    cancel: (timer: Parameters<Timers["cancel"]>[0]) => timers.cancel(timer),
    forget: () => {},
    unwatch: () => {},
  } as unknown as Reactor;
  const pass = (ms: number): void => {
    for (const endMs = nowMs + ms; ; ) {
      const next = timers.untilNextMs(nowMs);
      nowMs = next === undefined ? endMs : Math.min(endMs, nowMs + next);
      if (nowMs === endMs) break;
      timers.run(nowMs);
    }
    timers.run(nowMs);
  };
  return { partings: new Partings(reactor), account: new Accounts().take("uid:1"), pass };
}

/** A socket whose peer has not read what was sent; the peer. */
function unread(account: Account): { fd: number; peer: number; loan: SocketLoan } {
  const [fd, peer] = unixPair();
  const loan = new SocketLoan(fd, account, LIMIT_BYTES, false);
  expect(send(fd, room.address, 1)).toBe(1);
  return { fd, peer, loan };
}

/** Only close() makes this fail: nobody has shut the other end down here. */
const isClosed = (peer: number): boolean => send(peer, room.address, 1) < 0;

test("a Unix socket counts until its peer has read all, or is gone, however long that takes", () => {
  const { partings, account, pass } = set();
  const [reads, goes] = [unread(account), unread(account)];
  for (const { fd, loan } of [reads, goes]) partings.add(fd, 0, "unread", loan, 4);
  // Its last guest goes, and may come again.
  account.release();
  pass(3_600_000);
  onTestFinished(() => void closeFd(reads.peer));
  expect([account.sockets.partings, isClosed(reads.peer)]).toEqual([2, false]);
  expect(recv(reads.peer, room.address, 1)).toBe(1);
  pass(6000);
  expect([account.sockets.partings, isClosed(reads.peer)]).toEqual([1, true]);
  closeFd(goes.peer);
  pass(6000);
  expect([account.sockets.partings, account.sockets.sockets]).toEqual([0, 0]);
});

test("one of an account that nobody comes back to is let go after a minute", () => {
  const { partings, pass } = set();
  const account = new Accounts().takeOwn("attach:1");
  account.enter();
  const { fd, peer, loan } = unread(account);
  onTestFinished(() => void closeFd(peer));
  partings.add(fd, 0, "unread", loan, 4);
  pass(90_000);
  expect([account.sockets.partings, isClosed(peer)]).toEqual([1, false]);
  account.leave();
  pass(6000);
  expect([account.sockets.partings, isClosed(peer)]).toEqual([0, true]);
});

test("Unix sockets are not counted with TCP's, and each is kept", () => {
  const { partings, account } = set();
  const peers = Array.from({ length: 3 }, () => {
    const { fd, peer, loan } = unread(account);
    onTestFinished(() => void closeFd(peer));
    partings.add(fd, 0, "unread", loan, 2);
    return peer;
  });
  expect(peers.map(isClosed)).toEqual([false, false, false]);
  const { partings: unix, tcpPartings } = account.sockets;
  expect([unix, tcpPartings]).toEqual([3, 0]);
  partings.close();
});
