// Guests and peers that die, stall or dawdle: what they held is free within a second, what others do goes on, and
// memory stays bounded.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { GuestPipe } from "@ringway/control";
import { Guest } from "@ringway/guest";
import { Errno } from "@ringway/linux";
import { beforeEach, describe, expect, test } from "vitest";
import { KiB, MiB, pattern, sha256 } from "../support/bytes.ts";
import { Declined } from "../support/declined.ts";
import { heldForEach } from "../support/held.ts";
import { guestsAre, LOOPBACK, startMonitor, streamsAre, type TestMonitor } from "../support/monitor.ts";
import { descriptors, guestProgram, MonitorProgram, regionMappings } from "../support/processes.ts";
import { RawGuest } from "../support/raw-guest.ts";
import { echoServer, howItEnds, readAll, tcpServer } from "../support/tcp.ts";
import { temporaryFolder } from "../support/temporary.ts";
import { until } from "../support/wait.ts";

let host: TestMonitor;

const hold = heldForEach();

/** For tests that have no monitor of another kind. */
async function startHost(): Promise<void> {
  host = hold(await startMonitor());
}

/** 16 MiB through a server and back, compared; slow enough that something can happen meanwhile. */
async function transfer(guest: RawGuest, port: number): Promise<void> {
  const { pipe } = await guest.connect("127.0.0.1", port, { ringBytes: 64 * KiB });
  const sent = pattern(16 * MiB, 31);
  const received = guest.readAll(pipe, 20_000);
  await guest.write(pipe, sent, 20_000);
  guest.end(pipe);
  expect(sha256((await received).bytes)).toBe(sha256(sent));
  guest.finish(pipe);
}

describe("a guest process", () => {
  beforeEach(startHost);

  test("killed in mid-transfer: its peer, its memory and its descriptors are free within a second", async () => {
    await using server = await tcpServer((socket) => void socket.resume());
    await using echo = await echoServer();
    using other = await RawGuest.attach(host.path);
    const before = { descriptors: descriptors(), mappings: regionMappings() };
    using victim = guestProgram(host.path, "flood", server.port);
    await victim.line("connected");
    const peer = await until("the server's end", () => server.sockets[0]);
    await until("bytes to flow", () => peer.bytesRead > 1 * MiB);
    const beside = transfer(other, echo.port);
    const ends = howItEnds(peer);
    const start = performance.now();
    victim.child.kill("SIGKILL");
    // Where much is unread, libuv tells a reset that follows a short read as the end.
    expect(["ECONNRESET", "end"]).toContain(await ends);
    await guestsAre(host.monitor, 1);
    await until("the region to be unmapped", () => regionMappings() <= before.mappings);
    expect(performance.now() - start).toBeLessThan(5000);
    await beside;
    peer.destroy();
    expect(host.gone).toEqual([{ guest: "guest-2", reason: "the guest hung up" }]);
    await until("the descriptors to be closed", () => descriptors() <= before.descriptors);
  });

  test("that ends normally right after end(data): the peer gets every byte, then the end", async () => {
    await using server = await tcpServer((socket) => void socket.pause());
    using program = guestProgram(host.path, "send", server.port);
    const peer = await until("the server's end", () => server.sockets[0]);
    const received = await readAll(peer);
    expect(sha256(received)).toBe(sha256(Buffer.alloc(8 * MiB, 9)));
    await program.succeeds();
    await guestsAre(host.monitor, 0);
  });
});

describe("a guest process whose monitor goes", () => {
  test.each(["kill", "close"])("gets an error within a second (%s)", async (how) => {
    const path = join(temporaryFolder("guests"), "attach.sock");
    using monitor = await MonitorProgram.start(path, LOOPBACK);
    await using server = await tcpServer();
    using guest = guestProgram(path, "wait", server.port);
    await guest.line("connected");
    const peer = await until("the server's end", () => server.sockets[0]);
    const ends = howItEnds(peer);
    const start = performance.now();
    if (how === "kill") monitor.child.kill("SIGKILL");
    else monitor.child.stdin!.write("close\n");
    if (how === "close") {
      // It drains: nothing ends while the connection is open, until its time limit is over.
      await guest.line("error", 4000);
    } else {
      await guest.line("error");
      expect(performance.now() - start).toBeLessThan(5000);
    }
    expect(guest.lines).toContain("error ECONNRESET");
    await guest.line("detach");
    await guest.succeeds();
    expect(["ECONNRESET", "end"]).toContain(await ends);
    if (how === "close") await monitor.succeeds();
  });
});

