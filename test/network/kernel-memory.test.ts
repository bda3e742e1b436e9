// What the kernel holds for a guest's sockets is bounded (limits.socketBytes), whoever does not read: counted from
// outside, in /proc/net/tcp, of the monitor's ends. And what is held back is not lost: it goes on as soon as somebody
// reads.

import { readFileSync } from "node:fs";
import type { GuestPipe } from "@ringway/control";
import { beforeEach, describe, expect, test } from "vitest";
import { KiB, MiB, pattern, sha256 } from "../support/bytes.ts";
import { FdServer, type FdSocket } from "../support/fd-tcp.ts";
import { heldForEach } from "../support/held.ts";
import { LOOPBACK, startMonitor, streamsAre, type TestMonitor } from "../support/monitor.ts";
import { RawGuest } from "../support/raw-guest.ts";
import { standsStill, until } from "../support/wait.ts";

const STREAMS = 200;
const LIMIT_BYTES = 4 * MiB;
/** Beside the limit, each socket's own: two shares of 16 KiB. */
const MOST_BYTES = LIMIT_BYTES + STREAMS * 32 * KiB;

let host: TestMonitor;
let guest: RawGuest;

const hold = heldForEach();
beforeEach(async () => {
  host = hold(await startMonitor(`${LOOPBACK}limits: { socketBytes: 4MiB }\n`));
  guest = hold(await RawGuest.attach(host.path));
});

interface Held {
  readonly sockets: number;
  readonly toSend: number;
  readonly received: number;
}

/** Of the sockets whose other end has this port. */
function held(peerPort: number): Held {
  const sum = { sockets: 0, toSend: 0, received: 0 };
  for (const line of readFileSync("/proc/net/tcp", "utf8").split("\n").slice(1, -1)) {
    // sl: local remote state tx_queue:rx_queue ..., in hex
    const [, , remote, , queues] = line.trim().split(/\s+/);
    if (Number.parseInt(remote!.split(":")[1]!, 16) !== peerPort) continue;
    const [tx, rx] = queues!.split(":").map((hex) => Number.parseInt(hex, 16));
    sum.sockets++;
    sum.toSend += tx!;
    sum.received += rx!;
  }
  return sum;
}

/** Once no byte moves any more. */
async function atRest(peerPort: number): Promise<Held> {
  const [now] = await standsStill("everything", () => {
    const { bytesToHost, bytesToGuest } = host.monitor.counters();
    return [held(peerPort), bytesToHost, bytesToGuest] as const;
  });
  return now;
}

/** As much as fits, without waiting. */
function fill(pipe: GuestPipe, bytes: Uint8Array, at: number): number {
  const room = Math.min(pipe.toHost.writable(), bytes.length - at);
  if (room === 0) return 0;
  pipe.toHost.put(bytes.subarray(at, at + room));
  if (pipe.toHost.advance(room)) guest.signal(pipe);
  return room;
}

describe("the kernel holds no more for a guest than its policy says", () => {
  test("where hundreds of peers do not read, and all of it arrives once they do", async () => {
    using server = new FdServer();
    const bytes = pattern(1 * MiB, 71);
    const ends: { pipe: GuestPipe; peer: FdSocket; at: number }[] = [];
    for (let i = 0; i < STREAMS; i++) {
      const { pipe } = await guest.connect("127.0.0.1", server.port, { ringBytes: 64 * KiB });
      ends.push({ pipe, peer: await server.accept(), at: 0 });
    }
    const feeding = setInterval(() => {
      for (const end of ends) end.at += fill(end.pipe, bytes, end.at);
    }, 1);
    try {
      const { sockets, toSend } = await atRest(server.port);
      expect(sockets).toBe(STREAMS);
      // The others beside it have what they need all the same.
      using other = await RawGuest.attach(host.path);
      const { pipe } = await other.connect("127.0.0.1", server.port);
      const peer = await server.accept();
      const heard = peer.hear(20_000);
      await other.write(pipe, pattern(16 * MiB, 72), 20_000);
      other.end(pipe);
      expect(sha256((await heard).bytes)).toBe(sha256(pattern(16 * MiB, 72)));
      peer.close();
      expect(toSend).toBeLessThanOrEqual(MOST_BYTES);
      const arrives = async (end: (typeof ends)[number]): Promise<void> => {
        const all = end.peer.hear(20_000);
        await until("its bytes to be taken", () => end.at === bytes.length, 20_000);
        guest.end(end.pipe);
        expect(sha256((await all).bytes)).toBe(sha256(bytes));
      };
      await Promise.all(ends.slice(0, 20).map(arrives));
    } finally {
      clearInterval(feeding);
      for (const { peer } of ends) peer.close();
    }
  }, 120_000);

  test("where the guest does not read what hundreds of peers send, and all of it arrives once it does", async () => {
    using server = new FdServer();
    const bytes = pattern(1 * MiB, 73);
    const ends: { pipe: GuestPipe; sent: Promise<boolean>; peer: FdSocket }[] = [];
    for (let i = 0; i < STREAMS; i++) {
      const { pipe } = await guest.connect("127.0.0.1", server.port, { ringBytes: 4 * KiB });
      const peer = await server.accept();
      const sent = peer.send(bytes, 60_000).then(
        (all) => {
          peer.endSending();
          return all;
        },
        () => false,
      );
      ends.push({ pipe, peer, sent });
    }
    const { sockets, received } = await atRest(server.port);
    expect(sockets).toBe(STREAMS);
    expect(received).toBeLessThanOrEqual(MOST_BYTES);
    for (const { pipe, sent } of ends.slice(0, 20)) {
      expect(sha256((await guest.readAll(pipe, 20_000)).bytes)).toBe(sha256(bytes));
      expect(await sent).toBe(true);
    }
    for (const { peer } of ends) peer.close();
  }, 60_000);

  test("also for streams that were ended, and followed by others: what they left counts", async () => {
    using server = new FdServer();
    const bytes = pattern(256 * KiB, 74);
    const peers: FdSocket[] = [];
    for (let i = 0; i < 100; i++) {
      const { pipe } = await guest.connect("127.0.0.1", server.port, { ringBytes: 256 * KiB });
      peers.push(await server.accept());
      await guest.write(pipe, bytes);
      guest.finish(pipe);
    }
    const { toSend } = await atRest(server.port);
    expect(toSend).toBeLessThanOrEqual(LIMIT_BYTES + 100 * 32 * KiB);
    // In order, and in full, however late they are read.
    const arrives = async (peer: FdSocket): Promise<void> => {
      const { bytes: all, how } = await peer.hear(20_000);
      expect([sha256(all), how]).toEqual([sha256(bytes), "end"]);
      peer.close();
    };
    await Promise.all(peers.map(arrives));
    await streamsAre(host.monitor, 0);
  }, 60_000);
});
