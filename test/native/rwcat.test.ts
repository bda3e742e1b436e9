// rwcat, built with sanitizers, against a real monitor, real sockets and real files.

import { execFile, spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { acceptUnix, closeFd, listenUnix, sendWithFds } from "@ringway/linux";
import { beforeAll, describe, expect, test } from "vitest";
import { KiB, MiB, pattern, sha256 } from "../support/bytes.ts";
import { answerEarly, FdServer, REPLY, ROUNDS, UPLOAD } from "../support/fd-tcp.ts";
import { heldForAll } from "../support/held.ts";
import { guestsAre, startMonitor, streamsAre, type TestMonitor } from "../support/monitor.ts";
import { echoServer, freePort, howItEnds, readAll, tcpServer } from "../support/tcp.ts";
import { until, within } from "../support/wait.ts";
import { bridge } from "./bridge.ts";
import { type Ran, type Running, start } from "./rwcat-process.ts";
import { buildForTests, lacks, make, NATIVE, noCompiler, titled } from "./toolchain.ts";

const BUILD_MS = 180_000;
const BULK = 64 * MiB;

describe.skipIf(noCompiler !== undefined)(titled("rwcat", noCompiler), () => {
  let host: TestMonitor;
  let program: string;

  const go = (args: readonly string[], input?: Uint8Array | string): Running =>
    start(program, args, input, { RINGWAY_SOCKET: host.path });
  const ran = (args: readonly string[], input: Uint8Array | string = ""): Promise<Ran> =>
    go(args, input).done;

  const hold = heldForAll();
  beforeAll(async () => {
    program = join(buildForTests(), "rwcat");
    host = hold(
      await startMonitor(`version: 1
connect:
  - { id: no-web, deny: 127.0.0.0/8, ports: 80 }
  - { id: local, allow: [127.0.0.0/8, "::1/128"] }
listen:
  - { id: local-listen, allow: [127.0.0.0/8, "::1/128"], ports: [0, 1024-65535] }
files:
  - { id: fixed, guest: /fixed, host: /usr/share, access: ro }
limits: { regionBytes: 16MiB, fileBytesWritten: 48MiB }
`),
    );
  }, BUILD_MS);

  test("carries 64 MiB to an echo and back, unchanged", async () => {
    await using server = await echoServer();
    const bytes = pattern(BULK);
    const { code, stdout, stderr } = await ran(["127.0.0.1", String(server.port)], bytes);
    expect({ code, stderr, length: stdout.length }).toEqual({ code: 0, stderr: "", length: BULK });
    expect(sha256(stdout)).toBe(sha256(bytes));
    await guestsAre(host.monitor, 0);
  }, 60_000);

  test("carries 64 MiB between pipes of a shell, whose reader is slow to begin", async () => {
    await using server = await echoServer();
    const file = join(host.folder, "bulk");
    const bytes = pattern(BULK, 3);
    writeFileSync(file, bytes);
    const script = `cat "$1" | "$2" 127.0.0.1 "$3" | { sleep 0.2; sha256sum; }`;
    const env = { PATH: process.env.PATH, RINGWAY_SOCKET: host.path };
    const args = ["-o", "pipefail", "-c", script, "bash", file, program, String(server.port)];
    const { stdout } = await promisify(execFile)("bash", args, { env, timeout: 50_000 });
    expect(stdout.split(" ")[0]).toBe(sha256(bytes));
  }, 60_000);

  test("half-closes as nc -N does: the answer comes after the end of the question", async () => {
    await using server = await tcpServer((socket) => {
      void readAll(socket).then((question) => socket.end(sha256(question)));
    });
    const bytes = pattern(3 * MiB + 17);
    const { code, stdout } = await ran(["127.0.0.1", String(server.port)], bytes);
    expect({ code, answer: stdout.toString() }).toEqual({ code: 0, answer: sha256(bytes) });
  });

  test("ends its output when the peer has ended, and goes on sending", async () => {
    let peer: Socket | undefined;
    await using server = await tcpServer((socket) => {
      peer = socket;
      socket.end("greeting");
    });
    const { child, done } = go(["-v", "127.0.0.1", String(server.port)]);
    expect((await once(child.stdout, "data"))[0].toString()).toBe("greeting");
    await within("the end of stdout", once(child.stdout, "end"));
    const received = readAll(peer!);
    child.stdin.end(pattern(512 * KiB));
    expect(sha256(await received)).toBe(sha256(pattern(512 * KiB)));
    const { code, stderr } = await done;
    expect({ code, stderr }).toEqual({ code: 0, stderr: `rwcat: connected to 127.0.0.1:${server.port}\n` });
  });

  test("tells of a reset, and exits 1", async () => {
    await using server = await tcpServer((socket) => void setTimeout(() => socket.resetAndDestroy(), 50));
    const { code, stderr } = await go(["127.0.0.1", String(server.port)]).done;
    expect({ code, stderr }).toEqual({ code: 1, stderr: "rwcat: receiving: connection reset\n" });
  });

  test("writes all of an answer to stdout, though its server closed with the question unread, and exits 1", async () => {
    for (let i = 0; i < ROUNDS; i++) {
      using server = new FdServer();
      const answered = server.accept().then((socket) => answerEarly(socket));
      const { code, stdout, stderr } = await ran(["127.0.0.1", String(server.port)], UPLOAD);
      await answered;
      expect({ code, stderr }).toEqual({ code: 1, stderr: "rwcat: receiving: connection reset\n" });
      expect([stdout.length, sha256(stdout)]).toEqual([REPLY.length, sha256(REPLY)]);
    }
  });

  test("resets the connection when it is killed in the middle", async () => {
    await using server = await tcpServer();
    const { child } = go(["-v", "127.0.0.1", String(server.port)]);
    child.stdin.write("some");
    const peer = await until("the connection", () => server.sockets[0]);
    const ends = howItEnds(peer);
    await once(peer, "data");
    child.kill("SIGKILL");
    expect(await ends).toBe("ECONNRESET");
    await streamsAre(host.monitor, 0);
  });

  test("says why the host refused, and exits 1", async () => {
    expect(await ran(["127.0.0.1", "80"])).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(
        /^rwcat: connect to 127\.0\.0\.1:80: Permission denied: .+ is denied by rule "no-web" \(\S+\)\n$/,
      ),
    });
    expect(await ran(["example.com", "443"])).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^rwcat: connect to example\.com:443: Permission denied: .+\n$/),
    });
    const port = await freePort();
    expect(await ran(["127.0.0.1", String(port)])).toMatchObject({
      code: 1,
      stderr: `rwcat: connect to 127.0.0.1:${port}: Connection refused\n`,
    });
  });

  test.each([
    [[]],
    [["127.0.0.1"]],
    [["127.0.0.1", "0"]],
    [["127.0.0.1", "65536"]],
    [["127.0.0.1", "http"]],
    [["127.0.0.1", "80", "81"]],
    [["-l"]],
    [["-l", "a", "b", "c"]],
    [["--get"]],
    [["--get", "/a", "--put", "/b"]],
    [["--get", "/a", "host", "80"]],
    [["--nonsense", "h", "80"]],
    [["-r", "/dev/null", "h", "80"]],
    [["-b", "soon", "h", "80"]],
  ])("calls %j wrong usage, and exits 2", async (args) => {
    const { code, stdout, stderr } = await ran(args);
    expect({ code, stdout: stdout.length }).toEqual({ code: 2, stdout: 0 });
    expect(stderr).toMatch(/^rwcat: .+\nTry rwcat --help\.\n$/);
  });

  test("has help on stdout, and says where it looked for a monitor", async () => {
    const help = await ran(["--help"]);
    expect(help.code).toBe(0);
    expect(help.stdout.toString()).toContain("rwcat [OPTIONS] HOST PORT");
    const missing = await ran(["-s", "/nonexistent/attach.sock", "127.0.0.1", "80"]);
    expect(missing).toMatchObject({ code: 1 });
    expect(missing.stderr).toBe(
      "rwcat: attach: /nonexistent/attach.sock: No such file or directory: no monitor listens there\n",
    );
    const none = await start(program, ["127.0.0.1", "80"], "").done;
    expect(none).toMatchObject({ code: 2, stderr: expect.stringContaining("RINGWAY_SOCKET") });
  });

  describe("-l", () => {
    async function listening(
      args: readonly string[] = [],
      input?: string,
    ): Promise<{ it: Running; port: number }> {
      const it = go(["-v", "-l", ...args, "0"], input);
      const [, port] = await it.said(/listening on \S+:(\d+)\n/);
      return { it, port: Number(port) };
    }

    const noCurl = spawnSync("curl", ["--version"]).error ? "curl is not installed" : undefined;
    test.skipIf(noCurl !== undefined)(titled("answers curl", noCurl), async () => {
      const answer = "HTTP/1.0 200 OK\r\nContent-Length: 6\r\n\r\nhello\n";
      const { it, port } = await listening([], answer);
      const { stdout } = await promisify(execFile)("curl", [
        "-sS",
        "-m",
        "10",
        `http://127.0.0.1:${port}/path`,
      ]);
      expect(stdout).toBe("hello\n");
      const { code, stdout: request, stderr } = await it.done;
      expect(code).toBe(0);
      expect(request.toString()).toMatch(/^GET \/path HTTP\/1.1\r\n/);
      expect(stderr).toMatch(/connection from 127\.0\.0\.1:\d+\n$/);
    });

    const noSocat = spawnSync("socat", ["-V"]).error ? "socat is not installed" : undefined;
    test.skipIf(noSocat !== undefined)(
      titled("gives socat both directions, 8 MiB each", noSocat),
      async () => {
        const { it, port } = await listening();
        const out = pattern(8 * MiB, 5);
        const back = pattern(8 * MiB, 6);
        it.child.stdin.end(back);
        const client = start("socat", ["-t10", "-", `TCP:127.0.0.1:${port}`], out);
        const [ours, theirs] = await Promise.all([it.done, client.done]);
        expect([ours.code, theirs.code]).toEqual([0, 0]);
        expect(sha256(ours.stdout)).toBe(sha256(out));
        expect(sha256(theirs.stdout)).toBe(sha256(back));
      },
    );

    test("takes one connection, and then listens no more", async () => {
      const { it, port } = await listening(["::1"]);
      const first = connect(port, "::1").setEncoding("utf8");
      await it.said(/connection from \[::1\]:/);
      // One that comes before the host has closed the listener is reset; none is served.
      await until("a refusal", async () => {
        const [error] = await within("an error", once(connect(port, "::1"), "error"));
        expect(["ECONNREFUSED", "ECONNRESET"]).toContain(error.code);
        return error.code === "ECONNREFUSED";
      });
      it.child.stdin.end("one\n");
      first.end("two\n");
      expect((await it.done).stdout.toString()).toBe("two\n");
    });

    test("says why it may not", async () => {
      expect(await ran(["-l", "8.8.8.8", "5000"])).toMatchObject({
        code: 1,
        stderr: expect.stringMatching(/^rwcat: listen: Permission denied: /),
      });
      expect((await ran(["-l", "nowhere", "5000"])).stderr).toBe("rwcat: nowhere: Invalid argument\n");
    });
  });

  describe("files", () => {
    let files: TestMonitor;
    let data: string;
    const fileCat = (args: readonly string[], input: Uint8Array | string = ""): Promise<Ran> =>
      start(program, args, input, { RINGWAY_SOCKET: files.path }).done;

    const hold = heldForAll();
    beforeAll(async () => {
      data = join(host.folder, "data");
      mkdirSync(data);
      files = hold(
        await startMonitor(`version: 1
files:
  - { id: fixed, guest: /data/fixed, host: ${data}/fixed, access: ro }
  - { id: data, guest: /data, host: ${data}, access: rw }
limits: { fileBytesWritten: 64MiB }
`),
      );
    });

    test("--put, then --get: what comes out is what went in", async () => {
      const bytes = pattern(24 * MiB + 5, 9);
      expect(await fileCat(["--put", "/data/file"], bytes)).toMatchObject({ code: 0, stderr: "" });
      expect(sha256(readFileSync(join(data, "file")))).toBe(sha256(bytes));
      const { code, stdout, stderr } = await fileCat(["--get", "/data/file"]);
      expect({ code, stderr, sum: sha256(stdout) }).toEqual({ code: 0, stderr: "", sum: sha256(bytes) });
      // Shorter, and empty: the file is replaced.
      expect(await fileCat(["--put", "/data/file"], "short")).toMatchObject({ code: 0 });
      expect(readFileSync(join(data, "file"), "utf8")).toBe("short");
      expect(await fileCat(["--put", "/data/file"])).toMatchObject({ code: 0 });
      expect((await fileCat(["--get", "/data/file"])).stdout.length).toBe(0);
    });

    test("what cannot be is told, and exits 1", async () => {
      expect((await fileCat(["--get", "/data/none"])).stderr).toMatch(
        /^rwcat: \/data\/none: No such file or directory/,
      );
      expect((await fileCat(["--get", "/etc/passwd"])).stderr).toMatch(
        /^rwcat: \/etc\/passwd: Permission denied: /,
      );
      expect((await fileCat(["--put", "/data/none/below"], "x")).stderr).toMatch(/No such file or directory/);
      expect((await fileCat(["--get", "/data/\xff".repeat(3000)])).code).toBe(1);
    });

    test("a put past the guest's limit fails with the rest unsent", async () => {
      const { code, stderr } = await fileCat(["--put", "/data/large"], pattern(65 * MiB));
      expect(code).toBe(1);
      expect(stderr).toMatch(/^rwcat: \/data\/large: Disk quota exceeded: .+\n$/);
    }, 60_000);
  });

  test("notices that the monitor is gone", async () => {
    await using other = await startMonitor();
    await using server = await tcpServer();
    const it = start(program, ["-v", "127.0.0.1", String(server.port)], undefined, {
      RINGWAY_SOCKET: other.path,
    });
    await it.said(/connected/);
    await other.monitor[Symbol.asyncDispose]();
    const { code, stderr } = await it.done;
    expect(code).toBe(1);
    expect(stderr).toMatch(/rwcat: .+: (the monitor is gone|connection reset)\n$/);
    await other[Symbol.asyncDispose]();
  });

  test("works over a mapped file and a byte channel, as in a virtual machine", async () => {
    await using server = await echoServer();
    await using vm = await bridge(host.path, host.folder);
    const bytes = pattern(4 * MiB);
    const args = ["--region", vm.region, "--channel", vm.channel, "127.0.0.1", String(server.port)];
    const { code, stdout, stderr } = await start(program, args, bytes).done;
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(sha256(stdout)).toBe(sha256(bytes));
  });

  test("notices that the byte channel hangs up", async () => {
    await using server = await tcpServer();
    const vm = await bridge(host.path, host.folder);
    const args = ["-v", "--region", vm.region, "--channel", vm.channel, "127.0.0.1", String(server.port)];
    const it = start(program, args);
    await it.said(/connected/);
    await vm[Symbol.asyncDispose]();
    expect(await it.done).toMatchObject({ code: 1, stderr: expect.stringMatching(/the monitor is gone\n$/) });
  });

  test("is not deceived by a file that is no region", async () => {
    const file = join(host.folder, "garbage");
    await using vm = await bridge(host.path, host.folder);
    for (const [bytes, says] of [
      [new Uint8Array(8192), "this is not a Ringway region"],
      [new Uint8Array(100), "RW_BAD_SIZE"],
    ] as const) {
      writeFileSync(file, bytes);
      const { code, stderr } = await start(program, ["-r", file, "-c", vm.channel, "127.0.0.1", "81"], "")
        .done;
      expect(code).toBe(1);
      expect(stderr).toContain(says);
    }
  });

  describe("a monitor that greets wrongly", () => {
    const hello = (change: Readonly<Record<number, number>>): Uint8Array => {
      const words = Uint32Array.from([0x474e4952, 0x31594157, 1, 0, 0, 4, 0, 0]);
      for (const [index, word] of Object.entries(change)) words[Number(index)] = word;
      return new Uint8Array(words.buffer);
    };
    test.each([
      [
        "turns us away",
        hello({ 4: 24 }),
        0,
        "the monitor has no room for another guest: Too many open files",
      ],
      ["has another magic", hello({ 1: 7 }), 3, "this is not a Ringway region"],
      ["has another major version", hello({ 2: 2 }), 3, "another major version"],
      ["says too little", hello({}).subarray(0, 28), 3, "this is not a Ringway region"],
      ["says too much", new Uint8Array(40), 3, "this is not a Ringway region"],
      ["forgets the descriptors", hello({}), 0, "RW_BAD_STATE"],
      ["sends too few descriptors", hello({}), 2, "RW_BAD_STATE"],
      ["sends too many descriptors", hello({}), 5, "RW_BAD_STATE"],
      ["sends a region that could shrink", hello({}), 3, "RW_BAD_SUPERBLOCK"],
      ["hangs up", undefined, 0, "the monitor is gone"],
    ] as const)("%s", async (_what, bytes, descriptors, says) => {
      const path = join(host.folder, "false.sock");
      const listenFd = listenUnix(path);
      const files = Array.from({ length: descriptors }, () => openSync(join(host.folder, "plain"), "w+"));
      try {
        const it = start(program, ["-s", path, "127.0.0.1", "81"], "");
        const fd = await until("rwcat", () => {
          const accepted = acceptUnix(listenFd);
          return accepted >= 0 ? accepted : undefined;
        });
        if (bytes !== undefined) sendWithFds(fd, bytes, files);
        else closeFd(fd);
        const { code, stderr } = await it.done;
        if (bytes !== undefined) closeFd(fd);
        expect(code).toBe(1);
        expect(stderr).toMatch(/^rwcat: attach: [^\n]+\n$/);
        expect(stderr).toContain(says);
      } finally {
        closeFd(listenFd);
        for (const file of files) closeSync(file);
        rmSync(path, { force: true });
      }
    });
  });

  const noStatic = lacks("gcc", ["-static"]);
  test.skipIf(noStatic !== undefined)(titled("also as a static program", noStatic), async () => {
    make("static");
    await using server = await echoServer();
    const { code, stdout } = await start(
      join(NATIVE, "build/rwcat-static"),
      ["127.0.0.1", String(server.port)],
      "static",
      { RINGWAY_SOCKET: host.path },
    ).done;
    expect({ code, answer: stdout.toString() }).toEqual({ code: 0, answer: "static" });
  });
});
