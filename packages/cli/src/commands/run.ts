// ringway run: a program that knows nothing of Ringway, shut in, with the network and the files of a policy.
//
//   this process ── a monitor (or --attach: another process's)
//     ├─ agent      user and network namespace U; two capabilities there        run/agent.ts
//     └─ program    U's network; user, mount, PID, IPC and UTS namespace of its own, no capability     run/shut-in.ts
//
//   starting ── the agent's rules stand ──> running ── the program ends ──> what it has sent goes out ──> its exit code
//                                           ├── SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR2 ── the program's to heed
//                                           └── the agent or the monitor ends ── the program is ended, 125
//
// Invariant: when this process ends, whichever way, so do the others.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
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
import { RefusalReport } from "../run/report.ts";
import { isForeground, type ProgramPlan, ShutInProgram } from "../run/shut-in.ts";
import { asWhom, handOver } from "../run/user.ts";
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
  return await serve(options.logLevel, async (stderr) => {
    const folder = mkdtempSync(join(tmpdir(), "ringway-run-"));
    try {
      return await runIn(folder, command, { ...options, who, passed: env }, signals, stderr);
    } catch (error) {
      if (error instanceof UsageError || error instanceof Failure) throw asOwn(error);
      throw new Failure(errorLine(error), { cause: error, exitCode: NOT_RUN });
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
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
  handOver(folder, as);
  const report = new RefusalReport({
    quiet: options.quiet ?? false,
    dim: isatty(STDERR),
    learn: options.learn,
    hasPolicy: options.policy !== undefined || options.attach !== undefined,
    say,
  });
  // The three of them load at the same time.
  const starting = startAgent({ ...programs, as }, options.attach, folder);
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
      () => handOver(join(folder, "attach"), as),
    );
    const agent = await starting;
    if (monitor === undefined) agent.heed((line) => report.agentSaid(line));
    const plan = { ...programs, command, view, ...options.who, env: options.passed, as, folder };
    const code = await untilOver({ ...plan, hostName: HOST_NAME }, agent, monitor, signals);
    const hurried = new Promise<void>((hurry) => signals.heed(() => hurry()));
    await Promise.race([monitor?.isReady === false ? undefined : drained(agent.pid), hurried]);
    await Promise.race([monitor?.end(), hurried]);
    report.end();
    return code;
  } finally {
    await starting.then(
      (agent) => agent.stop(),
      () => {},
    );
  }
}

function startAgent(
  plan: Pick<AgentPlan, "bubblewrap" | "agent" | "as">,
  attach: string | undefined,
  folder: string,
): Promise<AgentProcess> {
  const at = attach === undefined ? join(folder, "attach", SOCKET) : resolve(attach);
  const place = { folder: dirname(at), socket: basename(at) };
  const starting = AgentProcess.start({ ...plan, ...place, attachFirst: attach !== undefined });
  // One that fails is found where it is waited for.
  starting.catch(() => {});
  return starting;
}

// ── Before ───────────────────────────────────────────────────────────────────────────────────────────────────────────

function makeFiles(folder: string, who: Who): Map<string, string> {
  mkdirSync(join(folder, "attach"));
  mkdirSync(join(folder, "etc"));
  const made = [...madeFiles(who, HOST_NAME)].map(([name, text]): [string, string] => {
    const path = join(folder, "etc", name);
    writeFileSync(path, text);
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
  signals.heed((signal) => void program.signal(signal));
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

/** Signals for the program: what comes before it is there is kept. */
class PassedSignals {
  readonly #kept: NodeJS.Signals[] = [];
  #pass: (signal: NodeJS.Signals) => void = (signal) => void this.#kept.push(signal);

  constructor(signals: Signals) {
    const take = (signal: NodeJS.Signals): void => {
      const isOfTerminal = (signal === "SIGINT" || signal === "SIGQUIT") && isForeground();
      if (!isOfTerminal) this.#pass(signal);
    };
    signals.take(take);
    for (const signal of ["SIGQUIT", "SIGUSR2"] as const) process.on(signal, take);
  }

  heed(pass: (signal: NodeJS.Signals) => void): void {
    this.#pass = pass;
    for (const signal of this.#kept.splice(0)) pass(signal);
  }
}
