// The guest's messages of the vectors, as requests to a real monitor: answered, or a violation.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { MESSAGES } from "../../../packages/conformance/src/catalogue.ts";
import { P, Sb, State } from "../../../packages/conformance/src/host/layout.ts";
import { pattern } from "../../../packages/conformance/src/scenarios/scenario.ts";
import { hexOf, loadVectors, type MessageVector } from "../../../packages/conformance/src/vectors.ts";
import { until } from "../../support/wait.ts";
import { NOT_IN_MONITOR } from "../later.ts";
import type { WirePipe } from "../wire-guest.ts";
import { header, inet, type MonitorCase, type MonitorWorld } from "./case.ts";

const BODY_OF: Readonly<Record<string, number>> = {
  ConnectRequest: 2,
  ListenRequest: 3,
  FileOpen: 4,
  FileStreamOpen: 5,
};

/** A stream on which this vector's message is a request, Opened already taken. */
async function carrier(world: MonitorWorld, type: number): Promise<WirePipe> {
  const ringBytes = 1 << 17;
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
  const vectors = [...loadVectors()]
    .filter(([file]) => !NOT_IN_MONITOR.includes(file.replace(".json", "")))
    .flatMap(([, each]) => each);
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
