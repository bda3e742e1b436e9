// The attach socket, the superblock, epochs: PROTOCOL.md sections 4, 20, 21 and 22.

import { HostSession, regionMemory } from "@ringway/control";
import { closeFd, sealsOf } from "@ringway/linux";
import { PAGE, Sb, State } from "../../../packages/conformance/src/host/layout.ts";
import { pattern } from "../../../packages/conformance/src/scenarios/scenario.ts";
import { howItEnds, tcpServer } from "../../support/tcp.ts";
import { until } from "../../support/wait.ts";
import { WireGuest, word } from "../wire-guest.ts";
import { connect, ERROR, fatal, frameOf, type MonitorCase, OPENED, of } from "./case.ts";

export const regionCases: MonitorCase[] = [
  of("hello, and the region that comes with it", "HEL-1 HEL-2 REG-1 REG-3", async (world) => {
    const { socket, bytes, fds } = await WireGuest.hello(world.host.path);
    const words = Array.from({ length: 8 }, (_, i) => word(bytes, 4 * i));
    const pages = words[5]!;
    world.same("HEL-1", [bytes.length, words], [32, [0x474e4952, 0x31594157, 1, 1, 0, pages, 0, 0]], "hello");
    world.same("HEL-2", fds.length, 3, "descriptors");
    world.check("REG-1", pages > 16, "whole pages");
    // F_SEAL_SHRINK and F_SEAL_GROW
    world.same("REG-3", sealsOf(fds[0]!) & 6, 6, "seals");
    for (const fd of [socket, ...fds]) closeFd(fd);
  }),
  of("a guest too many is turned away with an errno", "HEL-2 HEL-4", async (world) => {
    await using small = await world.start(undefined, { maxGuests: 1 });
    using first = await WireGuest.attached(small.path);
    const { socket, bytes, fds } = await WireGuest.hello(small.path);
    world.check(
      "HEL-2",
      word(bytes, 16) === 24 && fds.length === 0,
      `errno ${word(bytes, 16)}, ${fds.length} descriptors`,
    );
    closeFd(socket);
    first.vanish();
    // The socket was its life: there is room again.
    await until("room", () => small.monitor.counters().guests === 0);
    using second = await WireGuest.attached(small.path);
    world.check("HEL-4", second.get(Sb.HOST_STATE) === State.READY, "another guest");
  }),
  of("each guest has a region of its own", "HEL-4", async (world) => {
    using other = await WireGuest.attached(world.host.path);
    other.set(0x800, 77);
    world.same("HEL-4", world.guest.get(0x800), 0, "a word that the other guest wrote");
  }),
  of(
    "the superblock before and after the attach",
    "SB-1 SB-4 ATT-3 ATT-6 BELL-7 PIPE-2 PIPE-3 LIM-1 SB-3 CON-2",
    async (world) => {
      using guest = await WireGuest.connect(world.host.path);
      const words = (...at: number[]): number[] => at.map((each) => guest.get(each));
      world.same("SB-1", words(0, 4, 8, 0xc, 0x14), [0x474e4952, 0x31594157, 1, 1, 0], "constants");
      world.same("SB-1", guest.get(Sb.PAGES), guest.memory.bytes / PAGE, "region pages");
      world.same("ATT-6", guest.get(Sb.HOST_STATE), State.RESETTING, "host state before the attach");
      world.check("LIM-1", guest.get(Sb.MAX_ID) <= 32767, "the largest stream id");
      const [toHost, toGuest] = words(Sb.TO_HOST, Sb.TO_GUEST) as [number, number];
      for (const capacity of [toHost, toGuest]) {
        world.check(
          "PIPE-3",
          capacity >= 4096 && capacity <= 2 ** 24 && (capacity & (capacity - 1)) === 0,
          `${capacity}`,
        );
      }
      const epoch = guest.get(Sb.EPOCH);
      guest.rung();
      await guest.attach();
      world.same(
        "ATT-3",
        [guest.get(Sb.EPOCH), guest.get(Sb.VIOLATION)],
        [epoch + 1, 0],
        "epoch and violation",
      );
      world.same("ATT-3", guest.get(Sb.REPLY), guest.get(Sb.REQUEST), "attach reply");
      world.same("SB-4", guest.get(Sb.HOST_STATE), State.READY, "host state");
      await until("a ring", () => guest.rung() > 0);
      world.check("BELL-7", true, "attaching rings");
      world.same("SB-3", words(Sb.ACCEPTED, Sb.GUEST_MINOR, Sb.GUEST_STATE), [0, 0, 2], "the guest's words");
      const page = guest.get(Sb.CONTROL) * PAGE;
      const control = Array.from({ length: 64 }, (_, i) => guest.get(page + 8 * i)).filter(
        (each) => each !== 0,
      );
      world.check("PIPE-2", control.length <= 1, "the control pipe's header is clear but for want-data");
      const reserved = Array.from({ length: 600 }, (_, i) => guest.get(0x400 + 4 * i)).every(
        (each) => each === 0,
      );
      world.check("SB-1", reserved, "reserved bytes are zero");
      world.check("CON-2", (await guest.control.ask("Ping", { data: "" })).type === 0x8105, "it serves");
    },
  ),
  of(
    "attaching anew is a new epoch: what was is over, all room is back",
    "ATT-3 ATT-5 REG-4 TRU-1",
    async (world) => {
      const { guest } = world;
      const { pipe } = await guest.open(1);
      await pipe.put(pattern(10));
      const epoch = guest.get(Sb.EPOCH);
      await guest.attach();
      world.same("ATT-3", guest.get(Sb.EPOCH), epoch + 1, "epoch");
      const again = await guest.newStream();
      world.same("REG-4", [again.id, again.page], [pipe.id, pipe.page], "the first stream of the epoch");
      world.same("ATT-5", [again.get(0), again.get(0x100)], [0, 0], "positions in it");
      // Junk of the guest's over everything that the host has published: it keeps its own.
      for (const at of [Sb.PAGES, Sb.BELL, Sb.MAX_ID]) guest.set(at, 0xffff_ffff);
      world.same("TRU-1", (await guest.control.ask("Ping", { data: "aa" })).type, 0x8105, "it serves on");
    },
  ),
  of("detached: everything is taken back", "ATT-7", async (world) => {
    const { guest, host } = world;
    await using server = await tcpServer();
    const { answer } = await guest.open(2, "ConnectRequest", connect(server.port));
    world.same("ATT-7", answer.type, OPENED, "Opened");
    const peer = await until("a connection", () => server.sockets[0]);
    const ends = howItEnds(peer);
    guest.set(Sb.GUEST_STATE, 0);
    guest.ring();
    world.check("ATT-7", ["ECONNRESET", "end"].includes(await ends), "its connection ends");
    await until("no streams", () => host.monitor.counters().streams === 0);
    // This monitor hangs up: who comes back connects anew.
    await until("the hang-up", () => guest.hungUp());
    await until("no guest", () => host.monitor.counters().guests === 0);
    world.check("ATT-7", true, "it is gone");
  }),
  of("hung up: everything is taken back", "ATT-9 HEL-4", async (world) => {
    await using server = await tcpServer();
    const guest = await WireGuest.attached(world.host.path);
    await guest.open(2, "ConnectRequest", connect(server.port));
    const peer = await until("a connection", () => server.sockets[0]);
    const ends = howItEnds(peer);
    guest.vanish();
    world.check("ATT-9", ["ECONNRESET", "end"].includes(await ends), "its connection ends");
    await until("one guest", () => world.host.monitor.counters().guests === 1);
    world.check("HEL-4", true, "it is gone");
  }),
  of("draining: open streams go on, new ones are refused", "SB-4 CTL-3", async (world) => {
    await using host = await world.start();
    using guest = await WireGuest.attached(host.path);
    await using server = await tcpServer((socket) => void socket.pipe(socket));
    const { pipe } = await guest.open(2, "ConnectRequest", connect(server.port));
    const closed = host.monitor.close({ drainMs: 3000 });
    await until("DRAINING", () => guest.get(Sb.HOST_STATE) === State.DRAINING);
    const refused = await guest.control.ask("NewStream", { toHostBytes: 0, toGuestBytes: 0 });
    world.same("CTL-3", frameOf(refused), [ERROR, 108], "NewStream");
    await pipe.put(pattern(5));
    world.same("SB-4", await pipe.takeExactly(5), Buffer.from(pattern(5)), "an open stream");
    pipe.finish();
    guest.vanish();
    await closed;
  }),
  of(
    "a session that starts on a region in use: a new epoch, and nothing given out",
    "ATT-6 SB-4",
    async (world) => {
      const memory = regionMemory(new SharedArrayBuffer(4 << 20));
      let rings = 0;
      const start = (): HostSession =>
        new HostSession(memory, { ring: () => void rings++ }, { streams: 8, ringBytes: 65536 });
      start();
      memory.words[Sb.REQUEST / 4] = 9;
      const [epoch, before] = [memory.words[Sb.EPOCH / 4]!, rings];
      const second = start();
      world.same("ATT-6", memory.words[Sb.EPOCH / 4], epoch + 1, "epoch");
      world.same("SB-4", memory.words[Sb.HOST_STATE / 4], State.RESETTING, "host state");
      world.check("ATT-6", rings > before, "it rings");
      world.same(
        "ATT-6",
        typeof second.openStream(0, 0),
        "number",
        "a stream before the guest attached is an errno",
      );
    },
  ),
  fatal("guest state 3", "SB-5 ERR-3", 1, (guest) => {
    guest.set(Sb.GUEST_STATE, 3);
    guest.ring();
  }),
  of("features that were not offered end the guest", "VER-3 ERR-4", async (world) => {
    using guest = await WireGuest.connect(world.host.path);
    guest.set(Sb.GUEST_STATE, 1);
    guest.set(Sb.ACCEPTED, 4);
    guest.set(Sb.REQUEST, 1);
    guest.ring();
    await until("the reply", () => guest.get(Sb.REPLY) === 1);
    guest.set(Sb.GUEST_STATE, 2);
    guest.ring();
    await until("FAILED", () => guest.get(Sb.HOST_STATE) === State.FAILED);
    world.same("VER-3", guest.get(Sb.VIOLATION), 1, "violation");
    await until("a ring, or the hang-up", () => guest.rung() > 0 || guest.hungUp());
    world.check("ERR-4", true, "it rings, or closes the bell");
  }),
];
