// The lines of an audit file: whole, half, rotated and compressed, and among other lines of a log. What is no line of
// the audit's is passed over, and counted; nothing that is long or endless fills this process.

import { createReadStream } from "node:fs";
import type { Readable } from "node:stream";
import { createGunzip } from "node:zlib";

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
}

/** A monitor's are much shorter: a text takes 16 KiB of one at most. */
const LINE_BYTES_MAX = 256 * 1024;
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z$/;
const NEWLINE = 10;

export class AuditLines {
  /** What could not be read as a line: half of one, or something else. */
  unreadable = 0;

  /** `-` is standard input. */
  async *of(file: string): AsyncGenerator<AuditLine> {
    for await (const text of this.#lines(streamOf(file))) {
      const line = this.#parse(text);
      if (line !== undefined) yield line;
    }
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
    };
  }

  async *#lines(stream: Readable): AsyncGenerator<string> {
    let parts: Buffer[] = [];
    let length = 0;
    const take = (part: Buffer): void => {
      length += part.length;
      // Of one that is too long nothing is kept.
      if (length <= LINE_BYTES_MAX) parts.push(part);
      else parts = [];
    };
    const end = (): string | undefined => {
      const line = length <= LINE_BYTES_MAX ? Buffer.concat(parts).toString() : undefined;
      if (line === undefined) this.unreadable++;
      parts = [];
      length = 0;
      return line;
    };
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      let from = 0;
      for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, from)) {
        take(chunk.subarray(from, at));
        from = at + 1;
        const line = end();
        if (line !== undefined) yield line;
      }
      take(chunk.subarray(from));
    }
    if (length === 0) return;
    const last = end();
    if (last !== undefined) yield last;
  }
}

function streamOf(file: string): Readable {
  if (file === "-") return process.stdin;
  const stream = createReadStream(file);
  if (!file.endsWith(".gz")) return stream;
  const plain = createGunzip();
  stream.on("error", (error) => plain.destroy(error));
  return stream.pipe(plain);
}
