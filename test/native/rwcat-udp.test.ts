// rwcat -u, built with sanitizers, against a real monitor and real sockets: socat, and those of node:dgram.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { heldForAll } from "../support/held.ts";
import { startMonitor, streamsAre, type TestMonitor } from "../support/monitor.ts";
import { Program } from "../support/processes.ts";
import { freePort } from "../support/tcp.ts";
import { type UdpServer, udpServer } from "../support/udp.ts";
import { until } from "../support/wait.ts";
import { type Ran, type Running, start } from "./rwcat-process.ts";
import { buildForTests, noCompiler, titled } from "./toolchain.ts";

const POLICY = `version: 1
connect:
  - { id: no-dns, deny: 127.0.0.0/8, ports: 53, protocols: [tcp, udp] }
  - { id: local, allow: [127.0.0.0/8, "::1/128"], protocols: [tcp, udp] }
listen:
  - { id: local-listen, allow: [127.0.0.0/8, "::1/128"], ports: [0, 1024-65535], protocols: [tcp, udp] }
timeouts: { udpIdleMs: 1500 }
`;

/** Somebody has bound this port. */
function isBound(port: number): boolean {
  const hex = port.toString(16).toUpperCase().padStart(4, "0");
  return new RegExp(`^ *\\d+: [0-9A-F]{8}:${hex} `, "m").test(readFileSync("/proc/net/udp", "latin1"));
}

const heard = ({ received }: UdpServer): string[] => received.map(({ data }) => data.toString());

describe.skipIf(noCompiler !== undefined)(titled("rwcat -u", noCompiler), () => {
  let host: TestMonitor;
  let program: string;
  const go = (args: readonly string[], input?: Uint8Array | string): Running =>
    start(program, ["-u", ...args], input, { RINGWAY_SOCKET: host.path });
  const ran = (args: readonly string[], input: Uint8Array | string = ""): Promise<Ran> =>
    go(args, input).done;

  const hold = heldForAll();
  beforeAll(async () => {
    program = join(buildForTests(), "rwcat");
    host = hold(await startMonitor(POLICY));
  }, 180_000);

  test("sends a line as a datagram, prints the answers, and is done when nothing comes for a second", async () => {
    await using server = await udpServer();
    server.socket.on("message", (data, { port }) => {
      server.socket.send(data.toString().toUpperCase(), port, "127.0.0.1");
      server.socket.send(Buffer.alloc(0), port, "127.0.0.1"); // one of no bytes, and no end
      server.socket.send("and one more", port, "127.0.0.1");
    });
    const { code, stdout, stderr } = await ran(["-w", "1", "127.0.0.1", String(server.port)], "a question\n");
    expect({ code, stderr, out: stdout.toString() }).toEqual({
      code: 0,
      stderr: "",
      out: "A QUESTION\nand one more",
    });
    expect(heard(server)).toEqual(["a question\n"]);
    await streamsAre(host.monitor, 0);
  });

  test("keeps datagrams apart: each read of stdin is one, as it was written", async () => {
    await using server = await udpServer();
    const { child, done } = go(["-w", "1", "127.0.0.1", String(server.port)]);
    for (const text of ["one", "two, longer", "3"]) {
      const count = server.received.length;
      child.stdin.write(text);
      await until(text, () => server.received.length > count);
    }
    child.stdin.end();
    expect((await done).code).toBe(0);
    expect(heard(server)).toEqual(["one", "two, longer", "3"]);
    expect(new Set(server.received.map(({ from }) => from.port)).size).toBe(1);
  });

  test("talks to socat", async () => {
    const port = await freePort();
    using server = new Program("socat", [`UDP4-RECVFROM:${port},bind=127.0.0.1`, "SYSTEM:tr a-z A-Z"]);
    await until("socat", () => isBound(port));
    const { code, stdout } = await ran(["-w", "1", "127.0.0.1", String(port)], "to socat\n");
    expect({ code, out: stdout.toString() }).toEqual({ code: 0, out: "TO SOCAT\n" });
    expect((await server.exited).code).toBe(0);
  });

  test("tells that nobody listens there, and exits 1", async () => {
    const port = await freePort();
    expect(await ran(["127.0.0.1", String(port)], "anybody?")).toMatchObject({
      code: 1,
      stderr: `rwcat: 127.0.0.1:${port}: Connection refused\n`,
    });
  });

  test("tells that the host has ended a socket that nobody uses, and exits 1", async () => {
    await using server = await udpServer();
    expect(await ran(["127.0.0.1", String(server.port)], "once")).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(`^rwcat: 127\\.0\\.0\\.1:${server.port}: Connection timed out`),
    });
    expect(heard(server)).toEqual(["once"]);
  });

  test("says why the host refused, and exits 1", async () => {
    expect(await ran(["127.0.0.1", "53"])).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(
        /^rwcat: connect to 127\.0\.0\.1:53: Permission denied: .+ is denied by rule "no-dns" \(\S+\)\n$/,
      ),
    });
  });

  test.each([
    [["127.0.0.1"]],
    [["--get", "/a"]],
    [["-w", "soon", "127.0.0.1", "80"]],
    [["-w", "0", "127.0.0.1", "80"]],
  ])("calls %j wrong usage, and exits 2", async (args) => {
    const { code, stderr } = await ran(args);
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: expect.stringMatching(/^rwcat: .+\nTry rwcat --help\.\n$/),
    });
  });

  test("-l: who sends first is the peer; what others send is dropped", async () => {
    const it = go(["-v", "-w", "1", "-l", "0"]);
    const [, port] = await it.said(/listening on 127\.0\.0\.1:(\d+)\n/);
    await using first = await udpServer();
    await using other = await udpServer();
    first.socket.send("first", Number(port), "127.0.0.1");
    await it.said(new RegExp(`datagrams from 127.0.0.1:${first.port}\n`));
    other.socket.send("other", Number(port), "127.0.0.1");
    it.child.stdin.end("an answer");
    await until("the answer", () => first.received.length > 0);
    first.socket.send(", again", Number(port), "127.0.0.1");
    const { code, stdout } = await it.done;
    expect({ code, out: stdout.toString() }).toEqual({ code: 0, out: "first, again" });
    expect([heard(first), heard(other)]).toEqual([["an answer"], []]);
  });
});
