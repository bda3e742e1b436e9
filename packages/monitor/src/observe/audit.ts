// The audit lines: to a file of their own where there is one, otherwise among the other lines.
//
//   a key's line ──▶ its row (rows.ts) ── in turns with the other keys', as the file takes them ──▶ the LogWriter
//
// The LogWriter is given as much at once as the file takes in some milliseconds, so that what it has is no second line
// in which all keys wait for each other. What waits in the rows is bounded: of lines that must be written, each key has
// no more here than its gate lets through (audit-gate.ts), which is told as they are handed on. Of the others
// BYTES_WAITING_MAX wait, or BYTES_FAILING_MAX where nothing can be written; past that those of the keys that have more
// than their part of it are lost, which is counted, and said in their place.

import { errnoName, within } from "@ringway/linux";
import type { Logger } from "pino";
import type { Denial } from "../policy/refusal.ts";
import { eachFlow, type FlowFields, flowLine } from "./flow-lines.ts";
import type { GuestLabels } from "./labels.ts";
import type { AuditMessage } from "./line-messages.ts";
import { createLogger } from "./logs/logger.ts";
import type { LogWriter } from "./logs/writer.ts";
import { type RowEntry, Rows } from "./rows.ts";

/** Of what was allowed: some 10 KiB, or a line more than this. */
const LINES_TOGETHER = 32;
const CHARACTERS_TOGETHER = 8 * 1024;
/** Some 100,000 lines: a guest may end with thousands of streams at once. */
const BYTES_WAITING_MAX = 32 * 1024 * 1024;
const BYTES_FAILING_MAX = 1024 * 1024;
/** Of changes, each of which must be written: some 6 KiB each at the most. */
const CHANGES_WAITING_MAX = 256;
/** What the LogWriter is given at once: as much as is written in some ROOM_MS. */
const AHEAD_MIN = 8 * 1024;
const AHEAD_MAX = 512 * 1024;
const ROOM_MS = 5;
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

/** What an operator has done, and who that is. */
export interface Changed {
  /** policy, reset, close, rates, vm, vm-removed, publish, unpublish, drain. */
  readonly action: string;
  /** Whom it was done to, where it was one. */
  readonly guest?: string;
  readonly [more: string]: unknown;
}

export class Audit {
  readonly #log: Logger;
  readonly #labels: GuestLabels;
  readonly #lines: Logger;
  readonly #writer: LogWriter | undefined;
  readonly #onWritable: (isWritable: boolean) => void;
  readonly #rows: Rows = new Rows();
  #isWritable = true;
  #ahead = AHEAD_MAX;
  /** When the LogWriter was last given all that it takes. */
  #givenMs = 0;
  /** Of the line that is being written. */
  #key = "";
  #isRequired = false;
  #onNoneWaiting: () => void = () => {};

