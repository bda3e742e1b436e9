// Runs the real command, as a process.

import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach } from "vitest";

export const RINGWAY: string = fileURLToPath(new URL("../bin/ringway.js", import.meta.url));
export const ROOT: string = fileURLToPath(new URL("../../../", import.meta.url));

/** What a shell says first, as README.md has it, to find the command. */
export const FIND_RINGWAY: string = `cd ${ROOT}; ${
  /^ {4}(export PATH=.*)$/m.exec(readFileSync(join(ROOT, "README.md"), "utf8"))![1]
}; cd "$OLDPWD"`;

export interface Ended {
  readonly code: number | NodeJS.Signals;
  readonly stdout: string;
  readonly stderr: string;
}

/** One line of a monitor's log. */
export interface LogLine {
  readonly level: string;
  readonly msg: string;
  readonly [key: string]: unknown;
}

const running = new Set<ChildProcess>();
afterEach(() => {
  for (const child of running) child.kill("SIGKILL");
});

const folders: string[] = [];
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** A folder that goes when the file's tests are over. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "ringway-cli-"));
  folders.push(folder);
  return folder;
}

interface RunningOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** What it reads; without it, nothing. */
  readonly input?: string | Uint8Array;
}

export function start(command: readonly string[], options: RunningOptions = {}): Running {
  return new Running(command, options);
}

/** `ringway ARGS`, to its end. */
export async function ringway(...args: string[]): Promise<Ended> {
  return await start([process.execPath, RINGWAY, ...args]).ended;
}

export class Running {
  readonly ended: Promise<Ended>;
  readonly pid: number;
  stdout = "";
  readonly lines: string[] = [];
  readonly #child: ChildProcess;
  #wake: () => void = () => {};

  constructor([program, ...args]: readonly string[], { cwd = ROOT, env = {}, input = "" }: RunningOptions) {
    const child = spawn(program!, args, {
      cwd,
      env: { ...process.env, NODE_OPTIONS: "", ...env },
      stdio: ["pipe", "pipe", "pipe"],
    });
    // One that reads nothing may be gone by now.
    child.stdin!.on("error", () => {}).end(input);
    running.add(child);
    this.#child = child;
    this.pid = child.pid!;
    child.stdout!.on("data", (chunk) => {
      this.stdout += chunk;
    });
    createInterface({ input: child.stderr! }).on("line", (line) => {
      this.lines.push(line);
      this.#wake();
    });
    this.ended = new Promise((resolve, reject) => {
      child.on("error", reject);
      child.on("close", (code, signal) => {
        running.delete(child);
        this.#wake();
        resolve({
          code: code ?? signal!,
          stdout: this.stdout,
          stderr: this.lines.map((l) => `${l}\n`).join(""),
        });
      });
    });
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** The monitor's log so far. */
  get log(): LogLine[] {
    return this.lines.map((line) => JSON.parse(line) as LogLine);
  }

  /** The first line of the log, there or to come, with this message. */
  async logged(message: string): Promise<LogLine> {
    for (;;) {
      const line = this.lines.find((candidate) => candidate.includes(`"msg":"${message}`));
      if (line !== undefined) return JSON.parse(line) as LogLine;
      if (!running.has(this.#child)) throw new Error(`ended without "${message}": ${this.lines.join("\n")}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

export const POLICY = `version: 1
guest: { argv: [before] }
connect:
  - { id: local, allow: 127.0.0.1 }
`;

export interface TestMonitor {
  readonly process: Running;
  readonly policy: string;
  readonly socket: string;
}

/** A monitor that is ready, in a folder of its own. */
export async function startMonitor(...args: string[]): Promise<TestMonitor> {
  const folder = temporaryFolder();
  const policy = join(folder, "policy.yaml");
  const socket = join(folder, "attach.sock");
  writeFileSync(policy, POLICY);
  const command = ["monitor", "--policy", policy, "--listen", socket, ...args];
  const monitor = start([process.execPath, RINGWAY, ...command]);
  await monitor.logged("monitor is ready");
  return { process: monitor, policy, socket };
}
