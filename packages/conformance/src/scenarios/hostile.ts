// Hosts that break the protocol: the guest fails, with an error and no hang. PROTOCOL.md sections 23 and 25.

import { encode, le32 } from "../catalogue.ts";
import type { Reply } from "../contract.ts";
import { P } from "../host/layout.ts";
import type { HostPipe } from "../host/pipe.ts";
import type { Case, World } from "../world.ts";
import { hex, pattern, scenario } from "./scenario.ts";

/** The guest says so, with the number where it gives one; then every stream of it ends with an error (ERR-5). */
async function fails(
  world: World,
  clause: string,
  reply: Reply,
  number: number | undefined,
  beside: string,
): Promise<void> {
  const { status, violation } = reply;
  const as = number === undefined || violation === undefined ? undefined : violation;
  world.same(clause, [status, as], ["violation", as === undefined ? undefined : number], "the reply");
  const other = await world.send(beside, pattern(3));
  world.same("ERR-5", other.status, "violation", "another stream of the same guest");
  world.same("ERR-5", (await world.poll()).status, "violation", "poll");
}

type Mischief = (pipe: HostPipe) => void;

/** Both directions of a stream that has carried bytes, and then a word that cannot be. */
function word(name: string, clause: string, number: number, does: "send" | "recv", mischief: Mischief): Case {
  return scenario(`hostile: ${name}`, `${clause} ERR-5 TRU-2`, async (world) => {
    await world.attached();
    await world.running("beside", { id: 2 });
    const pipe = await world.running("s");
    await world.send("s", pattern(100));
    pipe.take();
    // What it has loaded by now, it has seen.
    await world.send("s", pattern(1));
    pipe.take();
    await world.send("s", pattern(1));
    pipe.put(pattern(100));
    await world.poll();
    await world.recv("s");
    mischief(pipe);
    world.host.signal(1);
    const polled = await world.poll();
    if (polled.status === "violation") {
      world.check("TRU-2", true, "the word is checked before it is used");
      return await fails(world, clause, polled, number, "beside");
    }
    const reply = does === "send" ? await world.send("s", pattern(10)) : await world.recv("s");
    world.same("TRU-2", reply.status, "violation", "the word is checked before it is used");
    await fails(world, clause, reply, number, "beside");
  });
}

/** A frame where Opened should be. */
function answer(
  name: string,
  clauses: string,
  number: number | undefined,
  put: (pipe: HostPipe, request: number) => void,
): Case {
  const [clause] = clauses.split(" ");
  return scenario(`hostile: ${name}`, `${clauses} ERR-5`, async (world) => {
    await world.attached();
    await world.running("beside", { id: 2 });
    const { pipe, open } = await world.opening("s", { toGuest: 4096 });
    put(pipe, open.request);
    const polled = await world.poll();
    const reply = polled.status === "violation" ? polled : await world.on("s", "opened");
    for (const each of clauses.split(" "))
      if (each !== clause) world.same(each, reply.status, "violation", "the reply");
    await fails(world, clause!, reply, number, "beside");
  });
}

/** A reply on the control pipe. */
function control(
  name: string,
  clauses: string,
  number: number | undefined,
  put: (world: World, request: number) => void,
): Case {
  const [clause] = clauses.split(" ");
  return scenario(`hostile: ${name}`, `${clauses} ERR-5`, async (world) => {
    await world.attached();
    await world.running("beside", { id: 2 });
    const { request } = await world.asked("s");
    put(world, request);
    const reply = await world.poll();
    for (const each of clauses.split(" "))
      if (each !== clause) world.same(each, reply.status, "violation", "the reply");
    await fails(world, clause!, reply, number, "beside");
  });
}

interface Info {
  readonly id: number;
  readonly page: number;
  readonly toHostBytes: number;
  readonly toGuestBytes: number;
}
const info = (world: World, request: number, change: Partial<Info>): void => {
  const good = { id: 5, generation: 1, page: 40, toHostBytes: 4096, toGuestBytes: 4096 };
  world.host.control.message("StreamInfo", request, { ...good, ...change });
};

const PLACES: readonly (readonly [string, string, Partial<Info>])[] = [
  ["on the superblock", "TRU-6", { page: 0 }],
  ["past the region", "TRU-6", { page: 512 }],
  ["that ends a page past the region", "TRU-6 PIPE-3", { page: 510 }],
  ["whose page wraps around 2^32", "TRU-6", { page: 0xffff_ffff }],
  ["whose page times 4096 wraps around 2^32", "TRU-6", { page: 0x0010_0028 }],
  ["larger than the region", "TRU-6 PIPE-3", { toGuestBytes: 4 * 1024 * 1024 }],
  ["of capacity 0", "PIPE-3", { toHostBytes: 0 }],
  ["of a capacity below 4096", "PIPE-3 LIM-1", { toGuestBytes: 2048 }],
  ["of a capacity that is no power of two", "PIPE-3", { toHostBytes: 12288 }],
  ["of a capacity one off", "PIPE-3", { toGuestBytes: 8191 }],
  ["of a capacity of 2^31", "PIPE-3 LIM-1", { toHostBytes: 0x8000_0000 }],
];

