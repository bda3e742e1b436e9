// unix-connect and unix-listen: PROTOCOL.md section 18. The policy has /run/stream and /run/records to connect to, and
// /run/app to listen at.

import { existsSync, lstatSync } from "node:fs";
import { connect as netConnect } from "node:net";
import { join } from "node:path";
import { encode, type Fields } from "../../../packages/conformance/src/catalogue.ts";
import { pattern } from "../../../packages/conformance/src/scenarios/scenario.ts";
import { readAll } from "../../support/tcp.ts";
import { recordEcho, unixServer } from "../../support/unix.ts";
import { until } from "../../support/wait.ts";
import { word } from "../wire-guest.ts";
import { ERROR, frameOf, type MonitorCase, type MonitorWorld, OPENED, of, REFUSED } from "./case.ts";

const CONNECT = 10;
const LISTEN = 11;
const STREAM = 1;
const RECORDS = 2;
const UNIX_SEND = 0x0901;
const UNIX_RECEIVED = 0x8901;
const UNIX_INCOMING = 0x8902;

/** Sockets of the host lie beside the folder behind /data. */
export const socketOf = (world: MonitorWorld, name: string): string => join(world.data, "..", name);
const to = (path: string, kind = STREAM, timeoutMs = 0): Fields => ({ kind, timeoutMs, path });

async function refused(world: MonitorWorld, protocol: number, fields: Fields): Promise<[number, number]> {
  const body = protocol === CONNECT ? "UnixConnectRequest" : "UnixListenRequest";
  const { pipe, answer } = await world.guest.open(protocol, body, fields);
  pipe.finish();
  return frameOf(answer);
}

