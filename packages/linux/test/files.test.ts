import { mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import {
  AT_FDCWD,
  closeFd,
  dataSync,
  Errno,
  type FileStat,
  fchmod,
  fstat,
  linkat,
  mkdirat,
  OpenFlags,
  openat2,
  openDirectory,
  RENAME_EXCHANGE,
  RENAME_NOREPLACE,
  ResolveFlags,
  readAt,
  readAtNoWait,
  readDirectory,
  readDirectoryBatch,
  readlinkat,
  renameat,
  SEEK_CUR,
  SEEK_DATA,
  SEEK_END,
  SEEK_SET,
  seek,
  setTimes,
  stat,
  statfs,
  symlinkat,
  sync,
  truncate,
  unlinkat,
  write,
  writeAt,
  writeBoth,
} from "../src/index.ts";
import { memory, temporaryDirectory } from "./helpers.ts";

const { READ_ONLY, READ_WRITE, WRITE_ONLY, CREATE, EXCLUSIVE, APPEND, DIRECTORY, PATH, NO_FOLLOW } =
  OpenFlags;
const { BENEATH, NO_MAGIC_LINKS, NO_SYMLINKS, IN_ROOT } = ResolveFlags;
const confined = BENEATH | NO_MAGIC_LINKS;

/** A directory to work in: its path, and a handle on it. */
function workspace(): { path: string; root: number } {
  const path = temporaryDirectory();
  const root = openDirectory(path);
  expect(root).toBeGreaterThan(0);
  onTestFinished(() => {
    closeFd(root);
  });
  return { path, root };
}

function fileIn(root: number, flags: number = READ_WRITE | CREATE): number {
  const fd = openat2(root, "file", flags, 0o644, confined);
  expect(fd).toBeGreaterThan(0);
  onTestFinished(() => {
    closeFd(fd);
  });
  return fd;
}

function statOf(result: FileStat | number): FileStat {
  if (typeof result === "number") throw new Error(`errno ${result}`);
  return result;
}

describe("opening beneath a directory", () => {
  test("finds what is inside, also through links that stay inside", () => {
    const { path, root } = workspace();
    mkdirSync(join(path, "a/b"), { recursive: true });
    writeFileSync(join(path, "a/b/file"), "inside");
    symlinkSync("b/../b/file", join(path, "a/link"));
    for (const name of ["a/b/file", "a/link", "a/../a/b/file", "./a//b/file"]) {
      const fd = openat2(root, name, READ_ONLY, 0, confined);
      expect([name, fd > 0]).toEqual([name, true]);
      closeFd(fd);
    }
  });

  test("refuses every way out", () => {
    const { path, root } = workspace();
    mkdirSync(join(path, "a"));
    symlinkSync("/etc/passwd", join(path, "absolute"));
    symlinkSync("../../../etc/passwd", join(path, "a/relative"));
    symlinkSync("..", join(path, "up"));
    for (const name of ["..", "../x", "a/../../x", "/etc/passwd", "absolute", "a/relative", "up/x", "/"]) {
      expect([name, openat2(root, name, READ_ONLY, 0, confined)]).toEqual([name, -Errno.EXDEV]);
    }
    expect(openat2(root, "up", READ_ONLY, 0, NO_SYMLINKS)).toBe(-Errno.ELOOP);
    expect(openat2(root, "absolute", READ_ONLY | NO_FOLLOW, 0, confined)).toBe(-Errno.ELOOP);
    expect(openat2(root, "../../../a", READ_ONLY | DIRECTORY, 0, IN_ROOT)).toBeGreaterThan(0);
    expect(openat2(AT_FDCWD, `/proc/self/fd/${root}`, READ_ONLY, 0, NO_MAGIC_LINKS)).toBe(-Errno.ELOOP);
  });

  test("does not cut a path at a NUL, nor take one that is too long", () => {
    const { path, root } = workspace();
    writeFileSync(join(path, "secret"), "");
    expect(openat2(root, "secret\0.txt", READ_ONLY, 0, confined)).toBe(-Errno.EINVAL);
    expect(openat2(root, new Uint8Array([0x73, 0]), READ_ONLY, 0, confined)).toBe(-Errno.EINVAL);
    expect(openat2(root, `${"x/".repeat(2047)}x`, READ_ONLY, 0, confined)).toBe(-Errno.ENOENT);
    expect(openat2(root, "x".repeat(4096), READ_ONLY, 0, confined)).toBe(-Errno.ENAMETOOLONG);
    expect(openat2(root, "é".repeat(2048), READ_ONLY, 0, confined)).toBe(-Errno.ENAMETOOLONG);
    expect(openat2(root, "é".repeat(4000), READ_ONLY, 0, confined)).toBe(-Errno.ENAMETOOLONG);
    expect(openat2(root, "", READ_ONLY, 0, confined)).toBe(-Errno.ENOENT);
  });

  test("gives descriptors that close on exec, with the mode asked for", () => {
    const { path, root } = workspace();
    const fd = openat2(root, "file", WRITE_ONLY | CREATE | EXCLUSIVE, 0o640, confined);
    expect(statSync(join(path, "file")).mode & 0o777).toBe(0o640 & ~process.umask());
    expect(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8")).toMatch(/^flags:\s+02\d{6}/m);
    expect(openat2(root, "file", WRITE_ONLY | CREATE | EXCLUSIVE, 0o640, confined)).toBe(-Errno.EEXIST);
    closeFd(fd);
  });
});

describe("bytes of a file", () => {
  test("are written and read by address, at the position and at offsets", () => {
    const { root } = workspace();
    const fd = fileIn(root);
    const out = memory("hello world");
    const into = memory(20);
    expect(write(fd, out.address, 5)).toBe(5);
    expect(writeAt(fd, out.address + 5, 6, 5)).toBe(6);
    expect(seek(fd, 0, SEEK_CUR)).toBe(5);
    expect(readAt(fd, into.address, 20, 0)).toBe(11);
    expect(into.bytes.toString("utf8", 0, 11)).toBe("hello world");
    expect(seek(fd, -1, SEEK_SET)).toBe(-Errno.EINVAL);
  });

  test("have places far beyond 2^32, and sizes too", () => {
    const { root } = workspace();
    const fd = fileIn(root);
    const far = 2 ** 40 + 12345;
    const out = memory("far");
    const into = memory(3);
    expect(writeAt(fd, out.address, 3, far)).toBe(3);
    expect(readAt(fd, into.address, 3, far)).toBe(3);
    expect(into.bytes.toString()).toBe("far");
    expect(statOf(fstat(fd)).size).toBe(far + 3);
    expect(seek(fd, 0, SEEK_END)).toBe(far + 3);
    expect(seek(fd, 0, SEEK_DATA)).toBe(far - (far % 4096));
    expect([3, -Errno.EAGAIN, -Errno.EOPNOTSUPP]).toContain(readAtNoWait(fd, into.address, 3, far));
    expect(truncate(fd, 2 ** 41)).toBe(0);
    expect(statOf(fstat(fd)).size).toBe(2 ** 41);
    expect(truncate(fd, 1)).toBe(0);
    expect(readAt(fd, into.address, 3, Number.MAX_SAFE_INTEGER)).toBe(0);
    expect(readAt(fd, into.address, 3, -1)).toBe(-Errno.EINVAL);
  });

  test("go to the end of a file that is open to append", () => {
    const { path, root } = workspace();
    writeFileSync(join(path, "file"), "12");
    const fd = fileIn(root, WRITE_ONLY | APPEND);
    const out = memory("34");
    expect(seek(fd, 0, SEEK_SET)).toBe(0);
    expect(write(fd, out.address, 2)).toBe(2);
    expect(writeBoth(fd, { address: out.address + 1, bytes: 1 }, { address: out.address, bytes: 1 })).toBe(2);
    expect(readFileSync(join(path, "file"), "utf8")).toBe("123443");
    expect(writeBoth(-1, { address: out.address, bytes: 1 }, { address: out.address, bytes: 1 })).toBe(
      -Errno.EBADF,
    );
  });

  test("come without waiting from the page cache, or not at all", () => {
    const { root } = workspace();
    const fd = fileIn(root);
    const out = memory("cached");
    const into = memory(10);
    write(fd, out.address, 6);
    const count = readAtNoWait(fd, into.address, 10, 0);
    if (count !== -Errno.EOPNOTSUPP) {
      expect(count).toBe(6);
      expect(into.bytes.toString("utf8", 0, 6)).toBe("cached");
      expect(readAtNoWait(fd, into.address, 10, 6)).toBe(0);
      expect(readAtNoWait(fd, into.address + 8, 2, 1, into.address, 3)).toBe(5);
      expect(into.bytes.toString("utf8", 0, 10)).toBe("hedhed\0\0ac");
    }
    expect(readAtNoWait(root, into.address, 10, 0)).toBe(-Errno.EBADF);
    const proc = openat2(AT_FDCWD, "/proc/self/mounts", READ_ONLY, 0, 0);
    expect([-Errno.EOPNOTSUPP, 10]).toContain(readAtNoWait(proc, into.address, 10, 0));
    closeFd(proc);
  });

  test("are made durable, and a descriptor that is none is told so", () => {
    const { root } = workspace();
    const fd = fileIn(root);
    expect([sync(fd), dataSync(fd)]).toEqual([0, 0]);
    const { address } = memory(1);
    expect(write(-1, address, 1)).toBe(-Errno.EBADF);
    for (const call of [readAt, writeAt]) expect(call(-1, address, 1, 0)).toBe(-Errno.EBADF);
    for (const call of [sync, dataSync, fstat, statfs]) expect(call(-1)).toBe(-Errno.EBADF);
    expect(truncate(-1, 0)).toBeLessThan(0);
    expect(readAt(fd, 16, 1, 0)).toBe(0);
    write(fd, address, 1);
    expect(readAt(fd, 16, 1, 0)).toBe(-Errno.EFAULT);
  });
});

describe("what a file is", () => {
  test("is what Node's own stat says", () => {
    const { path, root } = workspace();
    writeFileSync(join(path, "file"), "x".repeat(5000), { mode: 0o604 });
    const ours = statOf(stat(root, "file", true));
    const theirs = statSync(join(path, "file"));
    expect(ours).toMatchObject({
      kind: "file",
      mode: theirs.mode & 0o7777,
      links: 1,
      uid: theirs.uid,
      gid: theirs.gid,
      inode: theirs.ino,
      size: 5000,
      blocks: theirs.blocks,
    });
    for (const [time, milliseconds] of [
      [ours.accessed, theirs.atimeMs],
      [ours.modified, theirs.mtimeMs],
      [ours.changed, theirs.ctimeMs],
    ] as const) {
      expect(time.seconds * 1000 + time.nanoseconds / 1e6).toBeCloseTo(milliseconds, 1);
    }
    expect(ours.deviceMajor * 256 + ours.deviceMinor).toBeGreaterThanOrEqual(0);
  });

  test("follows a link, or tells of the link", () => {
    const { path, root } = workspace();
    symlinkSync("nowhere", join(path, "link"));
    expect(stat(root, "link", true)).toBe(-Errno.ENOENT);
    expect(statOf(stat(root, "link", false)).kind).toBe("symlink");
    expect(statOf(stat(root, ".", true)).kind).toBe("directory");
    expect(statOf(fstat(root)).kind).toBe("directory");
    expect(statOf(stat(AT_FDCWD, "/dev/null", true)).kind).toBe("other");
  });

  test("can be changed: permissions and times, also by a handle that cannot read", () => {
    const { path, root } = workspace();
    writeFileSync(join(path, "file"), "");
    const handle = openat2(root, "file", PATH | NO_FOLLOW, 0, confined);
    for (const fd of [fileIn(root, READ_ONLY), handle]) {
      expect(fchmod(fd, 0o751)).toBe(0);
      expect(fchmod(fd, 0o600)).toBe(0);
      expect(statSync(join(path, "file")).mode & 0o777).toBe(0o600);
      expect(setTimes(fd, { seconds: -5, nanoseconds: 7 }, { seconds: 2 ** 32 + 1, nanoseconds: 0 })).toBe(0);
      expect(setTimes(fd, "keep", "keep")).toBe(0);
      const times = statOf(fstat(fd));
      expect(times.accessed).toEqual({ seconds: -5, nanoseconds: 7 });
      expect(times.modified).toEqual({ seconds: 2 ** 32 + 1, nanoseconds: 0 });
      expect(setTimes(fd, "keep", "now")).toBe(0);
      expect(Math.abs(statOf(fstat(fd)).modified.seconds - Date.now() / 1000)).toBeLessThan(60);
    }
    closeFd(handle);
    expect(fchmod(handle, 0o600)).toBe(-Errno.EBADF);
    expect(setTimes(handle, "now", "now")).toBe(-Errno.EBADF);
  });

  test("stands on a file system with so much room", () => {
    const { root } = workspace();
    const room = statfs(root);
    if (typeof room === "number") throw new Error(`errno ${room}`);
    expect(room.blockBytes).toBeGreaterThanOrEqual(512);
    expect(room.blocks).toBeGreaterThanOrEqual(room.blocksFree);
    expect(room.blocksFree).toBeGreaterThanOrEqual(room.blocksAvailable);
    expect(room.nameMax).toBeGreaterThanOrEqual(255);
  });
});

describe("names in a directory", () => {
  test("are made, renamed, linked and removed", () => {
    const { path, root } = workspace();
    fileIn(root);
    expect(mkdirat(root, "dir", 0o700)).toBe(0);
    expect(mkdirat(root, "dir", 0o700)).toBe(-Errno.EEXIST);
    expect(renameat(root, "file", root, "dir/moved")).toBe(0);
    expect(linkat(root, "dir/moved", root, "second")).toBe(0);
    expect(statOf(stat(root, "second", false)).links).toBe(2);
    expect(renameat(root, "second", root, "dir/moved", RENAME_NOREPLACE)).toBe(-Errno.EEXIST);
    expect(renameat(root, "second", root, "dir", RENAME_EXCHANGE)).toBe(0);
    expect(statSync(join(path, "second")).isDirectory()).toBe(true);
    expect(unlinkat(root, "second", false)).toBe(-Errno.EISDIR);
    expect(unlinkat(root, "second", true)).toBe(-Errno.ENOTEMPTY);
    expect(unlinkat(root, "dir", true)).toBe(-Errno.ENOTDIR);
    expect(unlinkat(root, "second/moved", false)).toBe(0);
    expect(unlinkat(root, "second", true)).toBe(0);
    expect(unlinkat(root, "second", true)).toBe(-Errno.ENOENT);
  });

  test("may be links, which are read back as they were made", () => {
    const { root } = workspace();
    const odd = new Uint8Array([0x61, 0xff, 0x62]);
    expect(symlinkat("to/somewhere", root, "link")).toBe(0);
    expect(symlinkat(odd, root, "odd")).toBe(0);
    expect(readlinkat(root, "link")).toBe("to/somewhere");
    expect(readlinkat(root, "odd")).toEqual(odd);
    expect(readlinkat(root, ".")).toBe(-Errno.EINVAL);
    expect(symlinkat("x\0y", root, "cut")).toBe(-Errno.EINVAL);
  });

  test("are all listed once, a thousand of them, with their kinds", () => {
    const { path, root } = workspace();
    const expected = Array.from({ length: 1000 }, (_, i) => `entry-${i}-${"x".repeat(i % 200)}`);
    for (const name of expected) writeFileSync(join(path, name), "");
    mkdirSync(join(path, "sub"));
    symlinkSync("sub", join(path, "link"));
    const fd = openat2(root, ".", READ_ONLY | DIRECTORY, 0, confined);
    const entries = readDirectory(fd);
    if (typeof entries === "number") throw new Error(`errno ${entries}`);
    expect(entries.map((entry) => entry.name).sort()).toEqual([...expected, "link", "sub"].sort());
    const kinds = new Map(entries.map((entry) => [entry.name, entry.kind]));
    for (const [name, kind] of [
      ["sub", "directory"],
      ["link", "symlink"],
      ["entry-0-", "file"],
    ] as const) {
      expect(["unknown", kind]).toContain(kinds.get(name));
    }
    expect(readDirectoryBatch(fd)).toEqual([]);
    expect(seek(fd, 0, SEEK_SET)).toBe(0);
    expect(readDirectory(fd, 100)).toBe(-Errno.EOVERFLOW);
    closeFd(fd);
  });

  test("come in batches as small as asked for, and are bytes where they are not UTF-8", () => {
    const { root } = workspace();
    const odd = new Uint8Array([0xfe, 0x2e, 0x78]);
    closeFd(openat2(root, odd, WRITE_ONLY | CREATE, 0o600, confined));
    closeFd(openat2(root, "\u{feff}ü", WRITE_ONLY | CREATE, 0o600, confined));
    const fd = openat2(root, ".", READ_ONLY | DIRECTORY, 0, confined);
    const names: (string | Uint8Array)[] = [];
    for (;;) {
      const batch = readDirectoryBatch(fd, 32);
      if (typeof batch === "number") throw new Error(`errno ${batch}`);
      if (batch.length === 0) break;
      expect(batch).toHaveLength(1);
      names.push(batch[0]!.name);
    }
    expect(names).toHaveLength(2);
    expect(names).toEqual(expect.arrayContaining([odd, "\u{feff}ü"]));
    closeFd(fd);
    expect(readDirectoryBatch(fd)).toBe(-Errno.EBADF);
    expect(readDirectoryBatch(fileIn(root))).toBe(-Errno.ENOTDIR);
  });

  test("of an empty directory are none", () => {
    const { root } = workspace();
    const fd = openat2(root, ".", READ_ONLY | DIRECTORY, 0, confined);
    expect(readDirectory(fd)).toEqual([]);
    closeFd(fd);
  });
});
