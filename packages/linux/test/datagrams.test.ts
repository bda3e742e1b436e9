import { describe, expect, onTestFinished, test } from "vitest";
import {
  bind,
  closeFd,
  connect,
  DatagramBatch,
  DatagramInbox,
  datagramPeer,
  droppedDatagrams,
  EPOLLERR,
  EPOLLIN,
  Errno,
  joinGroup,
  leaveGroup,
  localAddress,
  setBroadcast,
  setMulticastInterface,
  setMulticastLoop,
  setMulticastTtl,
  setRecvBuffer,
  setTrains,
  setTtl,
  udpSocket,
} from "../src/index.ts";
import { loopback, memory, waitFor } from "./helpers.ts";

const NEVER_JOINED = 0;
const JOINED = 2 ** 16;

function socket(family: 4 | 6): number {
  const fd = udpSocket(family);
  expect(fd).toBeGreaterThan(0);
  onTestFinished(() => void closeFd(fd));
  return fd;
}

function bound(family: 4 | 6): number {
  const fd = socket(family);
  expect(bind(fd, loopback(family))).toBe(0);
  return fd;
}

/** Two sockets that are connected to each other. */
function pair(family: 4 | 6): [number, number] {
  const [one, other] = [bound(family), bound(family)];
  expect(connect(one, localAddress(other))).toBe(0);
  expect(connect(other, localAddress(one))).toBe(0);
  return [one, other];
}

function contents(inbox: DatagramInbox, count: number): Buffer[] {
  return Array.from({ length: count }, (_, i) => {
    const at = inbox.dataOffset(i);
    return Buffer.from(inbox.data.slice(at, at + inbox.length(i)));
  });
}

/** All that comes until nothing is left, trains taken apart; so many are waited for. */
function receiveAll(fd: number, inbox: DatagramInbox, least: number): Buffer[] {
  const all: Buffer[] = [];
  for (;;) {
    const count = inbox.receive(fd, inbox.capacity);
    if (count === -Errno.EAGAIN) {
      if (all.length >= least || waitFor(fd, EPOLLIN) === 0) return all;
      continue;
    }
    expect(count).toBeGreaterThan(0);
    for (const [i, bytes] of contents(inbox, count).entries()) {
      const segment = inbox.segments[i] || bytes.length || 1;
      if (bytes.length === 0) all.push(bytes);
      for (let at = 0; at < bytes.length; at += segment) all.push(bytes.subarray(at, at + segment));
    }
  }
}

