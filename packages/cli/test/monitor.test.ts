import { createSocket } from "node:dgram";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { Guest, type RefusedError } from "@ringway/guest";
import { describe, expect, it, onTestFinished } from "vitest";
import { LOADED_MS } from "../../../test/support/processes.ts";
import { FIND_RINGWAY, Home, RINGWAY, ringway, start } from "../../../test/support/ringway.ts";
import { temporaryFolder } from "../../../test/support/temporary.ts";
import { until } from "../../../test/support/wait.ts";
import { POLICY, startMonitor } from "./ready-monitor.ts";

async function attach(socket: string): Promise<Guest> {
  const guest = await Guest.attach(socket);
  onTestFinished(() => guest.close());
  return guest;
}

describe("ringway monitor", () => {
  it("serves guests, logs JSON to stderr and nothing to stdout, and exits 0 on SIGTERM", async () => {
    const monitor = await startMonitor();
    expect(monitor.process.log[0]).toMatchObject({
      level: "info",
      listen: monitor.socket,
      msg: "monitor is ready",
    });
    const guest = await attach(monitor.socket);
    expect((await guest.args()).argv).toEqual(["before"]);
    const refused = await guest.connect(80, "192.0.2.1").catch((error: RefusedError) => error);
    expect(refused).toMatchObject({ code: "EACCES", rule: "default" });
    expect(await monitor.process.logged("no connect rule allows 192.0.2.1:80")).toMatchObject({
      level: "warn",
      audit: "refused",
      protocol: "tcp-connect",
      what: "192.0.2.1:80",
      rule: "default",
      errno: "EACCES",
    });
    await guest.close();
    monitor.process.kill("SIGTERM");
    const { code, stdout } = await monitor.process.ended;
    expect(code).toBe(0);
    expect(stdout).toBe("");
    expect(monitor.process.log.at(-1)?.msg).toBe("monitor has stopped");
    expect(existsSync(monitor.socket)).toBe(false);
  });

  it("puts a changed policy in force on SIGHUP", async () => {
    const monitor = await startMonitor();
    const guest = await attach(monitor.socket);
    writeFileSync(monitor.policy, "version: 1\nguest: { argv: [after] }\n");
    monitor.process.kill("SIGHUP");
    await monitor.process.logged("policy reloaded");
    expect((await guest.args()).argv).toEqual(["after"]);
  });

  it("warns in its log of what a policy says and seldom means", async () => {
    const monitor = await startMonitor();
    writeFileSync(monitor.policy, "version: 1\nconnect: [{ allow: 0.0.0.0/0 }]\n");
    monitor.process.kill("SIGHUP");
    const warning = `${monitor.policy}:2:20: connect[0].allow: allows 127.0.0.1 (loopback)`;
    expect(await monitor.process.logged(warning)).toMatchObject({ level: "warn" });
    await monitor.process.logged("policy reloaded");
    expect(monitor.process.log.filter(({ level }) => level === "warn").length).toBe(1);
  });

  it(
    "started as README.md says, it gets SIGHUP and SIGTERM that a shell sends to $!, and " +
      "leaves nothing behind",
    async () => {
      const folder = temporaryFolder();
      writeFileSync(join(folder, "policy.yaml"), "version: 1\n");
      const script = `${FIND_RINGWAY}
      ringway monitor --policy policy.yaml --listen attach.sock 2> log &
      until grep -q 'monitor is ready' log; do sleep 0.05; done
      kill -HUP $!
      until grep -q 'policy reloaded' log; do sleep 0.05; done
      kill -TERM $!
      wait $!
      echo "exit code $?"
      kill -0 $! || ls`;
      const { stdout } = await start(["bash", "-c", script], { cwd: folder }).ended;
      expect(stdout).toBe("exit code 0\nlog\npolicy.yaml\n");
      expect(readFileSync(join(folder, "log"), "utf8")).toMatch(/"msg":"monitor has stopped"\}\n$/);
    },
  );

  it("refuses a bad policy on SIGHUP with its report, keeps the old one and goes on", async () => {
    const monitor = await startMonitor();
    const guest = await attach(monitor.socket);
    writeFileSync(monitor.policy, "version: 1\nconect: []\nlisten: 7\n");
    monitor.process.kill("SIGHUP");
    const line = await monitor.process.logged("policy refused, the old one stays");
    expect(line.level).toBe("error");
    expect(line.problems).toEqual([
      `${monitor.policy}:2:1: unknown key "conect"; did you mean "connect"?`,
      expect.stringContaining(`${monitor.policy}:3:9: listen: `),
    ]);
    expect((await guest.args()).argv).toEqual(["before"]);
  });

  it("does not start with a bad policy: its report, exit 1, no socket", async () => {
    const folder = temporaryFolder();
    const policy = join(folder, "policy.yaml");
    writeFileSync(policy, "version: 1\nconnect:\n  - allow: 10.0.0.0/33\n");
    const { code, stdout, stderr } = await ringway(
      "monitor",
      "--policy",
      policy,
      "--listen",
      join(folder, "s"),
    );
    expect(code).toBe(1);
    expect(stdout).toBe("");
    expect(stderr).toMatch(`${policy}:3:12: connect[0].allow: `);
    expect(stderr.trimEnd().split("\n")).toHaveLength(1);
    expect(readdirSync(folder)).toEqual(["policy.yaml"]);
  });

  it("drains on SIGINT: a transfer that is under way is finished, then exit 0", async () => {
    const monitor = await startMonitor();
    const total = 8 * 1024 * 1024;
    let received = 0;
    let begun = (): void => {};
    const first = new Promise<void>((resolve) => {
      begun = resolve;
    });
    const server = createServer((socket) => {
      // Slow enough that the monitor is asked to stop amid it.
      socket.on("data", (chunk) => {
        received += chunk.length;
        begun();
        socket.pause();
        setTimeout(() => socket.resume(), 5);
      });
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    onTestFinished(() => void server.close());
    const guest = await attach(monitor.socket);
    const stream = await guest.connect((server.address() as { port: number }).port, "127.0.0.1");
    stream.on("error", () => {});
    stream.end(Buffer.alloc(total));
    await first;
    monitor.process.kill("SIGINT");
    expect((await monitor.process.ended).code).toBe(0);
    await expect.poll(() => received).toBe(total);
    expect(monitor.process.log.find(({ msg }) => msg === "stopping")).toMatchObject({
      signal: "SIGINT",
      drainMs: 5000,
    });
  });

  it("cuts off after --drain-ms, and still exits 0", async () => {
    const monitor = await startMonitor("--drain-ms", "200");
    await stuck(monitor.socket);
    monitor.process.kill("SIGTERM");
    const began = performance.now();
    expect((await monitor.process.ended).code).toBe(0);
    const took = performance.now() - began;
    expect(took).toBeGreaterThan(150);
    expect(took).toBeLessThan(3000);
    expect(monitor.process.log.map(({ msg }) => msg)).toContain("streams were cut off by the time limit");
  });

  it("ends at once on a second signal", async () => {
    const monitor = await startMonitor("--drain-ms", "60000");
    await stuck(monitor.socket);
    monitor.process.kill("SIGTERM");
    await monitor.process.logged("stopping");
    monitor.process.kill("SIGINT");
    expect((await monitor.process.ended).code).toBe("SIGINT");
  });

  it("raises its limit on open descriptors to the hard one, and leaves a socket to the monitor that has it", async () => {
    const monitor = await startMonitor();
    const limits = readFileSync(`/proc/${monitor.process.pid}/limits`, "utf8");
    const [, soft, hard] = /^Max open files +(\S+) +(\S+)/m.exec(limits)!;
    expect(soft).toBe(hard);
    const { code, stderr } = await ringway("monitor", "--policy", monitor.policy, "--listen", monitor.socket);
    expect(code).toBe(1);
    expect(stderr).toBe(
      `ringway: cannot listen on ${monitor.socket}: another monitor listens there; stop it or ` +
        "choose another path (EADDRINUSE)\n",
    );
    expect((await (await attach(monitor.socket)).args()).argv).toEqual(["before"]);
  });

  it("takes over a socket that a killed monitor has left", async () => {
    const monitor = await startMonitor();
    monitor.process.kill("SIGKILL");
    await monitor.process.ended;
    expect(existsSync(monitor.socket)).toBe(true);
    const second = start([
      process.execPath,
      RINGWAY,
      "monitor",
      "--policy",
      monitor.policy,
      "--listen",
      monitor.socket,
    ]);
    await second.logged("monitor is ready");
  });

  it.each([
    ["a folder that is not there", "nowhere/s", "its folder does not exist; make it first (ENOENT)"],
    [
      "a path that is too long",
      "x".repeat(120),
      "the path of a socket has at most 107 bytes; choose a shorter one (ENAMETOOLONG)",
    ],
    [
      "a file that is no socket",
      "policy.yaml",
      "there is a file that is no socket; choose another path (EADDRINUSE)",
    ],
  ])("says what to do about %s", async (_, name, advice) => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, "policy.yaml"), "version: 1\n");
    const socket = join(folder, name);
    const result = await ringway("monitor", "--policy", join(folder, "policy.yaml"), "--listen", socket);
    expect(result).toEqual({
      code: 1,
      stdout: "",
      stderr: `ringway: cannot listen on ${socket}: ${advice}\n`,
    });
  });

  it("logs what --log-level lets through", async () => {
    const monitor = await startMonitor("--log-level", "debug");
    const guest = await attach(monitor.socket);
    expect(await monitor.process.logged("guest connected")).toMatchObject({
      level: "debug",
      pid: process.pid,
    });
    guest.log("hello from the guest", "warn");
    expect(await monitor.process.logged("hello from the guest")).toMatchObject({
      level: "warn",
      from: "guest",
    });
  });

  it("is silent with --log-level silent", async () => {
    await using home = new Home(POLICY);
    const silent = home.start(["--log-level", "silent"], { env: { NODE_OPTIONS: "" } });
    // It says nothing. Its socket is there a moment before it takes anybody.
    const guest = await until(
      "it takes guests",
      () => Guest.attach(home.path).catch(() => undefined),
      LOADED_MS,
    );
    await guest.close();
    silent.kill("SIGTERM");
    expect(await silent.ended).toEqual({ code: 0, stdout: "", stderr: "" });
  });

  it("asks the name server that it is given, and stops at once while that is silent", async () => {
    const server = createSocket("udp4");
    server.bind(0, "127.0.0.1");
    await once(server, "listening");
    onTestFinished(() => void server.close());
    const monitor = await startMonitor(
      "--name-server",
      `127.0.0.1:${server.address().port}`,
      "--drain-ms",
      "0",
    );
    writeFileSync(monitor.policy, "version: 1\nconnect: [{ allow: mute.test }]\n");
    monitor.process.kill("SIGHUP");
    await monitor.process.logged("policy reloaded");
    const guest = await attach(monitor.socket);
    const asked = once(server, "message");
    for (let i = 0; i < 200; i++) guest.connect(80, "mute.test").catch(() => {});
    await asked;
    monitor.process.kill("SIGTERM");
    const began = performance.now();
    expect((await monitor.process.ended).code).toBe(0);
    expect(performance.now() - began).toBeLessThan(3000);
  });
});

/** A guest whose bytes nobody takes: a transfer that does not end. */
async function stuck(socketPath: string): Promise<void> {
  const server = createServer((socket) => {
    socket.pause();
    socket.on("error", () => {});
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  const guest = await attach(socketPath);
  const stream = await guest.connect((server.address() as { port: number }).port, "127.0.0.1");
  stream.on("error", () => {});
  stream.write(Buffer.alloc(16 * 1024 * 1024));
  await new Promise((resolve) => setTimeout(resolve, 100));
}
