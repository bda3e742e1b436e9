import { Errno } from "@ringway/control";
import { errnoName } from "@ringway/linux";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type ConnectRule,
  type Decision,
  type NameDecision,
  type Policy,
  PolicyMatcher,
  parsePolicy,
} from "../src/policy/index.ts";

function matcher(...lines: string[]): PolicyMatcher {
  return new PolicyMatcher(
    parsePolicy(["version: 1", ...lines].join("\n"), { file: "/etc/ringway/policy.yaml" }),
  );
}

/** Both phases, as the monitor runs them. */
function connect(
  of: PolicyMatcher,
  name: string,
  address: string,
  port: number,
): { rule: string; allowed: boolean } {
  const named = of.connectName(name, port);
  if (!named.allowed) return named;
  return of.connectResolved(name, named.ruleIndex, address, port);
}

describe("protocols", () => {
  const matcher = (...lines: string[]): PolicyMatcher =>
    new PolicyMatcher(parsePolicy(["version: 1", ...lines].join("\n"), { file: "policy.yaml" }));

  it("an allow holds for TCP alone unless it says otherwise, a deny for both", () => {
    const rules = matcher(
      "connect:",
      "  - { id: none, deny: 10.9.0.0/16 }",
      "  - { id: dns, allow: [10.0.0.0/8, '*.test'], ports: 53, protocols: [udp, tcp] }",
      "  - { id: web, allow: [10.0.0.0/8, '*.test'], ports: 80 }",
      "listen:",
      "  - { id: serve, allow: 10.0.0.1, ports: [0, 80] }",
      "  - { id: take, allow: 10.0.0.1, ports: [0, 53], protocols: udp }",
    );
    const said = (allowed: boolean, rule: string) => expect.objectContaining({ allowed, rule });
    expect(rules.connectAddress("10.0.0.1", 53, "udp")).toEqual(said(true, "dns"));
    expect(rules.connectAddress("10.0.0.1", 53)).toEqual(said(true, "dns"));
    expect(rules.connectAddress("10.0.0.1", 80, "udp")).toEqual(said(false, "default"));
    expect(rules.connectAddress("10.0.0.1", 80)).toEqual(said(true, "web"));
    expect(rules.connectAddress("10.9.0.1", 53, "udp")).toEqual(said(false, "none"));
    expect(rules.connectName("a.test", 53, "udp")).toEqual(said(true, "dns"));
    expect(rules.connectName("a.test", 80, "udp")).toEqual(said(false, "default"));
    expect(rules.listen("10.0.0.1", 0, "udp")).toEqual(said(true, "take"));
    expect(rules.listen("10.0.0.1", 80, "udp")).toEqual(said(false, "default"));
    expect(rules.listen("10.0.0.1", 53)).toEqual(said(false, "default"));
    const hint = " (over TCP it is allowed: a rule holds for UDP where its protocols say so)";
    const reasons = [
      rules.connectAddress("10.0.0.1", 80, "udp"),
      rules.connectName("a.test", 80, "udp"),
      rules.connectAddress("10.0.0.1", 81, "udp"),
      rules.listen("10.0.0.1", 80, "udp"),
      rules.listen("10.0.0.2", 80, "udp"),
    ].map(({ reason }) => reason);
    expect(reasons).toEqual([
      `no connect rule allows UDP to 10.0.0.1:80${hint}`,
      `no connect rule allows UDP to a.test:80${hint}`,
      "no connect rule allows UDP to 10.0.0.1:81",
      `no listen rule allows UDP at 10.0.0.1:80${hint}`,
      "no listen rule allows UDP at 10.0.0.2:80",
    ]);
    expect([rules.sendsDatagrams, matcher("connect: [{ allow: '*' }]").sendsDatagrams]).toEqual([
      true,
      false,
    ]);
  });

  it("what has many takers is allowed by a rule that names it alone", () => {
    const rules = matcher(
      "connect:",
      "  - { id: one, allow: 239.1.2.3, protocols: udp }",
      "  - { id: groups, allow: [224.0.0.0/8, 'ff02::/16'], protocols: udp }",
      "  - { id: all, allow: 255.255.255.255, ports: 67, protocols: udp }",
      "  - { id: any, allow: [0.0.0.0/0, '::/0'], protocols: [tcp, udp] }",
    );
    const by = (address: string, port = 5353): string => rules.connectAddress(address, port, "udp").rule;
    expect(["239.1.2.3", "224.0.0.251", "ff02::fb", "8.8.8.8"].map((to) => by(to))).toEqual([
      ...["one", "groups", "groups", "any"],
    ]);
    expect(["239.1.2.4", "ff05::1", "255.255.255.255"].map((to) => by(to))).toEqual([
      ...["default", "default", "default"],
    ]);
    expect(by("255.255.255.255", 67)).toBe("all");
    expect(rules.connectAddress("239.1.2.4", 80).rule).toBe("any");
  });
});

