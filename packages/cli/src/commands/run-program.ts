// The rest of `ringway run`, once its agent is on its way: the policy, the program, the monitor.
//
//   starting ── the agent's rules stand ──> running ── the program ends ──> what it has sent goes out ──> its exit code
//      └── a signal: 128 and its number         │                              └── a signal: at once
//                                           ├── SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR2 ── the program's to heed
//                                           └── the agent or the monitor ends ── the program is ended, 125
//
// The program goes before the monitor, which has threads to start: what it asks meanwhile waits in the agent.

import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isatty } from "node:tty";
import {
  formatProblem,
  type KeptPlace,
  loadPolicySync,
  type Policy,
  PolicyError,
  parsePolicy,
} from "@ringway/monitor";
import { NOT_RUN } from "../errors.ts";
import type { AgentProcess } from "../run/agent.ts";
import type { Begun } from "../run/begun.ts";
import { cannot } from "../run/bubblewrap.ts";
import { drained } from "../run/drain.ts";
import { boundMounts, mountedPaths } from "../run/mounted-folders.ts";
import { mountPoints } from "../run/mounts.ts";
import { ownEnd } from "../run/own-end.ts";
import type { PassedSignals } from "../run/passed-signals.ts";
import { publishedBy } from "../run/published.ts";
import { RefusalReport } from "../run/report.ts";
import { ShutInProgram } from "../run/shut-in.ts";
import { handOver } from "../run/user.ts";
import { madeFiles, systemOf, viewOf } from "../run/view.ts";
import { policyFailure } from "./load.ts";
import { OwnMonitor } from "./run-monitor.ts";
import { type Stderr, serve } from "./serving.ts";

const HOST_NAME = "ringway";
const STDERR = 2;
/** A server that takes nothing holds up the end no longer than this. */
const DRAIN_MS = 5000;
/** Where none is given. */
const NO_POLICY = "version: 1\n";

export async function runProgram(begun: Begun): Promise<number> {
  let agent: Promise<AgentProcess> | undefined = begun.starting;
  const begin = async (stderr: Stderr): Promise<number> => {
    const policy = policyFor(begun, stderr);
    const paths = begun.options.files === "mount" ? mountedPaths(policy.files) : [];
    agent ??= begun.startAgent(paths, begun.publish ?? publishedBy(policy));
    // Where something else fails, nobody waits for it.
    agent.catch(() => {});
    return await reported(begun, policy, stderr, (report) =>
      runWith(begun, policy, paths, agent!, report, stderr),
    );
  };
  try {
    const work = (stderr: Stderr): Promise<number> => begin(stderr).catch(ownEnd);
    return await serve(begun.options.logLevel, work, NOT_RUN);
  } finally {
    begun.giveUp();
    await agent?.then(
      (started) => started.stop(),
      () => {},
    );
  }
}

async function reported(
  { options }: Begun,
  { hosts }: Policy,
  { say }: Stderr,
  work: (report: RefusalReport) => Promise<number>,
): Promise<number> {
  const report = new RefusalReport({
    quiet: options.quiet ?? false,
    dim: isatty(STDERR),
    learn: options.learn,
    hasPolicy: options.policy !== undefined || options.attach !== undefined,
    names: hosts,
    say,
  });
  try {
    const code = await work(report);
    report.end();
    return code;
  } catch (error) {
    report.abandon();
    throw error;
  }
}

async function runWith(
  begun: Begun,
  policy: Policy,
  paths: readonly string[],
  starting: Promise<AgentProcess>,
  report: RefusalReport,
  stderr: Stderr,
): Promise<number> {
  const { options, socket, as, signals } = begun;
  const { interrupted } = signals;
  const view = viewFor(begun, policy, paths);
  const monitor =
    options.attach === undefined
      ? new OwnMonitor(policy, socket, options.audit, () => stderr.log)
      : undefined;
  const startMonitor = (): void => {
    monitor?.start(
      (denial) => report.denied(denial),
      () => handOver(socket, as),
    );
  };
  const agent = await starting;
  await Promise.race([agent.up(), interrupted]);
  agent.heed((line) => report.agentSaid(line, monitor === undefined));
  // An audit file that cannot be written is found before there is anything to write.
  const isAudited = options.audit !== undefined || policy.audit === "required";
  if (isAudited) {
    startMonitor();
    await Promise.race([monitor?.ready, monitor?.failed, interrupted]);
  }
  const program = new ShutInProgram(
    {
      ...begun.programs,
      ...begun.who,
      ...{ command: begun.command, view, hostName: HOST_NAME, env: begun.env, as, folder: begun.folder },
      mounts: { folder: mountsOf(begun), count: paths.length },
    },
    agent,
  );
  if (!isAudited) startMonitor();
  const code = await untilOver(program, agent, monitor, signals);
  await carriedOut(agent, monitor, signals);
  return code;
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

async function untilOver(
  program: ShutInProgram,
  agent: AgentProcess,
  monitor: OwnMonitor | undefined,
  signals: PassedSignals,
): Promise<number> {
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

// ── Before ───────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Other machines in the policy are another monitor's. Read on this thread, which has nothing else to do yet. */
function policyFor({ options, folder }: Begun, stderr: Stderr): Policy {
  const { policy: file, audit, attach } = options;
  if (file === undefined) return parsePolicy(NO_POLICY, { file: "none.yaml" });
  const kept: KeptPlace[] = [
    { what: "the policy", path: file },
    { what: "what this run needs", path: folder },
    ...(audit === undefined ? [] : [{ what: "the audit file", path: audit }]),
    ...(attach === undefined ? [] : [{ what: "the attach socket", path: attach }]),
  ];
  try {
    const policy = loadPolicySync(file, kept, (warning) => stderr.log.warn(formatProblem(file, warning)));
    return { ...policy, vms: [] };
  } catch (error) {
    if (error instanceof PolicyError) throw policyFailure(error);
    throw error;
  }
}

function viewFor(begun: Begun, { files, sockets, run }: Policy, paths: readonly string[]): string[] {
  const { who, as, options } = begun;
  for (const i of paths.keys()) mkdirSync(join(mountsOf(begun), String(i)));
  return viewOf({
    who,
    isRoot: process.getuid!() === 0 && as.uid === undefined,
    system: systemOf(run),
    files,
    sockets,
    mounts: options.files === "mount" ? boundMounts(paths, mountsOf(begun)) : undefined,
    made: makeFiles(begun),
    mountPoints: mountPoints(),
    cwd: process.cwd(),
    chosenCwd: options.cwd,
  });
}

/** Where the agent's mounts come to, which the program's are bound from. */
function mountsOf({ folder }: Begun): string {
  return join(folder, "mounts");
}

function makeFiles({ who, folder }: Begun): Map<string, string> {
  const made = [...madeFiles(who, HOST_NAME)].map(([name, text]): [string, string] => {
    const path = join(folder, "etc", name);
    writeFileSync(path, text);
    chmodSync(path, 0o644);
    return [`/etc/${name}`, path];
  });
  return new Map(made);
}
