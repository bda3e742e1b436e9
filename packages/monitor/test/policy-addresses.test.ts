import { BlockList, isIPv4, isIPv6 } from "node:net";
import { canonicalAddress } from "@ringway/control";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { insideNat64, nat64Prefixes } from "../src/policy/nat64.ts";
import {
  type Address,
  contains,
  formatAddress,
  networkFrom,
  networkOf,
  parseAddress,
  parseNetwork,
} from "../src/policy/networks.ts";
import { notPublic } from "../src/policy/special.ts";
import { NO_SURROUNDINGS } from "../src/policy/surroundings.ts";

const ipv4 = fc.ipV4();
const ipv6 = fc
  .array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff })), { minLength: 8, maxLength: 8 })
  .map((groups) => groups.map((group) => group.toString(16)).join(":"));
const isMapped = (address: string): boolean => /^0:0:0:0:0:ffff:/.test(address);

/** The oracle for CIDR: bits as text. */
function bitsOf(address: string): string {
  const parsed = parseAddress(address)!;
  return parsed.words.map((word) => word.toString(2).padStart(32, "0")).join("");
}

describe("addresses", () => {
  it("of IPv4 are those that node:net takes, and no others", () => {
    const part = fc.oneof(
      fc.integer({ min: 0, max: 300 }).map(String),
      fc.constantFrom("", "00", "01", "1e1", "+1", "٣"),
    );
    const text = fc.array(part, { minLength: 3, maxLength: 5 }).map((parts) => parts.join("."));
    fc.assert(
      fc.property(fc.oneof(text, ipv4), (address) => {
        expect(parseAddress(address)?.family === 4).toBe(isIPv4(address));
        if (isIPv4(address)) expect(canonicalAddress(address)).toBe(address);
      }),
      { numRuns: 2000 },
    );
  });

  it("are written as the URL standard writes them", () => {
    fc.assert(
      fc.property(
        ipv6.filter((text) => !isMapped(text)),
        (text) => {
          expect(`[${canonicalAddress(text)}]`).toBe(new URL(`http://[${text}]/`).hostname);
        },
      ),
    );
    fc.assert(fc.property(ipv4, (text) => canonicalAddress(text) === text));
  });

  it("survive formatting and parsing", () => {
    fc.assert(
      fc.property(fc.oneof(ipv4, ipv6, fc.ipV6()), (text) => {
        const address = parseAddress(text)!;
        expect(parseAddress(formatAddress(address))).toEqual(address);
      }),
    );
  });

  it("are IPv4 where they are IPv4-mapped, in every spelling", () => {
    for (const text of [
      "::ffff:10.1.2.3",
      "::FFFF:a01:203",
      "0:0:0:0:0:ffff:10.1.2.3",
      "::0:ffff:0a01:0203",
    ]) {
      expect(canonicalAddress(text)).toBe("10.1.2.3");
    }
    fc.assert(fc.property(ipv4, (text) => canonicalAddress(`::ffff:${text}`) === text));
    // Neighbours of the mapped block are not.
    expect(canonicalAddress("::10.1.2.3")).toBe("::a01:203");
    expect(canonicalAddress("::1:ffff:10.1.2.3")).toBe("::1:ffff:a01:203");
  });

  it("are refused with a zone id, in inet_aton's old forms, and otherwise malformed", () => {
    const bad = [
      ..."fe80::1%eth0 fe80::1%1 127.1 0x7f.0.0.1 0x7f000001 2130706433 010.0.0.1 1.2.3.4.5 1.2.3 256.1.1.1".split(
        " ",
      ),
      ...":: ::g 1::2::3 1:2:3:4:5:6:7 12345:: [::1] ::ffff:1.2.3 ::1/128 10.0.0.1/32".split(" ").slice(1),
      ...["", " ", " 1.2.3.4", "1.2.3.4 ", "1.2.3.4\n", "1.2.3.4\0", "١.٢.٣.٤", "::1\0"],
    ];
    for (const text of bad) expect(canonicalAddress(text), text).toBeUndefined();
  });
});

