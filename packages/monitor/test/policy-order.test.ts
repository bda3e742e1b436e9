// Rules that earlier ones hide, that can never match, and that say more than is meant.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type ConnectRule, formatProblem, PolicyError, parsePolicy } from "../src/policy/index.ts";
import { contains, type Network, networkFrom, networkOf, parseAddress } from "../src/policy/networks.ts";
import { checkOrder, type OrderedRule, type RuleTarget } from "../src/policy/order.ts";
import { NaiveMatcher } from "./naive-matcher.ts";

/** What is wrong, and what is odd, each without the file's name. */
function judge(text: string): { problems: string[]; warnings: string[] } {
  const warnings: string[] = [];
  try {
    parsePolicy(text, { file: "p", warn: (warning) => warnings.push(formatProblem("", warning).slice(1)) });
    return { problems: [], warnings };
  } catch (error) {
    if (!(error instanceof PolicyError)) throw error;
    return { problems: error.problems.map((problem) => formatProblem("", problem).slice(1)), warnings };
  }
}

const policy = (...lines: string[]): string => ["version: 1", ...lines].join("\n");

describe("rules for datagrams", () => {
  test("hide none of those for TCP, and none of theirs hides them", () => {
    const rules = [
      "connect:",
      "  - { allow: 10.0.0.0/8 }",
      "  - { allow: 10.0.0.0/8, protocols: udp }",
      "  - { deny: 10.1.0.0/16, protocols: udp, ports: 53 }",
    ];
    const where = "connect[1] (10.0.0.0/8, line 4) stands before it: put the narrower rule first";
    expect(judge(policy(...rules))).toEqual({
      problems: [`5:13: connect[2].deny: never matches, because ${where}`],
      warnings: [],
    });
  });

  test("for many takers, behind one that has them and does not name them, are hidden", () => {
    const rules = [
      "connect:",
      "  - { deny: 10.0.0.1 }",
      "  - { allow: 0.0.0.0/4, protocols: [udp] }",
      "  - { allow: 224.0.0.0/4, protocols: udp }",
      "  - { allow: 239.1.2.3, protocols: udp }",
    ];
    const where = "connect[2] (224.0.0.0/4, line 5) stands before it: put the narrower rule first";
    const { problems } = judge(policy(...rules));
    expect(problems).toEqual([`6:14: connect[3].allow: never matches, because ${where}`]);
  });

  test("that a deny without protocols has, are hidden behind it", () => {
    const rules = [
      "listen:",
      "  - { deny: 127.0.0.1, ports: 53 }",
      "  - { allow: 127.0.0.1, ports: 53, protocols: udp }",
    ];
    expect(judge(policy(...rules)).problems).toHaveLength(1);
  });
});

