// The matcher's tables against the naive oracle, and how little of them a decision looks at.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type CompiledPolicy, compilePolicy } from "../src/policy/compiled/compile.ts";
import { DEFAULT_LIMITS, DEFAULT_RATES, DEFAULT_TIMEOUTS } from "../src/policy/defaults.ts";
import { GROUPS } from "../src/policy/groups.ts";
import {
  type ConnectRule,
  type Decision,
  type FilesRule,
  type ListenRule,
  type Policy,
  PolicyMatcher,
  type Transport,
} from "../src/policy/index.ts";
import { formatAddress, networkFrom, networkOf, parseAddress } from "../src/policy/networks.ts";
import type { Surroundings } from "../src/policy/surroundings.ts";
import { NaiveMatcher } from "./naive-matcher.ts";

function policyOf(rules: Partial<Pick<Policy, "connect" | "listen" | "files">>): Policy {
  return {
    version: 1,
    guest: { argv: [], env: {} },
    refusals: "explain",
    audit: "best-effort",
    audited: "all",
    connect: [],
    listen: [],
    files: [],
    sockets: [],
    vms: [],
    hosts: { "a.b": ["127.0.0.1", "10.0.1.1", "fd00::1"], www: ["93.1.0.1"] },
    run: { system: ["default"] },
    limits: DEFAULT_LIMITS,
    rates: DEFAULT_RATES,
    timeouts: DEFAULT_TIMEOUTS,
    ...rules,
  };
}

// Few labels, bits and ports, so that rules meet, contain and hide each other.
const label = fc.constantFrom("a", "b", "c", "www");
const name = fc.oneof(
  { weight: 9, arbitrary: fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join(".")) },
  { weight: 1, arbitrary: fc.constant("localhost") },
);
const pattern = fc.oneof(
  name,
  name.map((text) => `*.${text}`),
  fc.constant("*"),
);
const address = fc.oneof(
  fc
    .tuple(fc.constantFrom(10, 93, 127), fc.constantFrom(0, 1, 128, 255), fc.nat(3))
    .map(([a, b, c]) => `${a}.${b}.${c}.1`),
  fc
    .tuple(fc.constantFrom("2001:db8", "2600", "fd00", "::ffff:a00"), fc.nat(3))
    .map(([head, tail]) => (head.startsWith("::") ? `${head}:${tail}` : `${head}::${tail}`)),
  fc
    .tuple(
      fc.constantFrom("64:ff9b::", "2600:64::"),
      fc.constantFrom(10, 93, 127),
      fc.constantFrom(0, 128, 255),
    )
    .map(([head, a, b]) => `${head}${a}.${b}.1.1`),
  fc.constantFrom("127.0.0.1", "::1"),
  fc.constantFrom("239.1.2.3", "224.0.0.0", "255.255.255.255", "ff02::fb", "10.1.2.255"),
  fc.ipV4(),
  fc.ipV6(),
);
const surroundings: Surroundings = {
  isOwn: ({ words }) => words.at(-1)! % 2 === 0,
  isBroadcast: ({ family, words }) => family === 4 && words[0]! % 256 === 255,
  nat64: [networkFrom("2600:64::/96")],
};
const network = fc.tuple(address, fc.nat(128)).map(([text, prefix]) => {
  const parsed = parseAddress(text)!;
  return networkOf(parsed, prefix % (32 * parsed.words.length + 1)).text;
});
const port = fc.oneof(fc.constantFrom(1, 2, 80, 81, 443, 65535), fc.integer({ min: 1, max: 65535 }));
const range = fc.oneof(
  fc.constant({ first: 1, last: 65535 }),
  fc.tuple(port, port).map(([a, b]) => ({ first: Math.min(a, b), last: Math.max(a, b) })),
  port.map((only) => ({ first: only, last: only })),
);
const action = fc.constantFrom("allow" as const, "deny" as const);
const protocols = fc.constantFrom(["tcp"], ["udp"], ["tcp", "udp"]) as fc.Arbitrary<Transport[]>;
const transport = fc.constantFrom("tcp" as const, "udp" as const);
const few = <T>(of: fc.Arbitrary<T>, maxLength = 4): fc.Arbitrary<T[]> => fc.array(of, { maxLength });

/** Networks and groups; groups behind the networks, as entries are numbered. */
const regions = fc
  .tuple(few(network, 3), fc.subarray([...GROUPS], { maxLength: 2 }))
  .map(([networks, groups]) => [...networks, ...groups]);

