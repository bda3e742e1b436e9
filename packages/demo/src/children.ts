// The demo's processes and its folder, and that nothing of them stays: not after the end, a failure or Ctrl-C.

import { type ChildProcessByStdio, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";

type Process = ChildProcessByStdio<Writable, Readable, Readable>;

/** Lines of a child's stderr that are kept, to show when it fails. */
const LINES_KEPT = 1000;
const SIGNALS = { SIGINT: 2, SIGTERM: 15, SIGHUP: 1 } as const;

/** A process of the demo. */
export class Child {
  readonly name: string;
  /** The last lines of its stderr. */
  readonly stderr: string[] = [];
  /** Resolves once it has ended and all of its output is read. */
  readonly ended: Promise<number | NodeJS.Signals>;
  readonly #process: Process;
  readonly #stdout: AsyncIterator<string>;
  #onLine: () => void = () => {};

  constructor(name: string, command: readonly string[]) {
    this.name = name;
    const [program, ...args] = command;
    this.#process = spawn(program!, args, { stdio: ["pipe", "pipe", "pipe"] });
    this.#process.stdin.on("error", () => {});
    this.ended = new Promise((resolve) => {
      this.#process.on("error", (error) => {
        this.stderr.push(error.message);
        resolve(1);
      });
      this.#process.on("close", (code, signal) => resolve(code ?? signal ?? 1));
    });
    void this.ended.then(() => this.#onLine());
    createInterface({ input: this.#process.stderr }).on("line", (line) => {
      if (this.stderr.push(line) > LINES_KEPT) this.stderr.shift();
      this.#onLine();
    });
    this.#stdout = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]();
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  /** The next line of its stdout. */
  async line(): Promise<string> {
    const { value, done } = await this.#stdout.next();
    if (!done) return value;
    const status = await this.ended;
    throw new Error(`the ${this.name} ended early (${status})${this.#lastWords()}`);
  }

  /** The first line of its stderr, there already or to come, that `wanted` accepts. */
  async stderrLine(wanted: (line: string) => boolean): Promise<string> {
    let over = false;
    void this.ended.then(() => {
      over = true;
    });
    for (;;) {
      const found = this.stderr.find(wanted);
      if (found !== undefined) return found;
      if (over) throw new Error(`the ${this.name} ended early${this.#lastWords()}`);
      await new Promise<void>((resolve) => {
        this.#onLine = resolve;
      });
    }
  }

  tell(line: string): void {
    this.#process.stdin.write(`${line}\n`);
  }

  kill(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  #lastWords(): string {
    const said = this.stderr.filter((line) => line.trim() !== "").slice(-12);
    return said.length === 0 ? "" : `: ${said.join("\n  ")}`;
  }
}

/** Everything that must go when the demo does. */
export class Remains {
  readonly folder: string = mkdtempSync(join(tmpdir(), "ringway-demo-"));
  readonly #children: Child[] = [];
  readonly #onExit = (): void => this.clear();
  readonly #onSignal = (signal: keyof typeof SIGNALS): void => {
    process.stderr.write(`\nringway: stopped by ${signal}\n`);
    process.exit(128 + SIGNALS[signal]);
  };

  constructor() {
    process.on("exit", this.#onExit);
    for (const signal of Object.keys(SIGNALS)) process.on(signal, this.#onSignal);
  }

  start(name: string, command: readonly string[]): Child {
    const child = new Child(name, command);
    this.#children.push(child);
    return child;
  }

  /** At once, since an exit waits for nothing. Children that have ended take no harm. */
  clear(): void {
    for (const child of this.#children) child.kill("SIGKILL");
    rmSync(this.folder, { recursive: true, force: true });
    process.removeListener("exit", this.#onExit);
    for (const signal of Object.keys(SIGNALS)) process.removeListener(signal, this.#onSignal);
  }
}
