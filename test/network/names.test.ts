// Names: resolved on the main thread by a name server of the test, judged again as addresses, and raced (TCP-6, TCP-7).

import { ConnectRequest, formatIp, type GuestPipe, Protocol } from "@ringway/control";
import { Guest } from "@ringway/guest";
import { Errno } from "@ringway/linux";
import type { Lookup } from "@ringway/monitor";
import { beforeAll, describe, expect, test } from "vitest";
import { KiB } from "../support/bytes.ts";
import { Declined } from "../support/declined.ts";
import { type NameServer, nameServer } from "../support/dns.ts";
import { heldForAll } from "../support/held.ts";
import { LOOPBACK, policyOf, startMonitor, streamsAre, type TestMonitor } from "../support/monitor.ts";
import { RawGuest } from "../support/raw-guest.ts";
import { echoServer, freePort, silentServer, tcpServer } from "../support/tcp.ts";
import { until, within } from "../support/wait.ts";

const POLICY = `${LOOPBACK}timeouts: { resolveMs: 250 }\n`;

let dns: NameServer;
let host: TestMonitor;
let guest: RawGuest;

const hold = heldForAll();
beforeAll(async () => {
  dns = hold(await nameServer());
  host = hold(await startMonitor(POLICY, { names: dns.names }));
  guest = hold(await RawGuest.attach(host.path));
});

async function declined(promise: Promise<unknown>): Promise<Declined> {
  const outcome = await promise.then(
    () => new Error("it was allowed"),
    (error: unknown) => error,
  );
  if (outcome instanceof Declined) return outcome;
  throw outcome;
}

/** Connects, sends a word, gets it back, closes; says which address answered. */
async function echoFrom(name: string, port: number): Promise<string> {
  const { pipe, endpoints } = await guest.connect(name, port, { ringBytes: 4 * KiB });
  await guest.write(pipe, Buffer.from("hello"));
  expect((await guest.readExactly(pipe, 5)).toString()).toBe("hello");
  guest.finish(pipe);
  return formatIp(endpoints.peer.address);
}

