// Programs that a test starts: their output by the line, and their end by force when the test is over.

import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { until, within } from "./wait.ts";

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface Ended {
  /** Or the signal that it was ended by. */
  readonly code: number | NodeJS.Signals;
  readonly stdout: string;
  readonly stderr: string;
}

/** One line of the log that a monitor of the command line writes to stderr. */
export interface LogLine {
  readonly level: string;
  readonly msg: string;
  readonly [key: string]: unknown;
}

export interface ProgramOptions {
  readonly cwd?: string;
  /** All that it reads. */
  readonly input?: Uint8Array | string;
  /** Beside this process's. */
  readonly env?: NodeJS.ProcessEnv;
  /** A descriptor for its errors, which are not kept then. */
  readonly stderr?: number;
}

/** A monitor's threads load first: some tenths of a second, or seconds on a machine with much else to do. */
export const LOADED_MS = 30_000;

let turn: Promise<unknown> = Promise.resolve();

/**
 * One after the other, also in tests that run at the same time: to load is work, and what loads with others takes
 * longer.
 */
export function loadedInTurn<T>(load: () => Promise<T>): Promise<T> {
  const mine = turn.then(load);
  turn = mine.catch(() => {});
  return mine;
}

export class Program implements Disposable {
  readonly child: ChildProcess;
  readonly lines: string[] = [];
  /** All of its standard output so far. */
  output = "";
  errors = "";
  readonly exited: Promise<Exit>;
  #rest = "";
  #isOver = false;

  constructor(command: string, args: readonly string[], options: ProgramOptions = {}) {
    this.child = spawn(command, [...args], {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ["pipe", "pipe", options.stderr ?? "pipe"],
    });
    this.child.stdout!.setEncoding("utf8").on("data", (text: string) => {
      this.output += text;
      const lines = (this.#rest + text).split("\n");
      this.#rest = lines.pop()!;
      this.lines.push(...lines);
    });
    this.child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.errors += text;
    });
    this.child.stdin!.on("error", () => {});
    if (options.input !== undefined) this.child.stdin!.end(options.input);
    this.exited = new Promise((resolve, reject) => {
      this.child.once("error", reject);
      this.child.once("close", (code, signal) => {
        this.#isOver = true;
        resolve({ code, signal });
      });
    });
    // A test that does not wait for the end must not fail for it.
    this.exited.catch(() => {});
  }

  get pid(): number {
    return this.child.pid!;
  }

  /** It has ended, and all that it said has come. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** The first line with `text` in it, that has come or will. */
  line(text: string, timeoutMs?: number): Promise<string> {
    return until(
      `"${text}" from ${this.child.spawnfile}`,
      () => {
        const found = this.lines.find((line) => line.includes(text));
        if (found === undefined && this.#isOver) {
          throw new Error(`${this.child.spawnfile} ended without "${text}": ${this.errors}`);
        }
        return found;
      },
      timeoutMs,
    );
  }

  /** What it has logged so far. */
  get log(): LogLine[] {
    const lines = this.errors.split("\n").slice(0, -1);
    return lines.map((line) => JSON.parse(line) as LogLine);
  }

  /** The first line of its log whose message begins so, that has come or will. */
  logged(message: string, timeoutMs = LOADED_MS): Promise<LogLine> {
    return until(
      `"${message}" in the log of ${this.child.spawnfile}`,
      () => {
        const lines = this.errors.split("\n").slice(0, -1);
        const found = lines.find((line) => line.includes(`"msg":"${message}`));
        if (found !== undefined) return JSON.parse(found) as LogLine;
        if (this.#isOver) throw new Error(`ended without "${message}": ${this.errors}`);
        return undefined;
      },
      timeoutMs,
    );
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  /** Its end, and all that it said. */
  get ended(): Promise<Ended> {
    return this.exited.then(({ code, signal }) => ({
      code: code ?? signal!,
      stdout: this.output,
      stderr: this.errors,
    }));
  }

  async exit(timeoutMs = 20_000): Promise<Exit> {
    return await within(`the end of ${this.child.spawnfile}`, this.exited, timeoutMs);
  }

  /** Ends with 0, or throws with what it said. */
  async succeeds(timeoutMs?: number): Promise<void> {
    const { code, signal } = await this.exit(timeoutMs);
    if (code !== 0) throw new Error(`${this.child.spawnfile}: ${signal ?? code}\n${this.errors}`);
  }

  [Symbol.dispose](): void {
    this.child.kill("SIGKILL");
  }
}

const fixture = (name: string): string => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));

export function guestProgram(path: string, what: string, port: number): Program {
  return new Program(process.execPath, [fixture("guest.mjs"), path, what, String(port)]);
}

export interface MonitorProgramOptions {
  /** RLIMIT_NOFILE. */
  readonly descriptors?: number;
  readonly options?: object;
  /** What runs it: a command that passes its arguments on, such as `unshare --net`. */
  readonly under?: readonly string[];
  /** Beside this process's. */
  readonly env?: NodeJS.ProcessEnv;
}

export class MonitorProgram extends Program {
  /** Resolves when it takes guests. */
  static async start(
    path: string,
    policy: string,
    { descriptors, options = {}, under = [], env = {} }: MonitorProgramOptions = {},
  ): Promise<MonitorProgram> {
    const limit = descriptors === undefined ? [] : ["prlimit", `--nofile=${descriptors}:${descriptors}`];
    const node = [process.execPath, "--expose-gc", fixture("monitor.mjs")];
    const [command, ...args] = [...under, ...limit, ...node, path, policy, JSON.stringify(options)];
    return await loadedInTurn(async () => {
      const monitor = new MonitorProgram(command!, args, { env });
      await monitor.line("ready", LOADED_MS);
      return monitor;
    });
  }

  async ask<T>(question: "counters" | "memory" | `bells ${number}`): Promise<T> {
    const at = this.lines.length;
    this.child.stdin!.write(`${question}\n`);
    const answer = await until(`an answer to ${question}`, () => {
      if (this.lines[at] === undefined && this.isOver)
        throw new Error(`ended without an answer: ${this.errors}`);
      return this.lines[at];
    });
    return JSON.parse(answer) as T;
  }

  get descriptors(): number {
    return readdirSync(`/proc/${this.pid}/fd`).length;
  }
}

/** Who is not root has to be it in a user namespace of their own to have another namespace. */
const asRoot = process.getuid?.() === 0;

/** A command that runs another in namespaces of its own: `--net`, `--mount`. */
export function unshare(...namespaces: string[]): string[] {
  return ["unshare", ...(asRoot ? [] : ["--user", "--map-root-user"]), ...namespaces];
}

/** A command that runs another in the namespaces of a process that unshare() has begun. */
export function nsenter(pid: number, ...namespaces: string[]): string[] {
  return [
    "nsenter",
    "-t",
    String(pid),
    ...(asRoot ? [] : ["--user", "--preserve-credentials"]),
    ...namespaces,
  ];
}

/** Descriptors of this process. */
export function descriptors(): number {
  return readdirSync("/proc/self/fd").length;
}

/** Those of them that lead to `path`. */
export function descriptorsOf(path: string): number {
  let count = 0;
  for (const fd of readdirSync("/proc/self/fd")) {
    try {
      if (readlinkSync(`/proc/self/fd/${fd}`) === path) count++;
    } catch {
      // The descriptor that read the directory, or one that was closed meanwhile.
    }
  }
  return count;
}

/** Mappings of this process that are regions of guests. */
export function regionMappings(): number {
  return readFileSync("/proc/self/maps", "utf8").split("memfd:ringway:").length - 1;
}
