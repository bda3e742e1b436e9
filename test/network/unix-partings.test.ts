// What Unix peers do not read: counted, bounded, and no other's loss.

import { once } from "node:events";
import { type AddressInfo, createServer, connect as netConnect } from "node:net";
import { join } from "node:path";
import { ErrorReply, FrameWriter, type GuestPipe, Protocol, unixMessages } from "@ringway/control";
import { acceptUnix, closeFd, Errno, listenUnix, receiveRecord, scratch, tellRecords } from "@ringway/linux";
import { expect, onTestFinished, test } from "vitest";
import { KiB, MiB } from "../support/bytes.ts";
import { policyOf, startMonitor, streamsAre, type TestMonitor } from "../support/monitor.ts";
import { RawGuest } from "../support/raw-guest.ts";
import { temporaryFolder } from "../support/temporary.ts";
import { standsStill, until } from "../support/wait.ts";

const { UnixConnectRequest, UnixKind, UnixListenRequest, UnixSend } = unixMessages;

interface Footing {
  readonly host: TestMonitor;
  readonly guest: RawGuest;
  readonly listener: number;
  readonly folder: string;
}

async function footing(limits: string): Promise<Footing> {
  const folder = temporaryFolder("unix-partings");
  const policy = `version: 1
connect:
  - { allow: 127.0.0.1 }
sockets:
  - { guest: /run/app, host: ${join(folder, "app")}, access: connect }
  - { guest: /run/own, host: ${join(folder, "own")}, access: listen }
limits: ${limits}
`;
  const listener = listenUnix(join(folder, "app"), { backlog: 4096 });
  const host = await startMonitor(() => policyOf(policy, folder));
  const guest = await RawGuest.attach(host.path);
  onTestFinished(async () => {
    guest[Symbol.dispose]();
    await host[Symbol.asyncDispose]();
    closeFd(listener);
  });
  return { host, guest, listener, folder };
}

async function connect(guest: RawGuest): Promise<GuestPipe> {
  const pipe = await guest.newStream(16 * KiB);
  const request = { kind: UnixKind.SEQPACKET, timeoutMs: 0, path: "/run/app" };
  guest.sendOpen(pipe, Protocol.UNIX_CONNECT, UnixConnectRequest.encode(request));
  await guest.opened(pipe);
  return pipe;
}

function putRecords(guest: RawGuest, pipe: GuestPipe, count: number, bytes: number): void {
  const writer = new FrameWriter(pipe.toHost);
  const data = new Uint8Array(bytes);
  for (let i = 0; i < count; i++) {
    expect(writer.send(UnixSend, 0, { data }, () => guest.signal(pipe))).toBe(true);
  }
}

const taken = (pipe: GuestPipe) =>
  until("the host has taken all", () => pipe.toHost.writable() === pipe.toHost.capacity);

/** Streams that are over, whose peer has not accepted them. */
async function leave(guest: RawGuest, count: number, bytes: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const pipe = await connect(guest);
    putRecords(guest, pipe, 1, bytes);
    await taken(pipe);
    guest.finish(pipe);
  }
}

test("Unix sockets that nobody reads cut no TCP stream of the same user short", async () => {
  const { host, guest } = await footing("{ streams: 3 }");
  await leave(guest, 3, 2000);
  await streamsAre(host.monitor, 0);
  const server = createServer((socket) => socket.pause()).listen(0, "127.0.0.1");
  onTestFinished(() => void server.close());
  await once(server, "listening");
  const connection = once(server, "connection");
  const { pipe } = await guest.connect("127.0.0.1", (server.address() as AddressInfo).port, {
    ringBytes: MiB,
  });
  const [socket] = await connection;
  let got = 0;
  let how = "";
  socket.on("error", ({ code }: NodeJS.ErrnoException) => (how += code));
  socket.on("data", (data: Buffer) => (got += data.length)).pause();
  socket.on("end", () => (how += "end"));
  const closed = new Promise((resolve) => socket.on("close", resolve));
  expect(await guest.write(pipe, new Uint8Array(1_500_000))).toBe(true);
  guest.end(pipe);
  guest.stopReading(pipe);
  await streamsAre(host.monitor, 0);
  socket.resume();
  await closed;
  expect([got, how]).toEqual([1_500_000, "end"]);
  guest.finish(pipe);
});

