// The audit lines: to a file of their own where there is one, otherwise among the other lines.
//
//   open ── nothing can be written, or no room ──> shut ── what waits has found room, and lines are written ──> open
//
// While it is shut, lines that must be written wait here, and the guests that caused them are held (audit-gate.ts):
// their number is bounded there. Other lines wait here, too, while the file takes lines and only the LogWriter has no
// room: a guest that ends with thousands of streams has as many lines at once. Past BYTES_WAITING_MAX, and where
// nothing can be written, they are the LogWriter's, which holds what it can, counts what it cannot, and says so.

import { errnoName, within } from "@ringway/linux";
import type { Logger } from "pino";
import type { Denial } from "../policy/refusal.ts";
import { eachFlow, type FlowFields, flowLine } from "./flow-lines.ts";
import type { GuestLabels } from "./labels.ts";
import type { AuditMessage } from "./line-messages.ts";
import { createLogger } from "./logs/logger.ts";
import type { LogWriter } from "./logs/writer.ts";

/** Of what was allowed: some 10 KiB, or a line more than this. */
const LINES_TOGETHER = 32;
const CHARACTERS_TOGETHER = 32 * 1024;
/** Some 100,000 lines. */
const BYTES_WAITING_MAX = 32 * 1024 * 1024;
/** How long the end waits for all to be written. */
const CLOSE_MS = 2000;

/** `audit: required`, and there is no audit file. */
export class AuditError extends Error {
  override readonly name: string = "AuditError";
  readonly code: "ERR_RINGWAY_AUDIT" = "ERR_RINGWAY_AUDIT";
}

export interface Violated {
  readonly guest: string;
  /** The stream it happened on; 0 for the guest as a whole. */
  readonly stream: number;
  /** The clause of PROTOCOL.md that was broken. */
  readonly clause: string;
  readonly reason: string;
}

/** What an operator has done. */
export interface Changed {
  readonly action: string;
  /** Whom it was done to, where it was one. */
  readonly guest?: string;
  readonly [more: string]: unknown;
}

/** Lines that wait for room. */
interface Waiting {
  readonly text: string;
  readonly lines: number;
}

export class Audit {
  readonly #log: Logger;
  readonly #labels: GuestLabels;
  readonly #lines: Logger;
  readonly #writer: LogWriter | undefined;
  readonly #onGate: (isOpen: boolean) => void;
  #isOpen = true;
  /** Of the line that is being written. */
  #isRequired = false;
  #waiting: Waiting[] = [];
  #bytesWaiting = 0;
  #onNoneWaiting: () => void = () => {};

  /** `onGate` is told whether guests may go on that caused a line which must be written; at first they may. */
  constructor(
    log: Logger,
    labels: GuestLabels,
    writer: LogWriter | undefined,
    onGate: (isOpen: boolean) => void,
  ) {
    this.#log = log;
    this.#labels = labels;
    this.#writer = writer;
    this.#onGate = onGate;
    if (writer === undefined) {
      this.#lines = log;
      return;
    }
    this.#lines = createLogger("info", { write: (line) => this.#put(writer, line) });
    writer.on("failing", (errno) => {
      log.error({ errno }, `audit lines cannot be written: ${errno}`);
      this.#shut();
    });
    writer.on("writing", () => {
      log.info("audit lines are written again");
      this.#openUp();
    });
    writer.on("room", () => this.#openUp());
  }

  refused({ kind: _, required, ...denial }: Extract<AuditMessage, { kind: "refused" }>): Denial {
    this.#isRequired = required ?? false;
    const { guest, ...rest } = denial;
    const line = {
      audit: "refused",
      guest,
      ...this.#labels.of(guest),
      ...rest,
      errno: errnoName(denial.errno),
    };
    this.#lines.warn(line, denial.reason);
    return denial;
  }

  /** The operator has changed something: who, and what. */
  changed({ action, ...what }: Changed, message: string, isRequired: boolean): void {
    this.#isRequired = isRequired;
    this.#lines.info({ audit: "changed", action, ...what }, message);
  }

  violation({ kind: _, required, ...violated }: Extract<AuditMessage, { kind: "violation" }>): Violated {
    this.#isRequired = required ?? false;
    const { guest, ...rest } = violated;
    this.#lines.error({ audit: "violation", guest, ...this.#labels.of(guest), ...rest }, violated.reason);
    return violated;
  }

  /**
   * What guests were allowed has begun, or is over. There may be many: they are written together, as far as each need
   * not be known to be written.
   */
  flows(fields: FlowFields): void {
    const writer = this.#writer;
    if (writer === undefined) return;
    const time = new Date().toISOString();
    let lines: string[] = [];
    let characters = 0;
    const write = (): void => {
      if (lines.length > 0) this.#putLines(writer, lines);
      lines = [];
      characters = 0;
    };
    eachFlow(fields, (message) => {
      const line = flowLine(message, this.#labels.of(message.guest).labels, time);
      this.#isRequired = message.required ?? false;
      if (this.#isRequired) {
        write();
        this.#put(writer, line);
        return;
      }
      characters += line.length;
      if (lines.push(line) === LINES_TOGETHER || characters > CHARACTERS_TOGETHER) write();
    });
    write();
  }

  /**
   * Its file has been moved: lines go to a new one of its name. Rejects where there cannot be one, and stays with the
   * old.
   */
  async reopen(): Promise<void> {
    await this.#writer?.reopen();
  }

  /**
   * Writes what there is still, for a limited time. Says how many lines are not in the file then, of all that there
   * were.
   */
  async close(): Promise<void> {
    if (this.#writer === undefined) return;
    const startMs = performance.now();
    if (this.#waiting.length > 0) {
      const none = new Promise<void>((done) => {
        this.#onNoneWaiting = done;
      });
      await within(none, CLOSE_MS);
    }
    await this.#writer.close(Math.max(0, CLOSE_MS - (performance.now() - startMs)));
    let lines = this.#writer.unwritten;
    for (const waiting of this.#waiting) lines += waiting.lines;
    if (lines > 0) this.#log.error({ lines }, `${lines} audit lines were not written`);
  }

  #put(writer: LogWriter, line: string): void {
    if (!this.#isRequired) {
      this.#putLines(writer, [line]);
      return;
    }
    if (this.#waiting.length === 0 && writer.offer(line)) return;
    this.#wait(line, 1);
    this.#shut();
  }

  /** Which may be lost. */
  #putLines(writer: LogWriter, lines: readonly string[]): void {
    const text = lines.join("");
    if (this.#waiting.length === 0 && writer.offer(text)) return;
    const mayWait = writer.failing === undefined && this.#bytesWaiting < BYTES_WAITING_MAX;
    if (mayWait) this.#wait(text, lines.length);
    else for (const line of lines) writer.write(line);
  }

  #wait(text: string, lines: number): void {
    this.#waiting.push({ text, lines });
    this.#bytesWaiting += text.length;
  }

  #shut(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#onGate(false);
  }

  #openUp(): void {
    const firstLeft = this.#waiting.findIndex(({ text }) => !this.#writer!.offer(text));
    const taken = this.#waiting.splice(0, firstLeft < 0 ? this.#waiting.length : firstLeft);
    for (const { text } of taken) this.#bytesWaiting -= text.length;
    if (this.#waiting.length === 0) this.#onNoneWaiting();
    if (this.#isOpen || this.#waiting.length > 0 || this.#writer!.failing !== undefined) return;
    this.#isOpen = true;
    this.#onGate(true);
  }
}
