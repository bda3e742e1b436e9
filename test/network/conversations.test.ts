// Conversations as a program follows them: a real monitor, real guests, real peers.

import { once } from "node:events";
import { createServer as createUnixServer } from "node:net";
import { join } from "node:path";
import { FrameWriter, Protocol, unixMessages } from "@ringway/control";
import { Guest } from "@ringway/guest";
import {
  type Conversation,
  type ConversationEvent,
  type Conversations,
  FollowersError,
  type Policy,
} from "@ringway/monitor";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { KiB, MiB, pattern, sha256 } from "../support/bytes.ts";
import { heldForAll } from "../support/held.ts";
import { policyOf, startMonitor, streamsAre, type TestMonitor } from "../support/monitor.ts";
import { echoServer, freePort, readAll, type TestServer, tcpClient, tcpServer } from "../support/tcp.ts";
import { address, UdpGuest, udpServer } from "../support/udp.ts";
import { recordEcho } from "../support/unix.ts";
import { until, within } from "../support/wait.ts";

const hold = heldForAll();
let host: TestMonitor;
let guest: Guest;
let echo: TestServer;

const policy = (folder: string, first = ""): Policy =>
  policyOf(
    `version: 1
connect:
${first}  - { id: no-9, deny: 127.0.0.9 }
  - { id: local, allow: 127.0.0.0/8, protocols: [tcp, udp] }
listen:
  - { id: here, allow: 127.0.0.1, ports: [0, 1024-65535], protocols: [tcp, udp] }
sockets:
  - { id: talk, guest: /run/talk, host: ${join(folder, "talk.sock")}, access: connect }
  - { id: records, guest: /run/records, host: ${join(folder, "records.sock")}, access: connect }
`,
    folder,
  );

beforeAll(async () => {
  host = hold(await startMonitor(policy));
  guest = hold(await Guest.attach(host.path));
  echo = hold(await echoServer());
});

// What is left of the test before is no conversation of the next.
beforeEach(() => streamsAre(host.monitor, 0));

type Followed = Conversations;

async function following(
  options: Parameters<TestMonitor["monitor"]["conversations"]>[0] = {},
): Promise<Followed> {
  const conversations = host.monitor.conversations(options);
  await within("all to be followed", conversations.ready);
  return conversations;
}

async function nextOf(conversations: Followed): Promise<Conversation> {
  const { value, done } = await within("a conversation", conversations.next());
  if (done === true || value === undefined) throw new Error("there is none");
  return value;
}

interface Read {
  readonly initiator: Buffer;
  readonly responder: Buffer;
  readonly lost: number;
  readonly closed: string[];
}

async function readConversation(conversation: AsyncIterable<ConversationEvent>): Promise<Read> {
  const bytes = { initiator: [] as Uint8Array[], responder: [] as Uint8Array[] };
  const closed: string[] = [];
  let lost = 0;
  const all = (async () => {
    for await (const event of conversation) {
      if ("closed" in event) closed.push(event.closed);
      else if ("lost" in event) lost += event.lost;
      else bytes[event.from].push(event.bytes);
    }
  })();
  await within("the end of a conversation", all, 20_000);
  return {
    initiator: Buffer.concat(bytes.initiator),
    responder: Buffer.concat(bytes.responder),
    lost,
    closed,
  };
}

const talk = async (text: string): Promise<void> => {
  const socket = await guest.connect({ host: "127.0.0.1", port: echo.port });
  socket.end(text);
  await readAll(socket);
};

