// How a monitor's process begins and ends: signals from its first moment on, parts that fail, disks that never answer, a socket that
// has become another's. A process that is stuck is the failure here, so everything has an end that is seconds away, not minutes.

import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { GuestPipe } from "@ringway/control";
import { Guest } from "@ringway/guest";
import { Errno } from "@ringway/linux";
import { beforeEach, describe, expect, test } from "vitest";
import { DyingDisk, noDyingDisk } from "../support/dying-disk.ts";
import { LOOPBACK, startMonitor } from "../support/monitor.ts";
import { Program, type ProgramOptions } from "../support/processes.ts";
import { RawGuest } from "../support/raw-guest.ts";
import { echoServer, howItEnds, tcpServer } from "../support/tcp.ts";
import { temporaryFolder } from "../support/temporary.ts";
import { until, within } from "../support/wait.ts";

const RINGWAY = fileURLToPath(new URL("../../packages/cli/bin/ringway.js", import.meta.url));
const MONITOR = fileURLToPath(new URL("../fixtures/monitor.mjs", import.meta.url));
const INJECT = fileURLToPath(new URL("../fixtures/inject.cjs", import.meta.url));

/** What hangs does so for ever: long enough for a machine that has ten times as much to do. */
const HANG_MS = 20_000;

let folder: string;
let path: string;
let policyFile: string;

beforeEach(() => {
  folder = temporaryFolder("life");
  path = join(folder, "attach.sock");
  policyFile = join(folder, "policy.yaml");
});

function startCli(options: ProgramOptions = {}, ...args: string[]): Program {
  return new Program(
    process.execPath,
    [RINGWAY, "monitor", "--policy", policyFile, "--listen", path, ...args],
    options,
  );
}

const isReady = (monitor: Program): boolean => monitor.errors.includes("monitor is ready");

async function readyCli(policy: string, options?: ProgramOptions): Promise<Program> {
  writeFileSync(policyFile, policy);
  const monitor = startCli(options);
  await until("the monitor to be ready", () => isReady(monitor), HANG_MS);
  return monitor;
}

/** Its Node loop turns when a guest goes, and looks at timers in that turn or in the next: by then it may have failed. */
async function turnReactor(): Promise<void> {
  for (let i = 0; i < 2; i++) (await RawGuest.attach(path).catch(() => undefined))?.vanish();
}

const filesPolicy = (host: string): string =>
  `${LOOPBACK}files: [{ guest: /data, host: ${JSON.stringify(host)}, access: rw }]\n`;

/** Has the process a handler for the signal, of Node's or of its program's? */
function catches(pid: number, signal: number): boolean {
  const caught = /^SigCgt:\s*([0-9a-f]+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))![1]!;
  return ((BigInt(`0x${caught}`) >> BigInt(signal - 1)) & 1n) === 1n;
}

/** Ports on which the process listens for TCP. */
function listensOn(pid: number): number[] {
  const inodes = new Set<string>();
  for (const fd of readdirSync(`/proc/${pid}/fd`)) {
    try {
      inodes.add(/^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? "");
    } catch {
      // Closed meanwhile.
    }
  }
  const ports: number[] = [];
  for (const table of ["tcp", "tcp6"]) {
    for (const line of readFileSync(`/proc/${pid}/net/${table}`, "utf8").trim().split("\n").slice(1)) {
      const field = line.trim().split(/\s+/);
      if (field[3] === "0A" && inodes.has(field[9]!))
        ports.push(Number.parseInt(field[1]!.split(":")[1]!, 16));
    }
  }
  return ports;
}

const [SIGHUP, SIGUSR1] = [1, 10];

