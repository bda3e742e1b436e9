// Disks that never answer, and threads that take long: a monitor serves and ends all the same, and says what it waited
// for. Each of these waits for seconds, so they do it at the same time.

import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Guest } from "@ringway/guest";
import { describe, expect, test } from "vitest";
import { DyingDisk, noDyingDisk } from "../support/dying-disk.ts";
import { LOOPBACK } from "../support/monitor.ts";
import { Program } from "../support/processes.ts";
import { RawGuest } from "../support/raw-guest.ts";
import { Home, RINGWAY } from "../support/ringway.ts";
import { echoServer } from "../support/tcp.ts";
import { until } from "../support/wait.ts";
import { catches, filesPolicy, HANG_MS, INJECT, injected, signals } from "./lives.ts";

test.concurrent("threads that take long to load are no disks that do not answer", async () => {
  await using home = new Home(LOOPBACK);
  const env = { NODE_OPTIONS: `--require=${INJECT}`, SLOW_PARTS: "loader log" };
  using monitor = home.start(["--audit", join(home.folder, "audit")], { env });
  await monitor.logged("monitor is ready", HANG_MS);
  monitor.child.kill("SIGTERM");
  expect(await monitor.exit(HANG_MS)).toEqual({ code: 0, signal: null });
});

describe.skipIf(noDyingDisk !== "")(
  `a root on a disk that does not answer ${noDyingDisk}`,
  { concurrent: true },
  () => {
    test("is refused at SIGHUP after some seconds; guests and signals are served meanwhile", async () => {
      await using home = new Home();
      using disk = await DyingDisk.mount("dead");
      home.policy = LOOPBACK;
      using monitor = await home.ready();
      await using server = await echoServer();
      using guest = await RawGuest.attach(home.path);
      const { pipe } = await guest.connect("127.0.0.1", server.port);
      home.policy = filesPolicy(disk.folder);
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
        4000,
      );
      guest.finish((await guest.connect("127.0.0.1", server.port)).pipe);
      guest.finish(pipe);
      monitor.child.kill("SIGTERM");
      await monitor.succeeds(HANG_MS);
    });

    test("ends a start with 1, and policy check too", async () => {
      await using home = new Home();
      using disk = await DyingDisk.mount("dead");
      home.policy = filesPolicy(disk.folder);
      using monitor = home.start();
      using check = new Program(process.execPath, [RINGWAY, "policy", "check", home.policyFile]);
      for (const program of [monitor, check]) {
        expect((await program.exit(HANG_MS)).code).toBe(1);
        expect(program.errors).toContain(`the file system of "${disk.folder}" has not answered within 5 s`);
      }
      expect(existsSync(home.path)).toBe(false);
    });

    test("does not keep a monitor that starts from ending at SIGTERM", async () => {
      await using home = new Home();
      using disk = await DyingDisk.mount("dead");
      home.policy = filesPolicy(disk.folder);
      using monitor = home.start();
      // Node has a handler of its own for SIGTERM; this one is the program's, and the last that it sets.
      await until("the program's first line", () => catches(monitor.pid, signals.SIGHUP), HANG_MS);
      await sleep(500);
      monitor.child.kill("SIGHUP");
      monitor.child.kill("SIGTERM");
      expect(await monitor.exit(HANG_MS)).toEqual({ code: 0, signal: null });
    });

    test("with work under way does not keep a monitor from ending, once its time to drain is over", async () => {
      await using home = new Home();
      using disk = await DyingDisk.mount("dying");
      home.policy = filesPolicy(disk.folder);
      using monitor = await home.ready();
      const guest = await Guest.attach(home.path);
      guest.on("detach", () => {});
      const file = await guest.open("/data/f", "r+");
      await disk.dies();
      file.write("never").catch(() => {});
      await sleep(300);
      monitor.child.kill("SIGTERM");
      expect(await monitor.exit(HANG_MS)).toEqual({ code: 0, signal: null });
      expect(monitor.errors).toContain("a disk does not answer");
      expect(existsSync(home.path)).toBe(false);
      await guest.close().catch(() => {});
    });

    test("where a VM's doorbell should be keeps no guest from being served, and no monitor from ending", async () => {
      await using home = new Home();
      using disk = await DyingDisk.mount("dead");
      const [memory, doorbell] = [join(home.folder, "one.mem"), join(disk.folder, "bell")];
      home.policy = `${LOOPBACK}vms: [{ name: one, memory: ${memory}, doorbell: ${doorbell} }]\n`;
      using monitor = await home.ready();
      await using server = await echoServer();
      using guest = await RawGuest.attach(home.path);
      guest.finish((await guest.connect("127.0.0.1", server.port)).pipe);
      monitor.child.kill("SIGTERM");
      expect(await monitor.exit(HANG_MS)).toEqual({ code: 0, signal: null });
    });

    test("where a VM's memory should be is refused at SIGHUP; guests and signals are served meanwhile", async () => {
      await using home = new Home();
      using disk = await DyingDisk.mount("dead");
      home.policy = LOOPBACK;
      using monitor = await home.ready();
      await using server = await echoServer();
      using guest = await RawGuest.attach(home.path);
      const { pipe } = await guest.connect("127.0.0.1", server.port);
      const memory = join(disk.folder, "memory");
      home.policy = `version: 1\nvms: [{ name: one, memory: ${memory}, doorbell: ${home.folder}/bell }]\n`;
      monitor.child.kill("SIGHUP");
      await until("the refusal", () => monitor.errors.includes("has not answered within 5 s"), HANG_MS);
      expect(monitor.errors).toContain(`the file system of \\"${memory}\\"`);
      guest.finish((await guest.connect("127.0.0.1", server.port)).pipe);
      guest.finish(pipe);
      monitor.child.kill("SIGTERM");
      await monitor.succeeds(HANG_MS);
      expect(existsSync(home.path)).toBe(false);
    });

    test("where a VM's memory should be ends a start with 1, and does not keep it from ending at SIGTERM", async () => {
      await using home = new Home();
      using disk = await DyingDisk.mount("dead");
      home.policy = LOOPBACK;
      const vm = `one:memory=${join(disk.folder, "memory")},doorbell=${join(home.folder, "bell")}`;
      using monitor = home.start(["--vm", vm]);
      expect((await monitor.exit(HANG_MS)).code).toBe(1);
      expect(monitor.errors).toContain("has not answered within 5 s");
      using ended = home.start(["--vm", vm]);
      await until("the program's first line", () => catches(ended.pid, signals.SIGHUP), HANG_MS);
      ended.child.kill("SIGTERM");
      expect(await ended.exit(HANG_MS)).toEqual({ code: 0, signal: null });
      expect(existsSync(home.path)).toBe(false);
    });

    test("and a disk worker that is stuck there do not keep a part's failure from ending the process with 1", async () => {
      await using home = new Home();
      using disk = await DyingDisk.mount("dying");
      const env = injected(home, "disk");
      home.policy = filesPolicy(disk.folder);
      using monitor = await home.ready([], { env });
      const guest = await Guest.attach(home.path);
      guest.on("detach", () => {});
      const file = await guest.open("/data/f", "r+");
      await disk.dies();
      file.write("never").catch(() => {});
      await sleep(300);
      writeFileSync(env.FAIL_FILE, "");
      expect(await monitor.exit(HANG_MS)).toEqual({ code: 1, signal: null });
      expect(monitor.errors).toContain("a disk worker failed");
      expect(existsSync(home.path)).toBe(false);
      await guest.close().catch(() => {});
    });
  },
);
