// ringway monitor under a service manager: one in small (test/fixtures/service-manager.py), which hands sockets over
// and is told how the monitor is, systemd's own socket activation, and its judgement of the units of etc/systemd. Where
// systemd runs, it starts the monitor.

import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Guest } from "@ringway/guest";
import { AdminClient, createLogger } from "@ringway/monitor";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { LOADED_MS, type Program } from "../../../test/support/processes.ts";
import { RINGWAY, ROOT, start } from "../../../test/support/ringway.ts";
import { temporaryFolder } from "../../../test/support/temporary.ts";
import { until } from "../../../test/support/wait.ts";
import { ServiceManager } from "../src/service/manager.ts";

const has = (program: string): boolean => spawnSync(program, ["--version"]).status === 0;

interface ServiceOptions {
  readonly notify?: string;
  readonly watchdogUs?: number;
  /** In place of a monitor. */
  readonly command?: readonly string[];
}

class Service {
  readonly folder: string = temporaryFolder("service");
  readonly guests: string = join(this.folder, "guests.sock");
  readonly admin: string = join(this.folder, "admin.sock");
  readonly policy: string = join(this.folder, "policy.yaml");
  readonly program: Program;
  #heard = 0;

  constructor(
    sockets: readonly (readonly [type: string, file: string, name: string])[],
    { notify = "notify", watchdogUs, command }: ServiceOptions = {},
  ) {
    writeFileSync(this.policy, "version: 1\n");
    const at = notify.startsWith("@") ? notify : join(this.folder, notify);
    const made = sockets.map(([type, file, name]) => [type, join(this.folder, file), name]);
    const spec = JSON.stringify({ sockets: made, notify: at, watchdogUs });
    const monitor = ["monitor", "--policy", this.policy, "--listen", this.guests, "--admin", this.admin];
    const fixture = join(ROOT, "test/fixtures/service-manager.py");
    this.program = start(["python3", fixture, spec, ...(command ?? [process.execPath, RINGWAY, ...monitor])]);
    onTestFinished(async () => {
      const { pid } = JSON.parse(this.program.lines[0] ?? "{}") as { pid?: number };
      try {
        if (pid !== undefined) process.kill(pid, "SIGKILL");
      } catch {
        // It has ended.
      }
      await this.program.exited;
    });
  }

  async kill(signal: NodeJS.Signals): Promise<void> {
    const { pid } = JSON.parse(await this.program.line('"pid"')) as { pid: number };
    process.kill(pid, signal);
  }

  /** The next word, after those that were heard, which begins so. */
  async said(begin: string): Promise<readonly string[]> {
    for (;;) {
      const said = await this.next();
      if (said[0]?.startsWith(begin)) return said;
    }
  }

  /** The next word. */
  async next(): Promise<readonly string[]> {
    for (;;) {
      const at = this.#heard++;
      const line = await until("a word of the monitor", () => this.program.lines[at], LOADED_MS);
      const { said } = JSON.parse(line) as { said?: string[] };
      if (said !== undefined) return said;
    }
  }
}

const BOTH = [
  ["seqpacket", "guests.sock", "guests"],
  ["stream", "admin.sock", "admin"],
] as const;