describe("signals", () => {
  test("SIGUSR1 opens no debugger, at no moment of the process's life", async () => {
    writeFileSync(policyFile, "version: 1\n");
    // A port of its own: another program's debugger may have the usual one.
    const env = { NODE_OPTIONS: "--inspect-port=0" };
    for (const afterMs of [0, 10, 30, 80]) {
      using monitor = startCli({ env });
      // Until Node has a handler, the signal ends it.
      while (!catches(monitor.pid, SIGUSR1)) await sleep(1);
      await sleep(afterMs);
      monitor.child.kill("SIGUSR1");
      await until("the monitor to be ready", () => isReady(monitor), HANG_MS);
      expect(listensOn(monitor.pid), `after ${afterMs} ms`).toEqual([]);
      for (let i = 0; i < 10; i++) monitor.child.kill("SIGUSR1");
      await (await Guest.attach(path)).close();
      expect(listensOn(monitor.pid), "when it serves").toEqual([]);
      monitor.child.kill("SIGTERM");
      await monitor.succeeds(HANG_MS);
    }
  });

  test.each(["--inspect", "--inspect=127.0.0.1:0"])(
    "a monitor does not start with %s: exit 2, and why",
    async (option) => {
      writeFileSync(policyFile, "version: 1\n");
      using monitor = startCli({ env: { NODE_OPTIONS: option } });
      expect((await monitor.exit(HANG_MS)).code).toBe(2);
      expect(monitor.errors).toContain("runs without a debugger");
    },
  );

  test("SIGHUP in the first turn of the process's loop is kept until there is a policy to read again", async () => {
    const early = join(folder, "early.cjs");
    writeFileSync(
      early,
      'const { isMainThread } = require("node:worker_threads");\nif (isMainThread) setImmediate(() => process.kill(process.pid, "SIGHUP"));\n',
    );
    using monitor = await readyCli("version: 1\n", { env: { NODE_OPTIONS: `--require=${early}` } });
    await until("the policy to be read again", () => monitor.errors.includes("policy reloaded"), HANG_MS);
    monitor.child.kill("SIGTERM");
    await monitor.succeeds(HANG_MS);
  });

  test("SIGTERM in the first turn ends it with 0, and leaves no socket", async () => {
    const early = join(folder, "early.cjs");
    writeFileSync(
      early,
      'const { isMainThread } = require("node:worker_threads");\nif (isMainThread) setImmediate(() => process.kill(process.pid, "SIGTERM"));\n',
    );
    writeFileSync(policyFile, "version: 1\n");
    using monitor = startCli({ env: { NODE_OPTIONS: `--require=${early}` } });
    await monitor.succeeds(HANG_MS);
    expect(existsSync(path)).toBe(false);
  });
});

describe("a policy that cannot be read", () => {
  test("because it is a pipe is refused at once, and the old one stays", async () => {
    using monitor = await readyCli(LOOPBACK);
    rmSync(policyFile);
    execFileSync("mkfifo", [policyFile]);
    monitor.child.kill("SIGHUP");
    await until("the refusal", () => monitor.errors.includes("it is not a regular file"));
    await using server = await echoServer();
    using guest = await RawGuest.attach(path);
    guest.finish((await guest.connect("127.0.0.1", server.port)).pipe);
    monitor.child.kill("SIGTERM");
    await monitor.succeeds(HANG_MS);
  });

  test("because it is a pipe ends a start with 1", async () => {
    execFileSync("mkfifo", [policyFile]);
    using monitor = startCli();
    expect((await monitor.exit(HANG_MS)).code).toBe(1);
    expect(monitor.errors).toContain("policy.yaml:1:1: cannot be read: it is not a regular file");
  });
});

