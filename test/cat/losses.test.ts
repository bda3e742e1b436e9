// What ringway cat may not lose: bytes for who reads slowly, of who is gone, and of one client to another; and what it
// says where it has to lose some.

import type { Socket } from "node:net";
import { outq } from "@ringway/linux";
import { describe, expect, test } from "vitest";
import { readAll, tcpClient, tcpServer } from "../support/tcp.ts";
import { standsStill, until } from "../support/wait.ts";
import { cat, portsOf, said } from "./cats.ts";
import { peakBytes } from "./memory.ts";

const MIB = 1024 * 1024;
const PIECE = 16 * 1024;

function unacknowledged(socket: Socket): number {
  return outq((socket as unknown as { _handle: { fd: number } })._handle.fd);
}

/** What it has heard so far. */
function heard(socket: Socket): () => string {
  let text = "";
  socket.on("data", (chunk: Buffer) => {
    text += chunk;
  });
  return () => text;
}

/** Writes for as long as it is taken; how much of it the other side's kernel has. */
async function fill(socket: Socket): Promise<number> {
  let sent = 0;
  const more = (): void =>
    void socket.write(Buffer.alloc(PIECE), (error) => {
      if (error) return;
      sent += PIECE;
      more();
    });
  more();
  await standsStill("what is sent", () => sent);
  return sent - unacknowledged(socket);
}

describe("nothing is lost", () => {
  test("for one who reads nothing until long after the other has left", async () => {
    const channels = cat(["-f", "channels", "-L", "127.0.0.1:0", "-L", "127.0.0.1:0", "-v"], "");
    const [left, right] = await portsOf(channels, 2);
    const slow = await tcpClient(right!);
    slow.pause();
    const bytes = Buffer.alloc(24 * MIB, "0123456789abcdef");
    const quick = await tcpClient(left!);
    quick.resume();
    quick.end(bytes);
    slow.end();
    await standsStill("what is sent", () => quick.writableLength);
    // Longer than who has been parted from, and has all, may stay.
    await new Promise((resolve) => setTimeout(resolve, 6_000));
    expect((await readAll(slow, 30_000)).equals(bytes)).toBe(true);
  });

  test.each([
    ["and hears nothing any more", false],
    ["and somebody writes to it", true],
  ])("of one whose connection breaks while its partner does not read, %s", async (_, isWrittenTo) => {
    const channels = cat(["-f", "channels", "-L", "127.0.0.1:0", "-L", "127.0.0.1:0"], "");
    const [left, right] = await portsOf(channels, 2);
    const slow = await tcpClient(right!);
    slow.pause();
    const breaks = await tcpClient(left!);
    const sent = await fill(breaks);
    breaks.resetAndDestroy();
    if (isWrittenTo) {
      slow.write("to who is gone");
      await until("it to be there", () => unacknowledged(slow) === 0);
    }
    await standsStill("what is said", () => channels.errors);
    expect((await readAll(slow, 30_000)).length).toBeGreaterThanOrEqual(sent);
    await said(channels, "ECONNRESET");
  });

  test("of one client to the next, where who answers lingers", async () => {
    const channels = cat(["-f", "linger", "-L", "127.0.0.1:0", "-L", "127.0.0.1:0"], "");
    const [left, right] = await portsOf(channels, 2);
    const first = await tcpClient(right!);
    first.end("before anybody is there");
    const service = await tcpClient(left!);
    const asked = heard(service);
    await until("the first question", () => asked() === "before anybody is there");
    const second = await tcpClient(right!);
    const answers = heard(second);
    second.write(", next");
    service.write("to the first");
    expect(String(await readAll(first))).toBe("to the first");
    await until("the second question", () => asked() === "before anybody is there, next");
    service.write("to the second");
    await until("its answer", () => answers() === "to the second");
  });
});

describe("what is lost is told", () => {
  test("--idle leaves who is busy or paced, and resets who takes nothing, with a line", async () => {
    const channels = cat(["-f", "channels", "-L", "127.0.0.1:0", "-L", "127.0.0.1:0", "--idle", "800ms"], "");
    const [left, right] = await portsOf(channels, 2);
    const slow = await tcpClient(right!);
    slow.pause();
    const giver = await tcpClient(left!);
    giver.write(Buffer.alloc(32 * MIB));
    const start = performance.now();
    let heard = 0;
    while (performance.now() - start < 2_400) {
      heard += (slow.read() as Buffer | null)?.length ?? 0;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    expect({ said: channels.errors.includes("bytes left"), isHeard: heard > 0 }).toEqual({
      said: false,
      isHeard: true,
    });
    await said(channels, "it was closed with bytes left that it did not take");
  });

  test("--slow drop drops nothing for who reads", async () => {
    const hub = cat(["-f", "hub", "--slow", "drop", "-L", "127.0.0.1:0", "-v"], "");
    const [port] = await portsOf(hub);
    const reader = await tcpClient(port!);
    let heard = 0;
    reader.on("data", (chunk: Buffer) => {
      heard += chunk.length;
    });
    const speaker = await tcpClient(port!);
    await said(hub, /connected[\s\S]*connected/);
    for (let i = 1; i <= 40; i++) {
      speaker.write(Buffer.alloc(100_000));
      await until("it to be heard", () => heard === i * 100_000);
    }
  });
});

describe("haste costs nobody anything", () => {
  test("short lines to many who do not read are bounded in memory", async () => {
    const server = cat(["-i", "lines", "-o", "none", "-L", "127.0.0.1:0"]);
    const [port] = await portsOf(server);
    const deaf = await Promise.all(Array.from({ length: 50 }, () => tcpClient(port!)));
    for (const socket of deaf) socket.pause();
    server.child.stdin!.on("error", () => {});
    server.child.stdin!.write(Buffer.alloc(16 * MIB, "\n"));
    await standsStill("what is read", () => server.child.stdin!.writableLength + peakBytes(server.pid));
    expect(peakBytes(server.pid)).toBeLessThan(220 * MIB);
  });

  test("-r dials a server that says something and closes a few times a second", async () => {
    await using server = await tcpServer((socket) => void socket.end("too many\n"));
    const client = cat(["-r", "-R", `127.0.0.1:${server.port}x4`], "");
    await until("the first", () => server.sockets.length >= 4);
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(server.sockets.length).toBeLessThan(4 * 8);
    expect(client.isOver).toBe(false);
  });
});
