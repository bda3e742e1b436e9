// The agent's binary: small, static, one file for several programs, and what it says to whoever calls it wrongly.

import { existsSync, mkdirSync, readFileSync, statSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { type Ran, start } from "../native/rwcat-process.ts";
import {
  buildWith,
  lacks,
  make,
  NATIVE,
  noClang,
  noCompiler,
  ROOT,
  run,
  titled,
} from "../native/toolchain.ts";
import { startMonitor } from "../support/monitor.ts";
import { tcpServer } from "../support/tcp.ts";
import { temporaryFolder } from "../support/temporary.ts";
import { attachedAgent, BUILD_MS, curl, missing } from "./agent.ts";

const SIZE_MAX_BYTES = 300 * 1024;
const noMusl = noCompiler ?? lacks("musl-gcc", ["-static"]);
const noCurl = missing("curl");

let out: string;
beforeAll(() => {
  out = temporaryFolder("agent-build");
});

describe.skipIf(noMusl !== undefined)(titled("ringway-agent, with musl", noMusl), () => {
  let binary: string;
  const ran = (...args: readonly string[]): Promise<Ran> => start(binary, args, "").done;

  beforeAll(() => {
    make("agent");
    binary = join(NATIVE, "build/ringway-agent");
  }, BUILD_MS);

  test("is one static program of less than 300 KiB", () => {
    expect(statSync(binary).size).toBeLessThan(SIZE_MAX_BYTES);
    const { stdout } = run("readelf", ["-lW", binary]);
    expect(stdout).toContain("LOAD");
    expect(stdout).not.toMatch(/INTERP/);
    expect(run("readelf", ["-dW", binary]).stdout).not.toMatch(/NEEDED/);
  });

  test("is called by its names", async () => {
    const bin = join(out, "bin");
    mkdirSync(bin);
    for (const name of ["rwcat", "rwfs"]) {
      symlinkSync(binary, join(bin, name));
      for (const help of [start(join(bin, name), ["--help"], "").done, ran(name, "--help")]) {
        const { code, stdout, stderr } = await help;
        expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
        expect(stdout.toString()).toMatch(new RegExp(`^usage: ${name} `));
      }
    }
    const { code, stdout } = await ran("--help");
    expect({ code, text: stdout.toString() }).toEqual({
      code: 0,
      text: expect.stringMatching(/^usage: ringway-agent /),
    });
  });

  test.each([
    [["--frobnicate"], "unknown option: --frobnicate"],
    [["stray"], "unknown option: stray"],
    [["--names", "real"], "--names goes with --transparent"],
    [
      ["--mount", "/data,wathc"],
      "--mount /data,wathc: did you mean ,watch? A folder with such a name has / behind it",
    ],
    [["--socket", "s", "--memory", "m"], "--socket goes without --memory and --channel"],
  ])("calls %j wrong usage, and exits 2", async (args, says) => {
    const { code, stdout, stderr } = await ran(...args);
    expect({ code, stdout: stdout.length, stderr }).toEqual({
      code: 2,
      stdout: 0,
      stderr: `ringway-agent: ${says}\nringway-agent: try --help\n`,
    });
  });

  const PROXY = "[ADDRESS:]PORT or off, such as 1080 or [::1]:1080";
  const FORWARD = "[ADDRESS:]PORT:HOST:HOSTPORT, such as 8080:example.com:80";
  const PUBLISH = "auto or [HOSTADDR:]HOSTPORT:PORT, such as 8080:80";
  const SOCKET = "the path of a socket";
  const MOUNT = "PATH[:FOLDER][,watch][,writeback], such as /data or /data:/mnt/data";
  /** By option: what it expects, and values that it does not take. */
  const expected: Record<string, readonly [expects: string, ...wrong: string[]]> = {
    "--memory": ["the path of a file", ""],
    "--channel": ["the path of a device or a socket", ""],
    "--tty": ["the path of a device", ""],
    "--socket": [SOCKET, ""],
    "--wait-ms": ["a number from 0 to 86400000", "-1", "1s", "86400001"],
    "--socks": [PROXY, "", "70000", "localhost:1080", "::1:80", "on"],
    "--http": [PROXY, "1.2.3:80", "1.2.3.4:"],
    "--forward": [FORWARD, "80", "80:host", "80::80", "80:host:0", "name:80:host:80", "70000:host:80"],
    "--publish": [PUBLISH, "80", "name:80:80", "80:0", ":80:80"],
    "--mount": [MOUNT, "", "data", "/", "/data:/", "data:/mnt", ",", ",watch", "/,watch"],
    "--names": ["own, learn, real or off", "true"],
    "--service": [`${SOCKET}, or off`, ""],
    "--streams": ["a number from 1 to 32639", "0", "32640", "99999999999999999999", ""],
    "--hold-ms": ["a number from 0 to 3600000", "soon"],
    "--turn-ms": ["a number from 1 to 3600000", "0"],
    "--handshake-ms": ["a number from 1 to 3600000", "0"],
    "--busy-poll-us": ["a number from 0 to 1000000", "1e3"],
  };

  test("says of each option that takes a value what it expected, and what it found", async () => {
    const { stdout } = await ran("--help");
    const options = [...stdout.toString().matchAll(/^ {6}(--[a-z-]+) [^ ]/gm)].map(([, option]) => option);
    expect(options.sort()).toEqual(Object.keys(expected).sort());
    for (const [option, [expects, ...values]] of Object.entries(expected)) {
      for (const value of [undefined, ...values]) {
        const { code, stderr } = await ran(option, ...(value === undefined ? [] : [value]));
        const found = value === undefined ? "nothing" : `"${value}"`;
        const line = `ringway-agent: ${option}: expected ${expects}; found ${found}`;
        expect({ code, stderr }).toEqual({ code: 2, stderr: `${line}\nringway-agent: try --help\n` });
      }
    }
  });

  test("ends where it cannot listen", async () => {
    await using server = await tcpServer();
    const { code, stderr } = await ran("--socks", String(server.port), "--http", "off", "--service", "off");
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: expect.stringMatching(
        new RegExp(
          `^ringway-agent: listen on ${server.port} \\(--socks PORT\\|off\\): Address already in use\n$`,
        ),
      ),
    });
    expect(await ran("--socks", "off", "--http", "off", "--service", "/nonexistent/x")).toMatchObject({
      code: 1,
      stderr: "ringway-agent: listen on /nonexistent/x (--service PATH|off): No such file or directory\n",
    });
  });

  test("each of its programs says its version, which is the packages'", async () => {
    const { version } = JSON.parse(readFileSync(join(ROOT, "packages/cli/package.json"), "utf8")) as {
      version: string;
    };
    for (const [args, name] of [
      [["--version"], "ringway-agent"],
      [["-V"], "ringway-agent"],
      [["rwcat", "--version"], "rwcat"],
      [["rwfs", "-V"], "rwfs"],
      [["exit", "--version"], "ringway-agent exit"],
    ] as const) {
      const { code, stdout, stderr } = await ran(...args);
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      expect(stdout.toString()).toBe(`${name} ${version}, protocol 1.1\n`);
    }
    expect((await ran("exit", "--help")).stdout.toString()).toMatch(/^usage: ringway-agent exit /);
  });

  const ALONE = ["--socks", "off", "--http", "off", "--service", "off"];

  test("waits for devices that are not there yet, says for how long, and stops when it is told to", async () => {
    if (existsSync("/sys/class/virtio-ports/vport0p0")) return;
    const what =
      "no ivshmem device \\(1af4:1110\\), and no --socket PATH or RINGWAY_SOCKET, as a process has it: No such device";
    for (const [options, limit] of [
      [[], ", 60 s at most"],
      [["--wait-ms", "0"], ""],
    ] as const) {
      const running = start(binary, [...ALONE, ...options]);
      await running.said(new RegExp(`^ringway-agent: ${what}: waiting${limit}\n$`));
      running.child.kill("SIGINT");
      expect((await running.done).code).toBe(0);
    }
    const { code, stderr } = await ran(...ALONE, "--wait-ms", "50");
    expect(code).toBe(1);
    expect(stderr).toMatch(
      new RegExp(
        `^ringway-agent: ${what}: waiting, 50 ms at most\nringway-agent: gave up after 50 ms \\(--wait-ms\\): ${what}\n$`,
      ),
    );
  });

  test("waits for the monitor of a socket for ever, unless --wait-ms says how long", async () => {
    const running = start(binary, [...ALONE, "--socket", join(out, "none")]);
    await running.said(/none: No such file or directory: no monitor listens there: waiting\n$/);
    running.child.kill("SIGINT");
    await running.done;
    const { code, stderr } = await ran(...ALONE, "--socket", join(out, "none"), "--wait-ms", "50");
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /gave up after 50 ms \(--wait-ms\): \S+none: No such file or directory: no monitor listens there\n$/,
    );
  });

  test("finds its host by RINGWAY_SOCKET, and stays when that goes, whatever --wait-ms says", async () => {
    let host = await startMonitor();
    const running = start(binary, [...ALONE, "--wait-ms", "2000"], undefined, { RINGWAY_SOCKET: host.path });
    await running.said(/attached, epoch \d+\n$/);
    await host[Symbol.asyncDispose]();
    await running.said(/No such file or directory: no monitor listens there: waiting\n$/);
    await new Promise((resolve) => setTimeout(resolve, 2100));
    expect(running.child.exitCode).toBe(null);
    running.child.kill("SIGINT");
    expect((await running.done).code).toBe(0);
    // Said is said: the environment comes after the command line, and nothing in it is nothing.
    host = await startMonitor();
    const other = start(binary, [...ALONE, "--socket", host.path], undefined, {
      RINGWAY_SOCKET: "/nonexistent",
    });
    await other.said(/^ringway-agent: attached/);
    other.child.kill("SIGINT");
    await other.done;
    await host[Symbol.asyncDispose]();
    const empty = start(binary, [...ALONE, "--wait-ms", "50"], "", { RINGWAY_SOCKET: "" });
    await empty.said(/no ivshmem device/);
    expect((await empty.done).code).toBe(1);
  });

  test("its libc's words for an error are the host's, so that neither is said twice", async () => {
    await using host = await startMonitor();
    await using server = await tcpServer();
    const env = { RINGWAY_SOCKET: host.path };
    const { stderr } = await start(binary, ["rwcat", "-l", String(server.port)], "", env).done;
    expect(stderr.match(/in use/g)?.length, stderr).toBe(1);
  });

  test.skipIf(noCurl !== undefined)(titled("serves curl", noCurl), async () => {
    await using host = await startMonitor();
    await using server = await tcpServer((socket) => {
      socket.resume().end("HTTP/1.0 200 OK\r\n\r\nhello\n");
    });
    await using agent = await attachedAgent(binary, host.path);
    const { stdout } = await curl(
      "--socks5-hostname",
      `127.0.0.1:${agent.socks}`,
      `http://127.0.0.1:${server.port}/`,
    );
    expect(stdout.toString()).toBe("hello\n");
  });
});

describe.skipIf(noCompiler !== undefined)(titled("ringway-agent, with another libc", noCompiler), () => {
  test("make says what it wants where there is no musl", () => {
    expect(() => make("agent", "MUSL_CC=no-such-gcc", `OUT=${out}/none`)).toThrow(
      /make agent wants no-such-gcc, of the package musl-tools/,
    );
  });

  test.each([
    ["gcc", noCompiler],
    ["clang", noClang],
  ])(
    "%s has nothing to warn of",
    (compiler, lacking) => {
      if (lacking !== undefined) return;
      const folder = buildWith(compiler, "ringway-agent-dynamic");
      expect(run(join(folder, "ringway-agent-dynamic"), ["--help"]).status).toBe(0);
    },
    BUILD_MS,
  );
});
