// A program for each connection (-e), by the shell, with its stdin and stdout on it. How it ended is told. One whose
// connection is gone is asked to end after a while, and so are all at the end.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { Readable, Writable } from "node:stream";

/** Who reads its input to the end has long done so. */
const PATIENCE_MS = 5_000;

export class Programs {
  readonly #say: (text: string) => void;
  readonly #running: Set<ChildProcess> = new Set();

  constructor(say: (text: string) => void) {
    this.#say = say;
  }

  start(command: string, label: string): { readonly input: Readable; readonly output: Writable } {
    const child = spawn(command, { shell: true, stdio: ["pipe", "pipe", "inherit"] });
    this.#running.add(child);
    let isOver = false;
    child.once("error", (error) => this.#say(`${label}: ${command}: ${error.message}`));
    child.once("close", (code, signal) => {
      isOver = true;
      this.#running.delete(child);
      this.#say(`${label}: ${command}: ${signal ?? `exit code ${code}`}`);
    });
    child.stdout!.once("close", () => {
      setTimeout(() => isOver || child.kill(), PATIENCE_MS).unref();
    });
    return { input: child.stdout!, output: child.stdin! };
  }

  /** Resolves once all have ended. */
  async settled(): Promise<void> {
    const timer = setTimeout(() => this.stop(), PATIENCE_MS);
    await Promise.all([...this.#running].map((child) => once(child, "close")));
    clearTimeout(timer);
  }

  stop(): void {
    for (const child of this.#running) child.kill();
  }
}