describe("connect to an address", () => {
  const policy = matcher(
    "connect:",
    "  - { id: one, deny: 10.1.0.0/16 }",
    "  - { id: ten, allow: 10.0.0.0/8, ports: [80, 8000-8100] }",
    "  - { id: six, allow: ['fd00::/8', '2001:db8::1'] }",
    "  - { id: names, allow: '*' }",
  );

  it.each([
    ["10.2.0.1", 80, true, "ten", 'connecting to 10.2.0.1:80 is allowed by rule "ten" (10.0.0.0/8)'],
    ["10.2.0.1", 8000, true, "ten", 'connecting to 10.2.0.1:8000 is allowed by rule "ten" (10.0.0.0/8)'],
    ["10.2.0.1", 8101, false, "default", "no connect rule allows 10.2.0.1:8101"],
    ["10.1.2.3", 80, false, "one", 'connecting to 10.1.2.3:80 is denied by rule "one" (10.1.0.0/16)'],
    ["::ffff:10.1.2.3", 80, false, "one", 'connecting to 10.1.2.3:80 is denied by rule "one" (10.1.0.0/16)'],
    ["::ffff:a02:1", 80, true, "ten", 'connecting to 10.2.0.1:80 is allowed by rule "ten" (10.0.0.0/8)'],
    ["FD00::1", 1, true, "six", 'connecting to [fd00::1]:1 is allowed by rule "six" (fd00::/8)'],
    [
      "2001:db8::1",
      65535,
      true,
      "six",
      'connecting to [2001:db8::1]:65535 is allowed by rule "six" (2001:db8::1)',
    ],
    ["2001:db8::2", 1, false, "default", "no connect rule allows [2001:db8::2]:1"],
    ["8.8.8.8", 80, false, "default", "no connect rule allows 8.8.8.8:80"],
    ["fd00::1%eth0", 80, false, "address", '"fd00::1%eth0" has a zone id, which is not allowed'],
    ["127.1", 80, false, "address", '"127.1" is not an IPv4 or IPv6 address'],
    ["example.com", 80, false, "address", '"example.com" is not an IPv4 or IPv6 address'],
    ["10.2.0.1", 0, false, "port", "0 is not a port from 1 to 65535"],
    ["10.2.0.1", 65536, false, "port", "65536 is not a port from 1 to 65535"],
    ["10.2.0.1", 80.5, false, "port", "80.5 is not a port from 1 to 65535"],
    ["10.2.0.1", Number.NaN, false, "port", "NaN is not a port from 1 to 65535"],
  ])("%s port %s: %s, by %s", (address, port, allowed, rule, reason) => {
    expect(policy.connectAddress(address, port)).toMatchObject({ allowed, rule, reason });
  });

  it("refuses the unspecified address, which Linux takes for loopback, whatever the rules say", () => {
    const open = matcher("connect:", "  - allow: [0.0.0.0/0, '::/0']");
    for (const address of ["0.0.0.0", "::", "::ffff:0.0.0.0"]) {
      expect(open.connectAddress(address, 80)).toMatchObject({
        allowed: false,
        rule: "address",
        errno: Errno.EINVAL,
      });
    }
    expect(open.connectAddress("127.0.0.1", 80).allowed).toBe(true);
  });

  it("refuses everything where no rule is", () => {
    const empty = matcher();
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), fc.nat(65535), (address, port) => {
        expect(empty.connectAddress(address, port).allowed).toBe(false);
        expect(empty.listen(address, port).allowed).toBe(false);
      }),
    );
    expect(empty.connectName("example.com", 80)).toMatchObject({
      allowed: false,
      rule: "default",
      errno: Errno.EACCES,
    });
    expect(empty.file("/", false)).toMatchObject({ allowed: false, rule: "default", errno: Errno.EACCES });
  });

  it("decides as a walk over rules of numbers decides", () => {
    const rule = fc.record({
      allow: fc.boolean(),
      base: fc.nat(15),
      prefix: fc.integer({ min: 28, max: 32 }),
      first: fc.integer({ min: 1, max: 6 }),
      more: fc.nat(3),
    });
    fc.assert(
      fc.property(
        fc.array(rule, { maxLength: 5 }),
        fc.nat(15),
        fc.integer({ min: 1, max: 10 }),
        (rules, host, port) => {
          const low = (value: number, prefix: number): number => value & ~(2 ** (32 - prefix) - 1);
          const connect = rules.map(({ allow, base, prefix, first, more }, i): ConnectRule => {
            const networks = [`192.0.2.${low(base, prefix)}/${prefix}`];
            const ports = [{ first, last: first + more }];
            const action = allow ? "allow" : "deny";
            const protocols = ["tcp"] as const;
            return { id: `connect[${i}]`, action, protocols, names: [], networks, ports, resolvesTo: [] };
          });
          const expected = rules.findIndex(
            ({ base, prefix, first, more }) =>
              low(base, prefix) === low(host, prefix) && port >= first && port <= first + more,
          );
          // Some hide others: what a file may not say is decided all the same.
          const policy = new PolicyMatcher({
            ...parsePolicy("version: 1", { file: "policy.yaml" }),
            connect,
          });
          expect(policy.connectAddress(`192.0.2.${host}`, port)).toMatchObject({
            rule: expected < 0 ? "default" : `connect[${expected}]`,
            allowed: expected >= 0 && rules[expected]!.allow,
          });
        },
      ),
    );
  });
});

