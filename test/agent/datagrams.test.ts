// rwcat -u and rwcat -U through the agent, which knows of neither: frames and bytes pass as they are. And the datagrams
// of programs that know SOCKS5.

import { createSocket } from "node:dgram";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { noCompiler, titled } from "../native/toolchain.ts";
import { MiB, pattern, sha256 } from "../support/bytes.ts";
import { heldForAll } from "../support/held.ts";
import { policyOf, startMonitor, streamsAre, type TestMonitor } from "../support/monitor.ts";
import { freePort, readAll } from "../support/tcp.ts";
import { temporaryFolder } from "../support/temporary.ts";
import { udpServer } from "../support/udp.ts";
import { until } from "../support/wait.ts";
import { type Agent, attachedAgent, BUILD_MS, buildAgent, Wire } from "./agent.ts";

describe.skipIf(noCompiler !== undefined)(titled("rwcat through the agent", noCompiler), () => {
  let folder: string;
  let host: TestMonitor;
  let agent: Agent;

  const hold = heldForAll();
  beforeAll(async () => {
    folder = temporaryFolder("agent-datagrams");
    const policy = `version: 1
hosts: { echo.test: 127.0.0.1 }
connect:
  - { allow: echo.test, protocols: [udp] }
  - { allow: 127.0.0.0/8, protocols: [tcp, udp] }
sockets:
  - { id: node, guest: /run/node, host: ${folder}/node, access: connect }
  - { id: mine, guest: /run/mine, host: ${folder}/mine, access: listen }
`;
    host = hold(await startMonitor(() => policyOf(policy, folder)));
    agent = hold(await attachedAgent(buildAgent(), host.path));
  }, BUILD_MS);

  test("-u: datagrams go and come, each whole", async () => {
    await using server = await udpServer({ type: "udp4", echoes: true });
    const args = ["rwcat", "-u", "-w", "1", "127.0.0.1", String(server.port)];
    const { code, stdout, stderr } = await agent.tool(args, "a question");
    expect({ code, stderr, out: stdout.toString() }).toEqual({ code: 0, stderr: "", out: "a question" });
    expect(server.received.map(({ data }) => data.toString())).toEqual(["a question"]);
    await streamsAre(host.monitor, 0);
  });

  test("-u: tells that nobody listens there", async () => {
    const port = await freePort();
    expect(await agent.tool(["rwcat", "-u", "127.0.0.1", String(port)], "anybody?")).toMatchObject({
      code: 1,
      stderr: `rwcat: 127.0.0.1:${port}: Connection refused\n`,
    });
  });

  test("by SOCKS5 go to addresses and names, and answers say from whom they are, until the connection ends", async () => {
    await using server = await udpServer({ type: "udp4", echoes: true });
    const { port } = server;
    const to = (type: number, address: readonly number[], at = port): number[] => [
      type,
      ...address,
      at >> 8,
      at & 255,
    ];
    const byAddress = to(1, [127, 0, 0, 1]);
    const byName = to(3, [9, ...Buffer.from("echo.test")]);
    const program = createSocket("udp4");
    const heard: Buffer[] = [];
    program.on("message", (message) => heard.push(message));
    {
      using wire = await Wire.open(agent.socks);
      wire.socket.write(Buffer.of(5, 1, 0, 5, 3, 0, ...to(1, [0, 0, 0, 0], 0)));
      const reply = await wire.take(12);
      expect([...reply.subarray(0, 10)]).toEqual([5, 0, 5, 0, 0, 1, 127, 0, 0, 1]);
      const send = (head: readonly number[], text: string): void =>
        program.send(
          Buffer.concat([Buffer.from(head), Buffer.from(text)]),
          reply.readUInt16BE(10),
          "127.0.0.1",
        );
      for (const target of [byAddress, byName])
        for (const text of ["a question", "", "another"]) {
          heard.length = 0;
          send([0, 0, 1, ...target], "a fragment");
          send([0, 0, 0, ...target], text);
          const [answer] = await until("an answer", () => (heard.length > 0 ? heard : undefined));
          expect([...answer!]).toEqual([0, 0, 0, ...target, ...Buffer.from(text)]);
        }
      send([0, 0, 0, ...to(1, [10, 0, 0, 1])], "to whom the policy does not allow");
      send([0, 0], "");
      await agent.said(/SOCKS5 UDP to 10\.0\.0\.1:\d+.*: Permission denied: .*\(rule default\)\n/);
      await streamsAre(host.monitor, 2);
    }
    await streamsAre(host.monitor, 0);
    program.close();
    expect(server.received.map(({ data }) => data.toString())).not.toContain("a fragment");
  });

  test("by SOCKS5: one association has a quarter of the flows, and keeps those that it uses", async () => {
    // A quarter of the connections are flows.
    await using few = await attachedAgent(buildAgent(), host.path, ["--streams", "64"]);
    await using first = await udpServer();
    await using second = await udpServer();
    await using third = await udpServer();
    await using fourth = await udpServer();
    await using fifth = await udpServer();
    const program = createSocket("udp4");
    {
      using wire = await Wire.open(few.socks);
      wire.socket.write(Buffer.of(5, 1, 0, 5, 3, 0, 1, 0, 0, 0, 0, 0, 0));
      const relay = (await wire.take(12)).readUInt16BE(10);
      for (const server of [first, second, third, fourth, first, fifth, first]) {
        const { port, received } = server;
        const before = received.length;
        program.send(Buffer.of(0, 0, 0, 1, 127, 0, 0, 1, port >> 8, port & 255, 1), relay, "127.0.0.1");
        await until("the datagram", () => received.length > before);
      }
      expect(new Set(first.received.map(({ from }) => from.port)).size).toBe(1);
      await streamsAre(host.monitor, 4);
    }
    await streamsAre(host.monitor, 0);
    program.close();
  });

  test("-U: half-closes in both directions", async () => {
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      void readAll(socket).then((question) => socket.end(sha256(question)));
    }).listen(join(folder, "node"));
    await once(server, "listening");
    const bytes = pattern(MiB);
    const { code, stdout } = await agent.tool(["rwcat", "-U", "/run/node"], bytes);
    expect({ code, answer: stdout.toString() }).toEqual({ code: 0, answer: sha256(bytes) });
    server.close();
  });

  test("-U -l: takes one connection", async () => {
    const it = agent.startTool(["rwcat", "-v", "-l", "-U", "/run/mine"], "an answer");
    await it.said(/listening on \/run\/mine\n/);
    const client = connect(join(folder, "mine"));
    client.end("a question");
    expect((await readAll(client)).toString()).toBe("an answer");
    const { code, stdout } = await it.done;
    expect({ code, stdout: stdout.toString() }).toEqual({ code: 0, stdout: "a question" });
  });
});
