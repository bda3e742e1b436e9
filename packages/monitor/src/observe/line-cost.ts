// What a line costs the logs, in bytes, told before it is written, and how much of a guest's text goes into one: JSON
// writes a control character with six bytes, so 8 KiB from a guest would be 48 KiB on the disk.

import type { LineMessage } from "./line-messages.ts";

/** Of one text, written: twice the longest that a guest can send for the log, so one that is all quotes still fits. */
export const TEXT_BYTES_MAX: number = 16 * 1024;
/** Stands behind a text of which there was more. */
const CUT = "... (cut)";
/** A line without its texts: level, time, the names of its fields, numbers, quotes. */
const FRAME_BYTES = 256;

/** The message with its texts cut to TEXT_BYTES_MAX, and the most bytes that its line takes. */
export function priced<M extends LineMessage>(message: M): { readonly message: M; readonly bytes: number } {
  let bytes = FRAME_BYTES;
  let cut: Record<string, string> | undefined;
  for (const [key, value] of Object.entries(message)) {
    if (typeof value !== "string") continue;
    let written = writtenBytes(value);
    if (written > TEXT_BYTES_MAX) {
      cut ??= {};
      cut[key] = cutText(value);
      written = TEXT_BYTES_MAX;
    }
    // A reason is the line's message, too.
    bytes += key === "reason" ? 2 * written : written;
  }
  return { message: cut === undefined ? message : { ...message, ...cut }, bytes };
}

/** The bytes of a text as JSON in UTF-8, without the quotes around it. */
function writtenBytes(text: string): number {
  let bytes = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.codePointAt(at)!;
    if (code > 0xffff) at++;
    bytes += codeBytes(code);
  }
  return bytes;
}

function cutText(text: string): string {
  let left = TEXT_BYTES_MAX - CUT.length;
  let at = 0;
  while (at < text.length) {
    const code = text.codePointAt(at)!;
    left -= codeBytes(code);
    if (left < 0) break;
    at += code > 0xffff ? 2 : 1;
  }
  return text.slice(0, at) + CUT;
}

function codeBytes(code: number): number {
  if (code < 0x20) return code >= 0x08 && code <= 0x0d && code !== 0x0b ? 2 : 6;
  if (code < 0x80) return code === 0x22 || code === 0x5c ? 2 : 1;
  if (code < 0x800) return 2;
  if (code > 0xffff) return 4;
  // Half of a pair, alone.
  return code >= 0xd800 && code <= 0xdfff ? 6 : 3;
}
