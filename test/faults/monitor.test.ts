// A monitor in a process of its own: stopped for a while, watched for leaks, and ended.

import { join } from "node:path";
import type { GuestPipe } from "@ringway/control";
import { ConnectRequest, Protocol } from "@ringway/control";
import { accept, closeFd, Errno, scratch, send, setLingerZero } from "@ringway/linux";
import type { CounterValues, ReactorMemory } from "@ringway/monitor";
import { beforeEach, describe, expect, test } from "vitest";
import { KiB, MiB, pattern, sha256 } from "../support/bytes.ts";
import { Declined } from "../support/declined.ts";
import { LOOPBACK } from "../support/monitor.ts";
import { MonitorProgram } from "../support/processes.ts";
import { RawGuest } from "../support/raw-guest.ts";
import { Home } from "../support/ringway.ts";
import {
  clientPorts,
  echoServer,
  howItEnds,
  readAll,
  silentServer,
  tcpClient,
  tcpServer,
} from "../support/tcp.ts";
import { temporaryFolder } from "../support/temporary.ts";
import { until } from "../support/wait.ts";

let folder: string;
let path: string;
const words = scratch(16);

beforeEach(() => {
  folder = temporaryFolder("faults");
  path = join(folder, "attach.sock");
});

test.each(["end", "reset"])(
  "a peer that has sent and closed before the monitor looks is heard to the %s",
  async (ends) => {
    using monitor = await MonitorProgram.start(path, LOOPBACK, { options: { busyPollUs: 0 } });
    using guest = await RawGuest.attach(path);
    using server = silentServer();
    const pipe = await guest.newStream(4 * KiB);
    const body = ConnectRequest.encode({ host: "127.0.0.1", port: server.port, timeoutMs: 0 });
    guest.sendOpen(pipe, Protocol.TCP_CONNECT, body);
    // The monitor's connect waits for room in the backlog; the monitor itself is stopped meanwhile.
    await until("the connect", () => clientPorts(server.port).some((port) => !server.fillers.has(port)));
    words.bytes.set(Buffer.from("all there is"));
    monitor.child.kill("SIGSTOP");
    // Those that filled the backlog come too; the monitor's comes when its kernel sends again, some seconds later. The
    // fillers that still wait send again at the same moments, and would take the room each time.
    server.giveWay();
    const fd = await until(
      "the monitor's connection",
      () => {
        const accepted = accept(server.fd);
        if (typeof accepted === "number") return undefined;
        if (!server.fillers.has(accepted.peer.port)) return accepted.fd;
        closeFd(accepted.fd);
        return undefined;
      },
      8000,
    );
    send(fd, words.address, 12);
    if (ends === "reset") setLingerZero(fd);
    closeFd(fd);
    monitor.child.kill("SIGCONT");
    await guest.opened(pipe);
    const { bytes, how } = await guest.readAll(pipe);
    expect([bytes.toString(), how]).toEqual(["all there is", ends]);
  },
);

test("2,000 streams opened and closed ten times leave no descriptor, no page and no heap", async () => {
  const policy = `${LOOPBACK}limits: { regionBytes: 64MiB, streams: 2000 }\n`;
  using monitor = await MonitorProgram.start(path, policy);
  await using server = await echoServer();
  using guest = await RawGuest.attach(path);
  const streamsOf = async (): Promise<number> => (await monitor.ask<CounterValues>("counters")).streams;
  const heap = async (): Promise<number> => {
    const { reactor } = await monitor.ask<{ reactor: ReactorMemory }>("memory");
    return reactor.heapUsed / MiB;
  };
  /** How many pairs of 1 MiB rings the region holds, beside nothing else. */
  const room = async (): Promise<number> => {
    const pipes: GuestPipe[] = [];
    for (;;) {
      const pipe = await guest.newStream(1 * MiB).catch(() => undefined);
      if (pipe === undefined) break;
      pipes.push(pipe);
    }
    for (const pipe of pipes) guest.finish(pipe);
    await until("no stream", async () => (await streamsOf()) === 0);
    return pipes.length;
  };
  const before = { descriptors: monitor.descriptors, room: await room(), heap: 0 };
  for (let round = 0; round < 10; round++) {
    const pipes: GuestPipe[] = [];
    // Every tenth has a connection, whose sockets come and go with it.
    for (let i = 0; i < 2000; i += 100) {
      pipes.push(
        ...(await Promise.all(
          Array.from({ length: 100 }, async (_, j) => {
            if (j % 10 > 0) return await guest.echo(1);
            return (await guest.connect("127.0.0.1", server.port, { ringBytes: 1 })).pipe;
          }),
        )),
      );
    }
    expect(await streamsOf()).toBe(2000);
    await expect(guest.newStream(1)).rejects.toMatchObject({ errno: Errno.EMFILE });
    for (const pipe of pipes) guest.finish(pipe);
    await until("no stream", async () => (await streamsOf()) === 0);
    server.sockets.length = 0;
    // What the first rounds have compiled and cached stays.
    if (round === 3) before.heap = await heap();
  }
  await until("the descriptors to be closed", () => monitor.descriptors <= before.descriptors);
  expect(await room()).toBe(before.room);
  expect((await heap()) - before.heap).toBeLessThan(0.5);
});

