// Requests and their replies on a stream, and what ends a file-stream. PROTOCOL.md sections 7 and 13 to 15.

import { encode, frameBytes } from "../catalogue.ts";
import { P } from "../host/layout.ts";
import type { Case } from "../world.ts";
import { hex, pattern, scenario, words } from "./scenario.ts";

export const requestScenarios: readonly Case[] = [
  scenario(
    "requests: pipelined, told apart by their ids, in both orders",
    "FRM-2 FILE-3 FILE-4",
    async (world) => {
      await world.attached();
      const pipe = await world.running("s", { protocol: 4 });
      const ids: (number | undefined)[] = [];
      for (const bytes of [10, 20]) {
        const payload = hex(encode("Read", { bytes }));
        ids.push((await world.ask({ do: "request", stream: "s", type: 0x0401, payload })).request);
      }
      const frames = [pipe.takeFrame(), pipe.takeFrame()];
      world.same(
        "FILE-3",
        frames.map((frame) => frame?.request),
        ids,
        "requests in order",
      );
      world.check("FRM-2", ids[0] !== ids[1] && !ids.includes(0), "ids that tell replies apart");
      world.same(
        "FILE-4",
        frames.map((frame) => words(frame?.payload ?? pattern(0))[0]),
        [10, 20],
        "Read",
      );
      pipe.message("Data", frames[1]!.request, { data: "bb" });
      pipe.message("Data", frames[0]!.request, { data: "" });
      await world.poll();
      for (const [frame, data] of [
        [frames[1], "bb"],
        [frames[0], ""],
      ] as const) {
        const got = await world.on("s", "frame");
        world.same("FRM-2", [got.type, got.request, got.payload], [0x8401, frame!.request, data], "Data");
      }
    },
  ),
  scenario("requests: one that does not fit now waits for its room", "FRM-3 RING-9", async (world) => {
    await world.attached();
    const pipe = await world.running("s", { protocol: 4 });
    const payload = hex(pattern(3000));
    const first = await world.ask({ do: "request", stream: "s", type: 0x0402, payload });
    world.must("FRM-3", first.status, "ok", "a frame of 3,012 bytes");
    const written = pipe.get(P.TO_HOST_WRITTEN);
    const second = await world.ask({ do: "request", stream: "s", type: 0x0402, payload });
    world.same(
      "FRM-3",
      [second.status, pipe.get(P.TO_HOST_WRITTEN)],
      ["again", written],
      "nothing of it was put",
    );
    const want = pipe.get(P.TO_HOST_WANT_SPACE);
    world.check("RING-9", want >= 1 && want <= 4096, `want-space ${want}`);
    world.same("FRM-3", hex(pipe.takeFrame()?.payload ?? pattern(0)), payload, "the first");
    await world.poll();
    world.same(
      "RING-9",
      (await world.ask({ do: "request", stream: "s", type: 0x0402, payload })).status,
      "ok",
      "the second",
    );
    const long = hex(pattern(4085));
    world.same(
      "FRM-3",
      (await world.ask({ do: "request", stream: "s", type: 0x0402, payload: long })).status,
      "invalid",
      "a frame over the ring",
    );
  }),
  scenario("requests: half a frame is no reason to stay awake", "RING-9 FRM-3", async (world) => {
    await world.attached();
    const pipe = await world.running("s", { protocol: 6 });
    const bytes = frameBytes(0x8002, 0, []);
    pipe.put(bytes.slice(0, 7));
    await world.poll();
    world.same("FRM-3", (await world.on("s", "frame")).status, "again", "half a frame");
    world.same("RING-9", pipe.get(P.TO_GUEST_WANT_DATA), 1, "want-data");
    await world.poll();
    world.same("RING-9", (await world.ask({ do: "sleep" })).asleep, true, "the guest waits for the rest");
    pipe.put(bytes.slice(7));
    await world.poll();
    world.same("FRM-3", (await world.on("s", "frame")).type, 0x8002, "the frame when it is whole");
  }),
  scenario("requests: a listing may fail on the way", "FS-4", async (world) => {
    await world.attached();
    const pipe = await world.running("s", { protocol: 6 });
    const payload = hex(encode("ReadDir", { path: "/" }));
    await world.ask({ do: "request", stream: "s", type: 0x0603, payload });
    const { request } = pipe.takeFrame()!;
    pipe.message("Entries", request, { more: true, skipped: 0, entries: [{ kind: 1, name: "a" }] });
    pipe.message("Error", request, { errno: 5, rule: "", reason: "the disk" });
    await world.poll();
    for (const type of [0x8603, 0x8001]) {
      const frame = await world.on("s", "frame");
      world.same(
        "FS-4",
        [frame.status, frame.type, frame.request],
        ["ok", type, request],
        "a reply to the ReadDir",
      );
    }
  }),
  scenario("file-stream: raw bytes, END, then WriteDone", "FST-4", async (world) => {
    await world.attached();
    const { pipe, open } = await world.opening("s", { protocol: 5 });
    pipe.message("Opened", open.request, { body: "" });
    await world.poll();
    world.must("FST-4", (await world.on("s", "opened")).status, "ok", "opened");
    await world.send("s", pattern(1000));
    await world.on("s", "end");
    world.same(
      "FST-4",
      [hex(pipe.take()), pipe.get(P.TO_HOST_END)],
      [hex(pattern(1000)), 1],
      "bytes, then END",
    );
    pipe.message("WriteDone", open.request, { bytes: 1000 });
    pipe.end();
    await world.poll();
    const { status, type, request, payload } = await world.on("s", "frame");
    const done = ["ok", 0x8501, open.request, "e803000000000000"];
    world.same("FST-4", [status, type, request, payload], done, "WriteDone, with the Open's request id");
    world.same("FST-4", (await world.on("s", "frame")).status, "end", "then the end");
  }),
  scenario("file-stream: the end of a read may come early", "FST-3", async (world) => {
    await world.attached();
    const pipe = await world.running("s", { protocol: 5 });
    pipe.put(pattern(10));
    pipe.end();
    await world.poll();
    world.same("FST-3", (await world.recv("s")).data, hex(pattern(10)), "bytes");
    world.same("FST-3", (await world.recv("s")).status, "end", "the end");
  }),
];
