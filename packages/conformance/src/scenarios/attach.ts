// Attach and epochs: PROTOCOL.md sections 4.2 and 20.

import { PAGE, Sb, State } from "../host/layout.ts";
import type { Snapshot } from "../host/region.ts";
import type { Case, World } from "../world.ts";
import { hex, pattern, scenario } from "./scenario.ts";

/** The lines of the superblock that the host writes, and those that nobody does. */
function notGuests({ region }: World): Snapshot {
  const guests = [Sb.REQUEST, Sb.GUEST_STATE, Sb.ACCEPTED, Sb.GUEST_MINOR, Sb.GUEST_BEAT];
  return region.snapshot(0, PAGE, guests);
}

const rang = (reply: { rings?: number }): boolean => (reply.rings ?? 0) > 0;
/** What a stream of an epoch that is over may answer. */
const isOver = (status: string | undefined): boolean =>
  ["lost", "reset", "closed", "failed", "violation"].includes(status ?? "");

/** A stream of an epoch that is over: its block, and all else beyond the superblock, stays as it is. */
async function untouched(world: World, clause: string, stream: string): Promise<void> {
  const before = world.beyondSuperblock();
  for (const reply of [
    await world.send(stream, pattern(10)),
    await world.recv(stream),
    await world.on(stream, "end"),
    await world.on(stream, "close"),
  ]) {
    world.check(clause, reply.status !== undefined, "an answer");
  }
  await world.poll();
  world.unchanged(clause, before, "the guest touched more than the superblock");
}