describe("memory stays bounded", () => {
  beforeEach(startHost);

  const rss = (): number =>
    Number(/VmRSS:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))![1]) / KiB;

  test("while a peer reads slowly what a guest sends: 64 MiB", async () => {
    await using server = await tcpServer((socket) => void socket.pause());
    using guest = await RawGuest.attach(host.path);
    const { pipe } = await guest.connect("127.0.0.1", server.port, { ringBytes: 64 * KiB });
    const peer = await until("the server's end", () => server.sockets[0]);
    const block = pattern(1 * MiB, 41);
    let sent = 0;
    const before = rss();
    // The peer reads nothing: only the rings and the kernel's buffers fill.
    for (let stalled = false; !stalled && sent < 64; ) {
      stalled = await guest.write(pipe, block, 300).then(
        () => false,
        () => true,
      );
      if (!stalled) sent++;
    }
    expect(sent).toBeLessThan(64);
    expect(rss() - before).toBeLessThan(32);
    const ends = howItEnds(peer);
    guest.reset(pipe);
    // Where much is unread, libuv tells a reset that follows a short read as the end.
    expect(["ECONNRESET", "end"]).toContain(await ends);
  });

  test("while a guest reads nothing of what a peer sends, and all of it arrives when it does", async () => {
    const block = pattern(1 * MiB, 43);
    let queued = 0;
    await using server = await tcpServer((socket) => {
      const more = (): void => {
        while (queued < 64) {
          queued++;
          if (!socket.write(block)) return void socket.once("drain", more);
        }
        socket.end();
      };
      more();
    });
    using guest = await RawGuest.attach(host.path);
    const { pipe } = await guest.connect("127.0.0.1", server.port, { ringBytes: 64 * KiB });
    // Full but for less than what the host waits for (RING-9).
    await until("the ring to be full", () => pipe.toGuest.readable() > 48 * KiB);
    // The other guest's transfer gives the monitor every chance to take more than it should.
    await using echo = await echoServer();
    using other = await RawGuest.attach(host.path);
    await transfer(other, echo.port);
    expect(queued).toBeLessThan(32);
    expect(host.monitor.counters().bytesToGuest).toBeLessThan(64 * KiB + 17 * MiB);
    const before = rss();
    let highest = before;
    const hash = createHash("sha256");
    for (let chunk = await guest.read(pipe); chunk !== undefined; chunk = await guest.read(pipe)) {
      hash.update(chunk);
      highest = Math.max(highest, rss());
    }
    expect(hash.digest("hex")).toBe(sha256(...new Array<Buffer>(64).fill(block)));
    expect(highest - before).toBeLessThan(48);
  });
});

describe("a peer", () => {
  beforeEach(startHost);

  test("that sends one byte at a time is served, and so is one that reads so", async () => {
    const sent = pattern(3000, 51);
    await using server = await tcpServer((socket) => {
      let at = 0;
      const next = (): void => {
        if (at === sent.length) return void socket.end();
        socket.write(sent.subarray(at, at + 1), () => setImmediate(next));
        at++;
      };
      next();
    });
    using guest = await RawGuest.attach(host.path);
    const { pipe } = await guest.connect("127.0.0.1", server.port, { ringBytes: 4 * KiB });
    expect(sha256((await guest.readAll(pipe)).bytes)).toBe(sha256(sent));
    guest.finish(pipe);
  });

  test("that never reads: the guest's reset is carried out all the same", async () => {
    await using server = await tcpServer((socket) => void socket.pause());
    using guest = await RawGuest.attach(host.path);
    const { pipe } = await guest.connect("127.0.0.1", server.port, { ringBytes: 4 * KiB });
    await guest.write(pipe, pattern(16 * MiB), 200).catch(() => {});
    guest.finish(pipe, "reset");
    await streamsAre(host.monitor, 0);
  });

  test("that never reads does not keep a guest that has left: the linger has a limit", async () => {
    await using server = await tcpServer((socket) => void socket.pause());
    using guest = await RawGuest.attach(host.path);
    const { pipe } = await guest.connect("127.0.0.1", server.port, { ringBytes: 64 * KiB });
    // Until nothing moves any more: the kernel is given more for a while.
    await guest.write(pipe, pattern(16 * MiB), 1000).catch(() => {});
    guest.end(pipe);
    const start = performance.now();
    guest.vanish();
    await guestsAre(host.monitor, 0);
    expect(performance.now() - start).toBeGreaterThan(400);
    expect(performance.now() - start).toBeLessThan(5000);
  });
});