describe("a name", () => {
  test("with one IPv4 address", async () => {
    await using server = await echoServer();
    dns.zone.set("four.test", ["127.0.0.1"]);
    expect(await echoFrom("four.test", server.port)).toBe("127.0.0.1");
    expect(await echoFrom("FOUR.test.", server.port)).toBe("127.0.0.1");
  });

  test("with one IPv6 address", async () => {
    await using server = await echoServer("::1");
    dns.zone.set("six.test", ["::1"]);
    expect(await echoFrom("six.test", server.port)).toBe("::1");
  });

  test("with both prefers IPv6", async () => {
    await using server = await echoServer("::");
    dns.zone.set("both.test", ["127.0.0.1", "::1"]);
    expect(await echoFrom("both.test", server.port)).toBe("::1");
  });

  test("whose IPv6 address refuses is reached by IPv4 at once", async () => {
    await using server = await echoServer("127.0.0.1");
    dns.zone.set("refuses.test", ["::1", "127.0.0.1"]);
    expect(await echoFrom("refuses.test", server.port)).toBe("127.0.0.1");
    // Would each wait for the next one's time, it were 3.75 seconds.
    const refuse = Array.from({ length: 14 }, (_, i) => `127.0.0.${i + 2}`);
    dns.zone.set("refuse.test", ["::1", ...refuse, "127.0.0.1"]);
    const start = performance.now();
    expect(await echoFrom("refuse.test", server.port)).toBe("127.0.0.1");
    expect(performance.now() - start).toBeLessThan(3000);
  });

  test("whose first address is silent is reached by the second a quarter of a second later", async () => {
    await using server = await echoServer("127.0.0.1");
    using _silent = silentServer(2, server.port);
    dns.zone.set("silent.test", ["127.0.0.2", "127.0.0.1"]);
    const start = performance.now();
    expect(await echoFrom("silent.test", server.port)).toBe("127.0.0.1");
    const tookMs = performance.now() - start;
    expect(tookMs).toBeGreaterThan(240);
    expect(tookMs).toBeLessThan(5000);
  });

  test("whose first address fails at once leaves no attempt behind that could disturb the stream", async () => {
    await using server = await echoServer("0.0.0.0");
    // A link-local address without its interface is EINVAL before anything is sent.
    dns.zone.set("odd.test", ["fe80::1", "127.0.0.1", "127.0.0.3"]);
    const { pipe, endpoints } = await guest.connect("odd.test", server.port, { ringBytes: 4 * KiB });
    expect(formatIp(endpoints.peer.address)).toBe("127.0.0.1");
    // For longer than the next attempt would be away, nothing but the echo is on the stream.
    const endMs = performance.now() + 400;
    for (let i = 0; performance.now() < endMs; i = (i + 1) & 255) {
      await guest.write(pipe, Uint8Array.of(i));
      expect([...(await guest.readExactly(pipe, 1))]).toEqual([i]);
    }
    expect(server.sockets.length).toBe(1);
    guest.finish(pipe);
  });

  test("none of whose addresses answers is refused with what the last one said", async () => {
    const port = await freePort();
    dns.zone.set("dead.test", ["fe80::1", "::1", "127.0.0.1", "127.0.0.2"]);
    const refusal = await declined(guest.connect("dead.test", port));
    expect(refusal.errno).toBe(Errno.ECONNREFUSED);
    expect(refusal.reason).toMatch(/^connect to 127\.0\.0\.2:/);
  });

  test("that does not exist is ENOENT", async () => {
    const refusal = await declined(guest.connect("nowhere.test", 80));
    expect(refusal).toMatchObject({ errno: Errno.ENOENT, rule: "" });
    expect(refusal.reason).toContain("nowhere.test");
  });

  test("that exists without addresses is ENOENT", async () => {
    dns.zone.set("empty.test", []);
    expect((await declined(guest.connect("empty.test", 80))).errno).toBe(Errno.ENOENT);
  });

  test("whose name server fails is EAGAIN", async () => {
    dns.zone.set("broken.test", "servfail");
    expect((await declined(guest.connect("broken.test", 80))).errno).toBe(Errno.EAGAIN);
  });

  test("whose name server is silent is ETIMEDOUT after the policy's time", async () => {
    dns.zone.set("mute.test", "silence");
    const start = performance.now();
    const refusal = await declined(guest.connect("mute.test", 80));
    expect(refusal.errno).toBe(Errno.ETIMEDOUT);
    const tookMs = performance.now() - start;
    expect(tookMs).toBeGreaterThan(240);
    expect(tookMs).toBeLessThan(5000);
  });

  test("whose name server is silent is ETIMEDOUT after the guest's time, where that is shorter", async () => {
    dns.zone.set("mute.test", "silence");
    const refusal = await declined(guest.connect("mute.test", 80, { timeoutMs: 60 }));
    expect(refusal).toMatchObject({ errno: Errno.ETIMEDOUT });
    expect(refusal.reason).toContain("60 ms");
  });

  test("given up while it is resolved leaves nothing behind", async () => {
    dns.zone.set("mute.test", "silence");
    dns.asked.length = 0;
    await streamsAre(host.monitor, 0);
    const pipe = await guest.newStream(1);
    const body = ConnectRequest.encode({ host: "mute.test", port: 80, timeoutMs: 0 });
    guest.sendOpen(pipe, Protocol.TCP_CONNECT, body);
    await until("the question", () => dns.asked.at(-1) === "mute.test");
    await streamsAre(host.monitor, 1);
    guest.finish(pipe, "reset");
    await streamsAre(host.monitor, 0);
  });

  test("is resolved while others that are silent wait", async () => {
    await using server = await echoServer();
    dns.zone.set("mute.test", "silence");
    dns.zone.set("quick.test", ["127.0.0.1"]);
    const slow = Array.from({ length: 2 }, () => declined(guest.connect("mute.test", 80)));
    // Behind them it would be out of time, too.
    await echoFrom("quick.test", server.port);
    await Promise.all(slow);
  });
});

describe("a name with one family that is silent", () => {
  test("is connected to by the other, at once", async () => {
    await using server = await echoServer("::");
    dns.zone.set("four.test", { a: ["127.0.0.1"], aaaa: "silence" });
    dns.zone.set("six.test", { a: "silence", aaaa: ["::1"] });
    expect(await echoFrom("four.test", server.port)).toBe("127.0.0.1");
    expect(await echoFrom("six.test", server.port)).toBe("::1");
  });

  test("is refused with what the first said, when the second never comes", async () => {
    const port = await freePort();
    dns.zone.set("half.test", { a: ["127.0.0.1"], aaaa: "silence" });
    expect((await declined(guest.connect("half.test", port))).errno).toBe(Errno.ECONNREFUSED);
  });
});

