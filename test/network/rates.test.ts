// Rates and the budget of bytes, end to end (LIM-2, LIM-3): a guest at its rate waits, is refused nothing, costs next
// to nothing, and a guest beside it notices nothing. What counts for whom, packages/monitor/test/rates.test.ts has.

import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { Guest, type GuestSocket } from "@ringway/guest";
import { describe, expect, test } from "vitest";
import { KiB } from "../support/bytes.ts";
import { heldForEach } from "../support/held.ts";
import { Incoming } from "../support/incoming.ts";
import { streamsAre } from "../support/monitor.ts";
import { sharedMonitor } from "../support/shared-monitor.ts";
import { echoServer, tcpClient, tcpServer } from "../support/tcp.ts";
import { until } from "../support/wait.ts";

const RULES = `version: 1
connect: [{ allow: 127.0.0.0/8 }]
listen: [{ allow: 127.0.0.1, ports: 0 }]
`;

const hold = heldForEach();
const host = sharedMonitor(RULES);

/** A guest with a key, and so with rates, of its own: those of `rest`. */
async function guestOf(rest: string): Promise<Guest> {
  return hold(await Guest.attach(host.own(RULES + rest)));
}

/** Writes for as long as the socket takes it. */
function fill(socket: GuestSocket): void {
  const piece = Buffer.alloc(64 * KiB, "x");
  const more = (): void => {
    while (!socket.destroyed && socket.write(piece)) {}
  };
  socket.on("drain", more);
  socket.on("error", () => {});
  more();
}

/** Bytes that come to a server, counted. */
async function sink() {
  const counted = { bytes: 0 };
  const server = hold(
    await tcpServer((socket) => void socket.on("data", ({ length }: Buffer) => (counted.bytes += length))),
  );
  return { port: server.port, counted };
}

describe("bytes a second", () => {
  test("to the host: no more go than the rate and its burst", async () => {
    const guest = await guestOf("rates: { bytesToHost: 512KiB, bytesToHostBurst: 256KiB }\n");
    const { port, counted } = await sink();
    const startMs = performance.now();
    for (let i = 0; i < 4; i++) fill(await guest.connect(port));
    await until("two seconds' worth", () => counted.bytes > 1280 * KiB, 20_000);
    const seconds = (performance.now() - startMs) / 1000;
    expect(counted.bytes).toBeLessThan((256 + 512 * seconds + 16) * KiB);
    expect(seconds).toBeLessThan(8);
    expect(host.counters().rateBytesToHost).toBeGreaterThan(10);
  });

  test("to the guest: what comes waits with its peer, and all of it arrives", async () => {
    const guest = await guestOf("rates: { bytesToGuest: 1MiB, bytesToGuestBurst: 64KiB }\n");
    const all = 2 * 1024 * KiB;
    await using server = await tcpServer((socket) => void socket.end(Buffer.alloc(all, "y")));
    const startMs = performance.now();
    const socket = await guest.connect(server.port);
    let bytes = 0;
    for await (const piece of socket) bytes += (piece as Buffer).length;
    const seconds = (performance.now() - startMs) / 1000;
    expect(bytes).toBe(all);
    expect(all).toBeLessThan((64 + 1024 * seconds + 16) * KiB);
    expect(host.counters().rateBytesToGuest).toBeGreaterThan(10);
  });

  test("what waits can be reset at any time", async () => {
    const guest = await guestOf("rates: { bytesToHost: 2KiB }\n");
    const { port } = await sink();
    const sockets = await Promise.all([0, 1, 2].map(() => guest.connect(port)));
    for (const socket of sockets) fill(socket);
    await until("they wait", () => host.counters().rateBytesToHost > 3);
    for (const socket of sockets) socket.destroy();
    await streamsAre(host.monitor, 0, 3000);
  });
});

describe("new connections a second", () => {
  test("those that a guest makes are answered later, and none is refused", async () => {
    const guest = await guestOf("rates: { connections: 10 }\ntimeouts: { connectMs: 500 }\n");
    await using server = await echoServer();
    const startMs = performance.now();
    const sockets = await Promise.all(Array.from({ length: 25 }, () => guest.connect(server.port)));
    expect(performance.now() - startMs).toBeGreaterThan(1400);
    for (const socket of sockets) socket.end("hello");
    for (const socket of sockets) expect((await socket.toArray()).join("")).toBe("hello");
    expect(host.counters()).toMatchObject({ connections: 25, refusals: 0 });
    expect(host.counters().rateConnections).toBeGreaterThan(0);
  });

  test("those that wait can be given up before their turn, and what no rule allows is refused before", async () => {
    const guest = await guestOf("rates: { connections: 1 }\n");
    await using server = await echoServer();
    await guest.connect(server.port);
    const startMs = performance.now();
    const signal = AbortSignal.timeout(100);
    // Half a minute's worth.
    const waits = Array.from({ length: 30 }, () =>
      expect(guest.connect(server.port, "127.0.0.1", { signal })).rejects.toThrow("aborted"),
    );
    await expect(guest.connect(80, "10.0.0.1")).rejects.toMatchObject({ code: "EACCES", rule: "default" });
    await Promise.all(waits);
    await streamsAre(host.monitor, 1, 10_000);
    expect(performance.now() - startMs).toBeLessThan(20_000);
    expect(host.counters().connections).toBeLessThan(15);
  });

  test("those that come wait in the backlog", async () => {
    const guest = await guestOf("rates: { connections: 10 }\n");
    const server = await guest.listen({ host: "127.0.0.1", port: 0 }, (socket) => void socket.end("hello"));
    const { port } = server.address() as { port: number };
    const startMs = performance.now();
    const clients = await Promise.all(Array.from({ length: 20 }, () => tcpClient(port)));
    for (const client of clients) expect((await client.toArray()).join("")).toBe("hello");
    expect(performance.now() - startMs).toBeGreaterThan(900);
    expect(host.counters()).toMatchObject({ accepted: 20, acceptFailures: 0 });
    for (const client of clients) client.destroy();
  });
});