describe("a guest that has ended its own direction", () => {
  beforeEach(startHost);

  test("and vanishes while its peer still sends is gone, and has broken nothing", async () => {
    await using server = await tcpServer((socket) => {
      socket.write("and more to come");
      socket.resume();
    });
    for (let round = 1; round <= 5; round++) {
      using guest = await RawGuest.attach(host.path);
      const { pipe } = await guest.connect("127.0.0.1", server.port, { ringBytes: 4 * KiB });
      guest.end(pipe);
      await until("the FIN", () => server.sockets[round - 1]?.readableEnded);
      guest.vanish();
      await until("its end", () => host.gone.length === round);
    }
    // What is said in the wake of the last one's end comes before this.
    using next = await RawGuest.attach(host.path);
    next.finish(await next.echo());
    await streamsAre(host.monitor, 0);
    expect(host.violations).toEqual([]);
  });
});

describe("limits", () => {
  test("a full region is ENOMEM, and has all of its room again afterwards", async () => {
    await using small = await startMonitor(`${LOOPBACK}limits: { regionBytes: 1MiB, streamBytes: 64KiB }\n`);
    using guest = await RawGuest.attach(small.path);
    const fill = async (): Promise<GuestPipe[]> => {
      const pipes: GuestPipe[] = [];
      for (;;) {
        try {
          pipes.push(await guest.echo(64 * KiB));
        } catch (error) {
          expect(error).toMatchObject({ errno: Errno.ENOMEM });
          return pipes;
        }
      }
    };
    const first = await fill();
    expect(first.length).toBeGreaterThan(1);
    for (let round = 0; round < 20; round++) {
      for (const pipe of first.splice(0)) guest.finish(pipe);
      await streamsAre(small.monitor, 0);
      first.push(...(await fill()));
    }
    const sizes = first.length;
    for (const pipe of first.splice(0)) guest.finish(pipe);
    await streamsAre(small.monitor, 0);
    // Smallest rings fit many more, and leave no hole that the large ones would miss.
    const little: GuestPipe[] = [];
    for (let i = 0; i < sizes * 4; i++) little.push(await guest.echo(1));
    for (const pipe of little) guest.finish(pipe);
    await streamsAre(small.monitor, 0);
    expect((await fill()).length).toBe(sizes);
  });

  test("the limit of streams is EMFILE, also for the SDK, and passes", async () => {
    await using small = await startMonitor(`${LOOPBACK}limits: { streams: 3 }\n`);
    using raw = await RawGuest.attach(small.path);
    const pipes = [await raw.newStream(1), await raw.newStream(1), await raw.newStream(1)];
    const refused = await raw.newStream(1).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(Declined);
    expect(refused).toMatchObject({ errno: Errno.EMFILE });
    raw.finish(pipes[1]!);
    await until("a stream to be free", () =>
      raw.newStream(1).then(
        () => true,
        () => false,
      ),
    );
    await using guest = await Guest.attach(small.path, { roomTimeoutMs: 0 });
    const sockets = [await guest.echo(), await guest.echo(), await guest.echo()];
    await expect(guest.echo()).rejects.toMatchObject({ code: "EMFILE" });
    for (const socket of sockets) socket.destroy();
    await guest.close();
  });
});