describe("of TCP", () => {
  test("a conversation is whole: who, by which rule, what each has sent and when, and its end once", async () => {
    await using conversations = await following();
    const before = BigInt(Date.now()) * 1_000_000n;
    await talk("hello");
    const conversation = await nextOf(conversations);
    const where = `127.0.0.1:${echo.port}`;
    expect(conversation).toMatchObject({
      guest: "guest-1",
      stream: expect.stringMatching(/^\d+-\d+-\d+$/),
      protocol: "tcp-connect",
      initiator: { side: "guest", name: "guest-1", address: "" },
      responder: { side: "host", name: where, address: where },
      rule: "local",
      isWhole: true,
    });
    const events: ConversationEvent[] = [];
    for await (const event of conversation) events.push(event);
    expect(
      events.map((event) => ("bytes" in event ? [event.from, Buffer.from(event.bytes).toString()] : event)),
    ).toEqual([
      ["initiator", "hello"],
      ["responder", "hello"],
      { closed: "Fin", timeNs: expect.any(BigInt) },
    ]);
    const times = events.map(({ timeNs }) => timeNs);
    expect(times).toEqual([...times].sort((a, b) => (a < b ? -1 : 1)));
    expect(times[0]! - before).toBeLessThan(60_000_000_000n);
    expect(times[0]! >= before - 1_000_000n).toBe(true);
    expect(await conversation.next()).toEqual({ done: true, value: undefined });
  });

  test("one that a listener of the guest's accepted was begun by the host", async () => {
    await using conversations = await following();
    const server = guest.createServer((socket) => void socket.pipe(socket));
    const port = await freePort();
    server.listen(port, "127.0.0.1");
    await once(server, "listening");
    const client = await tcpClient(port);
    client.end("from outside");
    await readAll(client);
    const conversation = await nextOf(conversations);
    expect(conversation).toMatchObject({
      protocol: "tcp-listen",
      initiator: { side: "host", address: expect.stringMatching(/^127\.0\.0\.1:\d+$/) },
      responder: { side: "guest", name: "guest-1", address: `127.0.0.1:${port}` },
      rule: "here",
    });
    expect(await readConversation(conversation)).toMatchObject({
      initiator: Buffer.from("from outside"),
      responder: Buffer.from("from outside"),
      closed: ["Fin"],
    });
    server.close();
  });

  test("two follow a stream in mid-flow, one of them goes, and no byte is lost to anybody", async () => {
    const bytes = pattern(8 * MiB);
    const socket = await guest.connect({ host: "127.0.0.1", port: echo.port });
    socket.write("before");
    await once(socket, "data");
    const options = { whenSlow: "backpressure" } as const;
    await using first = await following(options);
    const second = await following(options);
    const [one, two] = [await nextOf(first), await nextOf(second)];
    expect(one.isWhole).toBe(false);
    const echoed = readAll(socket);
    socket.end(bytes);
    const [oneRead] = await Promise.all([
      readConversation(one),
      (async () => {
        for await (const event of two) if ("bytes" in event && event.from === "responder") break;
        await second.return();
      })(),
      echoed,
    ]);
    const wanted = sha256(bytes);
    expect(sha256(await echoed)).toBe(wanted);
    expect(sha256(oneRead.initiator)).toBe(wanted);
    expect(sha256(oneRead.responder)).toBe(wanted);
    expect(oneRead).toMatchObject({ lost: 0, closed: ["Fin"] });
  });

  test("a slow reader paces the flow, and has every byte of it", async () => {
    const bytes = pattern(4 * MiB);
    let arrived = 0;
    await using sink = await tcpServer((socket) => socket.on("data", ({ length }) => (arrived += length)));
    await using conversations = await following({ whenSlow: "backpressure", capacity: 64 * KiB });
    const socket = await guest.connect({ host: "127.0.0.1", port: sink.port });
    socket.on("error", () => {});
    socket.end(bytes);
    const conversation = await nextOf(conversations);
    await until("bytes", () => arrived > 0);
    // Of another stream the echo comes back while this one stands still.
    await talk("beside it");
    expect(arrived).toBeLessThan(2 * MiB);
    await readConversation(await nextOf(conversations));
    const read = readConversation(conversation);
    await until("all of it", () => arrived === bytes.length, 20_000);
    sink.sockets[0]!.end();
    expect(sha256((await read).initiator)).toBe(sha256(bytes));
    expect((await read).lost).toBe(0);
  });

  test("or loses what it had no room for, which is counted, and the flow does not wait", async () => {
    const bytes = pattern(16 * MiB);
    await using sink = await tcpServer((socket) => socket.resume().once("end", () => socket.end()));
    await using conversations = await following({ whenSlow: "drop", capacity: 64 * KiB });
    const socket = await guest.connect({ host: "127.0.0.1", port: sink.port });
    const ended = readAll(socket);
    socket.end(bytes);
    await ended;
    const { initiator, lost, closed } = await readConversation(await nextOf(conversations));
    expect(initiator.length).toBeGreaterThan(0);
    expect(initiator.length).toBeLessThanOrEqual(320 * KiB);
    expect(initiator.length + lost).toBe(bytes.length);
    expect(closed).toEqual(["Fin"]);
  });

  test("who wants no more of a stream lets it go on", async () => {
    await using sink = await tcpServer((socket) => socket.resume().once("end", () => socket.end()));
    await using conversations = await following({ whenSlow: "backpressure", capacity: 4 * KiB });
    const socket = await guest.connect({ host: "127.0.0.1", port: sink.port });
    const ended = readAll(socket);
    socket.end(pattern(4 * MiB));
    const conversation = await nextOf(conversations);
    for await (const event of conversation) if ("bytes" in event) break;
    await ended;
    expect(await conversation.next()).toEqual({ done: true, value: undefined });
  });
});

