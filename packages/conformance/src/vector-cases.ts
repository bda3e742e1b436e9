// Each vector as a case: the host puts what the vector says, and the testee's answer and words are compared with it.

import { fromHex } from "./catalogue.ts";
import type { Reply } from "./contract.ts";
import { PAGE, Sb, State } from "./host/layout.ts";
import type { HostPipe } from "./host/pipe.ts";
import {
  type AnyVector,
  type AttachVector,
  type BellVector,
  type FrameVector,
  hexOf,
  loadVectors,
  type MessageVector,
  type RingVector,
  type SuperblockVector,
  type Vector,
} from "./vectors.ts";
import { type Case, Unsupported, type World } from "./world.ts";

/** Names and numbers of ERR-4. */
const VIOLATIONS = {
  SUPERBLOCK: 1,
  RING_POSITION: 2,
  RING_FLAG: 3,
  FRAME_LENGTH: 4,
  FRAME_TYPE: 5,
  FRAME_MALFORMED: 6,
  STREAM_STATE: 7,
  QUOTA: 8,
} as const;

const numberOf = (violation: string): number => VIOLATIONS[violation as keyof typeof VIOLATIONS];

/** The file's name comes first, so that `--only` can choose it. */
export function vectorCases(): Case[] {
  return [...loadVectors()].flatMap(([file, vectors]) =>
    vectors.map((vector) => ({
      name: `${file.replace(".json", "")}: ${vector.name}`,
      clauses: vector.clauses,
      pages: vector.kind === "superblock" ? vector.pages : pagesOf(vector),
      run: (world: World) => run(world, vector),
    })),
  );
}

function pagesOf(vector: Vector): number {
  if (vector.kind === "message") return 1;
  if (vector.kind === "ring") return 64 + (vector.toHost + vector.toGuest) / PAGE;
  return vector.kind === "frame" ? 64 + (4096 + vector.ring) / PAGE : 64;
}

async function run(world: World, vector: Vector): Promise<void> {
  switch (vector.kind) {
    case "message":
      return await runMessage(world, vector);
    case "frame":
      return await runFrame(world, vector);
    case "superblock":
      return await runSuperblock(world, vector);
    case "attach":
      return await runAttach(world, vector);
    case "ring":
      return await runRing(world, vector);
    case "bell":
      return await runBell(world, vector);
  }
}

function same(world: World, { clauses }: AnyVector, actual: unknown, expected: unknown, what: string): void {
  for (const clause of clauses) world.same(clause, actual, expected, what);
}

/** A violation with the number that it has on the wire, where the testee gives one. */
function violated(world: World, vector: AnyVector, reply: Reply, what: string): void {
  const { status, violation = numberOf(vector.violation!) } = reply;
  same(world, vector, [status, violation], ["violation", numberOf(vector.violation!)], what);
}

async function runMessage(world: World, vector: MessageVector): Promise<void> {
  const { message, from, fields } = vector;
  const payload = vector.payload === undefined ? undefined : hexOf(vector.payload);
  // A guest decodes what the host sends and encodes what it sends itself; the other way is a bonus.
  if (payload !== undefined) {
    await bonusUnless(from === "host", async () => {
      const reply = await world.ask({ do: "decode", message, payload });
      if (vector.violation !== undefined) return violated(world, vector, reply, `decoding ${message}`);
      same(
        world,
        vector,
        [reply.status, sorted(reply.fields)],
        ["ok", sorted(fields)],
        `decoding ${message}`,
      );
    });
  }
  if (fields !== undefined && message !== "Hello") {
    await bonusUnless(from === "guest", async () => {
      const { status, payload: bytes } = await world.ask({ do: "encode", message, fields });
      const expected = vector.invalid ? ["invalid", undefined] : ["ok", payload];
      same(world, vector, [status, bytes], expected, `encoding ${message}`);
    });
  }
}

async function bonusUnless(required: boolean, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (required || !(error instanceof Unsupported)) throw error;
  }
}