describe("connect to a name, before it is resolved", () => {
  const policy = matcher(
    "connect:",
    "  - { id: never, deny: secret.example.com }",
    "  - { id: net, deny: 0.0.0.0/0 }",
    "  - { id: web, allow: ['*.example.com', Example.ORG.], ports: 443 }",
    "  - { id: test, allow: internal.test, ports: 80 }",
  );

  it.each([
    [
      "www.example.com",
      443,
      "web",
      2,
      'connecting to www.example.com:443 is allowed by rule "web" (*.example.com)',
    ],
    [
      "A.B.Example.COM.",
      443,
      "web",
      2,
      'connecting to a.b.example.com:443 is allowed by rule "web" (*.example.com)',
    ],
    ["example.org", 443, "web", 2, 'connecting to example.org:443 is allowed by rule "web" (example.org)'],
    [
      "internal.test",
      80,
      "test",
      3,
      'connecting to internal.test:80 is allowed by rule "test" (internal.test)',
    ],
  ])("%s port %i is allowed by %s", (name, port, rule, ruleIndex, reason) => {
    expect(policy.connectName(name, port)).toMatchObject({ allowed: true, rule, ruleIndex, reason });
  });

  it.each([
    [
      "secret.example.com",
      443,
      "never",
      "EACCES",
      'connecting to secret.example.com:443 is denied by rule "never" (secret.example.com)',
    ],
    [
      "SECRET.example.com.",
      443,
      "never",
      "EACCES",
      'connecting to secret.example.com:443 is denied by rule "never" (secret.example.com)',
    ],
    ["example.com", 443, "default", "EACCES", "no connect rule allows example.com:443"],
    ["www.example.com", 80, "default", "EACCES", "no connect rule allows www.example.com:80"],
    ["badexample.com", 443, "default", "EACCES", "no connect rule allows badexample.com:443"],
    ["10.0.0.1", 443, "name", "EINVAL", '"10.0.0.1" is an address, not a name'],
    ["a\u001b[2J.example.com", 443, "name", "EINVAL", expect.stringContaining("\\u{1b}")],
    ["www.example.com", 0, "port", "EINVAL", "0 is not a port from 1 to 65535"],
  ])("%j port %i is refused by %s", (name, port, rule, errno, reason) => {
    expect(policy.connectName(name, port)).toMatchObject({
      allowed: false,
      rule,
      errno: Errno[errno as keyof typeof Errno],
      reason,
    });
  });

  it("gives the normalized name, which is the one to resolve", () => {
    expect(policy.connectName("WWW.Example.com.", 443).name).toBe("www.example.com");
  });

  it("never lets a pattern match a literal address", () => {
    const open = matcher("connect:", "  - allow: '*'");
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (address) => {
        expect(open.connectName(address, 80).rule).toBe("name");
        expect(open.connectAddress(address, 80).allowed).toBe(false);
      }),
    );
  });
});

