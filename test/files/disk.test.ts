// Disks that are full, or stand still, and guests that are rude while they do: nobody else notices.

import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
  Done,
  Errno,
  fileMessages,
  fsMessages,
  GuestState,
  layout,
  PAGE_BYTES,
  Protocol,
  StatReply,
} from "@ringway/control";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { errnoOf } from "../support/declined.ts";
import { heldForAll } from "../support/held.ts";
import { Hypervisor, place } from "../support/hypervisor.ts";
import { startMonitor, type TestMonitor } from "../support/monitor.ts";
import { descriptors, MonitorProgram } from "../support/processes.ts";
import { StreamGone } from "../support/raw-guest.ts";
import { mounted, run, SlowDisk, unmount } from "../support/slow-disk.ts";
import { until } from "../support/wait.ts";
import { type Host, startHost } from "./host.ts";
import { FileGuest, type RawStream } from "./wire.ts";

const { READ, WRITE, CREATE } = fileMessages.FileFlags;
const { FileDirection, Read, Data, Write, WriteAt, Written, WriteDone, WriteFailed } = fileMessages;
const MiB = 1024 * 1024;

function openWrite(guest: FileGuest, path: string, ringBytes = 65536): Promise<[RawStream, unknown]> {
  const request = { direction: FileDirection.WRITE, flags: WRITE | CREATE, path };
  return guest.openFileStream(request, ringBytes);
}

/** Once so many operations that `what` asks for are with the disk's workers, or wait for one. */
async function handed(
  { monitor }: Host | TestMonitor,
  operations: number,
  what: () => unknown,
): Promise<void> {
  const count = (): number => monitor.counters().fileOperations;
  const before = count();
  await what();
  await until("the disk to have it", () => count() >= before + operations);
}

/** Round trips of a few bytes over an echo stream, in milliseconds, sorted. */
async function roundTrips(echo: RawStream, count: number): Promise<number[]> {
  const times: number[] = [];
  for (let i = 0; i < count; i++) {
    const start = performance.now();
    await echo.write(new Uint8Array(8));
    await echo.read(8);
    times.push(performance.now() - start);
  }
  return times.sort((a, b) => a - b);
}

