// resolve, on the wire (PROTOCOL.md section 17): what is asked of a name server and what is not, what is told of its
// answers, and what a guest may do with that. The name server is the test's own, and counts what it is asked.

import { Closed, formatIp, inet, Ping, Protocol, parseIp, resolveMessages } from "@ringway/control";
import { Errno } from "@ringway/linux";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { FileGuest as FrameGuest, type RawStream } from "../files/wire.ts";
import { Declined, failureOf } from "../support/declined.ts";
import { type NameServer, nameServer } from "../support/dns.ts";
import { heldForAll } from "../support/held.ts";
import { startMonitor, streamsAre, type TestMonitor } from "../support/monitor.ts";
import { StreamGone } from "../support/raw-guest.ts";
import { echoServer } from "../support/tcp.ts";
import { until } from "../support/wait.ts";

const { Addresses, Names, Resolve, Reverse } = resolveMessages;

const RULES = `version: 1
connect:
  - { id: never, deny: "no.test" }
  - { id: by-name, allow: "*.test", ports: [80, 1024-65535], resolvesTo: [127.0.0.0/8, "::1"] }
  - { id: one-port, allow: one.example, ports: 443 }
  - { id: net, allow: 10.1.0.0/16, ports: 22 }
timeouts: { resolveMs: 400 }
hosts: { fixed.test: [127.0.0.9, 10.9.9.9], other.example: 10.1.0.1 }
`;

const hold = heldForAll();
let dns: NameServer;
let host: TestMonitor;
let guest: FrameGuest;
let stream: RawStream;

beforeAll(async () => {
  dns = hold(await nameServer());
  host = hold(await startMonitor(RULES, { names: dns.names }));
  guest = hold(await FrameGuest.attach(host.path));
  stream = await opened(guest);
});
beforeEach(() => {
  dns.asked.length = 0;
  host.refusals.length = 0;
});

async function opened(by: FrameGuest, ringBytes = 65536): Promise<RawStream> {
  return (await by.open(Protocol.RESOLVE, new Uint8Array(0), ringBytes))[0];
}

async function addresses(name: string, family = 0): Promise<string[]> {
  const reply = await stream.call(Resolve, { family, name }, Addresses);
  for (const { port } of reply.addresses) expect(port).toBe(0);
  return reply.addresses.map(({ address }) => formatIp(address));
}

const names = async (address: string): Promise<readonly string[]> =>
  (await stream.call(Reverse, { address: inet(parseIp(address)!, 0) }, Names)).names;

async function refusal(work: Promise<unknown>): Promise<Declined> {
  const failure = await failureOf(work);
  expect(failure).toBeInstanceOf(Declined);
  return failure!;
}

describe("a name", () => {
  test("has the addresses that the name server says, IPv6 and IPv4 by turns, and each once (RSL-2)", async () => {
    dns.zone.set("many.test", ["127.0.0.1", "127.0.0.2", "127.0.0.1", "::1"]);
    expect(await addresses("MANY.test.")).toEqual(["::1", "127.0.0.1", "127.0.0.2"]);
  });

  test("is asked for in one family alone, where one is wanted", async () => {
    dns.zone.set("both.test", ["127.0.0.1", "::1"]);
    expect(await addresses("both.test", 4)).toEqual(["127.0.0.1"]);
    expect(dns.asked).toEqual(["both.test"]);
    expect(await addresses("both.test", 6)).toEqual(["::1"]);
    dns.zone.set("four.test", ["127.0.0.1"]);
    expect(await refusal(addresses("four.test", 6))).toMatchObject({ errno: Errno.ENOENT, rule: "" });
  });

  test("holds for as long as the shortest of its answers", async () => {
    dns.zone.set("timed.test", ["127.0.0.1"]);
    dns.ttls.set("timed.test", 77);
    const reply = await stream.call(Resolve, { family: 0, name: "timed.test" }, Addresses);
    expect(reply.ttlSeconds).toBe(77);
    dns.zone.set("fleeting.test", ["127.0.0.1"]);
    const fleeting = await stream.call(Resolve, { family: 4, name: "fleeting.test" }, Addresses);
    expect(fleeting.ttlSeconds).toBe(0);
  });

  test("that the policy gives addresses has these, judged as any, and nobody is asked", async () => {
    expect(await addresses("fixed.test")).toEqual(["127.0.0.9"]);
    expect(await addresses("other.example")).toEqual(["10.1.0.1"]);
    expect(await refusal(addresses("host.ringway"))).toMatchObject({ errno: Errno.EACCES, rule: "default" });
    expect(dns.asked).toEqual([]);
  });

  test.each([
    ["nowhere.test", "nxdomain", Errno.ENOENT],
    ["broken.test", "servfail", Errno.EAGAIN],
    ["mute.test", "silence", Errno.ETIMEDOUT],
  ] as const)("%s is told by its errno (RSL-6)", async (name, answer, errno) => {
    dns.zone.set(name, answer);
    expect(await refusal(addresses(name))).toMatchObject({ errno, rule: "" });
  });
});