describe("connect to a name, after it is resolved", () => {
  const policy = matcher(
    "connect:",
    "  - { id: blocked, deny: [93.184.0.0/16, 10.1.9.0/24] }",
    "  - { id: web, allow: '*.example.com', ports: 443 }",
    "  - { id: test, allow: internal.test, ports: 80, resolvesTo: [10.1.0.0/16, 'fd00::/8'] }",
    "  - { id: after, deny: 10.1.8.0/24 }",
    "  - { id: lan, allow: 192.168.0.0/16, ports: 443 }",
  );

  it.each([
    // A public name at a public address.
    ["a.example.com", "8.8.8.8", 443, true, "web"],
    ["a.example.com", "2606:4700::1", 443, true, "web"],
    // Rebinding: the same name, now at an address of the host or its networks.
    ["a.example.com", "127.0.0.1", 443, false, "not-public"],
    ["a.example.com", "::1", 443, false, "not-public"],
    ["a.example.com", "::ffff:127.0.0.1", 443, false, "not-public"],
    ["a.example.com", "::7f00:1", 443, false, "not-public"],
    ["a.example.com", "64:ff9b::7f00:1", 443, false, "not-public"],
    ["a.example.com", "64:ff9b::c0a8:101", 443, false, "not-public"],
    ["a.example.com", "64:ff9b:1::808:808", 443, false, "not-public"],
    ["a.example.com", "168.63.129.16", 443, false, "not-public"],
    // NAT64 of a public address, and of one that a rule denies.
    ["a.example.com", "64:ff9b::808:808", 443, true, "web"],
    ["a.example.com", "64:ff9b::93.184.216.34", 443, false, "blocked"],
    ["a.example.com", "2002:7f00:1::", 443, false, "not-public"],
    ["a.example.com", "169.254.169.254", 443, false, "not-public"],
    ["a.example.com", "fe80::1", 443, false, "not-public"],
    ["a.example.com", "10.2.0.1", 443, false, "not-public"],
    ["a.example.com", "0.0.0.0", 443, false, "address"],
    ["a.example.com", "::", 443, false, "address"],
    ["a.example.com", "fe80::1%eth0", 443, false, "address"],
    // Rules with networks decide, in order.
    ["a.example.com", "93.184.216.34", 443, false, "blocked"],
    ["a.example.com", "::ffff:93.184.216.34", 443, false, "blocked"],
    ["a.example.com", "192.168.1.1", 443, true, "lan"],
    // resolvesTo counts for its own rule's names only, at its place in the order.
    ["internal.test", "10.1.2.3", 80, true, "test"],
    ["internal.test", "::ffff:10.1.2.3", 80, true, "test"],
    ["internal.test", "fd00::1", 80, true, "test"],
    ["internal.test", "10.1.9.1", 80, false, "blocked"],
    ["internal.test", "10.1.8.1", 80, true, "test"],
    ["internal.test", "10.2.0.1", 80, false, "not-public"],
    ["internal.test", "8.8.8.8", 80, true, "test"],
    ["a.example.com", "10.1.2.3", 443, false, "not-public"],
    ["a.example.com", "10.1.8.1", 443, false, "after"],
    // The port counts for networks too: lan is for 443.
    ["internal.test", "192.168.1.1", 80, false, "not-public"],
  ])("%s at %s port %i: %s, by %s", (name, address, port, allowed, rule) => {
    expect(connect(policy, name, address, port)).toMatchObject({ allowed, rule });
  });

  it("names both the name and the address in its reasons", () => {
    expect(policy.connectResolved("A.example.com.", 1, "127.0.0.1", 443)).toEqual({
      allowed: false,
      rule: "not-public",
      errno: Errno.EACCES,
      reason:
        "a.example.com resolves to 127.0.0.1, which is not a public address (loopback, RFC 1122), " +
        'and no rule allows it (rule "web" could say resolvesTo)',
    });
    expect(policy.connectResolved("a.example.com", 1, "93.184.216.34", 443).reason).toBe(
      'connecting to a.example.com:443, which resolves to 93.184.216.34, is denied by rule "blocked" (93.184.0.0/16)',
    );
    expect(policy.connectResolved("internal.test", 2, "10.1.2.3", 80).reason).toBe(
      'connecting to internal.test:80, which resolves to 10.1.2.3, is allowed by rule "test" (resolvesTo 10.1.0.0/16)',
    );
  });

  it("counts what NAT64 finds inside where a rule denies it, and not where one allows it", () => {
    const open = matcher(
      "connect:",
      "  - { id: one, allow: 10.1.0.0/16 }",
      "  - { id: ten, deny: 10.0.0.0/8 }",
      "  - { id: six, allow: '::/0' }",
      "  - { id: names, allow: '*' }",
    );
    expect(open.connectAddress("64:ff9b::10.2.0.1", 80)).toMatchObject({
      allowed: false,
      rule: "ten",
      reason: 'connecting to [64:ff9b::a02:1]:80 is denied by rule "ten" (10.0.0.0/8, NAT64 of 10.2.0.1)',
    });
    expect(open.connectAddress("64:ff9b::10.1.0.1", 80)).toMatchObject({ allowed: true, rule: "six" });
    expect(connect(open, "a.test", "64:ff9b::10.2.0.1", 80)).toMatchObject({ allowed: false, rule: "ten" });
    const closed = matcher(
      "connect:",
      "  - { id: one, allow: 10.1.0.0/16 }",
      "  - { id: names, allow: '*' }",
    );
    expect(closed.connectAddress("64:ff9b::10.1.0.1", 80)).toMatchObject({ allowed: false, rule: "default" });
    expect(connect(closed, "a.test", "64:ff9b::10.1.0.1", 80)).toMatchObject({ rule: "not-public" });
  });

  it("resolvesTo does not reach literal addresses", () => {
    expect(policy.connectAddress("10.1.2.3", 80).allowed).toBe(false);
  });

  it("a policy that changed in between decides for itself", () => {
    const old = policy.connectName("a.example.com", 443) as NameDecision;
    const stricter = matcher("connect:", "  - { id: closed, deny: '*' }");
    expect(stricter.connectResolved("a.example.com", old.ruleIndex, "8.8.8.8", 443)).toMatchObject({
      allowed: false,
      rule: "closed",
    });
    const moved = matcher("connect:", "  - { id: web, allow: '*.example.com' }");
    expect(moved.connectResolved("a.example.com", old.ruleIndex, "8.8.8.8", 443)).toMatchObject({
      allowed: false,
      rule: "reloaded",
      errno: Errno.EAGAIN,
    });
    for (const index of [-1, 99, Number.NaN]) {
      expect(policy.connectResolved("a.example.com", index, "8.8.8.8", 443).allowed).toBe(false);
    }
  });
});

