// Groups of connect rules against the registries that they come from, and what rules make of them.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { GROUPS, type Group, groupOf } from "../src/policy/groups.ts";
import { type Policy, PolicyMatcher, parsePolicy } from "../src/policy/index.ts";
import { contains, formatAddress, networkFrom, parseAddress } from "../src/policy/networks.ts";
import { NO_SURROUNDINGS, type Surroundings } from "../src/policy/surroundings.ts";

// "IANA IPv4 Special-Purpose Address Registry", https://www.iana.org/assignments/iana-ipv4-special-registry/, as of
// 2025-10-09: each block, and what it says under "Globally Reachable" (N/A counts as no).
const IPV4: readonly (readonly [block: string, reachable: boolean])[] = [
  ["0.0.0.0/8", false],
  ["0.0.0.0/32", false],
  ["10.0.0.0/8", false],
  ["100.64.0.0/10", false],
  ["127.0.0.0/8", false],
  ["169.254.0.0/16", false],
  ["172.16.0.0/12", false],
  ["192.0.0.0/24", false],
  ["192.0.0.0/29", false],
  ["192.0.0.8/32", false],
  ["192.0.0.9/32", true],
  ["192.0.0.10/32", true],
  ["192.0.0.170/32", false],
  ["192.0.0.171/32", false],
  ["192.0.2.0/24", false],
  ["192.31.196.0/24", true],
  ["192.52.193.0/24", true],
  ["192.88.99.0/24", false],
  ["192.168.0.0/16", false],
  ["192.175.48.0/24", true],
  ["198.18.0.0/15", false],
  ["198.51.100.0/24", false],
  ["203.0.113.0/24", false],
  ["240.0.0.0/4", false],
  ["255.255.255.255/32", false],
];
// "IANA IPv6 Special-Purpose Address Registry", https://www.iana.org/assignments/iana-ipv6-special-registry/, as of
// 2025-10-09. IPv4-mapped addresses are the IPv4 ones here, and NAT64's go by the address inside.
const IPV6: readonly (readonly [block: string, reachable: boolean])[] = [
  ["::1/128", false],
  ["::/128", false],
  ["64:ff9b:1::/48", false],
  ["100::/64", false],
  ["100:0:0:1::/64", false],
  ["2001::/23", false],
  ["2001::/32", false],
  ["2001:1::1/128", true],
  ["2001:1::2/128", true],
  ["2001:1::3/128", true],
  ["2001:2::/48", false],
  ["2001:3::/32", true],
  ["2001:4:112::/48", true],
  ["2001:10::/28", false],
  ["2001:20::/28", true],
  ["2001:30::/28", true],
  ["2001:db8::/32", false],
  ["2002::/16", false],
  ["2620:4f:8000::/48", true],
  ["3fff::/20", false],
  ["5f00::/16", false],
  ["fc00::/7", false],
  ["fe80::/10", false],
];
/**
 * "IPv4 Multicast Address Space Registry", and "Internet Protocol Version 6 Address Space": what is not given out as
 * unicast.
 */
const NOT_UNICAST = ["224.0.0.0/4", "ff00::/8", "fec0::/10"];
/** Reachable, says the registry; the policy is stricter (policy/special.ts says why). */
const STRICTER = ["192.0.0.0/24", "2001::/23", "168.63.129.16/32"].map(networkFrom);

const BLOCKS = [...IPV4, ...IPV6].map(([text, reachable]) => ({
  text,
  network: networkFrom(text),
  reachable,
}));
/** Named private by RFC 1918 and RFC 4193, which these entries of the registries cite. */
const PRIVATE = new Set(["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"]);
const LOOPBACK = new Set(["127.0.0.0/8", "::1/128"]);
const METADATA = ["fd00:ec2::/32", "fd20:ce::254/128"].map(networkFrom);

const isIn = (networks: readonly ReturnType<typeof networkFrom>[], text: string): boolean =>
  networks.some((network) => contains(network, parseAddress(text)!));
const groupOfText = (text: string, surroundings: Surroundings = NO_SURROUNDINGS): Group | undefined =>
  groupOf(parseAddress(text)!, surroundings);

/** An address of the block, its ends among them. */
function within(block: string): fc.Arbitrary<string> {
  const { words, masks, family } = networkFrom(block);
  const word = fc.oneof(fc.constantFrom(0, 0xffffffff), fc.nat(0xffffffff));
  return fc
    .tuple(...words.map(() => word))
    .map((random) =>
      formatAddress({ family, words: words.map((own, i) => (own | (random[i]! & ~masks[i]!)) >>> 0) }),
    );
}

