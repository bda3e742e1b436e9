// Doorbells: PROTOCOL.md section 6.

import { Place } from "../host/host.ts";
import { Bell, PAGE, Sb, State } from "../host/layout.ts";
import type { Case } from "../world.ts";
import { pattern, scenario } from "./scenario.ts";

export const bellScenarios: readonly Case[] = [
  scenario("bell: who sleeps is rung", "BELL-3 BELL-8", async (world) => {
    await world.attached();
    await world.running("s");
    const { host, region } = world;
    host.wake();
    await world.send("s", pattern(1));
    world.same("BELL-3", host.takeSignals(), [1], "signals while the host is awake");
    for (let round = 0; round < 3; round++) {
      host.sleep();
      const asleep = await world.send("s", pattern(1));
      // Rings in vain are allowed; one too few is not.
      world.check("BELL-8", (asleep.rings ?? 0) >= 1, "rings while it sleeps");
      world.same("BELL-3", region.get(host.bellWord("toHost", Bell.ASLEEP)), 0, "asleep");
      host.takeSignals();
    }
  }),
  scenario("bell: signals of several streams add up, each way", "BELL-3 BELL-4", async (world) => {
    await world.attached();
    // Two of one leaf word, one of another, one below another middle word.
    const ids = [1, 2, 40, 2000];
    const pipes = [];
    for (const id of ids) pipes.push(await world.running(`s${id}`, { id }));
    for (const id of ids) await world.send(`s${id}`, pattern(3));
    world.same("BELL-3", world.host.takeSignals(), ids, "signals to the host, taken together");
    await world.poll();
    for (const pipe of pipes) pipe.put(pattern(3));
    const pending = await world.pending();
    world.same("BELL-4", [...pending].sort(), ids.map((id) => `s${id}`).sort(), "streams found pending");
  }),
  scenario("bell: the guest sleeps only when nothing is pending", "BELL-5", async (world) => {
    await world.attached();
    const pipe = await world.running("s");
    const { host, region } = world;
    const asleep = (): number => region.get(host.bellWord("toGuest", Bell.ASLEEP));
    await world.poll();
    pipe.put(pattern(1));
    const busy = await world.ask({ do: "sleep" });
    world.same("BELL-5", [busy.asleep, asleep()], [false, 0], "with something pending");
    await world.poll();
    await world.recv("s");
    const idle = await world.ask({ do: "sleep" });
    world.same("BELL-5", [idle.asleep, asleep()], [true, 1], "with nothing pending");
    world.same("BELL-5", host.signal(1), true, "a signal that must ring");
    const pending = await world.pending();
    world.same("BELL-5", [pending, asleep()], [["s"], 0], "after waking");
    await world.ask({ do: "sleep" });
    await world.poll();
    world.same("BELL-5", asleep(), 0, "after waking for no reason");
  }),
  scenario("bell: bits of streams that are not open are ignored", "BELL-4 BELL-8", async (world) => {
    await world.attached();
    await world.running("s", { id: 33 });
    for (let id = 0; id < 32768; id += 7) world.host.signal(id);
    world.host.signal(33);
    world.same("BELL-4", await world.pending(), ["s"], "streams found pending");
    const at = world.host.bellWord("toGuest", 0);
    const left = world.region.bytes.slice(at, at + 2 * PAGE).some((byte) => byte !== 0);
    world.same("BELL-4", left, false, "bits are left");
    world.same("BELL-8", await world.pending(), [], "a bell for nothing");
  }),
  scenario(
    "bell: bits without those above them are not found; with them they are",
    "BELL-2 BELL-4",
    async (world) => {
      await world.attached();
      await world.running("s", { id: 1030 });
      await world.poll();
      const { host, region } = world;
      // Leaf word 32, middle word 1, bit 0 of it; top bit 1.
      region.set(host.bellWord("toGuest", Bell.LEAF + 4 * 32), 1 << 6);
      world.same("BELL-4", await world.pending(), [], "the leaf bit alone");
      region.set(host.bellWord("toGuest", Bell.MIDDLE + 4), 1);
      region.set(host.bellWord("toGuest", Bell.TOP), 2);
      world.same("BELL-2", await world.pending(), ["s"], "all three");
    },
  ),
  scenario("bell: who is rung looks at the superblock first", "BELL-7 BELL-5 ATT-1", async (world) => {
    await world.attached();
    const pipe = await world.running("s");
    await world.poll();
    world.same("BELL-5", (await world.ask({ do: "sleep" })).asleep, true, "with nothing pending");
    pipe.put(pattern(10));
    // As the monitor before has left it: this word is the epoch's too.
    world.region.set(world.host.bellWord("toGuest", Bell.ASLEEP), 1);
    world.region.set(Sb.EPOCH, world.host.epoch + 1);
    world.region.set(Sb.HOST_STATE, State.RESETTING);
    const before = world.beyondSuperblock();
    world.same("BELL-7", (await world.poll()).status, "lost", "poll");
    world.unchanged("BELL-7", before, "stored 0 to asleep before it looked at the superblock");
    world.unchanged("ATT-1", before, "touched the doorbells of an epoch that is over");
  }),
  scenario(
    "bell: the area lies where the superblock says, two pages for each direction",
    "BELL-1",
    async (world) => {
      await world.attached();
      await world.running("s", { id: 32767 });
      world.host.takeSignals();
      await world.send("s", pattern(1));
      const at = (Place.BELL * PAGE + Bell.LEAF + 4 * 1023) / 4;
      world.same("BELL-1", world.region.words[at]! >>> 0, 0x8000_0000, "the very last leaf bit to the host");
      world.same("BELL-1", world.host.takeSignals(), [32767], "signals");
    },
  ),
];
