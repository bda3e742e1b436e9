// ringway vm: QEMU and a monitor for it, as one program.
//
//   starting ── both there ──> running ── QEMU ends ─────────────────────────────────────> over
//                                 ├── the guest says Exit ── ends by itself, or after --grace-ms SIGTERM ──┤
//                                 ├── no guest within --boot-timeout ── as by a signal, and fails ─────────┤
//                                 └── SIGTERM, SIGINT, SIGHUP ── QEMU gets SIGTERM, after --grace-ms SIGKILL ──┘
//
// Invariant: whichever of the two ends, the other does. The region is a memfd that both hold and nobody else; the
// doorbell's socket is in a folder of our own.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Deadline, SharedMemory, within } from "@ringway/linux";
import { formatProblem, Monitor, type Policy, parsePolicy, TraceError } from "@ringway/monitor";
import type { Logger } from "pino";
import { errorLine, Failure, TIMED_OUT, UsageError } from "../errors.ts";
import type { Signals } from "../signals.ts";
import { type Acceleration, planArguments } from "../vm/arguments.ts";
import { BootLimit } from "../vm/boot-limit.ts";
import { INHERITED_FD, QemuProcess, requireProgram } from "../vm/qemu-process.ts";
import { formatMemory, parseMemory } from "../vm/size.ts";
import { auditFailure } from "./audit.ts";
import { loadForCommand } from "./load.ts";
import { raiseLimit } from "./monitor.ts";
import { type Stderr, serve } from "./serving.ts";

export interface VmCommandOptions {
  readonly policy?: string;
  readonly memory: string;
  readonly accel?: Acceleration;
  readonly graceMs: number;
  /** Milliseconds. */
  readonly bootTimeout?: number;
  readonly logLevel: string;
  readonly audit?: string;
}

const NAME = "vm";
/** How long the monitor may take to do what a machine that has ended left behind: what it sent, and its exit code. */
const SETTLE_MS = 3000;
/** A socket's path, less its NUL. */
const SOCKET_PATH_BYTES_MAX = 107;

export async function runVm(
  command: readonly string[],
  options: VmCommandOptions,
  from: Signals,
): Promise<number> {
  const memoryBytes = parseMemory(options.memory);
  if (typeof memoryBytes === "string") throw new UsageError(`--memory: ${memoryBytes}`);
  return await serve(options.logLevel, (stderr) =>
    serveMachine(command, { ...options, memoryBytes }, from, stderr),
  );
}

async function serveMachine(
  command: readonly string[],
  options: VmCommandOptions & { readonly memoryBytes: number },
  from: Signals,
  { log, say }: Stderr,
): Promise<number> {
  const { memoryBytes } = options;
  const signals = new StopSignals(from);
  const folder = mkdtempSync(join(tmpdir(), "ringway-vm-"));
  try {
    const doorbell = join(folder, "doorbell");
    if (Buffer.byteLength(doorbell) > SOCKET_PATH_BYTES_MAX) {
      throw new Failure(
        `the path of a socket has at most ${SOCKET_PATH_BYTES_MAX} bytes: set TMPDIR to a shorter one`,
      );
    }
    const devices = { memoryFd: INHERITED_FD, memoryBytes, doorbell };
    const plan = planArguments(command.slice(1), devices, options.accel);
    const policy = await policyFor(options.policy, log);
    requireProgram(command[0]!);
    using memory = SharedMemory.create("ringway:vm", memoryBytes);
    await using monitor = await startMonitor(policy, options.audit, log, memory, doorbell);
    if (options.logLevel !== "silent") say(greeting(memoryBytes, plan.hasNetwork));
    const qemu = new QemuProcess([...command, ...plan.added], memory.fd);
    return await untilOver(qemu, monitor, signals, options);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Other machines in the policy are another monitor's. */
async function policyFor(file: string | undefined, log: Logger): Promise<Policy> {
  const policy =
    file === undefined
      ? parsePolicy("version: 1\n", { file: "none.yaml" })
      : await loadForCommand(file, [], (warning) => log.warn(formatProblem(file, warning)));
  return { ...policy, vms: [] };
}

async function startMonitor(
  policy: Policy,
  audit: string | undefined,
  logger: Logger,
  memory: SharedMemory,
  doorbell: string,
): Promise<Monitor> {
  raiseLimit(logger);
  const vms = [{ name: NAME, memory: memory.fd, doorbell }];
  try {
    return await Monitor.start({ policy, logger, vms, ...(audit === undefined ? {} : { audit }) });
  } catch (error) {
    if (error instanceof TraceError) throw new UsageError(error.message);
    throw auditFailure(error, audit) ?? error;
  }
}

/** The guest's exit code where it told one, otherwise QEMU's. */
async function untilOver(
  qemu: QemuProcess,
  monitor: Monitor,
  signals: StopSignals,
  { graceMs, bootTimeout }: Pick<VmCommandOptions, "graceMs" | "bootTimeout">,
): Promise<number> {
  let exitCode: number | undefined;
  let failure: Failure | undefined;
  let grace: Deadline | undefined;
  let isRunning = true;
  const stop = (): void => qemu.stop(graceMs);
  const presence = new Presence(monitor);
  monitor.on("exit", ({ code }) => {
    exitCode = code;
    if (isRunning) grace ??= new Deadline(graceMs, stop);
  });
  const late = (problem: string): void => {
    failure ??= new Failure(problem, { exitCode: TIMED_OUT });
    stop();
  };
  const boot = bootTimeout === undefined ? undefined : new BootLimit(monitor, bootTimeout, late);
  monitor.on("error", (error) => {
    failure = new Failure(`the monitor failed: ${errorLine(error)}`, { cause: error });
    stop();
  });
  signals.heed(stop);
  const qemuCode = await qemu.ended;
  isRunning = false;
  grace?.cancel();
  boot?.cancel();
  signals.heed(() => {});
  // Its last words may still be in the memory.
  if (failure === undefined) await within(presence.gone(), SETTLE_MS);
  if (failure !== undefined) throw failure;
  if (boot?.hasGuest === false && qemuCode === 0 && !signals.asked) {
    throw new Failure("QEMU has ended, and no guest has attached (--boot-timeout)");
  }
  return exitCode ?? qemuCode;
}

/** The signals to stop: what comes before there is something to stop is kept. */
class StopSignals {
  #asked = false;
  #stop: (() => void) | undefined;

  constructor(signals: Signals) {
    signals.take(() => {
      this.#asked = true;
      this.#stop?.();
    });
  }

  get asked(): boolean {
    return this.#asked;
  }

  heed(stop: () => void): void {
    this.#stop = stop;
    if (this.#asked) stop();
  }
}

/** Whether the monitor has the machine's doorbell. */
class Presence {
  #isThere = false;
  #onGone: () => void = () => {};

  constructor(monitor: Monitor) {
    monitor.on("guest", () => {
      this.#isThere = true;
    });
    monitor.on("detached", () => {
      this.#isThere = false;
      this.#onGone();
    });
  }

  gone(): Promise<void> {
    if (!this.#isThere) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onGone = resolve;
    });
  }
}

function greeting(memoryBytes: number, hasNetwork: boolean): string {
  const network = hasNetwork
    ? "ringway: the guest has a network of its own, too, which the policy does not govern\n"
    : "";
  const device = `PCI device 1af4:1110 (resource2, ${formatMemory(memoryBytes)})`;
  return `${network}ringway: the guest attaches by ${device} and virtio port org.ringway.doorbell:
ringway:   ringway-agent                     for programs that know nothing of Ringway
ringway:   Guest.attach({ ivshmem: true })   for Node
`;
}