/** What the registries say: the most specific block that has the address decides. */
function byRegistries(text: string): Group | undefined {
  const address = parseAddress(text)!;
  const holders = BLOCKS.filter(({ network }) => contains(network, address));
  if (holders.some(({ text: block }) => LOOPBACK.has(block))) return "loopback";
  if (isIn(METADATA, text) || isIn(STRICTER, text)) return undefined;
  if (holders.some(({ text: block }) => PRIVATE.has(block))) return "private";
  if (isIn(NOT_UNICAST.map(networkFrom), text)) return undefined;
  holders.sort((a, b) => b.network.prefix - a.network.prefix);
  if (holders.length > 0) return holders[0]!.reachable ? "public" : undefined;
  return address.family === 4 || isIn([networkFrom("2000::/3")], text) ? "public" : undefined;
}

describe("the group of an address is what the registries say of it", () => {
  test.each(BLOCKS.map(({ text }) => text).concat(NOT_UNICAST))("%s", (block) => {
    fc.assert(
      fc.property(within(block), (text) => {
        expect(groupOfText(text)).toBe(byRegistries(text));
      }),
      { numRuns: 40 },
    );
  });

  test("wherever it lies", () => {
    fc.assert(
      fc.property(fc.oneof(within("0.0.0.0/0"), within("::/0"), within("2000::/3")), (text) => {
        // These are both, by the one inside.
        fc.pre(!isIn([networkFrom("64:ff9b::/96")], text));
        expect(groupOfText(text)).toBe(byRegistries(text));
      }),
      { numRuns: 500 },
    );
  });

  test("and the neighbours of each block are not in it", () => {
    for (const { network } of BLOCKS) {
      for (const step of [-1, 1]) {
        const words = [...network.words];
        const at = Math.max(0, Math.ceil(network.prefix / 32) - 1);
        const size = 2 ** (32 * (at + 1) - network.prefix);
        words[at] = (words[at]! + (step < 0 ? -1 : size)) >>> 0;
        const text = formatAddress({ family: network.family, words });
        expect([text, groupOfText(text)]).toEqual([text, byRegistries(text)]);
      }
    }
  });
});

