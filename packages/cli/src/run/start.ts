// The program of `ringway run`, from what a policy says to its end.
//
//   the agent's rules stand ──> the program starts ── runs ──> it ends: over
//                                    └── the agent ends: over rejects
//
// This needs neither the monitor nor koffi: without a policy the program starts before either is loaded.

import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Policy } from "@ringway/monitor";
import { standard } from "../standard.ts";
import type { AgentProcess } from "./agent.ts";
import type { Begun } from "./begun.ts";
import { cannot } from "./bubblewrap.ts";
import { boundMounts } from "./mounted-folders.ts";
import { mountPoints } from "./mounts.ts";
import { ShutInProgram } from "./shut-in.ts";
import { madeFiles, systemOf, viewOf } from "./view.ts";

const HOST_NAME = "ringway";

/** What of a policy the program's start depends on. */
export type PolicyOfStart = Pick<Policy, "files" | "sockets" | "run">;

/** That of a policy that says nothing. */
export const NOTHING: PolicyOfStart = { files: [], sockets: [], run: { system: ["default"] } };

export interface Started {
  readonly agent: AgentProcess;
  readonly program: ShutInProgram;
  /** Its exit code. Rejects where it could not be started, or where the agent has ended. */
  readonly over: Promise<number>;
}

/** The agent, once the program may start. Throws SignalCame. */
export async function agentUp(begun: Begun, starting: Promise<AgentProcess>): Promise<AgentProcess> {
  const agent = await starting;
  await Promise.race([agent.up(), begun.signals.interrupted]);
  return agent;
}

/** Where the program's folders are: throws Failure for a policy that cannot be bound. */
export function viewFor(
  begun: Begun,
  { files, sockets, run }: PolicyOfStart,
  paths: readonly string[],
): string[] {
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

/** `view`: viewFor(); `paths`: folders that the agent mounts. From now on signals are the program's to heed. */
export function startProgram(
  begun: Begun,
  agent: AgentProcess,
  view: readonly string[],
  paths: readonly string[],
): Started {
  const program = new ShutInProgram(
    {
      ...begun.programs,
      ...begun.who,
      ...{ command: begun.command, view, hostName: HOST_NAME, env: begun.env, as: begun.as },
      folder: begun.folder,
      mounts: { folder: mountsOf(begun), count: paths.length },
      cwd: begun.options.cwd,
    },
    agent,
  );
  begun.signals.heed((signal) => {
    program.signal(signal).catch((error: Error) => {
      standard("stderr").write(`ringway: cannot hand ${signal} on: ${error.message}\n`);
    });
  }, true);
  const broken = agent.ended.then((words) => {
    throw cannot(`the agent has ended: ${words}`);
  });
  const over = Promise.race([program.ended, broken]);
  // Before anybody waits for it.
  over.catch(() => {});
  return { agent, program, over };
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