describe("addresses that come later", () => {
  /** Tells `first` at once and `rest` when the test says so. */
  function inParts(first: readonly string[]) {
    let tellRest: ((rest: readonly string[]) => void) | undefined;
    const lookup: Lookup = (_name, _signal, early) => {
      early!(first);
      return new Promise((resolve) => {
        tellRest = resolve;
      });
    };
    return { lookup, rest: () => until("the question", () => tellRest) };
  }

  test("are tried when the first ones fail", async () => {
    await using server = await echoServer("127.0.0.1");
    const { lookup, rest } = inParts(["::1"]);
    await using other = await startMonitor(LOOPBACK, { lookup });
    using late = await RawGuest.attach(other.path);
    const connected = late.connect("late.test", server.port);
    const tell = await rest();
    await new Promise((resolve) => setTimeout(resolve, 50));
    tell(["127.0.0.1"]);
    expect(formatIp((await connected).endpoints.peer.address)).toBe("127.0.0.1");
  });

  test("are judged like the first ones, and each refusal is audited once", async () => {
    await using server = await echoServer("127.0.0.1");
    const { lookup, rest } = inParts(["10.1.2.3", "10.1.2.4"]);
    await using other = await startMonitor(LOOPBACK, { lookup });
    using late = await RawGuest.attach(other.path);
    const connected = late.connect("late.test", server.port);
    (await rest())(["10.1.2.5", "127.0.0.1"]);
    expect(formatIp((await connected).endpoints.peer.address)).toBe("127.0.0.1");
    await until("the audit line", () => other.refusals.length > 0);
    expect(other.refusals.map(({ rule, reason }) => [rule, reason.includes("10.1.2.3")])).toEqual([
      ["not-public", true],
    ]);
  });

  test("and are none that may be connected to end in a refusal by rule", async () => {
    const { lookup, rest } = inParts(["10.1.2.3"]);
    await using other = await startMonitor(LOOPBACK, { lookup });
    using late = await RawGuest.attach(other.path);
    const refused = declined(late.connect("late.test", 80));
    (await rest())([]);
    expect(await refused).toMatchObject({ errno: Errno.EACCES, rule: "not-public" });
  });
});

describe("lookups that a guest gives up", () => {
  const PATIENT = `${LOOPBACK}timeouts: { resolveMs: 60000 }\n`;

  async function ask(of: RawGuest, name: string): Promise<GuestPipe> {
    const pipe = await of.newStream(4 * KiB);
    of.sendOpen(pipe, Protocol.TCP_CONNECT, ConnectRequest.encode({ host: name, port: 80, timeoutMs: 0 }));
    return pipe;
  }

  test("give their places back: the fifth name is resolved once four silent ones are reset", async () => {
    await using server = await echoServer();
    await using names = await nameServer({ "mute.test": "silence", "good.test": ["127.0.0.1"] });
    await using other = await startMonitor(PATIENT, { names: names.names });
    using asker = await RawGuest.attach(other.path);
    const pipes = await Promise.all(Array.from({ length: 4 }, () => ask(asker, "mute.test")));
    await until("eight questions", () => names.asked.length >= 8);
    const fifth = asker.connect("good.test", server.port);
    for (const pipe of pipes) asker.finish(pipe, "reset");
    // Otherwise it waits for as long as a name server may be silent.
    await within("the fifth name", fifth, 3000);
  });

  test("by the thousand hold up no other guest's, nor memory, nor the end", async () => {
    await using server = await echoServer();
    await using names = await nameServer({ "mute.test": "silence", "good.test": ["127.0.0.1"] });
    await using other = await startMonitor(PATIENT, { names: names.names });
    using hostile = await RawGuest.attach(other.path);
    using good = await RawGuest.attach(other.path);
    const before = process.memoryUsage().rss;
    let resets = 0;
    let over = false;
    const attack = (async () => {
      // Frames of refusals are left in their rings: the guest reads nothing.
      while (!over) {
        const pipes = await Promise.all(Array.from({ length: 64 }, () => ask(hostile, "mute.test")));
        for (const pipe of pipes) hostile.finish(pipe, "reset");
        resets += pipes.length;
      }
    })();
    let slowestMs = 0;
    while (resets < 5000) {
      const start = performance.now();
      good.finish((await good.connect("good.test", server.port, { ringBytes: 4 * KiB })).pipe);
      slowestMs = Math.max(slowestMs, performance.now() - start);
    }
    over = true;
    await attack;
    // What the guest gave up is nowhere in its own way either.
    hostile.finish((await within("its own name", hostile.connect("good.test", server.port), 3000)).pipe);
    expect(slowestMs).toBeLessThan(2000);
    expect(process.memoryUsage().rss - before).toBeLessThan(256 * 1024 * KiB);
    const start = performance.now();
    await other[Symbol.asyncDispose]();
    expect(performance.now() - start).toBeLessThan(5000);
  }, 120_000);

  test("count as its requests until what they started has ended", async () => {
    const aborted: AbortSignal[] = [];
    const settle: (() => void)[] = [];
    const lookup: Lookup = (_name, signal) => {
      signal.addEventListener("abort", () => aborted.push(signal));
      return new Promise((resolve) => settle.push(() => resolve([])));
    };
    await using other = await startMonitor(`${PATIENT}limits: { requests: 2 }\n`, { lookup });
    using asker = await RawGuest.attach(other.path);
    const pipes = await Promise.all(Array.from({ length: 2 }, () => ask(asker, "mute.test")));
    await until("two lookups", () => settle.length === 2);
    for (const pipe of pipes) asker.finish(pipe, "reset");
    await until("two aborted", () => aborted.length === 2);
    await streamsAre(other.monitor, 0);
    expect((await declined(asker.connect("mute.test", 80))).errno).toBe(Errno.ENOBUFS);
    for (const end of settle) end();
    await until("room for a request", async () => {
      const pipe = await ask(asker, "mute.test");
      await new Promise((resolve) => setTimeout(resolve, 20));
      asker.finish(pipe, "reset");
      return settle.length >= 3 || undefined;
    });
  });
});

