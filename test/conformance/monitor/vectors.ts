// The guest's messages of the vectors, as requests to a real monitor: answered, or a violation.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { MESSAGES } from "../../../packages/conformance/src/catalogue.ts";
import { P, Sb, State } from "../../../packages/conformance/src/host/layout.ts";
import { pattern } from "../../../packages/conformance/src/scenarios/scenario.ts";
import { hexOf, loadVectors, type MessageVector } from "../../../packages/conformance/src/vectors.ts";
import { freePort } from "../../support/tcp.ts";
import { recordEcho } from "../../support/unix.ts";
import { until } from "../../support/wait.ts";
import type { WirePipe } from "../wire-guest.ts";
import { connect, header, inet, type MonitorCase, type MonitorWorld } from "./case.ts";
import { socketOf } from "./unix.ts";

const BODY_OF: Readonly<Record<string, number>> = {
  ConnectRequest: 2,
  ListenRequest: 3,
  FileOpen: 4,
  FileStreamOpen: 5,
  UdpBindRequest: 8,
  UnixConnectRequest: 10,
  UnixListenRequest: 11,
  MountRequest: 12,
};

const UDP_SEND = 0x0701;

/** A stream on which this vector's message is a request, Opened already taken. */
async function carrier(world: MonitorWorld, type: number): Promise<WirePipe> {
  const ringBytes = 1 << 17;
  if (type >= 0x0a00)
    return (await world.guest.open(12, "MountRequest", { path: "2f64617461" }, ringBytes)).pipe;
  if (type >= 0x0900) {
    const request = { kind: 2, timeoutMs: 0, path: "/run/records" };
    return (await world.guest.open(10, "UnixConnectRequest", request, ringBytes)).pipe;
  }
  if (type >= 0x0800) return (await world.guest.open(9, undefined, {}, ringBytes)).pipe;
  // To where nobody is: each datagram of a connected socket has an answer, which says so.
  if (type === UDP_SEND)
    return (await world.guest.open(7, "ConnectRequest", connect(await freePort()), ringBytes)).pipe;
  if (type >= 0x0700 && type < 0x0800) {
    return (await world.guest.open(8, "UdpBindRequest", { flags: 0, address: inet(0) }, ringBytes)).pipe;
  }
  if (type >= 0x0600) return (await world.guest.open(6, undefined, {}, ringBytes)).pipe;
  if (type >= 0x0400) {
    writeFileSync(join(world.data, "vector"), pattern(100));
    return (await world.guest.open(4, "FileOpen", { flags: 3, mode: 0o644, path: "/data/vector" }, ringBytes))
      .pipe;
  }
  return (await world.guest.open(3, "ListenRequest", { backlog: 1, address: inet(0) }, ringBytes)).pipe;
}

/** What was sent is answered, or reset. */
async function outcome(pipe: WirePipe): Promise<"answered" | "reset"> {
  return await until("an answer or a reset", () => {
    if (pipe.get(P.TO_GUEST_END) === 2) return "reset";
    return pipe.readable() >= 12 ? "answered" : undefined;
  });
}

async function sendVector(world: MonitorWorld, vector: MessageVector): Promise<void> {
  const { guest } = world;
  const payload = Buffer.from(hexOf(vector.payload!), "hex");
  const same = (actual: unknown, expected: unknown, what: string): void => {
    for (const clause of vector.clauses) world.same(clause, actual, expected, `${vector.name}: ${what}`);
  };
  const protocol = BODY_OF[vector.message];
  const type = MESSAGES[vector.message]?.type ?? 0;
  const bad = vector.violation !== undefined;
  if (type !== 0 && type < 0x0200) {
    // The control pipe: a violation is the guest's end.
    await guest.control.put(Uint8Array.from([...header(payload.length, type), ...payload]));
    if (bad) {
      await until("FAILED", () => guest.get(Sb.HOST_STATE) === State.FAILED);
      return same(guest.get(Sb.VIOLATION), 6, "violation");
    }
    guest.control.request = 100;
    if (type !== 0x0103 && type !== 0x0104) await guest.control.frame();
    return same((await guest.control.ask("Ping", { data: "" })).type, 0x8105, "a Ping after it");
  }
  // What answers records.
  using _ = type >= 0x0900 ? recordEcho(socketOf(world, "records")) : undefined;
  let pipe: WirePipe;
  if (protocol !== undefined) pipe = await guest.opening(protocol, payload, 1 << 17);
  else if (vector.message === "Open") {
    pipe = await guest.newStream(1 << 17);
    await pipe.send(0x0201, payload);
  } else {
    pipe = await carrier(world, type);
    await pipe.send(type, payload);
  }
  same(await outcome(pipe), bad ? "reset" : "answered", "what comes");
  if (pipe.get(P.TO_GUEST_END) === 2) return;
  pipe.finish();
}

export function vectorCases(): MonitorCase[] {
  const vectors = [...loadVectors()].flatMap(([, each]) => each);
  return vectors
    .filter(
      (vector): vector is MessageVector =>
        vector.kind === "message" && vector.from === "guest" && vector.payload !== undefined,
    )
    .map((vector) => ({
      name: `monitor: vector ${vector.name}`,
      clauses: vector.clauses,
      shared: true,
      run: (world) => sendVector(world, vector),
    }));
}
