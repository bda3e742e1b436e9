// Bytes as the vectors' files have them.

import { toHex } from "../../../packages/conformance/src/catalogue.ts";

/** Hex with a space after each field of four bytes, and runs of one byte cut short: "61*8193". */
export function hexParts(bytes: readonly number[]): string {
  const parts: string[] = [];
  for (let at = 0; at < bytes.length; ) {
    let run = 1;
    while (bytes[at + run] === bytes[at]) run++;
    if (run > 24) {
      parts.push(`${toHex([bytes[at]!])}*${run}`);
      at += run;
      continue;
    }
    // Up to the next long run, in words.
    let end = at;
    for (let next = at; next < bytes.length && end - at < 4; next++) {
      let ahead = 1;
      while (bytes[next + ahead] === bytes[next]) ahead++;
      if (ahead > 24) break;
      end = next + 1;
    }
    parts.push(toHex(bytes.slice(at, end)));
    at = end;
  }
  return parts.join(" ");
}
