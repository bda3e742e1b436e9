// More programs than connections, and programs that mean ill or do not know better: who holds what, and who still gets
// through.

import { once } from "node:events";
import type { Socket } from "node:net";
import { join } from "node:path";
import { Monitor } from "@ringway/monitor";
import { beforeAll, describe, expect, test } from "vitest";
import { start } from "../native/rwcat-process.ts";
import { noCompiler, titled } from "../native/toolchain.ts";
import { MiB, pattern, sha256 } from "../support/bytes.ts";
import { FdSocket } from "../support/fd-tcp.ts";
import { heldForAll } from "../support/held.ts";
import { policyOf, startMonitor, streamsAre, type TestMonitor } from "../support/monitor.ts";
import { echoServer, readAll, silentServer, type TestServer, tcpClient, tcpServer } from "../support/tcp.ts";
import { temporaryFolder } from "../support/temporary.ts";
import { until } from "../support/wait.ts";
import { type Agent, attachedAgent, BUILD_MS, buildAgent, missing, startAgent, Wire } from "./agent.ts";

const POLICY = `version: 1
connect:
  - { id: no-81, deny: 127.0.0.0/8, ports: 81 }
  - { allow: 127.0.0.0/8 }
listen: [{ allow: 127.0.0.0/8, ports: [0, 1024-65535] }]
limits: { regionBytes: 64MiB }
`;

const greetingTo = (port: number): Uint8Array =>
  Uint8Array.of(5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1, port >> 8, port & 255);

/** Asks the SOCKS5 proxy for 127.0.0.1:`port`; the connection, and what was replied. */
async function socksTo(agent: Agent, port: number): Promise<{ wire: Wire; reply: number }> {
  const wire = await Wire.open(agent.socks);
  wire.socket.write(greetingTo(port));
  return { wire, reply: (await wire.take(12))[3]! };
}

const times = <T>(count: number, each: (i: number) => T): T[] =>
  Array.from({ length: count }, (_, i) => each(i));

const noCurl = missing("curl");
const noPrlimit = missing("prlimit");

