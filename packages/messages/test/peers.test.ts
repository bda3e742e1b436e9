// Nodes among peers, over real sockets: names, sending to some, limits, bans, and coming back.

import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { type Ending, type Json, jsonLines } from "@ringway/messages";
import { type Peer, Peers, type PeersOptions } from "@ringway/messages/node";
import { expect, onTestFinished, test, vi } from "vitest";
import { BackOff, Bans } from "../src/index.ts";
import { netOf } from "../src/node/nets.ts";

const codec = jsonLines({ maxLineBytes: 10_000 });

async function listening(address = "127.0.0.1"): Promise<[Server, number]> {
  const server = createServer().listen(0, address);
  await once(server, "listening");
  onTestFinished(() => void server.close());
  return [server, (server.address() as AddressInfo).port];
}

interface Node extends AsyncDisposable {
  readonly peers: Peers<Json>;
  readonly messages: [string, Json][];
  readonly gone: [string | undefined, Ending][];
  readonly refused: string[];
}

/** One that says `name` as its hello, or none. */
function nodeOf(name: string | undefined, options: Partial<PeersOptions<Json>> = {}): Node {
  const messages: [string, Json][] = [];
  const gone: [string | undefined, Ending][] = [];
  const refused: string[] = [];
  const hello = {
    message: () => ({ name: name! }),
    nameOf: (message: Json) => {
      const said = (message as { name?: unknown } | null)?.name;
      return typeof said === "string" ? said : undefined;
    },
  };
  const peers = new Peers<Json>({
    codec,
    ...(name === undefined ? {} : { hello }),
    backOff: { leastMs: 1, mostMs: 20 },
    onMessage: (message, peer) => messages.push([peer.name, message]),
    onGone: (ending, peer) => gone.push([peer?.name, ending]),
    onRefused: (why) => refused.push(why),
    ...options,
  });
  onTestFinished(() => peers.close());
  return { peers, messages, gone, refused, [Symbol.asyncDispose]: () => peers.close() };
}

const dial = (node: Node, name: string, port: number) =>
  node.peers.dial(name, () => connect(port, "127.0.0.1"));

test("peers know each other by name, and are sent to one by one, some, or all", async () => {
  const [server, port] = await listening();
  const hub = nodeOf("hub");
  hub.peers.listen(server);
  const others = ["a", "b", "c"].map((name) => nodeOf(name));
  for (const node of others) dial(node, "hub", port);
  await expect.poll(() => hub.peers.names().sort()).toEqual(["a", "b", "c"]);
  expect(hub.peers.send("to all")).toEqual([]);
  expect(hub.peers.send("to some", ["a", "c", "nobody"])).toEqual(["nobody"]);
  expect(hub.peers.send("to one", "b")).toEqual([]);
  const received = others.map(({ messages }) => messages);
  await expect
    .poll(() => received.map((messages) => messages.map(([, message]) => message)))
    .toEqual([
      ["to all", "to some"],
      ["to all", "to one"],
      ["to all", "to some"],
    ]);
  expect(received[0]![0]![0]).toBe("hub");
  await hub.peers.close();
  await expect
    .poll(() => others[0]!.gone[0])
    .toEqual(["hub", expect.objectContaining({ reason: "EndOfStream" })]);
});

test("a peer that goes away is dialled again, and a node that nobody answers as well", async () => {
  // An address that no other test has: its port is free as long as this one does not listen.
  const [server, port] = await listening("127.18.99.2");
  const hub = nodeOf(undefined);
  const node = nodeOf(undefined);
  server.close();
  await once(server, "close");
  const dialled = node.peers.dial("hub", () => connect(port, "127.18.99.2"));
  await expect.poll(() => node.gone.length).toBeGreaterThan(1);
  expect(node.gone[0]).toEqual([undefined, expect.objectContaining({ reason: "Io" })]);
  server.listen(port, "127.18.99.2");
  hub.peers.listen(server);
  for (let i = 0; i < 3; i++) {
    await expect.poll(() => [node.peers.names(), hub.peers.names().length]).toEqual([["hub"], 1]);
    const { gone } = hub;
    const before = gone.length;
    hub.peers.get(hub.peers.names()[0]!)!.connection.refuse("go");
    await expect.poll(() => gone.length).toBe(before + 1);
  }
  dialled.stop();
});