describe.skipIf(noDyingDisk !== "")(`a root on a disk that does not answer ${noDyingDisk}`, () => {
  test("is refused at SIGHUP after some seconds; guests and signals are served meanwhile", async () => {
    using disk = await DyingDisk.mount("dead");
    using monitor = await readyCli(LOOPBACK);
    await using server = await echoServer();
    using guest = await RawGuest.attach(path);
    const { pipe } = await guest.connect("127.0.0.1", server.port);
    writeFileSync(policyFile, filesPolicy(disk.folder));
    monitor.child.kill("SIGHUP");
    await sleep(300);
    for (let i = 0; i < 20; i++) {
      await guest.write(pipe, Buffer.from("still"));
      expect((await guest.readExactly(pipe, 5)).toString()).toBe("still");
    }
    expect(monitor.errors).not.toContain("refused");
    await until("the refusal", () => monitor.errors.includes("has not answered within 5 s"), HANG_MS);
    expect(monitor.errors).toContain(disk.folder);
    // Another one is not even begun, and the policy that is there stays in force.
    monitor.child.kill("SIGHUP");
    await until(
      "the second refusal",
      () => monitor.errors.split("has not answered within 5 s").length > 4,
      2000,
    );
    guest.finish((await guest.connect("127.0.0.1", server.port)).pipe);
    guest.finish(pipe);
    monitor.child.kill("SIGTERM");
    await monitor.succeeds(HANG_MS);
  });

  test("ends a start with 1, and policy check too", async () => {
    using disk = await DyingDisk.mount("dead");
    writeFileSync(policyFile, filesPolicy(disk.folder));
    using monitor = startCli();
    using check = new Program(process.execPath, [RINGWAY, "policy", "check", policyFile]);
    for (const program of [monitor, check]) {
      expect((await program.exit(HANG_MS)).code).toBe(1);
      expect(program.errors).toContain(`the file system of "${disk.folder}" has not answered within 5 s`);
    }
    expect(existsSync(path)).toBe(false);
  });

  test("does not keep a monitor that starts from ending at SIGTERM", async () => {
    using disk = await DyingDisk.mount("dead");
    writeFileSync(policyFile, filesPolicy(disk.folder));
    using monitor = startCli();
    // Node has a handler of its own for SIGTERM; this one is the program's, and the last that it sets.
    await until("the program's first line", () => catches(monitor.pid, SIGHUP), HANG_MS);
    await sleep(500);
    monitor.child.kill("SIGHUP");
    monitor.child.kill("SIGTERM");
    expect(await monitor.exit(HANG_MS)).toEqual({ code: 0, signal: null });
  });

  test("with work under way does not keep a monitor from ending, once its time to drain is over", async () => {
    using disk = await DyingDisk.mount("dying");
    using monitor = await readyCli(filesPolicy(disk.folder));
    const guest = await Guest.attach(path);
    guest.on("detach", () => {});
    const file = await guest.open("/data/f", "r+");
    await disk.dies();
    file.write("never").catch(() => {});
    await sleep(300);
    monitor.child.kill("SIGTERM");
    expect(await monitor.exit(HANG_MS)).toEqual({ code: 0, signal: null });
    expect(monitor.errors).toContain("a disk does not answer");
    expect(existsSync(path)).toBe(false);
    await guest.close().catch(() => {});
  });

  test("where a VM's doorbell should be keeps no guest from being served, and no monitor from ending", async () => {
    using disk = await DyingDisk.mount("dead");
    const [memory, doorbell] = [join(folder, "one.mem"), join(disk.folder, "bell")];
    using monitor = await readyCli(
      `${LOOPBACK}vms: [{ name: one, memory: ${memory}, doorbell: ${doorbell} }]\n`,
    );
    await using server = await echoServer();
    using guest = await RawGuest.attach(path);
    guest.finish((await guest.connect("127.0.0.1", server.port)).pipe);
    monitor.child.kill("SIGTERM");
    expect(await monitor.exit(HANG_MS)).toEqual({ code: 0, signal: null });
  });

  test("where a VM's memory should be is refused at SIGHUP; guests and signals are served meanwhile", async () => {
    using disk = await DyingDisk.mount("dead");
    using monitor = await readyCli(LOOPBACK);
    await using server = await echoServer();
    using guest = await RawGuest.attach(path);
    const { pipe } = await guest.connect("127.0.0.1", server.port);
    const memory = join(disk.folder, "memory");
    writeFileSync(
      policyFile,
      `version: 1\nvms: [{ name: one, memory: ${memory}, doorbell: ${folder}/bell }]\n`,
    );
    monitor.child.kill("SIGHUP");
    await until("the refusal", () => monitor.errors.includes("has not answered within 5 s"), HANG_MS);
    expect(monitor.errors).toContain(`the file system of \\"${memory}\\"`);
    guest.finish((await guest.connect("127.0.0.1", server.port)).pipe);
    guest.finish(pipe);
    monitor.child.kill("SIGTERM");
    await monitor.succeeds(HANG_MS);
    expect(existsSync(path)).toBe(false);
  });

  test("where a VM's memory should be ends a start with 1, and does not keep it from ending at SIGTERM", async () => {
    using disk = await DyingDisk.mount("dead");
    writeFileSync(policyFile, LOOPBACK);
    const vm = `one:memory=${join(disk.folder, "memory")},doorbell=${join(folder, "bell")}`;
    using monitor = startCli({}, "--vm", vm);
    expect((await monitor.exit(HANG_MS)).code).toBe(1);
    expect(monitor.errors).toContain("has not answered within 5 s");
    using ended = startCli({}, "--vm", vm);
    await until("the program's first line", () => catches(ended.pid, SIGHUP), HANG_MS);
    ended.child.kill("SIGTERM");
    expect(await ended.exit(HANG_MS)).toEqual({ code: 0, signal: null });
    expect(existsSync(path)).toBe(false);
  });

  test("and a disk worker that is stuck there do not keep a part's failure from ending the process with 1", async () => {
    using disk = await DyingDisk.mount("dying");
    const env = { NODE_OPTIONS: `--require=${INJECT}`, FAIL_PART: "disk", FAIL_FILE: join(folder, "fail") };
    using monitor = await readyCli(filesPolicy(disk.folder), { env });
    const guest = await Guest.attach(path);
    guest.on("detach", () => {});
    const file = await guest.open("/data/f", "r+");
    await disk.dies();
    file.write("never").catch(() => {});
    await sleep(300);
    writeFileSync(env.FAIL_FILE, "");
    expect(await monitor.exit(HANG_MS)).toEqual({ code: 1, signal: null });
    expect(monitor.errors).toContain("a disk worker failed");
    expect(existsSync(path)).toBe(false);
    await guest.close().catch(() => {});
  });
});

