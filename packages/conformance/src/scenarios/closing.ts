// How streams end: half-close, end of stream, reset, and the last closed word. PROTOCOL.md sections 5 and 10.

import { P } from "../host/layout.ts";
import type { Case } from "../world.ts";
import { hex, pattern, scenario } from "./scenario.ts";

export const closingScenarios: readonly Case[] = [
  scenario("half-close: the guest ends, and goes on reading", "RING-6 STR-7 TCP-4", async (world) => {
    await world.attached();
    const pipe = await world.running("s");
    await world.send("s", pattern(1000));
    world.host.takeSignals();
    pipe.set(P.TO_HOST_WANT_DATA, 0);
    await world.on("s", "end");
    world.same("RING-6", [pipe.get(P.TO_HOST_END), pipe.readable()], [1, 1000], "END, all bytes before it");
    world.check("RING-6", world.host.takeSignals().includes(1), "END is signalled, whatever want-data says");
    world.same("RING-6", pipe.get(P.TO_GUEST_STOPPED), 0, "the other direction is open");
    pipe.put(pattern(70, 2));
    await world.poll();
    world.same("TCP-4", (await world.recv("s")).data, hex(pattern(70, 2)), "bytes after this side's END");
    const { status } = await world.send("s", pattern(3));
    world.same("STR-7", [status, pipe.get(P.TO_HOST_WRITTEN)], ["closed", 1016], "send after END");
  }),
  scenario("half-close: the host ends, the guest goes on writing", "RING-6 TCP-4", async (world) => {
    await world.attached();
    const pipe = await world.running("s");
    pipe.put(pattern(300));
    pipe.end();
    await world.poll();
    world.same("RING-6", (await world.recv("s")).data, hex(pattern(300)), "the bytes before END");
    world.same("RING-6", (await world.recv("s")).status, "end", "then the end");
    world.same("TCP-4", (await world.send("s", pattern(40))).bytes, 40, "bytes the other way");
    world.same("TCP-4", hex(pipe.take()), hex(pattern(40)), "bytes the other way");
  }),
  scenario(
    "end of stream: closed seen, THEN empty seen again: the tail is not lost",
    "RING-6",
    async (world) => {
      await world.attached();
      const pipe = await world.running("s");
      // The guest has looked, and found nothing.
      world.same("RING-6", (await world.recv("s")).status, "again", "an empty ring");
      pipe.put(pattern(10), false);
      pipe.end();
      let got = "";
      let reply = await world.recv("s", 3);
      for (; reply.status === "ok"; reply = await world.recv("s", 3)) got += reply.data;
      world.same("RING-6", [got, reply.status], [hex(pattern(10)), "end"], "the tail, then the end");
      // Bytes after END are none.
      pipe.put(pattern(5, 3));
      await world.poll();
      world.same("RING-6", (await world.recv("s")).status, "end", "the end stays the end");
    },
  ),
  scenario("end of stream: an end without a byte", "RING-6", async (world) => {
    await world.attached();
    const pipe = await world.running("s");
    pipe.end();
    await world.poll();
    world.same("RING-6", (await world.recv("s")).status, "end", "recv");
  }),
  scenario("reset: by the host is told as such, not as an end", "RING-8 TCP-4", async (world) => {
    await world.attached();
    const pipe = await world.running("s");
    pipe.put(pattern(100));
    pipe.reset();
    await world.poll();
    let reply = await world.recv("s");
    for (let i = 0; i < 3 && reply.status === "ok"; i++) reply = await world.recv("s");
    world.same("RING-8", reply.status, "reset", "recv");
    world.same("TCP-4", (await world.recv("s")).status, "reset", "recv again");
  }),
  scenario("reset: by the host, as a writer finds it", "RING-7 STR-8", async (world) => {
    await world.attached();
    const pipe = await world.running("s");
    await world.send("s", pattern(10));
    pipe.reset();
    pipe.stop();
    await world.poll();
    const { status } = await world.send("s", pattern(10));
    world.same("RING-7", status, "reset", "send");
    world.same("STR-8", (await world.recv("s")).status, "reset", "recv");
  }),
  scenario("end of stream: one that was seen stays, whatever the word says", "RING-10", async (world) => {
    await world.attached();
    const pipe = await world.running("s");
    pipe.put(pattern(10));
    pipe.end();
    await world.poll();
    await world.recv("s");
    world.must("RING-10", (await world.recv("s")).status, "end", "recv");
    pipe.set(P.TO_GUEST_END, 0);
    pipe.put(pattern(5, 3));
    await world.poll();
    const { status } = await world.recv("s");
    world.check(
      "RING-10",
      status === "end" || status === "violation",
      `recv after a word that shrank: ${status}`,
    );
  }),
  scenario("reset: one that was seen stays, whatever the word says", "RING-10", async (world) => {
    await world.attached();
    const pipe = await world.running("s");
    pipe.put(pattern(10));
    pipe.reset();
    await world.poll();
    let { status } = await world.recv("s");
    for (let i = 0; i < 3 && status === "ok"; i++) status = (await world.recv("s")).status;
    world.must("RING-10", status, "reset", "recv");
    pipe.set(P.TO_GUEST_END, 1);
    await world.poll();
    const after = (await world.recv("s")).status;
    world.check(
      "RING-10",
      after === "reset" || after === "violation",
      `recv after a word that shrank: ${after}`,
    );
  }),
  scenario("reset: after END as well", "RING-6 RING-8", async (world) => {
    await world.attached();
    const pipe = await world.running("s");
    pipe.put(pattern(100));
    pipe.end();
    pipe.reset();
    await world.poll();
    let reply = await world.recv("s");
    for (let i = 0; i < 3 && reply.status === "ok"; i++) reply = await world.recv("s");
    world.same("RING-8", reply.status, "reset", "recv");
    world.same("RING-6", pipe.get(P.TO_GUEST_END), 2, "the word only grows");
  }),
  scenario("reset: by the guest", "RING-6 RING-8 STR-7", async (world) => {
    await world.attached();
    const pipe = await world.running("s");
    await world.send("s", pattern(10));
    world.host.takeSignals();
    await world.on("s", "reset");
    world.same("RING-8", pipe.get(P.TO_HOST_END), 2, "closed word");
    world.same("STR-7", pipe.get(P.TO_GUEST_STOPPED), 1, "the other end's");
    world.check("RING-6", world.host.takeSignals().includes(1), "it is signalled");
  }),
  scenario("the host reads no more: the guest is told, and stops", "RING-7", async (world) => {
    await world.attached();
    const pipe = await world.running("s");
    await world.send("s", pattern(10));
    pipe.stop();
    await world.poll();
    world.same("RING-7", (await world.send("s", pattern(10))).status, "closed", "send");
    pipe.put(pattern(4));
    await world.poll();
    world.same("RING-7", (await world.recv("s")).data, hex(pattern(4)), "the other direction goes on");
  }),
  scenario("the guest reads no more", "RING-7", async (world) => {
    await world.attached();
    const pipe = await world.running("s");
    world.host.takeSignals();
    await world.on("s", "stop");
    world.same("RING-7", pipe.get(P.TO_GUEST_STOPPED), 1, "consumer closed");
    world.check("RING-7", world.host.takeSignals().includes(1), "it is signalled, whatever want-space says");
    world.same("RING-7", (await world.send("s", pattern(3))).bytes, 3, "the other direction goes on");
  }),
  ...(["close", "reset"] as const).map((how) =>
    scenario(`through: after ${how} the guest touches the block no more`, "STR-7", async (world) => {
      await world.attached();
      const pipe = await world.running("s");
      await world.send("s", pattern(10));
      pipe.put(pattern(10));
      world.host.takeSignals();
      await world.on("s", how);
      const closed = [pipe.get(P.TO_HOST_END), pipe.get(P.TO_GUEST_STOPPED)];
      world.same("STR-7", closed, [how === "close" ? 1 : 2, 1], "closed words");
      world.check("STR-7", world.host.takeSignals().includes(1), "the second closed word is signalled");
      // The host writes on: whatever comes, nothing of it is looked at.
      pipe.set(P.TO_HOST_READ, 0x7777);
      pipe.set(P.TO_GUEST_WRITTEN, 0x7fff_0000);
      pipe.set(P.TO_GUEST_END, 9);
      const before = pipe.snapshot();
      world.host.signal(1);
      world.same("STR-7", (await world.poll()).status, "attached", "poll");
      await world.send("s", pattern(10));
      await world.recv("s");
      await world.on("s", "end");
      await world.on("s", "close");
      world.same("STR-7", (await world.poll()).status, "attached", "poll after calls on it");
      world.unchanged("STR-7", before, "touched a block that is the host's again");
    }),
  ),
  ...(
    [
      ["end", "stop"],
      ["stop", "end"],
    ] as const
  ).map(([first, second]) =>
    scenario(`through: ${first}, then ${second}, is both`, "STR-7", async (world) => {
      await world.attached();
      const pipe = await world.running("s");
      await world.on("s", first);
      world.check("STR-7", world.host.takeSignals().includes(1), "the first closed word is signalled");
      await world.on("s", second);
      world.check("STR-7", world.host.takeSignals().includes(1), "and so is the second");
      world.same("STR-7", [pipe.get(P.TO_HOST_END), pipe.get(P.TO_GUEST_STOPPED)], [1, 1], "closed words");
      pipe.end();
      pipe.stop();
      const before = pipe.snapshot();
      await world.send("s", pattern(3));
      await world.recv("s");
      await world.poll();
      world.unchanged("STR-7", before, "touched a block that is the host's again");
    }),
  ),
];
