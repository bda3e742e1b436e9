// The service socket: rwcat, rwfs and exit through the agent, and who speaks to it in other ways.

import { once } from "node:events";
import { chmodSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { type Running, start } from "../native/rwcat-process.ts";
import { noCompiler, run, titled } from "../native/toolchain.ts";
import { MiB, pattern, sha256 } from "../support/bytes.ts";
import { heldForAll } from "../support/held.ts";
import { startMonitor, streamsAre, type TestMonitor } from "../support/monitor.ts";
import { MonitorProgram } from "../support/processes.ts";
import { echoServer, howItEnds, readAll, tcpClient, tcpServer } from "../support/tcp.ts";
import { until } from "../support/wait.ts";
import { type Agent, attachedAgent, BUILD_MS, buildAgent, missing, startAgent, Wire } from "./agent.ts";

const noTerminal: string | undefined = missing("script");
const noPython: string | undefined = missing("python3");
const noMounts: string | undefined =
  run("unshare", ["--user", "--map-root-user", "--mount", "true"]).status === 0
    ? undefined
    : "no mount namespaces for this user";

/** A frame of 32-bit words. */
function frame(...words: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 * words.length);
  for (const [i, word] of words.entries()) bytes.writeUInt32LE(word, 4 * i);
  return bytes;
}

