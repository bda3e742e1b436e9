// ringway monitor --learn FILE: the monitor has a policy that allows what no rule denies (widened.ts), and what guests
// ask for is read from its audit file as it grows, and written to FILE as a policy.
//
//   prove() ── begin() ── all read ──> FILE written ── more lines ──> ... ── end(): the rest, FILE a last time
//                 └── another policy in force: the same lessons under that one, and the reader goes on where it is
//
// Invariants: what was learned is kept until the process ends, whatever happens to the audit file and to the policy;
// FILE is not written before all that there was has been read, so it has never less than the process has learned. No
// guest, no signal and no client of the admin API waits for an audit file, however long (paced.ts).
//
// A file that cannot be written later on, or an audit file that cannot be read, is an error in the log, once, and tried
// again at each look.

import { HostSurroundings, type Policy, PolicyLoader } from "@ringway/monitor";
import type { Logger } from "pino";
import { errorLine, UsageError } from "../errors.ts";
import { isOf } from "../guests/of.ts";
import { followed } from "../log/follow.ts";
import { paced } from "../log/paced.ts";
import { AuditLines } from "./audit-lines.ts";
import { LearnedFile } from "./learned-file.ts";
import { Lessons } from "./lessons.ts";
import { realFolders } from "./real-folders.ts";
import { widened } from "./widened.ts";

/** How long the rest of the audit file may take at the end. */
const REST_MS = 2000;
/** The text is made for a twentieth of the time at most. */
const REST_FACTOR = 20;

export class Learning {
  readonly #file: LearnedFile;
  readonly #name: string;
  readonly #audit: string;
  readonly #own: readonly string[];
  readonly #surroundings: HostSurroundings = new HostSurroundings();
  readonly #log: Logger;
  readonly #lines: AuditLines = new AuditLines();
  /** Of the file that was read last; in force once begin() is called. */
  #loaded: Policy | undefined;
  #inForce: Policy | undefined;
  #lessons: Lessons | undefined;
  #reading: { readonly over: Promise<void>; end(): void } | undefined;
  /** There is something that FILE has not. */
  #isDirty = true;
  /** All that there was has been read once. */
  #hasCaughtUp = false;
  #nextWriteMs = 0;
  /** What fails at each look, and was told. */
  #trouble = "";

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
    this.#own = [...own];
    this.#log = log;
  }

  /** Throws Failure where FILE cannot be written: nobody has a wide policy for nothing then. */
  async prove(): Promise<void> {
    await this.#file.prove();
  }

  /** What is to be in force in place of the policy in this file; beside that is learned once begin() is called. */
  async widened(file: string): Promise<Policy> {
    await using loader = new PolicyLoader();
    this.#loaded = await loader.load(file);
    return widened(this.#loaded);
  }

  /** It is in force. */
  async begin(): Promise<void> {
    const said = "LEARNING: guests may reach every address but the host's own, unless a rule denies it";
    this.#log.warn({ learn: this.#name }, `${said}; what they ask for is written to ${this.#name}`);
    if (this.#loaded !== undefined) await this.#under(this.#loaded);
  }

  /** An operator has put this one in force, which allows what it says and no more. */
  async replaced(policy: Policy): Promise<void> {
    const said = "the operator's policy is in force as it is, and what it refuses is learned";
    this.#log.warn({ learn: this.#name }, `${said}; SIGHUP puts the wide one in its place again`);
    await this.#under(policy);
  }

  async #under(policy: Policy): Promise<void> {
    this.#inForce = policy;
    const folders = await realFolders(policy);
    // Another one came meanwhile.
    if (this.#inForce !== policy) return;
    this.#isDirty = true;
    if (this.#lessons !== undefined) {
      this.#lessons.under(policy, folders);
      return;
    }
    const lessons = new Lessons(policy, this.#surroundings, folders);
    this.#lessons = lessons;
    const ending = new AbortController();
    const over = this.#read(lessons, ending.signal).catch((error: Error) => this.#tell(error));
    this.#reading = { over, end: () => ending.abort() };
  }

  /** Once the audit file has all of its lines. */
  async end(): Promise<void> {
    this.#reading?.end();
    await this.#reading?.over;
    this.#surroundings[Symbol.dispose]();
  }

  async #read(lessons: Lessons, signal: AbortSignal): Promise<void> {
    const idle = async (hasMore: boolean): Promise<void> => {
      this.#isDirty ||= hasMore;
      this.#hasCaughtUp = true;
      if (signal.aborted || performance.now() >= this.#nextWriteMs) await this.#write(lessons);
    };
    const all = followed(this.#audit, signal, { idle, trouble: (error) => this.#tell(error) });
    for await (const line of this.#lines.from(this.#untilRestIsOver(paced(all, signal), signal))) {
      if (this.#own.some((name) => isOf(line.guest, name))) continue;
      lessons.take(line);
      this.#isDirty = true;
    }
    // Else it may be less than what FILE has of a process before.
    if (this.#hasCaughtUp) await this.#write(lessons);
  }

  async *#untilRestIsOver(parts: AsyncIterable<Buffer>, signal: AbortSignal): AsyncGenerator<Buffer> {
    let overMs = Number.POSITIVE_INFINITY;
    for await (const part of parts) {
      yield part;
      if (!signal.aborted) continue;
      overMs = Math.min(overMs, performance.now() + REST_MS);
      if (performance.now() < overMs) continue;
      const rest = `the rest of ${this.#audit} was not read, which policy learn --from ${this.#audit} does`;
      this.#log.warn({ learn: this.#name }, rest);
      return;
    }
  }

  async #write(lessons: Lessons): Promise<void> {
    if (!this.#isDirty) return;
    const startMs = performance.now();
    const text = lessons.toString(this.#lines.unreadable);
    const endMs = performance.now();
    this.#nextWriteMs = endMs + REST_FACTOR * (endMs - startMs);
    try {
      await this.#file.write(text);
      this.#isDirty = false;
      this.#trouble = "";
    } catch (error) {
      this.#tell(error as Error);
    }
  }

  #tell(error: Error): void {
    const text = errorLine(error);
    if (text === this.#trouble) return;
    this.#trouble = text;
    this.#log.error({ learn: this.#name }, `what is asked for is not in ${this.#name} yet: ${text}`);
  }
}
