// A progress bar on stderr, on a terminal only.

import { createRequire } from "node:module";

/** What is used of cli-progress, which has no types of its own. */
interface SingleBar {
  start(total: number, value: number, payload: { what: string }): void;
  increment(delta: number, payload: { what: string }): void;
  stop(): void;
}
interface CliProgress {
  readonly SingleBar: new (options: Record<string, unknown>) => SingleBar;
}

export class Progress implements Disposable {
  readonly #bar: SingleBar | undefined;

  constructor(total: number) {
    if (!process.stderr.isTTY) return;
    const { SingleBar } = createRequire(import.meta.url)("cli-progress") as CliProgress;
    this.#bar = new SingleBar({
      format: "{bar} {percentage}% {what}",
      stream: process.stderr,
      clearOnComplete: true,
      hideCursor: true,
      barsize: 30,
    });
    this.#bar.start(total, 0, { what: "" });
  }

  step(what: string, delta = 1): void {
    this.#bar?.increment(delta, { what });
  }

  [Symbol.dispose](): void {
    this.#bar?.stop();
  }
}
