// ringway run: a program that knows nothing of Ringway, shut in, with the network and the files of a policy.
//
//   this process ── a monitor (or --attach: another process's)
//     ├─ agent      user and network namespace U; two capabilities there        run/agent.ts
//     └─ program    U's network; user, mount, PID, IPC and UTS namespace of its own, no capability     run/shut-in.ts
//
//   starting ── the agent's rules stand ──> running ── the program ends ──> what it has sent goes out ──> its exit code
//      └── a signal: 128 and its number         │                              └── a signal: at once
//                                           ├── SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR2 ── the program's to heed
//                                           └── the agent or the monitor ends ── the program is ended, 125
//
// Invariant: when this process ends, whichever way, so do the others.

import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { isatty } from "node:tty";
import { formatProblem, type KeptPlace, type Policy, parsePolicy } from "@ringway/monitor";
import type { Logger } from "pino";
import { errorLine, Failure, NOT_RUN, UsageError } from "../errors.ts";
import { type AgentPlan, AgentProcess } from "../run/agent.ts";
import { findAgent } from "../run/agent-program.ts";
import { cannot, findBubblewrap } from "../run/bubblewrap.ts";
import { drained } from "../run/drain.ts";
import { environmentOf } from "../run/environment.ts";
import { mountPoints } from "../run/mounts.ts";
import { PassedSignals, SignalCame } from "../run/passed-signals.ts";
import { RefusalReport } from "../run/report.ts";
import { type ProgramPlan, ShutInProgram } from "../run/shut-in.ts";
import { asWhom, handOver, letThrough } from "../run/user.ts";
import { madeFiles, systemOf, viewOf } from "../run/view.ts";
import { type Who, whoIs } from "../run/who.ts";
import type { Signals } from "../signals.ts";
import { loadForCommand } from "./load.ts";
import { OwnMonitor } from "./run-monitor.ts";
import { type Stderr, serve } from "./serving.ts";

export interface RunCommandOptions {
  readonly policy?: string;
  /** Another monitor's socket. */
  readonly attach?: string;
  readonly agent?: string;
  readonly cwd?: string;
  readonly env: readonly string[];
  readonly user?: string;
  readonly learn?: string;
  readonly quiet?: boolean;
  readonly audit?: string;
  readonly logLevel: string;
}

const HOST_NAME = "ringway";
const SOCKET = "attach.sock";
const STDERR = 2;
/** A server that takes nothing holds up the end no longer than this. */
const DRAIN_MS = 5000;
/** Where none is given. */
const NO_POLICY = "version: 1\n";

