// Nothing leaves a root (FS-2): whatever the path says, and whoever moves what meanwhile.

import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { Done, Errno, fileMessages, fsMessages, StatReply } from "@ringway/control";
import type { Denial } from "@ringway/monitor";
import { beforeAll, describe, expect, it } from "vitest";
import { errnoOf, failureOf } from "../support/declined.ts";
import { heldForAll } from "../support/held.ts";
import { StreamGone } from "../support/raw-guest.ts";
import { until } from "../support/wait.ts";
import { audited, type Host, startHost } from "./host.ts";
import { FileGuest, type RawStream } from "./wire.ts";

const { READ, WRITE, CREATE, TRUNCATE } = fileMessages.FileFlags;
const { Data, FileDirection } = fileMessages;
const m = fsMessages;
const SECRET = "nobody in a guest may read this";

const hold = heldForAll();
let host: Host;
let guest: FileGuest;
let fs: RawStream;

beforeAll(async () => {
  host = hold(await startHost());
  guest = hold(await FileGuest.attach(host.path));
  fs = await guest.openFs();
  writeFileSync(join(host.folder, "outside/secret"), SECRET);
  mkdirSync(join(host.folder, "outside/folder"));
  mkdirSync(join(host.data, "in"));
  writeFileSync(join(host.data, "in/file"), "inside");
  const links: [string, string][] = [
    ["absolute", join(host.folder, "outside/secret")],
    ["root", "/"],
    ["out", "../outside"],
    ["out-and-back", "../data/in"],
    ["up", ".."],
    ["in/up-inside", "../in/file"],
    ["magic-root", "/proc/self/root"],
    ["magic-fd", "/proc/self/fd/0"],
    ["inside", "in"],
    ["loop-a", "loop-b"],
    ["loop-b", "loop-a"],
    ["self", "self"],
  ];
  for (const [name, target] of links) symlinkSync(target, join(host.data, name));
  for (let i = 0; i < 50; i++) {
    symlinkSync(i === 0 ? "in" : `chain-${i - 1}`, join(host.data, `chain-${i}`));
  }
});

async function readFile(path: string): Promise<string> {
  const file = await guest.openFile(path, READ);
  const { data } = await file.call(fileMessages.Read, { bytes: 1000 }, Data);
  await file.finish();
  return Buffer.from(data).toString();
}

/** Every way to name something, each with its errno. */
async function attempts(path: string): Promise<Record<string, number>> {
  const { READ: read, WRITE: write } = FileDirection;
  const found: Record<string, number> = {};
  const attempt = async (name: string, work: Promise<unknown>): Promise<void> => {
    found[name] = await errnoOf(work);
  };
  await attempt("read", guest.openFile(path, READ));
  await attempt("write", guest.openFile(path, WRITE | CREATE | TRUNCATE));
  await attempt("stream read", guest.openFileStream({ path, direction: read, flags: READ }));
  await attempt("stream write", guest.openFileStream({ path, direction: write, flags: WRITE | CREATE }));
  await attempt("stat", fs.call(m.Stat, { path }, StatReply));
  await attempt("readdir", fs.readDir(path));
  await attempt("chmod", fs.call(m.Chmod, { path, mode: 0o777 }, Done));
  const time = { seconds: 0, nanoseconds: 0 };
  await attempt("utimes", fs.call(m.Utimes, { path, accessed: time, modified: time }, Done));
  await attempt("statfs", fs.call(m.Statfs, { path }, m.StatfsReply));
  return found;
}

