// ringway monitor and its logs: whatever stderr and the audit file are and do, guests are served, SIGTERM is heeded,
// and what was lost is said.

import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { Guest, type RefusedError } from "@ringway/guest";
import { closeFd, createPipe, isNonBlocking, setNonBlocking, unixPair } from "@ringway/linux";
import { afterEach, describe, expect, it, onTestFinished } from "vitest";
import type { LogLine } from "../../../test/support/processes.ts";
import { RINGWAY } from "../../../test/support/ringway.ts";
import { temporaryFolder } from "../../../test/support/temporary.ts";

const EXIT_MS = 10_000;
const POLICY = `version: 1
connect:
  - { id: local, allow: [127.0.0.1, localhost], resolvesTo: [127.0.0.0/8, "::1"] }
`;

const running = new Set<ChildProcess>();
afterEach(() => {
  for (const child of running) child.kill("SIGKILL");
});

interface Started {
  readonly child: ChildProcess;
  readonly folder: string;
  readonly socket: string;
  readonly policy: string;
  attach(): Promise<Guest>;
}

interface How {
  /** Of the shell: what stderr is. */
  readonly redirect?: string;
  /** Or a descriptor for it. */
  readonly stderr?: number;
  readonly args?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  readonly policy?: string;
  /** A command in front of it. */
  readonly under?: readonly string[];
  readonly folder?: string;
}

/** The file of a socket is there before it is listened on. */
function isListening(path: string): boolean {
  const ACCEPTS = "00010000";
  const sockets = readFileSync("/proc/net/unix", "utf8").split("\n");
  return sockets.some((line) => line.endsWith(` ${path}`) && line.includes(` ${ACCEPTS} `));
}

/** A monitor that takes guests. */
async function startMonitor(how: How): Promise<Started> {
  const { redirect = "", args = [], env = {}, under = [], folder = temporaryFolder() } = how;
  const policy = join(folder, "policy.yaml");
  const socket = join(folder, "attach.sock");
  writeFileSync(policy, how.policy ?? POLICY);
  const command = [process.execPath, RINGWAY, "monitor", "--policy", policy, "--listen", socket, ...args];
  const words = [...under, "sh", "-c", `exec "$@" ${redirect}`, "sh", ...command];
  const child = spawn(words[0]!, words.slice(1), {
    cwd: folder,
    env: { ...process.env, NODE_OPTIONS: "", ...env },
    stdio: ["ignore", "ignore", how.stderr ?? "ignore"],
  });
  running.add(child);
  child.once("exit", () => running.delete(child));
  await expect.poll(() => isListening(socket), { timeout: 15_000, interval: 20 }).toBe(true);
  const attach = async (): Promise<Guest> => {
    const guest = await Guest.attach(socket);
    onTestFinished(() => guest.close().catch(() => {}));
    return guest;
  };
  return { child, folder, socket, policy, attach };
}

/** Resolves with the exit code, or the signal. */
async function endOf({ child }: Started, signal: NodeJS.Signals = "SIGTERM"): Promise<number | string> {
  const exited = once(child, "exit");
  child.kill(signal);
  const late = new Promise<[null, string]>((resolve) =>
    setTimeout(resolve, EXIT_MS, [null, "no end"]).unref(),
  );
  const [code, by] = (await Promise.race([exited, late])) as [number | null, string];
  return code ?? by;
}

async function listen(): Promise<Server & { readonly port: number }> {
  const server = createServer((socket) => socket.pipe(socket).on("error", () => {}));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  return Object.assign(server, { port: (server.address() as { port: number }).port });
}

/** Names, connections and refusals, as a guest needs them of a monitor whose main thread and reactor both work. */
async function isServed(guest: Guest): Promise<void> {
  const server = await listen();
  const stream = await guest.connect(server.port, "localhost");
  const back = once(stream, "data");
  stream.write("hello");
  expect(String((await back)[0])).toBe("hello");
  stream.destroy();
  await refuse(guest);
}

async function refuse(guest: Guest, address = "192.0.2.1"): Promise<void> {
  const refused = await guest.connect(80, address).catch((error: RefusedError) => error);
  expect(refused).toMatchObject({ code: "EACCES", rule: "default" });
}