describe("a rule that an earlier one hides is an error that names both lines", () => {
  test.each([
    [
      "a name behind the pattern for all",
      ['  - allow: "*"', "  - deny: evil.test"],
      '4:11: connect[1].deny: never matches, because connect[0] ("*", line 3) stands before it: put ' +
        "the narrower rule first",
    ],
    [
      "a name behind a pattern above it",
      ['  - allow: "*.test"', "  - deny: a.b.test"],
      '4:11: connect[1].deny: never matches, because connect[0] ("*.test", line 3) stands before it: ' +
        "put the narrower rule first",
    ],
    [
      "a pattern behind a wider one",
      ['  - deny: ["*.test"]', '  - allow: "*.b.test"'],
      '4:12: connect[1].allow: never matches, because connect[0] ("*.test", line 3) stands before it: ' +
        "put the narrower rule first",
    ],
    [
      "the metadata service behind everything",
      ["  - allow: 0.0.0.0/0", "  - deny: 169.254.169.254"],
      "4:11: connect[1].deny: never matches, because connect[0] (0.0.0.0/0, line 3) stands before it: " +
        "put the narrower rule first",
    ],
    [
      "an IPv4-mapped network behind the IPv4 network",
      ["  - allow: 10.0.0.0/8", '  - deny: "::ffff:10.1.0.0/112"'],
      "4:11: connect[1].deny: never matches, because connect[0] (10.0.0.0/8, line 3) stands before " +
        "it: put the narrower rule first",
    ],
    [
      "the same again",
      ["  - { allow: A.test., ports: 80 }", "  - { deny: a.test, ports: 80 }"],
      '4:13: connect[1].deny: never matches, because connect[0] ("a.test", line 3) stands before it: ' +
        "only one of the two can hold",
    ],
    [
      "a list, by two rules and all ports that they have",
      [
        "  - { allow: '*', ports: [1-1000] }",
        "  - { deny: [a.test, '*.a.test'], ports: 1001-65535 }",
        "  - deny: [a.test, b.a.test]",
      ],
      '5:5: connect[2]: never matches, because connect[0] ("*", line 3) stands before it: put the narrower rule first',
    ],
    [
      "one of a list, by a rule that says otherwise",
      ["  - { allow: '*.a.test', ports: 443 }", "  - { deny: [b.test, x.a.test], ports: [443] }"],
      '4:22: connect[1].deny[1]: "x.a.test" never matches, because connect[0] ("*.a.test", line 3) ' +
        "stands before it and allows it: put the narrower rule first",
    ],
    [
      "resolvesTo, by a deny",
      ["  - deny: 10.0.0.0/8", "  - { allow: a.test, resolvesTo: [10.1.0.0/16, 192.168.0.0/16] }"],
      "4:35: connect[1].resolvesTo[0]: never counts, because connect[0] (10.0.0.0/8, line 3) stands " +
        "before it and denies it: put this rule first",
    ],
    [
      "the unspecified address",
      ["  - { allow: 0.0.0.0, ports: 80 }"],
      "3:14: connect[0].allow: never matches, because 0.0.0.0 names no host; every IPv4 address is 0.0.0.0/0",
    ],
    [
      "the unspecified address among others",
      ["  - { allow: [10.0.0.1, '::'] }"],
      "3:25: connect[0].allow[1]: never matches, because :: names no host; every IPv6 address is ::/0",
    ],
  ])("%s", (_, rules, problem) => {
    expect(judge(policy("connect:", ...rules)).problems).toEqual([problem]);
  });

  test("to listen, too, where port 0 is a port", () => {
    const rules = (ports: string): string =>
      policy(
        "listen:",
        "  - { allow: 127.0.0.0/8, ports: [1-1023, 1024-65535] }",
        `  - { deny: 127.0.0.1, ports: ${ports} }`,
      );
    expect(judge(rules("80")).problems).toEqual([
      "4:13: listen[1].deny: never matches, because listen[0] (127.0.0.0/8, line 3) stands before it: " +
        "put the narrower rule first",
    ]);
    expect(judge(rules("[0, 80]")).problems).toEqual([]);
  });
});

describe("no error is", () => {
  test.each([
    ["the narrower rule first", ["  - deny: evil.test", '  - allow: "*"']],
    ["another port", ["  - { allow: '*', ports: 443 }", "  - { deny: evil.test, ports: 80 }"]],
    ["a name and a network", ["  - { allow: '*' }", "  - { deny: 10.0.0.0/8 }"]],
    ["the name itself behind those below it", ["  - allow: '*.example.com'", "  - deny: example.com"]],
    ["a name that only ends like it", ["  - allow: '*.example.com'", "  - deny: badexample.com"]],
    ["IPv6 behind all of IPv4", ["  - { allow: 10.0.0.0/8 }", "  - deny: '::/0'"]],
    ["lists that overlap and say the same", ["  - deny: [a.test, b.test]", "  - deny: [b.test, c.test]"]],
    ["a list that has one twice, or one within another", ["  - deny: [a.test, a.test, '*.test', b.test]"]],
    ["resolvesTo, by an allow", ["  - allow: 10.0.0.0/8", "  - { allow: a.test, resolvesTo: 10.1.0.0/16 }"]],
    [
      "resolvesTo of which a deny has a part",
      ["  - deny: 10.1.0.0/16", "  - { allow: a, resolvesTo: 10.0.0.0/8 }"],
    ],
    ["the unspecified address, denied", ["  - deny: [0.0.0.0, '::']"]],
    ["all the rest denied", ["  - { allow: '*', ports: 443 }", "  - deny: '*'"]],
  ])("%s", (_, rules) => {
    expect(judge(policy("connect:", ...rules))).toEqual({ problems: [], warnings: [] });
  });

  test("listening on every address", () => {
    expect(judge(policy("listen: [{ allow: [0.0.0.0, '::', 0.0.0.0/0], ports: 80 }]"))).toEqual({
      problems: [],
      warnings: [],
    });
  });
});