describe("networks", () => {
  const prefixed = fc.oneof(
    fc.tuple(ipv4, fc.integer({ min: 0, max: 32 })),
    fc.tuple(
      ipv6.filter((text) => !isMapped(text)),
      fc.integer({ min: 0, max: 128 }),
    ),
  );

  it("contain what node:net and a comparison of bits say they contain", () => {
    fc.assert(
      fc.property(prefixed, fc.oneof(ipv4, ipv6), fc.nat(140), ([base, prefix], other, flip) => {
        const network = networkOf(parseAddress(base)!, prefix);
        const blocks = new BlockList();
        const type = isIPv6(base) ? "ipv6" : "ipv4";
        blocks.addSubnet(base, prefix, type);
        // An unrelated address, and one that differs from the base in one bit, near the prefix or not.
        const near = parseAddress(base)!;
        const words = near.words.map((word, i) =>
          flip >> 5 === i ? (word ^ (1 << (31 - (flip & 31)))) >>> 0 : word,
        );
        for (const text of [other, formatAddress({ family: near.family, words })]) {
          const address = parseAddress(text)!;
          const sameFamily = address.family === near.family;
          const expected = sameFamily && bitsOf(text).slice(0, prefix) === bitsOf(base).slice(0, prefix);
          expect(contains(network, address)).toBe(expected);
          if (sameFamily) {
            const canonical = formatAddress(address);
            expect(blocks.check(canonical, isIPv6(canonical) ? "ipv6" : "ipv4")).toBe(expected);
          }
        }
      }),
      { numRuns: 1000 },
    );
  });

  it("survive formatting and parsing", () => {
    fc.assert(
      fc.property(prefixed, ([base, prefix]) => {
        const network = networkOf(parseAddress(base)!, prefix);
        fc.pre(network.family === 4 || parseAddress(network.text.split("/")[0]!)?.family === 6);
        expect(parseNetwork(network.text)).toEqual({ network });
      }),
    );
  });

  it.each([
    ["10.0.0.0/8", "10.0.0.0/8"],
    ["10.1.2.3", "10.1.2.3"],
    ["10.1.2.3/32", "10.1.2.3"],
    ["0.0.0.0/0", "0.0.0.0/0"],
    ["FD00:0::/8", "fd00::/8"],
    ["::/0", "::/0"],
    ["::1/128", "::1"],
    ["::ffff:10.0.0.0/104", "10.0.0.0/8"],
    ["::ffff:10.1.2.3", "10.1.2.3"],
    ["::ffff:0:0/96", "0.0.0.0/0"],
  ])("read %s as %s", (text, canonical) => {
    expect(parseNetwork(text)).toMatchObject({ network: { text: canonical } });
  });

  it.each([
    ["10.0.0.1/8", "10.0.0.1/8 has bits set below its prefix; the network is 10.0.0.0/8"],
    ["fd00::1/8", "fd00::1/8 has bits set below its prefix; the network is fd00::/8"],
    ["10.0.0.0/33", "the prefix of 10.0.0.0/33 must be a number from 0 to 32"],
    ["10.0.0.0/08", "the prefix of 10.0.0.0/08 must be a number from 0 to 32"],
    ["10.0.0.0/", "the prefix of 10.0.0.0/ must be a number from 0 to 32"],
    ["10.0.0.0/-1", "the prefix of 10.0.0.0/-1 must be a number from 0 to 32"],
    ["10.0.0.0/8/8", "the prefix of 10.0.0.0/8/8 must be a number from 0 to 32"],
    ["10.0.0.0/255.0.0.0", "the prefix of 10.0.0.0/255.0.0.0 must be a number from 0 to 32"],
    ["::/129", "the prefix of ::/129 must be a number from 0 to 128"],
    ["::ffff:0:0/95", "the prefix of ::ffff:0:0/95 must be a number from 96 to 128"],
    ["fe80::1%eth0/64", "an address here may not have a zone id (%...)"],
    ["10.0/8", '"10.0" is not an IPv4 or IPv6 address'],
  ])("refuse %s", (text, problem) => {
    expect(parseNetwork(text)).toEqual({ problem });
  });

  it("keep the families apart: ::/0 holds no IPv4 address, mapped or not", () => {
    const { network } = parseNetwork("::/0") as { network: ReturnType<typeof networkOf> };
    expect(contains(network, parseAddress("::ffff:10.0.0.1")!)).toBe(false);
    expect(contains(network, parseAddress("2001:db8::1")!)).toBe(true);
  });
});

