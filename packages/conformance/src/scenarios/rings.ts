// Rings over time: full, empty, around the end, around 2^32. PROTOCOL.md section 5.

import { P } from "../host/layout.ts";
import type { HostPipe } from "../host/pipe.ts";
import type { Case, World } from "../world.ts";
import { hex, pattern, scenario } from "./scenario.ts";

/** The words of the header that the host writes. */
function hostWords(pipe: HostPipe): number[] {
  const at = [P.TO_HOST_READ, P.TO_HOST_STOPPED, P.TO_HOST_WANT_DATA, P.TO_GUEST_WRITTEN, P.TO_GUEST_END];
  return [...at, P.TO_GUEST_WANT_SPACE, 0x200, 0x204].map((offset) => pipe.get(offset));
}

/** Bytes both ways in chunks that fit no power of two, until `total` have gone each way. */
async function churn(world: World, pipe: HostPipe, clause: string, total: number): Promise<void> {
  const chunks = [1, 700, 13, 4096, 2047, 95, 3001];
  const [out, back] = [pattern(total, 3), pattern(total, 4)];
  let [sent, received, turn] = [0, 0, 0];
  while (sent < total || received < total) {
    const chunk = chunks[turn++ % chunks.length]!;
    const moved = sent + received;
    const { bytes = 0 } = await world.send("s", out.slice(sent, sent + chunk));
    world.must(
      clause,
      hex(pipe.take()),
      hex(out.slice(sent, sent + bytes)),
      `bytes ${sent} on, from the guest`,
    );
    sent += bytes;
    const part = back.slice(received, received + Math.min(chunk, pipe.free()));
    pipe.put(part);
    await world.poll();
    let got = "";
    while (got.length < 2 * part.length) {
      const reply = await world.recv("s", 1000);
      if (reply.status !== "ok") break;
      got += reply.data;
    }
    world.must(clause, got, hex(part), `bytes ${received} on, to the guest`);
    received += part.length;
    if (sent + received === moved) world.must(clause, moved, 2 * total, "bytes moved, and no more move");
  }
}