/** Names in one order, whatever the testee's language makes of objects. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([name, each]) => [name, sorted(each)]));
}

async function runFrame(world: World, vector: FrameVector): Promise<void> {
  await world.attached();
  const pipe = await world.running("s", { toGuest: vector.ring, protocol: 6 });
  const bytes = fromHex(hexOf(vector.bytes));
  // What does not fit comes when there is room: frames are taken as they get whole.
  let at = 0;
  const feed = (): void => {
    const room = pipe.free();
    pipe.put(bytes.slice(at, at + room));
    at += Math.min(room, bytes.length - at);
  };
  feed();
  for (const [index, frame] of vector.frames.entries()) {
    await world.poll();
    const { status, type, request, payload } = await world.on("s", "frame");
    const expected = ["ok", frame.type, frame.request, hexOf(frame.payload)];
    same(world, vector, [status, type, request, payload], expected, `frame ${index}`);
    feed();
  }
  if (vector.then === "end" || vector.ends) pipe.end();
  if (vector.then === "reset") pipe.reset();
  await world.poll();
  const reply = await world.on("s", "frame");
  if (vector.then === "violation") violated(world, vector, reply, "after the frames");
  else same(world, vector, reply.status, vector.then, "after the frames");
}

async function runSuperblock(world: World, vector: SuperblockVector): Promise<void> {
  world.host.start();
  for (const [offset, value] of Object.entries(vector.words)) world.region.set(Number(offset), value);
  const before = world.region.snapshot();
  const { status } = await world.take();
  same(world, vector, status, vector.status, "attach");
  if (vector.status === "violation") {
    for (const clause of vector.clauses) world.unchanged(clause, before, "the region is as it was");
  }
}

async function runAttach(world: World, vector: AttachVector): Promise<void> {
  const { region, host } = world;
  host.start();
  for (const [offset, value] of Object.entries(vector.words)) region.set(Number(offset), value);
  const [reply, request] = [region.get(Sb.REPLY), region.get(Sb.REQUEST)];
  same(world, vector, (await world.take()).status, "ok", "attach");
  const asked = region.get(Sb.REQUEST);
  same(world, vector, asked !== 0 && asked !== reply && asked !== request, true, `request ${asked} is new`);
  same(world, vector, region.get(Sb.GUEST_STATE), 1, "guest state ATTACHING");
  if (vector.answer === undefined) return;
  host.answer(State.READY);
  for (const [offset, value] of Object.entries(vector.answer)) {
    region.set(Number(offset), value === "request" ? asked : value);
  }
  const after = await world.poll();
  if (vector.violation !== undefined) violated(world, vector, after, "poll");
  else same(world, vector, after.status, vector.status, "poll");
}

async function runRing(world: World, vector: RingVector): Promise<void> {
  const { toHost, toGuest, start } = vector;
  await world.attached();
  // A fresh stream has carried Open and Opened: it is moved to where the vector begins.
  const pipe = await world.runningAt("s", start, { toHost, toGuest });
  setWords(pipe, vector.words);
  for (const [offset, hex] of vector.data ?? []) {
    world.region.bytes.set(fromHex(hexOf(hex)), (pipe.page + 1) * PAGE + toHost + offset);
  }
  const reply =
    vector.do.recv === undefined
      ? await world.send("s", Uint8Array.from(fromHex(hexOf(vector.do.send!))))
      : await world.recv("s", vector.do.recv);
  if (vector.violation !== undefined) violated(world, vector, reply, "the reply");
  else {
    const { status, data, bytes } = reply;
    const expected = vector.reply;
    same(
      world,
      vector,
      { status, data, bytes },
      { ...expected, ...(expected.data === undefined ? {} : { data: hexOf(expected.data) }) },
      "the reply",
    );
  }
  for (const [offset, value] of Object.entries(vector.after)) {
    same(world, vector, pipe.get(Number(offset)), value, `word ${offset}`);
  }
  for (const [offset, hex] of vector.found ?? []) {
    const wanted = hexOf(hex);
    const at = (pipe.page + 1) * PAGE + offset;
    const found = Buffer.from(world.region.bytes.slice(at, at + wanted.length / 2)).toString("hex");
    same(world, vector, found, wanted, `bytes at ${offset}`);
  }
}

function setWords(pipe: HostPipe, words: Readonly<Record<string, number>>): void {
  for (const [offset, value] of Object.entries(words)) pipe.set(Number(offset), value);
}

async function runBell(world: World, vector: BellVector): Promise<void> {
  const { host, region } = world;
  const bell = (direction: "toHost" | "toGuest", offset: number): number => host.bellWord(direction, offset);
  await world.attached();
  const pipe = await world.running("s", { id: vector.id });
  // To the host: what is signalled sets these words and no other.
  await world.send("s", Uint8Array.of(1));
  for (const [offset, value] of Object.entries(vector.words)) {
    same(world, vector, region.get(bell("toHost", Number(offset))), value, `word ${offset} to the host`);
  }
  same(world, vector, host.takeSignals(), [vector.id], "streams that the words stand for");
  // To the guest: those words make it look at the stream, and it clears them.
  await world.poll();
  for (const [offset, value] of Object.entries(vector.words))
    region.set(bell("toGuest", Number(offset)), value);
  const pending = await world.pending();
  same(world, vector, pending, ["s"], "streams found pending");
  for (const offset of Object.keys(vector.words)) {
    same(world, vector, region.get(bell("toGuest", Number(offset))), 0, `word ${offset} to the guest, taken`);
  }
  pipe.end();
}
