// ringway inspect as a command: files, processes, exit codes; and beside a monitor and a guest that are busy, where it
// must find nothing.

import { spawnSync } from "node:child_process";
import {
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import {
  GuestSession,
  HostSession,
  inspectRegion,
  layout,
  type RegionReport,
  regionMemory,
} from "@ringway/control";
import { Guest } from "@ringway/guest";
import { describe, expect, it, onTestFinished } from "vitest";
import type { Program } from "../../../test/support/processes.ts";
import { ringway, start } from "../../../test/support/ringway.ts";
import { temporaryFolder } from "../../../test/support/temporary.ts";
import { RegionFile, regionsOfProcess } from "../src/inspect/source.ts";
import { startMonitor } from "./ready-monitor.ts";

/** A dump of a region whose guest has attached. `break_` changes words of it. */
function dump(break_: (words: Int32Array) => void = () => {}): string {
  const memory = regionMemory(new ArrayBuffer(1024 * 1024));
  const bell = { ring: (): void => {} };
  const host = new HostSession(memory, bell, { streams: 4, ringBytes: 4096 });
  const guest = new GuestSession(memory, bell);
  guest.attach();
  host.checkGuest();
  guest.poll();
  break_(memory.words);
  const file = join(temporaryFolder(), "region.bin");
  writeFileSync(file, memory.bytes);
  return file;
}

describe("ringway inspect FILE", () => {
  it("exits 0 for a region that is sound, and says what lies there", async () => {
    const { code, stdout, stderr } = await ringway("inspect", dump());
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(/^region {4}version 1\.1, 256 pages/);
    expect(stdout).toMatch(/^control +5 +toHost +65536 +0 /m);
    expect(stdout).toMatch(/\nsound: it breaks no clause\n$/);
  });

  it("tells of as many streams as a hostile file can have", async () => {
    const dumped = dump((words) => {
      words[layout.SB_MAX_STREAM_ID / 4] = 0xffffffff;
    });
    const sound = readFileSync(dumped);
    const pages = 70_000;
    const file = join(temporaryFolder(), "many.bin");
    writeFileSync(file, sound);
    truncateSync(file, pages * layout.PAGE_BYTES);
    const fd = openSync(file, "r+");
    writeSync(fd, Uint32Array.of(pages), 0, 4, layout.SB_REGION_PAGES);
    for (let page = sound.length / layout.PAGE_BYTES; page < pages; page++) {
      writeSync(fd, Uint32Array.of(page, 1), 0, 8, page * layout.PAGE_BYTES + layout.PIPE_ID);
    }
    closeSync(fd);
    const { code, stdout, stderr } = await ringway("inspect", file);
    expect([code, stderr]).toEqual([1, ""]);
    expect(stdout).toContain("SB-1");
    expect(stdout.split("\n").length).toBeGreaterThan(1000);
  });

  it("names the control pipe and the streams that are pending", async () => {
    const pending = async (leaf: number): Promise<string | undefined> => {
      const file = dump((words) => {
        words[(layout.PAGE_BYTES + layout.BELL_TO_HOST + layout.BELL_LEAF) / 4] = leaf;
      });
      const { stdout } = await ringway("inspect", file);
      return /^doorbell {2}to the host: awake, ([^;]*);/m.exec(stdout)?.[1];
    };
    expect(await pending(0)).toBe("nothing pending");
    expect(await pending(0b1)).toBe("pending: control pipe");
    expect(await pending(0b1000)).toBe("pending: stream 3");
    expect(await pending(0b10_1001)).toBe("pending: control pipe, stream 3, 5");
  });

  it("exits 1 for one that breaks a clause, and names it, the writer, the place and the value", async () => {
    const file = dump((words) => {
      words[layout.SB_GUEST_STATE / 4] = 3;
    });
    const { code, stdout } = await ringway("inspect", file);
    expect(code).toBe(1);
    expect(stdout).toMatch(/^SB-5 +guest +0x104 {2}superblock guest state: no state has number 3$/m);
    expect(stdout).toMatch(/\nbroken: 1 finding\n$/);
  });

  it("prints the same as JSON with --json", async () => {
    const file = dump((words) => {
      words[(layout.PAGE_BYTES + layout.BELL_ASLEEP) / 4] = 2;
    });
    const { code, stdout } = await ringway("inspect", file, "--json");
    expect(code).toBe(1);
    const report = JSON.parse(stdout) as RegionReport;
    expect(report.superblock.epoch).toBe(2);
    expect(report.findings).toEqual([
      {
        clause: "BELL-5",
        by: "host",
        offset: layout.PAGE_BYTES,
        where: "doorbell to the host, asleep",
        what: "2 is neither 0 nor 1",
      },
    ]);
  });

  it("exits 2 with one line for what is no region, or cannot be read", async () => {
    const folder = temporaryFolder();
    const paths = {
      empty: "0 bytes are less than a superblock's page",
      zeros: "the first page is empty: no monitor has begun on this memory yet",
      text: "no magic: this is not a Ringway region",
      folder: "is not a file",
      fifo: "is not a file",
      nothing: "it cannot be read (ENOENT)",
    };
    writeFileSync(join(folder, "empty"), "");
    writeFileSync(join(folder, "zeros"), new Uint8Array(8192));
    writeFileSync(join(folder, "text"), "RING".repeat(2000));
    mkdirSync(join(folder, "folder"));
    expect(spawnSync("mkfifo", [join(folder, "fifo")]).status).toBe(0);
    for (const [name, says] of Object.entries(paths)) {
      const { code, stdout, stderr } = await ringway("inspect", join(folder, name));
      expect([name, code, stdout]).toEqual([name, 2, ""]);
      expect(stderr).toMatch(/^ringway: [^\n]+\n$/);
      expect(stderr).toContain(says);
    }
  });
});

/** A guest that does a little of everything, without end: many streams, bulk, small messages. */
const BUSY_GUEST = `
import { once } from "node:events";
import { Guest } from "@ringway/guest";
const [socket, port] = process.argv.slice(1);
const guest = await Guest.attach(socket);
const connect = () => guest.connect({ host: "127.0.0.1", port: Number(port) });
async function bulk() {
  const stream = await connect();
  stream.resume();
  const chunk = Buffer.alloc(64 * 1024, 7);
  for (;;) if (!stream.write(chunk)) await once(stream, "drain");
}
async function short() {
  for (;;) {
    const stream = await connect();
    stream.end("hello");
    for await (const _ of stream);
  }
}
async function talk() {
  const stream = await connect();
  for (;;) {
    stream.write("ping");
    await once(stream, "data");
  }
}
const ends = [bulk(), talk(), short(), short(), short()];
console.log("busy");
await Promise.all(ends);
`;

/** Maps a file, closes it, and stays. (Python's own mmap keeps a descriptor.) */
const MAPS_ONLY = `
import ctypes, os, sys, time
fd = os.open(sys.argv[1], os.O_RDWR)
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
read_write, shared = 3, 1
libc.mmap(None, ctypes.c_size_t(os.fstat(fd).st_size), read_write, shared, fd, ctypes.c_long(0))
os.close(fd)
print("mapped", flush=True)
time.sleep(60)
`;

/** Sends back what it gets. */
async function echoPort(): Promise<number> {
  const server = createServer((socket) => socket.on("error", () => {}).pipe(socket));
  server.listen(0, "127.0.0.1");
  onTestFinished(() => void server.close());
  await new Promise((resolve) => server.once("listening", resolve));
  return (server.address() as { port: number }).port;
}

async function startBusyGuest(socket: string): Promise<Program> {
  const port = await echoPort();
  const guest = start([process.execPath, "--input-type=module", "-e", BUSY_GUEST, socket, String(port)]);
  while (!guest.output.includes("busy")) await delay(20);
  return guest;
}

function look(path: string): RegionReport {
  using file = new RegionFile(path);
  return inspectRegion(file);
}

describe("ringway inspect PID", () => {
  it("finds nothing wrong beside a busy monitor and a busy guest, however often it looks", async () => {
    const monitor = await startMonitor();
    const guest = await startBusyGuest(monitor.socket);
    const [region] = regionsOfProcess(guest.pid).regions;
    const positions = new Set<number>();
    const ids = new Set<string>();
    let still = 0;
    const endMs = performance.now() + 4000;
    for (let looks = 0; performance.now() < endMs || looks < 20; looks++) {
      const { findings, pipes, unused } = look(region!.path);
      expect({ findings, unused }).toEqual({ findings: [], unused: undefined });
      for (const pipe of pipes) {
        positions.add(pipe.toHost.written);
        ids.add(`${pipe.id}.${pipe.generation}`);
        if (pipe.still) still++;
      }
      // The guest and the server of this test have their turns.
      await delay(1);
    }
    // It was busy, and could be seen all the same.
    expect(positions.size).toBeGreaterThan(20);
    expect(ids.size).toBeGreaterThan(10);
    expect(still).toBeGreaterThan(40);
    const { code, stdout } = await ringway("inspect", String(guest.pid));
    expect([code, stdout.trimEnd().split("\n").at(-1)]).toEqual([0, "sound: it breaks no clause"]);
    const { code: ofMonitor } = await ringway("inspect", String(monitor.process.pid));
    expect(ofMonitor).toBe(0);
  }, 60_000);

  it("lists the regions of a process that has several, and takes one by --region", async () => {
    const monitor = await startMonitor();
    const guests = [await Guest.attach(monitor.socket), await Guest.attach(monitor.socket)];
    onTestFinished(async () => {
      for (const guest of guests) await guest.close();
    });
    const pid = String(monitor.process.pid);
    const listed = await ringway("inspect", pid);
    expect(listed.code).toBe(2);
    expect(listed.stderr).toMatch(
      new RegExp(
        `^process ${pid} has 2 regions; choose:\n  --region 1  fd \\d+, \\d+ bytes\n  --region 2  fd \\d+`,
      ),
    );
    expect((await ringway("inspect", pid, "--region", "2")).code).toBe(0);
    expect((await ringway("inspect", pid, "--region", "3")).code).toBe(2);
  });

  it.skipIf(process.getuid!() !== 0)("finds a region that a process has mapped only", async () => {
    const file = dump();
    const child = start(["python3", "-c", MAPS_ONLY, file]);
    while (!child.output.includes("mapped")) await delay(20);
    expect(regionsOfProcess(child.pid).regions).toMatchObject([{ held: "mapped", bytes: 1024 * 1024 }]);
    const { code, stdout } = await ringway("inspect", String(child.pid));
    expect([code, stdout.startsWith("region ")]).toEqual([0, true]);
  });

  it("exits 2 for a process that has none, or that there is not", async () => {
    const none = await ringway("inspect", String(process.ppid));
    expect([none.code, none.stderr]).toEqual([2, expect.stringContaining("it has no region")]);
    const nobody = await ringway("inspect", "4194305");
    expect([nobody.code, nobody.stderr]).toEqual([2, expect.stringContaining("there is no such process")]);
  });
});
