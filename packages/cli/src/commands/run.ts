// ringway run: a program that knows nothing of Ringway, shut in, with the network and the files of a policy.
//
//   this process ── a monitor (or --attach: another process's)
//     ├─ agent      user and network namespace U; two capabilities there        run/agent.ts
//     └─ program    U's network; user, mount, PID, IPC and UTS namespace of its own, no capability     run/shut-in.ts
//
// The agent is on its way before most of this command is loaded (run-program.ts), which takes as long as its rules do.
// So this file, and what it imports, needs neither the monitor nor koffi. With --files mount the agent mounts folders,
// and where there may be listen rules it publishes ports: then it waits for the policy.
//
// Invariant: when this process ends, whichever way, so do the others.

import { chmodSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { UsageError } from "../errors.ts";
import { AgentProcess } from "../run/agent.ts";
import { findAgent } from "../run/agent-program.ts";
import { untilListening } from "../run/attach-wait.ts";
import type { Begun, RunCommandOptions } from "../run/begun.ts";
import { findBubblewrap } from "../run/bubblewrap.ts";
import { environmentOf } from "../run/environment.ts";
import { ownEnd } from "../run/own-end.ts";
import { PassedSignals } from "../run/passed-signals.ts";
import { toldToPublish } from "../run/published.ts";
import { asWhom, letThrough } from "../run/user.ts";
import { whoIs } from "../run/who.ts";
import type { Signals } from "../signals.ts";
import { standard } from "../standard.ts";

const FOLDERS = ["attach", "etc", "mounts"];
const SOCKET = "attach.sock";

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
  if (options.cwd?.startsWith("/") === false) {
    throw new UsageError(
      `--cwd: expected an absolute path, as it is inside; found ${JSON.stringify(options.cwd)}`,
    );
  }
  const publish = toldToPublish(options);
  if (process.env.RINGWAY_TRACE && options.attach === undefined)
    await requireTrace(process.env.RINGWAY_TRACE);
  const signals = new PassedSignals(from);
  try {
    return await inFolder((folder) => runIn(folder, { command, options, who, env, signals, publish }));
  } catch (error) {
    return ownEnd(error);
  }
}

/** The monitor reads it when the program runs already. Throws UsageError. */
async function requireTrace(words: string): Promise<void> {
  const { checkTrace, TraceError } = await import("@ringway/monitor");
  try {
    checkTrace(words);
  } catch (error) {
    if (error instanceof TraceError) throw new UsageError(error.message);
    throw error;
  }
}

async function inFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  // TMPDIR may be relative, and not all that have this path stay in this folder.
  const folder = mkdtempSync(resolve(tmpdir(), "ringway-run-"));
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  // Where an error that nobody has caught is the end.
  process.on("exit", remove);
  try {
    for (const name of FOLDERS) {
      mkdirSync(join(folder, name));
      chmodSync(join(folder, name), 0o755);
    }
    return await work(folder);
  } finally {
    process.off("exit", remove);
    remove();
  }
}

async function runIn(
  folder: string,
  wanted: Pick<Begun, "command" | "options" | "who" | "env" | "signals" | "publish">,
): Promise<number> {
  const { options, who, signals, publish } = wanted;
  const { attach } = options;
  const programs = { bubblewrap: findBubblewrap(), agent: findAgent(options.agent) };
  const as = asWhom(who);
  letThrough(folder, as);
  const socket = attach === undefined ? join(folder, "attach", SOCKET) : resolve(attach);
  const waiting = new AbortController();
  const startAgent: Begun["startAgent"] = async (mounts, published) => {
    if (attach !== undefined) {
      await Promise.race([untilListening(socket, sayWaiting, waiting.signal), signals.interrupted]);
    }
    return new AgentProcess({
      ...programs,
      as,
      socket,
      isThere: attach !== undefined,
      mounts,
      publish: published,
      learns: attach === undefined && (options.learn !== undefined || options.policy === undefined),
    });
  };
  const starting = options.files === "bind" && publish !== undefined ? startAgent([], publish) : undefined;
  // One that fails is found where it is waited for.
  starting?.catch(() => {});
  const { runProgram } = await import("./run-program.ts");
  const giveUp = (): void => waiting.abort();
  return await runProgram({ ...wanted, as, programs, folder, socket, starting, startAgent, giveUp });
}

function sayWaiting(what: string): void {
  standard("stderr").write(`ringway: waiting for ${what}\n`);
}