describe("no packet leaves (RSL-4)", () => {
  test.each([
    ["secret.evil.example", "default"],
    ["no.test", "never"],
    ["a.no.test.evil.example", "default"],
  ])("for %s, which no rule allows at any port; one line in the audit log says so", async (name, rule) => {
    dns.zone.set(name, ["127.0.0.1"]);
    const denied = await refusal(addresses(name));
    expect(denied).toMatchObject({ errno: Errno.EACCES, rule });
    await until("the line", () => host.refusals.length > 0);
    expect(host.refusals).toMatchObject([{ protocol: "resolve", what: name, rule, errno: Errno.EACCES }]);
    expect(dns.asked).toEqual([]);
  });

  test("for an address that no rule allows", async () => {
    expect(await refusal(names("8.8.8.8"))).toMatchObject({ errno: Errno.EACCES, rule: "default" });
    expect(await refusal(names("2600::1"))).toMatchObject({ errno: Errno.EACCES, rule: "default" });
    expect(dns.asked).toEqual([]);
  });

  test.each([
    ["a family that is none", { family: 5, name: "a.test" }],
    ["an address", { family: 0, name: "127.0.0.1" }],
    ["no name", { family: 0, name: "" }],
    ["an empty label", { family: 0, name: "a..test" }],
    ["what reads as an address", { family: 0, name: "127.1" }],
    ["foreign letters", { family: 0, name: "b\u00fccher.test" }],
  ])("for %s: EINVAL", async (_, request) => {
    expect(await refusal(stream.call(Resolve, request, Addresses))).toMatchObject({ errno: Errno.EINVAL });
    expect(dns.asked).toEqual([]);
  });

  test("for an address with a port: EINVAL", async () => {
    const address = inet(Uint8Array.of(10, 1, 0, 1), 22);
    expect(await refusal(stream.call(Reverse, { address }, Names))).toMatchObject({ errno: Errno.EINVAL });
  });
});

describe("answers are judged (RSL-4)", () => {
  test("what no port may have is left out, counted, and in the audit log once", async () => {
    dns.zone.set("mixed.test", ["10.0.0.1", "127.0.0.1", "192.168.0.1", "fd00::1"]);
    const before = host.monitor.counters().addressesLeftOut;
    expect(await addresses("mixed.test")).toEqual(["127.0.0.1"]);
    expect(host.monitor.counters().addressesLeftOut - before).toBe(3);
    await until("the line", () => host.refusals.length > 0);
    expect(host.refusals).toMatchObject([{ protocol: "resolve", what: "mixed.test", rule: "not-public" }]);
  });

  test("of a name that the host gives addresses those that are left out have no line, unless nothing is left", async () => {
    const rules =
      "version: 1\nconnect: [{ id: db, allow: 127.0.0.1, ports: 5432 }]\nhosts: { far.example: 10.9.9.9 }\n";
    const own = hold(await startMonitor(rules, { names: dns.names }));
    using asking = await FrameGuest.attach(own.path);
    const asked = await opened(asking);
    const reply = await asked.call(Resolve, { family: 0, name: "host.ringway" }, Addresses);
    expect(reply.addresses.map(({ address }) => formatIp(address))).toEqual(["127.0.0.1"]);
    expect(own.monitor.counters()).toMatchObject({ addressesLeftOut: 1 });
    expect(await refusal(asked.call(Resolve, { family: 0, name: "far.example" }, Addresses))).toMatchObject({
      rule: "default",
    });
    await until("the line", () => own.refusals.length > 0);
    expect(own.refusals.map(({ what }) => what)).toEqual(["far.example"]);
  });

  test("where nothing is left the name is refused", async () => {
    dns.zone.set("rebound.test", ["10.0.0.1", "169.254.169.254"]);
    expect(await refusal(addresses("rebound.test"))).toMatchObject({
      errno: Errno.EACCES,
      rule: "not-public",
    });
  });

  test("one port that some rule allows is enough", async () => {
    dns.zone.set("ssh.test", ["10.1.0.5", "10.2.0.5"]);
    expect(await refusal(addresses("ssh.test"))).toMatchObject({ errno: Errno.EACCES });
    dns.zone.set("one.example", ["93.184.216.34", "10.0.0.1"]);
    expect(await addresses("one.example")).toEqual(["93.184.216.34"]);
  });
});

