// What a mount reads, whether the page cache has it or a disk worker must: the same bytes (PROTOCOL.md MNT-9).

import { execFileSync } from "node:child_process";
import { statSync, truncateSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Done, Errno, fileMessages, mountMessages as m } from "@ringway/control";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { AtOnce, READS_AFTER_MISS } from "../../../packages/monitor/src/relays/files/at-once.ts";
import { errnoOf } from "../../support/declined.ts";
import { readsAtOnce } from "../../support/disk-file-systems.ts";
import { DyingDisk, noDyingDisk } from "../../support/dying-disk.ts";
import { heldForAll, heldForEach } from "../../support/held.ts";
import { until } from "../../support/wait.ts";
import { type Host, startHost } from "../host.ts";
import { FileGuest } from "../wire.ts";
import { CREATE, emptyFolders, RawMount, READ, WRITE } from "./wire.ts";

const holdForAll = heldForAll();
const hold = heldForEach();
let host: Host;
let guest: FileGuest;
let mount: RawMount;

beforeAll(async () => {
  host = holdForAll(await startHost());
});
beforeEach(async () => {
  emptyFolders(host);
  guest = hold(await FileGuest.attach(host.path));
  mount = await RawMount.open(guest);
});

const pattern = (bytes: number, step = 7): Buffer =>
  Buffer.from(Array.from({ length: bytes }, (_, i) => (i * step) % 251));

/** The kernel lets go of what it has of it in memory. */
function dropFromCache(path: string): void {
  execFileSync("dd", [`if=${path}`, "iflag=nocache", "count=0", "status=none"]);
}

