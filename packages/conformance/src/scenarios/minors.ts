// Minor versions: what a guest makes of a host that is older or newer than it is, and what 1.1 adds. PROTOCOL.md
// sections 16 and 22.
//
// A guest of 1.1 finds out what a host of 1.0 lacks by asking for it; one of 1.0 never asks, and nothing of 1.1 comes
// to it. The suite's host is of 1.1 where a scenario does not say otherwise.

import { encode, MESSAGES } from "../catalogue.ts";
import { Sb } from "../host/layout.ts";
import type { Case, World } from "../world.ts";
import { hex, pattern, scenario, words } from "./scenario.ts";

const [ENOSYS, EPROTONOSUPPORT] = [38, 93];
/** Those that 1.1 adds, and the first that it lacks (STR-4). */
const ADDED = [7, 8, 9, 10, 11, 12, 13];

/** The guest takes a region of a host of this minor version. */
async function attachedTo(world: World, minor: number): Promise<void> {
  world.host.start({ [Sb.MINOR]: minor });
  world.must("VER-2", (await world.take()).status, "ok", `attach to a host of 1.${minor}`);
  world.host.answer();
  world.must("VER-2", (await world.poll()).status, "attached", `poll, with a host of 1.${minor}`);
  world.host.takeSignals();
}

/** Bytes go both ways on a stream of its own. */
async function works(world: World, name: string, id: number): Promise<void> {
  const pipe = await world.running(name, { id });
  await world.send(name, pattern(40, id));
  world.same("VER-2", hex(pipe.take()), hex(pattern(40, id)), `bytes on stream ${id}`);
  pipe.put(pattern(30, id));
  await world.poll();
  world.same("VER-2", (await world.recv(name)).data, hex(pattern(30, id)), `bytes on stream ${id}`);
}

const inet = { family: 4, port: 53, address: "7f000001" };
const endpoints = hex(encode("ConnectReply", { local: { ...inet, port: 40_000 }, peer: inet }));
const error = { errno: 111, peer: inet, rule: "", reason: "nobody listens" };
/** What comes on a connected socket, in this order: a loss stands before what came after it. */
const DATAGRAMS = [
  ["UdpReceived", { segment: 0, data: "0102" }, "UDP-4"],
  ["UdpReceived", { segment: 0, data: "" }, "UDP-4"],
  ["UdpReceived", { segment: 2, data: "0a0b0c0d0e" }, "UDP-5"],
  ["UdpLost", { datagrams: 3 }, "UDP-10"],
  ["UdpReceived", { segment: 0, data: "03" }, "UDP-4"],
  ["UdpError", error, "UDP-9"],
] as const;

export const minorScenarios: readonly Case[] = [
  ...[0, 1, 2, 0xffff_ffff].map((minor) =>
    scenario(
      `version: a host of 1.${minor} serves the guest, which tells it its own`,
      "VER-2",
      async (world) => {
        const { region } = world;
        // Of a guest before this one: each tells its own.
        region.set(Sb.GUEST_MINOR, 0xdead);
        await attachedTo(world, minor);
        const told = region.get(Sb.GUEST_MINOR);
        world.check("VER-2", told !== 0xdead, "the word is as the guest before has left it");
        await works(world, "s", 1);
        world.same("VER-2", region.get(Sb.GUEST_MINOR), told, "the guest's minor version, later");
      },
    ),
  ),
  scenario(
    "version: a host of 1.0 has none of what 1.1 adds, and the guest goes on",
    "VER-2 STR-4",
    async (world) => {
      await attachedTo(world, 0);
      for (const protocol of ADDED) {
        const name = `p${protocol}`;
        const { pipe, open } = await world.opening(name, { id: protocol, protocol });
        world.same("STR-4", words(open.payload)[0], protocol, "the protocol of Open");
        pipe.message("Refused", open.request, {
          errno: EPROTONOSUPPORT,
          rule: "",
          reason: "no such protocol",
        });
        pipe.end();
        pipe.stop();
        await world.poll();
        const { status, errno } = await world.on(name, "opened");
        world.same("VER-2", [status, errno], ["refused", EPROTONOSUPPORT], `opened, protocol ${protocol}`);
        await world.on(name, "close");
      }
      await works(world, "s", 1);
    },
  ),
  scenario(
    "version: a request that the host does not know is ENOSYS, and the guest goes on",
    "VER-2",
    async (world) => {
      await attachedTo(world, 0);
      const pipe = await world.running("s", { protocol: 6 });
      const ids: (number | undefined)[] = [];
      for (const type of [0x06ff, 0x0a0c, 0x0701]) {
        ids.push((await world.ask({ do: "request", stream: "s", type, payload: "00000000" })).request);
        const { request } = pipe.takeFrame()!;
        pipe.message("Error", request, { errno: ENOSYS, rule: "", reason: "unknown" });
        await world.poll();
        const { status, type: answer, request: id, payload } = await world.on("s", "frame");
        world.same(
          "VER-2",
          [status, answer, id],
          ["ok", 0x8001, ids.at(-1)],
          `the answer to 0x${type.toString(16)}`,
        );
        world.same("VER-2", words(Buffer.from(payload ?? "", "hex").subarray(0, 4)), [ENOSYS], "its errno");
      }
      await works(world, "after", 2);
    },
  ),
  scenario(
    "udp: datagrams, trains, a loss and an error come with id 0, as they were put",
    "UDP-1 UDP-4 UDP-5 UDP-9 UDP-10",
    async (world) => {
      // A guest of 1.0 passes over them (FRM-7): it lacks this.
      await world.ask({ do: "decode", message: "UdpLost", payload: "00000000" });
      await world.attached();
      const body = hex(encode("ConnectRequest", { port: 53, timeoutMs: 0, host: "127.0.0.1" }));
      const { pipe, open } = await world.opening("s", { protocol: 7, body });
      world.same("UDP-1", hex(open.payload), `07000000${body}`, "Open");
      pipe.message("Opened", open.request, { body: endpoints });
      for (const [name, fields] of DATAGRAMS) pipe.message(name, 0, fields);
      await world.poll();
      world.same("UDP-1", (await world.on("s", "opened")).payload, endpoints, "Opened");
      for (const [name, fields, clause] of DATAGRAMS) {
        const { status, type, request, payload } = await world.on("s", "frame");
        const expected = ["ok", MESSAGES[name]!.type, 0, hex(encode(name, fields))];
        world.same(clause, [status, type, request, payload], expected, name);
      }
      const payload = hex(encode("UdpSend", { segment: 0, data: "" }));
      world.same(
        "UDP-4",
        (await world.ask({ do: "request", stream: "s", type: 0x0701, payload })).status,
        "ok",
        "a datagram of no bytes",
      );
      world.same("UDP-5", hex(pipe.takeFrame()?.payload ?? pattern(0)), payload, "its frame, whole");
    },
  ),
];
