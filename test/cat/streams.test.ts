// Streams of ringway cat, with ncat, nc and socat at the other end, both ways.

import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { inProcess } from "../../packages/cli/test/in-process.ts";
import type { Program } from "../support/processes.ts";
import { RINGWAY } from "../support/ringway.ts";
import { freePort, readAll, tcpClient, tcpServer } from "../support/tcp.ts";
import { temporaryFolder } from "../support/temporary.ts";
import { until, within } from "../support/wait.ts";
import { cat, ended, missing, portsOf, printed, program, said } from "./cats.ts";

const PEERS: readonly (readonly [
  name: string,
  listens: (port: string) => string[],
  connects: (port: string) => string[],
])[] = [
  ["ncat", (port) => ["ncat", "-l", "127.0.0.1", port], (port) => ["ncat", "127.0.0.1", port]],
  [
    "nc.openbsd",
    (port) => ["nc.openbsd", "-N", "-l", "127.0.0.1", port],
    (port) => ["nc.openbsd", "-N", "127.0.0.1", port],
  ],
  [
    "socat",
    (port) => ["socat", "-t60", `TCP-LISTEN:${port},bind=127.0.0.1,reuseaddr`, "-"],
    (port) => ["socat", "-t60", "-", `TCP:127.0.0.1:${port}`],
  ],
];
const BIG = Buffer.alloc(3_000_000, "0123456789abcdef");

describe.each(PEERS)("with %s", (name, listens, connects) => {
  const absent = missing(name) !== undefined;

  test.skipIf(absent)("as its client, bytes go both ways, and both end with the input of both", async () => {
    const port = String(await freePort());
    const server = program(listens(port), "of the server");
    const client = cat(["-N", "-R", `127.0.0.1:${port}`], BIG);
    expect(await ended(client)).toEqual({ code: 0, signal: null });
    expect(await ended(server)).toEqual({ code: 0, signal: null });
    expect(client.output).toBe("of the server");
    expect(server.output === BIG.toString()).toBe(true);
  });

  test.skipIf(absent)("as its server, bytes go both ways, and -l ends with its client", async () => {
    const server = cat(["-N", "-l", "127.0.0.1:0"], BIG);
    const [port] = await portsOf(server);
    const client = program(connects(String(port)), "of the client");
    expect(await ended(client)).toEqual({ code: 0, signal: null });
    expect(await ended(server)).toEqual({ code: 0, signal: null });
    expect(server.output).toBe("of the client");
    expect(client.output === BIG.toString()).toBe(true);
  });

  test.skipIf(absent)(
    "as its server without -N, who has said all at once is still sent all of a file",
    async () => {
      const server = catOf(BIG, ["-l", "127.0.0.1:0"]);
      const [port] = await portsOf(server);
      const client = program(connects(String(port)), "");
      expect(await ended(client)).toEqual({ code: 0, signal: null });
      expect(await ended(server)).toEqual({ code: 0, signal: null });
      expect(client.output === BIG.toString()).toBe(true);
    },
  );
});

describe("who sends no more", () => {
  test("is sent what still comes through a pipe to -l and to a target, and then closed", async () => {
    await using server = await tcpServer();
    const listening = cat(["-l", "127.0.0.1:0"]);
    const [port] = await portsOf(listening);
    const client = cat([`127.0.0.1:${server.port}`]);
    await until("its connection", () => server.sockets.length === 1);
    for (const [to, socket] of [
      [listening, await tcpClient(port!)],
      [client, server.sockets[0]!],
    ] as const) {
      socket.end("all of mine");
      const all = readAll(socket);
      await printed(to, "all of mine");
      for (const part of ["one ", "two ", "three"]) to.child.stdin!.write(part);
      to.child.stdin!.end();
      expect(String(await all)).toBe("one two three");
      expect(await ended(to)).toEqual({ code: 0, signal: null });
    }
  });

  test("makes room with -L, where input may never come, and is sent a file to its end also there", async () => {
    const open = cat(["-L", "127.0.0.1:0", "-m", "1"]);
    const [port] = await portsOf(open);
    for (let i = 0; i < 3; i++) {
      const client = await tcpClient(port!);
      client.end();
      expect(String(await readAll(client))).toBe("");
      await once(client, "close");
    }
    expect(open.errors).not.toContain("turned away");
    const file = catOf(BIG, ["-L", "127.0.0.1:0"]);
    const [filePort] = await portsOf(file);
    const client = await tcpClient(filePort!);
    client.end();
    expect((await readAll(client)).equals(BIG)).toBe(true);
  });
});

/** Its input is a file. */
function catOf(contents: Buffer, args: readonly string[]): Program {
  const file = join(temporaryFolder("cat"), "input");
  writeFileSync(file, contents);
  return program(["sh", "-c", `exec "$0" "$@" < ${file}`, process.execPath, RINGWAY, "cat", ...args]);
}

