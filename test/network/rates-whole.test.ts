// Rates and the budget of bytes for what is whole: datagrams, and records of Unix sockets (LIM-2, LIM-3). Those that a
// guest sends wait in its ring and all arrive; those that come to it wait in the kernel, and what that drops is told.

import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import {
  Closed,
  FrameReader,
  FrameWriter,
  formatEndpoint,
  type GuestPipe,
  Protocol,
  udpMessages,
  unixMessages,
} from "@ringway/control";
import { acceptUnix, closeFd, Errno, listenUnix, receiveRecord, scratch, send } from "@ringway/linux";
import { describe, expect, onTestFinished, test } from "vitest";
import { KiB, pattern } from "../support/bytes.ts";
import { nameServer } from "../support/dns.ts";
import { heldForEach } from "../support/held.ts";
import { policyOf, startMonitor } from "../support/monitor.ts";
import { sharedMonitor } from "../support/shared-monitor.ts";
import { temporaryFolder } from "../support/temporary.ts";
import { address, type OpenedUdp, UdpGuest, udpServer } from "../support/udp.ts";
import { until } from "../support/wait.ts";

const { UdpError, UdpLookup, UdpLost, UdpPeer, UdpReceived } = udpMessages;
const { UnixConnectRequest, UnixKind, UnixReceived, UnixSend } = unixMessages;

const RULES = `version: 1
connect: [{ allow: 127.0.0.0/8, protocols: udp }]
listen: [{ allow: 127.0.0.1, ports: 0, protocols: udp }]
`;

const hold = heldForEach();
const host = sharedMonitor(RULES);

/** A guest with rates and budgets of its own. */
async function guestOf(rest: string): Promise<UdpGuest> {
  return hold(await UdpGuest.attach(host.own(RULES + rest).fd));
}

const seconds = (sinceMs: number): number => (performance.now() - sinceMs) / 1000;

/** The stream's last words: EDQUOT, and then the end. */
async function endsUsedUp(udp: OpenedUdp, peer: string): Promise<void> {
  const error = await udp.error();
  expect([error.errno, formatEndpoint(error.peer)]).toEqual([Errno.EDQUOT, peer]);
  await until("the end", () => udp.pipe.toGuest.peerClosed() === Closed.END);
  expect(udp.peek()).toBeUndefined();
}

