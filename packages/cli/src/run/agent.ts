// The agent of `ringway run`: ringway-agent --transparent in a user and a network namespace of its own, with the
// capabilities that it needs there and nothing of the host's files but its socket and /proc, where it looks who asks;
// both read-only.
// The program gets its network from here, and a user namespace below this one: it has no say in either.
//
//   starting ── its rules stand ──> up ── stop(), or the end of this process ──> over
//        └── it ends before that: the start fails with its last words ────────┘
//
// A monitor that still loads need not be waited for: what a program asks meanwhile, the agent holds.
//
// It is no job of the terminal's: Ctrl-C is for the program.

import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, existsSync, openSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { Readable } from "node:stream";
import { Deadline } from "@ringway/linux";
import { cannot, whyNot } from "./bubblewrap.ts";
import { onLines, pipeOf } from "./lines.ts";
import type { As } from "./user.ts";

export interface AgentPlan {
  readonly bubblewrap: string;
  /** The program ringway-agent. */
  readonly agent: string;
  /** The path of the monitor's attach socket. */
  readonly socket: string;
  /** It is another process's, which must take the agent before that is up. Else there will be one in its folder. */
  readonly isThere: boolean;
  readonly as: As;
  /** Rejects where there is to be none any more. */
  readonly interrupted: Promise<never>;
}

/** For a monitor that does not answer, and for one that loads: only a machine at its limits takes so long. */
const ATTACH_MS = 20_000;
const LOOK_MS = 20;
/** It tries to attach when all else is done, and says either. */
const ATTACHED = /: attached, epoch /;
const TRIED = /: attached, epoch |: waiting/;
const INFO_FD = 3;
/** The socket, as the agent has it. */
const INSIDE = "/ringway/attach.sock";
/** Rules and routes, held SYNs, port 53. */
const CAPABILITIES = ["CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_NET_BIND_SERVICE"];

export class AgentProcess {
  /** Its last words. Pending while it lives; resolves also where stop() ends it. */
  readonly ended: Promise<string>;
  readonly #child: ChildProcess;
  /** Its last line. */
  #said = "";
  #pid: number | undefined;
  #take: (line: string) => void;

  readonly #upAt: RegExp;

  private constructor({ bubblewrap, agent, socket, isThere, as }: AgentPlan) {
    this.#upAt = isThere ? ATTACHED : TRIED;
    const args = [
      ...["--unshare-user", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"],
      ...["--uid", "0", "--gid", "0", "--die-with-parent", "--info-fd", String(INFO_FD)],
      ...["--cap-drop", "ALL", ...CAPABILITIES.flatMap((name) => ["--cap-add", name])],
      ...["--ro-bind", agent, "/ringway-agent", "--ro-bind", "/proc", "/proc"],
      ...(isThere ? ["--ro-bind", socket, INSIDE] : ["--ro-bind", dirname(socket), dirname(INSIDE)]),
      ...["--chdir", "/", "/ringway-agent", "--transparent", "--socket"],
      isThere ? INSIDE : join(dirname(INSIDE), basename(socket)),
      ...["--socks", "off", "--http", "off", "--service", "off", "--hold-ms", String(ATTACH_MS)],
    ];
    this.#take = () => {};
    this.#child = spawn(bubblewrap, args, {
      detached: true,
      stdio: ["ignore", "ignore", "pipe", "pipe"],
      env: {},
      ...as,
    });
    this.ended = new Promise((resolve) => {
      this.#child.once("error", (error) => resolve(error.message));
      this.#child.once("close", () => resolve(this.#said));
    });
  }

  /** Resolves once programs in its network have that of the policy, or nothing. Throws Failure. */
  static async start(plan: AgentPlan): Promise<AgentProcess> {
    if (plan.isThere) await Promise.race([untilThere(plan.socket), plan.interrupted]);
    const agent = new AgentProcess(plan);
    try {
      await Promise.race([agent.#up(), plan.interrupted]);
    } catch (error) {
      await agent.stop();
      throw error;
    }
    return agent;
  }

  async #up(): Promise<void> {
    let late: Deadline | undefined;
    const up = new Promise<void>((resolve, reject) => {
      late = new Deadline(ATTACH_MS, () =>
        reject(cannot(`the monitor has not answered within ${ATTACH_MS / 1000} s: ${this.#said}`)),
      );
      this.#take = (line) => {
        if (this.#upAt.test(line)) resolve();
      };
    });
    const ended = this.ended.then((words) => {
      throw cannot(whyNot(words.replace(/^ringway-agent: /, "")));
    });
    ended.catch(() => {});
    onLines(this.#child.stderr!, (line) => {
      this.#said = line;
      this.#take(line);
    });
    const [pid] = await Promise.all([
      Promise.race([childPid(pipeOf(this.#child, INFO_FD)), ended]),
      Promise.race([up, ended]),
    ]).finally(() => late?.cancel());
    this.#pid = pid;
  }

  /** As this process's namespace has it. */
  get pid(): number {
    return this.#pid!;
  }

  /** Hands over each line of its log from now on. */
  heed(take: (line: string) => void): void {
    this.#take = take;
  }

  /** Descriptors of its namespaces: closed when `use` has returned. */
  withNamespaces<T>(use: (user: number, net: number) => T): T {
    const fds = ["user", "net"].map((kind) => openSync(`/proc/${this.pid}/ns/${kind}`, "r"));
    try {
      return use(fds[0]!, fds[1]!);
    } finally {
      for (const fd of fds) closeSync(fd);
    }
  }

  async stop(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.ended;
  }
}

/** A monitor that has just been started makes it soon. */
async function untilThere(socket: string): Promise<void> {
  const end = performance.now() + ATTACH_MS;
  while (!existsSync(socket)) {
    if (performance.now() > end)
      throw cannot(`the monitor has not answered within ${ATTACH_MS / 1000} s: there is no ${socket}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

/** What bubblewrap says by --info-fd: the process that it has started. Pending where it says nothing. */
export function childPid(from: Readable): Promise<number> {
  return new Promise((resolve) => {
    let text = "";
    from.setEncoding("utf8");
    from.on("data", (part: string) => {
      text += part;
      const pid = /"child-pid": (\d+)/.exec(text)?.[1];
      if (pid !== undefined && text.trimEnd().endsWith("}")) resolve(Number(pid));
    });
    from.on("error", () => {});
  });
}
