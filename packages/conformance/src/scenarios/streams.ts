// Streams: open, accept, blocks, generations. PROTOCOL.md sections 10 to 12.

import { encode } from "../catalogue.ts";
import { PAGE } from "../host/layout.ts";
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
];
