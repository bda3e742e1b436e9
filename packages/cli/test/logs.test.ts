// ringway monitor and its stderr: whatever that is and does, guests are served, SIGTERM is heeded, and what was lost is
// said. Each test has a monitor of its own and waits more than it works, so they run at the same time.

import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { closeFd, createPipe, isNonBlocking, setNonBlocking, unixPair } from "@ringway/linux";
import { describe, expect, it } from "vitest";
import { type LogLine, Program } from "../../../test/support/processes.ts";
import { RINGWAY } from "../../../test/support/ringway.ts";
import { temporaryFolder } from "../../../test/support/temporary.ts";
import { until } from "../../../test/support/wait.ts";
import {
  endOf,
  FLOOD_POLICY,
  flood,
  isServed,
  LoggingHome,
  linesOf,
  POLICY,
  readSome,
} from "./logging-home.ts";

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

interface Channel extends Disposable {
  /** The reader's end. */
  readonly from: number;
  readonly to: number;
}

/** A pipe or a socket for stderr. */
function channel(kind: "pipe" | "socket"): Channel {
  const [from, to] = kind === "pipe" ? createPipe() : unixPair();
  setNonBlocking(to, false);
  return {
    from,
    to,
    [Symbol.dispose]() {
      closeFd(from);
      closeFd(to);
    },
  };
}

describe("a monitor serves, and exits 0 on SIGTERM, with a stderr", { concurrent: true }, () => {
  it.each([
    ["on a full device", "2>/dev/full"],
    ["that is closed", "2>&-"],
  ])("%s", async (_, redirect) => {
    await using home = new LoggingHome(FLOOD_POLICY);
    const monitor = await home.serve({ redirect });
    const guest = await home.attach();
    await isServed(guest);
    await flood(guest);
    await isServed(guest);
    expect(await endOf(monitor)).toBe(0);
  });

  it.each(["pipe", "socket"] as const)("on a %s that nobody reads, and says what it lost", async (kind) => {
    await using home = new LoggingHome(FLOOD_POLICY);
    using pipe = channel(kind);
    const monitor = await home.serve({ stderr: pipe.to });
    const guest = await home.attach();
    await flood(guest);
    await isServed(guest);
    // The flag would be everybody's who shares it.
    expect(isNonBlocking(pipe.to)).toBe(0);
    const lines = linesOf(await readSome(pipe.from));
    expectAllOrSaid(lines, 1300, "EAGAIN");

    await flood(guest, 2000);
    expect(await endOf(monitor)).toBe(0);
  });

  it("on a pipe whose reader is gone", async () => {
    await using home = new LoggingHome(FLOOD_POLICY);
    const [from, to] = createPipe();
    const monitor = await home.serve({ stderr: to });
    closeFd(to);
    closeFd(from);
    const guest = await home.attach();
    await flood(guest);
    await isServed(guest);
    expect(await endOf(monitor)).toBe(0);
  });

  it("on a disk that is full, and goes on once there is room, with a line about what was lost", async () => {
    await using home = new LoggingHome(FLOOD_POLICY);
    const disk = join(home.folder, "disk");
    mkdirSync(disk);
    const mount = `mount -t tmpfs -o size=128k none ${disk} && head -c 64k /dev/zero > ${disk}/other && exec "$@"`;
    const monitor = await home.serve({
      under: ["unshare", ...(process.getuid!() === 0 ? ["-m"] : ["-Urm"]), "sh", "-c", mount, "sh"],
      redirect: `2>${disk}/log`,
    });
    // As the monitor sees it.
    const inside = `/proc/${monitor.pid}/root${disk}`;
    const guest = await home.attach();
    await flood(guest);
    await isServed(guest);
    const size = statSync(`${inside}/log`).size;
    expect(size).toBeLessThan(128 * 1024);

    execFileSync("nsenter", ["-t", `${monitor.pid}`, "-m", "mount", "-o", "remount,size=8m", disk]);
    await until("the line", () => /were lost: ENOSPC"}\n/.test(readFileSync(`${inside}/log`, "utf8")));
    expectAllOrSaid(linesOf(readFileSync(`${inside}/log`, "utf8")), 1300, "ENOSPC");
    expect(await endOf(monitor)).toBe(0);
  });

  it("in a file that is longer than its limit (SIGXFSZ)", async () => {
    await using home = new LoggingHome(
      `${POLICY}limits: { logLines: 100000, logBytes: 100MiB, regionBytes: 1MiB }\n`,
    );
    const monitor = await home.serve({
      // Of 512 bytes: a region is a file, too.
      under: ["sh", "-c", 'ulimit -f 4096; exec "$@"', "sh"],
      redirect: "2>log",
    });
    const guest = await home.attach();
    await flood(guest, 0, 4000);
    expect(statSync(join(home.folder, "log")).size).toBe(4096 * 512);
    await isServed(guest);
    expect(await endOf(monitor)).toBe(0);
  });
});

it.concurrent("a hundred guests that log control characters as fast as they can stop nobody, and take a bounded memory", async () => {
  using pipe = channel("pipe");
  const policy = `${POLICY}limits: { guests: 128, regionBytes: 1MiB }\n`;
  await using home = new LoggingHome(policy);
  const monitor = await home.serve({ stderr: pipe.to });
  const residentMiB = (): number =>
    Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${monitor.pid}/status`, "utf8"))![1]) / 1024;
  const guests = await Promise.all(Array.from({ length: 100 }, () => home.attach()));
  const good = await home.attach();
  const before = residentMiB();
  const flooding = setInterval(() => {
    for (const guest of guests) guest.log("\u0001".repeat(8192));
  }, 20);
  using _flooding = { [Symbol.dispose]: () => clearInterval(flooding) };
  await new Promise((resolve) => setTimeout(resolve, 1000));
  await isServed(good);
  await new Promise((resolve) => setTimeout(resolve, 1000));
  await isServed(good);
  expect(residentMiB() - before).toBeLessThan(200);
  clearInterval(flooding);
  expect(await endOf(monitor)).toBe(0);
});

it.concurrent("ringway vm serves its machine and ends with it, with a stderr that is a full pipe", async () => {
  using pipe = channel("pipe");
  setNonBlocking(pipe.to, true);
  const filling = Buffer.alloc(4096, "x");
  expect(() => {
    for (;;) writeSync(pipe.to, filling);
  }).toThrow("EAGAIN");
  setNonBlocking(pipe.to, false);
  // It prints as well, and is stopped by that as ever: through a pipe of its own.
  const qemu = ["sh", "-c", "exec 2>/dev/null; sleep 1; exit 7"];
  const folder = temporaryFolder();
  using vm = new Program(process.execPath, [RINGWAY, "vm", "--log-level", "debug", "--", ...qemu], {
    env: { NODE_OPTIONS: "", TMPDIR: folder },
    stderr: pipe.to,
  });
  expect((await vm.exit(20_000)).code).toBe(7);
  expect(readdirSync(folder)).toEqual([]);
});

describe("a monitor serves, and exits 0 on SIGTERM, with a disk", { concurrent: true }, () => {
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
    await using home = new LoggingHome(FLOOD_POLICY);
    const monitor = await home.serve({
      redirect: "2>stderr.log",
      args: ["--audit", "audit.log"],
      env: { FAULT, LD_PRELOAD: shim(home.folder) },
    });
    const guest = await home.attach();
    await flood(guest);
    await isServed(guest);
    expect(await endOf(monitor)).toBe(0);
  });
});