describe("a monitor whose descriptors its guests have taken", () => {
  /** RLIMIT_NOFILE of the monitor: enough for Node to open the modules of all its threads at once. */
  const LIMIT = 256;

  async function limitedCli(policy: string): Promise<Program> {
    writeFileSync(policyFile, policy);
    const monitor = new Program("prlimit", [
      `--nofile=${LIMIT}:${LIMIT}`,
      ...[process.execPath, RINGWAY, "monitor", "--policy", policyFile, "--listen", path],
    ]);
    await until("the monitor to be ready", () => isReady(monitor), HANG_MS);
    return monitor;
  }

  test("serves names and files of others, tells EMFILE, reads its policy again, and ends at SIGTERM", async () => {
    const data = join(folder, "data");
    mkdirSync(data);
    writeFileSync(join(data, "f"), "content");
    using monitor = await limitedCli(filesPolicy(data));
    await using server = await echoServer();
    using greedy = await RawGuest.attach(path);
    const other = await Guest.attach(path, { roomTimeoutMs: 0 });
    const pipes: GuestPipe[] = [];
    for (;;) {
      const outcome = await greedy
        .connect("127.0.0.1", server.port, { ringBytes: 1 })
        .catch((error) => error);
      if (outcome instanceof Error) {
        expect(outcome).toMatchObject({ errno: Errno.EMFILE });
        break;
      }
      pipes.push((outcome as { pipe: GuestPipe }).pipe);
    }
    expect(pipes.length).toBeGreaterThan(10);
    expect(readdirSync(`/proc/${monitor.pid}/fd`).length).toBeLessThan(LIMIT - 25);
    // The first file operation of all, and the first name.
    expect((await other.stat("/data/f")).size).toBe(7);
    await expect(other.readFile("/data/f")).rejects.toMatchObject({ code: "EMFILE" });
    await expect(other.connect(server.port, "localhost")).rejects.toMatchObject({ code: "EMFILE" });
    await expect(RawGuest.attach(path)).rejects.toMatchObject({ errno: Errno.EMFILE });
    await greedy.write(pipes[0]!, Buffer.from("still"));
    expect((await greedy.readExactly(pipes[0]!, 5)).toString()).toBe("still");
    writeFileSync(policyFile, `${filesPolicy(data)}guest: { argv: [again] }\n`);
    monitor.child.kill("SIGHUP");
    await until("the policy to be read again", () => monitor.errors.includes("policy reloaded"), HANG_MS);
    expect((await other.args()).argv).toEqual(["again"]);
    for (const pipe of pipes) greedy.finish(pipe);
    await until("a descriptor", () => other.readFile("/data/f").then(String, () => ""));
    expect(String(await other.readFile("/data/f"))).toBe("content");
    other.on("detach", () => {});
    monitor.child.kill("SIGTERM");
    await monitor.succeeds(HANG_MS);
    await other.close().catch(() => {});
  });

  test("has the threads for their files before the first of them comes", async () => {
    const data = join(folder, "data");
    mkdirSync(data);
    using monitor = await readyCli(filesPolicy(data));
    const threads = readdirSync(`/proc/${monitor.pid}/task`).length;
    const guest = await Guest.attach(path);
    await guest.writeFile("/data/f", "written");
    await guest.close();
    expect(readdirSync(`/proc/${monitor.pid}/task`).length).toBe(threads);
    monitor.child.kill("SIGTERM");
    await monitor.succeeds(HANG_MS);
  });

  test("does not start where there is no room for any: exit 1, and what is needed", async () => {
    writeFileSync(policyFile, "version: 1\n");
    using monitor = new Program("prlimit", [
      "--nofile=194:194",
      ...[process.execPath, RINGWAY, "monitor", "--policy", policyFile, "--listen", path],
    ]);
    expect((await monitor.exit(HANG_MS)).code).toBe(1);
    expect(monitor.errors).toContain("RLIMIT_NOFILE, is 194; at least 195 are needed");
    expect(existsSync(path)).toBe(false);
  });
});

