// A monitor in a process of its own: starved of descriptors, stopped for a while, watched for leaks, and ended.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { GuestPipe } from "@ringway/control";
import { ConnectRequest, ErrorReply, Protocol } from "@ringway/control";
import { accept, closeFd, Errno, scratch, send, setLingerZero } from "@ringway/linux";
import type { CounterValues, ReactorMemory } from "@ringway/monitor";
import { beforeEach, describe, expect, test } from "vitest";
import { KiB, MiB, pattern, sha256 } from "../support/bytes.ts";
import { Declined } from "../support/declined.ts";
import { LOOPBACK } from "../support/monitor.ts";
import { MonitorProgram, Program } from "../support/processes.ts";
import { RawGuest } from "../support/raw-guest.ts";
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

async function declined(promise: Promise<unknown>): Promise<Declined> {
  const outcome = await promise.then(
    () => new Error("it was allowed"),
    (error: unknown) => error,
  );
  if (outcome instanceof Declined) return outcome;
  throw outcome;
}

describe("without descriptors", () => {
  /** Node opens the modules of all threads of a monitor at once: with 128, it could not always load them. */
  const LIMIT = 256;

  test("connect, listen and attach say EMFILE, and work again when there are some", async () => {
    using monitor = await MonitorProgram.start(path, LOOPBACK, { descriptors: LIMIT });
    using guest = await RawGuest.attach(path);
    await using server = await echoServer();
    const pipes: GuestPipe[] = [];
    let refusal: Declined | undefined;
    while (refusal === undefined) {
      const outcome = await guest.connect("127.0.0.1", server.port, { ringBytes: 1 }).catch((error) => error);
      if (outcome instanceof Declined) refusal = outcome;
      else if (outcome instanceof Error) throw outcome;
      else pipes.push(outcome.pipe);
    }
    expect(refusal.errno).toBe(Errno.EMFILE);
    expect(pipes.length).toBeGreaterThan(5);
    expect((await declined(guest.listen())).errno).toBe(Errno.EMFILE);
    // What is open goes on.
    await guest.write(pipes[0]!, Buffer.from("still"));
    expect((await guest.readExactly(pipes[0]!, 5)).toString()).toBe("still");
    // Somebody else waits, or is turned away, until there is room.
    const late = RawGuest.attach(path).catch((error: unknown) => error);
    for (const pipe of pipes) guest.finish(pipe);
    await until(
      "sockets to be closed",
      async () => (await monitor.ask<CounterValues>("counters")).streams === 0,
    );
    guest.finish((await guest.connect("127.0.0.1", server.port)).pipe);
    const outcome = await late;
    if (outcome instanceof RawGuest) outcome.vanish();
    else expect(outcome).toMatchObject({ errno: Errno.EMFILE });
    using after = await RawGuest.attach(path);
    after.finish((await after.connect("127.0.0.1", server.port)).pipe);
  });

  test("a listener reports that accept failed (LSN-5), and goes on when it can", async () => {
    using monitor = await MonitorProgram.start(path, LOOPBACK, { descriptors: LIMIT });
    using guest = await RawGuest.attach(path);
    await using server = await tcpServer();
    const { pipe: listener, port } = await guest.listen();
    const posted = await guest.newStream(1);
    await guest.post(listener, posted, 5);
    const pipes: GuestPipe[] = [];
    for (;;) {
      const outcome = await guest.connect("127.0.0.1", server.port, { ringBytes: 1 }).catch((error) => error);
      if (outcome instanceof Declined) break;
      pipes.push((outcome as { pipe: GuestPipe }).pipe);
    }
    const client = await tcpClient(port);
    const frame = await guest.frame(listener);
    expect(frame.requestId).toBe(0);
    const report = ErrorReply.decode(frame.payload);
    expect(report.errno).toBe(Errno.EMFILE);
    expect(report.reason).toContain("accept");
    expect((await monitor.ask<CounterValues>("counters")).acceptFailures).toBeGreaterThan(0);
    for (const pipe of pipes) guest.finish(pipe);
    expect((await guest.incoming(posted)).peer.port).toBe(client.localPort);
    const received = readAll(client);
    await guest.write(posted, Buffer.from("recovered"));
    guest.end(posted);
    expect((await received).toString()).toBe("recovered");
    client.destroy();
  });
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
  const ringway = fileURLToPath(new URL("../../packages/cli/bin/ringway.js", import.meta.url));

  async function startCli(policy: string, ...options: string[]): Promise<Program> {
    const file = join(folder, "policy.yaml");
    writeFileSync(file, policy);
    const program = new Program(process.execPath, [
      ringway,
      "monitor",
      ...["--policy", file, "--listen", path, ...options],
    ]);
    // It takes a second, and several on a busy machine.
    await until("the monitor to be ready", () => program.errors.includes("monitor is ready"), 20_000);
    return program;
  }

  test("ended by SIGTERM takes nothing new, lets a transfer finish, and exits with 0", async () => {
    using monitor = await startCli(LOOPBACK);
    using guest = await RawGuest.attach(path);
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
    await expect(RawGuest.attach(path)).rejects.toMatchObject({ code: "ENOENT" });
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
    using monitor = await startCli(LOOPBACK, "--drain-ms", "300");
    using guest = await RawGuest.attach(path);
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
    using monitor = await startCli(LOOPBACK);
    using guest = await RawGuest.attach(path);
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
    writeFileSync(join(folder, "policy.yaml"), "version: 1\n");
    monitor.child.kill("SIGHUP");
    await until("the new policy", async () => !(await allowed()));
    writeFileSync(join(folder, "policy.yaml"), "version: 1\nconnect: 5\n");
    monitor.child.kill("SIGHUP");
    await until("the complaint", () => monitor.errors.includes("connect"));
    expect(await allowed()).toBe(false);
    writeFileSync(join(folder, "policy.yaml"), LOOPBACK);
    monitor.child.kill("SIGHUP");
    await until("the old policy", allowed);
  });
});