describe("how it ends", () => {
  test("is told: reset, refused by a peer or by a rule, closed by the operator, by a policy, with its guest", async () => {
    await using other = await Guest.attach(host.path);
    await using conversations = await following();
    const closed = async (): Promise<unknown> => (await readConversation(await nextOf(conversations))).closed;

    await using breaker = await tcpServer((socket) => socket.resetAndDestroy());
    const broken = await guest.connect({ host: "127.0.0.1", port: breaker.port });
    broken.on("error", () => {});
    expect(await closed()).toEqual(["Rst"]);

    const nobody = await freePort();
    await expect(guest.connect({ host: "127.0.0.1", port: nobody })).rejects.toThrow();
    expect(await closed()).toEqual(["Refused"]);

    await expect(guest.connect({ host: "127.0.0.9", port: 80 })).rejects.toThrow();
    const denied = await nextOf(conversations);
    expect(denied).toMatchObject({ rule: "no-9", responder: { name: "127.0.0.9:80" } });
    expect((await readConversation(denied)).closed).toEqual(["Refused"]);

    const evicted = await guest.connect({ host: "127.0.0.1", port: echo.port });
    evicted.on("error", () => {});
    const toEvict = await nextOf(conversations);
    await host.monitor.steering.resetStream(toEvict.stream);
    expect((await readConversation(toEvict)).closed).toEqual(["Evicted"]);

    await other.connect({ host: "127.0.0.1", port: echo.port });
    await other.close();
    expect(await closed()).toEqual(["GuestGone"]);
  });

  test("a policy that does not allow it any more, put with cut, is PolicyChanged", async () => {
    await using own = await startMonitor(policy, { admin: { socket: join(host.folder, "own-admin.sock") } });
    await using client = await Guest.attach(own.path);
    const conversations = own.monitor.conversations();
    await conversations.ready;
    const socket = await client.connect({ host: "127.0.0.1", port: echo.port });
    socket.on("error", () => {});
    await own.monitor.steering.putPolicy("version: 1\n", { cut: true });
    expect((await readConversation(await nextOf(conversations))).closed).toEqual(["PolicyChanged"]);
  });

  test("with the monitor every conversation ends, and so does the list of them", async () => {
    const own = await startMonitor(policy);
    await using client = await Guest.attach(own.path);
    const conversations = own.monitor.conversations();
    await conversations.ready;
    const socket = await client.connect({ host: "127.0.0.1", port: echo.port });
    socket.on("error", () => {});
    const conversation = await nextOf(conversations);
    await own[Symbol.asyncDispose]();
    expect((await readConversation(conversation)).closed).toEqual(["GuestGone"]);
    expect(await conversations.next()).toEqual({ done: true, value: undefined });
  });
});