/** More log lines than are held for whoever does not take them: more than a megabyte. */
async function flood(guest: Guest, from = 0, lines = 1300): Promise<void> {
  for (let i = from; i < from + lines; i++) {
    guest.log(`${i} ${"x".repeat(1000)}`, "warn");
    // Behind each hundredth of them there is an answer: they have been taken.
    if (i % 100 === 99) await guest.ping();
  }
  await guest.ping();
}

const FLOOD_POLICY = `${POLICY}limits: { logLines: 100000, logBytes: 100MiB }\n`;

function linesOf(text: string): LogLine[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as LogLine);
}

/** Each line of the flood is there, in its order, or is one of those that are said to be lost. */
function expectAllOrSaid(lines: readonly LogLine[], flooded: number, errno: string): void {
  const lost = lines.filter(({ msg }) => / lines \(\d+ bytes\) were lost: /.test(msg));
  expect(lost.length).toBeGreaterThan(0);
  expect(lost.map(({ level, errno: why }) => [level, why])).toEqual(lost.map(() => ["warn", errno]));
  const numbers = lines.filter(({ from }) => from === "guest").map(({ msg }) => Number.parseInt(msg, 10));
  expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
  expect(numbers.length).toBeLessThan(flooded);
  const missing = lost.reduce((sum, line) => sum + (line.lines as number), 0);
  expect(numbers.length + missing).toBeGreaterThanOrEqual(flooded);
}

