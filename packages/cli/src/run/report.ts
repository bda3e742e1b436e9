// What becomes of a run's refusals: lines for people as they happen, and at the end a policy, printed or written to the
// file of --learn.

import { closeSync, openSync, rmSync, writeSync } from "node:fs";
import type { Denial, Policy } from "@ringway/monitor";
import { errorLine, Failure, NOT_RUN } from "../errors.ts";
import { Learned } from "../learn/learned.ts";
import { RefusalLines } from "./refusals.ts";

export interface ReportOptions {
  readonly quiet: boolean;
  /** Lines are for a terminal. */
  readonly dim: boolean;
  /** Path of --learn. */
  readonly learn: string | undefined;
  readonly hasPolicy: boolean;
  /** The policy's `hosts`. */
  readonly names: Policy["hosts"];
  say(lines: string): void;
}

export class RefusalReport {
  readonly #options: ReportOptions;
  readonly #lines: RefusalLines;
  readonly #learned: Learned;
  readonly #fd: number | undefined;

  /** Nothing is written over: throws Failure where there is something at the path already. */
  constructor(options: ReportOptions) {
    const { learn, dim, names } = options;
    this.#options = options;
    this.#learned = new Learned(names);
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

  /** A line of the agent's log, of a port; with `ofRefusals` also of a refusal, which no monitor tells this process. */
  agentSaid(line: string, ofRefusals: boolean): void {
    const refusal = ofRefusals ? this.#lines.ofAgent(line) : undefined;
    this.#tell(refusal ?? this.#lines.ofPort(line) ?? this.#lines.ofSilence(line));
  }

  #tell(line: string | undefined): void {
    if (line !== undefined && !this.#options.quiet) this.#options.say(line);
  }

  /** The run has failed: what it has learned until then is kept. */
  abandon(): void {
    if (this.#fd !== undefined) this.#write(this.#fd);
  }

  end(): void {
    const { learn, hasPolicy, quiet, say } = this.#options;
    const isEmpty = this.#learned.isEmpty;
    if (this.#fd !== undefined) {
      this.#write(this.#fd);
      if (quiet) return;
      if (isEmpty) say(`ringway: nothing was refused that a policy could allow, so there is no ${learn}\n`);
      else say(`ringway: what was refused is in ${learn}, as a policy\n`);
    } else if (!hasPolicy && !quiet && !isEmpty) {
      say(
        `ringway: no policy was given (--policy FILE). This one allows what was refused:\n${this.#learned}`,
      );
    }
  }

  /** No file is left of which nothing is to be learned. */
  #write(fd: number): void {
    if (!this.#learned.isEmpty) writeSync(fd, this.#learned.toString());
    closeSync(fd);
    if (this.#learned.isEmpty) rmSync(this.#options.learn!, { force: true });
  }
}
