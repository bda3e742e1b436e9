// The processes and the temporary folder of one benchmark run. Whatever way the run ends, none of them outlives it.

import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const SIGNALS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;
const STDERR_LINES_KEPT = 5;
const FOLDER = "ringway-bench-";

/** A running process, and what to tell about it when it fails. */
export class Child {
  readonly process: ChildProcess;
  readonly pid: number;
  readonly name: string;
  /** Resolves when the process has ended, with what was wrong with that: undefined for exit code 0. */
  readonly ended: Promise<string | undefined>;
  #over = false;
  #stderr: string[] = [];
  #stdout = "";
  #lines: string[] = [];
  #wake: () => void = () => {};

  constructor(process: ChildProcess, name: string) {
    this.process = process;
    this.pid = process.pid ?? -1;
    this.name = name;
    process.stdout!.setEncoding("utf8").on("data", (text: string) => {
      const lines = (this.#stdout + text).split("\n");
      this.#stdout = lines.pop()!;
      this.#lines.push(...lines);
      this.#wake();
    });
    process.stderr!.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr = [...this.#stderr, ...text.trimEnd().split("\n")].slice(-STDERR_LINES_KEPT);
    });
    process.stdin!.on("error", () => {});
    this.ended = new Promise((resolve) => {
      const end = (problem: string | undefined): void => {
        this.#over = true;
        this.#wake();
        resolve(problem);
      };
      process.once("error", (error) => end(error.message));
      process.once("close", (code, signal) => {
        if (code === 0) end(undefined);
        else
          end(
            `${signal ?? `exit code ${code}`}${this.#stderr.length > 0 ? `: ${this.#stderr.join("; ")}` : ""}`,
          );
      });
    });
  }

  get running(): boolean {
    return !this.#over;
  }

  /** The next line of its stdout. Rejects when it ends without one. */
  async line(): Promise<string> {
    while (this.#lines.length === 0) {
      if (this.#over) throw new Error(`${this.name} ended: ${(await this.ended) ?? "no output"}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#lines.shift()!;
  }

  /** SIGKILL for it and for what it forked. */
  kill(): void {
    if (this.#over || this.pid < 0) return;
    try {
      process.kill(-this.pid, "SIGKILL");
    } catch {
      // It has just ended.
    }
  }
}

/** A file system in memory, on every Linux. */
const MEMORY = "/dev/shm";

export class Children implements Disposable {
  readonly folder: string = mkdtempSync(join(tmpdir(), FOLDER));
  #memoryFolder: string | undefined;
  readonly #children: Set<Child> = new Set();
  readonly #onSignal = (signal: keyof typeof SIGNALS): void => {
    this[Symbol.dispose]();
    process.exit(SIGNALS[signal]);
  };
  readonly #onExit = (): void => this[Symbol.dispose]();

  constructor() {
    for (const signal of Object.keys(SIGNALS)) process.on(signal, this.#onSignal);
    process.on("exit", this.#onExit);
  }

  /**
   * A folder for files that are written to all the time: in memory, where there are so many bytes of it; else `folder`.
   */
  memoryFolder(bytes: number): string {
    try {
      const { bavail, bsize } = statfsSync(MEMORY);
      if (bavail * bsize < bytes) return this.folder;
      this.#memoryFolder ??= mkdtempSync(join(MEMORY, FOLDER));
      return this.#memoryFolder;
    } catch {
      return this.folder;
    }
  }

  /** Starts a program in a process group of its own: a Ctrl-C reaches it through this process only. */
  start(command: readonly string[], name: string = command[0]!): Child {
    const [program, ...args] = command;
    const child = new Child(spawn(program!, args, { stdio: ["pipe", "pipe", "pipe"], detached: true }), name);
    this.#children.add(child);
    void child.ended.then(() => this.#children.delete(child));
    return child;
  }

  /** Runs a program to its end; its first line of output. */
  async run(command: readonly string[], name: string, timeoutMs: number): Promise<string> {
    const child = this.start(command, name);
    const limit = setTimeout(() => child.kill(), timeoutMs);
    try {
      const line = child.line();
      const [text, problem] = await Promise.all([line.catch(() => undefined), child.ended]);
      if (problem !== undefined || text === undefined) throw new Error(`${name}: ${problem ?? "no output"}`);
      return text;
    } finally {
      clearTimeout(limit);
    }
  }

  [Symbol.dispose](): void {
    for (const child of this.#children) child.kill();
    for (const folder of [this.folder, this.#memoryFolder]) {
      if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
    }
    for (const signal of Object.keys(SIGNALS)) process.off(signal, this.#onSignal);
    process.off("exit", this.#onExit);
  }
}

/** Waits until `happened`, or throws once the time is up or the child, where one is given, has ended. */
export async function until(
  happened: () => boolean,
  what: string,
  child?: Child,
  timeoutMs = 10_000,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!happened()) {
    if (child?.running === false)
      throw new Error(`${child.name} ended: ${(await child.ended) ?? "exit code 0"}`);
    if (performance.now() > deadline) throw new Error(`${what} took longer than ${timeoutMs / 1000} s`);
    await sleep(5);
  }
}