const connectRules = few(
  fc.record({
    action,
    protocols,
    names: few(pattern),
    networks: regions,
    ports: few(range, 3),
    resolvesTo: regions,
  }),
  12,
).map((rules) =>
  rules.map(
    (rule, i): ConnectRule => ({
      id: `connect[${i}]`,
      ...rule,
      resolvesTo: rule.action === "allow" ? rule.resolvesTo : [],
    }),
  ),
);
const listenPort = fc.oneof(range, fc.constant({ first: 0, last: 0 }));
const listenRules = few(
  fc.record({ action, protocols, networks: few(network), ports: few(listenPort, 3) }),
  8,
).map((rules) => rules.map((rule, i): ListenRule => ({ id: `listen[${i}]`, ...rule })));
const path = fc.array(fc.constantFrom("a", "b", "c"), { maxLength: 4 }).map((parts) => `/${parts.join("/")}`);
const filesRules = few(
  fc.record({ guest: path, access: fc.constantFrom("ro" as const, "rw" as const) }),
  8,
).map((rules) =>
  rules.map(
    (rule, i): FilesRule => ({ id: `files[${i}]`, host: "/srv", crossMounts: false, xattrs: [], ...rule }),
  ),
);

/** With the reason, which some decisions make only when it is asked for. */
function told(decision: Decision): Decision {
  return { ...decision, reason: decision.reason };
}

