// A program for each connection (-e), by the shell, with its stdin and stdout on it. How it ended is told. One whose
// connection is gone is asked to end after a while, and so are all at the end; who does not heed it is killed.
//
// Invariant: each leads a group of processes of its own, so that what the shell has started ends with it.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { Readable, Writable } from "node:stream";

/** Who reads its input to the end has long done so. */
const PATIENCE_MS = 5_000;
/** From SIGTERM to SIGKILL. */
const GRACE_MS = 1_000;

export interface Program {
  readonly input: Readable;
  readonly output: Writable;
  /** Its connection is gone. */
  left(): void;
}

export class Programs {
  readonly #say: (text: string) => void;
  readonly #running: Set<ChildProcess> = new Set();

  constructor(say: (text: string) => void) {
    this.#say = say;
  }

  /** Throws where there is no room for another. */
  start(command: string, label: string): Program {
    const child = spawn(command, { shell: true, detached: true, stdio: ["pipe", "pipe", "inherit"] });
    const { stdin, stdout } = child;
    // Why is told by an error of its own, below; without descriptors it has no streams, and never closes.
    child.on("error", (error) => this.#say(`${label}: ${command}: ${error.message}`));
    if (!stdin || !stdout) throw new Error(`${command}: not started`);
    this.#running.add(child);
    child.once("close", (code, signal) => {
      this.#running.delete(child);
      this.#say(`${label}: ${command}: ${signal ?? `exit code ${code}`}`);
    });
    const left = (): void => void setTimeout(() => void this.#end([child]), PATIENCE_MS).unref();
    return { input: stdout, output: stdin, left };
  }

  /** Resolves once all have ended. */
  async settled(): Promise<void> {
    const timer = setTimeout(() => void this.stop(), PATIENCE_MS);
    await Promise.all([...this.#running].map((child) => once(child, "close")));
    clearTimeout(timer);
  }

  /** Resolves once none is there any more. */
  async stop(): Promise<void> {
    await this.#end([...this.#running]);
  }

  async #end(children: readonly ChildProcess[]): Promise<void> {
    const running = children.filter((child) => this.#running.has(child));
    const ends = running.map((child) => once(child, "close"));
    for (const child of running) kill(child, "SIGTERM");
    const timer = setTimeout(() => {
      for (const child of running) {
        if (!this.#running.has(child)) continue;
        kill(child, "SIGKILL");
        // Whoever has left its group may still hold them.
        child.stdin!.destroy();
        child.stdout!.destroy();
      }
    }, GRACE_MS);
    await Promise.all(ends);
    clearTimeout(timer);
  }
}

function kill({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  try {
    if (pid !== undefined) process.kill(-pid, signal);
  } catch {
    // None of its group is there any more.
  }
}