test("records of no bytes count against limits.socketBytes as what the kernel keeps for them", async () => {
  const { host, guest, listener } = await footing("{ streams: 32, socketBytes: 1MiB }");
  const streams = 16;
  const peers: number[] = [];
  const pipes: GuestPipe[] = [];
  for (let i = 0; i < streams; i++) {
    pipes.push(await connect(guest));
    peers.push(acceptUnix(listener));
  }
  for (const pipe of pipes) putRecords(guest, pipe, 400, 0);
  const waiting = (): number =>
    pipes.reduce((sum, { toHost }) => sum + toHost.capacity - toHost.writable(), 0);
  await standsStill("the records", waiting);
  for (const pipe of pipes) guest.finish(pipe, "reset");
  await streamsAre(host.monitor, 0);
  const room = scratch(KiB);
  let records = 0;
  for (const fd of peers) {
    tellRecords(fd);
    while (receiveRecord(fd, room.address, KiB) === 0) records++;
    closeFd(fd);
  }
  expect(records * 768).toBeGreaterThan(256 * KiB);
  expect(records * 768).toBeLessThanOrEqual(MiB + streams * 17 * KiB);
});

test("a socket that leaves nothing but an empty record unread is counted when its stream is over", async () => {
  const { host, guest } = await footing("{ streams: 2 }");
  await leave(guest, 2, 0);
  await streamsAre(host.monitor, 0);
  await expect(connect(guest)).rejects.toThrow();
});

test("with as many as streams there are no new Unix sockets, until peers have read", async () => {
  const { host, guest, listener } = await footing("{ streams: 2 }");
  await leave(guest, 2, 100);
  await streamsAre(host.monitor, 0);
  await expect(connect(guest)).rejects.toMatchObject({ errno: Errno.ENOBUFS });
  const peers = [acceptUnix(listener), acceptUnix(listener)];
  const room = scratch(KiB);
  for (const fd of peers) expect(receiveRecord(fd, room.address, KiB)).toBe(100);
  // They are looked at every five seconds.
  const pipe = await until("one may be opened again", () => connect(guest).catch(() => undefined), 15_000);
  guest.finish(pipe);
  for (const fd of peers) closeFd(fd);
}, 40_000);

test("a listener takes nobody while there are as many, and goes on when a peer has read", async () => {
  const { host, guest, folder, listener } = await footing("{ streams: 3 }");
  await leave(guest, 3, 100);
  await streamsAre(host.monitor, 0);
  const listening = await guest.newStream(4 * KiB);
  const request = { kind: UnixKind.STREAM, mode: 0o600, backlog: 0, path: "/run/own" };
  guest.sendOpen(listening, Protocol.UNIX_LISTEN, UnixListenRequest.encode(request));
  await guest.opened(listening);
  await guest.post(listening, await guest.newStream(4 * KiB), 1);
  const client = netConnect(join(folder, "own")).on("error", () => {});
  onTestFinished(() => void client.destroy());
  await once(client, "connect");
  const { payload } = await guest.frame(listening);
  expect(ErrorReply.decode(payload).errno).toBe(Errno.ENOBUFS);
  expect(host.monitor.counters().accepted).toBe(0);
  const room = scratch(KiB);
  const fd = acceptUnix(listener);
  expect(receiveRecord(fd, room.address, KiB)).toBe(100);
  // It is looked at every five seconds.
  await until("the connection", () => host.monitor.counters().accepted === 1, 15_000);
  closeFd(fd);
}, 40_000);
