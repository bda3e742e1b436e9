// The agent of `ringway run`: ringway-agent --transparent in a user and a network namespace of its own, with the
// capabilities that it needs there and nothing of the host's files but its socket and /proc, where it looks who asks;
// both read-only.
// The program gets its network from here, and a user namespace below this one: it has no say in either. With --files
// mount it gets the policy's folders from here as well: the agent mounts them in its own mount namespace, at MOUNTED.
//
//   starting ── its rules stand ──> up ── stop(), or the end of this process ──> over
//        └── it ends before that: up() rejects with its last words ───────┘
//
// A monitor that still loads need not be waited for: what a program asks meanwhile, the agent holds.
//
// It is no job of the terminal's: Ctrl-C is for the program. It is on its way before most of this command is loaded, so
// this file needs little.

import { type ChildProcess, spawn } from "node:child_process";
import { accessSync, closeSync, constants, existsSync, openSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { Readable } from "node:stream";
import { ATTACH_MS } from "./attach-wait.ts";
import { cannot, requireVersion, whyNot } from "./bubblewrap.ts";
import { onLines, pipeOf } from "./lines.ts";
import type { As } from "./user.ts";

export interface AgentPlan {
  readonly bubblewrap: string;
  /** The program ringway-agent. */
  readonly agent: string;
  /** The path of the monitor's attach socket. */
  readonly socket: string;
  /** Somebody listens there, and must take the agent before that is up. Else there will be one in its folder. */
  readonly isThere: boolean;
  /** Folders of the policy's to mount, as guests name them. */
  readonly mounts: readonly string[];
  /** Ports that are the host's, too: each a word for --publish. */
  readonly publish: readonly string[];
  /** A name that no rule allows has an address, so that the ports are seen that are wanted of it. */
  readonly learns: boolean;
  readonly as: As;
}

/** It tries to attach when all else is done, and says either. */
const ATTACHED = /: attached, epoch /;
const TRIED = /: attached, epoch |: waiting/;
/** Lines that nobody has heeded yet. */
const KEPT_LINES_MAX = 1000;
const INFO_FD = 3;
/** An agent that is alone has its rules long before. */
const SOON_MS = 1000;
/** The socket, as the agent has it. */
const INSIDE = "/ringway/attach.sock";
/** Its mounts: 0, 1 and so on, in the order of the plan. */
export const MOUNTED = "/ringway-mounts";
/** As many as it takes (native/agent/limits.h). */
const MOUNTS_MAX = 16;
const FUSE = "/dev/fuse";
/** Rules and routes, held SYNs, port 53. */
const CAPABILITIES = ["CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_NET_BIND_SERVICE"];
const TO_MOUNT = "CAP_SYS_ADMIN";

export class AgentProcess {
  /** Its last words. Pending while it lives; resolves also where stop() ends it. */
  readonly ended: Promise<string>;
  /** Resolves when it is attached: what was asked meanwhile goes to the monitor. */
  readonly attached: Promise<void>;
  readonly #child: ChildProcess;
  readonly #bubblewrap: string;
  /** It can be used when it says so. */
  readonly #upAt: RegExp;
  readonly #isUp: Promise<void>;
  /** Its last line. */
  #said = "";
  #pid: number | undefined;
  #isStopped = false;
  /** Until somebody heeds them. */
  readonly #kept: string[] = [];
  #take = (line: string): void => {
    if (this.#kept.length < KEPT_LINES_MAX) this.#kept.push(line);
  };
  #becomeAttached: () => void = () => {};

  /** Throws Failure for what cannot be mounted. */
  constructor(plan: AgentPlan) {
    this.#bubblewrap = plan.bubblewrap;
    this.#upAt = plan.isThere ? ATTACHED : TRIED;
    this.#child = spawn(plan.bubblewrap, [...namespaces(plan), ...ofAgent(plan)], {
      detached: true,
      stdio: ["ignore", "ignore", "pipe", "pipe"],
      env: {},
      ...plan.as,
    });
    this.attached = new Promise((resolve) => {
      this.#becomeAttached = resolve;
    });
    this.ended = new Promise((resolve) => {
      this.#child.once("error", (error) => resolve(error.message));
      this.#child.once("close", () => resolve(this.#said));
    });
    this.#isUp = this.#whenUp();
    // A failure before anybody waits for it.
    this.#isUp.catch(() => {});
  }

  /** Resolves once programs in its network have that of the policy, or nothing. Throws Failure. */
  async up(): Promise<void> {
    if (await soon(this.#isUp)) return;
    // It comes with all of koffi, which nobody need wait for where the agent is up at once.
    const { Deadline } = await import("@ringway/linux");
    let late: InstanceType<typeof Deadline> | undefined;
    const tooLate = new Promise<never>((_, reject) => {
      late = new Deadline(ATTACH_MS, () =>
        reject(cannot(`the monitor has not answered within ${ATTACH_MS / 1000} s: ${this.#said}`)),
      );
    });
    await Promise.race([this.#isUp, tooLate]).finally(() => late?.cancel());
  }

  async #whenUp(): Promise<void> {
    let becomeUp = (): void => {};
    const up = new Promise<void>((resolve) => {
      becomeUp = resolve;
    });
    const ended = this.ended.then((words) => {
      if (this.#isStopped) throw cannot("the agent was stopped");
      requireVersion(this.#bubblewrap);
      throw cannot(whyNot(words.replace(/^ringway-agent: /, "")));
    });
    ended.catch(() => {});
    onLines(this.#child.stderr!, (line) => {
      this.#said = line;
      if (this.#upAt.test(line)) becomeUp();
      if (ATTACHED.test(line)) this.#becomeAttached();
      this.#take(line);
    });
    const pid = childPid(pipeOf(this.#child, INFO_FD));
    [this.#pid] = await Promise.all([Promise.race([pid, ended]), Promise.race([up, ended])]);
  }

  /** As this process's namespace has it. */
  get pid(): number {
    return this.#pid!;
  }

  /** Hands over each line of its log, those first that nobody has heeded yet. */
  heed(take: (line: string) => void): void {
    this.#take = take;
    for (const line of this.#kept.splice(0)) take(line);
  }

  /** Descriptors of its namespaces: closed when `use` has returned. */
  withNamespaces<T>(use: (user: number, net: number, mnt: number) => T): T {
    const fds = ["user", "net", "mnt"].map((kind) => openSync(`/proc/${this.pid}/ns/${kind}`, "r"));
    try {
      return use(fds[0]!, fds[1]!, fds[2]!);
    } finally {
      for (const fd of fds) closeSync(fd);
    }
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#child.kill("SIGKILL");
    await this.ended;
  }
}

/** False where `up` is still pending after SOON_MS. Rejects as it does. */
async function soon(up: Promise<void>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), SOON_MS);
  });
  return await Promise.race([up.then(() => true), late]).finally(() => clearTimeout(timer));
}

/** For bubblewrap. */
function namespaces({ agent, socket, isThere, mounts }: AgentPlan): string[] {
  if (mounts.length > 0) requireMounts(mounts);
  const capabilities = [...CAPABILITIES, ...(mounts.length > 0 ? [TO_MOUNT] : [])];
  return [
    ...["--unshare-user", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"],
    ...["--uid", "0", "--gid", "0", "--die-with-parent", "--info-fd", String(INFO_FD)],
    ...["--cap-drop", "ALL", ...capabilities.flatMap((name) => ["--cap-add", name])],
    ...["--ro-bind", agent, "/ringway-agent", "--ro-bind", "/proc", "/proc"],
    ...(isThere ? ["--ro-bind", socket, INSIDE] : ["--ro-bind", dirname(socket), dirname(INSIDE)]),
    ...(mounts.length > 0 ? ["--dev-bind", FUSE, FUSE] : []),
    ...mounts.flatMap((_, i) => ["--dir", `${MOUNTED}/${i}`]),
    ...["--chdir", "/"],
  ];
}

function ofAgent({ socket, isThere, mounts, publish, learns }: AgentPlan): string[] {
  return [
    ...["/ringway-agent", "--transparent"],
    ...["--socket", isThere ? INSIDE : join(dirname(INSIDE), basename(socket))],
    ...["--socks", "off", "--http", "off", "--service", "off", "--hold-ms", String(ATTACH_MS)],
    ...(learns ? ["--names", "learn"] : []),
    ...mounts.flatMap((path, i) => ["--mount", `${path}:${MOUNTED}/${i}`]),
    ...publish.flatMap((what) => ["--publish", what]),
  ];
}

function requireMounts(mounts: readonly string[]): void {
  if (!existsSync(FUSE)) throw cannot(`--files mount wants ${FUSE}, which is not there: modprobe fuse`);
  if (!mayUse(FUSE))
    throw cannot(`--files mount wants ${FUSE}, which this user may not open: chmod 666 ${FUSE}, as root`);
  if (mounts.length > MOUNTS_MAX)
    throw cannot(`--files mount: ${mounts.length} folders, and there can be ${MOUNTS_MAX}`);
  const odd = mounts.find((path) => path.includes(":/"));
  if (odd !== undefined) throw cannot(`--files mount: ${odd} has :/ in it, which cannot be mounted`);
}

function mayUse(path: string): boolean {
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
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