describe("datagrams to the host", () => {
  test("wait for their bytes, and all of them arrive in order", async () => {
    const guest = await guestOf("rates: { bytesToHost: 256KiB, bytesToHostBurst: 32KiB }\n");
    await using server = await udpServer();
    const udp = await guest.udpConnect("127.0.0.1", server.port);
    const startMs = performance.now();
    for (let i = 0; i < 300; i++) await udp.send(Buffer.alloc(1000, `${i}.`));
    await until("all of them", () => server.received.length === 300);
    expect(seconds(startMs)).toBeGreaterThan((300_000 - 33 * KiB) / (256 * KiB));
    expect(server.received.map(({ data }) => Number.parseInt(data.toString(), 10))).toEqual(
      Array.from({ length: 300 }, (_, i) => i),
    );
    expect(host.counters().rateBytesToHost).toBeGreaterThan(5);
  });

  test("wait for their number, one by one, those of a train as well", async () => {
    const guest = await guestOf("rates: { datagrams: 100 }\n");
    await using server = await udpServer();
    const udp = await guest.udpConnect("127.0.0.1", server.port);
    const startMs = performance.now();
    for (let i = 0; i < 5; i++) await udp.send(Buffer.alloc(400, `${i}`), 10);
    await until("all of them", () => server.received.length === 200);
    expect(seconds(startMs)).toBeGreaterThan(0.95);
    expect(server.received.map(({ data }) => data.toString())).toEqual(
      Array.from({ length: 200 }, (_, i) => `${Math.floor(i / 40)}`.repeat(10)),
    );
    await until("their count", () => host.counters().datagramsToHost === 200);
    expect(host.counters().rateBytesToHost).toBe(0);
    expect(host.counters().rateDatagrams).toBeGreaterThan(5);
  });

  test("one that is larger than a burst goes whole, and what follows waits; nobody spins meanwhile", async () => {
    const guest = await guestOf("rates: { bytesToHost: 64KiB, bytesToHostBurst: 4KiB }\n");
    await using server = await udpServer();
    const udp = await guest.udpBind("127.0.0.1");
    const to = address("127.0.0.1", server.port);
    const startMs = performance.now();
    const { sleeps } = host.counters();
    await udp.sendTo(to, Buffer.alloc(65_507));
    await udp.sendTo(to, "after it");
    await until("the large one", () => server.received.length === 1);
    expect(seconds(startMs)).toBeLessThan(0.9);
    await until("the small one", () => server.received.length === 2);
    expect(seconds(startMs)).toBeGreaterThan((65_507 - 4 * KiB) / (64 * KiB));
    expect(host.counters().sleeps - sleeps).toBeLessThan(100);
  });

  test.each([
    ["raised", "rates: { bytesToHost: 16MiB }\n"],
    ["lifted", ""],
  ])("go on at once where a reload has %s their rate", async (_, rates) => {
    const { monitor, path } = hold(await startMonitor(`${RULES}rates: { bytesToHost: 4KiB }\n`));
    const guest = hold(await UdpGuest.attach(path));
    await using server = await udpServer();
    const udp = await guest.udpConnect("127.0.0.1", server.port);
    await udp.send(Buffer.alloc(60_000));
    await udp.send("after it");
    await until("the first", () => server.received.length === 1);
    await until("the other waits", () => monitor.counters().rateBytesToHost > 0);
    const startMs = performance.now();
    await monitor.reload(policyOf(RULES + rates));
    await until("the one that waited", () => server.received.length === 2);
    // At the old rate, 14 seconds.
    expect(seconds(startMs)).toBeLessThan(7);
  });

  test("that wait are no idle time", async () => {
    const rest = "rates: { bytesToHost: 4KiB }\ntimeouts: { udpIdleMs: 300 }\n";
    const guest = await guestOf(rest);
    await using server = await udpServer();
    const udp = await guest.udpConnect("127.0.0.1", server.port);
    await udp.send(Buffer.alloc(9000));
    await udp.send("later");
    await until("the first", () => server.received.length === 1);
    const startMs = performance.now();
    await until("the one that waits", () => server.received.length === 2);
    expect(seconds(startMs)).toBeGreaterThan(0.6);
    expect((await udp.error()).errno).toBe(Errno.ETIMEDOUT);
  });

  test("new connected sockets wait as connections do", async () => {
    // Two at once, then one each half second: also a busy machine opens them faster.
    const guest = await guestOf("rates: { connections: 2 }\n");
    await using server = await udpServer();
    const startMs = performance.now();
    for (let i = 0; i < 6; i++) guest.finish((await guest.udpConnect("127.0.0.1", server.port)).pipe);
    expect(seconds(startMs)).toBeGreaterThan(1.5);
    expect(host.counters().rateConnections).toBeGreaterThan(0);
  });
});

test("names that are looked up for a socket wait for their rate, and what is behind them in the ring", async () => {
  const dns = hold(await nameServer({ "a.test": ["127.0.0.1"] }));
  const rules = `version: 1\nconnect: [{ allow: "*.test", resolvesTo: loopback, protocols: udp }]\n`;
  const { monitor, path } = hold(await startMonitor(`${rules}rates: { lookups: 4 }\n`, { names: dns.names }));
  const guest = hold(await UdpGuest.attach(path));
  await using server = await udpServer();
  const udp = await guest.udpBind("0.0.0.0");
  const startMs = performance.now();
  for (let i = 0; i < 6; i++) await udp.put(UdpLookup, { host: "a.test", port: server.port }, 10 + i);
  await udp.sendTo(address("127.0.0.1", server.port), "after them");
  for (let i = 0; i < 6; i++) expect((await udp.frame()).type).toBe(UdpPeer.type);
  await until("the datagram", () => server.received.length === 1);
  expect(seconds(startMs)).toBeGreaterThan(0.45);
  expect(monitor.counters().rateLookups).toBeGreaterThan(1);
});

/** How many datagrams came and were told as lost, until that is all of them. */
async function tally(udp: OpenedUdp, all: number): Promise<{ came: number; bytes: number; lost: number }> {
  const found = { came: 0, bytes: 0, lost: 0 };
  while (found.came + found.lost < all) {
    const { type, payload } = await udp.frame(10_000);
    if (type === UdpLost.type) found.lost = UdpLost.decode(payload).datagrams;
    else {
      const { segment, data } = UdpReceived.decode(payload);
      found.came += segment === 0 ? 1 : Math.ceil(data.length / segment);
      found.bytes += data.length;
    }
  }
  return found;
}

