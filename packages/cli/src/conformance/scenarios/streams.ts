// Streams: open, accept, half-close, reset, and what runs over them. PROTOCOL.md sections 10 to 14.

import { encode, frameBytes } from "../catalogue.ts";
import { P, PAGE } from "../host.ts";
import type { Case } from "../world.ts";
import { hex, pattern, scenario, words } from "./scenario.ts";

const inet = (port: number, address = "7f000001") => ({ family: 4, port, address });
const endpoints = { local: inet(40000), peer: inet(80) };
const isBroken = (status: string | undefined): boolean => status === "reset" || status === "closed";

export const streamScenarios: readonly Case[] = [
  scenario("open: NewStream, Open, Opened", "STR-1 STR-2 CTL-3 FRM-2", async (world) => {
    await world.attached();
    const body = hex(encode("ConnectRequest", { port: 80, timeoutMs: 0, host: "example.com" }));
    const { pipe, open } = await world.opening("s", { id: 9, generation: 77, protocol: 2, body });
    world.same("STR-1", [open.type, hex(open.payload)], [0x0201, `02000000${body}`], "the first frame");
    world.check("STR-1", world.host.takeSignals().includes(9), "Open is signalled: the host waits for it");
    world.same("STR-2", (await world.on("s", "opened")).status, "again", "before the host has decided");
    const reply = hex(encode("ConnectReply", endpoints));
    // The answer, and raw bytes right behind it.
    pipe.message("Opened", open.request, { body: reply });
    pipe.put(pattern(50));
    await world.poll();
    const opened = await world.on("s", "opened");
    world.same("STR-2", [opened.status, opened.payload], ["ok", reply], "opened");
    world.same("CTL-3", [opened.id ?? 9, opened.generation ?? 77], [9, 77], "the stream");
    const { data } = await world.recv("s");
    world.same("FRM-2", data, hex(pattern(50)), "raw bytes after Opened");
  }),
  scenario(
    "open: what nobody knows or asked for may stand before the answer",
    "FRM-7 STR-2",
    async (world) => {
      await world.attached();
      const { pipe, open } = await world.opening("s");
      pipe.frame(0x8fff, 0, pattern(30));
      await world.poll();
      world.same("FRM-7", (await world.on("s", "opened")).status, "again", "before the answer");
      pipe.frame(0x8fff, 0, pattern(0));
      pipe.message("Opened", open.request, { body: "" });
      await world.poll();
      world.same("STR-2", (await world.on("s", "opened")).status, "ok", "opened");
    },
  ),
  scenario("open: Refused", "STR-2 MSG-1", async (world) => {
    await world.attached();
    const { pipe, open } = await world.opening("s");
    pipe.message("Refused", open.request, { errno: 13, rule: "no-net", reason: "the policy says no" });
    pipe.end();
    pipe.stop();
    await world.poll();
    const { status, errno } = await world.on("s", "opened");
    world.same("STR-2", [status, errno], ["refused", 13], "opened");
    await world.on("s", "close");
    world.check("STR-2", pipe.through(), "all four closed words are set");
    const { pipe: other, open: second } = await world.opening("t", { id: 2 });
    other.message("Refused", second.request, { errno: 111, rule: "", reason: "" });
    await world.poll();
    world.same("MSG-1", (await world.on("t", "opened")).errno, 111, "an errno without texts");
  }),
  scenario("open: bytes may go ahead of Opened", "STR-3", async (world) => {
    await world.attached();
    const { pipe, open } = await world.opening("s");
    const { status, bytes } = await world.send("s", pattern(100));
    // It may: a guest that waits is one as well.
    if (status === "ok")
      world.same("STR-3", hex(pipe.take()), hex(pattern(100).slice(0, bytes)), "bytes behind Open");
    else world.same("STR-3", status, "again", "send before Opened");
    pipe.message("Opened", open.request, { body: "" });
    await world.poll();
    world.same("STR-3", (await world.on("s", "opened")).status, "ok", "opened");
  }),
  scenario("open: a reset in place of an answer", "STR-8", async (world) => {
    await world.attached();
    const { pipe } = await world.opening("s");
    const other = await world.running("t", { id: 2 });
    pipe.reset();
    pipe.stop();
    await world.poll();
    const { status } = await world.on("s", "opened");
    world.check("STR-8", isBroken(status), `opened: ${status}`);
    await world.send("t", pattern(5));
    world.same("STR-8", hex(other.take()), hex(pattern(5)), "another stream goes on");
  }),
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
      world.check("STR-7", before.equals(pipe.snapshot()), "touched a block that is the host's again");
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
      world.check("STR-7", before.equals(pipe.snapshot()), "touched a block that is the host's again");
    }),
  ),
  scenario("the next stream in the same block has another generation", "STR-6 PIPE-2", async (world) => {
    await world.attached();
    const pipe = await world.running("a");
    await world.send("a", pattern(500));
    await world.on("a", "close");
    pipe.end();
    pipe.stop();
    world.host.takeSignals();
    const { request } = await world.asked("b");
    const reused = Object.assign(world.host.block(1, 4096, 4096, 2), { page: pipe.page });
    reused.clear();
    world.host.give(request, reused);
    await world.poll();
    const open = reused.takeFrame();
    world.must("PIPE-2", open?.type, 0x0201, "Open at position 0 of the same block");
    reused.message("Opened", open!.request, { body: "" });
    await world.poll();
    const opened = await world.on("b", "opened");
    world.same("STR-6", [opened.status, opened.generation ?? 2], ["ok", 2], "the new generation");
  }),
  scenario("a block at the region's very end", "PIPE-1 TRU-6", async (world) => {
    await world.attached();
    const { request } = await world.asked("s");
    const pipe = Object.assign(world.host.block(1, 4096, 4096), {
      page: world.region.bytes.length / PAGE - 3,
    });
    pipe.clear();
    world.host.give(request, pipe);
    world.same("TRU-6", (await world.poll()).status, "attached", "poll");
    const open = pipe.takeFrame();
    world.must("PIPE-1", open?.type, 0x0201, "Open");
    pipe.message("Opened", open!.request, { body: "" });
    await world.poll();
    await world.on("s", "opened");
    pipe.put(pattern(4084));
    world.same("PIPE-1", (await world.recv("s")).data, hex(pattern(4084)), "the last page's bytes");
  }),
  scenario("streams beside each other do not mix", "STR-1 BELL-4", async (world) => {
    await world.attached();
    const pipes = [await world.running("a", { id: 3 }), await world.running("b", { id: 40 })];
    for (const [i, pipe] of pipes.entries()) pipe.put(pattern(50, i + 5));
    const pending = await world.pending();
    world.same("BELL-4", [...pending].sort(), ["a", "b"], "streams found pending");
    for (const [i, name] of ["a", "b"].entries()) {
      world.same("STR-1", (await world.recv(name)).data, hex(pattern(50, i + 5)), `bytes on ${name}`);
      await world.send(name, pattern(20, i + 9));
      world.same("STR-1", hex(pipes[i]!.take()), hex(pattern(20, i + 9)), `bytes from ${name}`);
    }
  }),
  scenario(
    "accept: a stream is posted, and a connection comes on it",
    "LSN-1 LSN-2 LSN-3 TCP-3",
    async (world) => {
      await world.attached();
      const body = hex(encode("ListenRequest", { backlog: 5, address: inet(0) }));
      const { pipe: listener, open } = await world.opening("listener", { protocol: 3, body });
      world.same("LSN-1", hex(open.payload), `03000000${body}`, "Open");
      const bound = hex(encode("ListenReply", { bound: inet(8080) }));
      listener.message("Opened", open.request, { body: bound });
      await world.poll();
      world.same("LSN-1", (await world.on("listener", "opened")).payload, bound, "the address really bound");
      const pipes = [];
      for (const [i, name] of ["first", "second"].entries()) {
        await world.ask({ do: "accept", stream: name, listener: "listener", toHost: 4096, toGuest: 4096 });
        const asked = world.host.control.takeFrame();
        world.must("LSN-2", asked?.type, 0x0101, "NewStream");
        const pipe = world.host.block(i + 2, 4096, 4096, 5 + i);
        world.host.give(asked!.request, pipe);
        await world.poll();
        const accept = listener.takeFrame();
        world.must(
          "LSN-2",
          [accept?.type, words(accept?.payload ?? pattern(0))],
          [0x0301, [i + 2, 5 + i]],
          "Accept",
        );
        world.same("LSN-2", pipe.readable(), 0, "bytes on a posted stream");
        world.same("LSN-3", (await world.on(name, "opened")).status, "again", "before a connection comes");
        pipes.push({ name, pipe, accept: accept! });
      }
      for (const { name, pipe, accept } of pipes) {
        pipe.message("Incoming", accept.request, endpoints);
        pipe.put(pattern(30));
        await world.poll();
        const { status, payload } = await world.on(name, "opened");
        world.same("LSN-3", [status, payload], ["ok", hex(encode("Incoming", endpoints))], "Incoming");
        world.same("TCP-3", (await world.recv(name)).data, hex(pattern(30)), "raw bytes behind it");
        await world.send(name, pattern(5));
        world.same("TCP-3", hex(pipe.take()), hex(pattern(5)), "raw bytes back");
      }
    },
  ),
  scenario("accept: Error on the listener, with the Accept's request id", "LSN-2 LSN-5", async (world) => {
    await world.attached();
    const listener = await world.running("listener", { protocol: 3 });
    await world.ask({ do: "accept", stream: "s", listener: "listener", toHost: 4096, toGuest: 4096 });
    const asked = world.host.control.takeFrame();
    world.host.give(asked!.request, world.host.block(2, 4096, 4096));
    await world.poll();
    const accept = listener.takeFrame();
    world.must("LSN-2", accept?.type, 0x0301, "Accept");
    const error = { errno: 105, rule: "", reason: "too many are posted" };
    listener.message("Error", accept!.request, error);
    listener.message("Error", 0, { ...error, errno: 24 });
    await world.poll();
    const first = await world.on("listener", "frame");
    world.same(
      "LSN-2",
      [first.status, first.type, first.request],
      ["ok", 0x8001, accept!.request],
      "the Accept's Error",
    );
    const second = await world.on("listener", "frame");
    world.same(
      "LSN-5",
      [second.status, second.type, second.request],
      ["ok", 0x8001, 0],
      "an accept that failed on the host",
    );
    world.same("LSN-5", (await world.poll()).status, "attached", "the listener goes on");
  }),
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
