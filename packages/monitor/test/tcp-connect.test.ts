// What becomes of a connection whose name's lookup answers in one way or another.

import { ConnectRequest, Errno, type Refusal } from "@ringway/control";
import { expect, test } from "vitest";
import type { Relay } from "../src/guests/relay.ts";
import type { Stream } from "../src/guests/stream.ts";
import type { Answer } from "../src/names/resolver.ts";
import { PolicyMatcher, parsePolicy } from "../src/policy/index.ts";
import { OwnPorts } from "../src/policy/own-ports.ts";
import type { RelayHost } from "../src/relays/host.ts";
import { TCP_CONNECT } from "../src/relays/tcp-connect.ts";
import { HostSurroundings } from "../src/thread/host-surroundings.ts";

/** What a guest that asks for `a.example:443` is refused with when its lookup has answered. */
function refusedAfter(...answers: Answer[]): Refusal[] {
  const policy = parsePolicy("version: 1\nconnect: [{ allow: '*.example' }]", { file: "/policy.yaml" });
  const matcher = new PolicyMatcher(policy);
  const ownPorts = new OwnPorts([], new HostSurroundings());
  const body = ConnectRequest.encode({ host: "a.example", port: 443, timeoutMs: 0 });
  const refusals: Refusal[] = [];
  let relay: Relay | undefined;
  const stream = {
    guest: { name: "guest-1", account: { key: "uid:1" }, policy: { policy, matcher } },
    become: (next: Relay) => {
      relay = next;
    },
    perform: (work: () => void) => work(),
    refuse(_requestId: number, refusal: Refusal) {
      refusals.push(refusal);
      relay!.dispose();
    },
  } as unknown as Stream;
  let tell: (answer: Answer) => void = () => {};
  const host = {
    ownPorts,
    reactor: { after: () => ({}), cancel: () => {} },
    lookups: {
      start: (_key: string, _name: string, _timeoutMs: number, answered: typeof tell) => {
        tell = answered;
        return 1;
      },
    },
  } as unknown as RelayHost;
  TCP_CONNECT.open(host, stream, 1, TCP_CONNECT.judge({ matcher, ownPorts }, body));
  for (const answer of answers) tell(answer);
  return refusals;
}

test("a lookup that ends without an address and without an error is a name that does not exist", () => {
  expect(refusedAfter({ addresses: [], errno: 0, ended: true })).toEqual([
    { errno: Errno.ENOENT, rule: "", reason: "a.example: the name does not exist" },
  ]);
});

test("addresses that are denied early are the reason when the lookup ends with no others", () => {
  const early = { addresses: ["10.0.0.1"], errno: 0, ended: false };
  expect(refusedAfter(early, { addresses: [], errno: 0, ended: true })).toMatchObject([
    { errno: Errno.EACCES, rule: "not-public" },
  ]);
});
