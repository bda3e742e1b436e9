// Open and Explain of every protocol: they ask the same judge, so what one says the other does (CTL-7).

import {
  ConnectRequest,
  Errno,
  fileMessages,
  inet,
  ListenRequest,
  mountMessages,
  Open,
  Protocol,
  ProtocolError,
  protocolName,
  type Refusal,
  udpMessages,
  unixMessages,
} from "@ringway/control";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Stream } from "../src/guests/stream.ts";
import type { PolicyState } from "../src/policy/in-force.ts";
import { PolicyMatcher, parsePolicy } from "../src/policy/index.ts";
import { KnownNames } from "../src/policy/known-names.ts";
import { OwnPorts } from "../src/policy/own-ports.ts";
import { isDenial } from "../src/policy/refusal.ts";
import type { RelayHost } from "../src/relays/host.ts";
import { OpeningRelay } from "../src/relays/opening.ts";
import type { ProtocolEntry } from "../src/relays/protocol.ts";
import { PROTOCOLS, Protocols } from "../src/relays/table.ts";
import { HostSurroundings } from "../src/thread/host-surroundings.ts";

const OWN_PORT = 9229;

const policies = [
  ["version: 1"],
  [
    "version: 1",
    "connect:",
    "  - { id: no, deny: ['10.1.0.0/16', 'bad.example'] }",
    "  - { id: yes, allow: ['10.0.0.0/8', '*.example', '127.0.0.1'], ports: [80, 443, 9229], protocols: [tcp, udp] }",
    "listen:",
    "  - { id: here, allow: 127.0.0.1, ports: 8000-8100, protocols: [tcp, udp] }",
    "files:",
    "  - { id: doc, guest: /data/doc, host: /usr/share/doc, access: ro }",
    "  - { id: data, guest: /data, host: /srv/data, access: rw }",
    "sockets:",
    "  - { id: agent, guest: /run/a, host: /run/agent, access: connect }",
    "  - { id: app, guest: /run/b, host: /run/app, access: listen }",
  ],
].map((lines) => new PolicyMatcher(parsePolicy(lines.join("\n"), { file: "/etc/ringway/policy.yaml" })));

const host = {
  ownPorts: new OwnPorts([OWN_PORT], new HostSurroundings()),
  published: { has: () => false },
} as unknown as RelayHost;

type Outcome = "opened" | Refusal;

/** What an Open with this body ends in, before anything of the host's exists for it. */
function open(matcher: PolicyMatcher, protocol: number, body: Uint8Array): Outcome {
  let outcome: Outcome | undefined;
  const opens = ({ judge }: ProtocolEntry<unknown>): ProtocolEntry<unknown> => ({
    judge,
    open() {
      outcome = "opened";
    },
  });
  const entries = new Map([...PROTOCOLS].map(([number, entry]) => [number, opens(entry)]));
  const frame = { type: Open.type, requestId: 7, payload: Open.encode({ protocol, body }) };
  const stream = {
    pipe: { toHost: { peerClosed: () => 0 } },
    guest: {
      name: "guest-1",
      policy: { matcher },
      names: new KnownNames(),
      budget: { network: { limited: false } },
    },
    frames: () => ({ next: () => frame }),
    signaller: () => () => {},
    beginOpen: () => undefined,
    keepOpen: () => {},
    refuse(requestId: number, refusal: Refusal) {
      expect(requestId).toBe(7);
      outcome = refusal;
    },
  } as unknown as Stream;
  new OpeningRelay(host, entries, stream).step();
  return outcome!;
}

function explain(matcher: PolicyMatcher, protocol: number, body: Uint8Array) {
  return new Protocols(host).explain(
    { policy: { matcher } as PolicyState, names: new KnownNames(), tenant: undefined },
    protocol,
    body,
  );
}

const { FileDirection, FileFlags, FileOpen, FileStreamOpen } = fileMessages;
const ports = fc.constantFrom(0, 80, 443, 8000, OWN_PORT, 65_535);
const hosts = fc.constantFrom(
  ...["10.0.0.1", "10.1.0.1", "::ffff:10.0.0.1", "127.0.0.1", "0.0.0.0", "::1", "[::1]", "10.1"],
  ...["a.example", "A.EXAMPLE.", "bad.example", "localhost", "elsewhere.test", "", "a..b", "x y"],
);
const paths = fc.constantFrom(
  ...["/", "/data", "/data/", "/data/x", "/data/doc/x", "/data/../etc/passwd", "/etc/passwd", "data/x", ""],
);
const sizes = fc.constantFrom(0, 1, 4096);
const sockets = fc.constantFrom(
  "/run/a",
  "/run//a",
  "/run/b",
  "/run/c",
  "/run/a/",
  "/run/../run/a",
  "run/a",
  "/",
);

