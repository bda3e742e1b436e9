// udp-connect and udp-bind, word by word: a raw guest on one side, real sockets on the other.

import { Closed, Done, ErrorReply, formatEndpoint, udpMessages } from "@ringway/control";
import { Errno } from "@ringway/linux";
import { beforeAll, describe, expect, test } from "vitest";
import { Declined } from "../support/declined.ts";
import { nameServer } from "../support/dns.ts";
import { heldForAll } from "../support/held.ts";
import { startMonitor, streamsAre, type TestMonitor } from "../support/monitor.ts";
import { StreamGone } from "../support/raw-guest.ts";
import { freePort } from "../support/tcp.ts";
import { address, UdpGuest, type UdpServer, udpServer } from "../support/udp.ts";
import { until } from "../support/wait.ts";

const { UdpJoin, UdpLeave, UdpLookup, UdpLost, UdpOption, UdpPeer, UdpSet } = udpMessages;

const POLICY = `version: 1
connect:
  - { id: not-9, deny: [127.0.0.9, "bad.test"], protocols: [tcp, udp] }
  - { id: datagrams, allow: [127.0.0.0/8, "::1"], protocols: udp }
  - { id: by-name, allow: "*.test", protocols: udp, resolvesTo: [127.0.0.0/8, "::1/128"] }
  - { id: group, allow: [239.7.7.7, "ff15::7"], protocols: udp }
listen:
  - { id: here, allow: [127.0.0.1, "::1"], ports: [0, 1024-65535], protocols: udp }
  - { id: joins, allow: [0.0.0.0, 239.7.7.7, "ff15::7"], ports: [0, 1024-65535], protocols: udp }
`;

let host: TestMonitor;
let guest: UdpGuest;

const hold = heldForAll();
beforeAll(async () => {
  const dns = hold(
    await nameServer({
      "one.test": { a: ["127.0.0.1"], aaaa: [] },
      "bad.test": ["127.0.0.1"],
      "six.test": { a: [], aaaa: ["::1"] },
      "elsewhere.test": ["10.9.8.7"],
    }),
  );
  host = hold(await startMonitor(POLICY, { names: dns.names }));
  guest = hold(await UdpGuest.attach(host.path));
});

async function declined(promise: Promise<unknown>): Promise<Declined> {
  const outcome = await promise.catch((error: unknown) => error);
  if (outcome instanceof Declined) return outcome;
  throw new Error(`it ended with ${String(outcome)}`);
}

async function received(server: UdpServer, count: number): Promise<Buffer[]> {
  await until(`${count} datagrams`, () => server.received.length >= count);
  return server.received.map(({ data }) => data);
}

function filled(bytes: number, seed: number): Buffer {
  return Buffer.from(Uint8Array.from({ length: bytes }, (_, i) => (i * 31 + seed) & 255));
}

const SIZES = [0, 1, 2, 1400, 0, 9000, 65_507, 3];

