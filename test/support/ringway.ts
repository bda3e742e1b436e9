// The real command, as a process: run to its end, or a monitor in a home of its own. What a test starts here ends with
// it, also when it fails.

import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach } from "vitest";
import { type Ended, LOADED_MS, loadedInTurn, Program, type ProgramOptions } from "./processes.ts";
import { temporaryFolder } from "./temporary.ts";

export const ROOT: string = fileURLToPath(new URL("../../", import.meta.url));
export const RINGWAY: string = join(ROOT, "packages/cli/bin/ringway.js");

/** What a shell says first, as README.md has it, to find the command. */
export const FIND_RINGWAY: string = `cd ${ROOT}; ${
  /^ {4}(export PATH=.*)$/m.exec(readFileSync(join(ROOT, "README.md"), "utf8"))![1]
}; cd "$OLDPWD"`;

const started: Program[] = [];
afterEach(() => {
  for (const program of started.splice(0)) program[Symbol.dispose]();
});

/**
 * A program that reads nothing, or `input`, in the repository's folder or another; for tests that run one after the
 * other.
 */
export function start(
  [program, ...args]: readonly string[],
  { env, ...options }: ProgramOptions = {},
): Program {
  const own = { cwd: ROOT, input: "", ...options, env: { NODE_OPTIONS: "", ...env } };
  const running = new Program(program!, args, own);
  started.push(running);
  return running;
}

/** `ringway ARGS`, to its end. */
export async function ringway(...args: string[]): Promise<Ended> {
  return await start([process.execPath, RINGWAY, ...args]).ended;
}

export interface HomeOptions extends ProgramOptions {
  /** A command that runs another: `prlimit --nofile=200`. */
  readonly under?: readonly string[];
}

/** A folder with a policy, where monitors of the command line take their guests; the monitors end with it. */
export class Home implements AsyncDisposable {
  readonly folder: string = temporaryFolder("home");
  readonly path: string = join(this.folder, "attach.sock");
  readonly policyFile: string = join(this.folder, "policy.yaml");
  readonly #monitors: Program[] = [];

  constructor(policy?: string) {
    if (policy !== undefined) this.policy = policy;
  }

  /** What is in force from the next start or SIGHUP on. */
  set policy(yaml: string) {
    writeFileSync(this.policyFile, yaml);
  }

  /** `ringway monitor ARGS`, from its first moment on. */
  start(args: readonly string[] = [], { under = [], ...options }: HomeOptions = {}): Program {
    const monitor = ["monitor", "--policy", this.policyFile, "--listen", this.path, ...args];
    const [command, ...words] = [...under, process.execPath, RINGWAY, ...monitor];
    const program = new Program(command!, words, options);
    this.#monitors.push(program);
    return program;
  }

  /** The same, once it takes guests. */
  async ready(args?: readonly string[], options?: HomeOptions): Promise<Program> {
    return await loadedInTurn(async () => {
      const monitor = this.start(args, options);
      await monitor.logged("monitor is ready", LOADED_MS);
      return monitor;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const monitor of this.#monitors) monitor[Symbol.dispose]();
    await Promise.allSettled(this.#monitors.map(({ exited }) => exited));
    rmSync(this.folder, { recursive: true, force: true });
  }
}
