// The other direction: a host that writes what it likes into the region of a guest of the SDK. argv: seed, rounds.
//
// Each round is a guest of its own with calls and streams under way while the host breaks words, frames and hello; then
// the host dies. Everything must have ended by then, or end at once, each with an error that has a code; and this
// thread's loop must turn all the time. One line of JSON a round, and one at the end.

import { once } from "node:events";
import { Worker } from "node:worker_threads";
import {
  encodeFrame,
  encodeHello,
  loadWord,
  PAGE_BYTES,
  RingProducer,
  regionMemory,
  storeWord,
  toGuestRing,
} from "@ringway/control";
import { Guest, type GuestSocket } from "@ringway/guest";
import { closeFd, createEventfd, SharedMemory, sendWithFds, setNonBlocking, unixPair } from "@ringway/linux";
import { FakeHost, Port } from "../../packages/guest/test/fake-host.ts";
import { Random } from "../simulator/random.ts";
import { wickedFrame, wickedWord } from "./frames.ts";

const [seed, rounds] = process.argv.slice(2).map(Number) as [number, number];
const REGION_BYTES = 4 * 1024 * 1024;
/** From the host's death on. */
const END_MS = 3000;

const codes: Record<string, number> = {};
const wrong: string[] = [];
let mutations = 0;

const settled = async (what: string, promise: Promise<unknown>): Promise<void> => {
  let code = "ok";
  try {
    await promise;
  } catch (error) {
    const { code: own, name } = error as { code?: unknown; name?: string };
    code = typeof own === "string" ? own : `untyped ${name}`;
    if (typeof own !== "string")
      wrong.push(`${what} ended with ${error instanceof Error ? error.stack : error}`);
  }
  codes[code] = (codes[code] ?? 0) + 1;
};

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

process.on("uncaughtException", (error) => {
  wrong.push(`uncaught: ${error.stack}`);
});
process.on("unhandledRejection", (error) => {
  wrong.push(`unhandled: ${error}`);
});

async function bounded(what: string, all: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise((resolve) => {
    timer = setTimeout(() => resolve("late"), END_MS);
  });
  if ((await Promise.race([all, late])) === "late") wrong.push(`${what}: something did not end`);
  clearTimeout(timer);
}

async function round(random: Random): Promise<void> {
  const host = new FakeHost(REGION_BYTES, { streams: 64, ringBytes: 64 * 1024 });
  host.onBroken = () => {};
  const region = regionMemory(host.memory);
  if (random.once(10)) {
    // What a guest sees of the region first.
    for (let i = 0; i < 3; i++)
      storeWord(region, 4 * random.below(11), wickedWord(random, loadWord(region, 4 * random.below(11))));
    mutations += 3;
  }
  const command = new Int32Array(new SharedArrayBuffer(4 * 64));
  const flipper = random.once(3)
    ? new Worker(new URL("./memory-flipper.mjs", import.meta.url), {
        workerData: { memory: host.memory, command: command.buffer },
      })
    : undefined;
  let guest: Guest | undefined;
  const attaching = Guest.attach({ memory: host.memory, doorbell: host.bell }, { timeoutMs: 300 });
  try {
    guest = await attaching;
  } catch {
    await settled("attach", attaching);
  }
  const ends: Promise<void>[] = [];
  const sockets: GuestSocket[] = [];
  if (guest !== undefined) {
    const opened = (port: number): Promise<void> =>
      guest!.connect(port).then((socket) => {
        sockets.push(socket);
        socket.on("error", () => {});
        socket.on("data", () => {});
        ends.push(settled("a stream", once(socket, "close")));
        socket.write(Buffer.alloc(random.below(100_000)));
      });
    for (const port of [Port.ECHO, Port.SOURCE, Port.SINK, Port.SILENT, Port.BLACK_HOLE])
      ends.push(settled("connect", opened(port)));
    ends.push(
      settled("ping", guest.ping()),
      settled("stat", guest.stat("/x")),
      settled("readFile", guest.readFile("/x")),
      settled("readdir", guest.readdir("/x")),
      settled("args", guest.args()),
      settled("explain", guest.explain({ connect: { host: "x.test", port: 80 } })),
    );
    for (let i = random.below(6); i > 0; i--) await turn();
  }

  const header = (): number => {
    const pipes = [...host.streams.values()];
    const page = pipes.length === 0 || random.once(6) ? 5 : random.pick(pipes).pipe.place.page;
    return page * PAGE_BYTES;
  };
  const target = (): number => {
    switch (random.below(6)) {
      case 0:
        return random.pick([0x80, 0x84, 0x88, 0x8c]);
      case 1:
        return (
          3 * PAGE_BYTES +
          random.pick([0, 0x80, 0x100 + 4 * random.below(32), PAGE_BYTES + 4 * random.below(1024)])
        );
      case 2:
        return header() + PAGE_BYTES + 4 * random.below(16 * 1024);
      default:
        return header() + random.pick([0x080, 0x084, 0x088, 0x100, 0x104, 0x108, 0x000, 0x180]);
    }
  };
  if (flipper !== undefined) {
    const pairs = 1 + random.below(8);
    for (let i = 0; i < pairs; i++) {
      const at = Math.min(target(), REGION_BYTES - 4);
      const now = loadWord(region, at);
      command.set([at / 4, now, wickedWord(random, now)], 1 + 3 * i);
    }
    mutations += pairs;
    Atomics.store(command, 0, pairs);
    Atomics.notify(command, 0);
  }
  for (let i = 10 + random.below(60); i > 0; i--) {
    mutations++;
    if (random.once(4)) forge(host, random);
    else {
      const at = Math.min(target(), REGION_BYTES - 4);
      storeWord(region, at, wickedWord(random, loadWord(region, at)));
    }
    if (random.once(2)) host.session.bell.signal(random.below(8));
    if (random.once(3)) host.ringGuest();
    if (random.once(4)) host.schedule();
    await turn();
  }
  host.die();
  await bounded("after the host's death", Promise.all(ends));
  if (guest !== undefined) {
    await bounded("close", settled("close", guest.close()));
    if (guest.attached) wrong.push("a guest is attached to a host that is gone");
  }
  for (const socket of sockets) if (!socket.destroyed) wrong.push("a stream has outlived its host");
  await flipper?.terminate();
}

