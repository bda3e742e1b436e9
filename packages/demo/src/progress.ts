// The progress bar of the fetch: on stderr, where that is a terminal.

import { createRequire } from "node:module";

/** What is used of cli-progress, which brings no types. */
interface SingleBar {
  start(total: number, value: number, payload: object): void;
  update(value: number, payload: object): void;
  stop(): void;
}
interface CliProgress {
  readonly SingleBar: new (options: Record<string, unknown>) => SingleBar;
}

const MIB = 1024 * 1024;

export class Progress {
  readonly #bar: SingleBar | undefined;
  readonly #start: number = performance.now();

  constructor(totalBytes: number) {
    if (!process.stderr.isTTY) return;
    const { SingleBar } = createRequire(import.meta.url)("cli-progress") as CliProgress;
    this.#bar = new SingleBar({
      format: "  fetch       {bar} {percentage}% {value}/{total} MiB, {rate} MiB/s",
      stream: process.stderr,
      clearOnComplete: true,
      hideCursor: true,
      barsize: 30,
      barCompleteChar: "█",
      barIncompleteChar: "░",
    });
    this.#bar.start(totalBytes / MIB, 0, { rate: 0 });
  }

  update(bytes: number): void {
    const seconds = (performance.now() - this.#start) / 1000;
    this.#bar?.update(Math.floor(bytes / MIB), { rate: Math.round(bytes / MIB / seconds) });
  }

  stop(): void {
    this.#bar?.stop();
  }
}
