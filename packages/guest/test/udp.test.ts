// guest.udp() beside node:dgram: the same calls, and what each gave.

import * as dgram from "node:dgram";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { Guest, GuestUdpSocket, RefusedError } from "@ringway/guest";
import { beforeAll, describe, expect, it } from "vitest";
import { nameServer } from "../../../test/support/dns.ts";
import { heldForAll } from "../../../test/support/held.ts";
import { policyOf, startMonitor, streamsAre } from "../../../test/support/monitor.ts";
import { freePort } from "../../../test/support/tcp.ts";
import { udpServer } from "../../../test/support/udp.ts";
import { until } from "../../../test/support/wait.ts";
import { type Loose, outcome, titled } from "./alike.ts";

const POLICY = `version: 1
connect:
  - { id: no, deny: 127.0.0.9, protocols: [tcp, udp] }
  - { id: local, allow: [127.0.0.0/8, "::1/128"], protocols: [tcp, udp] }
  - { id: by-name, allow: "*.test", protocols: udp, resolvesTo: [127.0.0.0/8] }
listen:
  - { id: here, allow: [127.0.0.0/8, "::1/128", 0.0.0.0, 239.3.3.3], ports: [0, 1024-65535], protocols: udp }
`;

let guest: Guest;
const hold = heldForAll();
beforeAll(async () => {
  const dns = hold(await nameServer({ "echo.test": ["127.0.0.1"] }));
  const host = hold(await startMonitor(POLICY, { names: dns.names }));
  guest = hold(await Guest.attach(host.path));
});

type Socket = Loose;
type Make = (options: Loose, listener?: Loose) => Socket;

const MAKERS: [string, Make][] = [
  ["node:dgram", (options, listener) => createSocket(options, listener)],
  ["a guest", (options, listener) => guest.udp(options, listener)],
];

/** What came to `count`, in order. */
async function messages(socket: Socket, count: number): Promise<[string, dgram.RemoteInfo][]> {
  const all: [string, dgram.RemoteInfo][] = [];
  socket.on("message", (data: Buffer, from: dgram.RemoteInfo) => all.push([data.toString(), from]));
  await until(`${count} messages`, () => all.length >= count);
  return all;
}