describe.skipIf(noCompiler !== undefined)(titled("the agent under pressure", noCompiler), () => {
  let program: string;
  let host: TestMonitor;
  /** It greets, and says no more. */
  let server: TestServer;
  /** It never ends a connection. */
  let holder: TestServer;

  const hold = heldForAll();
  beforeAll(async () => {
    program = buildAgent();
    host = hold(await startMonitor(POLICY));
    server = hold(await tcpServer((socket) => void socket.end("hello")));
    holder = hold(await tcpServer((socket) => void socket.pause()));
  }, BUILD_MS);

  /** A whole exchange, by a program that others wrote where there is one. */
  async function works(agent: Agent): Promise<void> {
    const { wire, reply } = await socksTo(agent, server.port);
    expect(reply).toBe(0);
    expect((await wire.rest()).bytes.toString()).toBe("hello");
    wire.socket.destroy();
  }

  test("programs that connect and close, while the server never does, hold nothing", async () => {
    await using agent = await attachedAgent(program, host.path, ["--streams", "8"]);
    for (let round = 0; round < 3; round++) {
      const opened = await Promise.all(times(8, () => socksTo(agent, holder.port)));
      expect(opened.map(({ reply }) => reply)).toEqual(Array(8).fill(0));
      for (const { wire } of opened) wire.socket.destroy();
    }
    await works(agent);
    await streamsAre(host.monitor, 0);
    expect(holder.sockets.filter((socket) => !socket.destroyed).length).toBeGreaterThanOrEqual(24);
  });

  test.skipIf(noCurl !== undefined)(
    titled("nor do curls that give up, or clients of a published port that close", noCurl),
    async () => {
      await using agent = await attachedAgent(program, host.path, [
        ...["--streams", "4", "--publish", `0:${holder.port}`],
      ]);
      const [, port] = await agent.said(/publish: the host's \S+:(\d+) to/);
      const given = await Promise.all(
        times(
          6,
          () =>
            start(
              "curl",
              ["-s", "-m", "0.3", "-p", "-x", `127.0.0.1:${agent.http}`, `http://127.0.0.1:${holder.port}/`],
              "",
            ).done,
        ),
      );
      expect(given.map(({ code }) => code)).toEqual(Array(6).fill(28));
      await works(agent);
      for (let i = 0; i < 6; i++) (await tcpClient(Number(port))).destroy();
    },
  );

  test("programs that give up while the host still tries to connect hold nothing", async () => {
    await using agent = await attachedAgent(program, host.path, ["--streams", "4"]);
    using silent = silentServer();
    const heard = times(4, async (i) => {
      const wire = await Wire.open(i % 2 === 0 ? agent.socks : agent.http);
      wire.socket.write(
        i % 2 === 0 ? greetingTo(silent.port) : `CONNECT 127.0.0.1:${silent.port} HTTP/1.1\r\n\r\n`,
      );
      return wire;
    });
    const wires = await Promise.all(heard);
    await streamsAre(host.monitor, 4);
    for (const wire of wires) wire.socket.destroy();
    await works(agent);
    await streamsAre(host.monitor, 0);
  });

  test("a program that asks, says all and ends before it is answered is heard all the same", async () => {
    await using agent = await attachedAgent(program, host.path);
    await using sink = await tcpServer();
    for (const [port, question] of [
      [agent.socks, greetingTo(sink.port)],
      [agent.http, Buffer.from(`CONNECT 127.0.0.1:${sink.port} HTTP/1.1\r\n\r\n`)],
    ] as const) {
      const at = sink.sockets.length;
      process.kill(agent.pid, "SIGSTOP"); // it hears of all of it at once
      const near = await FdSocket.connect(port);
      await near.send(Buffer.concat([question, Buffer.from("all")]));
      near.endSending();
      process.kill(agent.pid, "SIGCONT");
      const far = await until("the far end", () => sink.sockets[at]);
      expect((await readAll(far)).toString()).toBe("all");
      near.close();
    }
  });

  test("what a program said before it closed arrives whole, and ends in order", async () => {
    await using agent = await attachedAgent(program, host.path);
    const bytes = pattern(MiB, 7);
    await using sink = await tcpServer((socket) => void socket.pause());
    const near = await FdSocket.connect(agent.socks);
    await near.send(greetingTo(sink.port));
    await near.readExactly(12);
    await near.send(bytes);
    near.close();
    const far = await until("the far end", () => sink.sockets[0]);
    expect(sha256(await readAll(far))).toBe(sha256(bytes));
    await streamsAre(host.monitor, 0);
  });

  test("a program that only sends no more waits for its answer as long as it takes", async () => {
    await using agent = await attachedAgent(program, host.path);
    await using slow = await tcpServer((socket) => {
      void readAll(socket).then(() => setTimeout(() => socket.end("answer"), 400));
    });
    const { wire } = await socksTo(agent, slow.port);
    wire.socket.end("question");
    expect((await wire.rest()).bytes.toString()).toBe("answer");
  });

  test("refused greetings hold nothing while the program reads why", async () => {
    await using agent = await attachedAgent(program, host.path, ["--streams", "6"]);
    const refused = await Promise.all(times(60, () => socksTo(agent, 81)));
    expect(refused.map(({ reply }) => reply)).toEqual(Array(60).fill(2));
    await works(agent);
    for (const { wire } of refused) wire.socket.destroy();
  });

  test("thousands of half requests do not keep the next one waiting", async () => {
    await using agent = await attachedAgent(program, host.path, ["--streams", "32"]);
    const halves: Socket[] = [];
    for (let i = 0; i < 1500; i++) {
      const socket = await tcpClient(agent.http);
      socket.resume().write("CONNECT 127.0.0.1");
      halves.push(socket);
    }
    await using echo = await echoServer();
    using wire = await Wire.open(agent.http);
    wire.socket.write(`CONNECT 127.0.0.1:${echo.port} HTTP/1.1\r\n\r\n`);
    expect((await wire.take(12)).toString()).toBe("HTTP/1.1 200");
    await agent.said(/too many connections that do not say what they want: the oldest are ended\n/);
    // Those that are still there may go on.
    const last = halves.at(-1)!;
    const answer = once(last, "data");
    last.write(`:${echo.port} HTTP/1.1\r\n\r\n`);
    expect((await answer).toString()).toMatch(/^HTTP\/1\.1 200/);
    for (const socket of halves) socket.destroy();
  }, 30_000);

  test("idle clients of a published port leave the guest's own connections their share, and the other way round", async () => {
    await using echo = await echoServer();
    await using agent = await attachedAgent(program, host.path, [
      ...["--streams", "8", "--publish", `0:${echo.port}`],
    ]);
    const [, port] = await agent.said(/publish: the host's \S+:(\d+) to/);
    const idle = await Promise.all(times(20, () => tcpClient(Number(port))));
    await until("as many as there may be", () => echo.sockets.length >= 6);
    await agent.said(
      /out of connections: programs have 0, published ports 6, of 8 \(--streams\): others wait\n/,
    );
    await works(agent);
    await works(agent);
    for (const socket of idle) socket.destroy();
    const held = times(20, () => Wire.open(agent.socks));
    for (const wire of held) (await wire).socket.write(greetingTo(holder.port));
    const client = await tcpClient(Number(port));
    client.write("still");
    expect((await once(client, "data")).toString()).toBe("still");
    client.destroy();
    for (const wire of held) (await wire).socket.destroy();
  });

  test("who finds no place waits for it, and the log says when that begins and when it is over", async () => {
    await using agent = await attachedAgent(program, host.path, ["--streams", "4"]);
    const held = await Promise.all(times(4, () => socksTo(agent, holder.port)));
    const waiting = times(3, () => socksTo(agent, server.port));
    await agent.said(
      /out of connections: programs have 4, published ports 0, of 4 \(--streams\): others wait\n/,
    );
    for (const { wire } of held) wire.socket.destroy();
    for (const { reply } of await Promise.all(waiting)) expect(reply).toBe(0);
    await agent.said(/there is room for connections again after \d+ s: 3 had to wait, 0 in vain; 0 that/);
  });

  test("who waits for longer than --turn-ms is refused, with the reason", async () => {
    await using agent = await attachedAgent(program, host.path, ["--streams", "2", "--turn-ms", "100"]);
    const held = await Promise.all(times(2, () => socksTo(agent, holder.port)));
    expect((await socksTo(agent, server.port)).reply).toBe(1);
    using wire = await Wire.open(agent.http);
    wire.socket.write("GET http://127.0.0.1:1/ HTTP/1.1\r\n\r\n");
    expect((await wire.rest()).bytes.toString()).toMatch(
      /^HTTP\/1\.1 503 [\s\S]+all 2 connections of the agent are taken/,
    );
    for (const { wire: one } of held) one.socket.destroy();
    await agent.said(/there is room for connections again after \d+ s: 2 had to wait, 2 in vain/);
  });

  test("a host with fewer streams than --streams: nobody is refused, who finds none waits", async () => {
    await using few = await startMonitor(POLICY.replace("limits: {", "limits: { streams: 8,"));
    await using agent = await attachedAgent(program, few.path);
    const held = await Promise.all(times(8, () => socksTo(agent, holder.port)));
    expect(held.map(({ reply }) => reply)).toEqual(Array(8).fill(0));
    const waiting = times(20, async () => {
      const { wire, reply } = await socksTo(agent, server.port);
      wire.socket.destroy();
      return reply;
    });
    await agent.said(/out of connections: the host gives no more than 8: others wait\n/);
    for (const { wire } of held) wire.socket.destroy();
    expect(await Promise.all(waiting)).toEqual(Array(20).fill(0));
  });

  test("published ports that the host has not answered yet are no reason to refuse a program, nor what the log tells", async () => {
    const folder = temporaryFolder("late");
    const path = join(folder, "ringway.sock");
    await using agent = await startAgent(
      program,
      ["--socket", path],
      ["--hold-ms", "20000", ...times(3, () => ["--publish", `0:${holder.port}`]).flat()],
    );
    // They ask as soon as the host is there, and the ports just after them.
    const asked = times(4, () => socksTo(agent, holder.port));
    await using _few = await Monitor.start({
      policy: policyOf(POLICY.replace("limits: {", "limits: { streams: 3,")),
      listen: path,
    });
    await agent.said(/out of connections: the host gives no more than 3: others wait\n/);
    const first = await Promise.race(asked);
    expect(first.reply).toBe(0);
    first.wire.socket.destroy();
    const all = await Promise.all(asked);
    expect(all.map(({ reply }) => reply)).toEqual([0, 0, 0, 0]);
    for (const { wire } of all) wire.socket.destroy();
  });

  test("a published port leaves programs their share of what the host gives, too", async () => {
    await using few = await startMonitor(POLICY.replace("limits: {", "limits: { streams: 16,"));
    await using echo = await echoServer();
    await using agent = await attachedAgent(program, few.path, ["--publish", `0:${echo.port}`]);
    const [, port] = await agent.said(/publish: the host's \S+:(\d+) to/);
    const idle = await Promise.all(times(20, () => tcpClient(Number(port))));
    await until("all that it may have", () => echo.sockets.length === 12);
    await new Promise((resolve) => setTimeout(resolve, 1200)); // in which it might ask for more
    expect(echo.sockets.length).toBe(12);
    const held = await Promise.all(times(3, () => socksTo(agent, holder.port)));
    expect(held.map(({ reply }) => reply)).toEqual([0, 0, 0]);
    for (const socket of idle) socket.destroy();
    for (const { wire } of held) wire.socket.destroy();
  });

  test.skipIf(noPrlimit !== undefined)(
    titled("says how many connections its descriptors are enough for", noPrlimit),
    async () => {
      const args = ["--socket", host.path, "--socks", "off", "--http", "off", "--service", "off"];
      // Root may raise it.
      const dropped =
        process.getuid!() === 0
          ? ["setpriv", "--bounding-set", "-sys_resource", "--inh-caps", "-sys_resource"]
          : [];
      const [command, ...words] = [...dropped, "prlimit", "--nofile=1000:1000", program, ...args];
      const env = { ASAN_OPTIONS: "detect_leaks=0" };
      const limited = start(command!, words, undefined, env);
      const [, enough] = await limited.said(
        /1000 descriptors \(ulimit -n\) are enough for (\d+) connections at once, not for 4096\n/,
      );
      expect(Number(enough)).toBeGreaterThan(500);
      limited.child.kill("SIGTERM");
      expect((await limited.done).code).toBe(0);
    },
  );
});