export async function runRun(
  command: readonly string[],
  options: RunCommandOptions,
  from: Signals,
): Promise<number> {
  const who = whoIs(options.user, { uid: process.getuid!(), gid: process.getgid!(), home: process.env.HOME });
  const env = environmentOf(process.env, who, options.env);
  if (options.attach !== undefined && (options.audit !== undefined || options.learn !== undefined)) {
    throw new UsageError(
      "--audit and --learn go with a monitor of this command's own, and not with --attach",
    );
  }
  const signals = new PassedSignals(from);
  const work = async (stderr: Stderr): Promise<number> => {
    const folder = mkdtempSync(join(tmpdir(), "ringway-run-"));
    try {
      return await runIn(folder, command, { ...options, who, passed: env }, signals, stderr);
    } catch (error) {
      if (error instanceof SignalCame) return error.exitCode;
      if (error instanceof UsageError || error instanceof Failure) throw asOwn(error);
      throw new Failure(errorLine(error), { cause: error, exitCode: NOT_RUN });
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  };
  return await serve(options.logLevel, work, NOT_RUN);
}

/** A failure of Ringway's has a code of its own, since all others may be the program's. */
function asOwn(error: Failure | UsageError): Failure | UsageError {
  if (error instanceof UsageError || error.exitCode !== 1) return error;
  return new Failure(error.message, { cause: error, isReport: error.isReport, exitCode: NOT_RUN });
}

interface Wanted extends RunCommandOptions {
  readonly who: Who;
  readonly passed: Readonly<Record<string, string>>;
}

async function runIn(
  folder: string,
  command: readonly string[],
  options: Wanted,
  signals: PassedSignals,
  { log, say }: Stderr,
): Promise<number> {
  const programs = { bubblewrap: findBubblewrap(), agent: findAgent(options.agent) };
  const as = asWhom(options.who);
  const made = makeFiles(folder, options.who);
  letThrough(folder, as);
  const report = new RefusalReport({
    quiet: options.quiet ?? false,
    dim: isatty(STDERR),
    learn: options.learn,
    hasPolicy: options.policy !== undefined || options.attach !== undefined,
    say,
  });
  // The three of them load at the same time.
  const { interrupted } = signals;
  const starting = startAgent({ ...programs, as, interrupted }, options.attach, folder);
  try {
    const policy = await policyFor(options, folder, log);
    const isRoot = process.getuid!() === 0 && as.uid === undefined;
    const view = viewFor(policy, { ...options, isRoot }, made);
    const monitor =
      options.attach === undefined
        ? new OwnMonitor(policy, join(folder, "attach", SOCKET), options.audit, log)
        : undefined;
    monitor?.start(
      (denial) => report.denied(denial),
      () => handOver(join(folder, "attach", SOCKET), as),
    );
    const agent = await starting;
    // One that cannot be written is found before there is anything to write.
    if (options.audit !== undefined) await Promise.race([monitor?.ready, monitor?.failed, interrupted]);
    if (monitor === undefined) agent.heed((line) => report.agentSaid(line));
    const plan = { ...programs, command, view, ...options.who, env: options.passed, as, folder };
    const code = await untilOver({ ...plan, hostName: HOST_NAME }, agent, monitor, signals);
    await carriedOut(agent, monitor, signals);
    report.end();
    return code;
  } catch (error) {
    report.abandon();
    throw error;
  } finally {
    await starting.then(
      (agent) => agent.stop(),
      () => {},
    );
  }
}

/** What the program has sent goes out, while there is time. */
async function carriedOut(
  agent: AgentProcess,
  monitor: OwnMonitor | undefined,
  signals: PassedSignals,
): Promise<void> {
  const until = performance.now() + DRAIN_MS;
  const hurried = new Promise<void>((hurry) => signals.heed(() => hurry(), false));
  if (monitor?.isReady !== false) await Promise.race([drained(agent.pid, DRAIN_MS), hurried]);
  await Promise.race([monitor?.end(Math.max(0, Math.ceil(until - performance.now()))), hurried]);
}

function startAgent(
  plan: Omit<AgentPlan, "socket" | "isThere">,
  attach: string | undefined,
  folder: string,
): Promise<AgentProcess> {
  const socket = attach === undefined ? join(folder, "attach", SOCKET) : resolve(attach);
  const starting = AgentProcess.start({ ...plan, socket, isThere: attach !== undefined });
  // One that fails is found where it is waited for.
  starting.catch(() => {});
  return starting;
}

// ── Before ───────────────────────────────────────────────────────────────────────────────────────────────────────────

function makeFiles(folder: string, who: Who): Map<string, string> {
  for (const name of ["attach", "etc"]) {
    mkdirSync(join(folder, name));
    chmodSync(join(folder, name), 0o755);
  }
  const made = [...madeFiles(who, HOST_NAME)].map(([name, text]): [string, string] => {
    const path = join(folder, "etc", name);
    writeFileSync(path, text);
    chmodSync(path, 0o644);
    return [`/etc/${name}`, path];
  });
  return new Map(made);
}

/** Other machines in the policy are another monitor's. */
async function policyFor(options: Wanted, folder: string, log: Logger): Promise<Policy> {
  if (options.policy === undefined) return parsePolicy(NO_POLICY, { file: "none.yaml" });
  const kept: KeptPlace[] = [
    { what: "the policy", path: options.policy },
    { what: "what this run needs", path: folder },
    ...(options.audit === undefined ? [] : [{ what: "the audit file", path: options.audit }]),
    ...(options.attach === undefined ? [] : [{ what: "the attach socket", path: options.attach }]),
  ];
  const file = options.policy;
  const policy = await loadForCommand(file, kept, (warning) => log.warn(formatProblem(file, warning)));
  return { ...policy, vms: [] };
}

function viewFor(
  { files, sockets, run }: Policy,
  options: Wanted & { readonly isRoot: boolean },
  made: ReadonlyMap<string, string>,
): string[] {
  return viewOf({
    who: options.who,
    isRoot: options.isRoot,
    system: systemOf(run),
    files,
    sockets,
    made,
    mountPoints: mountPoints(),
    cwd: process.cwd(),
    chosenCwd: options.cwd,
  });
}

// ── Meanwhile ────────────────────────────────────────────────────────────────────────────────────────────────────────

async function untilOver(
  plan: ProgramPlan,
  agent: AgentProcess,
  monitor: OwnMonitor | undefined,
  signals: PassedSignals,
): Promise<number> {
  const program = new ShutInProgram(plan, agent);
  signals.heed((signal) => void program.signal(signal), true);
  const broken = new Promise<never>((_, reject) => {
    void agent.ended.then((words) => reject(cannot(`the agent has ended: ${words}`)));
    monitor?.failed.catch(reject);
  });
  try {
    return await Promise.race([program.ended, broken]);
  } finally {
    program.kill();
  }
}