describe("localhost", () => {
  it("may be asked for by whoever may connect to loopback, and is judged by its addresses", () => {
    const policy = matcher("connect:", "  - { id: local, allow: [127.0.0.1, 10.0.0.1], ports: 8000-8999 }");
    expect(policy.connectName("LocalHost.", 8080)).toEqual({
      allowed: true,
      rule: "local",
      ruleIndex: -1,
      name: "localhost",
      reason: 'connecting to localhost:8080 is allowed by rule "local", which allows 127.0.0.1',
    });
    expect(connect(policy, "localhost", "127.0.0.1", 8080)).toMatchObject({ allowed: true, rule: "local" });
    expect(connect(policy, "localhost", "::1", 8080)).toMatchObject({
      allowed: false,
      rule: "default",
      reason: "no connect rule allows [::1]:8080 (localhost)",
    });
    // Whatever it resolves to, it is what the guest could have asked for.
    expect(connect(policy, "localhost", "10.0.0.1", 8080)).toMatchObject({ allowed: true });
    expect(connect(policy, "localhost", "8.8.8.8", 8080)).toMatchObject({ allowed: false });
    expect(connect(policy, "localhost", "127.0.0.1", 80)).toMatchObject({ rule: "default" });
    // Names below it may be asked of a name server by a lookup of the program's own.
    expect(policy.connectName("a.localhost", 8080)).toMatchObject({ allowed: false, rule: "default" });
  });

  it("is what a pattern says, where one has it", () => {
    const denied = matcher("connect:", "  - { allow: 127.0.0.1 }", "  - { id: no, deny: localhost }");
    expect(denied.connectName("localhost", 80)).toMatchObject({ allowed: false, rule: "no" });
    const lent = matcher("connect:", "  - { id: both, allow: ['*', 127.0.0.1], resolvesTo: 10.0.0.0/8 }");
    expect(lent.connectName("localhost", 80)).toMatchObject({ allowed: true, ruleIndex: 0 });
    const other = matcher("connect:", "  - { allow: [a.test, 127.0.0.1], resolvesTo: 10.0.0.0/8 }");
    expect(connect(other, "localhost", "10.0.0.1", 80)).toMatchObject({ allowed: false });
  });
});

