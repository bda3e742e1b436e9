// What becomes of a connection whose name's lookup answers in one way or another, and what the audit log has of it.

import { Closed, ConnectRequest, Errno, type Refusal } from "@ringway/control";
import { describe, expect, test } from "vitest";
import type { Relay } from "../src/guests/relay.ts";
import type { Stream } from "../src/guests/stream.ts";
import type { Answer } from "../src/names/resolver.ts";
import { PolicyMatcher, parsePolicy } from "../src/policy/index.ts";
import { KnownNames } from "../src/policy/known-names.ts";
import { OwnPorts } from "../src/policy/own-ports.ts";
import { type AuditedDenial, isDenial, refusal } from "../src/policy/refusal.ts";
import type { RelayHost } from "../src/relays/host.ts";
import { TCP_CONNECT } from "../src/relays/tcp-connect.ts";
import { HostSurroundings } from "../src/thread/host-surroundings.ts";

/** A guest that asks for `a.example:443`. It gets no socket, so no address that is allowed answers. */
class Asking {
  /** What it is refused with. */
  readonly refusals: Refusal[] = [];
  /** What the audit log has. */
  readonly lines: AuditedDenial[] = [];
  #relay: Relay | undefined;
  #tell: (answer: Answer) => void = () => {};
  #timeIsOver: () => void = () => {};

  constructor(host = "a.example", allow = "'*.example'") {
    const policy = parsePolicy(`version: 1\nconnect: [{ allow: ${allow} }]`, { file: "/policy.yaml" });
    const matcher = new PolicyMatcher(policy);
    const ownPorts = new OwnPorts([], new HostSurroundings());
    const body = ConnectRequest.encode({ host, port: 443, timeoutMs: 0 });
    const published = undefined as never;
    const rules = { matcher, ownPorts, published, names: new KnownNames(), tenant: undefined };
    const judged = TCP_CONNECT.judge(rules, body);
    TCP_CONNECT.open(this.#host(ownPorts), this.#stream(policy, matcher), 1, judged);
  }

  #stream(policy: unknown, matcher: PolicyMatcher): Stream {
    const budget = {
      takeAttempt: () => refusal(Errno.EMFILE, "no socket"),
      takeWork: () => {},
      giveWork: () => {},
    };
    const reports = { audit: (line: AuditedDenial) => this.lines.push(line) };
    return {
      guest: { name: "guest-1", account: { key: "uid:1" }, policy: { policy, matcher }, budget, reports },
      pipe: { toHost: { peerClosed: () => Closed.RESET } },
      become: (next: Relay) => {
        this.#relay = next;
      },
      perform: (work: () => void) => work(),
      reset: () => this.#relay!.dispose(),
      refuse: (_requestId: number, refused: Refusal) => {
        if (isDenial(refused)) this.lines.push(refused);
        this.refusals.push(refused);
        this.#relay!.dispose();
      },
    } as unknown as Stream;
  }

  #host(ownPorts: OwnPorts): RelayHost {
    return {
      ownPorts,
      reactor: {
        after: (_delayMs: number, callback: () => void) => {
          this.#timeIsOver = callback;
          return {};
        },
        cancel: () => {},
      },
      lookups: {
        start: (_key: string, _name: string, _timeoutMs: number, answered: (answer: Answer) => void) => {
          this.#tell = answered;
          return 1;
        },
        cancel: () => {},
      },
    } as unknown as RelayHost;
  }

  /** The lookup answers, and has ended with the last of these answers. */
  answers(...parts: readonly (readonly string[])[]): this {
    for (const [at, addresses] of parts.entries())
      this.#tell({ addresses, errno: 0, ended: at === parts.length - 1 });
    return this;
  }

  /** The lookup goes on. */
  answersEarly(...addresses: readonly string[]): this {
    this.#tell({ addresses, errno: 0, ended: false });
    return this;
  }

  timeIsOver(): this {
    this.#timeIsOver();
    return this;
  }

  /** As the guest's RESET makes the stream do. */
  reset(): this {
    this.#relay!.step();
    return this;
  }

  /** Its guest is gone. */
  gone(): this {
    this.#relay!.dispose();
    return this;
  }
}

test("a lookup that ends without an address and without an error is a name that does not exist", () => {
  expect(new Asking().answers([]).refusals).toEqual([
    { errno: Errno.ENOENT, rule: "", reason: "a.example: the name does not exist" },
  ]);
});

test("addresses that are denied early are the reason when the lookup ends with no others", () => {
  const { refusals, lines } = new Asking().answersEarly("10.0.0.1").answers([]);
  expect(refusals).toMatchObject([{ errno: Errno.EACCES, rule: "not-public" }]);
  expect(lines).toHaveLength(1);
});

describe("an address that was denied has its line when the stream ends before the lookup:", () => {
  test("by the time limit, of which the denial is the reason", () => {
    const { refusals, lines } = new Asking().answersEarly("10.0.0.1").timeIsOver();
    expect(refusals).toMatchObject([{ errno: Errno.EACCES, rule: "not-public" }]);
    expect(lines).toMatchObject([{ what: "a.example:443", rule: "not-public" }]);
  });

  test("by the guest's reset", () => {
    const { refusals, lines } = new Asking().answersEarly("10.0.0.1").reset();
    expect(refusals).toEqual([]);
    expect(lines).toMatchObject([{ rule: "not-public" }]);
  });

  test("with its guest", () => {
    expect(new Asking().answersEarly("10.0.0.1").gone().lines).toHaveLength(1);
  });
});

test("a time limit that is over before any address is denied has no line", () => {
  const { refusals, lines } = new Asking().timeIsOver();
  expect(refusals).toMatchObject([{ errno: Errno.ETIMEDOUT, rule: "" }]);
  expect(lines).toEqual([]);
});

const FOUR = "93.184.216.34";
const [SIX, TEN, OTHER] = ["fd00::1", "10.0.0.1", "10.0.0.2"] as const;

describe("one Open has one line, however the addresses of its name come:", () => {
  test.each<readonly (readonly string[])[]>([
    [[SIX, FOUR]],
    [[FOUR, SIX]],
    [[SIX], [FOUR]],
    [[FOUR], [SIX]],
    [[SIX], [FOUR], []],
    [[FOUR], [SIX], []],
    [[FOUR, TEN], [SIX]],
    [[SIX], [FOUR, TEN]],
    [
      [SIX, TEN],
      [FOUR, OTHER],
    ],
    [[FOUR, TEN], [OTHER], [SIX]],
    [[TEN, OTHER], [SIX]],
    [[SIX], [TEN, OTHER], []],
  ])("%j %j %j", (...parts) => {
    const { lines } = new Asking().answers(...parts.filter((part) => part !== undefined));
    expect(lines.map(({ rule }) => rule)).toEqual(["not-public"]);
    // The first that came and was denied.
    const first = parts.flat().find((address) => address !== FOUR)!;
    expect(lines[0]!.reason).toContain(first);
  });
});

describe("localhost, by rules for its addresses, has a line only where none is allowed:", () => {
  test.each<readonly [readonly (readonly string[])[], number]>([
    [[["::1", "127.0.0.1"]], 0],
    [[["127.0.0.1"], ["::1"]], 0],
    [[["::1"], ["127.0.0.1"]], 0],
    [[["::1"], []], 1],
  ])("%j", (parts, count) => {
    expect(new Asking("localhost", "127.0.0.1").answers(...parts).lines).toHaveLength(count);
  });
});