describe.each(MAKERS)("%s", (_, make) => {
  it("binds, sends to and hears many, and closes", async () => {
    await using peer = await udpServer({ type: "udp4", echoes: true });
    const socket = make("udp4");
    const events: string[] = [];
    for (const name of ["listening", "close", "error"]) socket.on(name, () => events.push(name));
    socket.bind(0, "127.0.0.1");
    await once(socket, "listening");
    expect(socket.address()).toMatchObject({ address: "127.0.0.1", family: "IPv4" });
    const sent: unknown[] = [];
    const done = (...args: unknown[]): void => void sent.push(args);
    socket.send("text", peer.port, done);
    socket.send(Buffer.from("bytes"), peer.port, "127.0.0.1", done);
    socket.send(["a ", Buffer.from("list")], peer.port, "localhost", done);
    socket.send(Buffer.from("a part of it"), 2, 4, peer.port, "127.0.0.1", done);
    socket.send(new Uint16Array([0x4141]), peer.port, done);
    socket.send("", peer.port, done);
    const came = await messages(socket, 6);
    expect(came.map(([text]) => text).sort()).toEqual(["", "AA", "a list", "bytes", "part", "text"]);
    const { size, ...from } = came.find(([text]) => text === "bytes")![1];
    expect([size, from]).toEqual([5, { address: "127.0.0.1", family: "IPv4", port: peer.port }]);
    expect(sent.map((args) => (args as [null, number])[1]).sort()).toEqual([0, 2, 4, 4, 5, 6]);
    await new Promise<void>((resolve) => socket.close(resolve));
    expect(events).toEqual(["listening", "close"]);
  });

  it("binds by itself where it only sends", async () => {
    await using peer = await udpServer({ type: "udp4", echoes: true });
    const socket = make({ type: "udp4" });
    socket.send("hello", peer.port);
    expect((await messages(socket, 1))[0]![0]).toBe("hello");
    expect(socket.address().address).toBe("0.0.0.0");
    socket.close();
  });

  it("connects, hears its peer alone, and disconnects", async () => {
    await using peer = await udpServer({ type: "udp4", echoes: true });
    const socket = make("udp4");
    const events: string[] = [];
    for (const name of ["listening", "connect", "close"]) socket.on(name, () => events.push(name));
    socket.connect(peer.port, "127.0.0.1");
    await once(socket, "connect");
    expect(socket.remoteAddress()).toEqual({ address: "127.0.0.1", family: "IPv4", port: peer.port });
    await using other = await udpServer();
    other.socket.send("psst", socket.address().port, "127.0.0.1");
    socket.send("one");
    socket.send("two", (error: unknown, bytes: unknown) => events.push(`sent ${String(error)} ${bytes}`));
    socket.send("three", 0, 3);
    expect((await messages(socket, 3)).map(([text]) => text)).toEqual(["one", "two", "thr"]);
    socket.disconnect();
    expect(await outcome(() => socket.remoteAddress())).toEqual({ fails: "ERR_SOCKET_DGRAM_NOT_CONNECTED" });
    socket.send("anew", peer.port);
    expect((await messages(socket, 1)).map(([text]) => text)).toEqual(["anew"]);
    socket.close();
    await once(socket, "close");
    expect(events).toEqual(["listening", "connect", "sent null 3", "close"]);
  });

  it("that was bound connects too", async () => {
    await using peer = await udpServer({ type: "udp4", echoes: true });
    await using other = await udpServer();
    const socket = make("udp4");
    socket.bind(0, "127.0.0.1");
    await new Promise<void>((resolve) => socket.connect(peer.port, "127.0.0.1", resolve));
    other.socket.send("psst", socket.address().port, "127.0.0.1");
    socket.send("mine");
    expect((await messages(socket, 1)).map(([text]) => text)).toEqual(["mine"]);
    socket.close();
  });

  it("hears that nobody is there, once it is connected", async () => {
    const socket = make("udp4");
    socket.connect(await freePort(), "127.0.0.1");
    await once(socket, "connect");
    socket.send("anybody?");
    const [error] = await once(socket, "error");
    expect([error.code, error.syscall, error.errno]).toEqual(["ECONNREFUSED", "recvmsg", -111]);
    socket.close();
  });

  it("carries the largest datagram, and no larger one", async () => {
    await using peer = await udpServer({ type: "udp4", echoes: true });
    const socket = make("udp4");
    const most = Buffer.alloc(65_507, "x");
    socket.send(most, peer.port, "127.0.0.1");
    const [data] = await once(socket, "message");
    expect(data.equals(most)).toBe(true);
    const error = await new Promise<Loose>((resolve) =>
      socket.send(Buffer.alloc(65_508), peer.port, "127.0.0.1", resolve),
    );
    expect([error.code, error.syscall]).toEqual(["EMSGSIZE", "send"]);
    socket.close();
  });

  it("closes when its signal aborts", async () => {
    const aborting = new AbortController();
    const socket = make({ type: "udp4", signal: aborting.signal });
    socket.bind(0, "127.0.0.1");
    await once(socket, "listening");
    aborting.abort();
    await once(socket, "close");
    expect(await outcome(() => socket.address())).toEqual({ fails: "ERR_SOCKET_DGRAM_NOT_RUNNING" });
    const late = make({ type: "udp4", signal: AbortSignal.abort() });
    await once(late, "close");
  });

  it("tells of an address that is taken, and binds again", async () => {
    await using taken = await udpServer();
    const socket = make("udp4");
    socket.bind(taken.port, "127.0.0.1");
    const [error] = await once(socket, "error");
    expect([error.code, error.syscall, error.address, error.port]).toEqual([
      ...["EADDRINUSE", "bind", "127.0.0.1"],
      taken.port,
    ]);
    socket.bind(0, "127.0.0.1");
    await once(socket, "listening");
    socket.close();
  });

  it("joins a group and hears it", async () => {
    const socket = make({ type: "udp4", reuseAddr: true });
    socket.bind(0);
    await once(socket, "listening");
    socket.addMembership("239.3.3.3", "127.0.0.1");
    expect(await outcome(() => socket.addMembership("239.3.3.3", "127.0.0.1"))).toEqual({
      fails: "EADDRINUSE",
    });
    const sender = createSocket("udp4");
    sender.bind(0, "127.0.0.1");
    await once(sender, "listening");
    sender.setMulticastInterface("127.0.0.1");
    const heard = messages(socket, 1);
    const again = setInterval(() => sender.send("all", socket.address().port, "239.3.3.3"), 50);
    expect((await heard)[0]![0]).toBe("all");
    clearInterval(again);
    socket.dropMembership("239.3.3.3", "127.0.0.1");
    expect(await outcome(() => socket.dropMembership("239.3.3.3", "127.0.0.1"))).toEqual({
      fails: "EADDRNOTAVAIL",
    });
    sender.close();
    socket.close();
  });

  it("is usable with for await and events.on", async () => {
    await using peer = await udpServer({ type: "udp4", echoes: true });
    const socket = make("udp4", (data: Buffer) => socket.emit("heard", data.toString()));
    socket.send("listener", peer.port);
    expect(await once(socket, "heard")).toEqual(["listener"]);
    socket.close();
  });
});