describe("a path that leads out", () => {
  it.each(["absolute", "root", "out/secret", "up", "up/outside/secret"])(
    "by the symlink %s is EXDEV, with the rule and an audit line, whatever is asked",
    async (name) => {
      const what = `/data/${name}`;
      expect(await failureOf(guest.openFile(what, READ))).toMatchObject({ rule: "beneath" });
      const found = await attempts(what);
      expect(new Set(Object.values(found)), JSON.stringify(found)).toEqual(new Set([Errno.EXDEV]));
      const audited = (): Denial[] => host.refusals.filter((refusal) => refusal.what === what);
      await until("audit", () => audited().length === 1 + Object.keys(found).length);
      for (const refusal of audited()) expect(refusal).toMatchObject({ rule: "beneath", errno: Errno.EXDEV });
    },
  );

  it("in the middle of it stops what works on names too", async () => {
    const secret = "/data/out/secret";
    const attempted = [
      fs.call(m.Lstat, { path: secret }, StatReply),
      fs.call(m.Unlink, { path: secret }, Done),
      fs.call(m.Rmdir, { path: "/data/out/folder" }, Done),
      fs.call(m.Mkdir, { path: "/data/out/new", mode: 0o755, parents: false }, Done),
      fs.call(m.Mkdir, { path: "/data/out/new/deep", mode: 0o755, parents: true }, Done),
      fs.call(m.Rename, { from: secret, to: "/data/taken" }, Done),
      fs.call(m.Rename, { from: "/data/in/file", to: "/data/out/given" }, Done),
      fs.call(m.Symlink, { target: "x", path: "/data/out/link" }, Done),
      fs.call(m.Readlink, { path: secret }, m.Target),
    ];
    for (const work of attempted)
      expect(await failureOf(work)).toMatchObject({ errno: Errno.EXDEV, rule: "beneath" });
    expect(readFileSync(join(host.folder, "outside/secret"), "utf8")).toBe(SECRET);
    expect(readFileSync(join(host.data, "in/file"), "utf8")).toBe("inside");
  });

  it("the link itself may be looked at and removed", async () => {
    symlinkSync("/etc/passwd", join(host.data, "to-remove"));
    expect(await fs.call(m.Lstat, { path: "/data/to-remove" }, StatReply)).toMatchObject({ kind: 3 });
    expect(await fs.call(m.Readlink, { path: "/data/to-remove" }, m.Target)).toEqual({
      target: "/etc/passwd",
    });
    await fs.call(m.Unlink, { path: "/data/to-remove" }, Done);
  });

  it.each(["magic-root/etc/passwd", "magic-root", "magic-fd"])(
    "by the magic link %s is refused",
    async (name) => {
      for (const errno of Object.values(await attempts(`/data/${name}`))) {
        expect([Errno.EXDEV, Errno.ELOOP]).toContain(errno);
      }
    },
  );

  it("by .. is refused before anything is looked at", async () => {
    for (const path of [
      "/data/..",
      "/data/../outside/secret",
      "/data/in/../in/file",
      "/..",
      "/../data/in/file",
    ]) {
      const failure = await failureOf(guest.openFile(path, READ));
      expect(failure).toMatchObject({ errno: Errno.EACCES, rule: "path" });
      expect(await audited(host, path)).toMatchObject({ protocol: "file", rule: "path" });
    }
  });
});