/** Reads until nothing has come for a while, or the end. */
async function readSome(fd: number, idleMs = 1000): Promise<string> {
  setNonBlocking(fd, true);
  const chunk = Buffer.alloc(64 * 1024);
  let text = "";
  for (let lastMs = performance.now(); performance.now() - lastMs < idleMs; ) {
    try {
      const count = readSync(fd, chunk);
      if (count === 0) break;
      text += chunk.toString("utf8", 0, count);
      lastMs = performance.now();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
  return text;
}

/** A pipe or a socket for stderr: `from` is the reader's end. */
function channel(kind: "pipe" | "socket"): { from: number; to: number } {
  const [from, to] = kind === "pipe" ? createPipe() : unixPair();
  setNonBlocking(to, false);
  onTestFinished(() => {
    closeFd(from);
    closeFd(to);
  });
  return { from, to };
}

describe("a monitor serves, and exits 0 on SIGTERM, with a stderr", () => {
  it.each([
    ["on a full device", "2>/dev/full"],
    ["that is closed", "2>&-"],
  ])("%s", async (_, redirect) => {
    const monitor = await startMonitor({ redirect, policy: FLOOD_POLICY });
    const guest = await monitor.attach();
    await isServed(guest);
    await flood(guest);
    await isServed(guest);
    expect(await endOf(monitor)).toBe(0);
  });

  it.each(["pipe", "socket"] as const)("on a %s that nobody reads, and says what it lost", async (kind) => {
    const { from, to } = channel(kind);
    const monitor = await startMonitor({ stderr: to, policy: FLOOD_POLICY });
    const guest = await monitor.attach();
    await flood(guest);
    await isServed(guest);
    // The flag would be everybody's who shares it.
    expect(isNonBlocking(to)).toBe(0);
    const lines = linesOf(await readSome(from));
    expectAllOrSaid(lines, 1300, "EAGAIN");

    await flood(guest, 2000);
    expect(await endOf(monitor)).toBe(0);
  });

  it("on a pipe whose reader is gone", async () => {
    const [from, to] = createPipe();
    const monitor = await startMonitor({ stderr: to, policy: FLOOD_POLICY });
    closeFd(to);
    closeFd(from);
    const guest = await monitor.attach();
    await flood(guest);
    await isServed(guest);
    expect(await endOf(monitor)).toBe(0);
  });

  it("on a disk that is full, and goes on once there is room, with a line about what was lost", async () => {
    const folder = temporaryFolder();
    const disk = join(folder, "disk");
    mkdirSync(disk);
    const mount = `mount -t tmpfs -o size=128k none ${disk} && head -c 64k /dev/zero > ${disk}/other && exec "$@"`;
    const monitor = await startMonitor({
      folder,
      under: ["unshare", ...(process.getuid!() === 0 ? ["-m"] : ["-Urm"]), "sh", "-c", mount, "sh"],
      redirect: `2>${disk}/log`,
      policy: FLOOD_POLICY,
    });
    // As the monitor sees it.
    const inside = `/proc/${monitor.child.pid}/root${disk}`;
    const guest = await monitor.attach();
    await flood(guest);
    await isServed(guest);
    const size = statSync(`${inside}/log`).size;
    expect(size).toBeLessThan(128 * 1024);

    execFileSync("nsenter", ["-t", `${monitor.child.pid}`, "-m", "mount", "-o", "remount,size=8m", disk]);
    await expect
      .poll(() => readFileSync(`${inside}/log`, "utf8"), { timeout: 5000, interval: 50 })
      .toMatch(/were lost: ENOSPC"}\n/);
    expectAllOrSaid(linesOf(readFileSync(`${inside}/log`, "utf8")), 1300, "ENOSPC");
    expect(await endOf(monitor)).toBe(0);
  });

  it("in a file that is longer than its limit (SIGXFSZ)", async () => {
    const monitor = await startMonitor({
      // Of 512 bytes: a region is a file, too.
      under: ["sh", "-c", 'ulimit -f 4096; exec "$@"', "sh"],
      redirect: "2>log",
      policy: `${POLICY}limits: { logLines: 100000, logBytes: 100MiB, regionBytes: 1MiB }\n`,
    });
    const guest = await monitor.attach();
    await flood(guest, 0, 4000);
    expect(statSync(join(monitor.folder, "log")).size).toBe(4096 * 512);
    await isServed(guest);
    expect(await endOf(monitor)).toBe(0);
  });
});

it(
  "a hundred guests that log control characters as fast as they can stop nobody, and take a " +
    "bounded memory",
  async () => {
    const { to } = channel("pipe");
    const policy = `${POLICY}limits: { guests: 128, regionBytes: 1MiB }\n`;
    const monitor = await startMonitor({ stderr: to, policy });
    const residentMiB = (): number =>
      Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${monitor.child.pid}/status`, "utf8"))![1]) / 1024;
    const guests = await Promise.all(Array.from({ length: 100 }, monitor.attach));
    const good = await monitor.attach();
    const before = residentMiB();
    const flooding = setInterval(() => {
      for (const guest of guests) guest.log("\u0001".repeat(8192));
    }, 20);
    onTestFinished(() => clearInterval(flooding));
    await new Promise((resolve) => setTimeout(resolve, 1000));
    await isServed(good);
    await new Promise((resolve) => setTimeout(resolve, 1000));
    await isServed(good);
    expect(residentMiB() - before).toBeLessThan(200);
    clearInterval(flooding);
    expect(await endOf(monitor)).toBe(0);
  },
);

it("ringway vm serves its machine and ends with it, with a stderr that is a full pipe", async () => {
  const { to } = channel("pipe");
  setNonBlocking(to, true);
  const filling = Buffer.alloc(4096, "x");
  expect(() => {
    for (;;) writeSync(to, filling);
  }).toThrow("EAGAIN");
  setNonBlocking(to, false);
  // It prints as well, and is stopped by that as ever: through a pipe of its own.
  const qemu = ["sh", "-c", "exec 2>/dev/null; sleep 1; exit 7"];
  const folder = temporaryFolder();
  const child = spawn(process.execPath, [RINGWAY, "vm", "--log-level", "debug", "--", ...qemu], {
    env: { ...process.env, NODE_OPTIONS: "", TMPDIR: folder },
    stdio: ["ignore", "ignore", to],
  });
  running.add(child);
  expect((await once(child, "exit"))[0]).toBe(7);
  expect(readdirSync(folder)).toEqual([]);
});

describe("a monitor serves, and exits 0 on SIGTERM, with a disk", () => {
  /** A library that stands before libc: writes to files whose path ends in "log" do what FAULT says. */
  function shim(folder: string): string {
    const source = join(folder, "shim.c");
    const library = join(folder, "shim.so");
    writeFileSync(
      source,
      `#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
ssize_t write(int fd, const void *bytes, size_t count) {
  char name[64], path[4096] = "";
  snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
  if (readlink(name, path, sizeof path - 1) > 3 && strcmp(path + strlen(path) - 3, "log") == 0) {
    if (strcmp(getenv("FAULT"), "EIO") != 0) for (;;) pause();
    errno = EIO;
    return -1;
  }
  return syscall(SYS_write, fd, bytes, count);
}
`,
    );
    execFileSync("cc", ["-shared", "-fPIC", "-o", library, source]);
    return library;
  }

  it.each([
    ["that fails", "EIO"],
    ["that never answers", "HANG"],
  ])("%s, under its log and its audit file", async (_, FAULT) => {
    const folder = temporaryFolder();
    const monitor = await startMonitor({
      folder,
      redirect: "2>stderr.log",
      args: ["--audit", "audit.log"],
      env: { FAULT, LD_PRELOAD: shim(folder) },
      policy: FLOOD_POLICY,
    });
    const guest = await monitor.attach();
    await flood(guest);
    await isServed(guest);
    expect(await endOf(monitor)).toBe(0);
  });
});

describe("ringway monitor --audit", () => {
  const auditLines = (path: string): LogLine[] => linesOf(readFileSync(path, "utf8"));

  it("appends audit lines, and no others, to a file that it makes for its owner", async () => {
    const folder = temporaryFolder();
    const audit = join(folder, "audit");
    const monitor = await startMonitor({
      folder,
      redirect: "2>stderr",
      args: ["--audit", audit, "--log-level", "error"],
    });
    const guest = await monitor.attach();
    await refuse(guest);
    await expect.poll(() => auditLines(audit).length).toBe(1);
    expect(auditLines(audit)[0]).toMatchObject({ audit: "refused", what: "192.0.2.1:80", rule: "default" });
    expect(statSync(audit).mode & 0o777).toBe(0o600);
    expect(await endOf(monitor)).toBe(0);
    expect(readFileSync(join(folder, "stderr"), "utf8")).toBe("");
    rmSync(monitor.socket, { force: true });

    const again = await startMonitor({ folder, args: ["--audit", audit] });
    await refuse(await again.attach());
    expect(await endOf(again)).toBe(0);
    expect(auditLines(audit)).toHaveLength(2);
  });

  it("goes on in a new file on SIGHUP, or stays with the old one and says so", async () => {
    const folder = temporaryFolder();
    const logs = join(folder, "logs");
    mkdirSync(logs);
    const audit = join(logs, "audit");
    const monitor = await startMonitor({ folder, redirect: "2>stderr", args: ["--audit", audit] });
    const said = (): string => readFileSync(join(folder, "stderr"), "utf8");
    const guest = await monitor.attach();
    await refuse(guest);
    await expect.poll(() => auditLines(audit).length).toBe(1);
    renameSync(audit, `${audit}.1`);
    monitor.child.kill("SIGHUP");
    await expect.poll(() => existsSync(audit)).toBe(true);
    await refuse(guest);
    await expect.poll(() => auditLines(audit).length).toBe(1);
    expect(auditLines(`${audit}.1`)).toHaveLength(1);
    await expect.poll(said).toContain(`"file":"${audit}","msg":"the audit file was opened anew"`);

    renameSync(logs, `${logs}-moved`);
    monitor.child.kill("SIGHUP");
    await expect.poll(said).toMatch(/"level":"error".*the audit file stays as it was: .*ENOENT/);
    await refuse(guest);
    await expect.poll(() => auditLines(join(`${logs}-moved`, "audit")).length).toBe(2);
    expect(await endOf(monitor)).toBe(0);
  });

  it("does not start where the file cannot be opened: one line, exit 1, no socket", () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, "policy.yaml"), POLICY);
    const args = ["monitor", "--policy", "policy.yaml", "--listen", "s", "--audit", "nowhere/audit"];
    const { status, stdout, stderr } = spawnSync(process.execPath, [RINGWAY, ...args], {
      cwd: folder,
      encoding: "utf8",
      env: { ...process.env, NODE_OPTIONS: "" },
    });
    expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
    expect(stderr).toBe(
      "ringway: cannot open the audit file nowhere/audit: its folder does not exist; make it first (ENOENT)\n",
    );
    expect(readdirSync(folder)).toEqual(["policy.yaml"]);
  });

  it("is no guest's to read or write: a policy with a folder that holds it is refused", () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, "shared"));
    const files = "files: [{ guest: /, host: shared, access: ro }]\n";
    writeFileSync(join(folder, "policy.yaml"), `${POLICY}${files}`);
    const args = ["monitor", "--policy", "policy.yaml", "--listen", "s", "--audit", "shared/audit"];
    const { status, stderr } = spawnSync(process.execPath, [RINGWAY, ...args], {
      cwd: folder,
      encoding: "utf8",
      env: { ...process.env, NODE_OPTIONS: "" },
    });
    expect(status).toBe(1);
    expect(stderr).toMatch(/^policy.yaml:4:\d+: files\[0\].host: .*the audit file/);
  });

  it("is needed where the policy says audit: required", () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, "policy.yaml"), `${POLICY}audit: required\n`);
    const args = ["monitor", "--policy", "policy.yaml", "--listen", "s"];
    const { status, stderr } = spawnSync(process.execPath, [RINGWAY, ...args], {
      cwd: folder,
      encoding: "utf8",
      env: { ...process.env, NODE_OPTIONS: "" },
    });
    expect(status).toBe(1);
    expect(stderr).toBe(
      "ringway: the policy says audit: required, and there is no audit file (--audit FILE)\n",
    );
  });
});

describe("audit: required", () => {
  const REQUIRED = `${FLOOD_POLICY}audit: required\n`;

  it("lets a guest wait behind a line that cannot be written, nobody else, and loses none", async () => {
    const folder = temporaryFolder();
    const fifo = join(folder, "audit");
    execFileSync("mkfifo", [fifo]);
    const reader = openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK);
    onTestFinished(() => closeSync(reader));
    const monitor = await startMonitor({
      folder,
      redirect: "2>stderr",
      args: ["--audit", fifo],
      policy: REQUIRED,
    });
    const wicked = await monitor.attach();
    const good = await monitor.attach();
    let asked = 0;
    let stopped = false;
    const flooding = (async () => {
      while (!stopped) {
        await refuse(wicked, `192.0.2.${asked++ % 250}`);
      }
    })();
    await expect
      .poll(() => readFileSync(join(folder, "stderr"), "utf8"), { timeout: 20_000 })
      .toMatch(/"level":"error".*audit lines cannot be written: EAGAIN/);
    await new Promise((resolve) => setTimeout(resolve, 500));
    const heldAt = asked;
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(asked).toBe(heldAt);
    const server = await listen();
    const stream = await good.connect(server.port, "localhost");
    good.log("not disturbed", "warn");
    await good.ping();
    stream.destroy();

    stopped = true;
    const text = readSome(reader, 2000);
    await flooding;
    const lines = linesOf(await text);
    expect(lines.map(({ what }) => what)).toEqual(
      Array.from({ length: asked }, (_, i) => `192.0.2.${i % 250}:80`),
    );
    expect(readFileSync(join(folder, "stderr"), "utf8")).toMatch(/audit lines are written again/);
    expect(await endOf(monitor)).toBe(0);
  });

  it(
    "keeps nobody from ending: SIGTERM is heeded while guests wait, and lines that were not " +
      "written are counted",
    async () => {
      const folder = temporaryFolder();
      const monitor = await startMonitor({
        folder,
        redirect: "2>stderr",
        args: ["--audit", "/dev/full", "--drain-ms", "200"],
        policy: REQUIRED,
      });
      const guest = await monitor.attach();
      void refuse(guest).catch(() => {});
      const said = (): string => readFileSync(join(folder, "stderr"), "utf8");
      await expect.poll(said, { timeout: 10_000 }).toMatch(/audit lines cannot be written: ENOSPC/);
      expect(await endOf(monitor)).toBe(0);
      expect(said()).toMatch(/"msg":"1 audit lines were not written"/);
    },
  );
});

it(
  "says at the end how many audit lines were not written, all of them: what found no room, " +
    "and what waited still",
  async () => {
    const folder = temporaryFolder();
    const monitor = await startMonitor({
      folder,
      redirect: "2>stderr",
      args: ["--audit", "/dev/full", "--drain-ms", "200"],
      policy: FLOOD_POLICY,
    });
    const guest = await monitor.attach();
    const REFUSALS = 5500;
    for (let i = 0; i < REFUSALS; i += 100) {
      await Promise.all(Array.from({ length: 100 }, () => refuse(guest)));
    }
    expect(await endOf(monitor)).toBe(0);
    const said = linesOf(readFileSync(join(folder, "stderr"), "utf8"));
    expect(said.find(({ msg }) => / audit lines were not written$/.test(msg))).toMatchObject({
      lines: REFUSALS,
    });
  },
);