describe("a name that leads somewhere else (DNS rebinding)", () => {
  const PUBLIC = `version: 1
connect: [{ id: web, allow: "*.test" }]
timeouts: { resolveMs: 1000 }
`;

  const ELSEWHERE = {
    "evil-0.test": "127.0.0.1",
    "evil-1.test": "10.0.0.1",
    "evil-2.test": "169.254.169.254",
    "evil-3.test": "192.168.1.1",
    "evil-4.test": "::1",
    "evil-5.test": "fd00::1",
    "evil-6.test": "::ffff:127.0.0.1",
  } as const;
  let strict: TestMonitor;
  beforeAll(async () => {
    const lookup: Lookup = async (name) => [ELSEWHERE[name as keyof typeof ELSEWHERE]];
    strict = hold(await startMonitor(PUBLIC, { lookup }));
  });

  test.each(Object.entries(ELSEWHERE))(
    "is refused with rule not-public: %s for %s, and nothing is connected",
    async (name) => {
      strict.refusals.length = 0;
      using other = await RawGuest.attach(strict.path);
      await using server = await tcpServer(undefined, "::");
      const refusal = await declined(other.connect(name, server.port));
      expect(refusal).toMatchObject({ errno: Errno.EACCES, rule: "not-public" });
      await until("the audit line", () => strict.refusals.length === 1);
      expect(strict.refusals[0]).toMatchObject({
        protocol: "tcp-connect",
        what: `${name}:${server.port}`,
        rule: "not-public",
      });
      expect(server.sockets).toEqual([]);
    },
  );

  test("is judged at each connect anew", async () => {
    await using server = await echoServer();
    await using names = await nameServer({ "swings.test": ["127.0.0.1"] });
    await using strict = await startMonitor(
      'version: 1\nconnect: [{ id: web, allow: "*.test", resolvesTo: 127.0.0.1 }]\n',
      { names: names.names },
    );
    using other = await RawGuest.attach(strict.path);
    other.finish((await other.connect("swings.test", server.port)).pipe);
    names.zone.set("swings.test", ["127.0.0.2"]);
    expect(await declined(other.connect("swings.test", server.port))).toMatchObject({ rule: "not-public" });
  });

  test("is connected to those of its addresses that are allowed, and the others are audited", async () => {
    await using server = await echoServer();
    await using strict = await startMonitor(
      'version: 1\nconnect: [{ id: web, allow: "*.test", resolvesTo: 127.0.0.1 }]\n',
      { lookup: async () => ["10.1.2.3", "127.0.0.1"] },
    );
    using other = await RawGuest.attach(strict.path);
    const { pipe, endpoints } = await other.connect("mixed.test", server.port);
    expect(formatIp(endpoints.peer.address)).toBe("127.0.0.1");
    other.finish(pipe);
    await until("the audit line", () => strict.refusals.length === 1);
    expect(strict.refusals[0]!.reason).toContain("10.1.2.3");
  });

  test("is judged by the policy that holds when it has been resolved", async () => {
    let answer: ((addresses: string[]) => void) | undefined;
    const lookup = (): Promise<string[]> =>
      new Promise((resolve) => {
        answer = resolve;
      });
    await using strict = await startMonitor(POLICY.replace("250", "5000"), { lookup });
    using other = await RawGuest.attach(strict.path);
    await using server = await tcpServer();
    const refused = declined(other.connect("late.test", server.port));
    const say = await until("the question", () => answer);
    await strict.monitor.reload(policyOf("version: 1\n"));
    say(["127.0.0.1"]);
    expect(await refused).toMatchObject({ errno: Errno.EACCES, rule: "default" });
    expect(server.sockets).toEqual([]);
  });
});

