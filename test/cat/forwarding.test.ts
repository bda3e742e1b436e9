// Hubs and channels of ringway cat: who hears whom, what an end means to others, and that nobody's slowness or haste
// costs memory, bytes or other people's time.

import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { Socket } from "node:net";
import { describe, expect, test } from "vitest";
import { echoServer, howItEnds, readAll, tcpClient, tcpServer } from "../support/tcp.ts";
import { standsStill, until, within } from "../support/wait.ts";
import { cat, ended, missing, portsOf, program, said } from "./cats.ts";
import { peakBytes } from "./memory.ts";

const MIB = 1024 * 1024;

/** What it has heard so far. */
function heard(socket: Socket): () => string {
  let text = "";
  socket.on("data", (chunk: Buffer) => {
    text += chunk;
  });
  return () => text;
}

/** Bytes in the kernel of the connection that has these ports: sent, and not acknowledged; received, and not read. */
function queued(local: number, remote: number): { readonly sent: number; readonly received: number } {
  const port = (end: string): number => Number.parseInt(end.split(":")[1]!, 16);
  for (const line of readFileSync("/proc/net/tcp", "utf8").split("\n").slice(1, -1)) {
    const [, from, to, , queues] = line.trim().split(/\s+/);
    if (port(from!) !== local || port(to!) !== remote) continue;
    const [sent, received] = queues!.split(":").map((bytes) => Number.parseInt(bytes, 16));
    return { sent: sent!, received: received! };
  }
  throw new Error(`no connection from ${local} to ${remote}`);
}

describe("a hub", () => {
  test("gives what one says to all others, whoever dialled whom, and to no output", async () => {
    await using server = await tcpServer();
    const hub = cat(["-f", "hub", "-L", "127.0.0.1:0", `127.0.0.1:${server.port}`], "");
    const [port] = await portsOf(hub);
    const clients = await Promise.all(Array.from({ length: 3 }, () => tcpClient(port!)));
    await until("the dialled one", () => server.sockets.length === 1);
    const all = [...clients, server.sockets[0]!];
    const texts = all.map(heard);
    // One by one, until all have come: who comes late has missed what was said before.
    await until("all to hear the first", () => {
      clients[0]!.write(".");
      return texts.slice(1).every((text) => text().length > 0);
    });
    await standsStill("the dots", () => texts.map((text) => text().length));
    for (const [i, socket] of all.entries()) socket.write(`<${i}>`);
    await until("each to hear the others", () =>
      texts.every((text) => text().replaceAll(".", "").length === 9),
    );
    for (const [i, text] of texts.entries()) expect(text()).not.toContain(`<${i}>`);
    clients[1]!.end();
    expect(await howItEnds(clients[1]!)).toBe("end");
    expect(hub.output).toBe("");
  });

  test.skipIf(missing("ncat") !== undefined)("is one that ncat can talk in", async () => {
    const hub = cat(["-f", "hub", "-L", "127.0.0.1:0"], "");
    const [port] = await portsOf(hub);
    const ncats = [0, 1].map(() => program(["ncat", "127.0.0.1", String(port)]));
    await until("both to hear each other", () => {
      for (const each of ncats) each.child.stdin!.write("hello\n");
      return ncats.every(({ output }) => output.includes("hello\n"));
    });
  });

  test("paces who speaks by who does not read, or lets that one go without, and counts it", async () => {
    for (const slow of ["pace", "drop"]) {
      const hub = cat(["-f", "hub", "-L", "127.0.0.1:0", "--slow", slow, "-v"], "");
      const [port] = await portsOf(hub);
      const deaf = await tcpClient(port!);
      deaf.pause();
      const listener = await tcpClient(port!);
      let bytes = 0;
      listener.on("data", (chunk: Buffer) => {
        bytes += chunk.length;
      });
      const speaker = await tcpClient(port!);
      await until("three to be there", () => hub.errors.split(": connected").length === 4);
      const sent = 64 * MIB;
      const written = new Promise<void>((resolve) => void speaker.write(Buffer.alloc(sent), () => resolve()));
      if (slow === "pace") {
        // What kernels buffer, and no more.
        expect(await standsStill("what is heard", () => bytes)).toBeLessThan(sent);
        deaf.resume();
        await until("all to be heard", () => bytes === sent, 30_000);
      } else {
        await within("all to be sent", written, 30_000);
        deaf.destroy();
        await said(hub, /went without \d+ chunks/);
      }
      await within("all to be sent", written, 30_000);
      expect(peakBytes(hub.pid)).toBeLessThan(220 * MIB);
      hub[Symbol.dispose]();
    }
  });
});