describe("datagrams to the guest", () => {
  test.each([
    ["bytes", "bytesToGuest: 64KiB, bytesToGuestBurst: 16KiB", "rateBytesToGuest", 16 * KiB, 64 * KiB],
    ["their number", "datagrams: 50", "rateDatagrams", 50 * 1400, 50 * 1400],
  ] as const)(
    "wait in the kernel for %s, and what that drops is told",
    async (_, rate, counter, burst, each) => {
      const guest = await guestOf(`rates: { ${rate} }\n`);
      await using server = await udpServer();
      const udp = await guest.udpConnect("127.0.0.1", server.port);
      const data = Buffer.alloc(1400);
      const startMs = performance.now();
      for (let i = 0; i < 400; i++) server.socket.send(data, udp.local.port, "127.0.0.1");
      const { came, bytes, lost } = await tally(udp, 400);
      expect([came + lost, bytes]).toEqual([400, came * 1400]);
      expect(lost).toBeGreaterThan(0);
      // What is whole may be a train, and owed.
      expect(bytes).toBeLessThan(burst + 64 * KiB + each * seconds(startMs));
      expect(host.counters().datagramsLost).toBe(lost);
      expect(host.counters()[counter]).toBeGreaterThan(0);
    },
  );
});

describe("a budget of bytes that is used up", () => {
  test("ends a connected socket after the last datagram that began within it", async () => {
    const guest = await guestOf("limits: { networkBytes: 100000 }\n");
    await using server = await udpServer();
    const udp = await guest.udpConnect("127.0.0.1", server.port);
    for (let i = 0; i < 2; i++) {
      await udp.send(Buffer.alloc(60_000));
      await until("it", () => server.received.length === i + 1);
    }
    await udp.send("more");
    await endsUsedUp(udp, `127.0.0.1:${server.port}`);
    await expect(guest.udpConnect("127.0.0.1", server.port)).rejects.toMatchObject({ errno: Errno.EDQUOT });
    await expect(guest.udpBind("127.0.0.1")).rejects.toMatchObject({ errno: Errno.EDQUOT });
    await delay(20);
    expect(server.received.length).toBe(2);
    expect(host.counters()).toMatchObject({ quotaNetworkBytes: 3, datagramsToHost: 2 });
  });

  test("ends a bound socket that is sent to, and closes it", async () => {
    const guest = await guestOf("limits: { networkBytes: 5000 }\n");
    await using peer = await udpServer();
    const udp = await guest.udpBind("127.0.0.1");
    const there = await guest.udpConnect("127.0.0.1", udp.local.port);
    for (let i = 0; i < 3; i++) {
      peer.socket.send(Buffer.alloc(3000), udp.local.port, "127.0.0.1");
      if (i < 2) expect((await udp.receiveFrom()).data.length).toBe(3000);
    }
    await endsUsedUp(udp, "0.0.0.0:0");
    // Nothing more is carried for the other, though it has done nothing yet.
    await there.send("x");
    await endsUsedUp(there, `127.0.0.1:${udp.local.port}`);
  });

  test("ends a socket whose guest reads later: the error waits for room, and stays the last", async () => {
    const guest = await guestOf("limits: { networkBytes: 150000 }\n");
    await using peer = await udpServer();
    const udp = await guest.udpConnect("127.0.0.1", peer.port, 4 * KiB);
    for (let i = 0; i < 200; i++) peer.socket.send(Buffer.alloc(1000), udp.local.port, "127.0.0.1");
    await until("the budget's end", async () => {
      if (udp.pipe.toHost.writable() > 3100) await udp.send(Buffer.alloc(3000));
      return host.counters().quotaNetworkBytes > 0;
    });
    expect(udp.pipe.toGuest.peerClosed()).toBe(Closed.OPEN);
    for (;;) {
      const { type, payload } = await udp.frame();
      if (type !== UdpError.type) continue;
      expect(UdpError.decode(payload).errno).toBe(Errno.EDQUOT);
      break;
    }
    await until("the end", () => udp.pipe.toGuest.peerClosed() === Closed.END);
    expect(udp.peek()).toBeUndefined();
  });
});

