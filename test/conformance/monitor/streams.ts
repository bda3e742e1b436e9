// Streams, rings and doorbells: PROTOCOL.md sections 5, 6 and 10.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { le32 } from "../../../packages/conformance/src/catalogue.ts";
import { Bell, P, Sb } from "../../../packages/conformance/src/host/layout.ts";
import { pattern } from "../../../packages/conformance/src/scenarios/scenario.ts";
import { until } from "../../support/wait.ts";
import {
  firstFrame,
  frameOf,
  header,
  inet,
  type MonitorCase,
  OPENED,
  of,
  REFUSED,
  streamWord,
} from "./case.ts";

export const streamsCases: MonitorCase[] = [
  of("echo: opened, bytes around the ring, end", "STR-2 STR-9 RING-3 RING-6 STR-7 FRM-2", async (world) => {
    const { pipe, answer } = await world.guest.open(1);
    world.same("STR-2", [answer.type, answer.payload.length], [OPENED, 0], "Opened");
    world.same("FRM-2", answer.request, 1, "request id of the Open");
    const sent = pattern(50_000);
    const put = pipe.put(sent);
    const got = await pipe.takeExactly(sent.length);
    await put;
    world.check("RING-3", got.equals(sent), "the bytes");
    await pipe.put(pattern(100));
    pipe.end();
    const rest = await pipe.takeAll();
    world.same("STR-9", [rest.bytes.length, rest.closed], [100, 1], "the tail, then the end");
    world.same("RING-6", pipe.get(P.TO_GUEST_WRITTEN), pipe.read, "every byte before END");
    pipe.finish();
    await until("the host's fourth word", () => pipe.get(P.TO_HOST_STOPPED) === 1);
    await until("the stream to be taken back", () => world.host.monitor.counters().streams === 0);
    world.check("STR-7", true, "it was taken back");
  }),
  of("echo: a reset of the guest's is one of the host's", "STR-9 RING-8 STR-7", async (world) => {
    const { pipe } = await world.guest.open(1);
    await pipe.put(pattern(10));
    pipe.reset();
    const { closed } = await pipe.takeAll();
    world.same("STR-9", closed, 2, "producer closed");
    pipe.finish();
    world.same("RING-8", pipe.get(P.TO_HOST_END), 2, "the guest's own word");
    await until("the stream to be taken back", () => world.host.monitor.counters().streams === 0);
    world.check("STR-7", true, "it was taken back");
  }),
  of("echo: what the guest no longer reads is dropped", "STR-9 RING-7", async (world) => {
    const { pipe } = await world.guest.open(1);
    pipe.stop();
    await pipe.put(pattern(20_000));
    world.check("RING-7", true, "bytes are dropped, not kept");
    pipe.end();
    await until("the stream to be taken back", () => world.host.monitor.counters().streams === 0);
    world.check("STR-9", true, "it ended");
  }),
  of("bytes ahead of Opened are taken up after it", "STR-3", async (world) => {
    const pipe = await world.guest.newStream();
    const open = [...header(4, 0x0201), ...le32(1)];
    await pipe.put(Uint8Array.from([...open, ...pattern(100)]));
    await pipe.frame();
    world.same("STR-3", await pipe.takeExactly(100), Buffer.from(pattern(100)), "bytes");
  }),
  of("a protocol that nobody knows is refused", "STR-2 STR-4 VER-2 CON-2", async (world) => {
    const { pipe, answer } = await world.guest.open(99);
    world.same("STR-4", frameOf(answer), [REFUSED, 93], "the answer");
    const { closed } = await pipe.takeAll();
    await until("toHost to be closed", () => pipe.get(P.TO_HOST_STOPPED) === 1);
    world.same("STR-2", closed, 1, "toGuest is ended, toHost closed");
    world.check("VER-2", true, "an addition can be probed for");
    world.check("CON-2", true, "what it lacks is EPROTONOSUPPORT");
    pipe.finish();
  }),
  streamWord(
    "a write position past the ring",
    "RING-4",
    P.TO_HOST_WRITTEN,
    (pipe) => (pipe.written + 5000) >>> 0,
  ),
  streamWord(
    "a write position that goes back",
    "RING-4",
    P.TO_HOST_WRITTEN,
    (pipe) => (pipe.written - 1) >>> 0,
  ),
  streamWord("a closed word of 3", "RING-10", P.TO_HOST_END, () => 3),
  streamWord("a read position past what was written", "RING-4", P.TO_GUEST_READ, () => 5000),
  streamWord("a consumer's closed word of 2", "RING-10", P.TO_GUEST_STOPPED, () => 2),
  firstFrame("a frame longer than the ring", "FRM-3 LIM-1", () => header(4085, 0x0201)),
  firstFrame("a first frame that is no Open", "STR-1", () => [...header(4, 0x0401), ...le32(1)]),
  firstFrame("a first frame that nobody knows", "STR-1 FRM-7", () => header(0, 0x0777)),
  firstFrame("a first frame of the host's", "FRM-4", () => [...header(4, 0x8201), ...le32(1)]),
  firstFrame("an Open without a protocol", "FRM-6", () => header(0, 0x0201)),
  of("half a frame, then the end, resets the stream", "FRM-3 STR-8 LSN-2", async (world) => {
    const { guest, host } = world;
    const half = Uint8Array.from([...header(4, 0x0201), ...le32(1)]).subarray(0, 15);
    writeFileSync(join(world.data, "half"), "");
    const before = host.violations.filter(({ reason }) => reason.includes("amid a frame")).length;
    // A reset after it is no violation: it is how one gives up.
    const { pipe: broken } = await guest.open(6);
    await broken.put(half);
    broken.reset();
    world.check("FRM-3", await broken.wasReset(), "a reset after half a frame");
    const pipes = [
      await guest.newStream(),
      (await guest.open(3, "ListenRequest", { backlog: 1, address: inet(0) })).pipe,
      (await guest.open(4, "FileOpen", { flags: 1, mode: 0, path: "/data/half" })).pipe,
      (await guest.open(6)).pipe,
    ];
    for (const [i, pipe] of pipes.entries()) {
      await pipe.put(half);
      pipe.end();
      world.check(i === 1 ? "LSN-2" : "FRM-3", await pipe.wasReset(), "a reset after half a frame and END");
    }
    const found = (): number =>
      host.violations.filter(({ reason }) => reason.includes("amid a frame")).length - before;
    await until("the lines", () => found() >= pipes.length);
    world.same("STR-8", found(), pipes.length, "violations in the log");
    for (const pipe of [broken, ...pipes]) pipe.finish();
  }),
  of("64 violations on streams end the guest", "ERR-3 ERR-4", async (world) => {
    for (let i = 0; i < 64; i++) {
      const pipe = await world.guest.newStream();
      pipe.set(P.TO_HOST_WRITTEN, 0x7000_0000);
      pipe.signal();
      if (i < 63) await pipe.wasReset();
    }
    // "MAY": this host does.
    await world.failed("ERR-3 ERR-4", 8);
  }),
  of(
    "signals and want words",
    "RING-9 BELL-1 BELL-2 BELL-3 BELL-4 BELL-5 BELL-8 RING-5 SB-6",
    async (world) => {
      const { guest } = world;
      const { pipe } = await guest.open(1);
      const asleep = guest.bellWord("toGuest", Bell.ASLEEP);
      const leaf = guest.bellWord("toGuest", Bell.LEAF + 4 * (pipe.id >>> 5));
      const clear = (): void => {
        guest.words.fill(0, guest.bellWord("toGuest", 0) / 4, guest.bellWord("toGuest", 0x2000) / 4);
        guest.rung();
      };
      clear();
      pipe.set(P.TO_GUEST_WANT_DATA, 1);
      await pipe.put(pattern(1));
      await pipe.takeExactly(1);
      await until("the bit", () => (guest.get(leaf) >>> (pipe.id & 31)) & 1);
      world.same(
        "BELL-2",
        [guest.get(guest.bellWord("toGuest", Bell.TOP)), guest.get(guest.bellWord("toGuest", Bell.MIDDLE))],
        [1, 1],
        "words above",
      );
      world.check("RING-9", true, "data is signalled to whoever waits for it");
      world.same("BELL-3", guest.rung(), 0, "rings while the guest is awake");
      clear();
      guest.set(asleep, 1);
      await pipe.put(pattern(1));
      await until("a ring", () => guest.rung() > 0);
      world.same("BELL-3", guest.get(asleep), 0, "asleep after the ring");
      // Noise: bits of streams that are not open, and rings for nothing.
      const beat = guest.get(Sb.HOST_BEAT);
      for (let id = 1; id < 32768; id += 31) guest.signal(id);
      for (let i = 0; i < 50; i++) guest.ring();
      await pipe.takeExactly(1);
      await pipe.put(pattern(3));
      world.same("BELL-4", await pipe.takeExactly(3), Buffer.from(pattern(3)), "bytes after noise");
      world.check("BELL-8", true, "rings for nothing do no harm");
      world.check("SB-6", guest.get(Sb.HOST_BEAT) >= beat, "the heartbeat grows");
      // Idle, the host sleeps and must be rung.
      const host = guest.bellWord("toHost", 0);
      await until("the host to sleep", () => guest.get(host) === 1);
      const taken = Array.from({ length: 0x2000 / 4 }, (_, i) => guest.get(host + 4 * i)).filter(
        (each) => each !== 0,
      );
      world.same("BELL-5", taken, [1], "words of a host that sleeps: all taken");
      world.check("BELL-1", true, "and they lie where they should");
      // A full ring to the guest: the host waits for space, and takes it up again.
      clear();
      const put = pipe.put(pattern(12_000));
      await until("want-space", () => pipe.get(P.TO_GUEST_WANT_SPACE) > 0);
      const want = pipe.get(P.TO_GUEST_WANT_SPACE);
      world.check("RING-9", want >= 1 && want <= pipe.toGuest, `want-space ${want}`);
      const got = await pipe.takeExactly(12_000);
      await put;
      world.check("RING-5", got.equals(pattern(12_000)), "bytes through full rings");
    },
  ),
];