describe("listen", () => {
  const policy = matcher(
    "listen:",
    "  - { id: taken, deny: 127.0.0.1, ports: 8080 }",
    "  - { id: local, allow: [127.0.0.0/8, '::1'], ports: [0, 8000-8999] }",
    "  - { id: any, allow: 0.0.0.0, ports: 80 }",
  );

  it.each([
    [
      "127.0.0.1",
      8000,
      true,
      "local",
      'listening on 127.0.0.1:8000 is allowed by rule "local" (127.0.0.0/8)',
    ],
    ["127.0.0.1", 0, true, "local", 'listening on 127.0.0.1:0 is allowed by rule "local" (127.0.0.0/8)'],
    [
      "::ffff:127.0.0.1",
      8000,
      true,
      "local",
      'listening on 127.0.0.1:8000 is allowed by rule "local" (127.0.0.0/8)',
    ],
    ["::1", 8999, true, "local", 'listening on [::1]:8999 is allowed by rule "local" (::1)'],
    ["0.0.0.0", 80, true, "any", 'listening on 0.0.0.0:80 is allowed by rule "any" (0.0.0.0)'],
    ["127.0.0.1", 8080, false, "taken", 'listening on 127.0.0.1:8080 is denied by rule "taken" (127.0.0.1)'],
    ["0.0.0.0", 0, false, "default", "no listen rule allows 0.0.0.0:0"],
    ["0.0.0.0", 8000, false, "default", "no listen rule allows 0.0.0.0:8000"],
    ["::", 80, false, "default", "no listen rule allows [::]:80"],
    ["127.0.0.1", 9000, false, "default", "no listen rule allows 127.0.0.1:9000"],
    ["127.0.0.1", -1, false, "port", "-1 is not a port from 0 to 65535"],
    ["localhost", 8000, false, "address", '"localhost" is not an IPv4 or IPv6 address'],
    ["::1%lo", 8000, false, "address", '"::1%lo" has a zone id, which is not allowed'],
  ])("%s port %i: %s, by %s", (address, port, allowed, rule, reason) => {
    expect(policy.listen(address, port)).toMatchObject({ allowed, rule, reason });
  });
});

