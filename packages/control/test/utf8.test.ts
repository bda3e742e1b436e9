// UTF-8 against the platform's own encoder and strict decoder.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeUtf8, encodeUtf8 } from "../src/index.ts";

const encoder = new TextEncoder();
// Without ignoreBOM it would drop a byte order mark, which is a character like any other.
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function strict(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}

/** Bytes that are nearly UTF-8: leads, continuations and whole characters, mixed. */
const nearly = fc
  .array(
    fc.oneof(
      fc.constantFrom(0, 0x7f, 0x80, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xed, 0xef, 0xf0, 0xf4, 0xf5, 0xff),
      fc.integer({ min: 0x80, max: 0xbf }),
      fc.nat(255),
    ),
    { maxLength: 12 },
  )
  .map((bytes) => Uint8Array.from(bytes));

describe("UTF-8", () => {
  test("is encoded as TextEncoder does it, unpaired surrogates too", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(0xffff), { maxLength: 40 }), (units) => {
        const text = String.fromCharCode(...units);
        expect([...encodeUtf8(text)]).toEqual([...encoder.encode(text)]);
      }),
      { numRuns: 1000 },
    );
  });

  test("is decoded, or refused, as the strict TextDecoder does it", () => {
    fc.assert(
      fc.property(fc.oneof(nearly, fc.uint8Array({ maxLength: 30 })), (bytes) => {
        expect(decodeUtf8(bytes)).toBe(strict(bytes));
      }),
      { numRuns: 5000 },
    );
  });

  test("comes back, every character of Unicode", () => {
    for (let code = 0; code <= 0x10ffff; code++) {
      if (code >= 0xd800 && code <= 0xdfff) continue;
      const text = String.fromCodePoint(code);
      if (decodeUtf8(encodeUtf8(text)) !== text) throw new Error(`U+${code.toString(16)}`);
    }
  });

  test("is judged like the strict TextDecoder for every one and two bytes, and every edge of three and four", () => {
    const edges = [0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xff];
    const judge = (...bytes: number[]): void => {
      const array = Uint8Array.from(bytes);
      if (decodeUtf8(array) !== strict(array))
        throw new Error(bytes.map((byte) => byte.toString(16)).join(" "));
    };
    for (let first = 0; first < 256; first++) {
      judge(first);
      for (let second = 0; second < 256; second++) judge(first, second);
      if (first < 0xe0) continue;
      for (const a of edges) {
        for (const b of edges) {
          judge(first, a, b);
          for (const c of edges) judge(first, a, b, c);
        }
      }
    }
  });

  test("keeps a byte order mark, and U+FFFD where it really stands", () => {
    expect(decodeUtf8(Uint8Array.of(0xef, 0xbb, 0xbf, 0x61))).toBe("\ufeffa");
    expect(decodeUtf8(Uint8Array.of(0xef, 0xbf, 0xbd))).toBe("\ufffd");
    expect(decodeUtf8(new Uint8Array(0))).toBe("");
  });
});