export const unixCases: MonitorCase[] = [
  of("unix-connect: opened, half-close each way", "UNX-1 UNX-4 STR-2", async (world) => {
    await using server = await unixServer(socketOf(world, "stream"));
    const { pipe, answer } = await world.guest.open(CONNECT, "UnixConnectRequest", to("/run/stream"));
    world.same("STR-2", answer.type, OPENED, "Opened");
    const who = [process.pid, process.getuid!(), process.getgid!()];
    world.same(
      "UNX-1",
      [0, 4, 8].map((at) => word(answer.payload, at)),
      who,
      "who listens",
    );
    const socket = await until("a connection", () => server.sockets[0]);
    const all = readAll(socket);
    await pipe.put(pattern(9000));
    pipe.end();
    world.check("UNX-4", (await all).equals(pattern(9000)), "bytes, then the end");
    socket.end(pattern(7000, 2));
    const { bytes, closed } = await pipe.takeAll();
    world.same("UNX-4", [bytes.equals(pattern(7000, 2)), closed], [true, 1], "bytes, then END");
    pipe.finish();
  }),
  of("unix-connect: a peer that goes with bytes unread", "UNX-4 RING-8", async (world) => {
    await using server = await unixServer(socketOf(world, "stream"), (socket) => void socket.pause());
    const { pipe } = await world.guest.open(CONNECT, "UnixConnectRequest", to("/run/stream"), 1 << 18);
    const socket = await until("a connection", () => server.sockets[0]);
    await new Promise((resolve) => socket.write(pattern(300), resolve));
    // More than Node reads ahead.
    await pipe.put(pattern(150_000));
    await until("the host to take them", () => pipe.free() === pipe.toHost);
    socket.destroy();
    const { bytes, closed } = await pipe.takeAll();
    world.same("UNX-4", [bytes.equals(pattern(300)), closed], [true, 2], "what came before, then RESET");
    world.same("RING-8", closed, 2, "RESET");
    pipe.finish();
  }),
  of("unix-connect: refusals", "UNX-8 UNX-1 STR-5", async (world) => {
    world.same("UNX-8", await refused(world, CONNECT, to("/run/nothing")), [REFUSED, 13], "no rule");
    await until("the refusal", () => world.host.refusals.some(({ what }) => what === "/run/nothing"));
    world.check("STR-5", true, "the policy decided, and said so");
    world.same("UNX-8", await refused(world, CONNECT, to("/run/stream")), [REFUSED, 2], "nobody there");
    world.same("UNX-8", await refused(world, CONNECT, to("/run/stream/")), [REFUSED, 20], "as a folder");
    for (const kind of [0, 3]) {
      world.same("UNX-1", await refused(world, CONNECT, to("/run/stream", kind)), [REFUSED, 22], "no kind");
    }
    await using _ = await unixServer(socketOf(world, "stream"));
    world.same(
      "UNX-8",
      await refused(world, CONNECT, to("/run/stream", RECORDS)),
      [REFUSED, 91],
      "the other kind",
    );
  }),
  of("unix-connect: records both ways", "UNX-5 UNX-6 FRM-7", async (world) => {
    using _ = recordEcho(socketOf(world, "records"));
    const { pipe } = await world.guest.open(
      CONNECT,
      "UnixConnectRequest",
      to("/run/records", RECORDS),
      1 << 17,
    );
    for (const bytes of [5, 0, 65_536, 1]) {
      pipe.request = -1;
      await pipe.send(UNIX_SEND, Uint8Array.from(pattern(bytes)));
      const { type, payload } = await pipe.frame();
      world.same("UNX-5", [type, payload.length], [UNIX_RECEIVED, bytes], "a record and its echo");
      world.check("UNX-6", Buffer.from(payload).equals(pattern(bytes)), "whole");
    }
    await pipe.send(0x0700 + 0xff, new Uint8Array(3));
    world.same("FRM-7", frameOf(await pipe.frame()), [ERROR, 38], "a type that it does not know");
    pipe.end();
    world.same("UNX-5", (await pipe.takeAll()).closed, 1, "END, then END");
    pipe.finish();
  }),
  of("unix-connect: a record that is too long", "UNX-6", async (world) => {
    using _ = recordEcho(socketOf(world, "records"));
    const { pipe } = await world.guest.open(
      CONNECT,
      "UnixConnectRequest",
      to("/run/records", RECORDS),
      1 << 17,
    );
    await pipe.send(UNIX_SEND, new Uint8Array(65_537));
    world.check("UNX-6", await pipe.wasReset(), "of the guest: a reset");
    pipe.finish();
    const small = await world.guest.open(CONNECT, "UnixConnectRequest", to("/run/records", RECORDS), 4096);
    await small.pipe.send(UNIX_SEND, new Uint8Array(4084));
    const { payload } = await small.pipe.frame();
    world.same("UNX-6", payload.length, 4084, "as long as a ring of 4096 bytes takes");
    small.pipe.finish();
  }),
  of("unix-listen: the name, a connection, the end", "UNX-2 UNX-3 UNX-7 UNX-8 LSN-2", async (world) => {
    const { guest } = world;
    const path = socketOf(world, "app");
    const fields = { kind: STREAM, mode: 0o640, backlog: 4, path: "/run/app" };
    const { pipe: listener, answer } = await guest.open(LISTEN, "UnixListenRequest", fields);
    world.same("UNX-2", [answer.type, answer.payload.length], [OPENED, 0], "Opened, and nothing in it");
    world.same("UNX-2", lstatSync(path).mode & 0o777, 0o640, "its permission bits");
    world.same("UNX-8", await refused(world, LISTEN, fields), [REFUSED, 98], "the name is there already");
    world.same("UNX-2", await refused(world, LISTEN, { ...fields, mode: 0o1000 }), [REFUSED, 22], "a mode");
    const posted = await guest.newStream();
    const id = await listener.send(
      0x0301,
      encode("Accept", { id: posted.id, generation: posted.generation }),
    );
    const client = netConnect({ path, allowHalfOpen: true });
    const frame = await posted.frame();
    world.same(
      "UNX-3",
      [frame.type, frame.request, word(frame.payload)],
      [UNIX_INCOMING, id, process.pid],
      "who called",
    );
    world.check("LSN-2", true, "on the posted stream");
    client.end(pattern(500));
    const { bytes, closed } = await posted.takeAll();
    world.same("UNX-3", [bytes.equals(pattern(500)), closed], [true, 1], "what follows is raw");
    world.check("UNX-7", bytes.length === 500, "bytes, and no more than bytes");
    posted.finish();
    client.destroy();
    listener.end();
    world.same("UNX-2", (await listener.takeAll()).closed, 1, "the listener ends");
    world.check("UNX-2", !existsSync(path), "and the name is gone");
    listener.finish();
  }),
];