const bodies: Readonly<Record<number, fc.Arbitrary<Uint8Array>>> = {
  [Protocol.ECHO]: fc.constant(new Uint8Array(0)),
  [Protocol.FS]: fc.constant(new Uint8Array(0)),
  [Protocol.RESOLVE]: fc.constant(new Uint8Array(0)),
  [Protocol.TCP_CONNECT]: fc
    .record({ port: ports, timeoutMs: sizes, host: hosts })
    .map((request) => ConnectRequest.encode(request)),
  [Protocol.TCP_LISTEN]: fc
    .record({
      port: ports,
      address: fc.constantFrom([127, 0, 0, 1], [0, 0, 0, 0], [10, 0, 0, 1], Array<number>(16).fill(0)),
    })
    .map(({ port, address }) => {
      const family = address.length === 4 ? 4 : 6;
      return ListenRequest.encode({
        backlog: 0,
        address: { family, port, address: Uint8Array.from(address) },
      });
    }),
  [Protocol.UDP_CONNECT]: fc
    .record({ port: ports, timeoutMs: sizes, host: hosts })
    .map((request) => ConnectRequest.encode(request)),
  [Protocol.UDP_BIND]: fc
    .record({
      port: ports,
      flags: fc.constantFrom(0, 0, 0, 1, 2, 4),
      address: fc.constantFrom([127, 0, 0, 1], [0, 0, 0, 0], [10, 0, 0, 1], Array<number>(16).fill(0)),
    })
    .map(({ flags, port, address }) =>
      udpMessages.UdpBindRequest.encode({ flags, address: inet(Uint8Array.from(address), port) }),
    ),
  [Protocol.UNIX_CONNECT]: fc
    .record({ kind: fc.nat(3), timeoutMs: sizes, path: sockets })
    .map((request) => unixMessages.UnixConnectRequest.encode(request)),
  [Protocol.UNIX_LISTEN]: fc
    .record({ kind: fc.nat(3), mode: fc.constantFrom(0o600, 0o1777), backlog: sizes, path: sockets })
    .map((request) => unixMessages.UnixListenRequest.encode(request)),
  [Protocol.FILE]: fc
    .record({ flags: fc.nat(127), mode: fc.constantFrom(0o644, 0o4755), path: paths })
    .map((request) => FileOpen.encode(request)),
  [Protocol.FILE_STREAM]: fc
    .record({
      flags: fc.oneof(fc.constantFrom(FileFlags.READ, FileFlags.WRITE), fc.nat(127)),
      mode: fc.constantFrom(0o644, 0o4755),
      direction: fc.constantFrom(FileDirection.READ, FileDirection.WRITE, 3),
      offset: sizes,
      length: sizes,
      path: paths,
    })
    .map((request) => FileStreamOpen.encode(request)),
  [Protocol.MOUNT]: paths.map((path) => mountMessages.MountRequest.encode({ path: Buffer.from(path) })),
};

/** Those whose Open can make no sense, whatever the policy says. */
const { FILE, FILE_STREAM, MOUNT, UDP_BIND, UNIX_CONNECT, UNIX_LISTEN } = Protocol;
const WITH_MISTAKES: readonly number[] = [FILE, FILE_STREAM, MOUNT, UDP_BIND, UNIX_CONNECT, UNIX_LISTEN];

describe.each(Object.entries(Protocol).filter(([, protocol]) => PROTOCOLS.has(protocol)))(
  "%s",
  (_name, protocol) => {
    it("is opened where Explain says that it is allowed, and refused by the same rule with the same reason where not", () => {
      let allowed = 0;
      fc.assert(
        fc.property(fc.constantFrom(...policies), bodies[protocol]!, (matcher, body) => {
          const said = explain(matcher, protocol, body);
          const outcome = open(matcher, protocol, body);
          if (outcome === "opened") {
            allowed++;
            expect(said.allowed).toBe(true);
          } else if (isDenial(outcome)) {
            const { rule, reason, errno } = outcome;
            expect(outcome.protocol).toBe(protocolName(protocol));
            expect(said).toMatchObject({ allowed: false, rule, reason, errno });
          } else {
            // Of what makes no sense with any path, Explain says what the policy says of the path.
            expect(WITH_MISTAKES).toContain(protocol);
            expect(outcome).toMatchObject({ errno: Errno.EINVAL, rule: "" });
          }
        }),
        { numRuns: 2000 },
      );
      expect(allowed).toBeGreaterThan(0);
    });

    it("takes a body that is a violation in an Open for one in Explain", () => {
      fc.assert(
        fc.property(bodies[protocol]!, fc.uint8Array({ minLength: 1, maxLength: 40 }), (body, more) => {
          for (const wrong of [more, body.subarray(0, -1), Uint8Array.of(...body, ...more)]) {
            const outcomes = [open, explain].map((ask) => {
              try {
                ask(policies[1]!, protocol, wrong);
                return "taken";
              } catch (error) {
                expect(error).toBeInstanceOf(ProtocolError);
                return (error as ProtocolError).message;
              }
            });
            expect(outcomes[1]).toBe(outcomes[0]);
          }
        }),
      );
    });
  },
);

it("a protocol that the host lacks is not allowed, and refused without an audit line", () => {
  const [matcher] = policies;
  const outcome = open(matcher!, 4711, Uint8Array.of(1, 2, 3));
  expect(outcome).toMatchObject({ errno: Errno.EPROTONOSUPPORT, rule: "" });
  expect(isDenial(outcome as Refusal)).toBe(false);
  const { reason } = outcome as Refusal;
  expect(explain(matcher!, 4711, Uint8Array.of(1, 2, 3))).toMatchObject({ allowed: false, rule: "", reason });
});
