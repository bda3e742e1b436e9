// Parts of a monitor that fail: the process ends and says so, or the program that it is in goes on; and what peers of
// its streams hear of that.

import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { LOOPBACK, startMonitor } from "../support/monitor.ts";
import { Program } from "../support/processes.ts";
import { RawGuest } from "../support/raw-guest.ts";
import { Home } from "../support/ringway.ts";
import { howItEnds, tcpServer } from "../support/tcp.ts";
import { until, within } from "../support/wait.ts";
import { HANG_MS, INJECT, injected } from "./lives.ts";

const MONITOR = fileURLToPath(new URL("../fixtures/monitor.mjs", import.meta.url));

/**
 * Its Node loop turns when a guest goes, and looks at timers in that turn or in the next. By then it may have failed,
 * and in a program that goes on nobody answers the second guest: so it is not waited for.
 */
async function failReactor(monitor: Program, path: string): Promise<void> {
  const turns = async (): Promise<void> => {
    for (let i = 0; i < 2; i++) (await RawGuest.attach(path)).vanish();
  };
  turns().catch(() => {});
  const failed = (): boolean => monitor.errors.includes("injected into reactor");
  await until("the failure", () => failed() || monitor.isOver, HANG_MS);
}

describe("a part that fails for good", () => {
  test.each([
    ["main", "internal error: the monitor ends"],
    ["reactor", "the reactor failed"],
    ["disk", "a disk worker failed"],
    ["regions", "the regions' thread failed"],
    ["loader", "the loader failed"],
  ])("(%s) ends the process with 1, says so, and takes the socket along", async (part, message) => {
    await using home = new Home();
    const env = injected(home, part);
    home.policy = LOOPBACK;
    using monitor = await home.ready([], { env });
    using guest = await RawGuest.attach(home.path);
    writeFileSync(env.FAIL_FILE, "");
    if (part === "reactor") await failReactor(monitor, home.path);
    expect(await monitor.exit(HANG_MS)).toEqual({ code: 1, signal: null });
    expect(monitor.errors).toContain(message);
    expect(existsSync(home.path)).toBe(false);
    expect(guest.hungUp()).toBe(true);
  });
});

test.each(["reactor", "disk", "regions", "loader"])(
  "a part that fails while it starts (%s) ends the start with 1",
  async (part) => {
    await using home = new Home("version: 1\n");
    using monitor = home.start([], {
      env: { NODE_OPTIONS: `--require=${INJECT}`, FAIL_PART: part, FAIL_FILE: "" },
    });
    expect(await monitor.exit(HANG_MS), monitor.errors).toEqual({ code: 1, signal: null });
    expect(monitor.errors).toContain(`injected into ${part}`);
    expect(existsSync(home.path)).toBe(false);
  },
);

test("a VM that is removed after its monitor has failed is removed: its memory is free", async () => {
  await using home = new Home();
  const env = { ...injected(home, "reactor"), STAYS: "1" };
  const memory = join(home.folder, "memory");
  const options = { vms: [{ name: "one", memory, doorbell: join(home.folder, "bell") }] };
  const args = [MONITOR, home.path, LOOPBACK, JSON.stringify(options)];
  using monitor = new Program(process.execPath, args, { env });
  await monitor.line("ready", HANG_MS);
  writeFileSync(env.FAIL_FILE, "");
  await failReactor(monitor, home.path);
  monitor.child.stdin!.write("remove\n");
  await monitor.line("removed", HANG_MS);
  await using next = await startMonitor("version: 1\n");
  await next.monitor.addVm({ name: "one", memory, doorbell: join(home.folder, "bell") });
});

describe("a peer of a stream that is cut off gets a RST, and never an end,", () => {
  test("when the reactor fails in a program that goes on, however many streams there are", async () => {
    await using home = new Home();
    const env = { ...injected(home, "reactor"), STAYS: "1" };
    const policy = `${LOOPBACK}limits: { regionBytes: 64MiB, streams: 2000 }\n`;
    using monitor = new Program(process.execPath, [MONITOR, home.path, policy], { env });
    await monitor.line("ready", HANG_MS);
    await using server = await tcpServer();
    using guest = await RawGuest.attach(home.path);
    for (let i = 0; i < 500; i++) {
      const { pipe } = await guest.connect("127.0.0.1", server.port, { ringBytes: 1 });
      await guest.write(pipe, Buffer.from("half an upload"));
    }
    await until("all connections", () => server.sockets.length === 500);
    const ends = Promise.all(server.sockets.map((socket) => howItEnds(socket, HANG_MS)));
    // Node takes a RST that it sees together with bytes for an end.
    await until("the bytes", () => server.sockets.every((socket) => socket.bytesRead > 0));
    writeFileSync(env.FAIL_FILE, "");
    await failReactor(monitor, home.path);
    expect(new Set(await within("the end of 500 connections", ends, HANG_MS))).toEqual(
      new Set(["ECONNRESET"]),
    );
    expect(monitor.child.exitCode).toBe(null);
  });

  test.each([
    ["when the monitor is killed", ["SIGKILL"]],
    ["at a second SIGTERM", ["SIGTERM", "SIGTERM"]],
  ] as const)("%s; what ended in order ends in order", async (_when, signals) => {
    await using home = new Home(LOOPBACK);
    using monitor = await home.ready();
    await using server = await tcpServer();
    using guest = await RawGuest.attach(home.path);
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
