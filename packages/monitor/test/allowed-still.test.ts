// What was opened is judged again by another policy, as what it was granted as: not as what else its Open stands for.

import { ConnectRequest, inet, Protocol, udpMessages } from "@ringway/control";
import { expect, test } from "vitest";
import type { PolicyState } from "../src/policy/in-force.ts";
import { PolicyMatcher, parsePolicy } from "../src/policy/index.ts";
import { KnownNames } from "../src/policy/known-names.ts";
import { OwnPorts } from "../src/policy/own-ports.ts";
import type { RelayHost } from "../src/relays/host.ts";
import type { PublishedPorts } from "../src/relays/published.ts";
import { PROTOCOLS, Protocols } from "../src/relays/table.ts";
import { HostSurroundings } from "../src/thread/host-surroundings.ts";

const ownPorts = new OwnPorts([], new HostSurroundings());
const published = { has: () => false } as unknown as PublishedPorts;
const protocols = new Protocols({ ownPorts, published } as unknown as RelayHost);
const { TCP_CONNECT, UDP_BIND, UDP_CONNECT } = Protocol;

const matcherOf = (yaml: string): PolicyMatcher =>
  new PolicyMatcher(parsePolicy(`version: 1\n${yaml}`, { file: "/policy.yaml" }));

/** What it is granted as by one policy, and whether that is allowed still by the others. */
function judged(protocol: number, body: Uint8Array, granted: string, names: KnownNames, ...later: string[]) {
  const { decision, as } = PROTOCOLS.get(protocol)!.judge(
    { matcher: matcherOf(granted), ownPorts, published, names, tenant: undefined },
    body,
  );
  expect(decision).toMatchObject({ allowed: true });
  const isAllowed = (yaml: string): boolean => {
    const policy = { matcher: matcherOf(yaml) } as PolicyState;
    const guest = { policy, names: new KnownNames(), tenant: undefined };
    return protocols.allowsStill(guest, protocol, { body, as }, undefined);
  };
  return later.map(isAllowed);
}

const LISTENS = "listen: [{ allow: 0.0.0.0, ports: 0, protocols: udp }]";
const SENDS = "connect: [{ allow: 10.1.2.3, ports: 53, protocols: udp }]";

test("a UDP socket to which anybody might send is none of a client's own; one of those may be either", () => {
  const body = udpMessages.UdpBindRequest.encode({ flags: 0, address: inet(new Uint8Array(4), 0) });
  const none = new KnownNames();
  expect(judged(UDP_BIND, body, LISTENS, none, LISTENS, SENDS)).toEqual([true, false]);
  expect(judged(UDP_BIND, body, SENDS, none, LISTENS, SENDS, "connect: []")).toEqual([true, true, false]);
});

test.each([
  [TCP_CONNECT, "tcp"],
  [UDP_CONNECT, "udp"],
])(
  "an address that was allowed as a name is that name, when what was told has expired (%#)",
  (protocol, over) => {
    const names = new KnownNames();
    names.tell("a.example", "93.184.216.34", performance.now() + 60_000);
    const body = ConnectRequest.encode({ host: "93.184.216.34", port: 443, timeoutMs: 0 });
    const allow = (name: string): string => `connect: [{ allow: ${name}, protocols: ${over} }]`;
    const later = [allow("a.example"), allow("b.example"), allow("93.184.216.34")];
    expect(judged(protocol, body, allow("a.example"), names, ...later)).toEqual([true, false, true]);
  },
);