export const hostileScenarios: readonly Case[] = [
  word("a write position past the ring", "RING-4", 2, "recv", (pipe) =>
    pipe.set(P.TO_GUEST_WRITTEN, pipe.written + 4097),
  ),
  word("a write position that goes back", "RING-4", 2, "recv", (pipe) =>
    pipe.set(P.TO_GUEST_WRITTEN, pipe.written - 1),
  ),
  scenario("hostile: a write position that goes back over bytes that were seen", "RING-4", async (world) => {
    await world.attached();
    const pipe = await world.running("s");
    pipe.put(pattern(100));
    await world.poll();
    world.must(
      "RING-4",
      (await world.recv("s", 40)).data,
      hex(pattern(100).slice(0, 40)),
      "of 100 bytes, 40",
    );
    pipe.set(P.TO_GUEST_WRITTEN, pipe.written - 10);
    world.host.signal(1);
    const polled = await world.poll();
    const { status } = polled.status === "violation" ? polled : await world.recv("s");
    world.same("RING-4", status, "violation", "recv: 50 bytes, where 60 were seen");
  }),
  word("a write position half of 2^32 away", "RING-4", 2, "recv", (pipe) =>
    pipe.set(P.TO_GUEST_WRITTEN, pipe.written + 0x8000_0000),
  ),
  word("a read position ahead of what was written", "RING-4", 2, "send", (pipe) =>
    pipe.set(P.TO_HOST_READ, pipe.read + 2),
  ),
  word("a read position that goes back", "RING-4", 2, "send", (pipe) =>
    pipe.set(P.TO_HOST_READ, pipe.read - 1),
  ),
  word("a producer's closed word of 3", "RING-10", 3, "recv", (pipe) => pipe.set(P.TO_GUEST_END, 3)),
  word("a producer's closed word of 2^32 - 1", "RING-10", 3, "recv", (pipe) =>
    pipe.set(P.TO_GUEST_END, 0xffff_ffff),
  ),
  word("a consumer's closed word of 2", "RING-10", 3, "send", (pipe) => pipe.set(P.TO_HOST_STOPPED, 2)),
  scenario("hostile: a consumer's closed word that shrinks", "RING-10", async (world) => {
    await world.attached();
    const pipe = await world.running("s");
    pipe.set(P.TO_HOST_STOPPED, 1);
    world.same("RING-10", (await world.send("s", pattern(3))).status, "closed", "send");
    pipe.set(P.TO_HOST_STOPPED, 0);
    // A guest need not look again at what it has seen closed.
    const { status } = await world.send("s", pattern(3));
    world.check("RING-10", status === "violation" || status === "closed", `send: ${status}`);
  }),
  scenario("hostile: a read position that is right, 2^32 on", "RING-4", async (world) => {
    await world.attached();
    const pipe = await world.running("s");
    await world.send("s", pattern(4000));
    pipe.take();
    world.same("RING-4", (await world.send("s", pattern(4000))).status, "ok", "send");
  }),

  answer("a frame longer than its ring", "FRM-3", 4, (pipe, request) =>
    pipe.put([...le32(4085), ...le32(0x8201), ...le32(request)]),
  ),
  answer("a frame of 2^32 - 1 bytes", "FRM-3 LIM-1", 4, (pipe, request) =>
    pipe.put([...le32(0xffff_ffff), ...le32(0x8201), ...le32(request)]),
  ),
  answer("a frame of the wrong direction", "FRM-4", 5, (pipe, request) =>
    pipe.frame(0x0201, request, pattern(4)),
  ),
  answer("a frame of the wrong direction that nobody asked for", "FRM-4", 5, (pipe) =>
    pipe.frame(0x0105, 0, pattern(4)),
  ),
  answer("an unknown answer to a request", "FRM-7", 5, (pipe, request) =>
    pipe.frame(0x8fff, request, pattern(0)),
  ),
  answer("an answer that belongs to another request", "FRM-7 STR-2", undefined, (pipe, request) =>
    pipe.message("StatReply", request, {
      ...{ kind: 1, mode: 0, links: 1, uid: 0, gid: 0, inode: 1, size: 0, blocks: 0 },
      accessed: { seconds: 0, nanoseconds: 0 },
      modified: { seconds: 0, nanoseconds: 0 },
      changed: { seconds: 0, nanoseconds: 0 },
    }),
  ),
  answer("a Refused that is cut off", "FRM-6", 6, (pipe, request) =>
    pipe.frame(0x8202, request, [...le32(13), ...le32(0)]),
  ),
  answer("a Refused with a byte too many", "FRM-6", 6, (pipe, request) =>
    pipe.frame(0x8202, request, [...encode("Refused", { errno: 13, rule: "", reason: "" }), 0]),
  ),

  answer("an Opened for a request that was never made", "FRM-2", undefined, (pipe, request) =>
    pipe.message("Opened", request + 1000, { body: "" }),
  ),
  answer("an Opened that nobody asked for", "FRM-2", undefined, (pipe) =>
    pipe.message("Opened", 0, { body: "" }),
  ),

  ...[1, 11, 12, 20].map((count) =>
    answer(`an end after ${count} bytes of a frame`, "FRM-3", 4, (pipe, request) => {
      pipe.put(
        [...le32(9), ...le32(0x8201), ...le32(request), ...new Array<number>(9).fill(0)].slice(0, count),
      );
      pipe.end();
    }),
  ),
  control("a reply of the wrong direction", "FRM-4", 5, (world, request) =>
    world.host.control.frame(0x0101, request, pattern(8)),
  ),
  control("a control message of the wrong direction that nobody asked for", "FRM-4", 5, (world) =>
    world.host.control.frame(0x0105, 0, pattern(8)),
  ),
  control("an unknown reply", "FRM-7", 5, (world, request) =>
    world.host.control.frame(0x87ff, request, pattern(8)),
  ),
  control("a reply to a request that was never made", "FRM-2 ERR-5", undefined, (world, request) =>
    world.host.control.message("Pong", request + 1000, { data: "" }),
  ),
  control("a StreamInfo for a request that was never made", "FRM-2", undefined, (world, request) =>
    info(world, request + 1, {}),
  ),
  control("a control pipe that the host ends", "CTL-1", undefined, (world) => world.host.control.end()),
  control("a control pipe that the host reads no more", "CTL-1", undefined, (world) =>
    world.host.control.stop(),
  ),
  control("a control pipe that the host resets", "CTL-1", undefined, (world) => world.host.control.reset()),
  control("a StreamInfo that is too short", "FRM-6 CTL-3", 6, (world, request) =>
    world.host.control.frame(0x8101, request, pattern(19)),
  ),
  control("a StreamInfo that is too long", "FRM-6 CTL-3", 6, (world, request) =>
    world.host.control.frame(0x8101, request, [
      ...encode("StreamInfo", { id: 5, generation: 1, page: 40, toHostBytes: 4096, toGuestBytes: 4096 }),
      0,
    ]),
  ),
  control("a control frame longer than its ring", "FRM-3", 4, (world, request) =>
    world.host.control.put([...le32(8192 - 11), ...le32(0x8105), ...le32(request)]),
  ),
  control("a control pipe whose write position cannot be", "RING-4", 2, (world) =>
    world.host.control.set(P.TO_GUEST_WRITTEN, world.host.control.written + 8193),
  ),
  ...PLACES.map(([name, clauses, change]) =>
    control(`a block ${name}`, clauses, undefined, (world, request) => info(world, request, change)),
  ),
  scenario(
    "hostile: a ring of 32 MiB that lies in the region",
    "PIPE-3 LIM-1",
    async (world) => {
      await world.attached();
      const { request } = await world.asked("s");
      info(world, request, { toGuestBytes: 32 * 1024 * 1024 });
      const { status } = await world.poll();
      world.same("PIPE-3", status, "violation", "poll");
      world.same("LIM-1", status, "violation", "poll");
    },
    8300,
  ),
  control("stream id 0", "CTL-3", undefined, (world, request) => info(world, request, { id: 0 })),
  control("a stream id above the largest", "CTL-3 LIM-1", undefined, (world, request) =>
    info(world, request, { id: 32768 }),
  ),
  control("the id of a stream that is open", "CTL-3", undefined, (world, request) =>
    info(world, request, { id: 2 }),
  ),
  scenario("hostile: a stream id above the superblock's own largest", "CTL-3", async (world) => {
    world.host.start({ 40: 10 });
    await world.take();
    world.host.answer();
    await world.poll();
    const { request } = await world.asked("s");
    info(world, request, { id: 11 });
    world.same("CTL-3", (await world.poll()).status, "violation", "poll");
  }),
  scenario("hostile: places are kept from when they were checked", "TRU-1 TRU-2", async (world) => {
    await world.attached();
    // Words that are constant while the region is served (SB-1): a guest that reads them again is led astray.
    for (const [at, value] of [
      [0x010, 0xffff_ffff],
      [0x018, 0x0010_0000],
      [0x01c, 0x0010_0000],
      [0x020, 0x8000_0000],
      [0x024, 3],
      [0x028, 0],
    ] as const) {
      world.region.set(at, value);
    }
    const pipe = await world.running("s");
    await world.send("s", pattern(10));
    world.same("TRU-1", hex(pipe.take()), hex(pattern(10)), "bytes");
    world.same("TRU-2", (await world.poll()).status, "attached", "poll");
  }),
];