describe("public addresses", () => {
  const why = (text: string, surroundings = NO_SURROUNDINGS): string | undefined =>
    notPublic(parseAddress(text)!, surroundings);

  // The first and last address of each special range, and the public ones on either side of it.
  it.each([
    ["0.0.0.0", "0.255.255.255", undefined, "1.0.0.0"],
    ["10.0.0.0", "10.255.255.255", "9.255.255.255", "11.0.0.0"],
    ["100.64.0.0", "100.127.255.255", "100.63.255.255", "100.128.0.0"],
    ["127.0.0.0", "127.255.255.255", "126.255.255.255", "128.0.0.0"],
    ["169.254.0.0", "169.254.255.255", "169.253.255.255", "169.255.0.0"],
    ["172.16.0.0", "172.31.255.255", "172.15.255.255", "172.32.0.0"],
    ["192.0.0.0", "192.0.0.255", "191.255.255.255", "192.0.1.0"],
    ["192.0.2.0", "192.0.2.255", "192.0.1.255", "192.0.3.0"],
    ["192.88.99.0", "192.88.99.255", "192.88.98.255", "192.88.100.0"],
    ["192.168.0.0", "192.168.255.255", "192.167.255.255", "192.169.0.0"],
    ["198.18.0.0", "198.19.255.255", "198.17.255.255", "198.20.0.0"],
    ["198.51.100.0", "198.51.100.255", "198.51.99.255", "198.51.101.0"],
    ["203.0.113.0", "203.0.113.255", "203.0.112.255", "203.0.114.0"],
    ["224.0.0.0", "255.255.255.255", "223.255.255.255", undefined],
    ["::", "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", undefined, "2000::"],
    ["2001::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", "2000:ffff::", "2001:200::"],
    ["2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db7:ffff::", "2001:db9::"],
    ["2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2001:ffff::", "2003::"],
    ["3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", "3ffe:ffff::", "3fff:1000::"],
    ["4000::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "3fff:ffff::", undefined],
  ])("are none from %s to %s, and are right outside", (first, last, before, after) => {
    for (const text of [first, last]) expect(why(text), text).toBeTypeOf("string");
    for (const text of [before, after]) {
      if (text !== undefined) expect(why(text), text).toBeUndefined();
    }
  });

  it.each([
    ["0.0.0.0", "the unspecified address"],
    ["127.0.0.1", "loopback"],
    ["168.63.129.16", "Azure's platform"],
    ["169.254.169.254", "link-local"],
    ["192.0.0.192", "protocol assignments"],
    ["100.100.100.200", "shared by carriers"],
    ["224.0.0.1", "multicast"],
    ["255.255.255.255", "broadcast"],
    ["240.0.0.1", "reserved"],
    ["::ffff:127.0.0.1", "loopback"],
    ["::", "the unspecified address"],
    ["::1", "loopback"],
    ["::7f00:1", "IPv4-compatible"],
    ["64:ff9b::a00:1", "NAT64 of 10.0.0.1: private"],
    ["64:ff9b::7f00:1", "NAT64 of 127.0.0.1: loopback"],
    ["64:ff9b::a83f:8110", "NAT64 of 168.63.129.16: Azure's platform"],
    ["64:ff9b:1::a00:1", "local NAT64"],
    ["64:ff9b:1::808:808", "local NAT64"],
    ["100::1", "discard only"],
    ["100:0:0:1::1", "dummy prefix"],
    ["2001:0:4136:e378:8000:63bf:3fff:fdd2", "Teredo"],
    ["2001:2::1", "benchmarking"],
    ["2001:10::1", "protocol assignments"],
    ["2001:db8::1", "documentation"],
    ["2002:a00:1::", "6to4"],
    ["5f00::1", "segment routing"],
    ["fc00::1", "unique-local"],
    ["fd00:ec2::254", "unique-local"],
    ["fe80::1", "link-local"],
    ["fec0::1", "site-local"],
    ["ff02::1", "multicast"],
    ["9000::1", "not global unicast"],
  ])("exclude %s (%s)", (text, purpose) => {
    expect(why(text)).toContain(purpose);
  });

  it.each([
    "8.8.8.8",
    "1.1.1.1",
    "192.31.196.1",
    "192.52.193.1",
    "192.175.48.1",
    "2606:4700::1111",
    "2620:4f:8000::1",
    "64:ff9b::808:808",
  ])("include %s", (text) => {
    expect(why(text)).toBeUndefined();
  });

  it("are none of the host's own", () => {
    const own = ["8.8.4.4", "2600::1"];
    const surroundings = {
      ...NO_SURROUNDINGS,
      isOwn: (address: Address) => own.includes(formatAddress(address)),
      isBroadcast: () => false,
    };
    for (const text of own) expect(why(text, surroundings)).toBe("an address of this host");
    expect(why("64:ff9b::808:404", surroundings)).toBe("NAT64 of 8.8.4.4: an address of this host");
    for (const text of ["8.8.4.5", "2600::2"]) expect(why(text, surroundings)).toBeUndefined();
  });

  it("below a NAT64 prefix that was found are public by themselves and inside, so a false one opens nothing", () => {
    const nat64 = ["2600:64::/96", "fd00:64::/96", "64:ff9b:1::/96"].map(networkFrom);
    const surroundings = { ...NO_SURROUNDINGS, nat64 };
    expect(why("2600:64::808:808", surroundings)).toBeUndefined();
    expect(why("2600:64::a00:1", surroundings)).toContain("NAT64 of 10.0.0.1: private");
    expect(why("fd00:64::808:808", surroundings)).toContain("unique-local");
    expect(why("64:ff9b:1::808:808", surroundings)).toContain("local NAT64");
    const address = fc.oneof(
      fc.ipV6(),
      fc.tuple(fc.constantFrom("2600:64::", "fd00:64::"), fc.ipV4()).map((parts) => parts.join("")),
    );
    const prefix = fc
      .tuple(address, fc.constantFrom(32, 40, 48, 56, 64, 96))
      .map(([text, bits]) => networkOf(parseAddress(text)!, bits))
      .filter(({ family }) => family === 6);
    fc.assert(
      fc.property(address, fc.array(prefix, { maxLength: 3 }), (text, found) => {
        if (why(text) !== undefined)
          expect(why(text, { ...NO_SURROUNDINGS, nat64: found })).toBeTypeOf("string");
      }),
    );
  });
});

describe("NAT64", () => {
  // The table of RFC 6052, section 2.4, for 192.0.2.33.
  const EXAMPLES: [string, string][] = [
    ["2001:db8::/32", "2001:db8:c000:221::"],
    ["2001:db8:100::/40", "2001:db8:1c0:2:21::"],
    ["2001:db8:122::/48", "2001:db8:122:c000:2:2100::"],
    ["2001:db8:122:300::/56", "2001:db8:122:3c0:0:221::"],
    ["2001:db8:122:344::/64", "2001:db8:122:344:c0:2:2100::"],
    ["2001:db8:122:344::/96", "2001:db8:122:344::192.0.2.33"],
  ];

  it.each(EXAMPLES)("has the IPv4 address of RFC 6052 inside, below %s", (prefix, text) => {
    expect(insideNat64(parseAddress(text)!, [networkFrom(prefix)]).map(formatAddress)).toEqual([
      "192.0.2.33",
    ]);
    expect(insideNat64(parseAddress("2600::1")!, [networkFrom(prefix)])).toEqual([]);
  });

  it("has its prefixes told by the addresses of ipv4only.arpa (RFC 7050)", () => {
    const told = (...texts: string[]): string[] =>
      nat64Prefixes(texts.map((text) => parseAddress(text)!)).map(({ text }) => text);
    expect(told("64:ff9b::192.0.0.170", "64:ff9b::192.0.0.171")).toEqual([]);
    expect(told("2001:db8:122:344::192.0.0.171")).toEqual(["2001:db8:122:344::/96"]);
    expect(told("2001:db8:c000:aa::", "2001:db8:122:344:c0:0:aa00::")).toEqual([
      "2001:db8::/32",
      "2001:db8:122:344::/64",
    ]);
    expect(told("2001:db8::1", "192.0.0.170")).toEqual([]);
  });
});
