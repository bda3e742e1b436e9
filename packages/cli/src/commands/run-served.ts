// What of `ringway run` needs the monitor: the policy, the monitor itself, and the report of what was refused.

import { isatty } from "node:tty";
import {
  formatProblem,
  type KeptPlace,
  loadPolicySync,
  type Policy,
  PolicyError,
  parsePolicy,
} from "@ringway/monitor";
import { policyFailure } from "../policy-failure.ts";
import type { AgentProcess } from "../run/agent.ts";
import type { Begun } from "../run/begun.ts";
import { drained, hasAsked } from "../run/drain.ts";
import { mountedPaths } from "../run/mounted-folders.ts";
import type { PassedSignals } from "../run/passed-signals.ts";
import { publishedBy } from "../run/published.ts";
import { RefusalReport } from "../run/report.ts";
import { agentUp, type Started, startProgram, viewFor } from "../run/start.ts";
import { unwritable } from "../run/unwritable.ts";
import { handOver } from "../run/user.ts";
import { OwnMonitor } from "./run-monitor.ts";
import type { Stderr } from "./serving.ts";

const STDERR = 2;
/** A server that takes nothing holds up the end no longer than this. */
const DRAIN_MS = 5000;
/** Where none is given. */
const NO_POLICY = "version: 1\n";

/** `started`: a program that is there already. `mounting` gets an agent that is started for its folders. */
export async function runServed(
  begun: Begun,
  stderr: Stderr,
  started: Started | undefined,
  mounting: (agent: Promise<AgentProcess>) => void,
): Promise<number> {
  const policy = policyFor(begun, stderr);
  const report = reportFor(begun, policy, stderr);
  try {
    const code = await runWith(begun, policy, report, stderr, started, mounting);
    report.end();
    return code;
  } catch (error) {
    report.abandon();
    throw error;
  }
}

function reportFor({ options }: Begun, { hosts }: Policy, { say }: Stderr): RefusalReport {
  return new RefusalReport({
    quiet: options.quiet ?? false,
    dim: isatty(STDERR),
    learn: options.learn,
    hasPolicy: options.policy !== undefined || options.attach !== undefined,
    names: hosts,
    say,
  });
}

async function runWith(
  begun: Begun,
  policy: Policy,
  report: RefusalReport,
  stderr: Stderr,
  there: Started | undefined,
  mounting: (agent: Promise<AgentProcess>) => void,
): Promise<number> {
  const { options, socket, as, signals } = begun;
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
  // An audit file that cannot be written is found before there is anything to write; and nothing is learned of what no
  // monitor has judged.
  const comesFirst =
    options.audit !== undefined || options.learn !== undefined || policy.audit === "required";
  const heed = (agent: AgentProcess): void =>
    agent.heed((line) => report.agentSaid(line, monitor === undefined));
  if (there !== undefined) heed(there.agent);
  const { agent, program, over } = there ?? (await start());
  try {
    // The monitor's threads would take the processors from it; but its mounts are there with the monitor.
    if (options.files === "bind") await program.runs;
    if (!comesFirst) startMonitor();
    const code = await Promise.race([over, ...(monitor === undefined ? [] : [monitor.failed])]);
    await carriedOut(agent, monitor, signals);
    return code;
  } finally {
    program.kill();
  }

  async function start(): Promise<Started> {
    const paths = options.files === "mount" ? mountedPaths(policy.files) : [];
    const starting = begun.starting ?? begun.startAgent(paths, begun.publish ?? publishedBy(policy));
    // Where something else fails, nobody waits for it.
    starting.catch(() => {});
    if (begun.starting === undefined) mounting(starting);
    const view = viewFor(begun, policy, paths);
    if (options.files === "bind" && options.quiet !== true && mayDiffer(begun))
      for (const line of unwritable(policy.files, begun.who)) stderr.say(`ringway: ${line}\n`);
    const up = await agentUp(begun, starting);
    heed(up);
    if (comesFirst) {
      startMonitor();
      await Promise.race([monitor?.ready, monitor?.failed, signals.interrupted]);
    }
    return startProgram(begun, up, view, paths);
  }
}

/** Root, and who root says: others know what is theirs. */
function mayDiffer({ as }: Begun): boolean {
  return process.getuid!() === 0 || as.uid !== undefined;
}

/** What the program has sent goes out, while there is time. */
async function carriedOut(
  agent: AgentProcess,
  monitor: OwnMonitor | undefined,
  signals: PassedSignals,
): Promise<void> {
  const until = performance.now() + DRAIN_MS;
  const hurried = new Promise<void>((hurry) => signals.heed(() => hurry(), false));
  // What it has asked for is the agent's to hold: it is judged, and told, as if the monitor had been there.
  if (monitor !== undefined && hasAsked(agent.pid)) {
    const judges = monitor.ready.then(() => agent.attached);
    await Promise.race([judges, monitor.failed, hurried, late()]);
  }
  const leftMs = Math.max(0, until - performance.now());
  if (monitor?.isReady !== false) await Promise.race([drained(agent.pid, leftMs), hurried]);
  // That its listeners close is no news then.
  if (monitor !== undefined) agent.heed(() => {});
  await Promise.race([monitor?.end(Math.max(0, Math.ceil(until - performance.now()))), hurried]);
}

function late(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, DRAIN_MS).unref());
}

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