describe.each(["udp4", "udp6"] as const)("a connected socket, %s", (type) => {
  const loopback = type === "udp4" ? "127.0.0.1" : "::1";

  test("datagrams of any size go both ways, each as it was, in order", async () => {
    await using server = await udpServer({ type, echoes: true });
    const udp = await guest.udpConnect(loopback, server.port);
    expect(formatEndpoint(udp.peer)).toBe(formatEndpoint(address(loopback, server.port)));
    const sent = SIZES.map((bytes, i) => filled(bytes, i));
    for (const [i, data] of sent.entries()) {
      await udp.send(data);
      // One after the other: the largest fill a receive buffer.
      await received(server, i + 1);
      expect(await udp.receiveAll(1)).toEqual([data]);
    }
    expect(server.received.map(({ data }) => data)).toEqual(sent);
    expect(server.received[0]!.from.port).toBe(udp.local.port);
    guest.finish(udp.pipe);
  });

  test("a train is its datagrams, and nothing more", async () => {
    await using server = await udpServer({ type });
    const udp = await guest.udpConnect(loopback, server.port);
    const train = filled(10 * 700 + 13, 5);
    await udp.send("before");
    await udp.send(train, 700);
    await udp.send("after");
    const parts = await received(server, 13);
    expect(parts.map(({ length }) => length)).toEqual([6, ...new Array(10).fill(700), 13, 5]);
    expect(Buffer.concat(parts.slice(1, 12)).equals(train)).toBe(true);
    guest.finish(udp.pipe);
  });

  test("single ones and trains of all sizes come in order, around the ring's end, and past one that is refused", async () => {
    await using server = await udpServer({ type });
    const udp = await guest.udpConnect(loopback, server.port, 4096);
    const expected: Buffer[] = [];
    for (let round = 0; round < 40; round++) {
      for (const bytes of [64, 64, 64, 0, 65, round, 1, 500, 500, 499, 500]) {
        expected.push(filled(bytes, expected.length));
        await udp.send(expected.at(-1)!);
      }
      const train = filled(3 * 200 + round, round);
      await udp.send(train, 200);
      for (let at = 0; at < train.length; at += 200) expected.push(train.subarray(at, at + 200));
      // No train: nothing of it goes.
      await udp.send(filled(100, round), 100);
      expect((await udp.error()).errno).toBe(Errno.EINVAL);
      await received(server, expected.length);
    }
    expect(Buffer.concat(server.received.map(({ data }) => data)).equals(Buffer.concat(expected))).toBe(true);
    expect(server.received.map(({ data }) => data.length)).toEqual(expected.map(({ length }) => length));
    guest.finish(udp.pipe);
  });

  test("nobody at the port: the guest is told as a direct client is, and goes on", async () => {
    const port = await freePort();
    const udp = await guest.udpConnect(loopback, port);
    await udp.send("anybody?");
    const { errno, peer, rule } = await udp.error();
    expect([errno, formatEndpoint(peer), rule]).toEqual([
      Errno.ECONNREFUSED,
      formatEndpoint(address(loopback, port)),
      "",
    ]);
    await using server = await udpServer({ type, port });
    await udp.send("now?");
    expect((await received(server, 1)).map(String)).toEqual(["now?"]);
    guest.finish(udp.pipe);
  });
});