describe("of datagrams and Unix sockets", () => {
  test("each datagram is one, and of a bound socket it is said whose", async () => {
    await using udp = await UdpGuest.attach(host.path);
    await using server = await udpServer({ type: "udp4", echoes: true });
    await using conversations = await following({ protocol: "udp" });
    const connected = await udp.udpConnect("127.0.0.1", server.port);
    await connected.send("one");
    expect(await connected.receiveAll(1)).toEqual([Buffer.from("one")]);
    await connected.send("aabbc", 2);
    await connected.receiveAll(3);
    const bound = await udp.udpBind("127.0.0.1");
    await bound.sendTo(address("127.0.0.1", server.port), "two");
    await bound.receiveFrom();
    const [first, second] = [await nextOf(conversations), await nextOf(conversations)];
    expect(first).toMatchObject({ protocol: "udp-connect", rule: "local" });
    expect(second).toMatchObject({ protocol: "udp-bind", rule: "here" });
    const said = async (conversation: Conversation, count: number): Promise<unknown[]> => {
      const all: unknown[] = [];
      while (all.length < count) {
        const { value } = await within("a datagram", conversation.next());
        if (value === undefined || !("bytes" in value)) throw new Error("no datagram");
        all.push([value.from, Buffer.from(value.bytes).toString(), value.peer]);
      }
      return all;
    };
    const texts = ["one", "aa", "bb", "c"];
    const all = await said(first, 8);
    for (const from of ["initiator", "responder"]) {
      expect(all.filter((each) => (each as string[])[0] === from)).toEqual(
        texts.map((text) => [from, text, undefined]),
      );
    }
    const peer = `127.0.0.1:${server.port}`;
    expect(await said(second, 2)).toEqual([
      ["initiator", "two", peer],
      ["responder", "two", peer],
    ]);
  });

  test("a socket that nobody uses for a while has IdleTimeout", async () => {
    const short = (folder: string): Policy => ({
      ...policy(folder),
      timeouts: { ...policy(folder).timeouts, udpIdleMs: 100 },
    });
    await using own = await startMonitor(short);
    await using udp = await UdpGuest.attach(own.path);
    await using server = await udpServer();
    const conversations = own.monitor.conversations();
    await conversations.ready;
    await udp.udpConnect("127.0.0.1", server.port);
    expect((await readConversation(await nextOf(conversations))).closed).toEqual(["IdleTimeout"]);
  });

  test("each record of a Unix socket is one", async () => {
    using _ = recordEcho(join(host.folder, "records.sock"));
    await using raw = await UdpGuest.attach(host.path);
    await using conversations = await following({ protocol: "unix" });
    const pipe = await raw.newStream(256 * KiB);
    const { UnixConnectRequest, UnixKind, UnixSend } = unixMessages;
    const request = { kind: UnixKind.SEQPACKET, timeoutMs: 0, path: "/run/records" };
    raw.sendOpen(pipe, Protocol.UNIX_CONNECT, UnixConnectRequest.encode(request));
    await raw.opened(pipe);
    const writer = new FrameWriter(pipe.toHost);
    for (const text of ["one", "", "three"]) {
      writer.write(UnixSend.type, 0, Buffer.from(text), () => raw.signal(pipe));
    }
    const conversation = await nextOf(conversations);
    const said: string[] = [];
    while (said.length < 6) {
      const { value } = await within("a record", conversation.next());
      if (value !== undefined && "bytes" in value) said.push(`${value.from[0]} ${Buffer.from(value.bytes)}`);
    }
    expect(said.filter((each) => each.startsWith("i"))).toEqual(["i one", "i ", "i three"]);
    expect(said.filter((each) => each.startsWith("r"))).toEqual(["r one", "r ", "r three"]);
  });

  test("a Unix stream's bytes are told as those of TCP", async () => {
    const server = createUnixServer((socket) => void socket.pipe(socket)).listen(
      join(host.folder, "talk.sock"),
    );
    await once(server, "listening");
    await using conversations = await following({ protocol: "unix" });
    const socket = await guest.connect({ path: "/run/talk" });
    socket.end("by path");
    await readAll(socket);
    const conversation = await nextOf(conversations);
    expect(conversation).toMatchObject({
      protocol: "unix-connect",
      responder: { name: "/run/talk" },
      rule: "talk",
    });
    const text = Buffer.from("by path");
    expect(await readConversation(conversation)).toMatchObject({
      initiator: text,
      responder: text,
      closed: ["Fin"],
    });
    server.close();
  });
});

describe("who follows", () => {
  test("has those that it asks for: a guest, a protocol, a name or an address", async () => {
    await using none = await following({ guest: "web" });
    await using udp = await following({ protocol: "udp" });
    await using elsewhere = await following({ match: "*.example.com:*" });
    await using those = await following({ guest: "guest", protocol: "tcp", match: `127.*:${echo.port}` });
    await talk("x");
    expect(await nextOf(those)).toMatchObject({ responder: { name: `127.0.0.1:${echo.port}` } });
    await streamsAre(host.monitor, 0);
    for (const each of [none, udp, elsewhere]) {
      await each.return();
      expect(await each.next()).toEqual({ done: true, value: undefined });
    }
  });

  test("has no more at once than it has asked for, and is told how many it has missed", async () => {
    await using conversations = await following({ most: 1 });
    await talk("followed");
    await talk("missed");
    const first = await nextOf(conversations);
    await until("what was missed", () => conversations.missed === 1);
    await readConversation(first);
    await until("a place", async () => {
      await talk("again");
      return conversations.missed < 50;
    });
    expect(await nextOf(conversations)).toMatchObject({ isWhole: true });
  });

  test("is one of few, and says what can be", async () => {
    expect(() => host.monitor.conversations({ capacity: 1 })).toThrow(RangeError);
    expect(() => host.monitor.conversations({ whenSlow: "wait" as "drop" })).toThrow("must be one of");
    const all = Array.from({ length: 16 }, () => host.monitor.conversations());
    expect(() => host.monitor.conversations()).toThrow(FollowersError);
    for (const each of all) await each.return();
    const controller = new AbortController();
    const conversations = await following({ signal: controller.signal });
    controller.abort();
    expect(await conversations.next()).toEqual({ done: true, value: undefined });
  });
});
