// A testee that is a program: one line of JSON each way for each command.

import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import {
  type Command,
  type Reply,
  type Testee,
  TesteeBroken,
  TesteeMissing,
  TesteeUnsupported,
} from "./contract.ts";
import type { ErrorsOnce } from "./errors-once.ts";

export const UNSUPPORTED_EXIT = 127;

/** The program that stands for ringway's own guest. */
export const TYPESCRIPT_TESTEE: readonly string[] = [
  process.execPath,
  fileURLToPath(new URL("./testee-main.js", import.meta.url)),
];

interface Waiting {
  resolve(reply: Reply): void;
  reject(error: Error): void;
}

export class ProcessTestee implements Testee {
  readonly name: string;
  readonly #child: ChildProcess;
  readonly #timeoutMs: number;
  readonly #ended: Promise<void>;
  #waiting: Waiting | undefined;
  #broken: Error | undefined;

  /** `errors` shows its standard error; without it, that is this process's. */
  constructor(command: readonly string[], timeoutMs: number, errors?: ErrorsOnce) {
    this.name = command.join(" ");
    this.#timeoutMs = timeoutMs;
    const [program, ...args] = command;
    this.#child = spawn(program!, args, { stdio: ["pipe", "pipe", errors ? "pipe" : "inherit"] });
    errors?.follow(this.#child.stderr!);
    // What is written after its end is told by its end.
    this.#child.stdin!.on("error", () => {});
    createInterface({ input: this.#child.stdout! }).on("line", (line) => this.#line(line));
    this.#ended = new Promise((resolve) => {
      this.#child.once("error", (error: NodeJS.ErrnoException) => {
        this.#fail(new TesteeMissing(`cannot start ${program}: ${error.code ?? error.message}`));
        resolve();
      });
      this.#child.once("close", (code, signal) => {
        if (code === UNSUPPORTED_EXIT) this.#fail(new TesteeUnsupported(`${program} is unsupported here`));
        else this.#fail(new TesteeBroken(`the testee ended (${signal ?? `exit code ${code}`})`));
        resolve();
      });
    });
  }

  ask(command: Command): Promise<Reply> {
    return new Promise((resolve, reject) => {
      if (this.#broken !== undefined) return reject(this.#broken);
      const timer = setTimeout(() => {
        this.#fail(new TesteeBroken(`no answer to ${command.do} within ${this.#timeoutMs} ms`));
        this.#child.kill("SIGKILL");
      }, this.#timeoutMs);
      const settled =
        <T>(settle: (value: T) => void) =>
        (value: T): void => {
          clearTimeout(timer);
          this.#waiting = undefined;
          settle(value);
        };
      this.#waiting = { resolve: settled(resolve), reject: settled(reject) };
      this.#child.stdin!.write(`${JSON.stringify(command)}\n`);
      return undefined;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.stdin!.end();
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), 2000);
    await this.#ended;
    clearTimeout(timer);
  }

  #line(line: string): void {
    const reply = parse(line);
    if (this.#waiting === undefined)
      this.#fail(new TesteeBroken(`a line that nobody asked for: ${cut(line)}`));
    else if (typeof reply === "string") this.#fail(new TesteeBroken(`${reply}: ${cut(line)}`));
    else this.#waiting.resolve(reply);
  }

  #fail(error: Error): void {
    this.#broken ??= error;
    this.#waiting?.reject(this.#broken);
  }
}

/** A reply, or why it is none. */
function parse(line: string): Reply | string {
  let reply: unknown;
  try {
    reply = JSON.parse(line);
  } catch {
    return "no JSON";
  }
  const known = typeof reply === "object" && reply !== null && ("status" in reply || "unsupported" in reply);
  return known ? (reply as Reply) : "neither status nor unsupported";
}

function cut(line: string): string {
  return line.length > 120 ? `${line.slice(0, 120)}...` : line;
}
