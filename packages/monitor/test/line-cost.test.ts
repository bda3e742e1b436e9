import { pino } from "pino";
import { describe, expect, it } from "vitest";
import { priced, TEXT_BYTES_MAX } from "../src/observe/line-cost.ts";
import type { LineMessage } from "../src/observe/line-messages.ts";

const NASTY: readonly [string, string][] = [
  ["nothing", ""],
  ["a sentence", "no connect rule allows example.com:443"],
  ["control characters", "\u0000\u0001\b\t\n\u000b\f\r\u001f\u007f".repeat(819)],
  ["quotes and backslashes", '"\\\\'.repeat(2730)],
  ["line separators", "\u2028\u2029".repeat(1365)],
  ["two-byte letters", "\u00e4\u07ff".repeat(2048)],
  ["pairs", "\u{1f600}".repeat(2048)],
  ["lone halves of pairs", "\ud800x\udfff".repeat(1000)],
  ["all at once", '\u{10ffff}\u0003"\u2028\ud83d\u0080a'.repeat(600)],
];

/** No half of a pair is alone. */
function isWellFormed(text: string): boolean {
  return Buffer.from(text).toString() === text;
}

/** The line as the monitor writes it. */
function written(message: LineMessage): string {
  let line = "";
  const log = pino(
    { base: null, formatters: { level: (label) => ({ level: label }) } },
    { write: (text) => (line = text) },
  );
  const { kind, ...fields } = message;
  if (message.kind === "log") log.info({ guest: message.guest, from: "guest" }, message.text);
  else if ("reason" in message) log.info({ audit: kind, ...fields }, message.reason);
  else log.info(fields, "internal error while serving a guest; it was ended");
  return line;
}

describe("a line's price", () => {
  it.each(NASTY)("is never below what is written, and near it where it is long: %s", (_, text) => {
    const guest = "guest-1";
    const messages: LineMessage[] = [
      { kind: "log", guest, level: 30, text },
      {
        kind: "refused",
        guest,
        protocol: "tcp-connect",
        what: text,
        rule: "default",
        reason: text,
        errno: 13,
      },
      { kind: "violation", guest, stream: 32767, clause: "FRM-6", reason: text },
      { kind: "bug", guest, stack: text },
      { kind: "detached", guest, reason: text },
    ];
    for (const line of messages) {
      const { message, bytes } = priced(line);
      const real = Buffer.byteLength(written(message));
      expect(bytes).toBeGreaterThanOrEqual(real);
      expect(bytes).toBeLessThan(real + 300);
    }
  });

  it("is bounded: a text that takes too much is cut at a character, and says so", () => {
    for (const [, text] of NASTY) {
      const long = text.repeat(9);
      const { message } = priced({ kind: "log", guest: "g", level: 30, text: long });
      const cut = (message as { text: string }).text;
      expect(Buffer.byteLength(JSON.stringify(cut)) - 2).toBeLessThanOrEqual(TEXT_BYTES_MAX);
      if (cut === long) continue;
      expect(cut).toMatch(/\.\.\. \(cut\)$/);
      expect(long.startsWith(cut.slice(0, -9))).toBe(true);
      if (isWellFormed(long)) expect(isWellFormed(cut)).toBe(true);
    }
  });

  it("leaves whole what a guest can send and is no more than quoted", () => {
    for (const text of ["x".repeat(8192), '"'.repeat(8192), "\n".repeat(8192)]) {
      const { message } = priced({ kind: "log", guest: "g", level: 30, text });
      expect((message as { text: string }).text === text).toBe(true);
    }
  });
});