describe("a read of a mount", () => {
  it("of what is cached takes no worker, on file systems of a disk of this machine's", async () => {
    writeFileSync(join(host.data, "file"), pattern(100_000));
    const file = await mount.handle("file");
    const before = host.monitor.counters();
    for (let at = 0; at < 96_000; at += 4000) {
      expect((await mount.read(file, at, 4000)).equals(pattern(100_000).subarray(at, at + 4000))).toBe(true);
    }
    const after = host.monitor.counters();
    expect(after.fileBytesRead - before.fileBytesRead).toBe(96_000);
    expect(after.fileOperations - before.fileOperations).toBe(readsAtOnce(host.data) ? 0 : 24);
  });

  it("of what is not cached gives the same, also where some of it is", async () => {
    const content = pattern(1_000_000);
    const path = join(host.data, "file");
    writeFileSync(path, content, { flush: true });
    const file = await mount.handle("file");
    for (let round = 0; round < 4; round++) {
      dropFromCache(path);
      const reads: [number, number][] = [];
      for (let i = 0; i < 40; i++) {
        const at = ((round * 40 + i) * 77_777) % 950_000;
        reads.push([at, await mount.stream.send(m.MountRead, { handle: file, offset: at, bytes: 5000 })]);
      }
      for (const [at, id] of reads) {
        const { data } = await mount.reply(fileMessages.Data, id);
        expect(Buffer.from(data).equals(content.subarray(at, at + 5000))).toBe(true);
      }
    }
  });

  it("that missed is followed by reads that a worker answers, before what is cached is read at once", async (ctx) => {
    ctx.skip(!readsAtOnce(host.data), "no disk's file system here reads at once");
    const content = pattern(1_000_000);
    const path = join(host.data, "file");
    writeFileSync(path, content, { flush: true });
    const file = await mount.handle("file");
    const operations = async (reads: number): Promise<number> => {
      const before = host.monitor.counters().fileOperations;
      for (let i = 0; i < reads; i++) {
        expect((await mount.read(file, 0, 100)).equals(content.subarray(0, 100))).toBe(true);
      }
      return host.monitor.counters().fileOperations - before;
    };
    expect(await operations(10)).toBe(0);
    // The file's end is no miss, where it is not a page's.
    expect(await mount.read(file, 999_990, 100)).toHaveLength(10);
    expect(await operations(10)).toBe(0);
    let ofWorkers = 0;
    // The kernel may have a reason to keep it.
    for (let i = 0; i < 10 && ofWorkers === 0; i++) {
      dropFromCache(path);
      ofWorkers = await operations(10);
    }
    expect(ofWorkers).toBe(READS_AFTER_MISS);
  });

  it("ends where the file does, and gives nothing behind that, nor where it asks for nothing", async () => {
    writeFileSync(join(host.data, "file"), pattern(10_000));
    const file = await mount.handle("file");
    expect((await mount.read(file, 8000, 4000)).equals(pattern(10_000).subarray(8000))).toBe(true);
    expect((await mount.read(file, 0, 65_536)).equals(pattern(10_000))).toBe(true);
    for (const offset of [10_000, 10_001, 2 ** 40])
      expect(await mount.read(file, offset, 100)).toHaveLength(0);
    expect(await mount.read(file, 5, 0)).toHaveLength(0);
    const last = Number.MAX_SAFE_INTEGER;
    expect(await mount.read(file, last - 10, 10)).toHaveLength(0);
    expect(await errnoOf(mount.read(file, last, 1))).toBe(Errno.EINVAL);
    expect(await errnoOf(mount.read(file, 0, 65_537))).toBe(Errno.EINVAL);
    expect(await mount.read(file, 9999, 1)).toHaveLength(1);
  });

  it("of a hole gives zeros, and of a file that grew or was cut what is there now", async () => {
    const path = join(host.data, "file");
    writeFileSync(path, "begin");
    truncateSync(path, 100_000);
    const file = await mount.handle("file");
    const begin = Buffer.alloc(60_000);
    begin.write("begin");
    expect((await mount.read(file, 0, 60_000)).equals(begin)).toBe(true);
    expect((await mount.read(file, 50_000, 60_000)).equals(Buffer.alloc(50_000))).toBe(true);
    truncateSync(path, 3);
    expect((await mount.read(file, 0, 60_000)).toString()).toBe("beg");
    writeFileSync(path, "in and more", { flag: "a" });
    expect((await mount.read(file, 0, 60_000)).toString()).toBe("begin and more");
  });

  it("after a write's answer gives what was written, and behind it in the ring one or the other", async () => {
    const file = await mount.handle("file", READ | WRITE | CREATE);
    for (let i = 0; i < 100; i++) {
      await mount.write(file, 0, Buffer.alloc(4096, i));
      const write = { handle: file, flags: 0, offset: 0, data: Buffer.alloc(4096, i + 100) };
      const written = await mount.stream.send(m.MountWrite, write);
      const read = await mount.stream.send(m.MountRead, { handle: file, offset: 0, bytes: 4096 });
      expect([i, i + 100]).toContain((await mount.reply(fileMessages.Data, read)).data[4095]);
      await mount.reply(fileMessages.Written, written);
      expect((await mount.read(file, 0, 4096)).equals(Buffer.alloc(4096, i + 100))).toBe(true);
    }
  });

  it("waits until its answer has room, and so does what is behind it; none is lost", async () => {
    writeFileSync(join(host.data, "file"), pattern(65_000));
    const small = await RawMount.open(guest, "/data", 8192);
    const file = await small.handle("file");
    // One byte short of the ring, so that each next answer begins at another place of it.
    const sizes = [8000, 180, 8180, 1, 8179, 4096, 4072, 12, 8180, 8000, 8180];
    for (let round = 0; round < 3; round++) {
      const reads: [number, number][] = [];
      for (const bytes of sizes) {
        reads.push([bytes, await small.stream.send(m.MountRead, { handle: file, offset: bytes, bytes })]);
      }
      const stat = await small.stream.send(m.MountStat, { at: file, follow: true, path: Buffer.alloc(0) });
      expect(small.stream.pipe.toGuest.readable()).toBeLessThanOrEqual(8192);
      for (const [bytes, id] of reads) {
        const { data } = await small.reply(fileMessages.Data, id);
        expect(Buffer.from(data).equals(pattern(65_000).subarray(bytes, 2 * bytes))).toBe(true);
      }
      expect((await small.reply(m.MountAttributes, stat)).size).toBe(65_000);
    }
    await small.stream.finish();
  });

  it("behind others in the ring is answered like each alone, also past a mistake and around the ring's end", async () => {
    const content = pattern(10_000);
    writeFileSync(join(host.data, "file"), content);
    const small = await RawMount.open(guest, "/data", 16_384);
    const file = await small.handle("file");
    const { stream } = small;
    for (let round = 0; round < 8; round++) {
      const sizes = [1000, 999, 1, 1500, 64, 64, 64, 3000, 700 + round];
      const mistake = round % sizes.length;
      const ids = stream.together(() =>
        sizes.map((bytes, i) =>
          stream.post(m.MountRead, { handle: i === mistake ? file + 77 : file, offset: 100 * i, bytes }),
        ),
      );
      for (const [i, id] of ids.entries()) {
        const answer = small.reply(fileMessages.Data, id);
        if (i === mistake) expect(await errnoOf(answer)).toBe(Errno.EBADF);
        else expect(Buffer.from((await answer).data)).toEqual(content.subarray(100 * i, 100 * i + sizes[i]!));
      }
    }
    await stream.finish();
  });

  it("of more than the ring has room for is answered as there comes some, with what goes around its end", async () => {
    const content = pattern(30_000);
    writeFileSync(join(host.data, "file"), content);
    const small = await RawMount.open(guest, "/data", 16_384);
    const file = await small.handle("file");
    const { stream } = small;
    for (let round = 0; round < 12; round++) {
      const sizes = Array.from({ length: 16 }, (_, i) => 500 + (((round * 16 + i) * 997) % 3600));
      const ids = stream.together(() =>
        sizes.map((bytes, i) => stream.post(m.MountRead, { handle: file, offset: 1500 * i, bytes })),
      );
      for (const [i, id] of ids.entries()) {
        const { data } = await small.reply(fileMessages.Data, id);
        expect(Buffer.from(data).equals(content.subarray(1500 * i, 1500 * i + sizes[i]!))).toBe(true);
      }
    }
    await stream.finish();
  });

  it("beside others gives what there is, while the file is cut and grows, and its handle is given back", async () => {
    const path = join(host.data, "file");
    const content = pattern(64_000);
    writeFileSync(path, content);
    const { stream } = mount;
    for (let round = 0; round < 30; round++) {
      const file = await mount.handle("file");
      for (let i = 0; i < 20; i++) await mount.read(file, 0, 1);
      const [ids, release, late] = stream.together(() => {
        const read = (i: number): number =>
          stream.post(m.MountRead, { handle: file, offset: 4000 * i, bytes: 4000 });
        const before = Array.from({ length: 17 }, (_, i) => read((i * 5) % 17));
        return [before, stream.post(m.MountRelease, { handle: file }), read(0)] as const;
      });
      const size = 60_000 - round * 1777;
      truncateSync(path, size);
      for (const [i, id] of ids.entries()) {
        const at = 4000 * ((i * 5) % 17);
        const data = Buffer.from((await mount.reply(fileMessages.Data, id)).data);
        const left = Math.max(0, Math.min(4000, size - at));
        expect(data.length).toBeGreaterThanOrEqual(left);
        expect(data.length).toBeLessThanOrEqual(Math.min(4000, 64_000 - at));
        expect(data.subarray(0, left).equals(content.subarray(at, at + left))).toBe(true);
      }
      await mount.reply(Done, release);
      expect(await errnoOf(mount.reply(fileMessages.Data, late))).toBe(Errno.EBADF);
      writeFileSync(path, content.subarray(size), { flag: "a" });
    }
  });

  it("of less than was asked for needs no more room than it has bytes, nor does what is behind it", async () => {
    writeFileSync(join(host.data, "file"), pattern(8000));
    writeFileSync(join(host.data, "short"), "0123456789");
    const small = await RawMount.open(guest, "/data", 8192);
    const [file, short] = [await small.handle("file"), await small.handle("short")];
    const { stream } = small;
    const ids = stream.together(() => [
      stream.post(m.MountRead, { handle: file, offset: 0, bytes: 8000 }),
      stream.post(m.MountRead, { handle: short, offset: 0, bytes: 8000 }),
      stream.post(m.MountRelease, { handle: short }),
    ]);
    // Nothing is read meanwhile.
    await until("all three are answered", () => stream.pipe.toGuest.readable() === 3 * 12 + 8000 + 10);
    expect(await small.reply(fileMessages.Data, ids[0]!)).toMatchObject({ data: { length: 8000 } });
    expect(String(Buffer.from((await small.reply(fileMessages.Data, ids[1]!)).data))).toBe("0123456789");
    await small.reply(Done, ids[2]!);
  });

  it("ends with its stream where nobody reads the answer: after a RESET, and where the ring is closed", async () => {
    writeFileSync(join(host.data, "file"), pattern(65_000));
    const hows = ["reset", "close"] as const;
    for (const [how, ring] of hows.flatMap((how) => [8192, 65_536].map((ring) => [how, ring] as const))) {
      const small = await RawMount.open(guest, "/data", ring);
      const file = await small.handle("file");
      for (let i = 0; i < 10; i++) await small.read(file, i, 100);
      small.stream.together(() => {
        for (let i = 0; i < 20; i++) {
          small.stream.post(m.MountRead, { handle: file, offset: i, bytes: 8000 });
        }
        if (how === "reset") small.stream.reset();
      });
      if (how === "reset") continue;
      small.stream.pipe.toGuest.close();
      small.stream.signal();
      await small.stream.finish();
    }
    expect((await mount.read(await mount.handle("file"), 0, 10)).equals(pattern(10))).toBe(true);
  });
});