describe.each([4, 6] as const)("UDP over IPv%i", (family) => {
  test("datagrams of any size come whole and in order, those of no bytes too", () => {
    const [one, other] = pair(family);
    const batch = new DatagramBatch();
    const inbox = new DatagramInbox();
    const sizes = [0, 1, 1400, 65_507, 0, 7];
    const from = memory(65_507);
    batch.begin();
    for (const size of sizes) batch.add(from.address, size, 0, 0, undefined, NEVER_JOINED);
    expect(batch.flush(one)).toBe(sizes.length);
    expect(batch.error).toBe(0);
    expect(receiveAll(other, inbox, sizes.length).map(({ length }) => length)).toEqual(sizes);
  });

  test("one is put together from two pieces of memory", () => {
    const [one, other] = pair(family);
    const batch = new DatagramBatch();
    const inbox = new DatagramInbox();
    const [hello, world] = [memory("hello "), memory("world")];
    batch.begin();
    batch.add(hello.address, hello.length, world.address, world.length, undefined, NEVER_JOINED);
    expect(batch.flush(one)).toBe(1);
    expect(receiveAll(other, inbox, 1).map(String)).toEqual(["hello world"]);
  });

  test.each([true, false])("those that go as one message come one by one (trains taken: %s)", (trains) => {
    const [one, other] = pair(family);
    if (trains) expect(setTrains(other)).toBe(0);
    const batch = new DatagramBatch();
    const inbox = new DatagramInbox();
    const from = memory(4000);
    for (let i = 0; i < from.length; i++) from.bytes[i] = i % 251;
    const sizes = [1000, 1000, 1000, 400, 1000, 0, 300, 300, 301];
    batch.begin();
    for (const [i, size] of sizes.entries()) {
      batch.add(from.address + i, size, 0, 0, undefined, JOINED);
    }
    expect(batch.flush(one)).toBe(sizes.length);
    const came = receiveAll(other, inbox, sizes.length);
    expect(came.map(({ length }) => length)).toEqual(sizes);
    for (const [i, bytes] of came.entries()) {
      expect(bytes.equals(from.bytes.subarray(i, i + bytes.length))).toBe(true);
    }
  });

  test.each([JOINED, 900, NEVER_JOINED])(
    "a run comes as if each was added (joined below %i bytes)",
    (below) => {
      const [one, other] = pair(family);
      const batch = new DatagramBatch();
      const inbox = new DatagramInbox();
      const from = memory(70 * 1016);
      for (let i = 0; i < from.length; i++) from.bytes[i] = i % 251;
      const expected: Buffer[] = [];
      const run = (bytes: number, stride: number, count: number): void => {
        batch.addRun(from.address, bytes, stride, count, undefined, below);
        for (let i = 0; i < count; i++)
          expected.push(Buffer.from(from.bytes.slice(i * stride, i * stride + bytes)));
      };
      // More than one message takes, by their number and by their bytes; then shorter, longer, and empty ones.
      const runs = [
        [[16, 32, 70]],
        [[1000, 1016, 70]],
        [
          [300, 316, 3],
          [299, 300, 2],
          [301, 302, 3],
          [0, 16, 3],
          [1, 1, 2],
        ],
      ] as const;
      for (const together of runs) {
        expected.length = 0;
        batch.begin();
        for (const [bytes, stride, count] of together) run(bytes, stride, count);
        batch.add(from.address, 7, 0, 0, undefined, below);
        expected.push(Buffer.from(from.bytes.slice(0, 7)));
        expect(batch.added).toBe(expected.length);
        expect(batch.flush(one)).toBe(expected.length);
        expect(batch.sentBytes).toBe(expected.reduce((sum, { length }) => sum + length, 0));
        const came = receiveAll(other, inbox, expected.length);
        expect(came.map(({ length }) => length)).toEqual(expected.map(({ length }) => length));
        expect(Buffer.concat(came).equals(Buffer.concat(expected))).toBe(true);
      }
    },
  );

  test("each of a batch goes to its own peer, and says who sent it", () => {
    const sender = bound(family);
    const receivers = [bound(family), bound(family)];
    const batch = new DatagramBatch();
    const inbox = new DatagramInbox();
    const from = memory("abc");
    batch.begin();
    for (const [i, receiver] of receivers.entries()) {
      const { address, port } = localAddress(receiver);
      batch.add(from.address + i, 1, 0, 0, datagramPeer(address, port), JOINED);
    }
    expect(batch.flush(sender)).toBe(2);
    const own = localAddress(sender);
    for (const [i, receiver] of receivers.entries()) {
      expect(waitFor(receiver, EPOLLIN)).toBe(EPOLLIN);
      expect(inbox.receive(receiver, 4)).toBe(1);
      expect(contents(inbox, 1).map(String)).toEqual([["a", "b"][i]]);
      expect([inbox.family(0), inbox.port(0)]).toEqual([family, own.port]);
      const words = new Uint32Array(new Uint8Array(own.address).buffer);
      expect([...words].map((_, word) => inbox.addressWord(0, word))).toEqual([...words]);
    }
  });

  test("nobody at the port: the sender is told, once", () => {
    const [one, other] = [socket(family), bound(family)];
    expect(connect(one, localAddress(other))).toBe(0);
    closeFd(other);
    const batch = new DatagramBatch();
    const inbox = new DatagramInbox();
    batch.begin();
    batch.add(memory("x").address, 1, 0, 0, undefined, NEVER_JOINED);
    expect(batch.flush(one)).toBe(1);
    expect(waitFor(one, EPOLLIN) & EPOLLERR).toBe(EPOLLERR);
    expect(inbox.receive(one, 4)).toBe(-Errno.ECONNREFUSED);
    expect(inbox.receive(one, 4)).toBe(-Errno.EAGAIN);
  });

  test("what the kernel drops is counted, also where nothing comes after it", () => {
    const [one, other] = pair(family);
    expect(setRecvBuffer(other, 4096)).toBe(0);
    const batch = new DatagramBatch();
    const inbox = new DatagramInbox();
    const from = memory(1000);
    const send = (count: number): void => {
      batch.begin();
      for (let i = 0; i < count; i++) batch.add(from.address, 1000, 0, 0, undefined, NEVER_JOINED);
      expect(batch.flush(one)).toBe(count);
    };
    send(60);
    const came = receiveAll(other, inbox, 1).length;
    expect(came).toBeGreaterThan(0);
    expect(came).toBeLessThan(60);
    expect(droppedDatagrams(other)).toBe(60 - came);
    send(1);
    expect(waitFor(other, EPOLLIN)).toBe(EPOLLIN);
    expect(inbox.receive(other, 4)).toBe(1);
    expect(inbox.drops[0]).toBe(60 - came);
  });

  test("options are those of the family", () => {
    const fd = socket(family);
    expect(setTtl(fd, family, 3)).toBe(0);
    expect(setMulticastTtl(fd, family, 0)).toBe(0);
    expect(setMulticastLoop(fd, family, false)).toBe(0);
    expect(setBroadcast(fd, true)).toBe(0);
    expect(setMulticastInterface(fd, loopback(family).address)).toBe(0);
    const nowhere = family === 4 ? [203, 0, 113, 7] : [0x20, 1, 0xd, 0xb8, ...new Array(11).fill(0), 7];
    expect(setMulticastInterface(fd, Uint8Array.from(nowhere))).toBe(-Errno.EADDRNOTAVAIL);
  });

  test("a group is joined once, and left once", () => {
    const fd = socket(family);
    const any = new Uint8Array(family === 4 ? 4 : 16);
    const group = new Uint8Array(any.length);
    group.set(family === 4 ? [239, 1, 2, 3] : [0xff, 0x11]);
    group[group.length - 1] = 9;
    const there = { group, source: any, interface: loopback(family).address };
    expect(joinGroup(fd, there)).toBe(0);
    expect(joinGroup(fd, there)).toBe(-Errno.EADDRINUSE);
    expect(leaveGroup(fd, there)).toBe(0);
    expect(leaveGroup(fd, there)).toBe(-Errno.EADDRNOTAVAIL);
    const fromOne = { ...there, source: loopback(family).address };
    expect(joinGroup(fd, fromOne)).toBe(0);
    expect(leaveGroup(fd, fromOne)).toBe(0);
  });
});
