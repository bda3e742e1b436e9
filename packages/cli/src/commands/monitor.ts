// ringway monitor: a Monitor as a process, and what the signals do to it.
//
//   starting ── ready ──> serving ── SIGTERM, SIGINT ──> draining ── all sent, or --drain-ms over ──> exit 0
//                          │  ↑                            └── a second one ──> dies of it at once
//                          └──┴ SIGHUP: the policy again; a bad one is refused, the old one stays
//
// Logs are JSON lines on stderr; stdout stays empty.

import { fstatSync, readlinkSync, statSync } from "node:fs";
import { raiseFileDescriptorLimit, type SystemError } from "@ringway/linux";
import {
  DEFAULT_DRAIN_MS,
  type KeptPlace,
  Monitor,
  type MonitorOptions,
  NameServerError,
  PolicyError,
  placesOfVm,
  VmMemoryError,
  type VmOptions,
} from "@ringway/monitor";
import { type Logger, pino } from "pino";
import { Exit, errorLine, Failure, UsageError } from "../errors.ts";
import { loadForCommand } from "./load.ts";

export interface MonitorCommandOptions {
  readonly policy: string;
  readonly listen?: string;
  readonly vms: readonly VmOptions[];
  readonly busyPollUs?: number;
  readonly drainMs?: number;
  readonly maxGuests?: number;
  readonly nameServers?: readonly string[];
  readonly logLevel: string;
}

const STOP_SIGNALS = ["SIGTERM", "SIGINT"] as const;

export async function runMonitor(options: MonitorCommandOptions): Promise<number> {
  const kept = keptFiles(options);
  const policy = loadForCommand(options.policy, kept);
  if (options.listen === undefined && options.vms.length === 0 && policy.vms.length === 0) {
    throw new UsageError("expected --listen SOCKET, where processes attach, or --vm, or vms in the policy");
  }
  const log = createLogger(options.logLevel);
  raiseLimit(log);

  // From here on signals mean what is said above; those that come too early are kept.
  let monitor: Monitor | undefined;
  let reloadAsked = false;
  process.on("SIGHUP", () => {
    if (monitor === undefined) reloadAsked = true;
    else reload(monitor, options.policy, log);
  });
  const stopAsked = stopSignal();

  const started = await start({ ...options, kept }, policy, log);
  monitor = started;
  if (reloadAsked) reload(started, options.policy, log);
  const failed = new Promise<never>((_, reject) => {
    started.on("error", (error) => reject(new Failure(`the monitor failed: ${errorLine(error)}`)));
  });

  const signal = await Promise.race([stopAsked, failed]);
  const drainMs = options.drainMs ?? DEFAULT_DRAIN_MS;
  log.info({ signal, drainMs }, "stopping");
  await Promise.race([started.close({ drainMs }), failed]);
  return Exit.OK;
}

/** What this command knows of that no guest may reach: Monitor adds its own. */
function keptFiles({ policy, listen, vms }: MonitorCommandOptions): KeptPlace[] {
  const kept = [{ what: "the policy", path: policy }, ...vms.flatMap(placesOfVm)];
  if (listen !== undefined) kept.push({ what: "the attach socket", path: listen });
  try {
    if (fstatSync(2).isFile()) kept.push({ what: "the log", path: readlinkSync("/proc/self/fd/2") });
  } catch {
    // Closed, or no procfs to tell where it is.
  }
  return kept;
}

async function start(
  options: MonitorCommandOptions & Pick<MonitorOptions, "kept">,
  policy: MonitorOptions["policy"],
  logger: Logger,
): Promise<Monitor> {
  const { listen, vms, busyPollUs, maxGuests, nameServers } = options;
  try {
    return await Monitor.start({
      policy,
      vms,
      logger,
      kept: options.kept ?? [],
      ...(listen === undefined ? {} : { listen }),
      ...(busyPollUs === undefined ? {} : { busyPollUs }),
      ...(maxGuests === undefined ? {} : { maxGuests }),
      ...(nameServers === undefined ? {} : { names: { nameServers } }),
    });
  } catch (error) {
    if (error instanceof NameServerError) throw new UsageError(`--name-server: ${error.message}`);
    const { name, code, path } = error as SystemError;
    if (name !== "SystemError" || listen === undefined || path !== listen) throw error;
    const advice = adviceFor(code, listen);
    const detail = advice === undefined ? errorLine(error) : `${advice} (${code})`;
    throw new Failure(`cannot listen on ${listen}: ${detail}`, { cause: error });
  }
}

/** What is wrong with the place of a socket, and what to do. */
function adviceFor(code: string, path: string): string | undefined {
  switch (code) {
    case "EADDRINUSE":
      return statSync(path, { throwIfNoEntry: false })?.isSocket()
        ? "another monitor listens there; stop it or choose another path"
        : "there is a file that is no socket; choose another path";
    case "ENAMETOOLONG":
      return "the path of a socket has at most 107 bytes; choose a shorter one";
    case "ENOENT":
      return "its folder does not exist; make it first";
    case "EACCES":
      return "its folder may not be written to by this user";
    case "EROFS":
      return "its file system is read-only";
    default:
      return undefined;
  }
}

/** Resolves at the first signal to stop; the second has its default effect, which is the end. */
function stopSignal(): Promise<string> {
  return new Promise((resolve) => {
    let asked = false;
    for (const signal of STOP_SIGNALS) {
      process.on(signal, () => {
        if (asked) {
          process.removeAllListeners(signal);
          process.kill(process.pid, signal);
        }
        asked = true;
        resolve(signal);
      });
    }
  });
}

function reload(monitor: Monitor, file: string, log: Logger): void {
  try {
    void monitor.reload(file);
  } catch (error) {
    const isRefusal =
      error instanceof PolicyError ||
      error instanceof VmMemoryError ||
      (error as Error).name === "SystemError";
    if (!isRefusal) throw error;
    const { message } = error as Error;
    const problems = error instanceof PolicyError ? error.report().split("\n") : [message];
    log.error({ problems }, `policy refused, the old one stays: ${message}`);
  }
}

export function createLogger(level: string): Logger {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    pino.destination({ fd: 2, sync: true }),
  );
}

/** Each stream takes a descriptor, and the usual soft limit is 1024. */
export function raiseLimit(log: Logger): void {
  try {
    raiseFileDescriptorLimit();
  } catch (error) {
    log.warn({ err: error }, "the limit on open descriptors stays as it is");
  }
}
