// ringway monitor: a Monitor as a process, and what the signals do to it.
//
//   starting ── ready ──> serving ── SIGTERM, SIGINT ──> draining ── all sent, or --drain-ms over ──> exit 0
//    │                     │  ↑                            └── a second one ──> dies of it at once
//    │                     └──┴ SIGHUP: the policy again; a bad one is refused, the old one stays
//    └── SIGTERM, SIGINT ──> exit 0; SIGHUP is kept until it serves
//
//    SIGHUP is for the policies that guests have of their own and the file of --config, too, and opens the audit file
//    anew
//
// Logs are JSON lines on stderr; stdout stays empty. Each of these states is told to a service manager, where there is
// one (service/).

import { statSync } from "node:fs";
import { resolve } from "node:path";
import { raiseFileDescriptorLimit, type SystemError, within } from "@ringway/linux";
import {
  type AdminHttpOptions,
  DEFAULT_DRAIN_MS,
  keptBy,
  Monitor,
  NameServerError,
  PolicyError,
  TraceError,
} from "@ringway/monitor";
import type { Logger } from "pino";
import { makeDefaultFolder } from "../admin/socket.ts";
import { keptFiles } from "../config/kept.ts";
import { hasGuests, type MonitorCommandOptions, requireVms } from "../config/options.ts";
import { Reloads } from "../config/reloads.ts";
import { Exit, errorLine, Failure, UsageError } from "../errors.ts";
import { Learning } from "../learn/learning.ts";
import { plural } from "../numbers.ts";
import { policyFailure } from "../policy-failure.ts";
import { ServiceManager } from "../service/manager.ts";
import { inheritedSockets } from "../service/sockets.ts";
import { dieBy, type Signals } from "../signals.ts";
import { auditFailure } from "./audit.ts";
import { loadForCommand } from "./load.ts";
import { serve } from "./serving.ts";

/** How long a monitor that is asked to stop may take to begin. */
const BEGIN_END_MS = 1000;

/** `again` reads the options anew, where a file has some. */
export async function runMonitor(
  options: MonitorCommandOptions,
  again: () => Promise<MonitorCommandOptions>,
  signals: Signals,
): Promise<number> {
  return await serve(options.logLevel, ({ log }) => serveGuests(options, again, signals, log));
}

async function serveGuests(
  options: MonitorCommandOptions,
  again: () => Promise<MonitorCommandOptions>,
  signals: Signals,
  log: Logger,
): Promise<number> {
  const asked = new Asked(signals);
  const manager = ServiceManager.ofProcess(log);
  const drainMs = options.drainMs ?? DEFAULT_DRAIN_MS;
  const learning = learningOf(options, log);
  const beginning = begin(options, learning, log, asked.ending);
  const monitor = await Promise.race([beginning, asked.stop]);
  if (typeof monitor === "string") {
    log.info({ signal: monitor, drainMs: 0 }, "stopping");
    manager?.stopping(`stops, by ${monitor}, before it was ready`, BEGIN_END_MS);
    await within(stopEarly(beginning), BEGIN_END_MS);
    return Exit.OK;
  }
  const reloads = new Reloads(monitor, options, again, log, learning);
  const failed = new Promise<never>((_, reject) => {
    monitor.on("error", (error) => reject(new Failure(`the monitor failed: ${errorLine(error)}`)));
  });
  const byOperator = new Promise<{ readonly drainMs?: number }>((resolve) => monitor.on("drain", resolve));
  if (learning !== undefined) learnBeside(monitor, learning);
  await learning?.begin();
  manager?.ready(statusOf(options), () => monitor.memoryUsage());
  asked.onReload(() => {
    const reload = async (): Promise<string | undefined> => {
      if (options.audit !== undefined) void reopenAudit(monitor, options.audit, log);
      if (options.flows !== undefined) void reopenFlows(monitor, options.flows, log);
      return await reloads.ask();
    };
    void (manager === undefined ? reload() : manager.reloads(reload));
  });

  const why = await Promise.race([asked.stop, byOperator, failed]);
  const end = typeof why === "string" ? { signal: why, drainMs } : { drainMs: why.drainMs ?? drainMs };
  log.info(end, "stopping");
  const by = typeof why === "string" ? why : "the operator";
  manager?.stopping(`stops, by ${by}: transfers may finish`, end.drainMs);
  await Promise.race([monitor.close({ drainMs: end.drainMs }), failed]);
  await learning?.end();
  return Exit.OK;
}

/** What an operator puts in force is what is learned beside from then on. */
function learnBeside(monitor: Monitor, learning: Learning): void {
  monitor.on("changed", ({ action, guest, by }) => {
    const isOperators = (by as { readonly via?: string } | undefined)?.via === "admin";
    if (action !== "policy" || guest !== undefined || !isOperators) return;
    void learning.replaced(monitor.steering.policy().policy);
  });
}

function statusOf({ policy, guests, vms, learn }: MonitorCommandOptions): string {
  const how = learn === undefined ? "serves" : "LEARNS, and serves";
  return `${how} ${plural(guests.length, "named guest")} and ${plural(vms.length, "VM")} by ${policy}`;
}

/** What it waits for may be a file system that does not answer: it ends with the process then. */
async function stopEarly(beginning: Promise<Monitor>): Promise<void> {
  const monitor = await beginning.catch(() => undefined);
  await monitor?.close({ drainMs: 0 });
}