describe("a monitor under a service manager", () => {
  it("takes its sockets over, says when it serves, reads again and stops, and leaves their files", async () => {
    const service = new Service(BOTH);
    await service.program.line('"pid"', LOADED_MS);
    const before = statSync(service.guests, { bigint: true }).ino;
    // Both wait in the sockets' queues until there is a monitor.
    const guest = await Guest.attach(service.guests, { timeoutMs: LOADED_MS });
    using client = new AdminClient({ socket: service.admin });
    expect(await client.guests()).toMatchObject({ items: [{ state: "attached", pid: process.pid }] });
    await guest.close();
    const [, status] = await service.said("READY=1");
    expect(status).toBe(`STATUS=serves 0 named guests and 0 VMs by ${service.policy}`);
    writeFileSync(service.policy, "version: 1\nconect: []\n");
    await service.kill("SIGHUP");
    const [, time, reading] = await service.said("RELOADING=1");
    expect(time).toMatch(/^MONOTONIC_USEC=\d+$/);
    expect(reading).toBe("STATUS=reading its files again");
    const refused = `what it read last was refused: ${service.policy}:2:1: unknown key "conect"`;
    expect((await service.said("READY=1"))[1]).toContain(refused);
    await service.kill("SIGTERM");
    expect(await service.said("STOPPING=1")).toEqual([
      "STOPPING=1",
      "STATUS=stops, by SIGTERM: transfers may finish",
      // 5 seconds for the drain, and what the end takes.
      "EXTEND_TIMEOUT_USEC=10000000",
    ]);
    await service.program.line('"code": 0', LOADED_MS);
    expect([statSync(service.guests, { bigint: true }).ino, existsSync(service.admin)]).toEqual([
      before,
      true,
    ]);
  });

  it("says that it is alive as long as its reactor turns, and not before it serves, to an abstract socket", async () => {
    const service = new Service(BOTH, { notify: `@ringway-${process.pid}`, watchdogUs: 200_000 });
    await service.said("READY=1");
    await service.said("WATCHDOG=1");
    await service.said("WATCHDOG=1");
    expect(service.program.lines.findIndex((line) => line.includes("WATCHDOG"))).toBeGreaterThan(
      service.program.lines.findIndex((line) => line.includes("READY=1")),
    );
  });

  it.each([
    [
      [["stream", "guests.sock", "guests"]],
      /socket guests at .*guests\.sock is of another type: make it by Listen/,
    ],
    [
      [["seqpacket", "other.sock", "web"]],
      /socket web is at .*other\.sock, where no option has one \(--listen, --admin/,
    ],
    [[["dgram", "guests.sock", "guests"]], /socket guests is no Unix socket with a path that takes guests/],
  ] as const)("does not start with %j", async (sockets, message) => {
    const service = new Service(sockets);
    await service.program.line('"code": 1', LOADED_MS);
    expect(service.program.errors).toMatch(message);
  });

  it.skipIf(!has("systemd-socket-activate"))(
    "is started by systemd-socket-activate for its first guest",
    async () => {
      const folder = temporaryFolder("activate");
      const [socket, policy] = [join(folder, "guests.sock"), join(folder, "policy.yaml")];
      writeFileSync(policy, "version: 1\nguest: { argv: [activated] }\n");
      const activate = ["systemd-socket-activate", "--seqpacket", `--listen=${socket}`, "--fdname=guests"];
      const program = start([
        ...activate,
        process.execPath,
        RINGWAY,
        "monitor",
        "--policy",
        policy,
        "--listen",
        socket,
      ]);
      await until("the socket", () => existsSync(socket));
      const guest = await Guest.attach(socket, { timeoutMs: LOADED_MS });
      expect((await guest.args()).argv).toEqual(["activated"]);
      await guest.close();
      program.kill("SIGTERM");
      expect((await program.ended).code).toBe(0);
      expect(existsSync(socket)).toBe(true);
    },
  );
});

describe("what a service manager is told", () => {
  /** Of this process, each 10 ms; and whoever hears it. */
  async function told(): Promise<{ readonly service: Service; readonly manager: ServiceManager }> {
    const service = new Service([], { command: ["sleep", "600"] });
    await service.program.line('"pid"', LOADED_MS);
    vi.stubEnv("NOTIFY_SOCKET", join(service.folder, "notify"));
    vi.stubEnv("WATCHDOG_USEC", "20000");
    onTestFinished(() => void vi.unstubAllEnvs());
    return { service, manager: ServiceManager.ofProcess(createLogger("silent", { write() {} }))! };
  }

  it("is no life while the reactor does not answer, and life all along the drain, when it answers no more", async () => {
    const { service, manager } = await told();
    let pulses = 0;
    let answer = (): void => {};
    const hung = new Promise<void>((resolve) => {
      answer = resolve;
    });
    manager.ready("serves", async () => {
      if (++pulses === 3) await hung;
      if (pulses > 3) throw new Error("the monitor is closed");
    });
    await until("a pulse that hangs", () => pulses === 3);
    // Five times as long as there is between two.
    await manager.reloads(async () => void (await new Promise((resolve) => setTimeout(resolve, 50))));
    const first = ["READY=1", "WATCHDOG=1", "WATCHDOG=1", "RELOADING=1", "READY=1"];
    for (const begin of first) expect((await service.next())[0]).toBe(begin);
    answer();
    expect(await service.next()).toEqual(["WATCHDOG=1"]);
    manager.stopping("stops", 60_000);
    expect(await service.next()).toEqual(["STOPPING=1", "STATUS=stops", "EXTEND_TIMEOUT_USEC=65000000"]);
    for (let i = 0; i < 3; i++) expect(await service.next()).toEqual(["WATCHDOG=1"]);
  });

  it("has an end where reading again throws, and says why", async () => {
    const { service, manager } = await told();
    await manager.reloads(() => Promise.reject(new Error("no such thing")));
    await service.said("RELOADING=1");
    expect((await service.said("READY=1"))[1]).toBe("STATUS=; what it read last was refused: no such thing");
  });
});

const SYSTEMD = existsSync("/run/systemd/system") && process.getuid!() === 0;

describe.skipIf(!SYSTEMD)("a monitor that systemd-run starts", () => {
  it("is active once it serves, and says in its status what it serves", () => {
    const folder = temporaryFolder("systemd");
    const [policy, unit] = [join(folder, "policy.yaml"), `ringway-test-${process.pid}`];
    writeFileSync(policy, "version: 1\n");
    onTestFinished(() => void spawnSync("systemctl", ["stop", unit]));
    const monitor = ["monitor", "--policy", policy, "--listen", join(folder, "guests.sock")];
    const notify = ["--service-type=notify", "--property=WatchdogSec=30", `--unit=${unit}`];
    const { status } = spawnSync("systemd-run", [...notify, process.execPath, RINGWAY, ...monitor]);
    expect(status).toBe(0);
    const { stdout } = spawnSync("systemctl", ["show", "--property=ActiveState,StatusText", unit]);
    expect(String(stdout)).toContain("ActiveState=active\n");
    expect(String(stdout)).toContain(`StatusText=serves 0 named guests and 0 VMs by ${policy}`);
  });
});

const UNITS = ["ringway.service", "ringway.socket", "ringway-admin.socket"];

describe.skipIf(!has("systemd-analyze"))("the units of etc/systemd", () => {
  it("are without a mistake that systemd knows", () => {
    const folder = temporaryFolder("units");
    for (const unit of UNITS) {
      // The command, and the user, as they are here.
      const text = readFileSync(join(ROOT, "etc/systemd", unit), "utf8");
      writeFileSync(
        join(folder, unit),
        text.replace("/usr/bin/ringway", RINGWAY).replaceAll("=ringway\n", "=root\n"),
      );
    }
    const { stdout, stderr } = spawnSync("systemd-analyze", [
      "verify",
      ...UNITS.map((unit) => join(folder, unit)),
    ]);
    expect(`${stdout}${stderr}`).toBe("");
  });

  it("are exposed less than what systemd calls OK", () => {
    const unit = join(ROOT, "etc/systemd/ringway.service");
    const { status, stdout } = spawnSync("systemd-analyze", [
      "security",
      "--offline=yes",
      "--threshold=25",
      unit,
    ]);
    expect(status, String(stdout)).toBe(0);
  });
});