test("a name is one peer's, and whoever says none is refused", async () => {
  const [server, port] = await listening();
  const hub = nodeOf("hub");
  hub.peers.listen(server);
  dial(nodeOf("a"), "hub", port);
  await expect.poll(() => hub.peers.names()).toEqual(["a"]);
  const once = { backOff: { leastMs: 60_000, mostMs: 60_000 } };
  const [second, wrong] = [nodeOf("a", once), nodeOf("b", once)];
  dial(second, "hub", port);
  dial(wrong, "another hub", port);
  connect(port, "127.0.0.1")
    .on("error", () => {})
    .end('{"name":7}\n');
  connect(port, "127.0.0.1")
    .on("error", () => {})
    .end(`{"name":"${"x".repeat(256)}"}\n`);
  const reasons = (node: Node) =>
    node.gone.map(([, ending]) => (ending.reason === "Refused" ? ending.what : ""));
  await expect
    .poll(() =>
      reasons(hub)
        .filter((what) => what !== "")
        .sort(),
    )
    .toEqual([
      "a hello without a name",
      "a name of more than 255 bytes",
      "a peer of the name a is there already",
    ]);
  await expect.poll(() => reasons(wrong)).toEqual(["hub is not another hub"]);
  expect(hub.peers.names()).toEqual(["a"]);
});

test("whoever connects and says nothing is refused when its time is up", async () => {
  const [server, port] = await listening();
  const hub = nodeOf("hub", { connectTimeoutMs: 20 });
  hub.peers.listen(server);
  connect(port, "127.0.0.1").on("error", () => {});
  await expect.poll(() => hub.gone[0]?.[1]).toMatchObject({ reason: "Refused", what: "no hello" });
});

test("no more are accepted than the limits say, and places are free again", async () => {
  const [server, port] = await listening();
  const hub = nodeOf(undefined, { maxConnections: 3, maxPerAddress: 2 });
  hub.peers.listen(server);
  const from = (localAddress: string) => {
    const socket = connect({ port, host: "127.0.0.1", localAddress }).on("error", () => {});
    onTestFinished(() => void socket.destroy());
    return socket;
  };
  const first = from("127.0.0.2");
  from("127.0.0.2");
  await expect.poll(() => hub.peers.names().length).toBe(2);
  from("127.0.0.2");
  await expect.poll(() => hub.refused).toEqual(["2 connections of its address are accepted already"]);
  from("127.0.0.3");
  await expect.poll(() => hub.peers.names().length).toBe(3);
  from("127.0.0.4");
  await expect.poll(() => hub.refused.length).toBe(2);
  expect(hub.refused[1]).toBe("3 connections are accepted already");
  first.end();
  await expect.poll(() => hub.peers.names().length).toBe(2);
  from("127.0.0.4");
  await expect.poll(() => hub.peers.names().length).toBe(3);
});

test("who writes what is malformed is banned for a while, and who is banned by hand as well", async () => {
  const [server, port] = await listening();
  const hub = nodeOf(undefined, { banMs: { Malformed: 60_000 } });
  hub.peers.listen(server);
  const from = (localAddress: string, text: string) => {
    const socket = connect({ port, host: "127.0.0.1", localAddress }).on("error", () => {});
    onTestFinished(() => void socket.destroy());
    socket.write(text);
  };
  from("127.0.0.2", "no JSON\n");
  await expect.poll(() => hub.gone.map(([, { reason }]) => reason)).toEqual(["Malformed"]);
  from("127.0.0.2", "1\n");
  await expect.poll(() => hub.refused).toEqual(["banned: a line that is not JSON"]);
  from("127.0.0.3", "1\n");
  await expect.poll(() => hub.messages.length).toBe(1);
  hub.peers.ban(hub.peers.names()[0]!, "too loud", 60_000);
  await expect.poll(() => hub.gone[1]?.[1]).toMatchObject({ reason: "Refused", what: "too loud" });
  from("127.0.0.3", "1\n");
  await expect.poll(() => hub.refused[1]).toBe("banned: too loud");
  hub.peers.unban("127.0.0.3");
  from("127.0.0.3", "2\n");
  await expect.poll(() => hub.messages.length).toBe(2);
});