describe("an address", () => {
  test("that a rule allows has its names, each once, as names are written (RSL-3)", async () => {
    const pointer = { names: ["Ten.Example", "ten.example", "-bad-.example", "other.example"] };
    dns.zone.set("5.0.1.10.in-addr.arpa", pointer);
    expect(await names("10.1.0.5")).toEqual(["ten.example", "other.example"]);
    expect(dns.asked).toEqual(["5.0.1.10.in-addr.arpa"]);
    expect(await refusal(names("10.1.0.6"))).toMatchObject({ errno: Errno.ENOENT, rule: "" });
  });

  test("with more names than a small ring has room for has as many of the first as fit (RSL-3)", async () => {
    const all = Array.from({ length: 16 }, (_, i) => {
      const labels = [60, 60, 60, 60].map((length) => "n".repeat(length));
      return `${labels.join(".")}${String(i).padStart(2, "0")}.example`;
    });
    dns.zone.set("7.0.1.10.in-addr.arpa", { names: all });
    const small = await opened(guest, 4096);
    const address = inet(parseIp("10.1.0.7")!, 0);
    const told = await small.call(Reverse, { address }, Names);
    expect(told.names).toEqual(all.slice(0, 15));
    guest.finish(small.pipe);
  });

  test("that the guest was told by name has them, too", async () => {
    dns.zone.set("told.test", ["127.0.0.77"]);
    dns.zone.set("77.0.0.127.in-addr.arpa", { names: ["told.test"] });
    expect(await refusal(names("127.0.0.77"))).toMatchObject({ errno: Errno.EACCES });
    await addresses("told.test");
    expect(await names("127.0.0.77")).toEqual(["told.test"]);
  });
});

describe("an address that was told counts as its name (RSL-5)", () => {
  test("for this guest, at the ports that the name may have", async () => {
    await using server = await echoServer("127.0.0.88");
    expect(await refusal(guest.connect("127.0.0.88", server.port))).toMatchObject({ rule: "default" });
    dns.zone.set("known.test", ["127.0.0.88"]);
    await addresses("known.test");
    const { pipe } = await guest.connect("127.0.0.88", server.port);
    guest.finish(pipe);
    expect(await refusal(guest.connect("127.0.0.88", 81))).toMatchObject({ rule: "default" });
    expect(await refusal(guest.connect("127.0.0.89", server.port))).toMatchObject({ rule: "default" });
    using other = await FrameGuest.attach(host.path);
    expect(await refusal(other.connect("127.0.0.88", server.port))).toMatchObject({ rule: "default" });
  });
});

