// One QEMU: stock, with a port of the tests' own through which they run commands in the guest. Ended by force, and
// reaped, whatever happens.

import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until, within } from "../../support/wait.ts";
import { ACCELERATOR } from "./devices.ts";
import { type Ended, type Job, Jobs } from "./jobs.ts";
import { connectWhenThere, Qmp } from "./qmp.ts";

/** What a guest boots: images/setup.ts has them. */
export interface Image {
  readonly kernel: string;
  readonly initrd: string;
  /** /dev/vda, /dev/vdb: read-only. */
  readonly disks: readonly string[];
  readonly memoryMib: number;
}

export interface MachineOptions {
  readonly image: Image;
  /** What Ringway needs of QEMU: devices.ts. */
  readonly devices: readonly string[];
  /** What starts QEMU: a command that takes QEMU's after its own. */
  readonly launcher?: readonly string[];
  /** Of scheduling: 19 is the last in line for a processor. */
  readonly nice?: number;
}

const BOOT_MS = 30_000;
const CONSOLE_KEPT = 20_000;
const CPU = ACCELERATOR === "kvm" ? "host" : "qemu64,+rdrand";

export class Machine implements AsyncDisposable {
  readonly qmp: Qmp;
  /** From the start of QEMU until the guest took commands. */
  readonly bootMs: number;
  readonly #process: ChildProcess;
  readonly #jobs: Jobs;
  readonly #folder: string;
  readonly #console: { text: string };

  private constructor(
    process: ChildProcess,
    qmp: Qmp,
    jobs: Jobs,
    folder: string,
    text: { text: string },
    ms: number,
  ) {
    this.#process = process;
    this.qmp = qmp;
    this.#jobs = jobs;
    this.#folder = folder;
    this.#console = text;
    this.bootMs = ms;
  }

  /** Resolves when the guest takes commands. */
  static async start(options: MachineOptions): Promise<Machine> {
    const startMs = performance.now();
    const folder = mkdtempSync(join(tmpdir(), "ringway-machine-"));
    // It ends with this process, also when that is ended by force.
    const child = spawn(
      "setpriv",
      [
        ...["--pdeathsig", "KILL", "nice", "-n", String(options.nice ?? 0)],
        ...[...(options.launcher ?? []), "qemu-system-x86_64", ...argumentsOf(options, folder)],
      ],
      { stdio: ["ignore", "pipe", "pipe"] },
    );
    const kept = { text: "" };
    for (const output of [child.stdout!, child.stderr!]) {
      output.setEncoding("utf8").on("data", (text: string) => {
        kept.text = (kept.text + text).slice(-CONSOLE_KEPT);
      });
    }
    try {
      await within(
        "QEMU to start",
        new Promise((resolve, reject) => child.on("spawn", resolve).on("error", reject)),
      );
      const alive = async <T>(what: Promise<T>): Promise<T> => await Promise.race([what, endOf(child)]);
      const jobs = new Jobs(await alive(connectWhenThere(join(folder, "test.sock"))));
      const qmp = await alive(Qmp.connect(join(folder, "qmp.sock")));
      await booted(jobs, child, kept, 1);
      return new Machine(child, qmp, jobs, folder, kept, performance.now() - startMs);
    } catch (error) {
      child.kill("SIGKILL");
      rmSync(folder, { recursive: true, force: true });
      throw new Error(`${(error as Error).message}\n${kept.text}`, { cause: error });
    }
  }

  /** The last that was on the serial console. */
  get console(): string {
    return this.#console.text;
  }

  /** Starts a command. */
  start(command: string): Job {
    return this.#jobs.start(command);
  }

  async run(command: string, timeoutMs?: number): Promise<Ended> {
    using job = this.start(command);
    return await job.end(timeoutMs);
  }

  /** What a command prints, that must succeed. */
  async output(command: string, timeoutMs?: number): Promise<string> {
    using job = this.start(command);
    const { stdout, exitCode } = await job.end(timeoutMs);
    if (exitCode !== 0) throw job.failure(`exit code ${exitCode}`);
    return stdout.trimEnd();
  }

  /** Resets it, as the button does, and resolves when it takes commands again. */
  async reset(): Promise<void> {
    const { boots } = this.#jobs;
    this.#jobs.restarted();
    this.#console.text = "";
    await this.qmp.execute("system_reset");
    await booted(this.#jobs, this.#process, this.#console, boots + 1);
  }

  async pause(): Promise<void> {
    await this.qmp.execute("stop");
  }

  async proceed(): Promise<void> {
    await this.qmp.execute("cont");
  }

  /** How what was started ends. */
  async end(timeoutMs = 10_000): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
    const ended = (): boolean => this.#process.exitCode !== null || this.#process.signalCode !== null;
    await until("the machine to end", ended, timeoutMs);
    return { code: this.#process.exitCode, signal: this.#process.signalCode };
  }

  /** Sends a signal to what was started. */
  signal(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  /** Ends QEMU at once, as the kernel does to a process that takes too much memory. */
  async kill(): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      this.#process.kill("SIGKILL");
      await new Promise((resolve) => this.#process.once("exit", resolve));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    this.qmp[Symbol.dispose]();
    this.#jobs[Symbol.dispose]();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function argumentsOf({ image, devices }: MachineOptions, folder: string): string[] {
  const kernel = "quiet console=ttyS0 panic=0 mitigations=off random.trust_cpu=on no_timer_check";
  return [
    ...["-machine", "q35", "-cpu", CPU, "-m", String(image.memoryMib)],
    ...["-nodefaults", "-display", "none", "-serial", "stdio"],
    ...["-qmp", `unix:${join(folder, "qmp.sock")},server=on,wait=off`],
    ...["-kernel", image.kernel, "-initrd", image.initrd, "-append", kernel],
    ...["-chardev", `socket,id=test,path=${join(folder, "test.sock")},server=on,wait=off`],
    ...["-device", "virtio-serial-pci", "-device", "virtserialport,chardev=test,name=org.ringway.test"],
    ...image.disks.flatMap((disk, i) => [
      ...["-drive", `id=disk${i},if=none,format=raw,readonly=on,file=${disk}`],
      ...["-device", `virtio-blk-pci,drive=disk${i}`],
    ]),
    ...devices,
  ];
}

async function booted(jobs: Jobs, child: ChildProcess, kept: { text: string }, boots: number): Promise<void> {
  await until(
    "the guest to boot",
    () => {
      if (kept.text.includes("Kernel panic")) throw new Error("the guest's kernel panicked");
      if (child.exitCode !== null || child.signalCode !== null) throw new Error("QEMU has ended");
      return jobs.boots >= boots;
    },
    BOOT_MS,
  );
}

async function endOf(child: ChildProcess): Promise<never> {
  const [code, signal] = await new Promise<unknown[]>((resolve) =>
    child.once("exit", (...end) => resolve(end)),
  );
  throw new Error(`QEMU ended with ${signal ?? code}`);
}