test("whoever says another's name gets only its own address banned", async () => {
  const [server, port] = await listening();
  const hub = nodeOf("hub", { banMs: { Malformed: 60_000 } });
  hub.peers.listen(server);
  const villain = connect({ port, host: "127.0.0.1", localAddress: "127.0.0.2" }).on("error", () => {});
  onTestFinished(() => void villain.destroy());
  villain.write('{"name":"a"}\nno JSON\n');
  await expect.poll(() => hub.gone.map(([name, { reason }]) => [name, reason])).toEqual([["a", "Malformed"]]);
  dial(nodeOf("a"), "hub", port);
  await expect.poll(() => hub.peers.names()).toEqual(["a"]);
  expect(() => hub.peers.ban("x".repeat(256), "why", 1)).toThrow("a name is a string of 1 to 255 bytes");
});

test("a hello, its name, and the code for a peer may throw, and end their connection alone", async () => {
  const [server, port] = await listening();
  const fail = (): never => {
    throw new Error("user's");
  };
  const hub = nodeOf("hub", { onPeer: (peer) => peer.name === "a" && fail() });
  hub.peers.listen(server);
  const once = { backOff: { leastMs: 60_000, mostMs: 60_000 } };
  const nodes = [
    nodeOf("a", once),
    nodeOf("b", { ...once, hello: { message: fail, nameOf: () => "hub" } }),
    nodeOf("c", { ...once, hello: { message: () => ({ name: "c" }), nameOf: fail } }),
  ];
  for (const node of nodes) dial(node, "hub", port);
  await expect
    .poll(() => nodes.slice(1).map(({ gone }) => gone[0]?.[1].reason))
    .toEqual(["Thrown", "Thrown"]);
  await expect
    .poll(() => hub.gone.map(([, { reason }]) => reason).sort())
    .toEqual(expect.arrayContaining(["Thrown"]));
  dial(nodeOf("d"), "hub", port);
  await expect.poll(() => hub.peers.names()).toEqual(["d"]);
});

test("an attempt to connect is over in time, or when it is stopped", async () => {
  const node = nodeOf("a", { connectTimeoutMs: 20, backOff: { leastMs: 60_000, mostMs: 60_000 } });
  const signals: AbortSignal[] = [];
  const never = (signal: AbortSignal) => {
    signals.push(signal);
    return new Promise<never>(() => {});
  };
  node.peers.dial("late", never);
  await expect
    .poll(() => node.gone.map(([, ending]) => ending))
    .toMatchObject([{ reason: "Io", error: new Error("no stream within 20 ms") }]);
  const patient = nodeOf("b", { connectTimeoutMs: 60_000 });
  const dialled = patient.peers.dial("stopped", never);
  dialled.stop();
  const [server, port] = await listening();
  // It accepts, and says no hello.
  const [socket] = await new Promise<[Socket]>((resolve) => {
    const dialled = patient.peers.dial("silent", () => {
      const socket = connect(port, "127.0.0.1");
      void once(server, "connection").then(() => {
        dialled.stop();
        resolve([socket]);
      });
      return socket;
    });
  });
  await expect
    .poll(() => [socket.destroyed, patient.gone.map(([, ending]) => ending)])
    .toMatchObject([true, [{ reason: "Refused", what: "stopped" }]]);
  expect(signals.map(({ aborted }) => aborted)).toEqual([true, true]);
});

test("a connect() that gives no stream is an attempt that failed", async () => {
  const { peers, gone } = nodeOf("a");
  const dial = peers.dial("hub", (() => undefined) as unknown as () => Socket);
  await expect.poll(() => gone.length).toBeGreaterThan(1);
  dial.stop();
  const [, ending] = gone[0]!;
  expect(ending).toMatchObject({ reason: "Io", error: { name: "TypeError" } });
});

