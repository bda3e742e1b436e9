// What a run learns of what was refused: a policy to paste.

import { Protocol, protocolName } from "@ringway/control";
import { expect, test } from "vitest";
import { Learned } from "../src/learn/learned.ts";
import { RefusalLines } from "../src/run/refusals.ts";

test("what was refused of TCP and of UDP is one rule for each host, with the protocols that were asked for", () => {
  const learned = new Learned({});
  const [tcp, udp] = [Protocol.TCP_CONNECT, Protocol.UDP_CONNECT].map(protocolName);
  for (const [protocol, what] of [
    [tcp, "example.com:443"],
    [udp, "192.0.2.1:53"],
    [tcp, "192.0.2.1:53"],
    [udp, "[2001:db8::1]:123"],
  ]) {
    learned.add({ protocol: protocol!, what: what!, rule: "default" });
  }
  // A rule denies it: nothing is to be learned.
  learned.add({ protocol: udp!, what: "192.0.2.9:53", rule: "no-dns" });
  expect(learned.toString()).toBe(`version: 1
connect:
  - { allow: example.com, ports: 443 }
  - { allow: 192.0.2.1, ports: 53, protocols: [tcp, udp] }
  - { allow: "2001:db8::1", ports: 123, protocols: [udp] }
`);
});

test("a name of the policy's own is allowed at its addresses, whichever rule has refused it", () => {
  const learned = new Learned({ "host.ringway": ["127.0.0.1", "::1"], "db.internal": ["10.1.2.3"] });
  learned.add({ protocol: protocolName(Protocol.TCP_CONNECT), what: "host.ringway:80", rule: "default" });
  learned.add({ protocol: protocolName(Protocol.TCP_CONNECT), what: "db.internal:5432", rule: "not-public" });
  // Of others that are not at public addresses nothing is learned.
  learned.add({ protocol: protocolName(Protocol.TCP_CONNECT), what: "constructor:80", rule: "not-public" });
  expect(learned.toString()).toBe(`version: 1
connect:
  - { allow: host.ringway, ports: 80, resolvesTo: [127.0.0.1, "::1"] }
  - { allow: db.internal, ports: 5432, resolvesTo: [10.1.2.3] }
`);
});

test("the name of a program is text: nothing of it turns a line around, nor is obeyed by a terminal", () => {
  const line = "ringway-agent: connect to 192.0.2.1:80, for \u202ex\u001b[2J (pid 7): Permission denied";
  expect(new RefusalLines(false).ofAgent(line)).toBe(
    "ringway: refused, for \\u{202e}x\\u{1b}[2J: 192.0.2.1:80\n",
  );
});

test("what is told is bounded, and that there is more is said", () => {
  const lines = new RefusalLines(false);
  const told = Array.from({ length: 10_002 }, (_, i) => lines.ofDenial({ reason: `no ${i}`, rule: "no" }));
  expect(told.filter((line) => line !== undefined)).toHaveLength(10_001);
  expect(told.slice(-3)).toEqual([
    "ringway: refused: no 9999\n",
    "ringway: more is refused than is told here\n",
    undefined,
  ]);
});

test("the peer of a bound socket is to be connected to, whichever way it was refused", () => {
  const learned = new Learned({});
  const reasons = [
    "no connect rule allows UDP to 192.0.2.9:53",
    "sending datagrams to 192.0.2.8:53 is refused: ...",
  ];
  for (const [i, reason] of reasons.entries())
    learned.add({
      protocol: protocolName(Protocol.UDP_BIND),
      what: `192.0.2.${9 - i}:53`,
      rule: "default",
      reason,
    });
  expect(learned.listen.isEmpty).toBe(true);
  expect(learned.connect.has("192.0.2.8") && learned.connect.has("192.0.2.9")).toBe(true);
});

test("a name that was looked up, and nothing else, is a comment: at no port is it allowed", () => {
  const learned = new Learned({});
  learned.add({ protocol: protocolName(Protocol.RESOLVE), what: "c.example", rule: "default" });
  expect(learned.toString()).toBe(
    "version: 1\nconnect: []\n  # c.example: its name was looked up, and nothing else\n",
  );
});
