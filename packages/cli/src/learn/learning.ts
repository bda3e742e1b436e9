// ringway monitor --learn FILE: the monitor has a policy that allows what no rule denies (widened.ts), and what guests
// ask for is read from its audit file as it grows, and written to FILE as a policy.
//
//   begin() ── all read ──> FILE written ── more lines ──> ... ── end(): the rest is read, FILE written a last time
//      └── another policy in force: the same anew, from the beginning of the audit file
//
// A file that cannot be written, or an audit file that cannot be read, is an error in the log, and no guest's.

import { HostSurroundings, type Policy, PolicyLoader } from "@ringway/monitor";
import type { Logger } from "pino";
import { errorLine, UsageError } from "../errors.ts";
import { followed } from "../log/follow.ts";
import { AuditLines } from "./audit-lines.ts";
import { LearnedFile } from "./learned-file.ts";
import { Lessons } from "./lessons.ts";
import { widened } from "./widened.ts";

export class Learning {
  readonly #file: LearnedFile;
  readonly #name: string;
  readonly #audit: string;
  readonly #own: ReadonlySet<string>;
  readonly #surroundings: HostSurroundings = new HostSurroundings();
  #policy: Policy | undefined;
  #reading: { readonly over: Promise<void>; end(): void } | undefined;
  readonly #log: Logger;

  /** `own`: names of the guests that have policies of their own, of which nothing is learned. Throws UsageError. */
  constructor(
    file: string,
    { audit, policy }: { readonly audit?: string; readonly policy: string },
    own: Iterable<string>,
    log: Logger,
  ) {
    if (audit === undefined) {
      throw new UsageError("--learn goes with --audit FILE: its lines are what is learned from");
    }
    this.#file = new LearnedFile(file, [audit, policy]);
    this.#name = file;
    this.#audit = audit;
    this.#own = new Set(own);
    this.#log = log;
  }

  /** What is to be in force in place of the policy in this file, which is what is learned beside from then on. */
  async widened(file: string): Promise<Policy> {
    await using loader = new PolicyLoader();
    this.#policy = await loader.load(file);
    return widened(this.#policy);
  }

  /** It is in force. */
  async begin(): Promise<void> {
    await this.#stop();
    const said = "LEARNING: guests may reach every address but the host's own, unless a rule denies it";
    this.#log.warn({ learn: this.#name }, `${said}; what they ask for is written to ${this.#name}`);
    const ending = new AbortController();
    const over = this.#read(new Lessons(this.#policy, this.#surroundings), ending.signal).catch(
      (error: Error) =>
        this.#log.error({ learn: this.#name }, `nothing more is learned: ${errorLine(error)}`),
    );
    this.#reading = { over, end: () => ending.abort() };
  }

  /** Once the audit file has all of its lines. */
  async end(): Promise<void> {
    await this.#stop();
    this.#surroundings[Symbol.dispose]();
  }

  async #stop(): Promise<void> {
    this.#reading?.end();
    await this.#reading?.over;
    this.#reading = undefined;
  }

  async #read(lessons: Lessons, signal: AbortSignal): Promise<void> {
    const lines = new AuditLines();
    const all = followed(this.#audit, signal, () => this.#file.write(lessons.toString(lines.unreadable)));
    for await (const line of lines.from(all)) {
      if (!this.#own.has(line.guest.replace(/-\d+$/, "")) && !this.#own.has(line.guest)) lessons.take(line);
    }
  }
}