describe.skipIf(noCompiler !== undefined)(titled("the service socket of the agent", noCompiler), () => {
  let host: TestMonitor;
  let agent: Agent;
  let program: string;
  let data: string;
  const exits: number[] = [];

  const hold = heldForAll();
  beforeAll(async () => {
    program = buildAgent();
    host = hold(await startMonitor("version: 1\n"));
    data = join(host.folder, "data");
    mkdirSync(join(data, "fixed"), { recursive: true });
    const { policyOf } = await import("../support/monitor.ts");
    await host.monitor.reload(
      policyOf(`version: 1
connect:
  - { id: no-web, deny: 127.0.0.0/8, ports: 81 }
  - { allow: 127.0.0.0/8 }
listen:
  - { allow: 127.0.0.0/8, ports: [0, 1024-65535] }
files:
  - { id: fixed, guest: /data/fixed, host: ${data}/fixed, access: ro }
  - { id: data, guest: /data, host: ${data}, access: rw }
limits: { fileBytesWritten: 40MiB }
`),
    );
    host.monitor.on("exit", ({ code }) => void exits.push(code));
    agent = hold(await attachedAgent(program, host.path));
  }, BUILD_MS);

  describe("rwcat", () => {
    test("carries 16 MiB to an echo and back", async () => {
      await using server = await echoServer();
      const bytes = pattern(16 * MiB);
      const { code, stdout, stderr } = await agent.tool(["rwcat", "127.0.0.1", String(server.port)], bytes);
      expect({ code, stderr, length: stdout.length }).toEqual({ code: 0, stderr: "", length: bytes.length });
      expect(sha256(stdout)).toBe(sha256(bytes));
    });

    test("half-closes: the answer comes after the end of the question", async () => {
      await using server = await tcpServer((socket) => {
        void readAll(socket).then((question) => socket.end(sha256(question)));
      });
      const bytes = pattern(3 * MiB + 17);
      const { code, stdout } = await agent.tool(["rwcat", "127.0.0.1", String(server.port)], bytes);
      expect({ code, answer: stdout.toString() }).toEqual({ code: 0, answer: sha256(bytes) });
    });

    test("goes on sending after the peer has ended", async () => {
      let peer: Socket | undefined;
      await using server = await tcpServer((socket) => {
        peer = socket;
        socket.end("greeting");
      });
      const { child, done } = agent.startTool(["rwcat", "-v", "127.0.0.1", String(server.port)]);
      expect((await once(child.stdout, "data"))[0].toString()).toBe("greeting");
      const received = readAll(peer!);
      child.stdin.end(pattern(MiB));
      expect(sha256(await received)).toBe(sha256(pattern(MiB)));
      expect(await done).toMatchObject({ code: 0, stderr: `rwcat: connected to 127.0.0.1:${server.port}\n` });
    });

    test("knows a reset from an end, and exits 1", async () => {
      await using server = await tcpServer(
        (socket) => void socket.once("data", () => socket.resetAndDestroy()),
      );
      const { child, done } = agent.startTool(["rwcat", "127.0.0.1", String(server.port)]);
      child.stdin.write("hello");
      const { code, stderr } = await done;
      expect({ code, stderr }).toEqual({ code: 1, stderr: "rwcat: receiving: connection reset\n" });
    });

    test("knows it also when it had ended its own direction", async () => {
      await using server = await tcpServer(
        (socket) => void socket.once("end", () => socket.resetAndDestroy()).resume(),
      );
      const { code, stderr } = await agent.tool(["rwcat", "127.0.0.1", String(server.port)], "hello");
      expect({ code, stderr }).toEqual({ code: 1, stderr: "rwcat: receiving: connection reset\n" });
    });

    test("that is killed ends its connection", async () => {
      await using server = await tcpServer();
      const { child, said } = agent.startTool(["rwcat", "-v", "127.0.0.1", String(server.port)]);
      child.stdin.write("some");
      await said(/connected/);
      const peer = await until("the connection", () => server.sockets[0]);
      const ends = howItEnds(peer);
      child.kill("SIGKILL");
      expect(await ends).toBe("end");
      await streamsAre(host.monitor, 0);
    });

    test("says why the host refused", async () => {
      const { code, stderr } = await agent.tool(["rwcat", "127.0.0.1", "81"]);
      expect({ code, stderr }).toEqual({
        code: 1,
        stderr: expect.stringMatching(
          /^rwcat: connect to 127\.0\.0\.1:81: Permission denied: .+ is denied by rule "no-web" \(\S+\)\n$/,
        ),
      });
    });

    test("-l gives both directions of one connection, 4 MiB each", async () => {
      const it = agent.startTool(["rwcat", "-v", "-l", "0"]);
      const [, port] = await it.said(/listening on 127\.0\.0\.1:(\d+)\n/);
      const out = pattern(4 * MiB, 5);
      const back = pattern(4 * MiB, 6);
      const client = await tcpClient(Number(port));
      await it.said(/connection from 127\.0\.0\.1:\d+\n/);
      const received = readAll(client);
      it.child.stdin.end(back);
      client.end(out);
      expect(sha256(await received)).toBe(sha256(back));
      const { code, stdout } = await it.done;
      expect({ code, sha: sha256(stdout) }).toEqual({ code: 0, sha: sha256(out) });
      const second = await tcpClient(Number(port)).catch((error: Error) => error);
      expect(second).toBeInstanceOf(Error);
      await streamsAre(host.monitor, 0);
    });

    test("-l says why the listener takes no connection after all", async () => {
      const path = join(host.folder, "refusing.sock");
      const bound = frame(24, 0x8201, 1, 4, 5000, 0x0100007f, 0, 0, 0);
      const refused = frame(12, 0x8202, 1, 24, 0, 0);
      const server = createServer((socket) => {
        socket.once("data", () => {
          socket.write(bound);
          setTimeout(() => socket.write(refused), 100);
        });
      });
      server.listen(path);
      await once(server, "listening");
      const { code, stderr } = await start(program, ["rwcat", "--service", path, "-l", "5000"], "").done;
      server.close();
      expect({ code, stderr }).toEqual({
        code: 1,
        stderr: expect.stringMatching(/^rwcat: listen: Too many open files\n$/),
      });
    });

    test("-l says why it may not, and that it gave up takes the listener along", async () => {
      expect(await agent.tool(["rwcat", "-l", "8.8.8.8", "5000"])).toMatchObject({
        code: 1,
        stderr: expect.stringMatching(/^rwcat: listen: Permission denied: /),
      });
      const it = agent.startTool(["rwcat", "-v", "-l", "0"]);
      await it.said(/listening on/);
      it.child.kill("SIGKILL");
      await streamsAre(host.monitor, 0);
    });
  });

  describe("rwfs", () => {
    const rwfs = (...args: readonly string[]) => agent.tool(["rwfs", ...args]);
    const fails = async (args: readonly string[], stderr: string | RegExp): Promise<void> => {
      const ran = await rwfs(...args);
      expect({ code: ran.code, stdout: ran.stdout.toString() }).toEqual({ code: 1, stdout: "" });
      if (typeof stderr === "string") expect(ran.stderr).toBe(stderr);
      else expect(ran.stderr).toMatch(stderr);
      expect(ran.stderr.split("\n").length).toBe(2);
    };

    test("put, ls, stat, get, mv, rm: what comes out is what went in", async () => {
      const bytes = pattern(9 * MiB + 3, 7);
      const local = join(host.folder, "local");
      writeFileSync(local, bytes);
      chmodSync(local, 0o640);
      expect(await rwfs("put", local, "/data/file")).toMatchObject({ code: 0, stderr: "" });
      expect(sha256(readFileSync(join(data, "file")))).toBe(sha256(bytes));
      expect(statSync(join(data, "file")).mode & 0o777).toBe(0o640);
      expect((await rwfs("ls", "/data")).stdout.toString()).toBe("file\nfixed\n");
      const line = /^-rw-r----- +9437187 {2}\d{4}-\d\d-\d\d \d\d:\d\d {2}/;
      expect((await rwfs("ls", "-l", "/data")).stdout.toString()).toMatch(
        new RegExp(`${line.source}file\ndrwxr-xr-x .* fixed\n$`),
      );
      expect((await rwfs("stat", "/data/file")).stdout.toString()).toMatch(
        new RegExp(`${line.source}/data/file\n$`),
      );
      const back = join(host.folder, "back");
      expect(await rwfs("get", "/data/file", back)).toMatchObject({ code: 0, stderr: "" });
      expect(sha256(readFileSync(back))).toBe(sha256(bytes));
      expect(statSync(back).mode & 0o777).toBe(0o640);
      expect(sha256((await rwfs("get", "/data/file", "-")).stdout)).toBe(sha256(bytes));
      expect(await rwfs("mkdir", "-p", "/data/a/b")).toMatchObject({ code: 0 });
      expect(await rwfs("mv", "/data/file", "/data/a/b/moved")).toMatchObject({ code: 0 });
      expect(await rwfs("rm", "/data/a/b/moved")).toMatchObject({ code: 0 });
      expect(await rwfs("rm", "-d", "/data/a/b")).toMatchObject({ code: 0 });
      expect(await rwfs("rm", "-d", "/data/a")).toMatchObject({ code: 0 });
      expect((await rwfs("ls", "/data")).stdout.toString()).toBe("fixed\n");
    });

    test("puts what comes from stdin, also nothing", async () => {
      expect(await agent.tool(["rwfs", "put", "-", "/data/typed"], "typed\n")).toMatchObject({
        code: 0,
        stderr: "",
      });
      expect(readFileSync(join(data, "typed"), "utf8")).toBe("typed\n");
      expect(await agent.tool(["rwfs", "put", "-", "/data/typed"], "")).toMatchObject({
        code: 0,
        stderr: "",
      });
      expect(readFileSync(join(data, "typed"), "utf8")).toBe("");
      expect(await rwfs("rm", "/data/typed")).toMatchObject({ code: 0 });
    });

    test("rm -r removes a folder and all that is in it, and no more than links to what is elsewhere", async () => {
      mkdirSync(join(data, "tree/a/b"), { recursive: true });
      mkdirSync(join(data, "tree/empty"));
      for (let i = 0; i < 50; i++) writeFileSync(join(data, `tree/a/b/${"x".repeat(i + 1)}`), "");
      writeFileSync(join(data, "kept"), "");
      symlinkSync("../kept", join(data, "tree/a/file-link"));
      symlinkSync("../../fixed", join(data, "tree/a/folder-link"));
      expect(await rwfs("rm", "-r", "/data/tree")).toMatchObject({ code: 0, stderr: "" });
      expect((await rwfs("ls", "/data")).stdout.toString()).toBe("fixed\nkept\n");
      expect(await rwfs("rm", "-r", "/data/kept")).toMatchObject({ code: 0, stderr: "" });
    });

    test("lists a folder of a thousand", async () => {
      const many = join(data, "many");
      mkdirSync(many);
      const names = Array.from({ length: 1000 }, (_, i) => `file-${i}-${"x".repeat(i % 200)}`);
      for (const name of names) writeFileSync(join(many, name), "");
      const { code, stdout } = await rwfs("ls", "-l", "/data/many");
      expect(code).toBe(0);
      const listed = stdout
        .toString()
        .trim()
        .split("\n")
        .map((line) => line.split("  ").at(-1));
      expect(listed).toEqual(names.sort());
    });

    test.skipIf(noTerminal !== undefined)(
      titled("on a terminal the control bytes of a name are not", noTerminal),
      async () => {
        const folder = join(data, "odd");
        mkdirSync(folder);
        writeFileSync(join(folder, "a\u001b[2Jb\u007f\nc"), "");
        const bare = `${program} rwfs --service ${agent.service}`;
        const onTerminal = async (what: string): Promise<string> =>
          (await start("script", ["-qefc", `${bare} ${what}`, "/dev/null"], "").done).stdout.toString();
        expect(await onTerminal("ls /data/odd")).toBe("a?[2Jb??c\r\n");
        expect(await onTerminal("ls -l /data/odd")).toMatch(/ {2}a\?\[2Jb\?\?c\r\n$/);
        expect((await rwfs("ls", "/data/odd")).stdout.toString()).toBe("a\u001b[2Jb\u007f\nc\n");
      },
    );

    test("a symlink is shown, not followed", async () => {
      symlinkSync("many", join(data, "link"));
      symlinkSync("loop", join(data, "loop"));
      writeFileSync(join(data, "file"), "");
      expect((await rwfs("stat", "/data/link")).stdout.toString()).toMatch(/^l.* \/data\/link\n$/);
    });

    test.each([
      [["get", "/data/none", "-"], "rwfs: /data/none: No such file or directory\n"],
      [["get", "/data/fixed", "-"], "rwfs: /data/fixed: Is a directory\n"],
      [["get", "/etc/passwd", "-"], "rwfs: /etc/passwd: Permission denied: "],
      [["put", "/dev/null", "/data/fixed/x"], "rwfs: /data/fixed/x: Read-only file system: "],
      [["put", "/nonexistent/file", "/data/x"], "rwfs: /nonexistent/file: No such file or directory\n"],
      [["put", "/tmp", "/data/x"], "rwfs: /tmp: Is a directory\n"],
      [["ls", "/data/none"], "rwfs: /data/none: No such file or directory\n"],
      [["ls", "relative"], "rwfs: relative: "],
      [["stat", "/data/../etc"], "rwfs: /data/../etc: Permission denied: "],
      [["stat", `/data/${"x".repeat(5000)}`], "rwfs: /data/xxx"],
      [["mkdir", "/data/many"], "rwfs: /data/many: File exists\n"],
      [["mkdir", "/data/fixed"], "rwfs: /data/fixed: Read-only file system: "],
      [["mkdir", "/data/no/such"], "rwfs: /data/no/such: No such file or directory\n"],
      [["mv", "/data/none", "/data/x"], "rwfs: /data/none: No such file or directory\n"],
      [["mv", "/data/many", "/data/no/such"], "rwfs: /data/no/such: No such file or directory\n"],
      [["mv", "/data/many", "/data/file/x"], "rwfs: /data/file/x: Not a directory\n"],
      [
        ["mv", "/data/many", "/nope/b"],
        'rwfs: /data/many to /nope/b: Permission denied: no files rule covers "/nope/b" ',
      ],
      [["mv", "/data/many", "/data/fixed/x"], "rwfs: /data/many to /data/fixed/x: "],
      [["mv", "/data/many", "/data/many/x"], "rwfs: /data/many to /data/many/x: Invalid argument\n"],
      [["rm", "-r", "/data/none"], "rwfs: /data/none: No such file or directory\n"],
      [["rm", "-r", "/data/fixed"], "rwfs: /data/fixed: "],
      [["get", "/data/loop", "-"], "rwfs: /data/loop: Too many levels of symbolic links\n"],
      [["rm", "/data/many"], "rwfs: /data/many: Is a directory\n"],
      [["rm", "-d", "/data/many"], "rwfs: /data/many: Directory not empty\n"],
    ])("%j says what was wrong, once, and exits 1", async (args, says) => {
      const words = says.replace(/[./]/g, "\\$&").replace(/\n$/, "\\n$");
      await fails(args, new RegExp(`^${words}`));
    });

    test("names the rule that refused", async () => {
      await fails(
        ["get", "/etc/passwd", "-"],
        'rwfs: /etc/passwd: Permission denied: no files rule covers "/etc/passwd" (rule default)\n',
      );
    });

    test("removes what it could not finish", async () => {
      const local = join(host.folder, "nowhere", "file");
      await fails(["get", "/data/many", local], /Is a directory/);
      expect(() => statSync(local)).toThrow();
      const full = await rwfs("get", "/data/link", "/dev/full");
      expect(full.code).toBe(1);
      expect(statSync("/dev/full").isCharacterDevice()).toBe(true);
    });

    test("says how much was written where the host takes no more", async () => {
      const { code, stderr } = await agent.tool(["rwfs", "put", "-", "/data/over"], pattern(48 * MiB));
      expect({ code, stderr }).toEqual({
        code: 1,
        stderr: expect.stringMatching(
          /^rwfs: \/data\/over: Disk quota exceeded: .+; (\d+) bytes were written\n$/,
        ),
      });
      expect(statSync(join(data, "over")).size).toBe(Number(/; (\d+) bytes/.exec(stderr)![1]));
    });

    test.each([
      [[]],
      [["frobnicate"]],
      [["get"]],
      [["get", "a", "b", "c"]],
      [["put", "a"]],
      [["ls"]],
      [["ls", "-p", "/data"]],
      [["mv", "/data"]],
      [["rm", "-l", "/data"]],
      [["rm", "-rd", "/data"]],
      [["ls", "-t", "/data"]],
      [["ls", "-l", "-d", "/data"]],
      [["-t", "soon", "ls", "/data"]],
    ])("calls %j wrong usage, and exits 2", async (args) => {
      const { code, stdout, stderr } = await rwfs(...args);
      expect({ code, stdout: stdout.length }).toEqual({ code: 2, stdout: 0 });
      expect(stderr).toMatch(/^rwfs: .+\nTry rwfs --help\.\n$/);
    });

    test("is a guest of its own where there is no agent", async () => {
      const { code, stdout } = await start(program, ["rwfs", "-s", host.path, "ls", "/data"], "").done;
      expect({ code, stdout: stdout.toString() }).toEqual({
        code: 0,
        stdout: expect.stringContaining("many\n"),
      });
      // Another monitor: what the agent of the same user has written before counts for this one's guests as well.
      await using other = await startMonitor(
        `version: 1\nfiles: [{ guest: /data, host: ${data}, access: rw }]\n`,
      );
      const env = { RINGWAY_SOCKET: other.path };
      const put = await start(program, ["rwfs", "put", "-", "/data/own"], "own", env).done;
      expect(put).toMatchObject({ code: 0, stderr: "" });
      expect(readFileSync(join(data, "own"), "utf8")).toBe("own");
      const absent = await start(program, ["rwfs", "--service", "/nonexistent/sock", "ls", "/"], "").done;
      expect(absent).toMatchObject({
        code: 1,
        stderr: "rwfs: /: /nonexistent/sock: No such file or directory\n",
      });
    });
  });

  test("exit tells the host, through the agent or not", async () => {
    expect(await agent.tool(["exit", "42"])).toMatchObject({ code: 0, stderr: "" });
    await until("the host to know", () => exits.includes(42));
    expect(await start(program, ["exit", "-s", host.path, "43"], "").done).toMatchObject({
      code: 0,
      stderr: "",
    });
    await until("the host to know", () => exits.includes(43));
    for (const args of [[], ["256"], ["-1"], ["1", "2"], ["one"]]) {
      expect(await agent.tool(["exit", ...args])).toMatchObject({ code: 2 });
    }
  });

  test("exit waits for a monitor, and fails where none comes", async () => {
    const path = join(host.folder, "later.sock");
    await using waiting = await startAgent(program, ["--socket", path], ["--hold-ms", "20000"]);
    await waiting.said(/: waiting\n/);
    const exit = waiting.startTool(["exit", "44"], "");
    // And one that says no more than that.
    using wire = await Wire.unix(waiting.service);
    wire.socket.end(frame(4, 0x0104, 1, 45));
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(exit.child.exitCode).toBe(null);
    {
      using _monitor = await MonitorProgram.start(path, "version: 1\n");
      expect(await exit.done).toMatchObject({ code: 0, stderr: "" });
      expect(await wire.rest()).toMatchObject({ how: "end", bytes: Buffer.alloc(0) });
    }
    await using without = await startAgent(program, ["--socket", `${path}-never`], ["--hold-ms", "100"]);
    expect(await without.tool(["exit", "46"])).toMatchObject({ code: 1 });
  });

  test("who ends before the first frame is there gets a mark, not only an end", async () => {
    using wire = await Wire.unix(agent.service);
    wire.socket.end(frame(4, 0x0104, 1));
    expect((await wire.rest()).bytes.length).toBe(1);
  });

  test.skipIf(noPython !== undefined)(
    titled("a monitor whose backlog is full is waited for no longer than one that says nothing", noPython),
    async () => {
      const path = join(host.folder, "full.sock");
      const full = `
import socket, sys, time
server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
server.bind(sys.argv[1])
server.listen(0)
clients = []
try:
  while True:
    clients.append(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
    clients[-1].setblocking(False)
    clients[-1].connect(sys.argv[1])
except BlockingIOError: print("full", file=sys.stderr, flush=True)
time.sleep(60)
`;
      const python = start("python3", ["-c", full, path]);
      await python.said(/full/);
      const began = performance.now();
      const { code, stderr } = await start(program, ["rwcat", "-s", path, "-t", "300", "h", "1"], "").done;
      expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringMatching(/timed out/) });
      expect(performance.now() - began).toBeLessThan(5000);
      python.child.kill("SIGKILL");
      await python.done;
    },
  );

  test("more listeners than there are streams: each goes on when another lets go of one", async () => {
    // 100 connections and 64 streams more; each listener wants two.
    await using many = await startMonitor(
      "version: 1\nlisten: [{ allow: 127.0.0.0/8, ports: [0, 1024-65535] }]\nlimits: { regionBytes: 64MiB }\n",
    );
    await using small = await attachedAgent(program, many.path, ["--streams", "100"]);
    const wires = await Promise.all(Array.from({ length: 100 }, () => Wire.unix(small.service)));
    for (const wire of wires) wire.socket.write(frame(32, 0x0201, 6, 3, 1, 4, 0, 0x0100007f, 0, 0, 0));
    const listen = (): Wire[] => wires.filter((wire) => wire.bytes.length === 36);
    await until("some to listen", () => listen().length >= 64);
    await new Promise((resolve) => setTimeout(resolve, 200));
    const first = listen();
    const before = first.length;
    expect(before).toBeLessThan(90);
    // Some end, with both of their streams; then connections come, and the listeners go.
    for (const wire of first.splice(0, 10)) wire.socket.destroy();
    await until("more to listen", () => listen().length >= before + 10);
    for (const wire of first.splice(0, 40)) (await tcpClient(wire.bytes.readUInt32LE(16))).destroy();
    await until("all to have listened", () => wires.every((wire) => wire.bytes.length >= 36));
    for (const wire of wires) wire.socket.destroy();
    await streamsAre(many.monitor, 0);
  });

  test("only its owner may use the socket", () => {
    expect(statSync(agent.service).mode & 0o777).toBe(0o600);
  });

  test.each([
    ["nothing", Buffer.alloc(0)],
    ["half a frame", Buffer.alloc(7)],
    ["a frame of another kind", Buffer.from("0400000001030000010000000000", "hex")],
    ["zeros", Buffer.alloc(5000)],
    ["a listener of the wrong length", Buffer.from("0400000001020000010000000300000000", "hex")],
  ])("%s, and the end: the agent hangs up", async (_what, bytes) => {
    using wire = await Wire.unix(agent.service);
    wire.socket.end(bytes);
    await wire.rest();
    await streamsAre(host.monitor, 0);
  });

  test("bytes that are no frames end their stream and nothing else", async () => {
    await using server = await echoServer();
    const other = agent.startTool(["rwcat", "-v", "127.0.0.1", String(server.port)]);
    await other.said(/connected/);
    using wire = await Wire.unix(agent.service);
    // An Open of the echo protocol that is as long as no frame may be.
    wire.socket.write(Buffer.from("ffffffff010200000100000001000000", "hex"));
    expect((await wire.rest()).bytes.length).toBeLessThanOrEqual(1);
    await until("the violation", () => host.violations.length > 0);
    expect(host.violations.length).toBe(1);
    other.child.stdin.end("still here");
    expect((await other.done).stdout.toString()).toBe("still here");
  });

  test("the Open of a program goes through byte by byte", async () => {
    using wire = await Wire.unix(agent.service);
    await wire.dribble(Buffer.from("0400000001020000070000000100000068656c6c6f", "hex"));
    const opened = await wire.take(12 + 5);
    expect(opened.toString("hex")).toBe(`000000000182000007000000${Buffer.from("hello").toString("hex")}`);
    wire.socket.end();
    expect((await wire.rest()).how).toBe("end");
  });

  test("a socket that a killed agent has left is taken over", async () => {
    const path = join(host.folder, "left.sock");
    const begin = async (): Promise<Running> => {
      const args = ["--socket", host.path, "--socks", "off", "--http", "off", "--service", path];
      const running = start(program, args);
      await running.said(/programs of Ringway on/);
      await running.said(/attached/);
      return running;
    };
    const first = await begin();
    first.child.kill("SIGKILL");
    await first.done;
    expect(statSync(path).isSocket()).toBe(true);
    const second = await begin();
    expect((await start(program, ["rwfs", "--service", path, "ls", "/data"], "").done).code).toBe(0);
    second.child.kill("SIGTERM");
    expect((await second.done).code).toBe(0);
    expect(() => statSync(path)).toThrow("ENOENT");
  });

  test("an agent that ends leaves the socket alone that another has put in its place", async () => {
    const path = join(host.folder, "replaced.sock");
    const begin = async (): Promise<Running> => {
      const args = ["--socket", host.path, "--socks", "off", "--http", "off", "--service", path];
      const running = start(program, args);
      await running.said(/programs of Ringway on/);
      return running;
    };
    const first = await begin();
    rmSync(path);
    const second = await begin();
    const { ino } = statSync(path);
    first.child.kill("SIGTERM");
    expect((await first.done).code).toBe(0);
    expect(statSync(path).ino).toBe(ino);
    second.child.kill("SIGTERM");
    expect((await second.done).code).toBe(0);
    expect(() => statSync(path)).toThrow("ENOENT");
  });

  test("a second agent leaves the socket of the first alone", async () => {
    const args = ["--socket", host.path, "--socks", "off", "--http", "off", "--service", agent.service];
    const { code, stderr } = await start(program, args, "").done;
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: `ringway-agent: listen on ${agent.service} (--service PATH|off): Address already in use\n`,
    });
    expect((await agent.tool(["rwfs", "ls", "/data"])).code).toBe(0);
  });

  test.skipIf(noMounts !== undefined)(
    titled("a second agent in the same /run goes on without the socket, and says so", noMounts),
    async () => {
      const args = ["--socks", "off", "--http", "off"];
      const script = `mount -t tmpfs none /run
"$0" ${args.join(" ")} & first=$!
until [ -S /run/ringway.sock ]; do sleep 0.02; done
"$0" ${args.join(" ")} & second=$!
read -r _
"$0" rwfs --service /run/ringway.sock ls /data
kill $first $second; wait`;
      const both = start(
        "unshare",
        ["--user", "--map-root-user", "--mount", "sh", "-c", script, program],
        undefined,
        {
          RINGWAY_SOCKET: host.path,
        },
      );
      await both.said(
        /no service socket: \/run\/ringway\.sock: another agent has it; --service PATH gives this one its own\n/,
      );
      await both.said(/(attached, epoch \d+\n[\s\S]*){2}/);
      both.child.stdin.end("\n");
      expect((await both.done).stdout.toString()).toContain("fixed\n");
    },
  );
});
