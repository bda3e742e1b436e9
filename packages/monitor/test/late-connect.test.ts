// A worker connects to a Unix socket, and its stream has ended meanwhile: time was over, or the guest has given it up.

import { openSync } from "node:fs";
import { Closed, Errno, type Refusal, unixMessages } from "@ringway/control";
import { expect, test } from "vitest";
import type { DiskResult } from "../src/disk/operations.ts";
import type { Relay } from "../src/guests/relay.ts";
import type { Stream } from "../src/guests/stream.ts";
import { PolicyMatcher, parsePolicy } from "../src/policy/index.ts";
import type { RelayHost } from "../src/relays/host.ts";
import { UNIX_CONNECT } from "../src/relays/unix-connect.ts";

const POLICY =
  "version: 1\nsockets: [{ id: server, guest: /run/server, host: /srv/server, access: connect }]";
const noop = (): void => {};

test.each(["time over", "given up"])("%s: its flow has ended only when the worker has", (why) => {
  const told: string[] = [];
  const policy = parsePolicy(POLICY, { file: "/policy.yaml" });
  const matcher = new PolicyMatcher(policy);
  const folders = { tree: 1, socketFolder: () => ({ fd: 3, reason: "" }) };
  const guest = {
    name: "guest-1",
    policy: { policy, matcher, folders, retain: noop, release: noop },
    account: { retain: noop, release: noop, sockets: { partings: 0 } },
    budget: new Proxy({}, { get: () => () => undefined }),
    share: { perform: (work: () => void) => work() },
  };
  let relay!: Relay;
  let answer!: (result: DiskResult) => void;
  let timeOver = noop;
  const stream = {
    guest,
    pipe: { toHost: { peerClosed: () => Closed.RESET } },
    become: (it: Relay) => {
      relay = it;
    },
    guard: (work: () => void) => work(),
    perform: (work: () => void) => work(),
    working: () => told.push("working"),
    worked: () => told.push("worked"),
    openedLate: () => told.push("opened"),
    reset: () => {
      told.push("ended");
      relay.dispose();
    },
    refuse: (_: number, { errno }: Refusal) => {
      expect(errno).toBe(Errno.ETIMEDOUT);
      told.push("ended");
      relay.dispose();
    },
  } as unknown as Stream;
  const host = {
    counters: { add: noop },
    ownSockets: { now: [] },
    reactor: { after: (_: number, callback: () => void) => (timeOver = callback), cancel: noop },
    disk: {
      submit: (_key: object, _operation: object, _rate: object, done: typeof answer) => {
        answer = done;
      },
      // A worker has begun it.
      cancel: () => false,
    },
  } as unknown as RelayHost;
  const { UnixConnectRequest, UnixKind } = unixMessages;
  const body = UnixConnectRequest.encode({ kind: UnixKind.STREAM, timeoutMs: 0, path: "/run/server" });
  const none = undefined as never;
  const rules = { matcher, ownPorts: none, published: none, names: none, tenant: undefined };
  const asked = UNIX_CONNECT.judge(rules, body);
  UNIX_CONNECT.open(host, stream, 1, asked);
  if (why === "time over") timeOver();
  else relay.step();
  answer({ errno: 0, value: openSync("/dev/null", "r") } as DiskResult);
  expect(told).toEqual(["working", "ended", "opened", "worked"]);
});
