// The control pipe: PROTOCOL.md section 9, and frames as such (section 7).

import { encode, frameBytes } from "../catalogue.ts";
import { P } from "../host/layout.ts";
import type { Case } from "../world.ts";
import { hex, pattern, scenario } from "./scenario.ts";

const ASK = [
  ["Ping", { data: "00ff10" }, "Pong", { data: "00ff10" }, "CTL-6"],
  ["GetArgs", {}, "Args", { argv: ["prog", "-x", "é"], env: ["A=1", "B="] }, "CTL-4"],
  [
    "Explain",
    { protocol: 2, body: "50000000" },
    "Verdict",
    { allowed: false, rule: "no-net", reason: "nothing is allowed" },
    "CTL-7",
  ],
] as const;
const TYPES = { Ping: 0x0105, GetArgs: 0x0102, Explain: 0x0106, Pong: 0x8105, Args: 0x8102, Verdict: 0x8106 };

export const controlScenarios: readonly Case[] = [
  ...ASK.map(([name, fields, answer, reply, clause]) =>
    scenario(`control: ${name} and ${answer}`, `${clause} FRM-1 FRM-2`, async (world) => {
      await world.attached();
      const sent = await world.ask({ do: "control", message: name, fields });
      world.must(clause, sent.status, "ok", name);
      const frame = world.host.control.takeFrame();
      world.must(
        "FRM-1",
        [frame?.type, hex(frame?.payload ?? pattern(0))],
        [TYPES[name], hex(encode(name, fields))],
        "the frame",
      );
      world.check("FRM-2", frame!.request !== 0, "a request id that tells the reply apart");
      world.same(clause, (await world.ask({ do: "reply" })).status, "again", "reply before there is one");
      world.host.control.message(answer, frame!.request, reply);
      await world.poll();
      const got = await world.ask({ do: "reply" });
      const expected = ["ok", TYPES[answer], hex(encode(answer, reply))];
      world.same(clause, [got.status, got.type, got.payload], expected, "the reply");
      // The next one has an id of its own.
      await world.ask({ do: "control", message: name, fields });
      const next = world.host.control.takeFrame();
      world.check("FRM-2", next !== undefined && next.request !== frame!.request, "request ids in turn");
    }),
  ),
  scenario("control: Error answers a request", "MSG-1 ERR-1 ERR-2", async (world) => {
    await world.attached();
    await world.ask({ do: "control", message: "GetArgs", fields: {} });
    const frame = world.host.control.takeFrame();
    world.host.control.message("Error", frame!.request, { errno: 75, rule: "", reason: "it does not fit" });
    await world.poll();
    const { status, errno } = await world.ask({ do: "reply" });
    world.same("MSG-1", [status, errno], ["refused", 75], "the reply");
    world.same("ERR-2", errno, 75, "EOVERFLOW as Linux numbers it");
    world.same("ERR-1", (await world.poll()).status, "attached", "an errno is no violation");
  }),
  scenario("control: Log and Exit have no reply", "CTL-5", async (world) => {
    await world.attached();
    const log = { level: 30, text: "up and rünning" };
    world.same(
      "CTL-5",
      (await world.ask({ do: "control", message: "Log", fields: log })).status,
      "ok",
      "Log",
    );
    world.same(
      "CTL-5",
      (await world.ask({ do: "control", message: "Exit", fields: { code: 3 } })).status,
      "ok",
      "Exit",
    );
    const frames = [world.host.control.takeFrame(), world.host.control.takeFrame()];
    const expected = [
      [0x0103, hex(encode("Log", log))],
      [0x0104, hex(encode("Exit", { code: 3 }))],
    ];
    world.same(
      "CTL-5",
      frames.map((frame) => [frame?.type, hex(frame?.payload ?? pattern(0))]),
      expected,
      "frames",
    );
  }),
  scenario(
    "control: who sleeps until a reply comes has said that it waits for data",
    "RING-9",
    async (world) => {
      await world.attached();
      await world.asked("s");
      await world.poll();
      world.must("RING-9", (await world.ask({ do: "sleep" })).asleep, true, "it sleeps");
      world.same("RING-9", world.host.control.get(P.TO_GUEST_WANT_DATA), 1, "want-data of the control pipe");
    },
  ),
  scenario("control: a stream that the host does not give", "CTL-3", async (world) => {
    await world.attached();
    for (const errno of [24, 12, 108]) {
      const { request } = await world.asked(`s${errno}`);
      world.host.control.message("Error", request, { errno, rule: "", reason: "no" });
      await world.poll();
      const reply = await world.on(`s${errno}`, "opened");
      world.same("CTL-3", [reply.status, reply.errno], ["refused", errno], "opened");
    }
    await world.running("after");
    world.same("CTL-3", (await world.poll()).status, "attached", "the guest goes on");
  }),
  scenario(
    "control: wishes go out as they are, capacities come as the host chooses",
    "CTL-2 PIPE-1 TRU-4",
    async (world) => {
      await world.attached();
      const asked = await world.asked("s", { toHost: 100_000, toGuest: 0 });
      world.same(
        "CTL-2",
        hex(asked.payload),
        hex(encode("NewStream", { toHostBytes: 100_000, toGuestBytes: 0 })),
        "NewStream",
      );
      const pipe = world.host.block(1, 8192, 16384);
      world.host.give(asked.request, pipe);
      await world.poll();
      const open = pipe.takeFrame();
      world.must("PIPE-1", open?.type, 0x0201, "Open lies where the host's capacities put it");
      pipe.message("Opened", open!.request, { body: "" });
      await world.poll();
      world.must("PIPE-1", (await world.on("s", "opened")).status, "ok", "opened");
      // The data area to the guest begins after that to the host, as large as the host said.
      pipe.put(pattern(16000));
      let got = "";
      for (let reply = await world.recv("s"); reply.status === "ok"; reply = await world.recv("s"))
        got += reply.data;
      world.same("PIPE-1", got, hex(pattern(16000)), "bytes to the guest");
      const { bytes } = await world.send("s", pattern(9000, 2));
      world.same("TRU-4", bytes, 8192, "bytes that fit the host's capacity");
    },
  ),
  scenario("control: replies in one go, one of them in two parts", "FRM-3 CTL-3", async (world) => {
    await world.attached();
    const first = await world.asked("a");
    const second = await world.asked("b");
    const pipes = [world.host.block(1, 4096, 4096), world.host.block(2, 4096, 4096)];
    const info = (request: number, page: number, id: number): Uint8Array =>
      frameBytes(
        0x8101,
        request,
        encode("StreamInfo", { id, generation: 1, page, toHostBytes: 4096, toGuestBytes: 4096 }),
      );
    const bytes = [...info(first.request, pipes[0]!.page, 1), ...info(second.request, pipes[1]!.page, 2)];
    world.host.control.put(bytes.slice(0, 40));
    await world.poll();
    world.same("CTL-3", pipes[0]!.takeFrame()?.type, 0x0201, "Open on the first");
    world.same("FRM-3", pipes[1]!.readable(), 0, "nothing is made of half a frame");
    world.host.control.put(bytes.slice(40, 63));
    await world.poll();
    world.same("FRM-3", pipes[1]!.readable(), 0, "nothing is made of a frame that lacks a byte");
    world.host.control.put(bytes.slice(63));
    await world.poll();
    world.same("FRM-3", pipes[1]!.takeFrame()?.type, 0x0201, "Open on the second");
  }),
  scenario(
    "control: messages that nobody knows or asked for are passed over",
    "FRM-7 VER-2",
    async (world) => {
      await world.attached();
      const { request } = await world.asked("s");
      const pipe = world.host.block(1, 4096, 4096);
      world.host.control.frame(0x87ff, 0, pattern(33));
      world.host.control.frame(0xffff, 0, pattern(0));
      world.host.give(request, pipe);
      world.host.control.frame(0x8777, 0, pattern(5));
      world.same("FRM-7", (await world.poll()).status, "attached", "poll");
      world.same(
        "VER-2",
        pipe.takeFrame()?.type,
        0x0201,
        "Open on the stream whose info stands between them",
      );
    },
  ),
  scenario("control: a reply is taken by its id", "FRM-2 CTL-1", async (world) => {
    await world.attached();
    const { control } = world.host;
    for (const data of ["01", "0203"]) {
      await world.ask({ do: "control", message: "GetArgs", fields: {} });
      const { request } = control.takeFrame()!;
      // Nobody asked for it: it answers nothing, or is a violation.
      control.message("Args", 0, { argv: ["not", "asked", "for"], env: [] });
      if ((await world.poll()).status === "violation") {
        world.check("FRM-2", true, "a reply with id 0 is a violation");
        world.check("CTL-1", true, "and ends the guest");
        return;
      }
      world.same("FRM-2", (await world.ask({ do: "reply" })).status, "again", "after a reply with id 0");
      const reply = { argv: [data], env: [] };
      control.message("Args", request, reply);
      await world.poll();
      const { status, payload } = await world.ask({ do: "reply" });
      world.same("CTL-1", [status, payload], ["ok", hex(encode("Args", reply))], "the reply with its id");
    }
  }),
  scenario(
    "control: a full ring says again, and goes on when there is room",
    "RING-5 RING-9 CTL-1",
    async (world) => {
      await world.attached();
      const { control } = world.host;
      const log = { level: 20, text: "x".repeat(5000) };
      const send = async (): Promise<string | undefined> =>
        (await world.ask({ do: "control", message: "Log", fields: log })).status;
      const sent: (string | undefined)[] = [];
      for (let i = 0; i < 5; i++) sent.push(await send());
      // Five logs of 5,020 bytes into 16,384: what does not fit is refused, or waits in the guest, whole or in pieces.
      world.check(
        "RING-5",
        sent[0] === "ok" && sent.every((status) => status === "ok" || status === "again"),
        `statuses: ${sent.join(", ")}`,
      );
      const want = control.get(P.TO_HOST_WANT_SPACE);
      world.check("RING-9", want >= 1 && want <= control.toHost, `want-space ${want}`);
      const got: number[] = [];
      for (let idle = 0; idle < 3; idle++) {
        for (let frame = control.takeFrame(); frame !== undefined; frame = control.takeFrame()) {
          got.push(frame.payload.length);
          idle = 0;
        }
        await world.poll();
      }
      const accepted = sent.filter((status) => status === "ok");
      world.same(
        "RING-5",
        got,
        accepted.map(() => 5008),
        "logs that came, for those that were taken",
      );
      world.same("RING-9", await send(), "ok", "a log when there is room");
      world.same("RING-9", control.takeFrame()?.payload.length, 5008, "a log, whole");
      await world.ask({ do: "detach" });
      world.same(
        "CTL-1",
        [control.get(P.TO_HOST_END), control.get(P.TO_GUEST_STOPPED)],
        [0, 0],
        "closed words",
      );
    },
  ),
];