describe("a connected socket", () => {
  test("what others send to it is dropped, and not counted", async () => {
    await using server = await udpServer();
    await using other = await udpServer();
    const udp = await guest.udpConnect("127.0.0.1", server.port);
    await new Promise((resolve) => other.socket.send("let me in", udp.local.port, "127.0.0.1", resolve));
    await udp.send("hello");
    await received(server, 1);
    server.socket.send("welcome", udp.local.port, "127.0.0.1");
    expect((await udp.receive()).map(String)).toEqual(["welcome"]);
    expect(udp.peek()).toBeUndefined();
    guest.finish(udp.pipe);
  });

  test("a full ring drops the newest, and says how many before the next that came", async () => {
    await using server = await udpServer();
    const udp = await guest.udpConnect("127.0.0.1", server.port, 4096);
    await udp.send("hello");
    await received(server, 1);
    const sent = 3000;
    const before = host.monitor.counters();
    for (let i = 0; i < sent; i++) {
      const data = Buffer.alloc(500);
      data.writeUInt32LE(i);
      await new Promise((resolve) => server.socket.send(data, udp.local.port, "127.0.0.1", resolve));
    }
    const seen: number[] = [];
    let lost = 0;
    // The last that is told is the loss: nothing came after it.
    while (seen.length + lost < sent) {
      const { type, payload } = await udp.frame();
      if (type === UdpLost.type) lost = UdpLost.decode(payload).datagrams;
      else seen.push(Buffer.from(payload).readUInt32LE(4));
    }
    expect(lost).toBeGreaterThan(0);
    expect(seen.length + lost).toBe(sent);
    // The first ones: none that was lost lies before one that came.
    expect(seen).toEqual(seen.map((_, i) => i));
    const after = host.monitor.counters();
    expect(after.datagramsLost - before.datagramsLost).toBe(lost);
    guest.finish(udp.pipe);
  });

  test("a datagram that no ring holds is lost, told at once, and the next one comes", async () => {
    await using server = await udpServer();
    const udp = await guest.udpConnect("127.0.0.1", server.port, 4096);
    await udp.send("hello");
    await received(server, 1);
    server.socket.send(Buffer.alloc(5000), udp.local.port, "127.0.0.1");
    expect(await udp.lost()).toBe(1);
    server.socket.send("small", udp.local.port, "127.0.0.1");
    expect((await udp.receive()).map(String)).toEqual(["small"]);
    guest.finish(udp.pipe);
  });

  test("a large one for which the ring has no room comes when the guest has read", async () => {
    await using server = await udpServer();
    const udp = await guest.udpConnect("127.0.0.1", server.port, 64 * 1024);
    const sent = [...Array.from({ length: 40 }, (_, i) => filled(1000, i)), filled(40_000, 7)];
    const before = host.monitor.counters().datagramsToGuest;
    for (const [i, data] of sent.entries()) {
      await new Promise((resolve) => server.socket.send(data, udp.local.port, "127.0.0.1", resolve));
      // The host has it in its hands, also the last one: it guesses from those before how large that is.
      await until("the host to take it", () => host.monitor.counters().datagramsToGuest - before > i);
    }
    expect(await udp.receiveAll(sent.length)).toEqual(sent);
    guest.finish(udp.pipe);
  });

  test("END closes it after what was sent before; RESET at once", async () => {
    await using server = await udpServer();
    for (const how of ["end", "reset"] as const) {
      const udp = await guest.udpConnect("127.0.0.1", server.port);
      await udp.send(how);
      if (how === "end") {
        guest.end(udp.pipe);
        await until("the end", () => udp.pipe.toGuest.peerClosed() === Closed.END);
        expect(udp.pipe.toHost.abandoned()).toBe(true);
      } else guest.reset(udp.pipe);
      guest.finish(udp.pipe);
    }
    await streamsAre(host.monitor, 0);
    expect((await received(server, 1)).map(String)[0]).toBe("end");
  });

  test.each([
    ["a train of one", 700, Buffer.alloc(700), Errno.EINVAL],
    ["a train of 65", 1, Buffer.alloc(65), Errno.EINVAL],
    ["a train of nothing", 5, Buffer.alloc(0), Errno.EINVAL],
    ["more than a datagram has", 0, Buffer.alloc(65_508), Errno.EMSGSIZE],
  ])("%s is told, and nothing of it is sent", async (_, segment, data, errno) => {
    await using server = await udpServer();
    const udp = await guest.udpConnect("127.0.0.1", server.port);
    await udp.send("one");
    await udp.send(data, segment);
    await udp.send("two");
    expect((await udp.error()).errno).toBe(errno);
    expect((await received(server, 2)).map(String)).toEqual(["one", "two"]);
    guest.finish(udp.pipe);
  });

  test("requests of a bound socket, and its frames, are not there", async () => {
    await using server = await udpServer();
    const udp = await guest.udpConnect("127.0.0.1", server.port);
    const any = address("0.0.0.0");
    const join = await udp.ask(UdpJoin, { group: address("239.7.7.7"), source: any, interface: any });
    expect(ErrorReply.decode(join.payload).errno).toBe(Errno.ENOSYS);
    await udp.sendTo(address("127.0.0.1", server.port), "x");
    expect((await udp.error()).errno).toBe(Errno.ENOSYS);
    const set = await udp.ask(UdpSet, { option: UdpOption.TTL, value: 3 });
    expect(set.type).toBe(Done.type);
    for (const [option, value] of [
      [UdpOption.TTL, 0],
      [UdpOption.TTL, 256],
      [UdpOption.MULTICAST_LOOP, 2],
      [9, 1],
    ] as const) {
      const { payload } = await udp.ask(UdpSet, { option, value });
      expect(ErrorReply.decode(payload).errno).toBe(Errno.EINVAL);
    }
    guest.finish(udp.pipe);
  });

  test("a frame that is no UdpSend of any kind breaks the stream", async () => {
    await using server = await udpServer();
    const udp = await guest.udpConnect("127.0.0.1", server.port);
    await guest.write(udp.pipe, Uint8Array.of(2, 0, 0, 0, 1, 7, 0, 0, 0, 0, 0, 0, 5, 5));
    await expect(guest.read(udp.pipe)).rejects.toThrow(StreamGone);
    guest.finish(udp.pipe);
  });
});