describe("a part that fails for good", () => {
  test.each([
    ["main", "internal error: the monitor ends"],
    ["reactor", "the reactor failed"],
    ["disk", "a disk worker failed"],
    ["regions", "the regions' thread failed"],
    ["loader", "the loader failed"],
  ])("(%s) ends the process with 1, says so, and takes the socket along", async (part, message) => {
    const env = { NODE_OPTIONS: `--require=${INJECT}`, FAIL_PART: part, FAIL_FILE: join(folder, "fail") };
    using monitor = await readyCli(LOOPBACK, { env });
    using guest = await RawGuest.attach(path);
    writeFileSync(env.FAIL_FILE, "");
    if (part === "reactor") await turnReactor();
    expect(await monitor.exit(HANG_MS)).toEqual({ code: 1, signal: null });
    expect(monitor.errors).toContain(message);
    expect(existsSync(path)).toBe(false);
    expect(guest.hungUp()).toBe(true);
  });
});

test.each(["reactor", "disk", "regions", "loader"])(
  "a part that fails while it starts (%s) ends the start with 1",
  async (part) => {
    writeFileSync(policyFile, "version: 1\n");
    using monitor = startCli({
      env: { NODE_OPTIONS: `--require=${INJECT}`, FAIL_PART: part, FAIL_FILE: "" },
    });
    expect(await monitor.exit(HANG_MS)).toEqual({ code: 1, signal: null });
    expect(monitor.errors).toContain(`injected into ${part}`);
    expect(existsSync(path)).toBe(false);
  },
);

test("threads that take long to load are no disks that do not answer", async () => {
  writeFileSync(policyFile, LOOPBACK);
  const env = { NODE_OPTIONS: `--require=${INJECT}`, SLOW_PARTS: "loader log" };
  using monitor = startCli({ env }, "--audit", join(folder, "audit"));
  await until("the monitor to be ready", () => isReady(monitor), HANG_MS);
  monitor.child.kill("SIGTERM");
  expect(await monitor.exit(HANG_MS)).toEqual({ code: 0, signal: null });
});