const CALLS = titled([
  (s: Socket) => s.address(),
  (s: Socket) => s.remoteAddress(),
  (s: Socket) => s.disconnect(),
  (s: Socket) => s.setTTL(3),
  (s: Socket) => s.setTTL("3"),
  (s: Socket) => s.setTTL(300),
  (s: Socket) => s.setTTL(0),
  (s: Socket) => s.setMulticastTTL(3),
  (s: Socket) => s.setMulticastTTL(null),
  (s: Socket) => s.setMulticastTTL(256),
  (s: Socket) => s.setBroadcast(true),
  (s: Socket) => s.setMulticastLoopback(true),
  (s: Socket) => s.setMulticastInterface("127.0.0.1"),
  (s: Socket) => s.setMulticastInterface("nonsense"),
  (s: Socket) => s.setMulticastInterface(7),
  (s: Socket) => s.addMembership(),
  (s: Socket) => s.addMembership("127.0.0.1"),
  (s: Socket) => s.addMembership("nonsense"),
  (s: Socket) => s.dropMembership(),
  (s: Socket) => s.dropMembership("239.3.3.3"),
  (s: Socket) => s.addSourceSpecificMembership("127.0.0.1"),
  (s: Socket) => s.addSourceSpecificMembership(5, "232.3.3.3"),
  (s: Socket) => s.dropSourceSpecificMembership("127.0.0.1"),
  (s: Socket) => s.connect(0),
  (s: Socket) => s.connect("x"),
  (s: Socket) => s.connect(),
  (s: Socket) => s.connect(70_000, "127.0.0.1"),
  (s: Socket) => s.connect(5000, 7),
  (s: Socket) => s.send(),
  (s: Socket) => s.send("a"),
  (s: Socket) => s.send("a", 0),
  (s: Socket) => s.send("a", "x"),
  (s: Socket) => s.send("a", 70_000),
  (s: Socket) => s.send(5, 5000),
  (s: Socket) => s.send(null, 5000),
  (s: Socket) => s.send({}, 5000),
  (s: Socket) => s.send(["a", 5], 5000),
  (s: Socket) => s.send("abc", 4, 1, 5000),
  (s: Socket) => s.send("abc", 1, 3, 5000),
  (s: Socket) => s.send("a", 5000, 7),
  (s: Socket) => s.getSendQueueSize(),
  (s: Socket) => s.getSendQueueCount(),
  (s: Socket) => s.setRecvBufferSize(-1),
  (s: Socket) => s.setSendBufferSize("x"),
  (s: Socket) => s.ref() === s && s.unref() === s,
  (s: Socket) => s.type,
]);

async function both(
  prepare: (make: Make) => Promise<Socket>,
  call: (socket: Socket) => unknown,
): Promise<unknown[]> {
  return await Promise.all(
    MAKERS.map(async ([, make]) => {
      const socket = await prepare(make);
      socket.on("error", () => {});
      const result = await outcome(() => call(socket));
      await outcome(() => socket.close());
      return result === undefined ? "nothing" : result;
    }),
  );
}

