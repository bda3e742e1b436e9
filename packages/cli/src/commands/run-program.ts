// The rest of `ringway run`, once its agent is on its way.
//
//   starting ── the agent's rules stand ──> running ── the program ends ──> what it has sent goes out ──> its exit code
//      └── a signal: 128 and its number         │                              └── a signal: at once
//                                           ├── SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR2 ── the program's to heed
//                                           └── the agent or the monitor ends ── the program is ended, 125
//
// The program goes before the monitor, which has threads to start: what it asks meanwhile waits in the agent. Where
// nothing has to be known of a policy, nothing of the monitor is loaded before it (run-served.ts is all of that).

import { errorLine, NOT_RUN } from "../errors.ts";
import type { AgentProcess } from "../run/agent.ts";
import type { Begun } from "../run/begun.ts";
import { agentUp, NOTHING, type Started, startProgram, viewFor } from "../run/start.ts";
import { standard } from "../standard.ts";

export async function runProgram(begun: Begun): Promise<number> {
  const agents: Promise<AgentProcess>[] = begun.starting === undefined ? [] : [begun.starting];
  let started: Started | undefined;
  process.on("uncaughtException", failedEarly);
  try {
    if (startsAlone(begun)) started = await start(begun, begun.starting!);
    const { runServed } = await import("./run-served.ts");
    const { serve } = await import("./serving.ts");
    const { ownEnd } = await import("../run/own-end.ts");
    const served = serve(
      begun.options.logLevel,
      (stderr) => runServed(begun, stderr, started, (agent) => agents.push(agent)).catch(ownEnd),
      NOT_RUN,
    );
    // From now on that has one of its own.
    process.off("uncaughtException", failedEarly);
    return await served;
  } finally {
    process.off("uncaughtException", failedEarly);
    started?.program.kill();
    begun.giveUp();
    for (const agent of agents) {
      await agent.then(
        (process) => process.stop(),
        () => {},
      );
    }
  }
}

/** A program may run already: it goes with this process. */
function failedEarly(error: Error): never {
  standard("stderr").write(`ringway: internal error: ${errorLine(error)}\n`);
  process.exit(NOT_RUN);
}

/** Its folders are known, and there is no file to be opened that may not be there. */
function startsAlone({ options, starting }: Begun): boolean {
  const { policy, attach, audit, learn } = options;
  return starting !== undefined && [policy, attach, audit, learn].every((option) => option === undefined);
}

async function start(begun: Begun, starting: Promise<AgentProcess>): Promise<Started> {
  const view = viewFor(begun, NOTHING, []);
  return startProgram(begun, await agentUp(begun, starting), view, []);
}