describe("bytes over the network", () => {
  test("that are used up end in a reset after the last of them, and then in EDQUOT", async () => {
    const budget = "limits: { networkBytes: 100000 }\n";
    const guest = await guestOf(budget);
    const { port, counted } = await sink();
    const [first, second] = [await guest.connect(port), await guest.connect(port)];
    const failures: string[] = [];
    for (const socket of [first, second])
      socket.on("error", (error) => void failures.push((error as { code?: string }).code ?? ""));
    first.write(Buffer.alloc(200_000));
    await until("the reset", () => first.closed);
    await until("what was within it", () => counted.bytes === 100_000);
    second.write("more");
    await until("the other's end", () => second.closed);
    for (const code of failures) expect(code).toMatch(/^(ECONNRESET|EPIPE)$/);
    expect(failures.length).toBe(2);
    await expect(guest.connect(port)).rejects.toMatchObject({ code: "EDQUOT" });
    await expect(guest.listen({ host: "127.0.0.1", port: 0 })).rejects.toMatchObject({ code: "EDQUOT" });
    expect(counted.bytes).toBe(100_000);
    expect(host.counters().quotaNetworkBytes).toBeGreaterThan(2);
    // The operator is told, once.
    const told = (): unknown[] =>
      host.lines().filter((line) => JSON.stringify(line).includes("networkBytes, 100000"));
    await until("a line in the log", () => told().length > 0);
    expect(told()).toHaveLength(1);
    // Another key has its own.
    const other = await guestOf(budget);
    (await other.connect(port)).end("hello");
    await until("the other guest's", () => counted.bytes === 100_005);
  });

  test("that come to the guest are handed out to the last before the reset", async () => {
    const guest = await guestOf("limits: { networkBytes: 100000 }\n");
    await using server = await tcpServer((socket) => void socket.end(Buffer.alloc(200_000)));
    const socket = await guest.connect(server.port);
    let bytes = 0;
    socket.on("data", (piece: Buffer) => (bytes += piece.length));
    const [error] = await once(socket, "error");
    expect(error).toMatchObject({ code: "ECONNRESET" });
    expect(bytes).toBe(100_000);
  });
});

test("a guest beside one at its rates notices nothing, and the monitor rests", async () => {
  const rates = "rates: { bytesToHost: 256KiB, bytesToGuest: 256KiB, connections: 20 }\n";
  const good = await guestOf(rates);
  await using echo = await echoServer();
  const socket = await good.connect(echo.port);
  const answers = new Incoming(socket);
  const roundTrip = async (): Promise<number> => {
    const startMs = performance.now();
    socket.write("x".repeat(64));
    await answers.take(64);
    return performance.now() - startMs;
  };
  const median = async (): Promise<number> => {
    const all: number[] = [];
    for (let i = 0; i < 300; i++) all.push(await roundTrip());
    return all.sort((a, b) => a - b)[150]!;
  };
  const alone = await median();
  const bad = await guestOf(rates);
  const { port } = await sink();
  for (let i = 0; i < 20; i++) fill(await bad.connect(port));
  const flood = await tcpServer((from) => void from.write(Buffer.alloc(8 * 1024 * KiB)));
  hold(flood);
  const connects = Array.from({ length: 40 }, () => bad.connect(flood.port).then((to) => void to.resume()));
  await until("it is at its rates", () => host.counters().rateConnections > 0);
  await until("bytes as well", () => host.counters().rateBytesToHost > 10);
  const beside = await median();
  await Promise.all(connects);
  // Nobody spins: with everything at its rate, this process does little, its peers and both guests included.
  await delay(500);
  const [cpu, sleeps] = [process.cpuUsage(), host.counters().sleeps];
  await delay(1000);
  const { user, system } = process.cpuUsage(cpu);
  expect((user + system) / 1e6).toBeLessThan(0.6);
  expect(host.counters().sleeps - sleeps).toBeLessThan(5000);
  // Alone before and behind it: what else the machine does may change meanwhile.
  await bad[Symbol.asyncDispose]();
  expect(beside).toBeLessThan(3 * Math.max(alone, await median()) + 1);
}, 30_000);