it("reads go together only where as many have just been cached", () => {
  const atOnce = new AtOnce(true);
  const most = (): number => [7, 6, 5, 4, 3, 2, 1, 0].find((others) => atOnce.triesWith(others)) ?? -1;
  expect(most()).toBe(0);
  for (let i = 0; i < 3; i++) atOnce.gave(10, 10, 0);
  expect(most()).toBe(3);
  // The file's end is no miss, but those behind it were read in vain.
  atOnce.gave(5, 10, 0);
  expect(most()).toBe(0);
  atOnce.gave(-Errno.EAGAIN, 10, 0);
  expect(most()).toBe(-1);
  for (let i = 0; i < READS_AFTER_MISS; i++) atOnce.workerRead();
  expect(most()).toBe(0);
});

describe("when a file was last accessed", () => {
  const { READ: read } = fileMessages.FileFlags;
  const ways: [string, (path: string) => Promise<Uint8Array>][] = [
    ["mount", async (path) => mount.read(await mount.handle(path.slice("/data/".length)), 0, 10)],
    [
      "file",
      async (path) => {
        const file = await guest.openFile(path, read);
        return (await file.call(fileMessages.Read, { bytes: 10 }, fileMessages.Data)).data;
      },
    ],
    [
      "file-stream",
      async (path) => {
        const request = { path, direction: fileMessages.FileDirection.READ, flags: read };
        return (await guest.openFileStream(request))[0].read();
      },
    ],
  ];
  it.each(ways)("is not changed by a read by %s", async (_, way) => {
    const path = join(host.data, "file");
    writeFileSync(path, "0123456789");
    const long = new Date("2001-02-03T04:05:06Z");
    utimesSync(path, long, new Date());
    expect(Buffer.from(await way("/data/file")).toString()).toBe("0123456789");
    if (readsAtOnce(host.data)) expect(statSync(path).atime).toEqual(long);
  });
});

