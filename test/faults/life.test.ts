// How a monitor's process begins and ends: signals from its first moment on, policies that cannot be read, a socket
// that has become another's.

import { execFileSync } from "node:child_process";
import {
  existsSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Guest } from "@ringway/guest";
import { describe, expect, test } from "vitest";
import { LOOPBACK } from "../support/monitor.ts";
import { RawGuest } from "../support/raw-guest.ts";
import { Home } from "../support/ringway.ts";
import { echoServer } from "../support/tcp.ts";
import { until } from "../support/wait.ts";
import { catches, HANG_MS, signals } from "./lives.ts";

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

describe("signals", () => {
  test("SIGUSR1 opens no debugger, at no moment of the process's life", async () => {
    await using home = new Home("version: 1\n");
    // A port of its own: another program's debugger may have the usual one.
    const env = { NODE_OPTIONS: "--inspect-port=0" };
    for (const afterMs of [0, 10, 30, 80]) {
      using monitor = home.start([], { env });
      // Until Node has a handler, the signal ends it.
      while (!catches(monitor.pid, signals.SIGUSR1)) await sleep(1);
      await sleep(afterMs);
      monitor.child.kill("SIGUSR1");
      await monitor.logged("monitor is ready", HANG_MS);
      expect(listensOn(monitor.pid), `after ${afterMs} ms`).toEqual([]);
      for (let i = 0; i < 10; i++) monitor.child.kill("SIGUSR1");
      await (await Guest.attach(home.path)).close();
      expect(listensOn(monitor.pid), "when it serves").toEqual([]);
      monitor.child.kill("SIGTERM");
      await monitor.succeeds(HANG_MS);
    }
  });

  test.each(["--inspect", "--inspect=127.0.0.1:0"])(
    "a monitor does not start with %s: exit 2, and why",
    async (option) => {
      await using home = new Home("version: 1\n");
      using monitor = home.start([], { env: { NODE_OPTIONS: option } });
      expect((await monitor.exit(HANG_MS)).code).toBe(2);
      expect(monitor.errors).toContain("runs without a debugger");
    },
  );

  test("SIGHUP in the first turn of the process's loop is kept until there is a policy to read again", async () => {
    await using home = new Home();
    const early = join(home.folder, "early.cjs");
    writeFileSync(
      early,
      'const { isMainThread } = require("node:worker_threads");\nif (isMainThread) setImmediate(() => process.kill(process.pid, "SIGHUP"));\n',
    );
    home.policy = "version: 1\n";
    using monitor = await home.ready([], { env: { NODE_OPTIONS: `--require=${early}` } });
    await until("the policy to be read again", () => monitor.errors.includes("policy reloaded"), HANG_MS);
    monitor.child.kill("SIGTERM");
    await monitor.succeeds(HANG_MS);
  });

  test("SIGTERM in the first turn ends it with 0, and leaves no socket", async () => {
    await using home = new Home();
    const early = join(home.folder, "early.cjs");
    writeFileSync(
      early,
      'const { isMainThread } = require("node:worker_threads");\nif (isMainThread) setImmediate(() => process.kill(process.pid, "SIGTERM"));\n',
    );
    home.policy = "version: 1\n";
    using monitor = home.start([], { env: { NODE_OPTIONS: `--require=${early}` } });
    await monitor.succeeds(HANG_MS);
    expect(existsSync(home.path)).toBe(false);
  });
});

describe("a policy that cannot be read", () => {
  test("because it is a pipe is refused at once, and the old one stays", async () => {
    await using home = new Home(LOOPBACK);
    using monitor = await home.ready();
    rmSync(home.policyFile);
    execFileSync("mkfifo", [home.policyFile]);
    monitor.child.kill("SIGHUP");
    await until("the refusal", () => monitor.errors.includes("it is not a regular file"), HANG_MS);
    await using server = await echoServer();
    using guest = await RawGuest.attach(home.path);
    guest.finish((await guest.connect("127.0.0.1", server.port)).pipe);
    monitor.child.kill("SIGTERM");
    await monitor.succeeds(HANG_MS);
  });

  test("because it is a pipe ends a start with 1", async () => {
    await using home = new Home();
    execFileSync("mkfifo", [home.policyFile]);
    using monitor = home.start();
    expect((await monitor.exit(HANG_MS)).code).toBe(1);
    expect(monitor.errors).toContain("policy.yaml: cannot be read: it is not a regular file");
  });
});

test("a monitor that stops leaves the socket of its successor alone", async () => {
  await using home = new Home("version: 1\n");
  using first = await home.ready();
  rmSync(home.path);
  home.policy = "version: 1\nguest: { argv: [second] }\n";
  using second = await home.ready();
  const { ino } = statSync(home.path);
  first.child.kill("SIGTERM");
  await first.succeeds(HANG_MS);
  expect(statSync(home.path).ino).toBe(ino);
  await using guest = await Guest.attach(home.path);
  expect((await guest.args()).argv).toEqual(["second"]);
  await guest.close();
  second.child.kill("SIGTERM");
  await second.succeeds(HANG_MS);
  expect(existsSync(home.path)).toBe(false);
});