describe("files", () => {
  const policy = matcher(
    "files:",
    "  - { id: scratch, guest: /data/tmp, host: ./tmp, access: rw }",
    "  - { guest: /data/, host: data, access: ro }",
    "  - { id: all, guest: //srv/./www/, host: /srv, access: rw }",
  );

  it.each([
    ["/data", false, 1, "."],
    ["/data/", false, 1, "."],
    ["/data/a/b", false, 1, "a/b"],
    ["//data//./a/", false, 1, "a"],
    ["/data/tmp", true, 0, "."],
    ["/data/tmp/x", true, 0, "x"],
    ["/data/tmpx", false, 1, "tmpx"],
    ["/srv/www/index.html", true, 2, "index.html"],
  ])("%s (write: %s) is rule %i's %s", (path, write, ruleIndex, relativePath) => {
    expect(policy.file(path, write)).toMatchObject({ allowed: true, ruleIndex, relativePath });
  });

  it.each([
    [
      "/data/x",
      true,
      "files[1]",
      "EROFS",
      'writing "/data/x" is denied by rule "files[1]" (/data is read-only)',
    ],
    ["/", false, "default", "EACCES", 'no files rule covers "/"'],
    ["/database", false, "default", "EACCES", 'no files rule covers "/database"'],
    ["/srv", false, "default", "EACCES", 'no files rule covers "/srv"'],
    ["/Data", false, "default", "EACCES", 'no files rule covers "/Data"'],
    ["/data/../etc", false, "path", "EACCES", 'the path "/data/../etc" has a ".."'],
    ["data", false, "path", "EINVAL", 'the path "data" does not begin with "/"'],
    ["/data/\0", false, "path", "EINVAL", 'the path "/data/\\u{0}" has a NUL'],
  ])("%j (write: %s) is refused by %s with %s", (path, write, rule, errno, reason) => {
    expect(policy.file(path, write)).toMatchObject({
      allowed: false,
      rule,
      errno: Errno[errno as keyof typeof Errno],
      reason,
    });
  });

  it("a rule for / covers everything", () => {
    const root = matcher("files:", "  - { guest: /, host: /srv, access: ro }");
    expect(root.file("/", false)).toMatchObject({ allowed: true, relativePath: "." });
    expect(root.file("/a/b", false)).toMatchObject({ allowed: true, relativePath: "a/b" });
  });

  it("relative paths have no empty, . or .. component, and no slash at either end, whatever the guest asks", () => {
    const part = fc.constantFrom("data", "tmp", "srv", "www", ".", "..", "", "x", "\0");
    fc.assert(
      fc.property(fc.array(part, { maxLength: 6 }), fc.boolean(), (parts, write) => {
        const decision = policy.file(`/${parts.join("/")}`, write);
        if (!decision.allowed || decision.relativePath === ".") return;
        for (const component of decision.relativePath.split("/")) {
          expect(["", ".", "..", "\0"]).not.toContain(component);
        }
      }),
    );
  });
});