describe("every decision is the oracle's: the same rule, the same sentence, the same errno", () => {
  const asked = fc.oneof(name, fc.constantFrom("A.b.", "a..b", "10.0.0.1"));

  test("connecting to names, and to what they resolve to", () => {
    fc.assert(
      fc.property(connectRules, few(fc.tuple(asked, port, address, transport), 20), (connect, questions) => {
        const policy = policyOf({ connect });
        const [matcher, oracle] = [
          new PolicyMatcher(policy, surroundings),
          new NaiveMatcher(policy, surroundings),
        ];
        for (const [host, to, resolved, by] of questions) {
          const named = matcher.connectName(host, to, by);
          expect(named).toEqual(oracle.connectName(host, to, by));
          for (const index of [named.ruleIndex, 0])
            expect(told(matcher.connectResolved(host, index, resolved, to, by))).toEqual(
              oracle.connectResolved(host, index, resolved, to, by),
            );
        }
      }),
      { numRuns: 300 },
    );
  });

  test("connecting to addresses, and listening", () => {
    fc.assert(
      fc.property(
        connectRules,
        listenRules,
        few(fc.tuple(address, fc.oneof(port, fc.constant(0)), transport), 20),
        (connect, listen, questions) => {
          const policy = policyOf({ connect, listen });
          const [matcher, oracle] = [
            new PolicyMatcher(policy, surroundings),
            new NaiveMatcher(policy, surroundings),
          ];
          for (const [text, at, by] of questions) {
            expect(told(matcher.connectAddress(text, at, by))).toEqual(oracle.connectAddress(text, at, by));
            expect(told(matcher.listen(text, at, by))).toEqual(oracle.listen(text, at, by));
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  test("files", () => {
    fc.assert(
      fc.property(filesRules, few(fc.tuple(path, fc.boolean()), 20), (files, questions) => {
        const policy = policyOf({ files });
        const [matcher, oracle] = [
          new PolicyMatcher(policy, surroundings),
          new NaiveMatcher(policy, surroundings),
        ];
        for (const [text, write] of questions)
          expect(matcher.file(text, write)).toEqual(oracle.file(text, write));
      }),
      { numRuns: 300 },
    );
  });

  test("addresses of rules themselves, their neighbours, and both ends of their networks", () => {
    fc.assert(
      fc.property(few(network, 30), (networks) => {
        const connect = networks.map(
          (text, i): ConnectRule => ({
            id: `r${i}`,
            action: "deny",
            protocols: ["tcp"],
            names: [],
            networks: [text],
            ports: [{ first: 1, last: 65535 }],
            resolvesTo: [],
          }),
        );
        const policy = policyOf({ connect });
        const [matcher, oracle] = [
          new PolicyMatcher(policy, surroundings),
          new NaiveMatcher(policy, surroundings),
        ];
        for (const text of networks) {
          const base = parseAddress(text.replace(/\/.*/, ""))!;
          for (const change of [0, 1, 0x80000000, 0xffffffff]) {
            for (let i = 0; i < base.words.length; i++) {
              const words = base.words.map((word, at) => (at === i ? (word ^ change) >>> 0 : word));
              const near = formatAddress({ family: base.family, words });
              expect(told(matcher.connectAddress(near, 80))).toEqual(oracle.connectAddress(near, 80));
            }
          }
        }
      }),
    );
  });
});

describe("a decision among 20,000 rules", () => {
  const RULES = 20_000;
  const ALL = [{ first: 1, last: 65535 }];
  const rule = (i: number, rest: Partial<ConnectRule>): ConnectRule => ({
    id: `r${i}`,
    action: "deny",
    protocols: ["tcp"],
    names: [],
    networks: [],
    ports: ALL,
    resolvesTo: [],
    ...rest,
  });
  const many = (make: (i: number) => Partial<ConnectRule>): ConnectRule[] =>
    Array.from({ length: RULES }, (_, i) => rule(i, make(i)));
  const octets = (i: number): string => `${i >> 8}.${i & 255}`;

  const POLICIES: [string, ConnectRule[]][] = [
    ["names", many((i) => ({ names: [`d${i}.evil.test`] }))],
    ["patterns", many((i) => ({ names: [`*.d${i}.test`] }))],
    ["one pattern with a port each", many((i) => ({ names: ["*"], ports: [{ first: i + 1, last: i + 1 }] }))],
    ["IPv4 addresses", many((i) => ({ networks: [`10.${octets(i)}.7`] }))],
    ["IPv6 networks", many((i) => ({ networks: [`2600:${i.toString(16)}::/32`] }))],
    [
      "one network with a port each",
      many((i) => ({ networks: ["0.0.0.0/0"], ports: [{ first: i + 1, last: i + 1 }] })),
    ],
  ];
  const last = rule(RULES, {
    action: "allow",
    names: ["*"],
    networks: ["0.0.0.0/0", "::/0"],
    resolvesTo: ["0.0.0.0/0"],
  });

  function decide(matcher: PolicyMatcher): void {
    expect(matcher.connectName("www.example.com", 443)).toMatchObject({ name: "www.example.com" });
    matcher.connectAddress("93.184.216.34", 65535);
    matcher.connectAddress("2600:4e1f::7", 65535);
    matcher.connectResolved("www.example.com", RULES, "93.184.216.34", 65535);
    matcher.listen("127.0.0.1", 80);
    matcher.file("/data/x", false);
  }

  test.each(POLICIES)("looks at no rule: %s", (_, rules) => {
    let looked = 0;
    const watched = [...rules, last].map(
      (each) =>
        new Proxy(each, {
          get(target, key) {
            looked++;
            return Reflect.get(target, key);
          },
        }),
    );
    const matcher = new PolicyMatcher(policyOf({ connect: watched }));
    looked = 0;
    decide(matcher);
    expect(looked).toBe(0);
  });

  test.each(POLICIES)("reads few words of the tables: %s", (_, rules) => {
    const compiled = compilePolicy(policyOf({ connect: [...rules, last] }));
    let read = 0;
    const words = new Proxy(compiled.words, {
      get(target, key) {
        read++;
        return Reflect.get(target, key);
      },
    });
    decide(new PolicyMatcher({ ...compiled, words }));
    // All six decisions together.
    expect(read).toBeLessThan(600);
  });
});

test("compiled rules cross to another thread by reference, and decide the same there", () => {
  const connect: ConnectRule[] = [
    {
      id: "web",
      action: "allow",
      protocols: ["tcp"],
      names: ["*.example.com"],
      networks: ["10.0.0.0/8"],
      ports: [{ first: 443, last: 443 }],
      resolvesTo: ["10.1.0.0/16"],
    },
  ];
  const compiled = compilePolicy(policyOf({ connect }));
  const clone: CompiledPolicy = structuredClone(compiled);
  expect(clone.words.buffer).toBeInstanceOf(SharedArrayBuffer);
  expect(clone.settings).not.toHaveProperty("connect");
  const matcher = new PolicyMatcher(clone);
  expect(matcher.connectResolved("a.example.com", 0, "10.1.2.3", 443)).toMatchObject({
    allowed: true,
    rule: "web",
  });
  compiled.words.fill(0);
  expect(clone.words.every((word) => word === 0)).toBe(true);
});
