// What version 1.1 adds, as a guest sees it: frames that nobody asked for between replies, replies in any order, and
// connections from Unix sockets. PROTOCOL.md sections 16 to 19.

import { encode, type Fields, MESSAGES } from "../catalogue.ts";
import type { HostPipe } from "../host/pipe.ts";
import type { Case, World } from "../world.ts";
import { hex, pattern, scenario } from "./scenario.ts";

const peer = { family: 4, port: 53, address: "7f000001" };
const UDP_BIND = 8;
const RESOLVE = 9;
const UNIX_CONNECT = 10;
const UNIX_LISTEN = 11;
const MOUNT = 12;

type Said = readonly [name: string, request: number, fields: Fields];

/** A stream of a protocol of 1.1; a guest that says that it is one of 1.0 has none (VER-2). */
async function opened(world: World, protocol: number, body: Uint8Array = pattern(0)): Promise<HostPipe> {
  await world.attached();
  world.needsMinor(1);
  return await world.running("s", { protocol, body: hex(body) });
}

/** What the host says, and that the guest gets each message as it was put, and no more. */
async function hears(world: World, clause: string, pipe: HostPipe, said: readonly Said[]): Promise<void> {
  for (const [name, request, fields] of said) pipe.message(name, request, fields);
  await world.poll();
  for (const [name, request, fields] of said) {
    const got = await world.on("s", "frame");
    const expected = ["ok", MESSAGES[name]!.type!, request, hex(encode(name, fields))];
    world.same(clause, [got.status, got.type, got.request, got.payload], expected, name);
  }
  world.same(clause, (await world.on("s", "frame")).status, "again", "behind the last");
}

/** Sends a request; its id, as the host has found it. */
async function asks(
  world: World,
  clause: string,
  pipe: HostPipe,
  name: string,
  fields: Fields,
): Promise<number> {
  const payload = hex(encode(name, fields));
  const { status } = await world.ask({ do: "request", stream: "s", type: MESSAGES[name]!.type!, payload });
  const frame = pipe.takeFrame();
  world.must(
    clause,
    [status, frame?.type, hex(frame?.payload ?? pattern(0))],
    ["ok", MESSAGES[name]!.type!, payload],
    name,
  );
  return frame!.request;
}

export const additionScenarios: readonly Case[] = [
  scenario(
    "udp: datagrams, losses and errors come in the order of the ring",
    "UDP-4 UDP-5 UDP-9 UDP-10",
    async (world) => {
      const pipe = await opened(world, UDP_BIND, encode("UdpBindRequest", { flags: 0, address: peer }));
      const from = (data: string, segment = 0): Said => ["UdpReceivedFrom", 0, { segment, peer, data }];
      await hears(world, "UDP-4", pipe, [from("01ff"), from(""), from("02")]);
      await hears(world, "UDP-5", pipe, [from("0102030405", 2), from("01", 0)]);
      await hears(world, "UDP-10", pipe, [from("01"), ["UdpLost", 0, { datagrams: 3 }], from("02")]);
      const error = { errno: 13, peer, rule: "no", reason: "the policy says no" };
      await hears(world, "UDP-9", pipe, [["UdpError", 0, error], from("03")]);
    },
  ),
  scenario("udp: the reply to UdpLookup comes between datagrams", "UDP-8 FRM-2", async (world) => {
    const pipe = await opened(world, UDP_BIND, encode("UdpBindRequest", { flags: 0, address: peer }));
    const id = await asks(world, "UDP-8", pipe, "UdpLookup", { port: 53, host: "a.test" });
    world.check("FRM-2", id !== 0, "a request has an id");
    const datagram: Said = ["UdpReceivedFrom", 0, { segment: 0, peer, data: "01" }];
    await hears(world, "UDP-8", pipe, [datagram, ["UdpPeer", id, { peer }], datagram]);
  }),
  scenario(
    "resolve: answers come in any order, each with its question's id",
    "RSL-1 RSL-2 RSL-6",
    async (world) => {
      const pipe = await opened(world, RESOLVE);
      const first = await asks(world, "RSL-2", pipe, "Resolve", { family: 4, name: "a.test" });
      const second = await asks(world, "RSL-2", pipe, "Resolve", { family: 0, name: "b.test" });
      world.check("RSL-1", first !== second, "two ids");
      const addresses = { ttlSeconds: 60, addresses: [{ ...peer, port: 0 }] };
      await hears(world, "RSL-1", pipe, [["Addresses", second, addresses]]);
      await hears(world, "RSL-6", pipe, [["Error", first, { errno: 2, rule: "", reason: "no such name" }]]);
    },
  ),
  scenario("unix: a stream is posted to a listener, and UnixIncoming comes on it", "UNX-3", async (world) => {
    const body = encode("UnixListenRequest", { kind: 1, mode: 0o600, backlog: 0, path: "/run/a" });
    const listener = await opened(world, UNIX_LISTEN, body);
    await world.ask({ do: "accept", stream: "t", listener: "s", toHost: 4096, toGuest: 4096 });
    const pipe = world.host.block(2, 4096, 4096, 1);
    world.host.give(world.host.control.takeFrame()!.request, pipe);
    await world.poll();
    const accept = listener.takeFrame();
    world.must("UNX-3", accept?.type, MESSAGES.Accept!.type!, "Accept");
    const incoming = { pid: 12, uid: 1000, gid: 1000 };
    pipe.message("UnixIncoming", accept!.request, incoming);
    pipe.put(pattern(50));
    await world.poll();
    const { status, payload } = await world.on("t", "opened");
    world.same("UNX-3", [status, payload], ["ok", hex(encode("UnixIncoming", incoming))], "UnixIncoming");
    world.same("UNX-3", (await world.recv("t")).data, hex(pattern(50)), "raw bytes behind it");
  }),
  scenario("unix: records come whole, and one of no bytes is no end", "UNX-5", async (world) => {
    const body = encode("UnixConnectRequest", { kind: 2, timeoutMs: 0, path: "/run/a" });
    const pipe = await opened(world, UNIX_CONNECT, body);
    const record = (data: string): Said => ["UnixReceived", 0, { data }];
    await hears(world, "UNX-5", pipe, [record("01ff"), record(""), record("02")]);
    pipe.end();
    await world.poll();
    world.same("UNX-5", (await world.on("s", "frame")).status, "end", "the end");
  }),
  scenario("mount: answers as they finish, and events between them", "MNT-3 MNT-21", async (world) => {
    const pipe = await opened(world, MOUNT, encode("MountRequest", { path: "" }));
    const watch = await asks(world, "MNT-3", pipe, "MountWatch", { at: 0, flags: 1, path: "" });
    const flush = await asks(world, "MNT-3", pipe, "MountFlush", { handle: 7 });
    const event = (path: string): Said => ["MountEvent", 0, { watch: 5, events: 1, cookie: 0, path }];
    await hears(world, "MNT-3", pipe, [
      ["Done", flush, {}],
      ["MountWatching", watch, { watch: 5 }],
    ]);
    await hears(world, "MNT-21", pipe, [event("6e2fc328ff00"), event("61")]);
  }),
];