describe("a socket that nobody uses", () => {
  test("ends after the policy's time, and says so; one in use does not", async () => {
    await using short = await startMonitor(`${POLICY}timeouts: { udpIdleMs: 1000 }\n`);
    using idler = await UdpGuest.attach(short.path);
    await using server = await udpServer();
    const idle = await idler.udpConnect("127.0.0.1", server.port);
    const used = await idler.udpConnect("127.0.0.1", server.port);
    const ends = (async () => {
      expect((await idle.error()).errno).toBe(Errno.ETIMEDOUT);
      await until("the end", () => idle.pipe.toGuest.peerClosed() === Closed.END);
    })();
    let over = false;
    void ends.finally(() => {
      over = true;
    });
    for (let i = 0; i < 100 && !over; i++) {
      await used.send("still here");
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    await ends;
    expect(used.pipe.toGuest.peerClosed()).toBe(Closed.OPEN);
    idler.finish(idle.pipe);
    idler.finish(used.pipe);
  });
});

describe("a bound socket", () => {
  test("takes datagrams of anybody, and answers them though no connect rule names them", async () => {
    await using only = await startMonitor(
      "version: 1\nlisten: [{ allow: 127.0.0.1, ports: 0, protocols: udp }]\n",
    );
    using server = await UdpGuest.attach(only.path);
    await using client = await udpServer();
    await using stranger = await udpServer();
    const udp = await server.udpBind("127.0.0.1");
    client.socket.send("question", udp.local.port, "127.0.0.1");
    const { peer, data } = await udp.receiveFrom();
    expect(String(Buffer.from(data))).toBe("question");
    expect(formatEndpoint(peer)).toBe(`127.0.0.1:${client.port}`);
    await udp.sendTo(peer, "answer");
    expect((await received(client, 1)).map(String)).toEqual(["answer"]);
    await udp.sendTo(address("127.0.0.1", stranger.port), "buy now");
    const { errno, rule } = await udp.error();
    expect([errno, rule]).toEqual([Errno.EACCES, "default"]);
    expect(stranger.received).toEqual([]);
    await until("the audit line", () => only.refusals.length > 0);
    expect(only.refusals).toMatchObject([{ protocol: "udp-bind", what: `127.0.0.1:${stranger.port}` }]);
    server.finish(udp.pipe);
  });

  test("each datagram goes to its own peer, and a denied one is one audit line", async () => {
    await using one = await udpServer();
    await using two = await udpServer();
    const udp = await guest.udpBind("127.0.0.1");
    const before = host.refusals.length;
    for (let i = 0; i < 3; i++) {
      await udp.sendTo(address("127.0.0.1", one.port), `one ${i}`);
      await udp.sendTo(address("127.0.0.9", 7777), "denied");
      await udp.sendTo(address("127.0.0.1", two.port), `two ${i}`);
    }
    expect((await received(one, 3)).map(String)).toEqual(["one 0", "one 1", "one 2"]);
    expect((await received(two, 3)).map(String)).toEqual(["two 0", "two 1", "two 2"]);
    expect(await udp.error()).toMatchObject({ errno: Errno.EACCES, rule: "not-9" });
    await until("the audit line", () => host.refusals.length > before);
    expect(host.refusals.slice(before)).toMatchObject([{ rule: "not-9", what: "127.0.0.9:7777" }]);
    guest.finish(udp.pipe);
  });

  test("a client's own socket hears those alone that it has sent to", async () => {
    await using server = await udpServer({ type: "udp4", echoes: true });
    await using stranger = await udpServer();
    await using bare = await startMonitor("version: 1\nconnect: [{ allow: 127.0.0.1, protocols: udp }]\n");
    using client = await UdpGuest.attach(bare.path);
    const udp = await client.udpBind("0.0.0.0");
    await new Promise((resolve) => stranger.socket.send("psst", udp.local.port, "127.0.0.1", resolve));
    await udp.sendTo(address("127.0.0.1", server.port), "hello");
    expect(String(Buffer.from((await udp.receiveFrom()).data))).toBe("hello");
    expect(udp.peek()).toBeUndefined();
    client.finish(udp.pipe);
    expect(await declined(client.udpBind("127.0.0.1"))).toMatchObject({ errno: Errno.EACCES });
    expect(await declined(client.udpBind("0.0.0.0", 5555))).toMatchObject({ errno: Errno.EACCES });
  });

  test("without a rule for datagrams there is no socket at all", async () => {
    await using tcp = await startMonitor("version: 1\nconnect: [{ allow: 127.0.0.1 }]\n");
    using none = await UdpGuest.attach(tcp.path);
    expect(await declined(none.udpBind("0.0.0.0"))).toMatchObject({
      errno: Errno.EACCES,
      rule: "default",
    });
    expect(await declined(none.udpConnect("127.0.0.1", 53))).toMatchObject({
      errno: Errno.EACCES,
      rule: "default",
    });
    await until("two audit lines", () => tcp.refusals.length === 2);
    expect(tcp.refusals.map(({ protocol, what }) => [protocol, what])).toEqual([
      ["udp-bind", "0.0.0.0:0"],
      ["udp-connect", "127.0.0.1:53"],
    ]);
  });

  test("a name is judged, resolved and then a peer", async () => {
    await using server = await udpServer();
    const udp = await guest.udpBind("127.0.0.1");
    const told = await udp.ask(UdpLookup, { port: server.port, host: "one.test" });
    const { peer } = UdpPeer.decode(told.payload);
    expect(formatEndpoint(peer)).toBe(`127.0.0.1:${server.port}`);
    await udp.sendTo(peer, "by name");
    expect((await received(server, 1)).map(String)).toEqual(["by name"]);
    for (const [name, port, errno, rule] of [
      ["bad.test", 5000, Errno.EACCES, "not-9"],
      ["nowhere.example", 5000, Errno.EACCES, "default"],
      ["elsewhere.test", 5000, Errno.EACCES, "not-public"],
      ["missing.test", 5000, Errno.ENOENT, ""],
      ["six.test", 5000, Errno.EAFNOSUPPORT, ""],
      ["127.0.0.1", 5000, Errno.EINVAL, ""],
      ["one.test", 0, Errno.EINVAL, ""],
    ] as const) {
      const { payload } = await udp.ask(UdpLookup, { port, host: name });
      expect([name, ErrorReply.decode(payload)]).toMatchObject([name, { errno, rule }]);
    }
    guest.finish(udp.pipe);
  });

  test.each([
    ["another family", "::1", 5000],
    ["port 0", "127.0.0.1", 0],
    ["nobody", "0.0.0.0", 5000],
  ])("a peer that is %s is told", async (_, to, port) => {
    const udp = await guest.udpBind("127.0.0.1");
    await udp.sendTo(address(to, port), "x");
    expect((await udp.error()).errno).toBe(Errno.EINVAL);
    guest.finish(udp.pipe);
  });

  test("flags that no socket has are refused", async () => {
    for (const [at, flags] of [
      ["127.0.0.1", 4],
      ["127.0.0.1", 2],
    ] as const) {
      expect((await declined(guest.udpBind(at, 0, flags))).errno).toBe(Errno.EINVAL);
    }
  });

  test("an address that is taken: EADDRINUSE, unless both share it", async () => {
    await using server = await udpServer();
    expect((await declined(guest.udpBind("127.0.0.1", server.port))).errno).toBe(Errno.EADDRINUSE);
    await using shared = await udpServer({ type: "udp4", reuseAddr: true });
    const udp = await guest.udpBind("127.0.0.1", shared.port, 1);
    expect(udp.local.port).toBe(shared.port);
    guest.finish(udp.pipe);
  });
});

describe("groups", () => {
  const any = address("0.0.0.0");
  const loopback = address("127.0.0.1");

  test("one that a rule names is joined, heard and left; others are refused with their audit line", async () => {
    const group = address("239.7.7.7");
    const udp = await guest.udpBind("0.0.0.0");
    const there = { group, source: any, interface: loopback };
    expect((await udp.ask(UdpJoin, there)).type).toBe(Done.type);
    expect(ErrorReply.decode((await udp.ask(UdpJoin, there)).payload).errno).toBe(Errno.EADDRINUSE);
    await using sender = await udpServer();
    sender.socket.setMulticastInterface("127.0.0.1");
    sender.socket.send("to all", udp.local.port, "239.7.7.7");
    const { data, peer } = await udp.receiveFrom();
    expect([String(Buffer.from(data)), peer.port]).toEqual(["to all", sender.port]);
    expect((await udp.ask(UdpLeave, there)).type).toBe(Done.type);
    expect(ErrorReply.decode((await udp.ask(UdpLeave, there)).payload).errno).toBe(Errno.EADDRNOTAVAIL);
    const before = host.refusals.length;
    const other = { ...there, group: address("239.7.7.8") };
    expect(ErrorReply.decode((await udp.ask(UdpJoin, other)).payload)).toMatchObject({
      errno: Errno.EACCES,
      rule: "default",
    });
    await until("the audit line", () => host.refusals.length > before);
    expect(host.refusals.slice(before)).toMatchObject([
      { protocol: "udp-bind", what: `join 239.7.7.8:${udp.local.port}` },
    ]);
    guest.finish(udp.pipe);
  });

  test("that are left for all senders are left for each of them, and count no more", async () => {
    const udp = await guest.udpBind("0.0.0.0");
    const there = { group: address("239.7.7.7"), interface: loopback };
    const ask = async (kind: typeof UdpJoin, source: string): Promise<number> => {
      const { type, payload } = await udp.ask(kind, { ...there, source: address(source) });
      return type === Done.type ? 0 : ErrorReply.decode(payload).errno;
    };
    for (let i = 0; i < 15; i++) {
      expect([await ask(UdpJoin, "127.0.0.2"), await ask(UdpJoin, "127.0.0.3")]).toEqual([0, 0]);
      if (i % 2 === 0) expect(await ask(UdpLeave, "127.0.0.2")).toBe(0);
      expect(await ask(UdpLeave, "0.0.0.0")).toBe(0);
      expect(await ask(UdpLeave, "127.0.0.3")).toBe(Errno.EADDRNOTAVAIL);
    }
    // Of all senders, and then of one: that is the same group.
    expect([await ask(UdpJoin, "0.0.0.0"), await ask(UdpJoin, "127.0.0.2")]).toEqual([0, Errno.EADDRINUSE]);
    expect(await ask(UdpLeave, "0.0.0.0")).toBe(0);
    guest.finish(udp.pipe);
  });

  test("without an interface's name the last of IPv6 is left, and may be joined again", async ({ skip }) => {
    const udp = await guest.udpBind("::1");
    const ask = async (kind: typeof UdpJoin, through: string): Promise<number> => {
      const asked = { group: address("ff15::7"), source: address("::"), interface: address(through) };
      const { type, payload } = await udp.ask(kind, asked);
      return type === Done.type ? 0 : ErrorReply.decode(payload).errno;
    };
    // Where the group's route leads to the loopback interface, or nowhere, there are no two to choose from.
    if ((await ask(UdpJoin, "::")) !== 0 || (await ask(UdpJoin, "::1")) !== 0) {
      guest.finish(udp.pipe);
      skip();
    }
    expect(await ask(UdpLeave, "::")).toBe(0);
    expect(await ask(UdpLeave, "::1")).toBe(Errno.EADDRNOTAVAIL);
    expect(await ask(UdpJoin, "::1")).toBe(0);
    guest.finish(udp.pipe);
  });

  test("what others on this host have joined does not come", async () => {
    await using joined = await udpServer({ type: "udp4", address: "0.0.0.0", reuseAddr: true });
    joined.socket.addMembership("239.7.7.9", "127.0.0.1");
    const udp = await guest.udpBind("0.0.0.0", joined.port, 1);
    await using sender = await udpServer();
    sender.socket.setMulticastInterface("127.0.0.1");
    sender.socket.send("theirs", joined.port, "239.7.7.9");
    await received(joined, 1);
    expect(udp.peek()).toBeUndefined();
    guest.finish(udp.pipe);
  });

  test("sending to one takes a rule that names it, and to everybody BROADCAST too", async () => {
    const udp = await guest.udpBind("127.0.0.1");
    await using listener = await udpServer({ type: "udp4", address: "0.0.0.0", reuseAddr: true });
    listener.socket.addMembership("239.7.7.7", "127.0.0.1");
    const set = await udp.ask(udpMessages.UdpInterface, { interface: loopback });
    expect(set.type).toBe(Done.type);
    await udp.sendTo(address("239.7.7.7", listener.port), "hello group");
    expect((await received(listener, 1)).map(String)).toEqual(["hello group"]);
    await udp.sendTo(address("239.7.7.8", listener.port), "x");
    expect((await udp.error()).errno).toBe(Errno.EACCES);
    // 127.0.0.0/8 has it, but names single hosts.
    await udp.sendTo(address("127.255.255.255", listener.port), "x");
    expect(await udp.error()).toMatchObject({ errno: Errno.EACCES, rule: "default" });
    guest.finish(udp.pipe);
  });

  test.each([
    ["no group", address("127.0.0.1"), any, any],
    ["a port", address("239.7.7.7", 5), any, any],
    ["another family", address("ff02::1"), address("::"), address("::")],
    ["a source of another family", address("239.7.7.7"), address("::"), any],
  ])("%s is EINVAL", async (_, group, source, through) => {
    const udp = await guest.udpBind("0.0.0.0");
    const { payload } = await udp.ask(UdpJoin, { group, source, interface: through });
    expect(ErrorReply.decode(payload).errno).toBe(Errno.EINVAL);
    guest.finish(udp.pipe);
  });
});

test("a guest that writes what it likes as datagrams is told, or ends its stream; one beside it notices nothing", async () => {
  await using server = await udpServer({ type: "udp4", echoes: true });
  using beside = await UdpGuest.attach(host.path);
  const good = await beside.udpConnect("127.0.0.1", server.port);
  for (const [head, clause] of [
    [[0xff, 0xff, 0xff, 0x7f], "a length that no ring has"],
    [[40, 0, 0, 0, 2, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0], "a family that nobody knows"],
    [[40, 0, 0, 0, 2, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 1, 0], "a port over 65535"],
    [[8, 0, 0, 0, 2, 7, 0, 0, 0, 0, 0, 0], "no room for a peer"],
  ] as const) {
    const wicked = await guest.udpBind("127.0.0.1");
    await guest.write(wicked.pipe, Uint8Array.from([...head, ...new Array(64).fill(0)]));
    await expect(guest.read(wicked.pipe), clause).rejects.toThrow(StreamGone);
    guest.finish(wicked.pipe);
    await good.send(clause);
    expect((await good.receive()).map(String)).toEqual([clause]);
  }
  beside.finish(good.pipe);
});

test("a guest whose share of descriptors is used up is refused, and gets one again when it closes one", async () => {
  await using few = await startMonitor(`${POLICY}limits: { streams: 8 }\n`);
  using many = await UdpGuest.attach(few.path);
  const open = [];
  for (;;) {
    try {
      open.push(await many.udpBind("127.0.0.1", 0, 0, 4096));
    } catch (error) {
      expect((error as Declined).errno).toBe(Errno.EMFILE);
      break;
    }
  }
  expect(open.length).toBeLessThanOrEqual(8);
  many.finish(open.pop()!.pipe);
  await until(
    "another",
    async () => (await many.udpBind("127.0.0.1", 0, 0, 4096).catch(() => {})) !== undefined,
  );
});
