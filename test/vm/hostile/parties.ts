// The three that meet in hostile.vm.ts, as the test has hold of them.

import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { AttackerOptions, Tally } from "../../hostile/attacker.ts";
import type { Fares } from "../../hostile/fares.ts";
import type { World } from "../../hostile/world.ts";
import { Program } from "../../support/processes.ts";
import { until } from "../../support/wait.ts";
import { type Line, memoryFolder, REGION_MIB, RINGWAY } from "../host/host.ts";
import type { Places } from "../machine/devices.ts";
import type { Job } from "../machine/jobs.ts";
import type { Machine } from "../machine/machine.ts";

const ANSWER_MS = 10_000;

export interface LoggedLine extends Line {
  readonly clause?: string;
  readonly stack?: string;
}

/** A monitor for processes and for one machine. Its log goes to a file: a hostile guest makes it long. */
export class FuzzedMonitor implements Disposable {
  readonly places: Places;
  readonly #folder = mkdtempSync(join(tmpdir(), "ringway-machine-hostile-"));
  readonly #command: readonly string[];
  readonly #socket: string;
  #process!: ChildProcess;

  private constructor(world: World) {
    const memory = join(memoryFolder(this.#folder), `${basename(this.#folder)}-memory`);
    const doorbell = join(this.#folder, "doorbell.sock");
    this.#socket = world.socket;
    this.places = { memory, doorbell, memoryMib: REGION_MIB };
    const vm = `hostile:memory=${memory},doorbell=${doorbell},size=${REGION_MIB}M`;
    const options = ["--policy", world.policyFile, "--listen", world.socket, "--vm", vm];
    this.#command = [RINGWAY, "monitor", ...options];
  }

  static async start(world: World): Promise<FuzzedMonitor> {
    const monitor = new FuzzedMonitor(world);
    await monitor.#start();
    return monitor;
  }

  /** Kills it, and starts another in its place, with a log of its own. */
  async restart(): Promise<void> {
    this.#process.kill("SIGKILL");
    await until("the monitor to be gone", () => !this.alive);
    await this.#start();
  }

  async #start(): Promise<void> {
    const log = openSync(join(this.#folder, "log"), "w");
    this.#process = spawn(process.execPath, this.#command, { stdio: ["ignore", "ignore", log] });
    closeSync(log);
    const ready = (): boolean => {
      if (!this.alive) throw new Error(`the monitor ended: ${this.text}`);
      return this.text.includes("monitor is ready");
    };
    await until("the monitor to be ready", ready, ANSWER_MS);
    // The well-behaved guest is another user's.
    chmodSync(dirname(this.#socket), 0o711);
    chmodSync(this.#socket, 0o666);
  }

  get pid(): number {
    return this.#process.pid!;
  }

  get alive(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }

  get text(): string {
    return readFileSync(join(this.#folder, "log"), "utf8");
  }

  get lines(): LoggedLine[] {
    const lines = this.text.split("\n").slice(0, -1);
    return lines.map((line) => JSON.parse(line) as LoggedLine);
  }

  [Symbol.dispose](): void {
    this.#process.kill("SIGKILL");
    rmSync(this.places.memory, { force: true });
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** A guest that is a process: it sends without end, and checks every byte that comes back. */
export class WellBehaved implements Disposable {
  readonly #program: Program;

  private constructor(program: Program) {
    this.#program = program;
  }

  static async start({ socket, targets }: World): Promise<WellBehaved> {
    const file = fileURLToPath(new URL("../../hostile/good-child.ts", import.meta.url));
    const tsx = ["--import", import.meta.resolve("tsx")];
    const program = new Program(process.execPath, [...tsx, file, socket, String(targets.echoPort)]);
    await program.line("ready", 2 * ANSWER_MS);
    return new WellBehaved(program);
  }

  /** As fast as it can; throws where it has seen anything wrong. */
  async measure(ms: number): Promise<Fares> {
    const { child, lines } = this.#program;
    const at = lines.length;
    child.stdin!.write(`measure ${ms}\n`);
    const line = await until("the well-behaved guest's answer", () => lines[at], ms + ANSWER_MS);
    if (line.includes("wrong")) throw new Error(`the well-behaved guest: ${line}`);
    return JSON.parse(line) as Fares;
  }

  async quit(): Promise<void> {
    this.#program.child.stdin!.write("quit\n");
    await this.#program.succeeds();
  }

  [Symbol.dispose](): void {
    this.#program[Symbol.dispose]();
  }
}

/** The hostile guest of test/hostile, as a program in a machine. */
export class Hostile implements Disposable {
  readonly #job: Job;

  private constructor(job: Job) {
    this.#job = job;
  }

  /** It rests at first. */
  static async start(vm: Machine, { seed, targets }: Omit<AttackerOptions, "path">): Promise<Hostile> {
    const options = JSON.stringify({ seed, targets, from: 0, steps: 0, mutations: 0 });
    const hostile = new Hostile(vm.start(`node /opt/ringway/programs/hostile.mjs '${options}'`));
    await hostile.#job.line("paused");
    return hostile;
  }

  /** What it has done so far. */
  get tally(): Tally {
    const lines = this.#job.stdout.split("\n").slice(0, -1);
    return (JSON.parse(lines.findLast((line) => line.includes('"tally"'))!) as { tally: Tally }).tally;
  }

  go(): void {
    this.#job.write("go\n");
  }

  async pause(): Promise<void> {
    const before = this.#pauses;
    this.#job.write("pause\n");
    await until(
      "the hostile guest to pause",
      () => {
        if (this.#job.exitCode !== undefined) throw this.#job.failure("the hostile guest broke");
        return this.#pauses > before;
      },
      ANSWER_MS,
    );
  }

  get #pauses(): number {
    return this.#job.stdout.split('"paused"').length;
  }

  [Symbol.dispose](): void {
    this.#job[Symbol.dispose]();
  }
}