/** Throws UsageError. */
function learningOf(options: MonitorCommandOptions, log: Logger): Learning | undefined {
  const { learn, guests, vms } = options;
  const own = [...guests, ...vms].flatMap(({ name, policy }) => (policy === undefined ? [] : [name]));
  return learn === undefined ? undefined : new Learning(learn, options, own, log);
}

async function begin(
  options: MonitorCommandOptions,
  learning: Learning | undefined,
  logger: Logger,
  signal: AbortSignal,
): Promise<Monitor> {
  const { policy, listen, guests, vms, busyPollUs, maxGuests, nameServers, audit, flows, admin, publishes } =
    options;
  const kept = [
    ...keptFiles(options.config),
    ...(options.learn === undefined
      ? []
      : [
          { what: "the policy", path: policy },
          { what: "the learned policy", path: options.learn },
        ]),
  ];
  if (!hasGuests(options)) requireVms((await loadForCommand(policy, keptBy({ ...options, kept }))).vms);
  if (admin !== undefined) makeDefaultFolder(admin.socket);
  raiseLimit(logger);
  const inherited = inheritedSockets(options);
  await learning?.prove();
  try {
    return await Monitor.start({
      policy: learning === undefined ? policy : await learning.widened(policy),
      inherited,
      guests,
      vms,
      logger,
      kept,
      publishes,
      signal,
      ...(listen === undefined ? {} : { listen }),
      ...(busyPollUs === undefined ? {} : { busyPollUs }),
      ...(maxGuests === undefined ? {} : { maxGuests }),
      ...(nameServers === undefined ? {} : { names: { nameServers } }),
      ...(audit === undefined ? {} : { audit }),
      ...(flows === undefined ? {} : { flows }),
      ...(admin === undefined ? {} : { admin }),
    });
  } catch (error) {
    if (error instanceof NameServerError) throw new UsageError(`--name-server: ${error.message}`);
    if (error instanceof PolicyError) throw policyFailure(error);
    if (error instanceof TraceError) throw new UsageError(error.message);
    const problem = auditFailure(error, audit);
    if (problem !== undefined) throw problem;
    if (flows !== undefined && (error as SystemError).path === resolve(flows)) {
      throw new Failure(`cannot open the flow records' file ${flows}: ${errorLine(error)}`, { cause: error });
    }
    const { name, code, path } = error as SystemError;
    if (name === "SystemError" && admin?.http !== undefined) requireHttp(admin.http, error as SystemError);
    const sockets = [listen, admin?.socket, ...guests.map((guest) => guest.listen)];
    const socket = sockets.find((each) => each === path);
    if (name !== "SystemError" || socket === undefined) throw error;
    const advice = adviceFor(code, socket);
    const detail = advice === undefined ? errorLine(error) : `${advice} (${code})`;
    throw new Failure(`cannot listen on ${socket}: ${detail}`, { cause: error });
  }
}

/** Throws Failure where it is of the admin API over TCP. */
function requireHttp({ address, port, tokenFile }: AdminHttpOptions, error: SystemError): void {
  if (error.path === tokenFile) throw new Failure(`--admin-token: ${errorLine(error)}`, { cause: error });
  const place = `${address}:${port}`;
  if (error.path === place) throw new Failure(`--admin-http: ${errorLine(error)}`, { cause: error });
}

/** What is wrong with the place of a socket, and what to do. */
function adviceFor(code: string, path: string): string | undefined {
  switch (code) {
    case "EADDRINUSE":
      return statSync(path, { throwIfNoEntry: false, bigint: true })?.isSocket()
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

/** What signals ask for, from the first moment on. */
class Asked {
  /** Resolves at the first signal to stop; the second has its default effect, which is the end. */
  readonly stop: Promise<NodeJS.Signals>;
  /** The same, for what is under way. */
  readonly ending: AbortSignal;
  #reload: (() => void) | undefined;
  #reloadAsked = false;

  constructor(signals: Signals) {
    const ending = new AbortController();
    this.ending = ending.signal;
    this.stop = new Promise((resolve) => {
      let stopping = false;
      signals.take((signal) => {
        if (signal === "SIGHUP") this.#hangUp();
        else if (stopping) dieBy(signal);
        else {
          stopping = true;
          ending.abort();
          resolve(signal);
        }
      });
    });
  }

  /** One that came before is heeded now. */
  onReload(reload: () => void): void {
    this.#reload = reload;
    if (this.#reloadAsked) reload();
  }

  #hangUp(): void {
    this.#reloadAsked = true;
    this.#reload?.();
  }
}

async function reopenAudit(monitor: Monitor, file: string, log: Logger): Promise<void> {
  try {
    await monitor.reopenAudit();
    log.info({ file }, "the audit file was opened anew");
  } catch (error) {
    log.error(`the audit file stays as it was: ${(error as Error).message}`);
  }
}

async function reopenFlows(monitor: Monitor, place: string, log: Logger): Promise<void> {
  try {
    await monitor.reopenFlows();
    log.info({ place }, "flow records were opened anew");
  } catch (error) {
    log.error(`flow records stay as they were: ${(error as Error).message}`);
  }
}

/** Each stream takes a descriptor, and the usual soft limit is 1024. */
export function raiseLimit(log: Logger): void {
  try {
    raiseFileDescriptorLimit();
  } catch (error) {
    log.warn({ err: error }, "the limit on open descriptors stays as it is");
  }
}