export const attachScenarios: readonly Case[] = [
  scenario(
    "attach: what the guest stores, when, and that it rings",
    "ATT-1 ATT-2 ATT-4 ATT-5 SB-1 SB-3 SB-5 BELL-7",
    async (world) => {
      const { host, region } = world;
      host.start();
      const before = { beyond: world.beyondSuperblock(), others: notGuests(world) };
      const asked = await world.take();
      world.must("ATT-2", asked.status, "ok", "attach");
      world.check("ATT-2", rang(asked), "attaching rings");
      world.check("BELL-7", rang(asked), "attaching rings");
      const request = region.get(Sb.REQUEST);
      world.check("ATT-2", request !== 0 && request !== region.get(Sb.REPLY), `request ${request} is new`);
      world.same("SB-5", region.get(Sb.GUEST_STATE), 1, "guest state");
      world.same("ATT-4", (await world.poll()).status, "waiting", "poll before the answer");
      world.unchanged("ATT-1", before.beyond, "touched more than the superblock");
      world.unchanged("ATT-5", before.beyond, "touched what the host may be clearing");
      world.unchanged("SB-3", before.others, "words that are not the guest's");
      host.answer();
      const others = notGuests(world);
      const attached = await world.poll();
      world.must("ATT-4", attached.status, "attached", "poll after the answer");
      world.same("ATT-4", region.get(Sb.GUEST_STATE), 2, "guest state");
      world.check("BELL-7", rang(attached), "a change of guest state rings");
      world.unchanged("SB-3", others, "words that are not the guest's");
      world.same("SB-1", [region.get(0x110), region.get(0x204)], [0, 0], "reserved words");
    },
  ),
  scenario(
    "attach: a guest that waits rings a monitor that may not have heard it",
    "ATT-4",
    async (world) => {
      world.host.start();
      await world.take();
      for (let round = 0; round < 3; round++) {
        const reply = await world.poll();
        world.same("ATT-4", reply.status, "waiting", "poll");
        world.check(
          "ATT-4",
          rang(reply),
          "rung while it waits, it finds RESETTING without its reply, and rings",
        );
      }
      world.host.answer();
      world.same("ATT-4", (await world.poll()).status, "attached", "poll after the answer");
    },
  ),
  scenario("attach: opening a stream before the answer touches nothing", "ATT-1", async (world) => {
    world.host.start();
    await world.take();
    const before = world.beyondSuperblock();
    await world.ask({ do: "open", stream: "early", protocol: 1, body: "", toHost: 4096, toGuest: 4096 });
    await world.poll();
    await world.ask({ do: "sleep" });
    world.unchanged("ATT-1", before, "touched more than the superblock");
  }),
  scenario("attach: reserved bytes are ignored", "SB-1", async (world) => {
    world.host.start();
    for (const at of [0x02c, 0x07c, 0x090, 0x184, 0x800, 0xffc]) world.region.set(at, 0xdeadbeef);
    world.same("SB-1", (await world.take()).status, "ok", "attach");
    world.host.answer();
    world.same("SB-1", (await world.poll()).status, "attached", "poll");
  }),
  scenario("attach: places come from the superblock", "REG-2", async (world) => {
    await world.attached();
    const { control } = world.host;
    const frame = await world.asked("s");
    world.same("REG-2", [frame.type, frame.payload.length], [0x0101, 8], `a frame on page ${control.page}`);
    world.check(
      "REG-2",
      world.host.takeSignals().includes(0),
      "a bit in the doorbell area that the superblock names",
    );
  }),
  scenario("attach: a host that drains is attached to", "ATT-4 SB-4", async (world) => {
    world.host.start();
    await world.take();
    world.host.answer(State.DRAINING);
    world.same("ATT-4", (await world.poll()).status, "attached", "poll");
    world.region.set(Sb.HOST_STATE, State.READY);
    world.same("SB-4", (await world.poll()).status, "attached", "poll when it is ready again");
  }),
  scenario(
    "attach: a host that begins to drain keeps its streams, and gives no new ones",
    "SB-4 CTL-3",
    async (world) => {
      await world.attached();
      const pipe = await world.running("s");
      world.region.set(Sb.HOST_STATE, State.DRAINING);
      world.must("SB-4", (await world.poll()).status, "attached", "poll while the host drains");
      await world.send("s", pattern(20));
      world.same("SB-4", hex(pipe.take()), hex(pattern(20)), "bytes on a stream that is open");
      pipe.put(pattern(10));
      await world.poll();
      world.same("SB-4", (await world.recv("s")).data, hex(pattern(10)), "bytes back");
      const { request } = await world.asked("new");
      world.host.control.message("Error", request, { errno: 108, rule: "", reason: "the monitor stops" });
      await world.poll();
      const { status, errno } = await world.on("new", "opened");
      world.same("CTL-3", [status, errno], ["refused", 108], "a new stream");
    },
  ),
  scenario("attach: a monitor that answered and was replaced is asked anew", "ATT-4 ATT-6", async (world) => {
    const { host, region } = world;
    host.start();
    await world.take();
    host.answer();
    host.restart();
    const before = world.beyondSuperblock();
    const first = region.get(Sb.REQUEST);
    const { status } = await world.poll();
    // Of itself, or because its program asks: both are "attaches again". But one that says "waiting" asks nobody.
    const asked = region.get(Sb.REQUEST) !== first;
    world.check("ATT-4", asked || status === "lost", `poll: ${status}, and no other request`);
    if (!asked) await world.ask({ do: "attach" });
    const second = region.get(Sb.REQUEST);
    world.check("ATT-4", second !== first && second !== region.get(Sb.REPLY), `request ${second} is new`);
    world.unchanged("ATT-6", before, "touched more than the superblock");
    host.answer();
    world.same("ATT-4", (await world.poll()).status, "attached", "poll");
  }),
  scenario(
    "attach: another monitor has other places, and the guest takes those of the one that answered",
    "ATT-4 SB-1 REG-2",
    async (world) => {
      await world.attached();
      await world.running("old");
      const { host } = world;
      const old = host.bellWord("toHost", 0);
      host.restart();
      host.move();
      world.must("ATT-4", (await world.poll()).status, "lost", "poll");
      await world.ask({ do: "attach" });
      host.answer();
      const before = world.region.snapshot(old, old + 4 * PAGE);
      world.must("ATT-4", (await world.poll()).status, "attached", "poll in the new epoch");
      const frame = await world.asked("new");
      world.same("REG-2", frame.type, 0x0101, `a frame on page ${host.control.page}`);
      world.check("SB-1", host.takeSignals().includes(0), "a bit in the doorbells of the new monitor");
      world.unchanged("SB-1", before, "touched the doorbells of the monitor before");
    },
  ),
  scenario("attach: a largest stream id above 32767 counts as 32767", "SB-1 LIM-1", async (world) => {
    world.host.start({ [Sb.MAX_ID]: 0xffff_ffff });
    world.must("SB-1", (await world.take()).status, "ok", "attach");
    world.host.answer();
    await world.poll();
    const pipe = await world.running("s", { id: 32_767 });
    await world.send("s", pattern(5));
    world.same("SB-1", hex(pipe.take()), hex(pattern(5)), "bytes on stream 32767");
    const { request } = await world.asked("t");
    world.host.give(request, Object.assign(world.host.block(1, 4096, 4096), { id: 32_768 }));
    world.same("LIM-1", (await world.poll()).status, "violation", "stream id 32768");
  }),
  scenario("attach: a monitor that answered and left", "ATT-4", async (world) => {
    const { host, region } = world;
    host.start();
    await world.take();
    host.answer();
    region.set(Sb.HOST_STATE, State.ABSENT);
    world.check("ATT-4", (await world.poll()).status !== "attached", "attached to nobody");
    host.restart();
    await world.poll();
    if (region.get(Sb.REQUEST) === region.get(Sb.REPLY)) await world.ask({ do: "attach" });
    host.answer();
    world.same("ATT-4", (await world.poll()).status, "attached", "poll");
  }),
  ...[
    ["a monitor that starts anew", (world: World) => world.host.restart()],
    ["a monitor that leaves", (world: World) => world.region.set(Sb.HOST_STATE, State.ABSENT)],
    [
      "RESETTING without another epoch number",
      (world: World) => world.region.set(Sb.HOST_STATE, State.RESETTING),
    ],
    ["another epoch, already begun", (world: World) => world.host.answer()],
  ].map(([name, happens]) =>
    scenario(`epoch: ${name} ends every stream`, "ATT-8 ATT-1 ATT-3 SB-4", async (world) => {
      await world.attached();
      await world.running("old");
      (happens as (world: World) => void)(world);
      const { status: polled } = await world.poll();
      world.same("SB-4", polled, "lost", "poll");
      world.must("ATT-8", polled, "lost", "poll");
      const { status } = await world.recv("old");
      world.check("ATT-8", isOver(status), `recv on a stream of the old epoch: ${status}`);
      await untouched(world, "ATT-1", "old");
      const request = world.region.get(Sb.REQUEST);
      const again = await world.ask({ do: "attach" });
      world.check("ATT-8", rang(again) && world.region.get(Sb.REQUEST) !== request, "it can attach again");
      world.host.answer();
      world.same("ATT-3", (await world.poll()).status, "attached", "poll in the new epoch");
      world.host.takeSignals();
      // Streams, generations and positions begin anew.
      const pipe = await world.running("new");
      await world.send("new", pattern(20));
      world.same("ATT-3", pipe.take(), pattern(20), "bytes in the new epoch");
    }),
  ),
  scenario("epoch: in the same memory, positions begin at 0", "ATT-3", async (world) => {
    await world.attached();
    for (let round = 0; round < 3; round++) {
      await world.ask({ do: "control", message: "Ping", fields: { data: "0102" } });
      world.same("ATT-3", world.host.control.get(0), 14, "write position of the control pipe");
      world.host.restart();
      await world.poll();
      await world.ask({ do: "attach" });
      world.host.answer();
      await world.poll();
    }
  }),
  scenario(
    "failed: the guest learns why, and does not attach again by itself",
    "ERR-4 ATT-8 SB-4",
    async (world) => {
      await world.attached();
      await world.running("s");
      world.region.set(Sb.VIOLATION, 5);
      world.region.set(Sb.HOST_STATE, State.FAILED);
      // Before the poll: not in the same breath either.
      const request = world.region.get(Sb.REQUEST);
      const before = world.beyondSuperblock();
      const { status, violation } = await world.poll();
      world.same("ERR-4", [status, violation], ["failed", 5], "poll");
      world.same(
        "ATT-8",
        world.region.get(Sb.REQUEST),
        request,
        "attach request after the poll that found it",
      );
      for (let i = 0; i < 3; i++) await world.poll();
      world.same("ATT-8", world.region.get(Sb.REQUEST), request, "attach request");
      const { status: recv } = await world.recv("s");
      world.check("ATT-8", isOver(recv), `recv: ${recv}`);
      world.unchanged("SB-4", before, "touched more than the superblock");
    },
  ),
  scenario("detach: the guest says so, rings, and touches nothing more", "ATT-7 BELL-7", async (world) => {
    await world.attached();
    await world.running("s");
    const reply = await world.ask({ do: "detach" });
    world.same("ATT-7", world.region.get(Sb.GUEST_STATE), 0, "guest state");
    world.check("BELL-7", rang(reply), "leaving rings");
    const before = world.region.snapshot();
    await world.send("s", pattern(3));
    await world.poll();
    world.unchanged("ATT-7", before, "touched the region after it left");
  }),
  scenario("superblock: a host state that cannot be", "SB-4 ERR-5", async (world) => {
    await world.attached();
    await world.running("s");
    world.region.set(Sb.HOST_STATE, 5);
    const { status, violation = 1 } = await world.poll();
    world.same("SB-4", [status, violation], ["violation", 1], "poll");
    const { status: recv } = await world.recv("s");
    world.check("ERR-5", isOver(recv), `recv: ${recv}`);
  }),
];
