// The message of the attach socket.

import { describe, expect, test } from "vitest";
import { decodeHello, encodeHello, HELLO_BYTES, Violation } from "../src/index.ts";
import { expectViolation } from "./helpers.ts";

describe("a hello", () => {
  test("is 32 bytes: magic, version, errno, pages, and two words of zero", () => {
    const bytes = encodeHello({ errno: 13, regionPages: 0x01020304 });
    const expected = [..."RINGWAY1"].map((character) => character.charCodeAt(0));
    expected.push(1, 0, 0, 0, 1, 0, 0, 0, 13, 0, 0, 0, 4, 3, 2, 1, ...new Array<number>(8).fill(0));
    expect([...bytes]).toEqual(expected);
    expect(bytes).toHaveLength(HELLO_BYTES);
  });

  test("comes back, from the middle of a larger buffer too", () => {
    for (const hello of [
      { errno: 0, regionPages: 2 ** 32 - 1 },
      { errno: 24, regionPages: 0 },
    ]) {
      const large = new Uint8Array(50);
      large.set(encodeHello(hello), 5);
      expect(decodeHello(large.subarray(5, 5 + HELLO_BYTES))).toEqual(hello);
    }
  });

  test("of another length is refused", () => {
    const bytes = encodeHello({ errno: 0, regionPages: 1 });
    for (let length = 0; length < HELLO_BYTES; length++) {
      expectViolation(Violation.SUPERBLOCK, "HEL-1", () => decodeHello(bytes.subarray(0, length)));
    }
    expectViolation(Violation.SUPERBLOCK, "HEL-1", () => decodeHello(new Uint8Array(HELLO_BYTES + 1)));
  });

  test("without the magic is refused, whichever byte is wrong", () => {
    for (let at = 0; at < 8; at++) {
      const bytes = encodeHello({ errno: 0, regionPages: 1 });
      bytes[at]! ^= 0x80;
      expectViolation(Violation.SUPERBLOCK, "HEL-1", () => decodeHello(bytes));
    }
  });

  test("of another major version is refused, and the error names both; another minor one is taken", () => {
    const bytes = encodeHello({ errno: 0, regionPages: 1 });
    bytes[12] = 7;
    expect(decodeHello(bytes).regionPages).toBe(1);
    bytes[8] = 2;
    expectViolation(Violation.SUPERBLOCK, "HEL-3", () => decodeHello(bytes));
    expect(() => decodeHello(bytes)).toThrow(/version 2, this guest 1/);
  });
});