describe.skipIf(noDyingDisk !== "")(`on a disk that does not answer ${noDyingDisk}`, () => {
  it.each(["mount", "file", "file-stream"])(
    "a read by %s leaves the guest's other streams alone",
    async (how) => {
      using disk = await DyingDisk.mount("dying");
      const dying = hold(await startHost({ data: disk.folder }));
      writeFileSync(join(dying.other, "file"), "alive");
      const other = hold(await FileGuest.attach(dying.path));
      const beside = await RawMount.open(other, "/other");
      const file = await beside.handle("file");
      await ask(other, how);
      await disk.dies();
      for (let i = 0; i < 20; i++) expect((await beside.read(file, 0, 5)).toString()).toBe("alive");
    },
  );
});

/** A read of its file "f" is on its way when this returns, or its file being opened, which is the last that it does. */
async function ask(other: FileGuest, how: string): Promise<void> {
  if (how === "mount") {
    const dying = await RawMount.open(other, "/data");
    const file = await dying.handle("f");
    dying.stream.post(m.MountRead, { handle: file, offset: 0, bytes: 10 });
  } else if (how === "file") {
    const file = await other.openFile("/data/f", fileMessages.FileFlags.READ);
    file.post(fileMessages.Read, { bytes: 10 });
  } else {
    const request = {
      path: "/data/f",
      direction: fileMessages.FileDirection.READ,
      flags: fileMessages.FileFlags.READ,
    };
    await other.openFileStream(request);
  }
}
