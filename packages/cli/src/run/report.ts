// What becomes of a run's refusals: lines for people as they happen, and at the end a policy, printed or written to the
// file of --learn.

import { closeSync, openSync, rmSync, writeSync } from "node:fs";
import type { Denial } from "@ringway/monitor";
import { errorLine, Failure, NOT_RUN } from "../errors.ts";
import { Learned, RefusalLines } from "./refusals.ts";

export interface ReportOptions {
  readonly quiet: boolean;
  /** Lines are for a terminal. */
  readonly dim: boolean;
  /** Path of --learn. */
  readonly learn: string | undefined;
  readonly hasPolicy: boolean;
  say(lines: string): void;
}

export class RefusalReport {
  readonly #options: ReportOptions;
  readonly #lines: RefusalLines;
  readonly #learned: Learned = new Learned();
  readonly #fd: number | undefined;

  /** Nothing is written over: throws Failure where there is something at the path already. */
  constructor(options: ReportOptions) {
    const { learn, dim } = options;
    this.#options = options;
    this.#lines = new RefusalLines(dim);
    try {
      this.#fd = learn === undefined ? undefined : openSync(learn, "wx");
    } catch (error) {
      const detail =
        (error as NodeJS.ErrnoException).code === "EEXIST" ? "it is there already" : errorLine(error);
      throw new Failure(`cannot write ${learn} (--learn): ${detail}`, { cause: error, exitCode: NOT_RUN });
    }
  }

  denied(denial: Denial): void {
    this.#learned.add(denial);
    this.#tell(this.#lines.ofDenial(denial));
  }

  /** A line of the agent's, of a monitor that tells this process nothing. */
  agentSaid(line: string): void {
    this.#tell(this.#lines.ofAgent(line));
  }

  #tell(line: string | undefined): void {
    if (line !== undefined && !this.#options.quiet) this.#options.say(line);
  }

  /** The run has failed: what it has learned until then is kept, and no file of which nothing is to be learned. */
  abandon(): void {
    const { learn } = this.#options;
    if (learn === undefined) return;
    if (this.#learned.isEmpty) {
      closeSync(this.#fd!);
      rmSync(learn, { force: true });
    } else {
      this.end();
    }
  }

  end(): void {
    const { learn, hasPolicy, quiet, say } = this.#options;
    if (this.#fd !== undefined) {
      writeSync(this.#fd, this.#learned.toString());
      closeSync(this.#fd);
      if (!quiet) say(`ringway: what was refused is in ${learn}, as a policy\n`);
    } else if (!hasPolicy && !quiet && !this.#learned.isEmpty) {
      say(
        `ringway: no policy was given (--policy FILE). This one allows what was refused:\n${this.#learned}`,
      );
    }
  }
}