describe("requests", () => {
  test("are answered as they finish, whatever waits (RSL-1)", async () => {
    let answer = (): void => {};
    dns.zone.set("late.test", ["127.0.0.1"]);
    dns.held.set("late.test", new Promise((resolve) => (answer = resolve)));
    dns.zone.set("soon.test", ["127.0.0.2"]);
    const late = await stream.send(Resolve, { family: 4, name: "late.test" });
    const soon = await stream.send(Resolve, { family: 4, name: "soon.test" });
    const denied = await stream.send(Resolve, { family: 4, name: "evil.example" });
    expect((await stream.next()).requestId).toBe(denied);
    expect((await stream.next()).requestId).toBe(soon);
    answer();
    expect((await stream.next()).requestId).toBe(late);
  });

  test("of another type are ENOSYS, and what is malformed ends the stream (FRM-7, STR-8)", async () => {
    const other = await opened(guest);
    expect(await refusal(other.call(Ping, { data: new Uint8Array(0) }, Names))).toMatchObject({
      errno: Errno.ENOSYS,
    });
    other.postBytes(Resolve.type, Uint8Array.of(0, 0, 0, 0, 9, 0, 0, 0));
    await expect(other.next()).rejects.toEqual(new StreamGone(Closed.RESET));
    other.reset();
  });

  test("before END are answered, and then the host ends (RSL-7)", async () => {
    const other = await opened(guest);
    dns.zone.set("last.test", ["127.0.0.1"]);
    const id = await other.send(Resolve, { family: 0, name: "last.test" });
    guest.end(other.pipe);
    expect((await other.reply(Addresses, id)).addresses.length).toBe(1);
    await expect(other.next()).rejects.toEqual(new StreamGone(Closed.END));
    other.let();
  });

  test("that nobody waits for any more leave nothing behind", async () => {
    // `stream` alone: those of the tests before end a moment later.
    await streamsAre(host.monitor, 1);
    dns.zone.set("mute.test", "silence");
    const other = await opened(guest);
    for (let i = 0; i < 20; i++) await other.send(Resolve, { family: 0, name: "mute.test" });
    other.reset();
    await streamsAre(host.monitor, 1);
    dns.zone.set("alive.test", ["127.0.0.1"]);
    expect(await addresses("alive.test")).toEqual(["127.0.0.1"]);
  });

  test("past the limit are ENOBUFS; who reads no replies has none asked any more, and nobody else notices", async () => {
    const small = hold(await startMonitor(`${RULES}limits: { requests: 8 }\n`, { names: dns.names }));
    const greedy = hold(await FrameGuest.attach(small.monitor.attach().fd));
    const good = hold(await FrameGuest.attach(small.monitor.attach().fd));
    dns.zone.set("mute.test", "silence");
    dns.zone.set("alive.test", ["127.0.0.1"]);
    const flood = await opened(greedy);
    const ids: number[] = [];
    for (let i = 0; i < 20; i++) ids.push(await flood.send(Resolve, { family: 0, name: "mute.test" }));
    for (const id of ids.slice(8))
      await expect(flood.reply(Addresses, id)).rejects.toMatchObject({ errno: Errno.ENOBUFS });
    const beside = await opened(good);
    const reply = await beside.call(Resolve, { family: 4, name: "alive.test" }, Addresses);
    expect(reply.addresses.length).toBe(1);
    for (let i = 0; i < 8; i++) expect((await flood.next()).type).toBe(0x8001);
    // Replies that nobody reads: they are the guest's own requests, and end with their stream.
    // What was told to be late ends a moment later.
    const deaf = await until("room for another stream", () => opened(greedy, 4096).catch(() => undefined));
    for (let i = 0; i < 500; i++) {
      if (deaf.pipe.toHost.writable() < 100) break;
      deaf.post(Resolve, { family: 4, name: "alive.test" });
    }
    expect((await beside.call(Resolve, { family: 4, name: "alive.test" }, Addresses)).addresses.length).toBe(
      1,
    );
    deaf.reset();
    const again = await until("room for a third", () => opened(greedy).catch(() => undefined));
    await until("its requests are its own again", async () => {
      const failure = await failureOf(again.call(Resolve, { family: 4, name: "alive.test" }, Addresses));
      return failure === undefined;
    });
    expect(small.monitor.counters().quotaRequests).toBeGreaterThanOrEqual(12);
  });
});

describe("a guest at its rate of lookups", () => {
  test("waits, is refused nothing, and what no rule allows is told at once (LIM-2)", async () => {
    const slow = hold(await startMonitor(`${RULES}rates: { lookups: 5 }\n`, { names: dns.names }));
    using asking = await FrameGuest.attach(slow.path);
    const own = await opened(asking);
    dns.zone.set("alive.test", ["127.0.0.1"]);
    const startMs = performance.now();
    const ids: number[] = [];
    for (let i = 0; i < 12; i++) ids.push(await own.send(Resolve, { family: 4, name: "alive.test" }));
    const answered: number[] = [];
    for (const _ of ids) answered.push((await own.next()).requestId);
    expect(answered.sort((a, b) => a - b)).toEqual(ids);
    expect(performance.now() - startMs).toBeGreaterThan(1200);
    const other = await opened(asking);
    const { rateLookups } = slow.monitor.counters();
    expect(rateLookups).toBeGreaterThan(0);
    expect(
      await failureOf(other.call(Resolve, { family: 4, name: "evil.example" }, Addresses)),
    ).toMatchObject({
      errno: Errno.EACCES,
    });
    expect(slow.monitor.counters()).toMatchObject({ lookups: 12, rateLookups });
  });
});

test("a body in its Open is a violation, and Explain says so too", async () => {
  const own = await guest.stream();
  own.post(
    { type: 0x0201, name: "Open", encode: (bytes: Uint8Array) => bytes, decode: (bytes) => bytes },
    Uint8Array.of(9, 0, 0, 0, 1),
  );
  await expect(own.next()).rejects.toEqual(new StreamGone(Closed.RESET));
  own.reset();
});