describe("a warning is", () => {
  const lurking = "127.0.0.1 (loopback) and 169.254.169.254 (a cloud's metadata)";

  test.each([
    [
      "an allow of everything",
      ["  - { allow: 0.0.0.0/0, ports: 443 }"],
      `3:14: connect[0].allow: allows ${lurking} as well: deny them in front; to allow public ` +
        `addresses alone, say public, and "*" for names at them`,
    ],
    [
      "an allow of every IPv6 address, as far as nothing denies it",
      ["  - deny: 'fc00::/7'", "  - allow: [a.test, '::/0']"],
      "4:21: connect[1].allow[1]: allows ::1 (loopback) as well: deny them in front; to allow public " +
        'addresses alone, say public, and "*" for names at them',
    ],
    [
      "an allow of half of everything",
      ["  - allow: 128.0.0.0/1"],
      `3:12: connect[0].allow: allows 169.254.169.254 (a cloud's metadata) as well: deny them in ` +
        `front; to allow public addresses alone, say public, and "*" for names at them`,
    ],
    [
      "resolvesTo of everything",
      ["  - { allow: '*.test', resolvesTo: 0.0.0.0/0 }"],
      `3:36: connect[0].resolvesTo: lets whoever runs these names lead guests to ${lurking}: say ` +
        `where these names lie; public addresses need no resolvesTo`,
    ],
    [
      "a deny that an allow of more has taken a port from",
      ["  - { allow: '*', ports: 443 }", "  - deny: evil.test"],
      '4:11: connect[1].deny: does not hold for port 443: connect[0] ("*", line 3) stands before it ' +
        "and allows it; put the narrower rule first",
    ],
    [
      "a name that is nearly a group's",
      ["  - deny: privat", "  - allow: [example, private., post.]"],
      '3:11: connect[0].deny: is the name "privat"; did you mean the group private? If not, write "privat."',
    ],
  ])("%s", (_, rules, warning) => {
    expect(judge(policy("connect:", ...rules))).toEqual({ problems: [], warnings: [warning] });
  });

  test.each([
    [
      "everything behind what is not meant",
      ["  - deny: [127.0.0.0/8, 169.254.0.0/16]", "  - allow: 0.0.0.0/0"],
    ],
    ["loopback by its name", ["  - allow: [127.0.0.0/8, '::1', 169.254.169.254, 'fc00::/7']"]],
    ["a deny of everything", ["  - deny: [0.0.0.0/0, '::/0']"]],
  ])("not %s", (_, rules) => {
    expect(judge(policy("connect:", ...rules)).warnings).toEqual([]);
  });
});

