// guest.fs: a mount in the shape of node:fs/promises, with a monitor of the SDK's kind behind it.

import { execFile } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { mkdir, readdir } from "node:fs/promises";
import { join, relative } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { Guest } from "@ringway/guest";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { heldForAll, heldForEach } from "../../support/held.ts";
import { type Host, startHost } from "../host.ts";
import { emptyFolders } from "./wire.ts";

const holdForAll = heldForAll();
const hold = heldForEach();
let host: Host;
let guest: Guest;

beforeAll(async () => {
  host = holdForAll(await startHost());
});
beforeEach(async () => {
  emptyFolders(host);
  guest = hold(await Guest.attach(host.path));
});

const codeOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => "",
    ({ code }) => code,
  );

const odd = Buffer.concat([Buffer.from("/data/"), Buffer.from([0x6f, 0xff])]);

describe("guest.fs", () => {
  it("opens, reads and writes as node:fs does, at a position or at the file's own", async () => {
    await using file = await guest.fs.open("/data/file", "w+");
    const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, i) => i % 253));
    expect((await file.write(bytes)).bytesWritten).toBe(bytes.length);
    expect((await file.write("end")).bytesWritten).toBe(3);
    expect(readFileSync(join(host.data, "file")).equals(Buffer.concat([bytes, Buffer.from("end")]))).toBe(
      true,
    );
    const { bytesRead, buffer } = await file.read(Buffer.alloc(200_000), 0, 200_000, 50_000);
    expect(bytesRead).toBe(200_000);
    expect(buffer.equals(bytes.subarray(50_000, 250_000))).toBe(true);
    expect((await file.readFile()).length).toBe(300_003);
    await file.truncate(5);
    expect(await file.readFile("latin1")).toBe(bytes.subarray(0, 5).toString("latin1"));
    await file.chmod("600");
    await file.utimes(1, 2);
    expect(await file.stat()).toMatchObject({ size: 5, mode: 0o100600, mtimeMs: 2000 });
    await file.sync();
    await file.datasync();
    await file.close();
    expect(await codeOf(file.stat())).toBe("EBADF");
  });

  it("says how much of a file was written where the limit of bytes ends it, and takes text in other encodings", async () => {
    await guest.fs.writeFile("/data/hex", "00ff", "hex");
    expect(readFileSync(join(host.data, "hex"))).toEqual(Buffer.from([0, 255]));
    expect(await codeOf(guest.fs.writeFile("/data/hex", 5 as never))).toBe("ERR_INVALID_ARG_TYPE");
    expect(statSync(join(host.data, "hex")).size).toBe(2);
    await using limited = await startHost({ limits: { fileBytesWritten: 100_000 } });
    await using writer = await Guest.attach(limited.path);
    const work = writer.fs.writeFile("/data/big", Buffer.alloc(300_000));
    const failure = await work.catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: "EDQUOT", bytesWritten: statSync(join(limited.data, "big")).size });
    expect(statSync(join(limited.data, "big")).size).toBeGreaterThan(0);
  });

  it("takes and gives names that are not UTF-8", async () => {
    await guest.fs.writeFile(odd, "odd");
    expect((await guest.fs.readFile(odd)).toString()).toBe("odd");
    expect(await guest.fs.readdir("/data", "buffer")).toEqual([odd.subarray(6)]);
    expect(await guest.fs.readdir("/data")).toEqual(["o\ufffd"]);
    await guest.fs.rename(odd, "/data/even");
    const [entry] = await guest.fs.readdir("/data", { withFileTypes: true });
    expect([entry!.name, entry!.isFile()]).toEqual(["even", true]);
    await guest.fs.unlink("/data/even");
  });

  it("makes, links, moves and removes, and shows the folders above the roots", async () => {
    expect((await guest.fs.readdir("/")).sort()).toEqual(["data", "fixed", "other"]);
    await guest.fs.mkdir("/data/a/b/c", { recursive: true });
    await guest.fs.mkdir("/data/a/b/c", { recursive: true });
    expect(await codeOf(guest.fs.mkdir("/data/a"))).toBe("EEXIST");
    expect(await codeOf(guest.fs.mkdir("/elsewhere/x", { recursive: true }))).toBe("EACCES");
    await guest.fs.writeFile("/data/a/file", "x");
    await guest.fs.link("/data/a/file", "/data/a/second");
    expect((await guest.fs.stat("/data/a/second")).nlink).toBe(2);
    expect(await codeOf(guest.fs.rename("/data/a/file", "/data/a/second", { noReplace: true }))).toBe(
      "EEXIST",
    );
    await guest.fs.symlink("file", "/data/a/link");
    expect(await guest.fs.readlink("/data/a/link")).toBe("file");
    expect((await guest.fs.lstat("/data/a/link")).isSymbolicLink()).toBe(true);
    await guest.fs.lutimes("/data/a/link", 1, 2);
    expect((await guest.fs.lstat("/data/a/link")).mtimeMs).toBe(2000);
    expect(await codeOf(guest.fs.rmdir("/data/a"))).toBe("ENOTEMPTY");
    expect(await codeOf(guest.fs.writeFile("/fixed/x", "x"))).toBe("EROFS");
    expect(await codeOf(guest.fs.stat("/data/../data"))).toBe("EACCES");
    expect((await guest.fs.statfs("/data")).blocks).toBeGreaterThan(0);
    const { birthtimeMs, dev } = await guest.fs.stat("/data/a/file");
    expect(Math.abs(birthtimeMs - statSync(join(host.data, "a/file")).birthtimeMs)).toBeLessThan(1);
    expect(dev).toBeGreaterThan(0);
  });

  it("lists and makes folders with all that is below and above, as node:fs/promises does with entries", async () => {
    const node = (path: string): string => join(host.data, path);
    mkdirSync(node("a/b/c"), { recursive: true });
    for (const path of ["x", "a/x", "a/b/y", "a/b/c/z"]) writeFileSync(node(path), path);
    symlinkSync("a", node("to-a"));
    symlinkSync("..", node("a/b/up"));
    const sorted = (names: readonly string[]): string[] => [...names].sort();
    const options = { recursive: true, withFileTypes: true } as const;
    // Node's names alone, without entries, go into symbolic links.
    const below = async (top: string): Promise<string[]> =>
      (await readdir(top, options)).map(({ parentPath, name }) => relative(top, join(parentPath, name)));
    const all = await below(host.data);
    expect(sorted(await guest.fs.readdir("/data", { recursive: true }))).toEqual(sorted(all));
    expect(sorted(await guest.fs.readdir("/data/", { recursive: true }))).toEqual(sorted(all));
    expect(sorted(await guest.fs.readdir("/data", { recursive: false }))).toEqual(["a", "to-a", "x"]);
    // The program's own path may be a link.
    expect(sorted(await guest.fs.readdir("/data/to-a", { recursive: true }))).toEqual(
      sorted(await below(node("to-a"))),
    );
    const buffers = await guest.fs.readdir("/data", { recursive: true, encoding: "buffer" });
    expect(sorted(buffers.map(String))).toEqual(sorted(all));
    const shown = (
      entries: readonly { name: string; parentPath: string; isDirectory(): boolean }[],
      top: string,
    ) =>
      sorted(entries.map((each) => `${each.parentPath.replace(top, "")} ${each.name} ${each.isDirectory()}`));
    expect(shown(await guest.fs.readdir("/data", options), "/data")).toEqual(
      shown(await readdir(host.data, options), host.data),
    );
    for (const path of ["new/b/c", "new/b/c", "new/d", "new/e/"]) {
      const here = await mkdir(node(`node-${path}`), { recursive: true });
      const first = await guest.fs.mkdir(`/data/${path}`, { recursive: true });
      expect(first, path).toBe(here?.replace(`${host.data}/node-`, "/data/").replace(/\/$/, ""));
    }
    expect(await guest.fs.mkdir("/data/alone", 0o700)).toBeUndefined();
    expect((await guest.fs.stat("/data/alone")).mode & 0o777).toBe(0o700);
  });

  it("lists names below that are not UTF-8, and as many folders as there are", async () => {
    const name = Buffer.from([0x66, 0xfe]);
    await guest.fs.mkdir(Buffer.concat([odd, Buffer.from("/in")]), { recursive: true });
    await guest.fs.writeFile(Buffer.concat([odd, Buffer.from("/"), name]), "x");
    for (let i = 0; i < 100; i++) mkdirSync(join(host.data, `${i}/below`), { recursive: true });
    const found = await guest.fs.readdir("/data", { recursive: true, encoding: "buffer" });
    expect(found.length).toBe(203);
    const below = Buffer.concat([odd.subarray(6), Buffer.from("/"), name]);
    expect(found.some((each) => each.equals(below))).toBe(true);
    const warnings: string[] = [];
    const onWarning = ({ message }: Error): void => void warnings.push(message);
    process.on("warning", onWarning);
    const controller = new AbortController();
    const { signal } = controller;
    expect((await guest.fs.readdir("/data", { recursive: true, signal })).length).toBe(203);
    const given = guest.fs.readdir("/data", { recursive: true, signal });
    controller.abort();
    expect(await codeOf(given)).toBe("ABORT_ERR");
    process.off("warning", onWarning);
    expect(warnings).toEqual([]);
  });

  it("has extended attributes, extents and copies", async () => {
    await guest.fs.writeFile("/data/file", "0123456789");
    await guest.fs.setxattr("/data/file", "user.mime", "text/plain", { create: true });
    expect((await guest.fs.getxattr("/data/file", "user.mime")).toString()).toBe("text/plain");
    expect(await guest.fs.listxattr("/data/file")).toEqual(["user.mime"]);
    await guest.fs.removexattr("/data/file", "user.mime");
    expect(await codeOf(guest.fs.getxattr("/data/file", "user.mime"))).toBe("ENODATA");
    expect(await codeOf(guest.fs.setxattr("/data/file", "security.x", "x"))).toBe("EOPNOTSUPP");
    await using from = await guest.fs.open("/data/file", "r+");
    await using to = await guest.fs.open("/data/copy", "w+");
    expect(await from.copyTo(to, 3, 100, 0)).toBe(7);
    expect(await to.readFile("utf8")).toBe("3456789");
    await to.allocate(0, 1_000_000);
    await to.punchHole(0, 500_000);
    expect((await to.stat()).size).toBe(1_000_000);
    expect(await to.seekHole(0)).toBe(0);
    expect(await to.seekData(2_000_000)).toBe(-1);
  });

  it("locks, waits, and gives up waiting", async () => {
    await guest.fs.writeFile("/data/file", "");
    await using a = await guest.fs.open("/data/file", "r+");
    await using b = await guest.fs.open("/data/file", "r+");
    await a.lock();
    expect(await codeOf(b.lock({ wait: false }))).toBe("EAGAIN");
    expect(await b.testLock()).toEqual({ exclusive: true, start: 0, length: 0 });
    const controller = new AbortController();
    const given = b.lock({ signal: controller.signal });
    await sleep(10);
    controller.abort();
    expect(await codeOf(given)).toBe("ABORT_ERR");
    const waiting = b.lock();
    await a.unlock();
    await waiting;
    expect(await a.testLock()).toMatchObject({ exclusive: true });
    // The real flock(1) has other locks; a program that asks for these meets them.
    const code = `
import fcntl, struct, sys
f = open(sys.argv[1], "r+")
try: fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
except OSError: print("locked")`;
    const run = () => promisify(execFile)("python3", ["-c", code, join(host.data, "file")]);
    expect((await run()).stdout).toBe("locked\n");
    await b.close();
    expect((await run()).stdout).toBe("");
  });

  it("watches what others do, until the program leaves the loop or aborts", async () => {
    mkdirSync(join(host.data, "deep"));
    const path = join(host.data, "deep/file");
    // Again and again: when the watch has begun is not told.
    const changing = setInterval(() => {
      writeFileSync(path, "x");
      rmSync(path);
    }, 5);
    const changes = guest.fs.watch("/data", { recursive: true });
    const { value: first } = await changes.next();
    expect(first).toMatchObject({ filename: "deep/file", isFolder: false });
    for await (const change of changes) if (change.kinds.includes("closed")) break;
    const controller = new AbortController();
    const aborted = guest.fs.watch("/data/deep", { signal: controller.signal });
    await aborted.next();
    clearInterval(changing);
    const next = (async () => {
      while (true) await aborted.next();
    })();
    controller.abort();
    expect(await codeOf(next)).toBe("ABORT_ERR");
  });

  it("tells when what it watches is no more", async () => {
    mkdirSync(join(host.data, "deep"));
    const changing = setInterval(() => writeFileSync(join(host.data, "deep/file"), "x"), 5);
    const gone = guest.fs.watch("/data/deep", "buffer");
    let change = (await gone.next()).value!;
    expect(change.filename).toEqual(Buffer.from("file"));
    clearInterval(changing);
    rmSync(join(host.data, "deep"), { recursive: true });
    while (change.eventType !== "gone") change = (await gone.next()).value!;
    expect((await gone.next()).done).toBe(true);
  });

  it("fails what is under way when the guest leaves", async () => {
    await guest.fs.writeFile("/data/file", "");
    const [a, b] = [await guest.fs.open("/data/file", "r+"), await guest.fs.open("/data/file", "r+")];
    await a.lock();
    const waiting = codeOf(b.lock());
    await guest.close();
    expect(["ERR_RINGWAY_DETACHED", "ECONNRESET"]).toContain(await waiting);
    await b.close();
  });
});
