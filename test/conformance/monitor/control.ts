// The control pipe: PROTOCOL.md section 9, and what ends a guest (section 23).

import { encode, type Fields, le32, MESSAGES } from "../../../packages/conformance/src/catalogue.ts";
import { P, PAGE, Sb } from "../../../packages/conformance/src/host/layout.ts";
import type { HostFrame } from "../../../packages/conformance/src/host/pipe.ts";
import { until } from "../../support/wait.ts";
import { WireGuest, word } from "../wire-guest.ts";
import { connect, ERROR, fatal, frameOf, header, type MonitorCase, of } from "./case.ts";

export const controlCases: MonitorCase[] = [
  of(
    "control requests, in order, told apart by their ids",
    "CTL-4 CTL-5 CTL-6 CTL-7 FRM-1 FRM-2",
    async (world) => {
      const { control: pipe } = world.guest;
      const names: [string, Fields][] = [
        ["Ping", { data: "00ff" }],
        ["Log", { level: 30, text: "hello" }],
        ["GetArgs", {}],
        [
          "Explain",
          {
            protocol: 2,
            body: Buffer.from(encode("ConnectRequest", connect(80, "8.8.8.8"))).toString("hex"),
          },
        ],
        ["Ping", { data: "01".repeat(64) }],
      ];
      const ids: number[] = [];
      for (const [name, fields] of names)
        ids.push(await pipe.send(MESSAGES[name]!.type!, encode(name, fields)));
      const frames = [await pipe.frame(), await pipe.frame(), await pipe.frame(), await pipe.frame()];
      world.same(
        "FRM-2",
        frames.map((each) => each.request),
        [ids[0], ids[2], ids[3], ids[4]],
        "request ids",
      );
      world.same(
        "FRM-1",
        frames.map((each) => each.type),
        [0x8105, 0x8102, 0x8106, 0x8105],
        "types",
      );
      world.same("CTL-6", Buffer.from(frames[0]!.payload).toString("hex"), "00ff", "Pong");
      world.same("CTL-6", frames[3]!.payload.length, 64, "the longest Pong");
      world.same("CTL-7", word(frames[2]!.payload), 0, "a connection that no rule allows");
      world.check("CTL-4", frames[1]!.payload.length >= 8, "Args");
      await until("the line", () => world.host.lines.some(({ msg }) => msg.includes("hello")));
      world.check("CTL-5", true, "Log has no reply, and is in the log");
    },
  ),
  of(
    "streams: powers of two, clear headers, blocks apart",
    "CTL-2 CTL-3 PIPE-1 PIPE-2 PIPE-3 STR-1 TRU-4 LIM-1 STR-6",
    async (world) => {
      const { guest } = world;
      const seen: [number, number][] = [];
      for (const [toHost, toGuest] of [
        [0, 0],
        [1, 4097],
        [5000, 65536],
        [0xffff_ffff, 0xffff_ffff],
      ] as const) {
        const pipe = await guest.newStream(toHost, toGuest);
        for (const capacity of [pipe.toHost, pipe.toGuest]) {
          const fits = capacity >= 4096 && capacity <= 2 ** 24 && (capacity & (capacity - 1)) === 0;
          world.check("PIPE-3", fits, `capacity ${capacity}`);
          world.check("LIM-1", fits, `capacity ${capacity}`);
        }
        world.check(
          "CTL-2",
          pipe.toGuest >= Math.min(toGuest, 65536),
          "as much as was asked, within the limits",
        );
        world.same("STR-1", pipe.get(P.TO_HOST_WANT_DATA), 1, "want-data of toHost");
        const others = Array.from({ length: 128 }, (_, i) =>
          4 * i === P.TO_HOST_WANT_DATA ? 0 : pipe.get(4 * i),
        );
        world.check(
          "PIPE-2",
          others.every((each) => each === 0),
          "a header that is not clear",
        );
        const end = pipe.page + 1 + (pipe.toHost + pipe.toGuest) / PAGE;
        world.check("PIPE-1", end <= guest.get(Sb.PAGES), "outside the region");
        world.check(
          "TRU-4",
          seen.every(([from, to]) => pipe.page >= to || end <= from),
          "blocks overlap",
        );
        world.check("CTL-3", pipe.id >= 1 && pipe.id <= 32767, `id ${pipe.id}`);
        seen.push([pipe.page, end]);
      }
      const first = await guest.newStream();
      await first.send(0x0201, encode("Open", { protocol: 1, body: "" }));
      await first.frame();
      first.end();
      await first.takeAll();
      first.finish();
      await until("another generation", async () => {
        const next = await guest.newStream();
        if (next.id !== first.id) return false;
        world.same("STR-6", next.generation, (first.generation + 1) >>> 0, "generation");
        return true;
      });
    },
  ),
  of("too many streams, and no room", "CTL-3 LIM-1 TRU-5", async (world) => {
    await using host = await world.start(
      "version: 1\nlimits: { streams: 10, regionBytes: 1MiB, streamBytes: 64KiB }\n",
    );
    using guest = await WireGuest.attached(host.path);
    using other = await WireGuest.attached(host.path);
    const ask = (bytes: number): Promise<HostFrame> =>
      guest.control.ask("NewStream", { toHostBytes: bytes, toGuestBytes: bytes });
    let [open, frame] = [0, await ask(65_536)];
    for (; frame.type === 0x8101; frame = await ask(65_536)) open++;
    world.same("CTL-3", frameOf(frame), [ERROR, 12], `a stream that has no room, after ${open}`);
    for (frame = await ask(4096); frame.type === 0x8101; frame = await ask(4096)) open++;
    world.same("LIM-1", [open, ...frameOf(frame)], [10, ERROR, 24], "a stream too many");
    world.check("TRU-5", (await other.newStream()).id > 0, "another guest notices nothing");
  }),
  of(
    "a request that nobody knows is Error ENOSYS, and the host goes on",
    "FRM-7 VER-2 VER-4 ERR-2",
    async (world) => {
      const { control: pipe } = world.guest;
      const request = await pipe.send(0x0777, [1, 2, 3]);
      const frame = await pipe.frame();
      world.same("FRM-7", [...frameOf(frame), frame.request], [ERROR, 38, request], "the reply");
      world.same("ERR-2", word(frame.payload), 38, "ENOSYS as Linux numbers it");
      world.same("VER-2", (await pipe.ask("Ping", { data: "" })).type, 0x8105, "what follows");
      world.check("VER-4", true, "it was answered");
    },
  ),
  fatal("closing the control pipe", "CTL-1 ERR-3", 7, ({ control: pipe }) => pipe.end()),
  fatal("reading no more of the control pipe", "CTL-1", 7, ({ control: pipe }) => pipe.stop()),
  fatal("a write position past the control ring", "RING-4 ERR-3", 2, ({ control: pipe }) => {
    pipe.set(P.TO_HOST_WRITTEN, pipe.written + pipe.toHost + 1);
    pipe.signal();
  }),
  fatal("a closed word of 3 on the control pipe", "RING-10", 3, ({ control: pipe }) => {
    pipe.set(P.TO_HOST_END, 3);
    pipe.signal();
  }),
  fatal("a frame longer than the control ring", "FRM-3 LIM-1", 4, ({ control: pipe }) =>
    pipe.put(Uint8Array.from(header(65_601, 0x0105))),
  ),
  fatal("a frame of the host's on the control pipe", "FRM-4", 5, async ({ control: pipe }) => {
    await pipe.send(0x8105, []);
  }),
  fatal("an exit code of 256", "CTL-5 FRM-6", 6, async ({ control: pipe }) => {
    await pipe.send(0x0104, le32(256));
  }),
  fatal("a Ping of 65 bytes", "CTL-6 FRM-6", 6, async ({ control: pipe }) => {
    await pipe.send(0x0105, new Array<number>(65).fill(1));
  }),
];
