// The lines of an audit file: whole, half, rotated and compressed, and among other lines of a log. What is no line of
// the audit's is passed over, and counted; nothing that is long or endless fills this process.

import { linesOf, streamOf } from "../log/lines.ts";

/** What is known of every line: text is as long as it likes, and a guest's choice. */
export interface AuditLine {
  readonly audit: string;
  readonly time: string | undefined;
  readonly guest: string;
  readonly protocol: string;
  readonly what: string;
  readonly rule: string;
  readonly reason: string;
  readonly address: string;
  readonly errno: string;
  readonly bytesToHost: number;
  /** The end of what has begun in a line before. */
  readonly isAgain: boolean;
}

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z$/;
/** Flows whose end has not come, of which a monitor that was killed leaves some for ever. */
const OPEN_MAX = 100_000;

export class AuditLines {
  /** What could not be read as a line: half of one, or something else. */
  unreadable = 0;
  /** Numbers of flows that have begun and not ended. */
  readonly #open: Set<number> = new Set();

  /** `-` is standard input. */
  of(file: string): AsyncGenerator<AuditLine> {
    return this.from(streamOf(file));
  }

  async *from(bytes: AsyncIterable<Buffer>): AsyncGenerator<AuditLine> {
    for await (const text of linesOf(bytes)) {
      const line = text === undefined ? this.#tooLong() : this.#parse(text);
      if (line !== undefined) yield line;
    }
  }

  #tooLong(): undefined {
    this.unreadable++;
  }

  #parse(text: string): AuditLine | undefined {
    if (text.trim() === "") return undefined;
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      this.unreadable++;
      return undefined;
    }
    if (typeof value !== "object" || value === null) {
      this.unreadable++;
      return undefined;
    }
    const fields = value as Readonly<Record<string, unknown>>;
    // Another line of the log.
    if (typeof fields.audit !== "string") return undefined;
    const textOf = (key: string): string => (typeof fields[key] === "string" ? fields[key] : "");
    const time = textOf("time");
    return {
      audit: fields.audit,
      time: TIME.test(time) ? time : undefined,
      guest: textOf("guest"),
      protocol: textOf("protocol"),
      what: textOf("what"),
      rule: textOf("rule"),
      reason: textOf("reason"),
      address: textOf("address"),
      errno: textOf("errno"),
      bytesToHost: typeof fields.bytesToHost === "number" ? fields.bytesToHost : 0,
      isAgain: this.#isAgain(fields.audit, fields.flow),
    };
  }

  #isAgain(audit: string, flow: unknown): boolean {
    if (typeof flow !== "number") return false;
    if (audit === "closed") return this.#open.delete(flow);
    if (this.#open.size >= OPEN_MAX) this.#open.clear();
    this.#open.add(flow);
    return false;
  }
}
