// Versions and features, and the heartbeat: PROTOCOL.md sections 4.2 and 22.

import { Bell, Sb } from "../host/layout.ts";
import type { Case } from "../world.ts";
import { pattern, scenario } from "./scenario.ts";

export const versionScenarios: readonly Case[] = [
  scenario("version: another major version", "VER-1", async (world) => {
    for (const major of [0, 2, 0xffffffff]) {
      world.host.start({ [Sb.MAJOR]: major });
      const before = world.region.snapshot();
      world.same("VER-1", (await world.take()).status, "violation", `attach to major version ${major}`);
      world.unchanged("VER-1", before, "touched the region of another version");
    }
  }),
  scenario("version: a newer minor version, and features that nobody knows", "VER-2 VER-3", async (world) => {
    const { host, region } = world;
    host.start({ [Sb.MINOR]: 7, [Sb.FEATURES]: 0xffffffff });
    world.same("VER-2", (await world.take()).status, "ok", "attach");
    const minor = region.get(Sb.GUEST_MINOR);
    // Versions 1.0 and 1.1 have none to accept.
    world.same("VER-3", region.get(Sb.ACCEPTED), 0, "features accepted");
    host.answer();
    world.same("VER-2", (await world.poll()).status, "attached", "poll");
    // Its own, whatever the host's: it is no echo.
    for (const other of [0, 1, 0xffff_ffff]) {
      host.start({ [Sb.MINOR]: other });
      await world.take();
      world.same(
        "VER-2",
        region.get(Sb.GUEST_MINOR),
        minor,
        `the guest's minor version, to a host of 1.${other}`,
      );
    }
  }),
  scenario("version: no features offered, none accepted", "VER-3", async (world) => {
    // Of a guest before this one.
    world.region.set(Sb.ACCEPTED, 0x55);
    await world.attached();
    const accepted = world.region.get(Sb.ACCEPTED);
    world.same("VER-3", accepted, 0, "features accepted");
  }),
  scenario("heartbeat: counts takes, and nothing else moves it", "SB-6", async (world) => {
    await world.attached();
    const pipe = await world.running("s");
    const first = world.region.get(Sb.GUEST_BEAT);
    await world.send("s", pattern(3));
    world.same("SB-6", world.region.get(Sb.GUEST_BEAT), first, "heartbeat, nothing taken");
    for (let round = 0; round < 5; round++) {
      pipe.put(pattern(1));
      await world.poll();
    }
    const grown = (world.region.get(Sb.GUEST_BEAT) - first) >>> 0;
    world.check("SB-6", grown === 0 || (grown >= 5 && grown <= 50), `grew by ${grown} in 5 takes`);
    world.check("SB-6", world.region.get(Sb.HOST_BEAT) === 0, "the host's heartbeat");
    world.region.set(world.host.bellWord("toGuest", Bell.TOP), 0);
  }),
];
