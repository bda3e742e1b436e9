// Programs that do as they please, all at once: the agent outlives them, and keeps nothing of theirs.

import { readdirSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { beforeAll, describe, expect, test } from "vitest";
import { noCompiler, titled } from "../native/toolchain.ts";
import { pattern } from "../support/bytes.ts";
import { heldForAll } from "../support/held.ts";
import { startMonitor, streamsAre, type TestMonitor } from "../support/monitor.ts";
import { freePort, type TestServer, tcpServer } from "../support/tcp.ts";
import { until } from "../support/wait.ts";
import { type Agent, attachedAgent, BUILD_MS, buildAgent } from "./agent.ts";

const PROGRAMS = 1500;
const AT_ONCE = 60;

/** xorshift32: the same programs for the same seed. */
function random(seed: number): (below: number) => number {
  let state = seed || 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

describe.skipIf(noCompiler !== undefined)(titled("the agent among programs", noCompiler), () => {
  let host: TestMonitor;
  let agent: Agent;
  let server: TestServer;
  let nobody: number;

  const hold = heldForAll();
  beforeAll(async () => {
    const program = buildAgent();
    host = hold(
      await startMonitor(`version: 1
connect: [{ deny: 127.0.0.0/8, ports: 81 }, { allow: 127.0.0.0/8 }]
listen: [{ allow: 127.0.0.0/8, ports: [0, 1024-65535] }]
limits: { regionBytes: 64MiB }
`),
    );
    // The other side does as it pleases too.
    const pick = random(7);
    server = hold(
      await tcpServer((socket) => {
        const what = pick(8);
        if (what === 0) socket.resetAndDestroy();
        else if (what === 1) socket.end(pattern(pick(200_000)));
        else if (what === 2) socket.pause();
        else socket.pipe(socket);
      }),
    );
    nobody = await freePort();
    agent = hold(
      await attachedAgent(program, host.path, [
        ...["--streams", "256", "--handshake-ms", "1000"],
        ...["--forward", `0:127.0.0.1:${server.port}`, "--publish", `0:${server.port}`],
      ]),
    );
  }, BUILD_MS);

  /** What one of them says first, to whom. */
  function greeting(
    pick: (below: number) => number,
    published: number,
  ): [port: number | string, bytes: Buffer] {
    const port = [server.port, server.port, server.port, 81, nobody][pick(5)]!;
    const connectFrame = Buffer.alloc(12 + 4 + 12 + 9);
    for (const [i, word] of [25, 0x0201, 5, 2, port, 0, 9].entries()) connectFrame.writeUInt32LE(word, 4 * i);
    connectFrame.write("127.0.0.1", 28);
    const listen = Buffer.alloc(12 + 4 + 28);
    for (const [i, word] of [32, 0x0201, 6, 3, 1, 4, 0].entries()) listen.writeUInt32LE(word, 4 * i);
    listen.set([127, 0, 0, 1], 28);
    const said: readonly [number | string, Buffer][] = [
      [agent.socks, Buffer.from([5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1, port >> 8, port & 255])],
      [agent.http, Buffer.from(`CONNECT 127.0.0.1:${port} HTTP/1.1\r\n\r\n`)],
      [agent.http, Buffer.from(`GET http://127.0.0.1:${port}/ HTTP/1.1\r\nA: b\r\n\r\n`)],
      [agent.service, connectFrame],
      [agent.service, listen],
      [agent.forwards[0]!, Buffer.alloc(0)],
      [published, Buffer.alloc(0)],
    ];
    return said[pick(said.length)]!;
  }

  async function program(pick: (below: number) => number, published: number): Promise<void> {
    const [where, hello] = greeting(pick, published);
    const socket: Socket = connect(
      typeof where === "number"
        ? { port: where, host: "127.0.0.1", allowHalfOpen: pick(2) === 0 }
        : { path: where },
    );
    const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
    socket.on("error", () => {});
    if (pick(4) !== 0) socket.resume();
    // Whole, in two parts, cut off, or with something else in it.
    const how = pick(8);
    const cut = pick(hello.length + 1);
    if (how === 0) socket.write(hello.subarray(0, cut));
    else if (how === 1) socket.write(Buffer.concat([hello.subarray(0, cut), pattern(pick(300), cut + 1)]));
    else if (how === 2) {
      socket.write(hello.subarray(0, cut));
      await new Promise((resolve) => setTimeout(resolve, pick(10)));
      socket.write(hello.subarray(cut));
    } else socket.write(Buffer.concat([hello, pattern(pick(100_000), cut + 1)]));
    const end = pick(5);
    if (end === 0) socket.end();
    await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, pick(40)))]);
    if (end === 1 && typeof where === "number") socket.resetAndDestroy();
    else if (end === 2) socket.end(() => socket.destroy());
    else socket.destroy();
    await closed;
  }

  test("of every kind: none of them leaves anything behind", async ({ onTestFailed }) => {
    const seed = Math.floor(Math.random() * 2 ** 31);
    onTestFailed(() => console.error(`seed ${seed}`));
    const pick = random(seed);
    const [, port] = await agent.said(/publish: the host's \S+:(\d+) to/);
    // The listener, and what is posted to it: a quarter of 256 connections, but no more than 32.
    const RESTING = 1 + 32;
    await streamsAre(host.monitor, RESTING);
    const descriptors = (): number => readdirSync(`/proc/${agent.pid}/fd`).length;
    const before = descriptors();
    let left = PROGRAMS;
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        while (left-- > 0) await program(pick, Number(port));
      }),
    );
    // The servers' ends go as they come: some are still on their way.
    await until(
      "the streams to go",
      () => {
        for (const socket of server.sockets.splice(0)) socket.destroy();
        return host.monitor.counters().streams === RESTING;
      },
      10_000,
    );
    await until("the descriptors to go", () => descriptors() === before, 10_000);
    expect(host.monitor.counters().guests).toBe(1);
    const { code } = await agent.tool(["rwfs", "ls", "/"]);
    expect(code).toBe(1); // a refusal, by the host
  }, 60_000);
});