test("nobody is dialled whose name another connection has", async () => {
  const [server, port] = await listening();
  const hub = nodeOf("hub");
  hub.peers.listen(server);
  dial(nodeOf("a"), "hub", port);
  await expect.poll(() => hub.peers.names()).toEqual(["a"]);
  let chances = 0;
  const waiting = nodeOf("hub", { chance: () => chances++ });
  const [other, otherPort] = await listening();
  waiting.peers.listen(other);
  dial(nodeOf("a"), "hub", otherPort);
  await expect.poll(() => waiting.peers.names()).toEqual(["a"]);
  const connecting = vi.fn<() => never>(() => {
    throw new Error("dialled");
  });
  waiting.peers.dial("a", connecting);
  await expect.poll(() => chances).toBeGreaterThan(2);
  expect(connecting).not.toHaveBeenCalled();
});

test.each([
  ["maxConnections", { maxConnections: Number.NaN }],
  ["banMs.Malformed", { banMs: { Malformed: -1 } }],
  ["leastMs", { backOff: { leastMs: 0 } }],
  ["txTimeoutMs", { txTimeoutMs: 0 }],
])("a wrong %s is refused at once", (name, options) => expect(() => nodeOf("a", options)).toThrow(name));

test("addresses count by their host: IPv4 written as IPv6 too, and IPv6 by 64 bits", () => {
  const nets = [
    "10.0.0.1",
    "::ffff:10.0.0.1",
    "2001:db8:0:1:2:3:4:5",
    "2001:db8::1:2:3:4:5",
    "2001:db8:0:2::1",
  ];
  expect(nets.map(netOf)).toEqual([
    "10.0.0.1",
    "10.0.0.1",
    "2001:db8:0:1::/64",
    "2001:db8:0:1::/64",
    "2001:db8:0:2::/64",
  ]);
  expect(["::1", "::", "fe80::1%eth0", "::1.2.3.4", "a socket"].map(netOf)).toEqual([
    "0:0:0:0::/64",
    "0:0:0:0::/64",
    "fe80:0:0:0::/64",
    "0:0:0:0::/64",
    "a socket",
  ]);
});

test("who waits for room is told, and a peer that is full is named", async () => {
  const [server, port] = await listening();
  const onDrain = vi.fn<(peer: Peer<Json>) => void>();
  const hub = nodeOf(undefined, { onDrain });
  hub.peers.listen(server);
  dial(nodeOf(undefined), "hub", port);
  await expect.poll(() => hub.peers.names().length).toBe(1);
  const line = "x".repeat(6000);
  expect([hub.peers.send(line), hub.peers.send(line)]).toEqual([[], hub.peers.names()]);
  await expect.poll(() => onDrain.mock.calls.length).toBe(1);
});

test("back-off doubles up to its bound, less a random half, and begins anew after a success", () => {
  const backOff = new BackOff({ leastMs: 100, mostMs: 1000 });
  expect([0, 0, 0, 0, 0, 0.999].map((chance) => backOff.failed(chance))).toEqual([
    100, 200, 400, 800, 1000, 501,
  ]);
  backOff.succeeded();
  expect(backOff.failed(0)).toBe(100);
});

test("bans keep no more of a reason than a line", () => {
  const bans = new Bans(1);
  bans.add("a", "x".repeat(1_000_000), 100);
  expect(bans.of("a", 0)?.reason).toBe(`${"x".repeat(199)}…`);
});

test("bans are no more than their bound, and end", () => {
  const bans = new Bans(2);
  for (const [i, who] of ["a", "b", "a", "c"].entries()) bans.add(who, "why", 100 + i);
  expect(["a", "b", "c"].map((who) => bans.of(who, 101)?.untilMs)).toEqual([102, undefined, 103]);
  expect(["a", "c"].map((who) => bans.of(who, 102)?.untilMs)).toEqual([undefined, 103]);
});
