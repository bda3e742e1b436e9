// Addresses: RFC 5952's cases, and agreement with the platform's own parser and canonical form.

import { isIP } from "node:net";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  canonicalAddress,
  formatEndpoint,
  formatHostPort,
  formatIp,
  inet,
  parseInet,
  parseIp,
  splitHostPort,
  unmapIp,
} from "../src/index.ts";

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

describe("an IPv4-mapped address", () => {
  test.each(["::ffff:10.1.2.3", "::FFFF:a01:203", "0:0:0:0:0:ffff:10.1.2.3"])(
    "%s is 10.1.2.3 once it is unmapped",
    (text) => {
      expect(parseIp(text)).toHaveLength(16);
      expect(unmapIp(parseIp(text)!)).toEqual(Uint8Array.of(10, 1, 2, 3));
      expect(canonicalAddress(text)).toBe("10.1.2.3");
      expect(parseInet(text, 80)).toEqual({ family: 4, port: 80, address: Uint8Array.of(10, 1, 2, 3) });
    },
  );

  test.each(["::10.1.2.3", "::1:ffff:10.1.2.3", "::fffe:10.1.2.3", "10.1.2.3"])("%s is none", (text) => {
    expect(unmapIp(parseIp(text)!)).toEqual(parseIp(text));
  });
});

describe("an endpoint", () => {
  test.each(["10.0.0.1:80", "[::1]:0", "[2001:db8::1]:65535"])("%s is written as it is read", (text) => {
    const { host, port } = splitHostPort(text)!;
    expect(formatEndpoint(inet(parseIp(host)!, port!))).toBe(text);
    expect(formatHostPort(host, port!)).toBe(text);
  });

  test.each([
    ["example.com:443", "example.com", 443],
    ["example.com", "example.com", undefined],
    ["[::1]", "::1", undefined],
    ["[10.0.0.1]:53", "10.0.0.1", 53],
    ["[]:80", "", 80],
    ["a:999999999", "a", 999999999],
  ])("%s has the host %j and the port %s", (text, host, port) => {
    expect(splitHostPort(text)).toEqual({ host, port });
  });

  test.each(["", ":80", "::1", "::1:80", "a:", "a:b", "a:-1", "[::1", "[[::1]]:80", "a:1000000000"])(
    "%j is no host with or without a port",
    (text) => {
      expect(splitHostPort(text)).toBeUndefined();
    },
  );

  test("of a name is none: it has no address yet", () => {
    expect(parseInet("example.com", 80)).toBeUndefined();
  });
});