/** A frame on a ring to the guest, whole or wrong. */
function forge(host: FakeHost, random: Random): void {
  const pipes = [...host.streams.values()].map(({ pipe }) => pipe);
  const memory = regionMemory(host.memory);
  const place =
    pipes.length === 0 || random.once(2)
      ? { page: 5, toHostBytes: 65_536, toGuestBytes: 65_536 }
      : random.pick(pipes).place;
  const types = [
    0x8001, 0x8002, 0x8003, 0x8101, 0x8102, 0x8105, 0x8106, 0x8201, 0x8202, 0x8301, 0x8401, 0x8402, 0x8405,
    0x8501, 0x8603, 0x8609,
  ];
  const payload = new Uint8Array(random.skewed(400));
  for (let i = 0; i < payload.length; i++) payload[i] = random.once(2) ? 0 : random.u32();
  const frame = encodeFrame(random.pick(types), random.below(20), payload);
  const ring = toGuestRing(place);
  const producer = new RingProducer(memory, ring, loadWord(memory, ring.producer));
  const bytes = random.once(2) ? frame : wickedFrame(random, frame);
  if (bytes.length > ring.capacity) return;
  producer.put(bytes);
  producer.advance(bytes.length);
}

/** A hello that is not one, with descriptors that are not what they should be. */
async function hello(random: Random): Promise<void> {
  const [ours, theirs] = unixPair();
  const fds: number[] = [];
  const memory = SharedMemory.create("wicked", PAGE_BYTES * random.pick([1, 4, 64]));
  const bytes = encodeHello({
    errno: random.pick([0, 0, 0, 13, 0xffff_ffff]),
    regionPages: wickedWord(random, 64),
  });
  if (random.once(2)) bytes[random.below(bytes.length)] = random.u32();
  for (let i = random.pick([3, 3, 3, 0, 1, 2]); i > 0; i--) {
    if (random.once(2)) fds.push(memory.fd);
    else {
      const bell = createEventfd();
      if (random.once(2)) setNonBlocking(bell, false);
      fds.push(bell);
    }
  }
  sendWithFds(ours, random.once(4) ? bytes.subarray(0, random.below(33)) : bytes, fds);
  if (random.once(3)) closeFd(ours);
  mutations++;
  await bounded(
    "a hello",
    settled(
      "attach",
      Guest.attach({ fd: theirs }, { timeoutMs: 200 }).then((guest) => guest.close()),
    ),
  );
  for (const fd of new Set(fds)) if (fd !== memory.fd) closeFd(fd);
  memory[Symbol.dispose]();
}

let longestMs = 0;
let beat = performance.now();
const watch = setInterval(() => {
  longestMs = Math.max(longestMs, performance.now() - beat);
  beat = performance.now();
}, 5);
for (let i = 0; i < rounds && wrong.length === 0; i++) {
  const random = new Random(Math.imul(seed, 0x9e37_79b1) ^ i);
  if (random.once(5)) await hello(random);
  else await round(random);
  process.stdout.write(`${JSON.stringify({ round: i, mutations })}\n`);
}
clearInterval(watch);
process.stdout.write(
  `${JSON.stringify({ done: true, mutations, codes, wrong, longestMs: Math.round(longestMs) })}\n`,
);
process.exit(0);