describe("channels", () => {
  test("pair who comes with who has waited longest at another address, and nobody with himself", async () => {
    const channels = cat(["-f", "channels", "-L", "127.0.0.1:0", "-L", "127.0.0.1:0", "-v"], "");
    const [left, right] = await portsOf(channels, 2);
    const lefts: Socket[] = [];
    for (let i = 0; i < 3; i++) {
      lefts.push(await tcpClient(left!));
      await until("it to be there", () => channels.errors.split(": connected").length === i + 2);
    }
    const texts = lefts.map(heard);
    for (const [i, socket] of lefts.entries()) socket.write(`<${i}>`);
    for (let i = 0; i < 3; i++) {
      const one = await tcpClient(right!);
      const text = heard(one);
      await until("what was said before it came", () => text() === `<${i}>`);
      one.write(`to ${i}`);
      await until("the answer", () => texts[i]!() === `to ${i}`);
    }
    expect(texts.map((text) => text())).toEqual(["to 0", "to 1", "to 2"]);
  });

  test("pass half-closes and disconnects on, behind the bytes before them", async () => {
    const channels = cat(["-f", "channels", "-L", "127.0.0.1:0", "-L", "127.0.0.1:0"], "");
    const [left, right] = await portsOf(channels, 2);
    const bytes = Buffer.alloc(2 * MIB, "abcdefgh");
    const [one, other] = [await tcpClient(left!), await tcpClient(right!)];
    one.end(bytes);
    expect((await readAll(other)).equals(bytes)).toBe(true);
    other.end("still heard");
    expect(String(await readAll(one))).toBe("still heard");
  });

  test("pass a reset on behind all that came before it, also to who does not read meanwhile", async () => {
    const buffers = ["--send-buffer", "16384", "--receive-buffer", "212992"];
    const channels = cat(["-f", "channels", "-L", "127.0.0.1:0", "-L", "127.0.0.1:0", ...buffers], "");
    const [left, right] = await portsOf(channels, 2);
    const [one, other] = [await tcpClient(left!), await tcpClient(right!)];
    one.write("x");
    await once(other, "readable");
    other.pause();
    const bytes = Buffer.alloc(320 * 1024);
    for (let i = 0; i < bytes.length; i += 4) bytes.writeUInt32BE(i, i);
    await new Promise((resolve) => void one.write(bytes, resolve));
    // All of it is at cat, which has not got rid of a chunk: the rest waits in its kernel.
    await until("all to have left its sender", () => queued(one.localPort!, left!).sent === 0);
    await standsStill("what cat has not read", () => queued(left!, one.localPort!).received);
    expect(queued(left!, one.localPort!).received).toBeGreaterThan(0);
    one.resetAndDestroy();
    const all = await readAll(other);
    expect(all.subarray(1).equals(bytes), `${all.length} bytes`).toBe(true);
  });

  test("who leaves alone takes nobody along", async () => {
    const channels = cat(["-f", "channels", "-L", "127.0.0.1:0", "-L", "127.0.0.1:0"], "");
    const [left, right] = await portsOf(channels, 2);
    (await tcpClient(left!)).destroy();
    await said(channels, "left before it had a partner");
    const [one, other] = [await tcpClient(left!), await tcpClient(right!)];
    one.end("for the second");
    expect(String(await readAll(other))).toBe("for the second");
  });

  test("that linger give who stays another partner, with what it says meanwhile", async () => {
    const channels = cat(["-f", "linger", "-L", "127.0.0.1:0", "-L", "127.0.0.1:0"], "");
    const [left, right] = await portsOf(channels, 2);
    const stays = await tcpClient(left!);
    const text = heard(stays);
    const first = await tcpClient(right!);
    first.end("first ");
    expect(await howItEnds(first)).toBe("end");
    await until("the first", () => text() === "first ");
    stays.write("meanwhile");
    const second = await tcpClient(right!);
    const secondHears = heard(second);
    second.write("second");
    await until("both", () => text() === "first second" && secondHears() === "meanwhile");
  });

  test("--pair listen:connect dials for each that comes, and --pair any takes two of one address", async () => {
    await using server = await echoServer();
    const dials = cat(
      ["-f", "channels", "--pair", "listen:connect", "-L", "127.0.0.1:0", `127.0.0.1:${server.port}`],
      "",
    );
    const [port] = await portsOf(dials);
    expect(server.sockets.length).toBe(0);
    const clients = await Promise.all(Array.from({ length: 5 }, () => tcpClient(port!)));
    for (const [i, client] of clients.entries()) client.end(`echo ${i}`);
    const echoes = await Promise.all(clients.map((client) => readAll(client)));
    expect(echoes.map(String)).toEqual(clients.map((_, i) => `echo ${i}`));

    const any = cat(["-f", "channels", "--pair", "any", "-l", "127.0.0.1:0", "-m", "2"], "");
    const [both] = await portsOf(any);
    const [one, other] = [await tcpClient(both!), await tcpClient(both!)];
    one.end("one");
    other.end("other");
    expect([String(await readAll(one)), String(await readAll(other))]).toEqual(["other", "one"]);
    expect(await ended(any)).toEqual({ code: 0, signal: null });
  });

  test("1,000 connections at once keep their bytes apart, in bounded memory", async () => {
    const count = 500;
    const bytes = 64 * 1024;
    const channels = cat(["-f", "channels", "-L", "127.0.0.1:0", "-L", "127.0.0.1:0"], "");
    const ports = await portsOf(channels, 2);
    const said = (port: number, i: number): Buffer => {
      const made = Buffer.alloc(bytes, `${port} says ${i}, `);
      made.writeUInt32BE(i);
      return made;
    };
    const clients = await Promise.all(
      ports.flatMap((port) =>
        Array.from({ length: count }, async (_, i) => {
          const client = await tcpClient(port);
          client.end(said(port, i));
          return { port, i, all: await readAll(client, 60_000) };
        }),
      ),
    );
    const byPlace = new Map(clients.map(({ port, i, all }) => [`${port} ${i}`, all]));
    for (const { port, i, all } of clients) {
      const otherPort = ports.find((each) => each !== port)!;
      const other = all.readUInt32BE();
      expect(all.equals(said(otherPort, other))).toBe(true);
      expect(byPlace.get(`${otherPort} ${other}`)!.readUInt32BE()).toBe(i);
    }
    // A chunk of 64 KiB for each of them and direction, and Node.
    expect(peakBytes(channels.pid)).toBeLessThan(260 * MIB);
  });
});

