// Regions past 2 GiB, where a size in bytes no longer fits a signed word, up to the largest that a policy allows. Their
// pages cost memory only where they are touched: none of these tests takes more than some MiB.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type GuestPipe, layout } from "@ringway/control";
import { Guest, type GuestSocket } from "@ringway/guest";
import { SharedMemory } from "@ringway/linux";
import { describe, expect, test } from "vitest";
import { start } from "../native/rwcat-process.ts";
import { buildProgram, noCompiler, titled } from "../native/toolchain.ts";
import { MiB, pattern, sha256 } from "../support/bytes.ts";
import { Declined } from "../support/declined.ts";
import { Hypervisor, place } from "../support/hypervisor.ts";
import { LOOPBACK, startMonitor, type TestMonitor } from "../support/monitor.ts";
import { RawGuest } from "../support/raw-guest.ts";
import { echoServer } from "../support/tcp.ts";
import { temporaryFolder } from "../support/temporary.ts";

const GiB = 1024 * MiB;
const RING_BYTES_MAX = 16 * MiB;
/** Two of the largest rings and a header page: so many of them fill 4 GiB but for less than one. */
const LARGEST_STREAMS = 127;

const monitorWith = (regionBytes: string, more = ""): Promise<TestMonitor> =>
  startMonitor(`${LOOPBACK}limits: { regionBytes: ${regionBytes}, streamBytes: 16MiB }\n${more}`);

/** Streams until no page is left for another: of the largest rings, then of ever smaller ones. */
async function fill(guest: RawGuest): Promise<GuestPipe[]> {
  const pipes: GuestPipe[] = [];
  for (let ringBytes = RING_BYTES_MAX; ringBytes >= 4096; ) {
    try {
      pipes.push(await guest.newStream(ringBytes));
    } catch (error) {
      if (!(error instanceof Declined)) throw error;
      ringBytes /= 2;
    }
  }
  return pipes;
}

const endOf = ({ place: { page, toHostBytes, toGuestBytes } }: GuestPipe): number =>
  (page + layout.pipePages(toHostBytes, toGuestBytes)) * layout.PAGE_BYTES;

async function echoed(socket: GuestSocket, bytes: Buffer): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  const all = new Promise<Buffer>((resolve, reject) => {
    socket.once("error", reject);
    socket.on("data", (chunk: Buffer) => {
      chunks.push(chunk);
      length += chunk.length;
      if (length >= bytes.length) resolve(Buffer.concat(chunks));
    });
  });
  socket.write(bytes);
  return await all;
}

describe("a region", () => {
  test.each(["2GiB", "3GiB", "4GiB"])("of %s takes a guest of the SDK", async (regionBytes) => {
    await using host = await monitorWith(regionBytes);
    await using guest = await Guest.attach(host.path);
    const bytes = pattern(100_000, 3);
    expect(sha256(await echoed(await guest.echo(), bytes))).toBe(sha256(bytes));
    await guest.close();
  });

  test("of 4 GiB carries bytes both ways in each block of it, to the very end", async () => {
    await using host = await monitorWith("4GiB");
    await using server = await echoServer();
    using guest = await RawGuest.attach(host.path);
    const pipes = await fill(guest);
    // The smallest block has three pages: fewer are left.
    expect(Math.max(...pipes.map(endOf))).toBeGreaterThan(4 * GiB - 3 * layout.PAGE_BYTES);
    // The heap is full: whoever wants another block gets one of these. Those about 2 GiB, and the last ones.
    const tried = pipes.filter(
      (pipe) => Math.abs(endOf(pipe) - 2 * GiB) < 64 * MiB || endOf(pipe) > 4 * GiB - 64 * 1024,
    );
    expect(tried.length).toBeGreaterThan(3);
    for (const pipe of tried) guest.finish(pipe, "reset");
    for (const { place } of tried) {
      const again = await guest.connect("127.0.0.1", server.port, { ringBytes: place.toHostBytes });
      const bytes = pattern(Math.min(place.toHostBytes, 300_000), place.page);
      expect(await guest.write(again.pipe, bytes)).toBe(true);
      expect(sha256(await guest.readExactly(again.pipe, bytes.length))).toBe(sha256(bytes));
    }
    expect(host.violations).toEqual([]);
  });

  test("of 4 GiB carries connections, echoes and files of the SDK wherever their rings lie", async () => {
    const folder = temporaryFolder("large");
    try {
      await using host = await monitorWith("4GiB", `files: [{ guest: /d, host: ${folder}, access: rw }]\n`);
      await using server = await echoServer();
      await using guest = await Guest.attach(host.path);
      const sockets: GuestSocket[] = [];
      const largest = { ringBytes: RING_BYTES_MAX };
      for (let i = 0; i < LARGEST_STREAMS - 3; i++) {
        const options = { host: "127.0.0.1", port: server.port, ...largest };
        sockets.push(i % 2 === 0 ? await guest.connect(options) : await guest.echo(largest));
      }
      for (const [i, socket] of sockets.entries()) {
        const bytes = pattern(5000, i + 1);
        expect(sha256(await echoed(socket, bytes))).toBe(sha256(bytes));
      }
      // The rings of these three are in what is left, the last of the region.
      const bytes = pattern(1_000_000, 9);
      const into = guest.createWriteStream("/d/file", largest);
      await new Promise<void>((resolve, reject) => {
        into.once("error", reject);
        into.end(bytes, resolve);
      });
      expect(sha256(readFileSync(join(folder, "file")))).toBe(sha256(bytes));
      const chunks: Buffer[] = [];
      for await (const chunk of guest.createReadStream("/d/file", largest)) chunks.push(chunk as Buffer);
      expect(sha256(Buffer.concat(chunks))).toBe(sha256(bytes));
      await guest.close();
      expect(host.violations).toEqual([]);
    } finally {
    }
  });

  test("of 4 GiB is a VM's too", async () => {
    using at = place();
    // As a hypervisor does that keeps its machines' memory in memfds: nothing of it is given its place before it is
    // used.
    using memory = SharedMemory.create("vm", 4 * GiB);
    const path = `/proc/${process.pid}/fd/${memory.fd}`;
    await using host = await startMonitor(LOOPBACK, { vms: [{ ...at.vm, memory: memory.fd }] });
    using hypervisor = new Hypervisor({ ...at, memory: path });
    const guest = await hypervisor.boot();
    const bytes = pattern(100_000, 4);
    expect(sha256(await echoed(await guest.echo(), bytes))).toBe(sha256(bytes));
    await guest.close();
    expect(host.violations).toEqual([]);
  });
});

describe.skipIf(noCompiler !== undefined)(titled("a C guest", noCompiler), () => {
  test("fills a region of 4 GiB with streams of the largest rings, and each carries its bytes", async () => {
    const program = buildProgram(temporaryFolder("large"), "large", "large.c");
    await using host = await monitorWith("4GiB");
    const { code, stdout, stderr } = await start(program, [], "", { RINGWAY_SOCKET: host.path }).done;
    expect({ code, stdout: stdout.toString(), stderr }).toEqual({
      code: 0,
      stdout: `${LARGEST_STREAMS} streams, ${furthestMiB()} MiB\n`,
      stderr: "",
    });
    expect(host.violations).toEqual([]);
  }, 180_000);
});

/** The last of these streams' rings to the guest begins 16 MiB before its end. */
function furthestMiB(): number {
  const heapBytes = LARGEST_STREAMS * (2 * RING_BYTES_MAX + layout.PAGE_BYTES);
  return Math.floor((heapBytes - RING_BYTES_MAX) / MiB);
}