describe("a path that stays", () => {
  it("follows symlinks, within the root", async () => {
    for (const path of [
      "/data/inside/file",
      "/data/in/up-inside",
      "/data/chain-30/file",
      // Out of the root, and back as the guest sees its tree.
      "/data/out-and-back/file",
    ]) {
      expect(await readFile(path)).toBe("inside");
    }
  });

  it("may have dots and slashes too many", async () => {
    for (const path of ["//data//in/file", "/./data/./in/./file"]) {
      expect(await readFile(path)).toBe("inside");
    }
  });

  it("ends at a loop of symlinks, and at a chain that is too long", async () => {
    for (const path of ["/data/loop-a", "/data/self", "/data/loop-a/x", "/data/chain-49/file"]) {
      expect(await errnoOf(guest.openFile(path, READ)), path).toBe(Errno.ELOOP);
      expect(await errnoOf(fs.call(m.Stat, { path }, StatReply)), path).toBe(Errno.ELOOP);
    }
  });

  it("has 4095 bytes at most, and 255 in each name", async () => {
    const name255 = "n".repeat(255);
    const file = await guest.openFile(`/data/${name255}`, WRITE | CREATE);
    await file.finish();
    expect(await fs.call(m.Stat, { path: `/data/${name255}` }, StatReply)).toMatchObject({ kind: 1 });
    for (const name of ["n".repeat(256), "é".repeat(128), "🌍".repeat(64)]) {
      expect(await errnoOf(guest.openFile(`/data/${name}`, READ))).toBe(Errno.ENAMETOOLONG);
    }
    const longest = `/data${"/abcdefg".repeat(600)}`.slice(0, 4094).padEnd(4095, "z");
    expect(await errnoOf(guest.openFile(longest, READ))).toBe(Errno.ENOENT);
    const dots = `/data${"/.".repeat(2040)}/in/fi`.slice(0, 4000);
    expect(await errnoOf(guest.openFile(dots, READ))).toBe(Errno.EISDIR);
    await fs.call(m.Mkdir, { path: `/data${"/d".repeat(300)}`, mode: 0o755, parents: true }, Done);
    rmSync(join(host.data, "d"), { recursive: true });
  });

  it("is UTF-8 without NUL, or the stream is reset", async () => {
    for (const path of [
      [47, 0, 97],
      [47, 0xff],
      [47, 0xc0, 0xaf],
    ]) {
      const stream = await guest.stream();
      const body = [4, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, path.length, 0, 0, 0, ...path];
      stream.postBytes(0x0201, new Uint8Array(body));
      await expect(stream.next()).rejects.toThrow(StreamGone);
      stream.let();
    }
    for (const path of ["", "relative", "data/in/file"]) {
      expect(await errnoOf(guest.openFile(path, READ))).toBe(Errno.EINVAL);
    }
  });
});

it("never reads from outside, however fast a folder and a symlink change places", async () => {
  const { data } = host;
  mkdirSync(join(data, "swap"));
  writeFileSync(join(data, "swap/secret"), "harmless");
  symlinkSync(join(host.folder, "outside"), join(data, "swap-link"));
  mkdirSync(join(data, "swap-up"));
  // Renames in a loop, on a thread of its own: swap is a folder, a symlink out, nothing, a folder ...
  const script = `
    const { renameSync } = require("node:fs");
    const { workerData: { data, stop } } = require("node:worker_threads");
    while (Atomics.load(stop, 0) === 0) {
      renameSync(data + "/swap", data + "/swap-away");
      renameSync(data + "/swap-link", data + "/swap");
      renameSync(data + "/swap", data + "/swap-link");
      renameSync(data + "/swap-away", data + "/swap-up/swap");
      renameSync(data + "/swap-up/swap", data + "/swap");
    }`;
  const stop = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(script, { eval: true, workerData: { data, stop } });
  const seen = new Map<number, number>();
  const note = (errno: number): void => void seen.set(errno, (seen.get(errno) ?? 0) + 1);
  const end = performance.now() + 2500;
  const streams = await Promise.all([0, 1, 2, 3].map(() => guest.openFs()));
  const look = async (stream: RawStream): Promise<void> => {
    while (performance.now() < end) {
      note(await errnoOf(readFile("/data/swap/secret").then((content) => expect(content).toBe("harmless"))));
      const found = stream.call(m.Stat, { path: "/data/swap/secret" }, StatReply);
      note(await errnoOf(found.then(({ size }) => expect(size).toBe(8))));
      note(await errnoOf(guest.openFile("/data/swap/created", WRITE | CREATE).then((file) => file.finish())));
      const made = { path: "/data/swap/made", mode: 0o755, parents: false };
      note(await errnoOf(stream.call(m.Mkdir, made, Done)));
    }
  };
  await Promise.all(streams.map(look));
  Atomics.store(stop, 0, 1);
  await new Promise((resolve) => worker.once("exit", resolve));
  // It was raced: all that may happen has happened, and nothing else has.
  expect(seen.get(0)).toBeGreaterThan(10);
  expect((seen.get(Errno.EXDEV) ?? 0) + (seen.get(Errno.ENOENT) ?? 0)).toBeGreaterThan(10);
  for (const errno of seen.keys()) expect([0, Errno.EXDEV, Errno.ENOENT, 17]).toContain(errno);
  const outside = readdirSync(join(host.folder, "outside")).sort();
  expect(outside).toEqual(["folder", "secret"]);
}, 20_000);