describe("against the oracle", () => {
  const label = fc.constantFrom("a", "b");
  const name = fc.array(label, { minLength: 1, maxLength: 3 }).map((labels) => labels.join("."));
  const pattern = fc.oneof(
    name,
    name.map((text) => `*.${text}`),
    fc.constant("*"),
  );
  const network = fc
    .tuple(
      fc.constantFrom("10.0.0.0", "10.128.0.0", "2600::", "2600:8000::"),
      fc.constantFrom(0, 1, 8, 9, 32),
    )
    .map(([text, prefix]) => networkOf(parseAddress(text)!, prefix).text);
  const range = fc.tuple(fc.integer({ min: 1, max: 4 }), fc.nat(3)).map(([first, more]) => ({
    first,
    last: Math.min(4, first + more),
  }));
  const rules = fc.array(
    fc.record({
      action: fc.constantFrom("allow" as const, "deny" as const),
      targets: fc.array(fc.oneof(pattern, network), { minLength: 1, maxLength: 3 }),
      ports: fc.array(range, { minLength: 1, maxLength: 2 }),
    }),
    { minLength: 2, maxLength: 7 },
  );
  type Rules = typeof rules extends fc.Arbitrary<infer T> ? T : never;

  const isNetwork = (text: string): boolean => /[:/]|^\d/.test(text);
  const yamlOf = (all: Rules): string =>
    JSON.stringify({
      version: 1,
      connect: all.map(({ action, targets, ports }) => ({
        [action]: targets,
        ports: ports.map(({ first, last }) => `${first}-${last}`),
      })),
    });
  const oracleOf = (all: Rules): NaiveMatcher =>
    new NaiveMatcher({
      ...parsePolicy("version: 1", { file: "p" }),
      connect: all.map(
        ({ action, targets, ports }, i): ConnectRule => ({
          id: `connect[${i}]`,
          action,
          protocols: ["tcp"],
          names: targets.filter((text) => !isNetwork(text)),
          networks: targets.filter(isNetwork),
          ports,
          resolvesTo: [],
        }),
      ),
    });
  /** Rules, and single targets, that are said never to match. */
  const hidden = (all: Rules): { rule: number; target: string | undefined }[] =>
    judge(yamlOf(all)).problems.map((problem) => {
      const [, rule, , target] = /connect\[(\d+)\](\.(?:allow|deny)\[(\d+)\])?:/.exec(problem)!;
      const { targets } = all[Number(rule)]!;
      const isWhole = target === undefined || targets.length === 1;
      return { rule: Number(rule), target: isWhole ? undefined : targets[Number(target)] };
    });

  const NAMES = ["a", "b", "a.a", "a.b", "b.a", "b.b", "a.a.a", "b.a.b", "c.a.b.a", "c", "b.c"];
  const ADDRESSES = [
    "10.0.0.0",
    "10.0.0.1",
    "10.127.0.1",
    "10.128.0.0",
    "10.200.0.1",
    "9.0.0.1",
    "200.0.0.1",
  ];
  const SIXES = ["2600::", "2600::1", "2600:8000::", "2600:8000::1", "2680::", "8000::1"];

  test("what is said never to match never does", () => {
    let found = 0;
    fc.assert(
      fc.property(rules, (all) => {
        const oracle = oracleOf(all);
        const never = hidden(all);
        found += never.length;
        for (let port = 1; port <= 4; port++) {
          const decisions = [
            ...NAMES.map((asked) => oracle.connectName(asked, port)),
            ...[...ADDRESSES, ...SIXES].map((asked) => oracle.connectAddress(asked, port)),
          ];
          for (const { rule, target } of never) {
            const by = target === undefined ? `"connect[${rule}]" (` : `"connect[${rule}]" (${target})`;
            expect(decisions.filter(({ reason }) => reason.includes(by))).toEqual([]);
          }
        }
      }),
      { numRuns: 200 },
    );
    expect(found).toBeGreaterThan(20);
  });

  test("what one earlier rule has whole is found", () => {
    const covers = (wide: string, narrow: string): boolean => {
      if (isNetwork(wide) !== isNetwork(narrow)) return false;
      if (isNetwork(wide)) {
        const [a, b]: Network[] = [networkFrom(wide), networkFrom(narrow)];
        return a!.prefix <= b!.prefix && contains(a!, { family: b!.family, words: b!.words });
      }
      if (wide === "*" || wide === narrow) return true;
      return (
        wide.startsWith("*.") && narrow.replace(/^\*/, "").endsWith(wide.slice(1)) && narrow !== wide.slice(2)
      );
    };
    const has = (ports: Rules[number]["ports"], port: number): boolean =>
      ports.some(({ first, last }) => port >= first && port <= last);
    fc.assert(
      fc.property(rules, (all) => {
        const said = new Set(hidden(all).map(({ rule, target }) => (target === undefined ? rule : -1)));
        for (const [i, rule] of all.entries()) {
          const isHidden = all
            .slice(0, i)
            .some(
              (other) =>
                rule.targets.every((narrow) => other.targets.some((wide) => covers(wide, narrow))) &&
                [1, 2, 3, 4].every((port) => !has(rule.ports, port) || has(other.ports, port)),
            );
          if (isHidden) expect([...said]).toContain(i);
        }
      }),
      { numRuns: 200 },
    );
  });
});

describe("20,000 rules", () => {
  const RULES = 20_000;
  const ALL = [{ first: 1, last: 65535 }];
  const octets = (i: number): string => `${i >> 8}.${i & 255}`;
  const target = (text: string): RuleTarget => {
    const isName = !/^[\d:]/.test(text) && !text.includes("::");
    return { text, network: isName ? undefined : networkFrom(text), path: [] };
  };
  const only = (i: number): OrderedRule["ports"] => [{ first: i + 1, last: i + 1 }];

  test.each<[string, (i: number) => [text: string, ports: OrderedRule["ports"]]]>([
    ["names", (i) => [`d${i}.evil.test`, ALL]],
    ["patterns", (i) => [`*.d${i}.test`, ALL]],
    ["one pattern with a port each", (i) => ["*", only(i)]],
    ["one pattern with a port each, and names", (i) => (i % 2 === 0 ? ["*", only(i)] : [`d${i}.test`, ALL])],
    ["IPv4 addresses", (i) => [`10.${octets(i)}.7`, ALL]],
    ["IPv6 networks", (i) => [`2600:${i.toString(16)}::/32`, ALL]],
    ["one network with a port each", (i) => ["0.0.0.0/0", only(i)]],
  ])("are judged each by itself, and not by all before it: %s", (_, make) => {
    let looked = 0;
    const rules = Array.from({ length: RULES }, (_, i): OrderedRule => {
      const [text, ports] = make(i);
      const rule: OrderedRule = {
        path: ["connect", i],
        action: "deny",
        targets: [target(text)],
        ports,
        taken: ports,
        resolvesTo: [],
      };
      return new Proxy(rule, {
        get(of, key) {
          looked++;
          return Reflect.get(of, key);
        },
      });
    });
    const fail = (): never => {
      throw new Error("none of them is hidden");
    };
    checkOrder(rules, { complain: fail, warn: fail, lineOf: fail });
    expect(looked).toBeLessThan(20 * RULES);
  });
});