describe("ringway monitor", () => {
  test("ended by SIGTERM takes nothing new, lets a transfer finish, and exits with 0", async () => {
    await using home = new Home(LOOPBACK);
    const monitor = await home.ready();
    using guest = await RawGuest.attach(home.path);
    await using server = await tcpServer();
    const { pipe } = await guest.connect("127.0.0.1", server.port, { ringBytes: 64 * KiB });
    const { port } = await guest.listen();
    const peer = await until("the server's end", () => server.sockets[0]);
    const first = pattern(1 * MiB, 71);
    const received = readAll(peer, 20_000);
    await guest.write(pipe, first);
    monitor.child.kill("SIGTERM");
    await until("the refusal of new streams", () =>
      guest.newStream(1).then(
        (fresh) => void guest.finish(fresh),
        (error: unknown) => error instanceof Declined && error.errno === Errno.ESHUTDOWN,
      ),
    );
    await expect(tcpClient(port)).rejects.toThrow();
    await expect(RawGuest.attach(home.path)).rejects.toMatchObject({ code: "ENOENT" });
    // The transfer goes on: another megabyte, and the end both ways.
    const second = pattern(1 * MiB, 72);
    await guest.write(pipe, second);
    guest.end(pipe);
    expect(sha256(await received)).toBe(sha256(first, second));
    peer.end("thanks");
    expect((await guest.readAll(pipe)).bytes.toString()).toBe("thanks");
    const start = performance.now();
    await monitor.succeeds();
    expect(performance.now() - start).toBeLessThan(2000);
    expect(guest.hungUp()).toBe(true);
  });

  test("ended by SIGTERM cuts off what takes longer than its limit, and exits with 0", async () => {
    await using home = new Home(LOOPBACK);
    const monitor = await home.ready(["--drain-ms", "300"]);
    using guest = await RawGuest.attach(home.path);
    await using server = await tcpServer();
    await guest.connect("127.0.0.1", server.port);
    const peer = await until("the server's end", () => server.sockets[0]);
    const ends = howItEnds(peer);
    const start = performance.now();
    monitor.child.kill("SIGTERM");
    expect(await ends).toBe("ECONNRESET");
    expect(performance.now() - start).toBeGreaterThan(280);
    await monitor.succeeds();
    expect(performance.now() - start).toBeLessThan(2000);
    expect(monitor.errors).toContain("cut off");
  });

  test("reads its policy again at SIGHUP, and keeps the old one where the new one is bad", async () => {
    await using home = new Home(LOOPBACK);
    const monitor = await home.ready();
    using guest = await RawGuest.attach(home.path);
    await using server = await echoServer();
    guest.finish((await guest.connect("127.0.0.1", server.port)).pipe);
    const allowed = (): Promise<boolean> =>
      guest.connect("127.0.0.1", server.port).then(
        ({ pipe }) => {
          guest.finish(pipe);
          return true;
        },
        () => false,
      );
    home.policy = "version: 1\n";
    monitor.child.kill("SIGHUP");
    await until("the new policy", async () => !(await allowed()));
    home.policy = "version: 1\nconnect: 5\n";
    monitor.child.kill("SIGHUP");
    await until("the complaint", () => monitor.errors.includes("connect"));
    expect(await allowed()).toBe(false);
    home.policy = LOOPBACK;
    monitor.child.kill("SIGHUP");
    await until("the old policy", allowed);
  });
});
