// A guest's files beside node:fs/promises: each public member is there or fails with a reason, and each call of the
// table gives the same result or `code` on both, and leaves the same tree. The title of a case is the call.

import {
  constants,
  createReadStream,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import * as node from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { Guest } from "@ringway/guest";
import { beforeAll, describe, expect, it } from "vitest";
import { heldForAll } from "../../../test/support/held.ts";
import { harvest } from "../../../test/support/tree.ts";
import { type Loose, outcome, type Telling, titled } from "./alike.ts";
import { type Host, startHost } from "./host.ts";

const hold = heldForAll();
let host: Host;
let guest: Guest;
const ours = "/data/tree";
let theirs = "";

beforeAll(async () => {
  host = hold(await startHost());
  theirs = join(host.data, "node/tree");
  mkdirSync(join(host.data, "node"));
  guest = hold(await Guest.attach(host.path));
});

/** A call on one of the two, and the path of the tree that it has. */
type Call = (fs: Loose, tree: string) => unknown;

function plant(root: string): void {
  rmSync(root, { recursive: true, force: true });
  mkdirSync(join(root, "full/inner/deep"), { recursive: true });
  mkdirSync(join(root, "empty"));
  for (const name of ["file", "full/one", "full/inner/two", "full/inner/deep/three"])
    writeFileSync(join(root, name), name, { mode: 0o640 });
  symlinkSync("file", join(root, "link"));
  symlinkSync("full", join(root, "to-full"));
  symlinkSync("nothing", join(root, "broken"));
  symlinkSync("self", join(root, "self"));
  utimesSync(join(root, "file"), 1, 1.5);
}

const shown = {
  time: (ms: number): unknown => (ms < 10_000 ? ms : ""),
  target: (target: string): string => target.replace(theirs, ours),
};
/** Paths without the place of the tree; names of a listing in order. */
const telling: Telling = {
  text: (text) => text.replaceAll(theirs, "").replaceAll(ours, ""),
  list: (list) => list.sort(),
};

async function alike(call: Call): Promise<void> {
  plant(theirs);
  plant(join(host.data, "tree"));
  const expected = await outcome(() => call(node, theirs), telling);
  expect(await outcome(() => call(guest, ours), telling)).toEqual(expected);
  expect(harvest(join(host.data, "tree"), shown)).toEqual(harvest(theirs, shown));
}

const entries = async (from: AsyncIterable<Loose>): Promise<string[]> => {
  const found: string[] = [];
  for await (const entry of from) found.push([entry.name, entry.parentPath, entry.isDirectory()].join(" "));
  return found;
};
const told = (stat: Loose): unknown => {
  const { atime, atimeMs, atimeNs, mtime, mtimeMs, mtimeNs, size, nlink, uid, gid, mode, ino } = stat;
  const same = {
    atime: +atime,
    atimeMs,
    atimeNs,
    mtime: +mtime,
    mtimeMs,
    mtimeNs,
    size,
    nlink,
    uid,
    gid,
    mode,
  };
  return { ...same, kinds: [stat.isFile(), stat.isDirectory(), stat.isSymbolicLink()], ino: typeof ino };
};

describe("members", () => {
  /** Each says why to its caller; docs/guest.md lists them. */
  const exceptions: Record<string, (fs: Guest) => unknown> = {
    link: (fs) => fs.link(`${ours}/file`, `${ours}/new`),
    chown: (fs) => fs.chown(`${ours}/file`, 1, 1),
    lchown: (fs) => fs.lchown(`${ours}/file`, 1, 1),
    lutimes: (fs) => fs.lutimes(`${ours}/link`, 1, 1),
    watch: (fs) => fs.watch(ours),
    glob: (fs) => fs.glob("*"),
  };

  it("each one of node:fs/promises is there", () => {
    const missing = Object.keys(node).filter((name) => name !== "default" && !(name in guest));
    expect(missing).toEqual([]);
  });

  it.each(Object.keys(exceptions))("%s fails with ENOSYS, and why", async (name) => {
    plant(join(host.data, "tree"));
    const failing = (async () => exceptions[name]!(guest))();
    await expect(failing).rejects.toMatchObject({ code: "ENOSYS", errno: -38, reason: expect.any(String) });
    const documented = readFileSync(new URL("../../../docs/guest.md", import.meta.url), "utf8");
    expect(documented).toMatch(new RegExp(`\`${name}\`[^|]*\\|[^|]*ENOSYS`));
  });
});

describe("calls", () => {
  it.each(
    titled([
      (fs, at) => fs.access(`${at}/file`),
      (fs, at) => fs.access(`${at}/file`, constants.R_OK | constants.W_OK),
      (fs, at) => fs.access(`${at}/file`, constants.X_OK),
      (fs, at) => fs.access(`${at}/full`, constants.R_OK | constants.W_OK | constants.X_OK),
      (fs, at) => fs.access(`${at}/broken`),
      (fs, at) => fs.access(`${at}/none`, constants.W_OK),
      (fs, at) => fs.rm(`${at}/file`),
      (fs, at) => fs.rm(`${at}/none`),
      (fs, at) => fs.rm(`${at}/none`, { force: true }),
      (fs, at) => fs.rm(`${at}/full`),
      (fs, at) => fs.rm(`${at}/full`, { recursive: true }),
      (fs, at) => fs.rm(`${at}/full`, { force: true }),
      (fs, at) => fs.rm(`${at}/link`, { recursive: true }),
      (fs, at) => fs.rm(`${at}/to-full`, { recursive: true, force: true }),
      (fs, at) => fs.rm(`${at}/file`, { recursive: "yes" }),
      (fs, at) => fs.rm(`${at}/file`, { maxRetries: -1 }),
      (fs, at) => fs.rm(`${at}/file`, 5),
      (fs) => fs.rm(undefined),
      (fs, at) => fs.rmdir(`${at}/full`),
      (fs, at) => fs.rmdir(`${at}/empty`),
      (fs, at) => fs.copyFile(`${at}/file`, `${at}/new`),
      (fs, at) => fs.copyFile(`${at}/file`, `${at}/full/one`),
      (fs, at) => fs.copyFile(`${at}/file`, `${at}/full/one`, constants.COPYFILE_EXCL),
      (fs, at) => fs.copyFile(`${at}/file`, `${at}/new`, constants.COPYFILE_EXCL),
      (fs, at) => fs.copyFile(`${at}/file`, `${at}/new`, constants.COPYFILE_FICLONE),
      (fs, at) => fs.copyFile(`${at}/file`, `${at}/file`),
      (fs, at) => fs.copyFile(`${at}/link`, `${at}/file`),
      (fs, at) => fs.copyFile(`${at}/file`, `${at}/link`),
      (fs, at) => fs.copyFile(`${at}/none`, `${at}/new`),
      (fs, at) => fs.copyFile(`${at}/file`, `${at}/full`),
      (fs, at) => fs.copyFile(`${at}/file`, `${at}/none/new`),
      (fs, at) => fs.copyFile(`${at}/file`, 5),
      (fs, at) => fs.cp(`${at}/file`, `${at}/new`),
      (fs, at) => fs.cp(`${at}/file`, `${at}/a/b/new`),
      (fs, at) => fs.cp(`${at}/file`, `${at}/new`, { preserveTimestamps: true }),
      (fs, at) => fs.cp(`${at}/file`, `${at}/full/one`, { force: false }),
      (fs, at) => fs.cp(`${at}/file`, `${at}/full/one`, { force: false, errorOnExist: true }),
      (fs, at) => fs.cp(`${at}/file`, `${at}/file`),
      (fs, at) => fs.cp(`${at}/file`, `${at}/full`),
      (fs, at) => fs.cp(`${at}/full`, `${at}/file`, { recursive: true }),
      (fs, at) => fs.cp(`${at}/full`, `${at}/new`),
      (fs, at) => fs.cp(`${at}/full`, `${at}/new`, { recursive: true }),
      (fs, at) => fs.cp(`${at}/full`, `${at}/empty`, { recursive: true }),
      (fs, at) => fs.cp(`${at}/full`, `${at}/full/inner/new`, { recursive: true }),
      (fs, at) => fs.cp(`${at}/full`, `${at}/to-full/new`, { recursive: true }),
      (fs, at) => fs.cp(`${at}/link`, `${at}/new`),
      (fs, at) => fs.cp(`${at}/link`, `${at}/new`, { verbatimSymlinks: true }),
      (fs, at) => fs.cp(`${at}/link`, `${at}/new`, { dereference: true }),
      (fs, at) => fs.cp(`${at}/link`, `${at}/broken`),
      (fs, at) => fs.cp(`${at}/none`, `${at}/new`),
      (fs, at) =>
        fs.cp(`${at}/full`, `${at}/new`, {
          recursive: true,
          filter: (from: string) => !from.endsWith("one"),
        }),
      (fs, at) => fs.cp(`${at}/file`, `${at}/new`, { filter: "no" }),
      (fs, at) => fs.cp(`${at}/file`, `${at}/new`, { dereference: true, verbatimSymlinks: true }),
      (fs, at) => fs.cp(`${at}/file`, `${at}/new`, { mode: 99 }),
      (fs, at) => fs.realpath(`${at}/link`),
      (fs, at) => fs.realpath(`${at}/to-full/inner/./deep/`),
      (fs, at) => fs.realpath(`${at}/broken`),
      (fs, at) => fs.realpath(`${at}/self`),
      (fs, at) => fs.realpath(`${at}/file/`),
      (fs, at) => fs.realpath(`${at}/link`, "buffer"),
      async (fs, at) => {
        const made = await fs.mkdtemp(`${at}/made-`);
        await fs.rmdir(made);
        return made.length - at.length;
      },
      async (fs, at) => [
        (await fs.stat(await fs.mkdtemp(`${at}/empty/`))).mode,
        await fs.rm(`${at}/empty`, { recursive: true }),
      ],
      (fs, at) => fs.mkdtemp(`${at}/none/made-`),
      (fs) => fs.mkdtemp(),
      (fs, at) => fs.truncate(`${at}/file`),
      (fs, at) => fs.truncate(`${at}/file`, 2),
      (fs, at) => fs.truncate(`${at}/file`, 9),
      (fs, at) => fs.truncate(`${at}/file`, -2),
      (fs, at) => fs.truncate(`${at}/file`, 1.5),
      (fs, at) => fs.truncate(`${at}/none`, 2),
      (fs, at) => fs.truncate(`${at}/full`, 2),
      async (fs, at) => entries(await fs.opendir(`${at}/full`)),
      async (fs, at) => entries(await fs.opendir(`${at}/full`, { recursive: true })),
      async (fs, at) => entries(await fs.opendir(`${at}/empty`)),
      async (fs, at) => entries(await fs.opendir(`${at}/full`, "hex")),
      async (fs, at) => {
        const found: Loose[] = [];
        for await (const { name } of await fs.opendir(`${at}/full`, { encoding: "buffer" })) found.push(name);
        return found;
      },
      (fs, at) => fs.opendir(`${at}/full`, { encoding: "no-such" }),
      async (fs, at) => {
        const dir = await fs.opendir(`${at}/empty`);
        return [await dir.read(), dir.path, await dir.close(), await dir.close()];
      },
      (fs, at) => fs.opendir(`${at}/file`),
      (fs, at) => fs.opendir(`${at}/none`),
      (fs, at) => fs.readdir(`${at}/full`),
      (fs, at) => fs.readdir(`${at}/full`, "buffer"),
      (fs, at) => fs.readdir(`${at}/full`, { encoding: "hex" }),
      (fs, at) => fs.readdir(`${at}/full`, { recursive: true }),
      (fs, at) => fs.readdir(`${at}/full/`, { recursive: true }),
      async (fs, at) => entries(await fs.readdir(`${at}/full`, { recursive: true, withFileTypes: true })),
      async (fs, at) => entries(await fs.readdir(at, { withFileTypes: true })),
      (fs, at) => fs.readdir(`${at}/none`, { recursive: true }),
      (fs, at) => fs.readdir(`${at}/full`, "no-such"),
      (fs, at) => fs.mkdir(`${at}/new`),
      (fs, at) => fs.mkdir(`${at}/new`, 0o700),
      (fs, at) => fs.mkdir(`${at}/new`, "700"),
      (fs, at) => fs.mkdir(`${at}/new`, { mode: 0o750 }),
      (fs, at) => fs.mkdir(`${at}/new/a/b/c`, { recursive: true }),
      (fs, at) => fs.mkdir(`${at}/full/inner/a/b`, { recursive: true }),
      (fs, at) => fs.mkdir(`${at}/new`, { recursive: true }),
      (fs, at) => fs.mkdir(`${at}/full/inner`, { recursive: true }),
      (fs, at) => fs.mkdir(`${at}/file`, { recursive: true }),
      (fs, at) => fs.mkdir(`${at}/file/a/b`, { recursive: true }),
      (fs, at) => fs.mkdir(`${at}/new`, { recursive: 1 }),
      (fs, at) => fs.mkdir(`${at}/new`, { mode: "9" }),
      (fs, at) => fs.symlink("file", `${at}/new`, "file"),
      (fs, at) => fs.symlink("file", `${at}/new`, null),
      (fs, at) => fs.symlink(5, `${at}/new`),
      (fs, at) => fs.readlink(`${at}/link`),
      (fs, at) => fs.readlink(`${at}/link`, { encoding: "buffer" }),
      (fs, at) => fs.readlink(`${at}/file`),
      (fs, at) => fs.chmod(`${at}/file`, "600"),
      async (fs, at) => fs.chmod(`${at}/full/one`, (await fs.stat(`${at}/full`)).mode),
      (fs, at) => fs.chmod(`${at}/file`, "9"),
      (fs, at) => fs.chmod(`${at}/file`, -1),
      (fs, at) => fs.chmod(`${at}/file`),
      (fs, at) => fs.utimes(`${at}/file`, 2, new Date(3500)),
      (fs, at) => fs.utimes(`${at}/file`, "2", "3.5"),
      (fs, at) => fs.utimes(`${at}/file`, Number.NaN, 1),
      (fs, at) => fs.utimes(`${at}/file`, 1, "later"),
      (fs, at) => fs.utimes(`${at}/file`, 1, null),
      (fs, at) => fs.lutimes(`${at}/file`, 2, 3.5),
      (fs, at) => fs.lutimes(`${at}/none`, 2, 3.5),
      (fs, at) => fs.chown(`${at}/file`, -2, 0),
      (fs, at) => fs.chown(`${at}/file`, "root", 0),
      (fs) => fs.lchmod("/", 0),
      async (fs, at) => told(await fs.stat(`${at}/file`)),
      async (fs, at) => told(await fs.stat(`${at}/file`, { bigint: true })),
      async (fs, at) => told(await fs.lstat(`${at}/file`, { bigint: true })),
      async (fs, at) => [await fs.statfs(at, { bigint: true }).then((found: Loose) => typeof found.bsize)],
      (fs) => fs.stat(5),
      (fs) => fs.stat("/a\0b"),
      (fs) => fs.stat({}),
    ]),
  )("%s", (_title, call) => alike(call));

  it.each(
    titled([
      (fs, at) => fs.readFile(`${at}/file`),
      (fs, at) => fs.readFile(`${at}/file`, "utf8"),
      (fs, at) => fs.readFile(`${at}/file`, null),
      (fs, at) => fs.readFile(`${at}/file`, { encoding: null }),
      (fs, at) => fs.readFile(`${at}/file`, { encoding: "base64", flag: "r+" }),
      (fs, at) => fs.readFile(`${at}/new`, { flag: "a+" }),
      (fs, at) => fs.readFile(`${at}/file`, { flag: "w+" }),
      (fs, at) => fs.readFile(`${at}/file`, { flag: "q" }),
      (fs, at) => fs.readFile(`${at}/file`, "no-such"),
      (fs, at) => fs.readFile(`${at}/file`, 5),
      (fs, at) => fs.readFile(`${at}/file`, { signal: AbortSignal.abort() }),
      (fs, at) => fs.readFile(`${at}/file`, { signal: "no" }),
      (fs, at) => fs.readFile(Buffer.from(`${at}/file`), "utf8"),
      (fs, at) => fs.readFile(pathToFileURL(`${at}/file`), "utf8"),
      (fs) => fs.readFile(new URL("http://example.com/")),
      (fs, at) => fs.writeFile(`${at}/file`, "abc"),
      (fs, at) => fs.writeFile(`${at}/file`, "6162", "hex"),
      (fs, at) => fs.writeFile(`${at}/file`, new Uint16Array([0x6161])),
      (fs, at) => fs.writeFile(`${at}/file`, ["a", Buffer.from("b")]),
      (fs, at) => fs.writeFile(`${at}/file`),
      (fs, at) => fs.writeFile(`${at}/file`, 5),
      (fs, at) => fs.writeFile(`${at}/file`, { toString: () => "abc" }),
      (fs, at) => fs.writeFile(`${at}/file`, [5]),
      (fs, at) => fs.writeFile(`${at}/file`, "abc", { flag: "r+" }),
      (fs, at) => fs.writeFile(`${at}/file`, "abc", { flag: "r" }),
      (fs, at) => fs.writeFile(`${at}/file`, "abc", { flag: "xw" }),
      (fs, at) => fs.writeFile(`${at}/file`, "abc", { flag: "as" }),
      (fs, at) => fs.writeFile(`${at}/file`, "abc", { flag: constants.O_WRONLY | constants.O_APPEND }),
      (fs, at) => fs.writeFile(`${at}/new`, "abc", { mode: 0o600 }),
      (fs, at) => fs.writeFile(`${at}/new`, "abc", { mode: "600" }),
      (fs, at) => fs.writeFile(`${at}/file`, "abc", { flush: true }),
      (fs, at) => fs.writeFile(`${at}/file`, "abc", { signal: AbortSignal.abort() }),
      (fs, at) => fs.appendFile(`${at}/file`, "abc"),
      (fs, at) => fs.appendFile(`${at}/file`, "6162", "hex"),
      (fs, at) => fs.appendFile(`${at}/file`, "abc", { flag: "ax" }),
      (fs, at) => fs.appendFile(`${at}/new`, "abc", { mode: 0o600 }),
      async (fs, at) => {
        const file = await fs.open(`${at}/file`, "r+");
        const told = [
          await fs.writeFile(file, "ab"),
          await fs.appendFile(file, "6364", "hex"),
          await fs.readFile(file, "utf8"),
        ];
        await file.close();
        return told;
      },
      async (fs, at) => (await fs.open(`${at}/file`, null)).close(),
      async (fs, at) => (await fs.open(`${at}/new`, "w", "600")).close(),
      (fs, at) => fs.open(`${at}/file`, "q"),
      (fs, at) => fs.open(`${at}/file`, "constructor"),
      (fs, at) => fs.open(`${at}/file`, 1.5),
      (fs, at) => fs.open(`${at}/file`, "r", "9"),
    ]),
  )("%s", (_title, call) => alike(call));

  it.each(
    titled([
      (fs) => fs.readFile(`${ours}/full/../file`),
      (fs) => fs.open(`${ours}/full/../file`),
      (fs) => fs.stat(`${ours}/..`),
      (fs) => fs.mkdir(`${ours}/new/../other`, { recursive: true }),
      (fs) => fs.cp(`${ours}/full/..`, `${ours}/new`, { recursive: true }),
      (fs) => fs.realpath(`${ours}/full/..`),
    ]),
  )("%s: a path with .. is refused, and nothing is made", async (_title, call) => {
    plant(join(host.data, "tree"));
    const before = harvest(join(host.data, "tree"), shown);
    const failing = (async () => call(guest, ours))();
    await expect(failing).rejects.toMatchObject({ code: "EACCES", rule: "path" });
    expect(harvest(join(host.data, "tree"), shown)).toEqual(before);
    const documented = readFileSync(new URL("../../../docs/guest.md", import.meta.url), "utf8");
    expect(documented).toMatch(/a path with `\.\.`[^|]*\|[^|]*EACCES/);
  });

  it("mkdtempDisposable() removes its folder at the end of its block", async () => {
    plant(join(host.data, "tree"));
    let path: string;
    {
      await using made = await guest.mkdtempDisposable(`${ours}/made-`);
      path = made.path;
      await guest.writeFile(`${path}/file`, "content");
    }
    await expect(guest.stat(path)).rejects.toMatchObject({ code: "ENOENT" });
  });

  it("a folder in a folder, two hundred deep, is listed and removed", async () => {
    plant(join(host.data, "tree"));
    await guest.mkdir(`${ours}/deep${"/d".repeat(200)}`, { recursive: true });
    await guest.writeFile(`${ours}/deep${"/d".repeat(200)}/file`, "");
    expect(await guest.readdir(`${ours}/deep`, { recursive: true })).toHaveLength(201);
    await guest.rm(`${ours}/deep`, { recursive: true });
    expect(await guest.readdir(ours)).not.toContain("deep");
  });
});

describe("times", () => {
  it.each([0, 1, 999_999, 123_456_789, 999_999_999])(
    "%i ns are told as node:fs tells them",
    async (nanoseconds) => {
      const path = join(host.data, "timed");
      writeFileSync(path, "");
      // A Date rounds to whole milliseconds, as node:fs does; utimes() of Node keeps microseconds.
      utimesSync(path, 1_700_000_000, 1_700_000_000 + nanoseconds / 1e9);
      const [one, other] = [await node.stat(path), await guest.stat("/data/timed")];
      expect([other.mtime, other.mtimeMs, other.atime]).toEqual([one.mtime, one.mtimeMs, one.atime]);
      const [exact, told] = [
        await node.stat(path, { bigint: true }),
        await guest.stat("/data/timed", { bigint: true }),
      ];
      expect([told.mtimeNs, told.mtimeMs, told.mtime, told.ctimeNs]).toEqual([
        exact.mtimeNs,
        exact.mtimeMs,
        exact.mtime,
        exact.ctimeNs,
      ]);
    },
  );
});

describe("streams", () => {
  const content = (stream: Loose): Promise<string[]> =>
    new Promise((resolve, reject) => {
      const chunks: string[] = [];
      stream.on("data", (chunk: Loose) => chunks.push(String(chunk)));
      stream.on("error", reject).on("end", () => resolve(chunks));
    });

  it("take start, end, encoding and highWaterMark, as those of node:fs", async () => {
    await guest.writeFile("/data/digits", "0123456789");
    for (const options of [
      { start: 2, end: 6, highWaterMark: 2 },
      { end: 3 },
      { start: 7 },
      { encoding: "hex" },
      "hex",
    ]) {
      const expected = await content(createReadStream(join(host.data, "digits"), options as Loose));
      expect(await content(guest.createReadStream("/data/digits", options as Loose))).toEqual(expected);
    }
    for (const options of [{ start: 5, end: 2 }, { start: -1 }, { end: 1.5 }, { start: "1" }, { fd: 3 }]) {
      const code = expect.objectContaining({ code: expect.stringMatching(/^ERR_/) });
      expect(() => guest.createReadStream("/data/digits", options as Loose)).toThrow(code);
    }
    const stream = guest.createWriteStream("/data/digits", { flags: "r+", start: 4, flush: true });
    await new Promise<void>((resolve) => {
      stream.write("ab");
      stream.close(() => resolve());
    });
    expect(await guest.readFile("/data/digits", "utf8")).toBe("0123ab6789");
  });
});

it.each(
  titled([
    (fs) => fs.open("/data/file", "w", 0o600, { ringBytes: -1 }),
    (fs) => fs.readFile("/data/file", { ringBytes: Number.NaN }),
    (fs) => fs.readFile("/data/file", { offset: -1 }),
    (fs) => fs.writeFile("/data/file", "", { length: 1.5 }),
  ]),
)("%s fails with a code of Node's, as what node:fs has not", async (_title, call) => {
  const failing = (async () => call(guest, ours))();
  await expect(failing).rejects.toMatchObject({
    code: expect.stringMatching(/^ERR_(OUT_OF_RANGE|INVALID_ARG_VALUE)$/),
  });
});