describe("ringway cat", () => {
  test("sends its input to several targets, and what it listens at, all at once", async () => {
    const heard: Promise<Buffer>[] = [];
    await using first = await tcpServer((socket) => void heard.push(readAll(socket)));
    const listening = cat(["-N", "-L", "127.0.0.1:0", `127.0.0.1:${first.port}x3`, "-m", "2"]);
    const [port] = await portsOf(listening);
    await until("three connections", () => first.sockets.length === 3);
    const clients = await Promise.all([tcpClient(port!), tcpClient(port!)]);
    for (const client of clients) heard.push(readAll(client));
    // Both are there once both were heard.
    for (const client of clients) client.write("+");
    await printed(listening, "++");
    const tooMany = connect(port!, "127.0.0.1");
    tooMany.on("error", () => {});
    await within("the third client to be closed", once(tooMany.resume(), "close"));
    await said(listening, "turned away: 2 at the most (-m)");
    listening.child.stdin!.end("to all");
    expect((await Promise.all(heard)).map(String)).toEqual(Array(5).fill("to all"));
  });

  test("waits with its input until somebody is there, and -l takes one client alone", async () => {
    const server = cat(["-l", "127.0.0.1:0"], "early");
    const [port] = await portsOf(server);
    const client = await tcpClient(port!);
    const [first] = (await once(client, "data")) as [Buffer];
    expect(String(first)).toBe("early");
    client.end();
    expect(await ended(server)).toEqual({ code: 0, signal: null });
    const late = connect(port!, "127.0.0.1");
    const [error] = (await once(late, "error")) as [NodeJS.ErrnoException];
    expect(error.code).toBe("ECONNREFUSED");
  });

  test("listens at both families with *, at each local address without a host, always at one port", async () => {
    const both = cat(["-L", "*:0", "-L", ":0", "-o", "none"], "");
    await said(both, /listening at 0\.0\.0\.0:(\d+)\n.*listening at \[::\]:\1\n/);
    await said(both, /listening at 127\.0\.0\.1:(\d+)\n/);
    const four = cat(["-4", "-L", "*:0"], "");
    await portsOf(four);
    const six = cat(["-6", "-L", "*:0"], "");
    await portsOf(six);
    expect([four.errors, six.errors]).toEqual([
      expect.stringMatching(/^ringway: listening at 0\.0\.0\.0:\d+\n$/),
      expect.stringMatching(/^ringway: listening at \[::\]:\d+\n$/),
    ]);
  });

  test("comes from the address that stands in front of =", async () => {
    await using server = await tcpServer((socket) => void socket.end(String(socket.remoteAddress)));
    const client = cat([`127.0.0.9=127.0.0.1:${server.port}`], "");
    await ended(client);
    expect(client.output).toBe("127.0.0.9");
  });

  test("with -r connects again when it was closed, and with -R when it failed or broke", async () => {
    const port = await freePort();
    const both = cat(["-r", "-R", "-v", `127.0.0.1:${port}`], "");
    await said(both, "ECONNREFUSED");
    const sockets: Socket[] = [];
    const server = createServer((socket) => void sockets.push(socket));
    onTestFinished(() => void server.close());
    server.listen(port, "127.0.0.1");
    await until("a connection", () => sockets.length === 1);
    sockets[0]!.write("one ");
    await printed(both, "one");
    sockets[0]!.end();
    await until("another", () => sockets.length === 2);
    sockets[1]!.resetAndDestroy();
    await until("a third", () => sockets.length === 3);
    expect(both.errors).toMatch(/ECONNRESET/);

    const onlyClosed = cat(["-r", `127.0.0.1:${port}`], "");
    await until("its connection", () => sockets.length === 4);
    sockets[3]!.resetAndDestroy();
    expect(await ended(onlyClosed)).toEqual({ code: 1, signal: null });
  });

  test("-z says of each target whether it connects", async () => {
    await using server = await tcpServer();
    const closed = await freePort();
    const none = cat(["-z", `127.0.0.1:${server.port}`, `127.0.0.1:${closed}`], "");
    expect((await ended(none)).code).toBe(1);
    expect(none.output.split("\n").sort()).toEqual(
      [
        "",
        `127.0.0.1:${server.port}: connects`,
        `127.0.0.1:${closed}: connect ECONNREFUSED 127.0.0.1:${closed}`,
      ].sort(),
    );
    const all = cat(["-z", `127.0.0.1:${server.port}`], "");
    expect((await ended(all)).code).toBe(0);
  });

  test("ends with 124 after --timeout, and closes after --idle what nobody uses", async () => {
    await using server = await tcpServer();
    const late = cat(["--timeout", "200ms", `127.0.0.1:${server.port}`]);
    const idle = cat(["--idle", "200ms", "-v", `127.0.0.1:${server.port}`]);
    expect((await ended(late)).code).toBe(124);
    expect((await ended(idle)).code).toBe(0);
    expect(idle.errors).toContain("idle for too long");
  });

  test("--exit-after-input sends all of it first, also to who reads late", async () => {
    await using server = await tcpServer((socket) => void socket.pause());
    const client = cat(["--exit-after-input", `127.0.0.1:${server.port}`], BIG);
    await until("the connection", () => server.sockets.length === 1);
    const all = await readAll(server.sockets[0]!);
    server.sockets[0]!.end();
    expect(all.equals(BIG)).toBe(true);
    expect((await ended(client)).code).toBe(0);
  });

  test("goes to Unix sockets, and listens at them", async () => {
    const path = join(temporaryFolder("cat"), "a socket");
    const server = cat(["-N", "-l", path], "of the server");
    await said(server, "listening at");
    const client = cat(["-N", path], "of the client");
    expect((await ended(client)).code).toBe(0);
    expect((await ended(server)).code).toBe(0);
    expect([client.output, server.output]).toEqual(["of the server", "of the client"]);
  });

  test.each([
    [[], "nothing to connect to"],
    [["1.2.3.4"], "expected HOST:PORT"],
    [["::1:80"], "an IPv6 address stands in [ ]"],
    [["1.2.3.4:80x0"], "x1 to x100000"],
    [["1.2.3.4:80", "-u", "-r"], "nothing to reconnect"],
    [["1.2.3.4:80", "--pair", "any"], "--pair goes with"],
    [["-l", "127.0.0.1:99999"], "a port is a number"],
    [["-l", "127.0.0.1:0", "--tls"], "needs --tls-cert and --tls-key"],
  ])("refuses %j", async (args, why) => {
    const { code, stderr } = await inProcess("cat", ...args);
    expect(code).toBe(2);
    expect(stderr).toContain(why);
  });
});
