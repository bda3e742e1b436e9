// The program of `ringway run`, in namespaces of its own. On the host it is three processes:
//
//   bwrap ── rwinit, the first process of the PID namespace ── the program
//
// bwrap begins as rwenter, in the agent's user namespace and network (native/tools/rwenter.c says why it ignores
// signals); where the agent has mounts, then as rwmounts, which fetches them. rwinit reports by a pipe: `S`, it is
// there and hears signals; then the end of the pipe, the program runs, or `E` and an error, it could not be started, or
// `D` and an error, --cwd is no folder.
//
// On a terminal all of it is one process group with this process: the terminal stops and continues them together, and
// its own signals, Ctrl-C and Ctrl-\, go to all of them. Where there is none, the program has a group of its own.

import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, rmSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { getSystemErrorName } from "node:util";
import { Failure, NOT_RUN, UsageError } from "../errors.ts";
import { type AgentProcess, childPid, MOUNTED } from "./agent.ts";
import { requireVersion } from "./bubblewrap.ts";
import { pipeOf } from "./lines.ts";
import type { As } from "./user.ts";

export interface ProgramPlan {
  readonly bubblewrap: string;
  /** The program ringway-agent, which has rwenter and rwinit. */
  readonly agent: string;
  readonly command: readonly string[];
  /** Arguments of bubblewrap: viewOf(). */
  readonly view: readonly string[];
  /** Where the program starts, if that was said: a path that may not be there inside. */
  readonly cwd: string | undefined;
  readonly uid: number;
  readonly gid: number;
  readonly hostName: string;
  readonly env: Readonly<Record<string, string>>;
  readonly as: As;
  /** A folder in which nobody else writes, for what is handed over by file. */
  readonly folder: string;
  /** Where the agent's mounts are to be, as 0, 1 and so on: a folder for each. */
  readonly mounts: { readonly folder: string; readonly count: number };
}

const Fd = { USER: 3, NET: 4, MNT: 5, ARGS: 6, INFO: 7, REPORT: 8 } as const;
const INHERITED = ["inherit", "inherit", "inherit"] as const;
/** Where the agent's program, as rwinit, lies inside. */
const INIT = "/run/ringway/init";
const NOT_FOUND = 127;
const NOT_STARTED = 126;

export class ShutInProgram {
  /** Its exit code, or 128 and the number of the signal. Rejects with Failure where it could not be started. */
  readonly ended: Promise<number>;
  /** Resolves when it runs, or has ended without. */
  readonly runs: Promise<void>;
  readonly #child: ChildProcess;
  readonly #pid: Promise<number>;
  #report: Buffer = Buffer.alloc(0);
  #isOver = false;
  readonly #hears: Promise<void>;

  constructor(plan: ProgramPlan, agent: AgentProcess) {
    const argsFd = handedOver(plan.folder, [...plan.view, ...isolation(plan), ...environment(plan.env)]);
    const bubblewrap = [plan.bubblewrap, "--args", String(Fd.ARGS), "--info-fd", String(Fd.INFO)];
    const init = [INIT, "rwinit", String(Fd.REPORT), plan.cwd ?? "", ...plan.command];
    const words = ["rwenter", String(Fd.USER), String(Fd.NET), ...fetching(plan), ...bubblewrap, ...init];
    this.#child = agent.withNamespaces((user, net, mnt) =>
      spawn(plan.agent, words, {
        stdio: [...INHERITED, user, net, plan.mounts.count > 0 ? mnt : "ignore", argsFd, "pipe", "pipe"],
        // What the program's environment does to the dynamic linker, it does inside.
        env: {},
        ...plan.as,
      }),
    );
    closeSync(argsFd);
    this.#pid = childPid(pipeOf(this.#child, Fd.INFO));
    const report = pipeOf(this.#child, Fd.REPORT);
    this.runs = new Promise((resolve) => {
      report.once("close", resolve);
    });
    this.#hears = this.#listen(report);
    this.ended = this.#untilEnd(plan);
    this.ended.catch(() => {});
  }

  #listen(report: Readable): Promise<void> {
    return new Promise((resolve) => {
      report.on("data", (bytes: Buffer) => {
        this.#report = Buffer.concat([this.#report, bytes]);
        if (this.#report[0] === "S".charCodeAt(0)) resolve();
      });
      report.on("error", () => {});
    });
  }

  #untilEnd({ command, bubblewrap, cwd }: ProgramPlan): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#child.once("error", (error) =>
        reject(notRun(`cannot start ${this.#child.spawnfile}: ${error.message}`)),
      );
      this.#child.once("close", (code, signal) => {
        this.#isOver = true;
        const [started, failed, errno] = this.#report;
        const isFolder = failed === "D".charCodeAt(0);
        if (started === undefined) reject(notShutIn(bubblewrap));
        else if (isFolder) reject(new UsageError(noFolder(cwd, errno ?? 0)));
        else if (failed !== undefined) reject(notStarted(command[0]!, errno ?? 0));
        else resolve(code ?? 128 + constants.signals[signal!]);
      });
    });
  }

  /** Hands a signal on, once there is somebody who hears it. */
  async signal(signal: NodeJS.Signals): Promise<void> {
    await this.#hears;
    const pid = await this.#pid;
    if (this.#isOver) return;
    try {
      process.kill(pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }

  /** Ends all that is in there, at once. */
  kill(): void {
    this.#child.kill("SIGKILL");
  }
}

/** What brings the agent's mounts. */
function fetching({ agent, mounts: { folder, count } }: ProgramPlan): string[] {
  return count === 0 ? [] : [agent, "rwmounts", String(Fd.MNT), MOUNTED, String(count), folder];
}

function isolation({ agent, uid, gid, hostName }: ProgramPlan): string[] {
  return [
    ...["--ro-bind", agent, INIT],
    ...["--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"],
    ...["--as-pid-1", "--die-with-parent", "--cap-drop", "ALL", "--hostname", hostName],
    ...["--uid", String(uid), "--gid", String(gid)],
  ];
}

function environment(env: Readonly<Record<string, string>>): string[] {
  return Object.entries(env).flatMap(([name, value]) => ["--setenv", name, value]);
}

/** A descriptor of a file with these arguments, which has no name any more: secrets may be among them. */
function handedOver(folder: string, args: readonly string[]): number {
  const path = join(folder, "arguments");
  writeFileSync(path, args.join("\0"), { mode: 0o600, flag: "wx" });
  const fd = openSync(path, "r");
  rmSync(path);
  return fd;
}

function notShutIn(bubblewrap: string): Error {
  try {
    requireVersion(bubblewrap);
    return notRun("bubblewrap could not shut the program in: it says why, above");
  } catch (error) {
    return error as Error;
  }
}

function notRun(problem: string): Failure {
  return new Failure(problem, { exitCode: NOT_RUN });
}

function noFolder(path: string | undefined, errno: number): string {
  const code = getSystemErrorName(-errno);
  return code === "ENOENT"
    ? `--cwd: there is no folder ${path} inside`
    : `--cwd: ${path}, as it is inside: ${code}`;
}

function notStarted(name: string, errno: number): Failure {
  const code = getSystemErrorName(-errno);
  if (code === "ENOENT") {
    const where = name.includes("/")
      ? "there is no such program"
      : "there is no such program in any folder of PATH";
    return new Failure(`cannot start ${name}: ${where}, as it is inside`, { exitCode: NOT_FOUND });
  }
  return new Failure(`cannot start ${name}: ${code}`, { exitCode: NOT_STARTED });
}