describe("NAT64", () => {
  // Documentation's addresses are not public, and nothing here leads to one that is: a refusal tells what was judged,
  // and an error of the network's that nothing was.
  const PUBLIC = 'version: 1\nconnect: [{ id: private, deny: 10.0.0.0/8 }, { id: web, allow: "*.test" }]\n';

  test("is judged by the IPv4 address inside, also below a prefix that the name servers tell", async () => {
    await using names = await nameServer({
      "ipv4only.arpa": ["2600:64::c000:aa"],
      "well-known.test": ["64:ff9b::a9fe:a9fe"],
      "denied.test": ["2600:64::a01:203"],
      "metadata.test": ["2600:64::a9fe:a9fe"],
      "public.test": ["2600:64::808:808"],
    });
    await using other = await startMonitor(PUBLIC, { names: names.names });
    using asker = await RawGuest.attach(other.path);
    for (const [name, rule, inside] of [
      ["well-known.test", "not-public", "169.254.169.254"],
      ["denied.test", "private", "10.1.2.3"],
      ["metadata.test", "not-public", "169.254.169.254"],
    ] as const) {
      const refusal = await declined(asker.connect(name, 80));
      expect(refusal).toMatchObject({ errno: Errno.EACCES, rule });
      expect(refusal.reason).toContain(`NAT64 of ${inside}`);
    }
    const pipe = await asker.newStream(4 * KiB);
    const body = ConnectRequest.encode({ host: "public.test", port: 80, timeoutMs: 200 });
    asker.sendOpen(pipe, Protocol.TCP_CONNECT, body);
    expect(await declined(asker.opened(pipe))).toMatchObject({ rule: "" });
  });

  test("is known to a monitor before any name is looked up, and asked for by none whose guests may not connect", async () => {
    await using names = await nameServer({ "ipv4only.arpa": ["2600:64::c000:aa"] });
    await using _files = await startMonitor("version: 1\n", { names: names.names });
    expect(names.asked).toEqual([]);
    const policy = "version: 1\nconnect: [{ allow: public }]\n";
    await using other = await startMonitor(policy, { names: names.names });
    using asker = await RawGuest.attach(other.path);
    await until("the prefix", async () => {
      const { rule } = await declined(asker.connect("2600:64::a01:203", 80, { timeoutMs: 50 }));
      return rule === "default";
    });
    expect(names.asked).toEqual(["ipv4only.arpa"]);
  });
});

describe("localhost", () => {
  test("is reached by whoever may connect to 127.0.0.1 and no more, without a line about ::1", async () => {
    await using server = await echoServer("127.0.0.1");
    const policy = `version: 1\nconnect: [{ allow: 127.0.0.1, ports: ${server.port} }]\n`;
    // The hosts file of the machine may have one address alone.
    const names = { ...dns.names, hostsFile: "/nonexistent" };
    await using other = await startMonitor(policy, { names });
    await using sdk = await Guest.attach(other.path);
    const socket = await sdk.connect({ port: server.port });
    socket.end("hello");
    expect(String(Buffer.concat(await socket.toArray()))).toBe("hello");
    await sdk.close();
    using asker = await RawGuest.attach(other.path);
    const refusal = await declined(asker.connect("localhost", server.port + 1));
    expect(refusal).toMatchObject({ errno: Errno.EACCES, rule: "default" });
    await until("its line", () => other.refusals.length > 0);
    expect(other.refusals.map(({ what }) => what)).toEqual([`localhost:${server.port + 1}`]);
  });
});
