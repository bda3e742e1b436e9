// The host of one virtual machine: a folder, a web server, a policy that allows just these, and `ringway monitor` on
// it, to be killed and started again.

import { mkdirSync, mkdtempSync, readdirSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { MiB } from "../../support/bytes.ts";
import { Program } from "../../support/processes.ts";
import { freePort } from "../../support/tcp.ts";
import { until } from "../../support/wait.ts";
import { Web } from "./web.ts";

export const REGION_MIB = 64;
export const RINGWAY: string = fileURLToPath(
  new URL("../../../packages/cli/bin/ringway.js", import.meta.url),
);
const VM = "machine";

/** A line of the monitor's log. */
export interface Line {
  readonly msg: string;
  readonly audit?: string;
  readonly guest?: string;
  readonly what?: string;
  readonly rule?: string;
}

export class Host implements AsyncDisposable {
  readonly web: Web;
  /** /data in the guest. */
  readonly folder: string;
  readonly memory: string;
  readonly doorbell: string;
  /** A port at which the policy lets the guest listen. */
  readonly publishedPort: number;
  readonly policy: string;
  readonly #root: string;
  #monitor: Program | undefined;

  private constructor(web: Web, root: string, publishedPort: number) {
    this.web = web;
    this.publishedPort = publishedPort;
    this.#root = root;
    this.folder = join(root, "data");
    mkdirSync(this.folder);
    this.doorbell = join(root, "doorbell.sock");
    this.memory = join(memoryFolder(root), `ringway-machine-${process.pid}-${publishedPort}`);
    this.policy = join(root, "policy.yaml");
    writeFileSync(
      this.policy,
      `version: 1
connect:
  - { id: web, allow: 127.0.0.1, ports: ${web.port} }
  - { id: web-by-name, allow: localhost, ports: ${web.port}, resolvesTo: 127.0.0.0/8 }
listen:
  - { id: server, allow: 127.0.0.1, ports: ${publishedPort} }
files:
  - { id: data, guest: /data, host: ./data, access: rw }
`,
    );
  }

  static async start(): Promise<Host> {
    return new Host(
      await Web.start(),
      mkdtempSync(join(tmpdir(), "ringway-machine-host-")),
      await freePort(),
    );
  }

  get monitor(): Program {
    if (this.#monitor === undefined) throw new Error("there is no monitor");
    return this.#monitor;
  }

  /** Of the monitor that runs now. */
  get lines(): Line[] {
    const lines = this.monitor.errors.split("\n").slice(0, -1);
    return lines.filter((line) => line.startsWith("{")).map((line) => JSON.parse(line) as Line);
  }

  /** Refusals in the audit log. */
  get refusals(): Line[] {
    return this.lines.filter(({ audit }) => audit === "refused");
  }

  get descriptors(): number {
    return readdirSync(`/proc/${this.monitor.pid}/fd`).length;
  }

  async startMonitor(): Promise<void> {
    const vm = `${VM}:memory=${this.memory},doorbell=${this.doorbell},size=${REGION_MIB}M`;
    const args = ["monitor", "--policy", this.policy, "--vm", vm, "--log-level", "debug"];
    const monitor = new Program(process.execPath, [RINGWAY, ...args]);
    this.#monitor = monitor;
    await until(
      "the monitor to be ready",
      () => {
        if (monitor.isOver) throw new Error(`the monitor ended: ${monitor.errors}`);
        return monitor.errors.includes("monitor is ready");
      },
      10_000,
    );
  }

  async killMonitor(): Promise<void> {
    this.monitor.child.kill("SIGKILL");
    await this.monitor.exit();
    this.#monitor = undefined;
  }

  /** What the failure of a test needs to be understood. */
  report(): string {
    return this.#monitor?.errors ?? "no monitor";
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#monitor !== undefined) await this.killMonitor();
    await this.web[Symbol.asyncDispose]();
    rmSync(this.memory, { force: true });
    rmSync(this.#root, { recursive: true, force: true });
  }
}

/** Memory, where there is enough of it: a file on a disk would be written back all the time. */
export function memoryFolder(otherwise: string): string {
  const shm = "/dev/shm";
  try {
    const { bavail, bsize } = statfsSync(shm);
    return bavail * bsize > 2 * REGION_MIB * MiB ? shm : otherwise;
  } catch {
    return otherwise;
  }
}