describe("records of a Unix socket", () => {
  const room = scratch(128 * KiB);

  async function connected(rest: string) {
    const folder = temporaryFolder("unix-rates");
    const rules = `version: 1\nsockets: [{ guest: /run/peer, host: ${join(folder, "peer")}, access: connect }]\n`;
    const guest = hold(await UdpGuest.attach(host.own(rules + rest).fd));
    const listener = listenUnix(join(folder, "peer"));
    const open = async (): Promise<GuestPipe> => {
      const pipe = await guest.newStream(256 * KiB);
      const request = { kind: UnixKind.SEQPACKET, timeoutMs: 0, path: "/run/peer" };
      guest.sendOpen(pipe, Protocol.UNIX_CONNECT, UnixConnectRequest.encode(request));
      await guest.opened(pipe);
      return pipe;
    };
    const pipe = await open();
    const fd = acceptUnix(listener);
    closeFd(listener);
    onTestFinished(() => void closeFd(fd));
    return { guest, open, pipe, fd };
  }

  async function put(guest: UdpGuest, pipe: GuestPipe, bytes: number): Promise<void> {
    const writer = new FrameWriter(pipe.toHost);
    await until("room", () => writer.send(UnixSend, 0, { data: pattern(bytes) }, () => guest.signal(pipe)));
  }

  /** Bytes of the peer's next record. */
  async function received(fd: number): Promise<number> {
    const { got } = await until("a record at the peer", () => {
      const got = receiveRecord(fd, room.address, room.bytes.length);
      return got === -Errno.EAGAIN ? undefined : { got };
    });
    return got;
  }

  /** Bytes of the guest's next record, or how the stream was closed. */
  async function taken(guest: UdpGuest, pipe: GuestPipe): Promise<number | "closed"> {
    const reader = new FrameReader(pipe.toGuest);
    return await until("a record", () => {
      const closed = pipe.toGuest.peerClosed();
      const frame = reader.next(() => guest.signal(pipe));
      if (frame !== undefined) return UnixReceived.decode(frame.payload).data.length;
      if (closed !== Closed.OPEN) return "closed";
      pipe.toGuest.wantData();
      return undefined;
    });
  }

  test("wait for their bytes to the host, each whole", async () => {
    const { guest, pipe, fd } = await connected("rates: { bytesToHost: 64KiB, bytesToHostBurst: 8KiB }\n");
    const startMs = performance.now();
    for (let i = 0; i < 3; i++) await put(guest, pipe, 30_000 + i);
    for (let i = 0; i < 3; i++) expect(await received(fd)).toBe(30_000 + i);
    expect(seconds(startMs)).toBeGreaterThan((60_000 - 8 * KiB) / (64 * KiB));
    expect(host.counters().rateBytesToHost).toBeGreaterThan(0);
  });

  test("wait for their bytes to the guest, each whole, and none is lost", async () => {
    const { guest, pipe, fd } = await connected("rates: { bytesToGuest: 64KiB, bytesToGuestBurst: 8KiB }\n");
    const startMs = performance.now();
    for (let i = 0; i < 3; i++) expect(send(fd, room.address, 30_000 + i)).toBe(30_000 + i);
    for (let i = 0; i < 3; i++) expect(await taken(guest, pipe)).toBe(30_000 + i);
    expect(seconds(startMs)).toBeGreaterThan((60_000 - 8 * KiB) / (64 * KiB));
    expect(host.counters().rateBytesToGuest).toBeGreaterThan(0);
  });

  test.each(["guest", "peer"] as const)("of the %s end in a reset after a budget's last", async (from) => {
    const { guest, open, pipe, fd } = await connected("limits: { networkBytes: 50000 }\n");
    for (let i = 0; i < 3; i++) {
      if (from === "guest") await put(guest, pipe, 30_000);
      else send(fd, room.address, 30_000);
    }
    for (let i = 0; i < 2; i++)
      expect(await (from === "guest" ? received(fd) : taken(guest, pipe))).toBe(30_000);
    await until("the reset", () => pipe.toGuest.peerClosed() === Closed.RESET);
    await expect(open()).rejects.toMatchObject({ errno: Errno.EDQUOT });
    expect(host.counters().quotaNetworkBytes).toBe(2);
  });
});