describe("the host's own addresses", () => {
  const own: Surroundings = { ...NO_SURROUNDINGS, isOwn: () => true, nat64: [] };

  test("are in the group host, whatever they look like; loopback stays loopback", () => {
    for (const text of ["93.184.216.34", "10.0.0.1", "169.254.1.1", "2600::1", "fd00::1", "fe80::1"])
      expect(groupOfText(text, own)).toBe("host");
    for (const text of ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
      expect(groupOfText(text, own)).toBe("loopback");
  });

  test("are found out only where a rule with a group would decide", () => {
    let asked = 0;
    const counting: Surroundings = { ...NO_SURROUNDINGS, isOwn: () => ++asked > 0, nat64: [] };
    const matcher = matcherOf("[{ deny: 10.0.0.0/8 }, { allow: private, ports: 80 }]", counting);
    expect(matcher.connectAddress("10.0.0.1", 80).allowed).toBe(false);
    expect(matcher.connectAddress("192.168.0.1", 81).allowed).toBe(false);
    expect(asked).toBe(0);
    expect(matcher.connectAddress("192.168.0.1", 80).allowed).toBe(false);
    expect(asked).toBeGreaterThan(0);
  });
});

function policy(connect: string, rest = ""): Policy {
  return parsePolicy(`version: 1\nconnect: ${connect}\n${rest}`, { file: "/etc/ringway/policy.yaml" });
}

function matcherOf(connect: string, surroundings: Surroundings = NO_SURROUNDINGS, rest = ""): PolicyMatcher {
  return new PolicyMatcher(policy(connect, rest), surroundings);
}

const OF_EACH: Readonly<Record<Group, string>> = {
  public: "93.184.216.34",
  private: "10.1.2.3",
  loopback: "127.0.0.1",
  host: "172.17.0.1",
};
const SURROUNDINGS: Surroundings = {
  ...NO_SURROUNDINGS,
  isOwn: (address) => formatAddress(address) === OF_EACH.host,
  nat64: [],
};

describe("a rule with a group", () => {
  test.each(GROUPS)("%s has its addresses, and none of the others", (group) => {
    const allows = matcherOf(`[{ id: it, allow: ${group}, ports: 80 }]`, SURROUNDINGS);
    const denies = matcherOf(`[{ deny: ${group} }, { allow: [0.0.0.0/0, "::/0"] }]`, SURROUNDINGS);
    for (const other of GROUPS) {
      const address = OF_EACH[other];
      expect(allows.connectAddress(address, 80).allowed).toBe(other === group);
      expect(allows.connectAddress(address, 81).allowed).toBe(false);
      expect(denies.connectAddress(address, 80).allowed).toBe(other !== group);
    }
    expect(allows.connectAddress(OF_EACH[group], 80)).toMatchObject({ rule: "it" });
    expect(allows.connectAddress(OF_EACH[group], 80).reason).toContain(`(${group})`);
  });

  test.each(GROUPS)("%s in resolvesTo lets names lie there, and in no other group", (group) => {
    const rule = `[{ id: it, allow: a.test, resolvesTo: ${group} }]`;
    const matcher = matcherOf(rule, SURROUNDINGS);
    for (const other of GROUPS) {
      const { allowed, rule: decided } = matcher.connectResolved("a.test", 0, OF_EACH[other], 80);
      expect(allowed).toBe(other === group || other === "public");
      if (!allowed) expect(decided).toBe("not-public");
    }
  });

  test("allows no name by itself, and stands in its place in the order", () => {
    const matcher = matcherOf(
      "[{ id: no, deny: 10.1.0.0/16 }, { id: inside, allow: private }, { id: named, allow: a.test }]",
    );
    expect(matcher.connectName("b.test", 80).allowed).toBe(false);
    expect(matcher.connectAddress("10.1.2.3", 80)).toMatchObject({ allowed: false, rule: "no" });
    expect(matcher.connectAddress("10.2.2.3", 80)).toMatchObject({ allowed: true, rule: "inside" });
    expect(matcher.connectResolved("a.test", 2, "10.1.2.3", 80)).toMatchObject({
      allowed: false,
      rule: "no",
    });
    expect(matcher.connectResolved("a.test", 2, "10.2.2.3", 80)).toMatchObject({ rule: "inside" });
    expect(matcher.connectResolved("a.test", 2, "127.0.0.1", 80)).toMatchObject({ rule: "not-public" });
  });

  test("is written in any case; behind a dot it is a name", () => {
    const matcher = matcherOf('[{ allow: Private, ports: 80 }, { allow: "host.", resolvesTo: Loopback }]');
    expect(matcher.connectAddress("10.0.0.1", 80).allowed).toBe(true);
    expect(matcher.connectName("host", 80).allowed).toBe(true);
    expect(matcher.connectName("private", 80).allowed).toBe(false);
    expect(matcher.connectResolved("host", 1, "127.0.0.1", 80).allowed).toBe(true);
  });

  test("that denies has the NAT64 addresses of its own, one that allows has not", () => {
    const nat64: Surroundings = {
      ...NO_SURROUNDINGS,
      isOwn: () => false,
      nat64: [networkFrom("2600:64::/96")],
    };
    const denies = matcherOf('[{ id: no, deny: private }, { allow: ["::/0"] }]', nat64);
    for (const text of ["64:ff9b::10.0.0.1", "2600:64::10.0.0.1"])
      expect(denies.connectAddress(text, 80)).toMatchObject({ allowed: false, rule: "no" });
    const allows = matcherOf("[{ allow: private }, { allow: public }]", nat64);
    for (const text of ["64:ff9b::10.0.0.1", "2600:64::10.0.0.1"])
      expect(allows.connectAddress(text, 80)).toMatchObject({ allowed: false, rule: "default" });
    expect(allows.connectAddress("64:ff9b::93.184.216.34", 80).allowed).toBe(true);
  });
});

describe("hosts", () => {
  test("host.ringway is the host's own loopback, for whoever may connect there", () => {
    const matcher = matcherOf("[{ id: db, allow: 127.0.0.1, ports: 5432 }]");
    expect(matcher.hostsOf("host.ringway")).toEqual(["127.0.0.1", "::1"]);
    expect(matcher.connectName("HOST.ringway.", 5432)).toMatchObject({
      allowed: true,
      rule: "db",
      ruleIndex: -1,
    });
    expect(matcher.connectName("host.ringway", 5433)).toMatchObject({ allowed: false, rule: "default" });
    expect(matcher.connectResolved("host.ringway", -1, "127.0.0.1", 5432).allowed).toBe(true);
    expect(matcher.connectResolved("host.ringway", -1, "::1", 5432).allowed).toBe(false);
  });

  test("a name with addresses opens none of them: each is judged as any other", () => {
    const hosts = "hosts: { db.internal: 10.1.2.3, both.internal: [10.1.2.3, 93.184.216.34] }";
    const matcher = matcherOf('[{ allow: "*" }]', NO_SURROUNDINGS, hosts);
    expect(matcher.hostsOf("db.internal")).toEqual(["10.1.2.3"]);
    expect(matcher.connectName("db.internal", 80)).toMatchObject({ allowed: true, ruleIndex: 0 });
    expect(matcher.connectResolved("db.internal", 0, "10.1.2.3", 80)).toMatchObject({ rule: "not-public" });
    expect(matcher.connectResolved("both.internal", 0, "93.184.216.34", 80).allowed).toBe(true);
    const by = matcherOf("[{ id: net, allow: private, ports: 80 }]", NO_SURROUNDINGS, hosts);
    expect(by.connectName("db.internal", 80)).toMatchObject({ allowed: true, rule: "net", ruleIndex: -1 });
    expect(by.connectResolved("db.internal", -1, "10.1.2.3", 80)).toMatchObject({
      allowed: true,
      rule: "net",
    });
  });

  test("a name that no rule lets be at one of its addresses is warned of, with its place", () => {
    const warnings: string[] = [];
    const text = `version: 1
connect: [{ allow: "*.test", resolvesTo: private }, { allow: 172.16.0.1 }, { allow: host, ports: 1 }]
hosts:
  a.test: 10.0.0.1
  b.test: [127.0.0.1, 169.254.1.1]
  c.example: 172.16.0.1
  d.example: 127.0.0.1
  e.example: 93.184.216.34
`;
    parsePolicy(text, {
      file: "/etc/ringway/policy.yaml",
      warn: ({ line, path, message }) => warnings.push(`${line}: ${path}: ${message}`),
    });
    expect(warnings).toEqual([
      '7: hosts["d.example"]: leads nowhere: no connect rule lets d.example be at its address',
    ]);
  });

  test.each([
    ["{ allow: host.ringway, ports: 8000 }", "host.ringway is at 127.0.0.1 and ::1", "loopback"],
    ["{ allow: [a.test, localhost] }", "localhost is at 127.0.0.1 and ::1", "loopback"],
    ["{ allow: db.internal }", "db.internal is at 10.1.2.3 and fd00::1", '[10.1.2.3, "fd00::1"]'],
    [
      "{ allow: localhost, ports: 80 }, { allow: 127.0.0.1, ports: 81 }",
      "localhost is at 127.0.0.1 and ::1",
      "loopback",
    ],
  ])(
    "a rule for a name that has addresses, and that lets it be at none, says what to add: %s",
    (rules, where, add) => {
      const warningsOf = (connect: string): string[] => {
        const warnings: string[] = [];
        const text = `version: 1\nconnect: [${connect}]\nhosts: { db.internal: [10.1.2.3, "fd00::1"], www.test: 93.184.216.34 }`;
        parsePolicy(text, { file: "p", warn: ({ message }) => warnings.push(message) });
        return warnings.filter((message) => !message.includes("no connect rule lets"));
      };
      expect(warningsOf(rules)).toEqual([
        `leads nowhere: ${where}, not public: add resolvesTo: ${add} to the rule`,
      ]);
      expect(warningsOf(rules.replace(/^\{ (.*?) \}/, `{ $1, resolvesTo: ${add} }`))).toEqual([]);
      expect(warningsOf(`${rules}, { allow: [loopback, private] }`)).toEqual([]);
      expect(warningsOf('{ allow: "*", ports: 443 }, { allow: www.test, ports: 80 }')).toEqual([]);
    },
  );

  test("names are read as everywhere, and addresses come once and in one form", () => {
    const hosts =
      'hosts: { "DB.Internal.": ["::ffff:10.0.0.1", 10.0.0.1, "FD00::0:1"], host.ringway: "::1", __proto__: 10.0.0.2 }';
    const read = policy("[{ allow: [private, loopback] }]", hosts).hosts;
    expect(Object.entries(read)).toEqual([
      ["host.ringway", ["::1"]],
      ["db.internal", ["10.0.0.1", "fd00::1"]],
      ["__proto__", ["10.0.0.2"]],
    ]);
  });

  test.each([
    ["{ a.test: b.test }", 'hosts["a.test"]: expected an address, found "b.test"'],
    ["{ a.test: [10.0.0.1, 10.0.0.0/8] }", 'hosts["a.test"][1]: expected an address, found "10.0.0.0/8"'],
    ["{ a.test: 0.0.0.0 }", 'hosts["a.test"]: expected an address of a host; 0.0.0.0 is nobody\'s'],
    ["{ '*.test': 10.0.0.1 }", 'hosts["*.test"]: expected a name; '],
    ["{ 10.0.0.1: 10.0.0.1 }", 'hosts["10.0.0.1"]: expected a name; '],
    [
      "{ a.test: 10.0.0.1, A.test: 10.0.0.2 }",
      'hosts["A.test"]: expected a name of its own; "A.test" is "a.test"',
    ],
    [
      "{ a.test: [] }",
      'hosts["a.test"]: expected an address, or a list of them, at most 16; found an empty list',
    ],
    ["[10.0.0.1]", "hosts: expected a map of names to addresses, at most 4096; found a list"],
  ])("%s is refused, with where and why", (hosts, message) => {
    expect(() => policy("[{ allow: private }]", `hosts: ${hosts}`)).toThrow(message);
  });
});