  /** `onWritable` is told when the file has a fault and takes no lines, and when it does again. */
  constructor(
    log: Logger,
    labels: GuestLabels,
    writer: LogWriter | undefined,
    onWritable: (isWritable: boolean) => void,
  ) {
    this.#log = log;
    this.#labels = labels;
    this.#writer = writer;
    this.#onWritable = onWritable;
    if (writer === undefined) {
      this.#lines = log;
      return;
    }
    this.#lines = createLogger("info", { write: (line) => this.#put(writer, line, 1) });
    writer.on("failing", (errno) => {
      log.error({ errno }, `audit lines cannot be written: ${errno}`);
      // Whoever reads may only be slow: then keys wait each for itself.
      if (errno !== "EAGAIN") this.#setWritable(false);
    });
    writer.on("writing", () => {
      log.info("audit lines are written again");
      this.#setWritable(true);
    });
    writer.on("room", () => this.#onRoom(writer));
    writer.on("exiting", (flushMs) => this.#flushNow(writer, flushMs));
  }

  refused({ kind: _, required, ...denial }: Extract<AuditMessage, { kind: "refused" }>, key: string): Denial {
    this.#key = key;
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

  /** So many lines of what operators have changed wait that no more should. */
  get isBehind(): boolean {
    return (this.#rows.of("")?.required ?? 0) >= CHANGES_WAITING_MAX;
  }

  /** The operator has changed something: who, and what. */
  changed({ action, ...what }: Changed, message: string, isRequired: boolean): void {
    this.#key = "";
    this.#isRequired = isRequired;
    this.#lines.info({ audit: "changed", action, ...what }, message);
  }

  violation(message: Extract<AuditMessage, { kind: "violation" }>, key: string): Violated {
    const { kind: _, required, ...violated } = message;
    this.#key = key;
    this.#isRequired = required ?? false;
    const { guest, ...rest } = violated;
    this.#lines.error({ audit: "violation", guest, ...this.#labels.of(guest), ...rest }, violated.reason);
    return violated;
  }

  /** What guests of a key were allowed has begun, or is over. There may be many: they are written together. */
  flows(key: string, fields: FlowFields): void {
    const writer = this.#writer;
    if (writer === undefined) return;
    this.#key = key;
    const time = new Date().toISOString();
    let text = "";
    let lines = 0;
    const put = (): void => {
      if (lines > 0) this.#put(writer, text, lines);
      text = "";
      lines = 0;
    };
    eachFlow(fields, (message) => {
      const required = message.required ?? false;
      if (required !== this.#isRequired) put();
      this.#isRequired = required;
      text += flowLine(message, this.#labels.of(message.guest).labels, time);
      if (++lines === LINES_TOGETHER || text.length > CHARACTERS_TOGETHER) put();
    });
    put();
  }

  /** Calls back once all lines of the key before it that must be written have their place in what is written. */
  mark(key: string, passed: () => void): void {
    const row = this.#rows.of(key);
    if (row === undefined || row.required === 0) passed();
    else this.#rows.put(key, { kind: "mark", passed });
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
    const writer = this.#writer;
    if (writer === undefined) return;
    const startMs = performance.now();
    if (this.#rows.count > 0) {
      const none = new Promise<void>((done) => {
        this.#onNoneWaiting = done;
      });
      await within(none, CLOSE_MS);
    }
    await writer.close(Math.max(0, CLOSE_MS - (performance.now() - startMs)));
    const lines = writer.unwritten + this.#rows.lines;
    if (lines > 0) this.#log.error({ lines }, `${lines} audit lines were not written`);
  }

  #setWritable(isWritable: boolean): void {
    if (isWritable === this.#isWritable) return;
    this.#isWritable = isWritable;
    this.#onWritable(isWritable);
  }

  #put(writer: LogWriter, text: string, lines: number): void {
    const key = this.#key;
    if (this.#rows.count === 0 && writer.offer(text, this.#ahead)) return;
    if (this.#isRequired || this.#mayWait(writer, key)) {
      const bytes = Buffer.byteLength(text);
      this.#rows.put(key, { kind: "text", text, bytes, lines, required: this.#isRequired });
    } else this.#lose(writer, key, text, lines);
  }

  /** Those that have lost some lose what comes until there is room for half as much. */
  #mayWait({ failing }: LogWriter, key: string): boolean {
    const row = this.#rows.of(key);
    const most = failing === undefined ? BYTES_WAITING_MAX : BYTES_FAILING_MAX;
    const mayBe = row?.last?.kind === "lost" ? most / 2 : most;
    const rows = this.#rows.count + (row === undefined ? 1 : 0);
    return this.#rows.bytes < mayBe || (row?.bytes ?? 0) < mayBe / rows;
  }

  #lose({ failing }: LogWriter, key: string, text: string, lines: number): void {
    const bytes = Buffer.byteLength(text);
    const last = this.#rows.of(key)?.last;
    if (last?.kind === "lost") {
      last.lines += lines;
      last.bytes += bytes;
    } else this.#rows.put(key, { kind: "lost", lines, bytes, errno: failing ?? "EAGAIN" });
  }

  #onRoom(writer: LogWriter): void {
    const tookMs = performance.now() - this.#givenMs;
    if (tookMs > 2 * ROOM_MS) this.#ahead = Math.max(AHEAD_MIN, this.#ahead / 2);
    else if (tookMs < ROOM_MS / 2) this.#ahead = Math.min(AHEAD_MAX, 2 * this.#ahead);
    this.#give(writer);
  }

  #give(writer: LogWriter): void {
    this.#rows.give((entry) => this.#take(writer, entry, this.#ahead));
    this.#givenMs = performance.now();
    if (this.#rows.count === 0) this.#onNoneWaiting();
  }

  #take(writer: LogWriter, entry: RowEntry, aheadBytes?: number): boolean {
    if (entry.kind === "text") return writer.offer(entry.text, aheadBytes);
    if (entry.kind === "lost") writer.lose(entry.lines, entry.bytes, entry.errno);
    else entry.passed();
    return true;
  }

  /** At the end of the process, which waits for nobody: what waits is the writer's, as far as it is written in time. */
  #flushNow(writer: LogWriter, flushMs: number): void {
    const endMs = performance.now() + flushMs;
    while (this.#rows.count > 0 && performance.now() < endMs) {
      this.#rows.give((entry) => entry.kind === "mark" || this.#take(writer, entry));
      if (this.#rows.count > 0) writer.flushNow(endMs - performance.now());
    }
  }
}