it.each([...CALLS, ...titled([(s: Socket) => s.getRecvBufferSize()])])(
  "a new socket, as node's: %s",
  async (_, call) => {
    const [theirs, ours] = await both(async (make) => make("udp4"), call);
    expect(ours).toEqual(theirs);
  },
);

it.each([...CALLS.filter(([title]) => !title.includes(".address()")), ...titled([(s: Socket) => s.bind(0)])])(
  "a bound socket, as node's: %s",
  async (_, call) => {
    const bound = async (make: Make): Promise<Socket> => {
      const socket = make("udp4");
      socket.bind(0, "127.0.0.1");
      await once(socket, "listening");
      return socket;
    };
    const [theirs, ours] = await both(bound, call);
    expect(ours).toEqual(theirs);
  },
);

it.each([
  ...CALLS.filter(([title]) => !/\.(address|remoteAddress|connect|disconnect)\(/.test(title)),
  ...titled([
    (s: Socket) => s.connect(5000),
    (s: Socket) => s.send("a", 5000),
    (s: Socket) => s.send("a", 0, 1, 5000),
    (s: Socket) => s.send("a", 0, 1),
    (s: Socket) => s.remoteAddress().address,
    (s: Socket) => s.bind(0),
  ]),
])("a connected socket, as node's: %s", async (_, call) => {
  await using peer = await udpServer();
  const connected = async (make: Make): Promise<Socket> => {
    const socket = make("udp4");
    socket.connect(peer.port, "127.0.0.1");
    await once(socket, "connect");
    return socket;
  };
  const [theirs, ours] = await both(connected, call);
  expect(ours).toEqual(theirs);
});

it.each([
  ...CALLS.filter(([title]) => /\.(address|remoteAddress|send|add\w+|drop\w+)\(/.test(title)),
  ...titled([(s: Socket) => s.close()]),
])("a closed socket, as node's: %s", async (_, call) => {
  const closed = async (make: Make): Promise<Socket> => {
    const socket = make("udp4");
    socket.close();
    return socket;
  };
  const [theirs, ours] = await both(closed, call);
  expect(ours).toEqual(theirs);
});

it.each(
  titled([
    (make: Loose) => make("udp5"),
    (make: Loose) => make({}),
    (make: Loose) => make({ type: "tcp" }),
    (make: Loose) => make({ type: "udp4", lookup: 5 }),
    (make: Loose) => make({ type: "udp4", signal: 5 }),
  ]),
)("cannot be made, as node's: %s", async (_, call) => {
  const [theirs, ours] = await Promise.all(MAKERS.map(([, make]) => outcome(() => call(make))));
  expect(ours).toEqual(theirs);
});

it("has each public member of dgram.Socket", () => {
  const members = Object.getOwnPropertyNames(dgram.Socket.prototype).filter((name) => !name.startsWith("_"));
  // Those of newer versions that do not wait: nothing here is done before the host has answered.
  const exceptions = ["constructor", "sendto", "bindSync", "connectSync"];
  const socket = guest.udp();
  expect(socket).toBeInstanceOf(GuestUdpSocket);
  expect(members.filter((name) => !(name in socket) && !exceptions.includes(name))).toEqual([]);
  socket.close();
});

describe("a guest's socket", () => {
  it("sends to a name that the host resolves", async () => {
    await using peer = await udpServer({ type: "udp4", echoes: true });
    const socket = guest.udp();
    socket.send("by name", peer.port, "echo.test");
    const [data] = (await once(socket, "message")) as [Buffer];
    expect(data.toString()).toBe("by name");
    const connected = guest.udp();
    connected.connect(peer.port, "echo.test");
    await once(connected, "connect");
    connected.send("connected");
    expect(String((await once(connected, "message"))[0])).toBe("connected");
    socket.close();
    connected.close();
  });

  it("is told what the policy refuses, and goes on", async () => {
    await using peer = await udpServer({ type: "udp4", echoes: true });
    const socket = guest.udp();
    socket.send("no", 5000, "127.0.0.9");
    const [error] = (await once(socket, "error")) as [RefusedError];
    expect(error).toBeInstanceOf(RefusedError);
    expect([error.code, error.rule, error.address, error.port]).toEqual(["EACCES", "no", "127.0.0.9", 5000]);
    const named = await new Promise<Loose>((resolve) => socket.send("no", 5000, "other.example", resolve));
    expect([named.code, named.rule]).toEqual(["EACCES", "default"]);
    const missing = await new Promise<Loose>((resolve) => socket.send("no", 5000, "missing.test", resolve));
    expect([missing.code, missing.hostname]).toEqual(["ENOTFOUND", "missing.test"]);
    socket.send("yes", peer.port);
    expect(String((await once(socket, "message"))[0])).toBe("yes");
    const refused = guest.udp();
    refused.connect(5000, "127.0.0.9");
    expect(((await once(refused, "error")) as [RefusedError])[0].rule).toBe("no");
    socket.close();
    refused.close();
  });

  it("that idles is connected again by the next send()", async () => {
    await using short = await startMonitor(`${POLICY}timeouts: { udpIdleMs: 200 }\n`);
    await using idler = await Guest.attach(short.path);
    await using peer = await udpServer({ type: "udp4", echoes: true });
    const socket = idler.udp();
    const errors: Error[] = [];
    socket.on("error", (error) => errors.push(error));
    socket.connect(peer.port, "127.0.0.1");
    await once(socket, "connect");
    await until("its stream to end", () => short.monitor.counters().streams === 0);
    const before = peer.received.length;
    socket.send("again");
    expect(String((await once(socket, "message"))[0])).toBe("again");
    expect(peer.received.length).toBe(before + 1);
    expect(errors).toEqual([]);
    socket.close();
  });

  describe("that is disconnected while it is connected again", () => {
    /** One whose stream the host has ended; those after it live on. */
    async function idledSocket(name: string, port: number) {
      const dns = hold(await nameServer({ "old.test": ["127.0.0.1"] }));
      const short = `${POLICY}timeouts: { udpIdleMs: 200 }\n`;
      const host = hold(await startMonitor(short, { names: dns.names }));
      const idler = hold(await Guest.attach(host.path));
      const socket = idler.udp();
      const errors: Error[] = [];
      socket.on("error", (error) => errors.push(error));
      socket.connect(port, name);
      await once(socket, "connect");
      await streamsAre(host.monitor, 0);
      await host.monitor.reload(policyOf(POLICY, host.folder));
      return { dns, host, socket, errors };
    }

    function isOpen(socket: GuestUdpSocket): boolean {
      try {
        return socket.getSendBufferSize() > 0;
      } catch {
        return false;
      }
    }

    it("sends nothing to its old peer, where that answer comes last", async () => {
      await using old = await udpServer();
      await using other = await udpServer();
      const { dns, host, socket, errors } = await idledSocket("old.test", old.port);
      let release!: () => void;
      dns.held.set("old.test", new Promise((resolve) => (release = resolve)));
      const asked = dns.asked.length;
      const dropped = new Promise<Loose>((resolve) => socket.send("to the old one", resolve));
      await until("the question", () => dns.asked.length > asked);
      socket.disconnect();
      expect((await dropped).code).toBe("ECANCELED");
      await until("the bound one", () => isOpen(socket));
      const { port } = socket.address();
      await streamsAre(host.monitor, 2);
      release();
      await streamsAre(host.monitor, 1);
      socket.send("to another", other.port, "127.0.0.1");
      await until("it", () => other.received.length === 1);
      expect([String(other.received[0]!.data), other.received[0]!.from.port]).toEqual(["to another", port]);
      expect(old.received).toEqual([]);
      expect(errors).toEqual([]);
      socket.close();
    });

    it("leaves no other stream, where that answer comes first", async () => {
      await using old = await udpServer();
      await using other = await udpServer();
      const { host, socket, errors } = await idledSocket("127.0.0.1", old.port);
      socket.send("to the old one");
      socket.disconnect();
      await until("the bound one", () => isOpen(socket));
      await streamsAre(host.monitor, 1);
      // It is bound, and stays: what connects it is not the host's socket.
      const { port } = socket.address();
      socket.connect(other.port, "127.0.0.1");
      await once(socket, "connect");
      socket.disconnect();
      expect([isOpen(socket), socket.address().port]).toEqual([true, port]);
      expect(old.received).toEqual([]);
      expect(errors).toEqual([]);
      socket.connect(other.port, "127.0.0.1");
      await once(socket, "connect");
      socket.close();
      expect(await outcome(() => socket.disconnect())).toEqual({ fails: "ERR_SOCKET_DGRAM_NOT_RUNNING" });
    });
  });

  it("whose bytes are used up fails with EDQUOT and closes, and the guest goes on", async () => {
    await using host = await startMonitor(`${POLICY}limits: { networkBytes: 1000 }\n`);
    await using spender = await Guest.attach(host.path);
    await using peer = await udpServer();
    const socket = spender.udp();
    socket.send(Buffer.alloc(2000), peer.port, "127.0.0.1");
    await until("the datagram that went whole", () => peer.received.length === 1);
    const closed = new Promise<void>((resolve) => socket.once("close", resolve));
    const failed = once(socket, "error");
    socket.send("more", peer.port, "127.0.0.1");
    const [error] = (await failed) as [Loose];
    expect(error.message).toMatch(/^send EDQUOT: the guest has used up /);
    // No peer was to blame: there is none to name.
    expect([error.code, error.address, error.port]).toEqual(["EDQUOT", undefined, undefined]);
    await closed;
    expect(await spender.ping()).toBeGreaterThan(0);
  });

  it("counts what is lost", async () => {
    await using peer = await udpServer();
    const socket = guest.udp({ type: "udp4", ringBytes: 4096 });
    socket.connect(peer.port, "127.0.0.1");
    await once(socket, "connect");
    peer.socket.send(Buffer.alloc(6000), socket.address().port, "127.0.0.1");
    expect(await once(socket, "lost")).toEqual([1]);
    expect(socket.lost).toBe(1);
    // Also where the host's socket is another one by then.
    socket.disconnect();
    socket.connect(peer.port, "127.0.0.1");
    await once(socket, "connect");
    socket.send("it hears whom it has sent to");
    await until("that", () => peer.received.length === 1);
    peer.socket.send(Buffer.alloc(6000), socket.address().port, "127.0.0.1");
    expect(await once(socket, "lost")).toEqual([2]);
    expect(socket.lost).toBe(2);
    socket.close();
  });

  it("is in no group where the host gave it no socket", async () => {
    await using closed = await startMonitor("version: 1\n");
    await using other = await Guest.attach(closed.path);
    const socket = other.udp();
    for (let i = 0; i < 2; i++) {
      socket.addMembership("239.1.2.3");
      expect(await once(socket, "error")).toEqual([expect.objectContaining({ code: "EACCES" })]);
    }
    socket.close();
  });

  it("keeps what it was given in order where the ring is full", async () => {
    await using peer = await udpServer();
    // A host that takes 50 in a second leaves the ring full, however fast it is.
    await using slow = await startMonitor(`${POLICY}rates: { datagrams: 50 }\n`);
    await using sender = await Guest.attach(slow.path);
    const socket = sender.udp({ type: "udp4", ringBytes: 4096 });
    socket.connect(peer.port, "127.0.0.1");
    await once(socket, "connect");
    let done = 0;
    for (let i = 0; i < 100; i++) socket.send(Buffer.from(`${i}`.padEnd(300)), () => done++);
    expect(socket.getSendQueueCount()).toBeGreaterThan(0);
    await until("all of them", () => peer.received.length === 100);
    expect(peer.received.map(({ data }) => Number(data))).toEqual(Array.from({ length: 100 }, (_, i) => i));
    expect([done, socket.getSendQueueCount(), socket.getSendQueueSize()]).toEqual([100, 0, 0]);
    socket.close();
  });

  it("closes with its guest", async () => {
    await using short = await startMonitor(POLICY);
    const leaver = await Guest.attach(short.path);
    const socket = leaver.udp();
    socket.bind(0, "127.0.0.1");
    await once(socket, "listening");
    const closed = once(socket, "close");
    await leaver.close();
    await closed;
  });
});