const small = mounted((folder) => run("mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder));

describe.skipIf(small.missing !== "")(`a full disk ${small.missing}`, () => {
  afterAll(() => unmount(small.folder));

  it("is ENOSPC with the count of what is in the file; other streams and later writes go on", async () => {
    await using host = await startHost({ data: small.folder });
    using guest = await FileGuest.attach(host.path);
    const [echo] = await guest.open(Protocol.ECHO, new Uint8Array(0));
    const [stream] = await openWrite(guest, "/data/stream");
    const [elsewhere] = await openWrite(guest, "/other/fine");
    await elsewhere.write(Buffer.alloc(1000, "a"));
    await expect(stream.write(Buffer.alloc(8 * MiB))).rejects.toThrow(StreamGone);
    const frame = await stream.next();
    expect(frame.type).toBe(WriteFailed.type);
    const told = WriteFailed.decode(frame.payload);
    expect(told.errno).toBe(Errno.ENOSPC);
    expect(told.bytes).toBe(statSync(join(small.folder, "stream")).size);
    expect(told.bytes).toBeGreaterThan(3 * MiB);
    stream.let();

    const file = await guest.openFile("/data/file", WRITE | CREATE);
    expect(await errnoOf(file.call(Write, { data: new Uint8Array(100) }, Written))).toBe(Errno.ENOSPC);
    const fs = await guest.openFs();
    const statfs = await fs.call(fsMessages.Statfs, { path: "/data" }, fsMessages.StatfsReply);
    expect(statfs.blocksAvailable).toBe(0);
    await elsewhere.write(Buffer.alloc(1000, "b"));
    elsewhere.end();
    expect(WriteDone.decode((await elsewhere.next()).payload).bytes).toBe(2000);
    elsewhere.let();
    expect((await roundTrips(echo, 20)).length).toBe(20);
    await fs.call(fsMessages.Unlink, { path: "/data/stream" }, Done);
    expect((await file.call(Write, { data: new Uint8Array(100) }, Written)).bytes).toBe(100);
    await file.finish();
  });

  it("a write that half fits is short, and the next one tells why", async () => {
    await using host = await startHost({ data: small.folder });
    using guest = await FileGuest.attach(host.path);
    const file = await guest.openFile("/data/half", WRITE | CREATE, 0o644, 256 * 1024);
    const data = new Uint8Array(60_000);
    let total = 0;
    for (;;) {
      const { bytes } = await file.call(Write, { data }, Written);
      total += bytes;
      if (bytes < data.length) break;
    }
    expect(await errnoOf(file.call(Write, { data }, Written))).toBe(Errno.ENOSPC);
    expect(statSync(join(small.folder, "half")).size).toBe(total);
    await file.finish();
  });
});

const slow = new SlowDisk();
const freeze = (): void => slow.freeze();
const thaw = (): void => slow.thaw();

// Reading from a file system that is frozen goes on; whatever would change it waits, until it is thawed.
describe.skipIf(slow.missing !== "")(`a disk that stands still ${slow.missing}`, () => {
  afterAll(() => slow.remove());
  const hold = heldForAll();
  let host: Host;
  let guest: FileGuest;

  beforeAll(async () => {
    host = hold(await startHost({ data: slow.folder }));
    writeFileSync(join(slow.folder, "content"), Buffer.alloc(100_000, "c"));
    writeFileSync(join(host.other, "content"), Buffer.alloc(100_000, "o"));
    guest = hold(await FileGuest.attach(host.path));
  });
  afterEach(thaw);

  /** Files of a guest whose writes wait for the disk: two of them on workers, the others for these. */
  async function stuck(which: FileGuest): Promise<RawStream[]> {
    const files: RawStream[] = [];
    for (let i = 0; i < 4; i++) files.push(await which.openFile(`/data/stuck-${i}`, WRITE | CREATE));
    freeze();
    await handed(host, files.length, () => {
      for (const file of files) file.post(WriteAt, { offset: 0, data: Buffer.from("late") });
    });
    for (const file of files) expect(file.poll()).toBeUndefined();
    return files;
  }

  it("delays no other stream's bytes, and no other guest's files", async () => {
    // With budgets of its own, as of another user.
    using other = await FileGuest.attach(host.monitor.attach().fd);
    const [echo] = await guest.open(Protocol.ECHO, new Uint8Array(0));
    const quiet = await roundTrips(echo, 300);
    const files = await stuck(guest);
    const busy = await roundTrips(echo, 300);
    const fs = await other.openFs();
    for (let i = 0; i < 50; i++) {
      const path = `/other/made-${i}`;
      await fs.call(fsMessages.Mkdir, { path, mode: 0o755, parents: false }, Done);
      const file = await other.openFile(`${path}/f`, READ | WRITE | CREATE);
      expect((await file.call(Write, { data: new Uint8Array(10) }, Written)).bytes).toBe(10);
      await file.finish();
    }
    const reading = await other.openFile("/data/content", READ);
    expect((await reading.call(Read, { bytes: 100_000 }, Data)).data.length).toBe(65_524);
    await reading.finish();
    for (const file of files) expect(file.poll()).toBeUndefined();
    thaw();
    for (const file of files) {
      expect((await file.reply(Written, 2)).bytes).toBe(4);
      await file.finish();
    }
    // Mostly this test's own waiting, before and behind it as well, since what else the machine does may change. A
    // reactor that waits would not have come to the thaw.
    const again = await roundTrips(echo, 300);
    expect(busy[150]!).toBeLessThan(Math.max(quiet[150]!, again[150]!) * 3 + 1);
    echo.reset();
  });

  it("takes back what no worker has begun when the guest gives its stream up", async () => {
    const files = await stuck(guest);
    for (let i = 0; i < 200; i++) {
      const fs = await guest.openFs(4096);
      fs.post(fsMessages.Mkdir, { path: `/other/never-${i}`, mode: 0o755, parents: false });
      await until("it was taken", () => fs.pipe.toHost.writable() === 4096);
      fs.reset();
    }
    thaw();
    for (const file of files) {
      await file.reply(Written, 2);
      await file.finish();
    }
    const fs = await guest.openFs();
    await fs.call(fsMessages.Stat, { path: "/other" }, StatReply);
    for (let i = 0; i < 200; i++) expect(existsSync(join(host.other, `never-${i}`))).toBe(false);
    await fs.finish();
  });

  it("a VM's guest that leaves meanwhile is over once, and the next one begins after it", async () => {
    using at = place();
    const policy = `version: 1\nfiles: [{ guest: /data, host: ${slow.folder}, access: rw }]\n`;
    await using served = await startMonitor(policy, { vms: [at.vm], lingerMs: 1 });
    using hypervisor = new Hypervisor(at);
    const leaving = await hypervisor.boot();
    const files = await Promise.all(["a", "b"].map((name) => leaving.open(`/data/vm-${name}`, "w")));
    const stream = leaving.createWriteStream("/data/vm-c");
    stream.on("error", () => {});
    await new Promise((resolve) => stream.write("begun", resolve));
    await until("it to be written", () => readFileSync(join(slow.folder, "vm-c")).length > 0);
    freeze();
    // Two are on the guest's workers; the third waits for one, with its place in the memory.
    await handed(served, files.length, () => {
      for (const file of files) file.write("late").catch(() => {});
    });
    await handed(served, 1, () => stream.end("never"));
    leaving.on("detach", () => {});
    // As a guest that detaches without waiting for anything.
    const words = await hypervisor.words();
    Atomics.store(words, layout.SB_GUEST_STATE >> 2, GuestState.DETACHED);
    hypervisor.ring();
    await until("its end", () => served.gone.length === 1);
    // Longer than from one guest to the next, which waits for somebody to attach.
    await sleep(300);
    const { guests } = served.monitor.counters();
    thaw();
    expect(guests).toBe(1);
    const next = await hypervisor.boot();
    await next.writeFile("/data/vm-d", "written");
    expect(String(await next.readFile("/data/vm-d"))).toBe("written");
    expect(served.monitor.counters().guests).toBe(1);
    expect(served.gone.length).toBe(1);
    await next.close();
  });

  it("a guest that is killed meanwhile keeps its memory until the disk is through, then nothing", async () => {
    const before = descriptors();
    using victim = await FileGuest.attach(host.monitor.attach().fd);
    const [stream] = await openWrite(victim, "/data/killed");
    const files: RawStream[] = [];
    for (let i = 0; i < 3; i++) files.push(await victim.openFile(`/data/killed-${i}`, WRITE | CREATE));
    freeze();
    await handed(host, files.length + 1, async () => {
      await stream.write(Buffer.alloc(30_000, "k"));
      for (const file of files) file.post(WriteAt, { offset: 0, data: Buffer.from("late") });
    });
    const regions = (): number =>
      (readFileSync("/proc/self/maps", "utf8").match(/memfd:ringway:/g) ?? []).length;
    const gone = new Promise((resolve) => host.monitor.once("detached", resolve));
    const mapped = regions();
    victim.vanish();
    await gone;
    // The victim's own mapping went; the monitor's stays while a disk worker reads from it.
    expect(regions()).toBe(mapped - 1);
    const fs = await guest.openFs();
    await fs.call(fsMessages.Stat, { path: "/other/content" }, StatReply);
    thaw();
    // The monitor's own two: for system calls, and for JavaScript.
    await until("the memory is let go", () => regions() === mapped - 3);
    await until("the files are closed", () => descriptors() <= before);
    expect(readFileSync(join(slow.folder, "killed"))).toEqual(Buffer.alloc(30_000, "k"));
    await fs.finish();
  });

  it("a guest that attaches anew meanwhile waits until no worker has its pages", async () => {
    using restless = await FileGuest.attach(host.path);
    const [stream] = await openWrite(restless, "/data/restless");
    freeze();
    await handed(host, 1, () => stream.write(Buffer.alloc(30_000, "r")));
    restless.session.attach();
    await sleep(100);
    expect(restless.session.poll()).toBe("waiting");
    thaw();
    await until("attached", () => restless.session.poll() === "attached");
    const file = await restless.openFile("/data/restless", READ);
    expect((await file.call(Read, { bytes: 100 }, Data)).data).toEqual(new Uint8Array(100).fill(114));
    expect(readFileSync(join(slow.folder, "restless"))).toEqual(Buffer.alloc(30_000, "r"));
  });

  it("who removes a VM is told where the monitor closes and a disk keeps its memory", async () => {
    using at = place("one");
    const policy = `version: 1\nfiles: [{ guest: /data, host: ${slow.folder}, access: rw }]\n`;
    // In a process that can be ended: what a dead disk holds is held until then.
    const options = { vms: [at.vm], lingerMs: 1 };
    using monitor = await MonitorProgram.start(`${at.memory}.attach`, policy, { options });
    using hypervisor = new Hypervisor(at);
    const leaving = await hypervisor.boot();
    leaving.on("detach", () => {});
    const stream = leaving.createWriteStream("/data/vm-removed");
    stream.on("error", () => {});
    await new Promise((resolve) => stream.write("begun", resolve));
    await until("it to be written", () => readFileSync(join(slow.folder, "vm-removed")).length > 0);
    freeze();
    // A worker takes it from the memory.
    stream.write(Buffer.alloc(100_000));
    await sleep(100);
    monitor.child.stdin!.write("remove and close\n");
    const kept = "the monitor is closed, but something of it may still use the memory of VM one";
    // Who asked before, and who asks afterwards.
    expect(JSON.parse(await monitor.line("memory of VM", 15_000))).toEqual([
      `Error: ${kept}`,
      `Error: ${kept}`,
    ]);
    thaw();
    monitor.child.kill("SIGKILL");
    await monitor.exit();
  });

  it("the monitor stops, once the disk does what was begun", async () => {
    await using stopping = await startHost({ data: slow.folder });
    using leaving = await FileGuest.attach(stopping.path);
    const files: RawStream[] = [];
    for (let i = 0; i < 6; i++) files.push(await leaving.openFile(`/data/stop-${i}`, WRITE | CREATE));
    freeze();
    await handed(stopping, files.length, () => {
      for (const file of files) file.post(WriteAt, { offset: 0, data: Buffer.from("x") });
    });
    let closed = false;
    const closing = stopping[Symbol.asyncDispose]().then(() => {
      closed = true;
    });
    await sleep(100);
    expect(closed).toBe(false);
    thaw();
    await closing;
  });
});

describe("a guest that breaks its ring while the disk works", () => {
  const READ_POSITION = 0x180;
  const hold = heldForAll();
  let host: Host;

  beforeAll(async () => {
    host = hold(await startHost());
    mkdirSync(join(host.data, "folder"));
    writeFileSync(join(host.data, "f"), "content");
  });

  /** Whatever the host then looks at on this ring is a violation. */
  function breakRing(guest: FileGuest, stream: RawStream): void {
    Atomics.store(guest.region.words, (stream.pipe.place.page * PAGE_BYTES + READ_POSITION) / 4, 0x1234567);
  }

  it.each([
    [
      "while a file is being opened",
      async (guest: FileGuest) => {
        const stream = await guest.stream();
        breakRing(guest, stream);
        stream
          .open(Protocol.FILE, fileMessages.FileOpen.encode({ path: "/data/f", flags: READ, mode: 0 }))
          .catch(() => {});
        return stream;
      },
    ],
    [
      "while a file is not found",
      async (guest: FileGuest) => {
        const stream = await guest.stream();
        breakRing(guest, stream);
        const body = fileMessages.FileOpen.encode({ path: "/data/none", flags: READ, mode: 0 });
        stream.open(Protocol.FILE, body).catch(() => {});
        return stream;
      },
    ],
    [
      "before a write fails",
      async (guest: FileGuest) => {
        const offset = Number.MAX_SAFE_INTEGER - 10;
        const request = { direction: FileDirection.WRITE, flags: WRITE | CREATE, path: "/data/far", offset };
        const [stream] = await guest.openFileStream(request);
        breakRing(guest, stream);
        await stream.write(new Uint8Array(1));
        return stream;
      },
    ],
    [
      "before a reply",
      async (guest: FileGuest) => {
        const stream = await guest.openFs();
        breakRing(guest, stream);
        stream.post(fsMessages.Stat, { path: "/data/f" });
        return stream;
      },
    ],
    [
      "before a listing",
      async (guest: FileGuest) => {
        const stream = await guest.openFs();
        breakRing(guest, stream);
        stream.post(fsMessages.ReadDir, { path: "/data" });
        return stream;
      },
    ],
  ])("%s loses that stream, and nothing else breaks", async (_name, misbehave) => {
    using guest = await FileGuest.attach(host.path);
    const witness = await guest.openFile("/data/f", READ);
    const before = descriptors();
    host.violations.length = 0;
    const stream = await misbehave(guest);
    await until("the stream is reset", () => stream.pipe.toGuest.peerClosed() === 2);
    await until("the report", () => host.violations.length === 1);
    expect(host.violations[0]).toMatchObject({ stream: stream.pipe.id, clause: "RING-4" });
    expect((await witness.call(Read, { bytes: 10 }, Data)).data.length).toBe(7);
    await until("its file is closed", () => descriptors() <= before);
    guest.vanish();
    expect(host.failures).toEqual([]);
  });
});
