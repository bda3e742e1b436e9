// A process that talks JSON by the line.

import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { until } from "../support/wait.ts";

export const ANSWER_MS = 10_000;

export const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

export class Child implements Disposable {
  readonly process: ChildProcess;
  readonly #waiting: ((value: never) => void)[] = [];
  ended: string | undefined;
  /** Resolves when it has ended, and all that it said has come. */
  readonly over: Promise<void>;
  errors = "";

  constructor(command: string, args: readonly string[], onLine?: (value: never) => boolean) {
    this.process = spawn(command, [...args], { stdio: ["pipe", "pipe", "pipe"] });
    createInterface({ input: this.process.stdout! }).on("line", (line) => {
      const value = JSON.parse(line) as never;
      if (onLine?.(value) === true) return;
      this.#waiting.shift()?.(value);
    });
    this.process.stderr!.setEncoding("utf8").on("data", (text: string) => {
      this.errors = (this.errors + text).slice(-20_000);
    });
    this.process.stdin!.on("error", () => {});
    this.over = new Promise((resolve) => {
      this.process.on("close", (code, signal) => {
        this.ended = String(signal ?? code);
        resolve();
      });
    });
  }

  get pid(): number {
    return this.process.pid!;
  }

  tell(line: string): void {
    this.process.stdin!.write(`${line}\n`);
  }

  /** The next answer; within a time limit, or it hangs. */
  async ask<T>(line: string, timeoutMs = ANSWER_MS): Promise<T> {
    let answer: T | undefined;
    this.#waiting.push((value) => {
      answer = value;
    });
    if (line !== "") this.tell(line);
    return await until(
      `an answer to "${line}"`,
      () => {
        if (answer === undefined && this.ended !== undefined)
          throw new Error(`ended with ${this.ended}: ${this.errors}`);
        return answer;
      },
      timeoutMs,
    );
  }

  [Symbol.dispose](): void {
    this.process.kill("SIGKILL");
  }
}