describe("hostile peers", () => {
  test("who never reads stops whoever sends to it, and costs one chunk", async () => {
    const channels = cat(["-f", "channels", "-L", "127.0.0.1:0", "-L", "127.0.0.1:0"], "");
    const [left, right] = await portsOf(channels, 2);
    const deaf = await tcpClient(left!);
    deaf.pause();
    const flood = await tcpClient(right!);
    flood.write(Buffer.alloc(256 * MIB));
    const quiet = [await tcpClient(left!), await tcpClient(right!)];
    const text = heard(quiet[1]!);
    quiet[0]!.write("beside it");
    await until("others to be heard", () => text() === "beside it");
    await standsStill("what the flood could send", () => flood.writableLength);
    expect(peakBytes(channels.pid)).toBeLessThan(150 * MIB);
    // Its reset comes to the other one as an end.
    const ends = howItEnds(deaf);
    flood.resetAndDestroy();
    expect(await ends).toBe("end");
  });

  test("a flood that is made up keeps nobody waiting, and who connects and says nothing neither", async () => {
    await using sink = await tcpServer((socket) => void socket.resume());
    const floods = cat(["-i", "fixed", "-o", "hex", "-L", "127.0.0.1:0", `127.0.0.1:${sink.port}x4`], "");
    const [port] = await portsOf(floods);
    await tcpClient(port!);
    const quiet = await tcpClient(port!);
    quiet.resume();
    quiet.write("heard through the flood");
    await until("what it said", () => floods.output.includes("heard through th"));
    await Promise.all(sink.sockets.map((socket) => socket.bytesRead > 0 || once(socket, "data")));
  });
});