export const ringScenarios: readonly Case[] = [
  scenario("ring: all of the capacity is usable, then it is full", "RING-5 RING-9 LIM-1", async (world) => {
    await world.attached();
    const pipe = await world.running("s");
    pipe.take();
    const first = await world.send("s", pattern(5000));
    world.same("RING-5", [first.status, first.bytes], ["ok", 4096], "5,000 bytes into 4,096");
    world.same("RING-5", (await world.send("s", pattern(1))).status, "again", "a byte more");
    const want = pipe.get(P.TO_HOST_WANT_SPACE);
    world.check("RING-9", want >= 1 && want <= 4096, `want-space ${want}`);
    world.same("LIM-1", hex(pipe.peek()), hex(pattern(4096)), "a whole ring of bytes");
    pipe.take();
    const pending = await world.pending();
    world.same("RING-9", pending, ["s"], "the stream is found pending");
    world.same("RING-5", (await world.send("s", pattern(1000))).bytes, 1000, "bytes when there is room");
    pipe.put(pattern(4096, 2));
    world.same("RING-5", pipe.free(), 0, "free bytes to the guest");
    await world.poll();
    let got = "";
    for (let reply = await world.recv("s"); reply.status === "ok"; reply = await world.recv("s"))
      got += reply.data;
    world.same("RING-5", got, hex(pattern(4096, 2)), "a whole ring of bytes to the guest");
  }),
  scenario("ring: an empty one is no error, and want-data is set", "RING-5 RING-9", async (world) => {
    await world.attached();
    const pipe = await world.running("s");
    world.same("RING-5", (await world.recv("s")).status, "again", "recv");
    world.same("RING-9", pipe.get(P.TO_GUEST_WANT_DATA), 1, "want-data");
  }),
  scenario("ring: the guest signals data when the host waits for it", "RING-9 BELL-3", async (world) => {
    await world.attached();
    const pipe = await world.running("s");
    pipe.set(P.TO_HOST_WANT_DATA, 1);
    await world.send("s", pattern(1));
    world.same("RING-9", world.host.takeSignals(), [1], "signals");
    await world.send("s", pattern(1));
    world.same("BELL-3", world.host.takeSignals(), [1], "signals again: the word is still set");
  }),
  scenario(
    "ring: the guest signals space when as much is free as the host waits for",
    "RING-9 BELL-3",
    async (world) => {
      await world.attached();
      const pipe = await world.running("s");
      pipe.put(pattern(4096));
      world.same("RING-9", pipe.free(), 0, "a full ring");
      pipe.set(P.TO_GUEST_WANT_SPACE, 2048);
      await world.poll();
      world.host.takeSignals();
      await world.recv("s", 2047);
      await world.recv("s", 1);
      world.same("BELL-3", world.host.takeSignals(), [1], "signals at 2,048 free bytes");
    },
  ),
  scenario("ring: the guest writes its own words only", "RING-1 SB-3 TRU-1", async (world) => {
    await world.attached();
    const pipe = await world.running("s");
    pipe.set(P.TO_GUEST_WANT_SPACE, 17);
    const before = hostWords(pipe);
    await world.send("s", pattern(100));
    await world.recv("s");
    await world.on("s", "end");
    await world.on("s", "stop");
    world.same("RING-1", hostWords(pipe), before, "the host's words");
    world.same("SB-3", hostWords(pipe), before, "the host's words");
    const rest = Array.from({ length: 64 }, (_, i) => pipe.get(0x210 + 4 * i));
    world.same(
      "TRU-1",
      rest.every((word) => word === 0),
      true,
      "the rest of the header page",
    );
  }),
  scenario("ring: the guest never reads its own words back", "RING-2 TRU-1", async (world) => {
    await world.attached();
    const pipe = await world.running("s");
    const [written, read] = [pipe.get(P.TO_HOST_WRITTEN), pipe.get(P.TO_GUEST_READ)];
    for (const at of [0x000, 0x004, 0x008, 0x180, 0x184, 0x188]) pipe.set(at, 0x5555_5555);
    const { bytes } = await world.send("s", pattern(100));
    world.same("RING-2", [bytes, pipe.get(P.TO_HOST_WRITTEN)], [100, written + 100], "write position");
    pipe.read = written;
    world.same("RING-2", hex(pipe.take()), hex(pattern(100)), "bytes");
    pipe.put(pattern(60));
    const { data } = await world.recv("s");
    world.same("RING-2", [data, pipe.get(P.TO_GUEST_READ)], [hex(pattern(60)), read + 60], "read position");
    await world.on("s", "end");
    world.same("TRU-1", pipe.get(P.TO_HOST_END), 1, "closed word");
  }),
  scenario("ring: around its end, in both directions", "RING-3 RING-4", async (world) => {
    await world.attached();
    const pipe = await world.running("s");
    await churn(world, pipe, "RING-3", 40_000);
    world.same("RING-4", pipe.get(P.TO_HOST_WRITTEN), pipe.read, "write position");
    world.same("RING-4", pipe.get(P.TO_GUEST_READ), pipe.written, "read position");
  }),
  scenario("ring: of two sizes, the largest frame of each", "RING-3 LIM-1", async (world) => {
    await world.attached();
    const pipe = await world.running("s", { toHost: 8192, toGuest: 65536 });
    await churn(world, pipe, "RING-3", 30_000);
    world.same("LIM-1", (await world.poll()).status, "attached", "poll");
  }),
  ...[0xffff_ffff, 0xffff_f800, 0x7fff_f000].map((start) =>
    scenario(
      `ring: positions around ${start > 0x8000_0000 ? "2^32" : "2^31"}, from ${start}`,
      "RING-4 RING-3",
      async (world) => {
        await world.attached();
        const pipe = await world.runningAt("s", start);
        await churn(world, pipe, "RING-3", 12_000);
        world.same("RING-4", pipe.get(P.TO_HOST_WRITTEN), (start + 12_000) >>> 0, "write position");
        world.same("RING-4", pipe.get(P.TO_GUEST_READ), (start + 12_000) >>> 0, "read position");
        pipe.end();
        await world.poll();
        world.same("RING-4", (await world.recv("s")).status, "end", "end of stream");
      },
    ),
  ),
];