describe("a policy", () => {
  it("crosses to another thread and decides the same there", () => {
    const text = [
      "version: 1",
      "connect: [{ allow: ['*.example.com', 10.0.0.0/8], ports: [443, 1-10], resolvesTo: 10.1.0.0/16 }]",
      "listen: [{ allow: '::1', ports: 0 }]",
      "files: [{ guest: /a, host: b, access: rw }]",
    ].join("\n");
    const policy = parsePolicy(text, { file: "policy.yaml" });
    const clone: Policy = structuredClone(policy);
    expect(clone).toEqual(policy);
    expect(JSON.parse(JSON.stringify(policy))).toEqual(policy);
    expect(connect(new PolicyMatcher(clone), "a.example.com", "10.1.2.3", 443).allowed).toBe(true);
  });

  it("answers every refusal with a rule and a sentence, whatever the guest sends", () => {
    const policy = matcher("connect: [{ allow: '*' }]", "files: [{ guest: /a, host: b, access: rw }]");
    const text = fc.oneof(fc.string({ unit: "binary" }), fc.string(), fc.ipV6(), fc.domain());
    fc.assert(
      fc.property(text, fc.oneof(fc.integer(), fc.double()), fc.boolean(), (asked, port, write) => {
        for (const decision of [
          policy.connectName(asked, port),
          policy.connectAddress(asked, port),
          policy.connectResolved(asked, 0, asked, port),
          policy.connectResolved("a.example", 0, asked, 80),
          policy.listen(asked, port),
          policy.file(asked, write),
        ]) {
          expect(decision.rule).not.toBe("");
          expect(decision.reason).toMatch(/^[^\p{Cc}\p{Cf}\p{Cs}]+$/u);
          if (!decision.allowed) expect(errnoName(decision.errno)).toMatch(/^E[A-Z]+$/);
        }
      }),
    );
  });

  it("gives each verdict as a sentence", () => {
    const rules = matcher(
      "connect:",
      "  - { id: no, deny: [10.9.0.0/16, '*.bad.test'] }",
      "  - { id: dns, allow: [10.0.0.0/8, '*.test'], ports: 53, protocols: udp }",
      "  - { id: all, allow: 0.0.0.0/0, ports: 53, protocols: udp }",
      "listen: [{ id: take, allow: 10.0.0.1, ports: 53, protocols: udp }]",
      "sockets: [{ id: app, guest: /run/app, host: ./app, access: connect }]",
      "hosts: { db.internal: 10.1.2.3 }",
    );
    const { reach } = rules;
    const verdicts: [Decision, string][] = [
      [
        rules.connectAddress("10.0.0.1", 53, "udp"),
        'sending datagrams to 10.0.0.1:53 is allowed by rule "dns" (10.0.0.0/8)',
      ],
      [
        rules.connectAddress("10.9.0.1", 53, "udp"),
        'sending datagrams to 10.9.0.1:53 is denied by rule "no" (10.9.0.0/16)',
      ],
      [
        rules.connectName("a.test", 53, "udp"),
        'sending datagrams to a.test:53 is allowed by rule "dns" (*.test)',
      ],
      [
        rules.connectName("db.internal", 53, "udp"),
        'sending datagrams to db.internal:53 is allowed by rule "dns", which allows 10.1.2.3',
      ],
      [
        rules.connectAddress("224.0.0.1", 53, "udp"),
        'sending datagrams to 224.0.0.1:53 is refused: many get a datagram to this address, and rule "all" ' +
          "(0.0.0.0/0), which allows it, does not name it",
      ],
      [rules.connectAddress("0.0.0.0", 53), "0.0.0.0:53 is the unspecified address, which names no host"],
      [
        rules.listen("10.0.0.1", 53, "udp"),
        'receiving datagrams at 10.0.0.1:53 is allowed by rule "take" (10.0.0.1)',
      ],
      [rules.listen("10.0.0.1", 54, "udp"), "no listen rule allows UDP at 10.0.0.1:54"],
      [rules.socket("/run/app", "connect"), 'connecting to "/run/app" is allowed by rule "app"'],
      [rules.socket("/run/app", "listen"), 'no sockets rule allows listening at "/run/app"'],
      [reach.name("a.example"), "no connect rule allows a.example at any port"],
      [
        reach.resolved("a.test", "10.9.0.1"),
        expect.stringMatching(/^a\.test at 10\.9\.0\.1 is allowed at no port: /),
      ],
      [
        reach.name("a.bad.test"),
        expect.stringMatching(
          /^a\.bad\.test is allowed at no port: .+ is denied by rule "no" \(\*\.bad\.test\)$/,
        ),
      ],
      [reach.address("fd00::1"), "no connect rule allows fd00::1 at any port"],
    ];
    for (const [{ reason }, sentence] of verdicts) expect(reason).toEqual(sentence);
  });
});