test("a VM that is removed after its monitor has failed is removed: its memory is free", async () => {
  const env = {
    NODE_OPTIONS: `--require=${INJECT}`,
    FAIL_PART: "reactor",
    FAIL_FILE: join(folder, "fail"),
    STAYS: "1",
  };
  const memory = join(folder, "memory");
  const options = { vms: [{ name: "one", memory, doorbell: join(folder, "bell") }] };
  const args = [MONITOR, path, LOOPBACK, JSON.stringify(options)];
  using monitor = new Program(process.execPath, args, { env });
  await monitor.line("ready", HANG_MS);
  writeFileSync(env.FAIL_FILE, "");
  await turnReactor();
  await until("the failure", () => monitor.errors.includes("injected into reactor"), HANG_MS);
  monitor.child.stdin!.write("remove\n");
  await monitor.line("removed", HANG_MS);
  await using next = await startMonitor("version: 1\n");
  await next.monitor.addVm({ name: "one", memory, doorbell: join(folder, "bell") });
});

describe("a peer of a stream that is cut off gets a RST, and never an end,", () => {
  test("when the reactor fails in a program that goes on, however many streams there are", async () => {
    const env = {
      NODE_OPTIONS: `--require=${INJECT}`,
      FAIL_PART: "reactor",
      FAIL_FILE: join(folder, "fail"),
      STAYS: "1",
    };
    const policy = `${LOOPBACK}limits: { regionBytes: 64MiB, streams: 2000 }\n`;
    using monitor = new Program(process.execPath, [MONITOR, path, policy], { env });
    await monitor.line("ready", HANG_MS);
    await using server = await tcpServer();
    using guest = await RawGuest.attach(path);
    for (let i = 0; i < 500; i++) {
      const { pipe } = await guest.connect("127.0.0.1", server.port, { ringBytes: 1 });
      await guest.write(pipe, Buffer.from("half an upload"));
    }
    await until("all connections", () => server.sockets.length === 500);
    const ends = Promise.all(server.sockets.map((socket) => howItEnds(socket, HANG_MS)));
    // Node takes a RST that it sees together with bytes for an end.
    await until("the bytes", () => server.sockets.every((socket) => socket.bytesRead > 0));
    writeFileSync(env.FAIL_FILE, "");
    await turnReactor();
    await until("the failure", () => monitor.errors.includes("injected into reactor"), HANG_MS);
    expect(new Set(await within("the end of 500 connections", ends, HANG_MS))).toEqual(
      new Set(["ECONNRESET"]),
    );
    expect(monitor.child.exitCode).toBe(null);
  });

  test.each([
    ["when the monitor is killed", ["SIGKILL"]],
    ["at a second SIGTERM", ["SIGTERM", "SIGTERM"]],
  ] as const)("%s; what ended in order ends in order", async (_when, signals) => {
    using monitor = await readyCli(LOOPBACK);
    await using server = await tcpServer();
    using guest = await RawGuest.attach(path);
    const whole = (await guest.connect("127.0.0.1", server.port)).pipe;
    await guest.write(whole, Buffer.from("an upload"));
    guest.end(whole);
    const cut = (await guest.connect("127.0.0.1", server.port)).pipe;
    await guest.write(cut, Buffer.from("half an upload"));
    await until("both connections", () => server.sockets.length === 2);
    const ends = Promise.all(server.sockets.map((socket) => howItEnds(socket, HANG_MS)));
    await until("the bytes", () => server.sockets.every((socket) => socket.bytesRead > 0));
    for (const signal of signals) {
      monitor.child.kill(signal);
      if (signals.length > 1)
        await until("the signal to be heeded", () => monitor.errors.includes("stopping"));
    }
    await monitor.exit(HANG_MS);
    expect(await within("the end of both connections", ends, HANG_MS)).toEqual(["end", "ECONNRESET"]);
  });
});

test("a monitor that stops leaves the socket of its successor alone", async () => {
  using first = await readyCli("version: 1\n");
  rmSync(path);
  using second = await readyCli("version: 1\nguest: { argv: [second] }\n");
  const { ino } = statSync(path);
  first.child.kill("SIGTERM");
  await first.succeeds(HANG_MS);
  expect(statSync(path).ino).toBe(ino);
  const guest = await Guest.attach(path);
  expect((await guest.args()).argv).toEqual(["second"]);
  await guest.close();
  second.child.kill("SIGTERM");
  await second.succeeds(HANG_MS);
  expect(existsSync(path)).toBe(false);
});
