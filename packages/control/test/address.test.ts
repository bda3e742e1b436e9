// Addresses: RFC 5952's cases, and agreement with the platform's own parser and canonical form.

import { isIP } from "node:net";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatIp, parseIp } from "../src/index.ts";

/** How a URL parser writes an IPv6 address: the canonical form. */
const canonical = (text: string): string => new URL(`http://[${text}]/`).hostname.slice(1, -1);

describe("an IPv6 address", () => {
  test.each([
    // RFC 5952, section 4.1: no leading zeros
    ["2001:0db8::0001", "2001:db8::1"],
    // 4.2.1: shortened as far as it goes
    ["2001:db8:0:0:0:0:2:1", "2001:db8::2:1"],
    ["0:0:0:0:0:0:0:0", "::"],
    ["0:0:0:0:0:0:0:1", "::1"],
    ["1:0:0:0:0:0:0:0", "1::"],
    // 4.2.2: not one group alone
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    // 4.2.3: the longest run, the first of equals
    ["2001:0:0:1:0:0:0:1", "2001:0:0:1::1"],
    ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    // 4.3: lower case
    ["2001:DB8::ABCD:EF", "2001:db8::abcd:ef"],
    ["::ffff:192.0.2.1", "::ffff:c000:201"],
    ["64:ff9b::198.51.100.7", "64:ff9b::c633:6407"],
    ["1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"],
    ["::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"],
  ])("%s is written %s", (text, written) => {
    expect(formatIp(parseIp(text)!)).toBe(written);
  });

  test("is written as URLs write it, and comes back", () => {
    const group = fc.oneof(
      { weight: 2, arbitrary: fc.constant(0) },
      { weight: 1, arbitrary: fc.nat(0xffff) },
    );
    fc.assert(
      fc.property(fc.array(group, { minLength: 8, maxLength: 8 }), (groups) => {
        const address = Uint8Array.from(groups.flatMap((each) => [each >> 8, each & 255]));
        const text = formatIp(address);
        expect(text).toBe(canonical(groups.map((each) => each.toString(16)).join(":")));
        expect(parseIp(text)).toEqual(address);
      }),
      { numRuns: 1000 },
    );
  });
});

describe("text", () => {
  /** Nearly addresses: whole ones with a few characters changed, and soups of their characters. */
  const soup = fc.string({ unit: fc.constantFrom(..."0123456789abcdefAF::::..g-x "), maxLength: 45 });
  const parts = fc
    .array(
      fc.oneof(
        fc.nat(0xffff).map((n) => n.toString(16)),
        fc.constantFrom("", "", "0", "00000", "1.2.3.4"),
      ),
      {
        maxLength: 10,
      },
    )
    .map((all) => all.join(":"));
  const dotted = fc
    .array(fc.oneof(fc.nat(300).map(String), fc.constantFrom("", "00", "01", "0x1", "1e1", " 1")), {
      minLength: 3,
      maxLength: 5,
    })
    .map((all) => all.join("."));

  test("is an address exactly where the platform says so, and then the same one", () => {
    fc.assert(
      fc.property(fc.oneof(soup, parts, dotted), (text) => {
        const parsed = parseIp(text);
        expect([text, parsed === undefined ? 0 : parsed.length === 4 ? 4 : 6]).toEqual([text, isIP(text)]);
        if (parsed === undefined) return;
        if (parsed.length === 4) expect(formatIp(parsed)).toBe(text);
        else expect(formatIp(parsed)).toBe(canonical(text));
      }),
      { numRuns: 5000 },
    );
  });

  test.each([
    "",
    ":",
    "::1%eth0",
    "fe80::1%1",
    "1.2.3",
    "1.2.3.4.5",
    "01.2.3.4",
    "1.2.3.256",
    "0x7f.0.0.1",
    "2130706433",
    "1.2.3.4 ",
    "[::1]",
    ":::",
    "1::2::3",
    "1:2:3:4:5:6:7:8:9",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8::",
    "::12345",
    "1.2.3.4::",
    "::1.2.3",
    "::1.2.3.4:5",
    "1:2:3:4:5:6:7:1.2.3.4",
    "١.2.3.4",
  ])("%j is no address", (text) => {
    expect(parseIp(text)).toBeUndefined();
  });
});
