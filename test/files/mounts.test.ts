// Mounts: not crossed unless the rule says so, and the kernel's own file systems never (rule "mounts"). The mounts are
// made after the policy came into force, below a folder that is no root's to remove: nothing here is removed
// recursively.

import {
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmdirSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { Done, Errno, fileMessages, fsMessages, StatReply } from "@ringway/control";
import { beforeAll, describe, expect, it } from "vitest";
import { errnoOf, failureOf } from "../support/declined.ts";
import { heldForAll } from "../support/held.ts";
import { run } from "../support/slow-disk.ts";
import { temporaryFolder } from "../support/temporary.ts";
import { audited, type Host, startHost } from "./host.ts";
import { FileGuest, type RawStream } from "./wire.ts";

const { READ, WRITE, CREATE } = fileMessages.FileFlags;
const { Data, FileDirection, Read } = fileMessages;
const m = fsMessages;

/** Type, and a name below it that is there. */
const KERNELS: [type: string, file: string][] = [
  ["proc", "self/status"],
  ["sysfs", "kernel"],
  ["cgroup2", "cgroup.procs"],
  ["devpts", "ptmx"],
  ["devtmpfs", "null"],
  ["mqueue", ""],
  ["debugfs", ""],
  ["tracefs", ""],
  ["securityfs", ""],
  ["bpf", ""],
  ["configfs", ""],
];

const isRoot = process.getuid?.() === 0;

describe.skipIf(!isRoot)("below a root, as root", () => {
  let outer: string;
  const hold = heldForAll();
  let host: Host;
  let guest: FileGuest;
  let fs: RawStream;
  const mounts: string[] = [];
  const kernels: [type: string, file: string][] = [];

  beforeAll(async () => {
    outer = temporaryFolder("outer");
    host = hold(
      await startHost({
        data: outer,
        files: `
  - { id: cross, guest: /cross, host: ${outer}, access: rw, crossMounts: true }
`,
      }),
    );
    hold({ [Symbol.dispose]: unmountAll });
    guest = hold(await FileGuest.attach(host.path));
    fs = await guest.openFs();
    writeFileSync(join(host.folder, "outside/secret"), "secret");
    mount("tmp", "-t", "tmpfs", "tmpfs");
    writeFileSync(join(outer, "tmp/file"), "mounted");
    mount("bound", "--bind", join(host.folder, "outside"));
    for (const [type, file] of KERNELS) {
      if (mount(type, "-t", type, type)) kernels.push([type, file]);
    }
    closeSync(openSync(join(outer, "file"), "w"));
    run("mount", "--bind", join(host.folder, "outside/secret"), join(outer, "file"));
    mounts.push("file");
    symlinkSync("tmp/file", join(outer, "link"));
    symlinkSync("proc/self/status", join(outer, "link-proc"));
  });

  /** False where this kernel has no such file system, or does not give it away. */
  function mount(name: string, ...how: string[]): boolean {
    mkdirSync(join(outer, name));
    try {
      run("mount", ...how, join(outer, name));
    } catch {
      rmdirSync(join(outer, name));
      return false;
    }
    mounts.push(name);
    return true;
  }

  function unmountAll(): void {
    for (const name of mounts) run("umount", join(outer, name));
    for (const name of mounts) if (name !== "file") rmdirSync(join(outer, name));
    for (const name of ["file", "link", "link-proc"]) unlinkSync(join(outer, name));
    rmdirSync(outer);
  }

  function attempts(path: string): [string, () => Promise<unknown>][] {
    const time = { seconds: 0, nanoseconds: 0 };
    return [
      ["read", () => guest.openFile(path, READ)],
      ["write", () => guest.openFile(path, READ | WRITE)],
      ["create", () => guest.openFile(`${path}/new`, WRITE | CREATE)],
      ["stream", () => guest.openFileStream({ path, direction: FileDirection.READ, flags: READ })],
      ["stat", () => fs.call(m.Stat, { path }, StatReply)],
      ["lstat", () => fs.call(m.Lstat, { path }, StatReply)],
      ["readdir", () => fs.readDir(path)],
      ["chmod", () => fs.call(m.Chmod, { path, mode: 0o777 }, Done)],
      ["utimes", () => fs.call(m.Utimes, { path, accessed: time, modified: time }, Done)],
      ["statfs", () => fs.call(m.Statfs, { path }, m.StatfsReply)],
      ["mkdir", () => fs.call(m.Mkdir, { path: `${path}/new`, mode: 0o755, parents: false }, Done)],
      ["unlink", () => fs.call(m.Unlink, { path: `${path}/x` }, Done)],
      ["symlink", () => fs.call(m.Symlink, { target: "x", path: `${path}/x` }, Done)],
    ];
  }

  it.each(["tmp", "bound", "tmp/file", "bound/secret", "file", "proc/self/mem", "link"])(
    "without crossMounts %s is EXDEV, with the rule, a sentence and an audit line, whatever is asked",
    async (name) => {
      const path = `/data/${name}`;
      for (const [what, attempt] of attempts(path)) {
        // A link itself is on this side.
        if (name === "link" && what === "lstat") continue;
        const failure = await failureOf(attempt());
        expect(failure, what).toMatchObject({ errno: Errno.EXDEV, rule: "mounts" });
        expect(failure!.message).toContain("leads onto another mount");
      }
      expect(await audited(host, path)).toMatchObject({ rule: "mounts", errno: Errno.EXDEV });
      expect(readFileSync(join(host.folder, "outside/secret"), "utf8")).toBe("secret");
    },
  );

  it("with crossMounts what is mounted is reached", async () => {
    for (const [path, text] of [
      ["/cross/tmp/file", "mounted"],
      ["/cross/link", "mounted"],
      ["/cross/bound/secret", "secret"],
      ["/cross/file", "secret"],
    ] as const) {
      const file = await guest.openFile(path, READ);
      expect(Buffer.from((await file.call(Read, { bytes: 100 }, Data)).data).toString(), path).toBe(text);
      await file.finish();
    }
    await fs.call(m.Mkdir, { path: "/cross/tmp/made/by", mode: 0o755, parents: true }, Done);
    expect((await fs.readDir("/cross/tmp")).names.sort()).toEqual(["file", "made"]);
  });

  it("with crossMounts the kernel's own file systems are refused all the same", async () => {
    expect(kernels.map(([type]) => type)).toEqual(expect.arrayContaining(["proc", "sysfs", "devtmpfs"]));
    for (const [type, file] of kernels) {
      for (const path of [`/cross/${type}`, ...(file === "" ? [] : [`/cross/${type}/${file}`])]) {
        for (const [what, attempt] of attempts(path)) {
          // Below a file there is nothing to make.
          const isName = ["create", "mkdir", "unlink", "symlink"].includes(what);
          if (file !== "" && path.endsWith(file) && isName) continue;
          expect(await failureOf(attempt()), `${what} ${path}`).toMatchObject({
            errno: Errno.EXDEV,
            rule: "mounts",
          });
        }
      }
    }
    const memory = `/cross/proc/${process.pid}/mem`;
    expect(await failureOf(guest.openFile(memory, READ | WRITE))).toMatchObject({ rule: "mounts" });
    expect(await failureOf(guest.openFile("/cross/link-proc", READ))).toMatchObject({ rule: "mounts" });
  });
});

it("a root that is replaced after the start stays what it was until the policy is loaded again", async () => {
  await using host = await startHost();
  using guest = await FileGuest.attach(host.path);
  const fs = await guest.openFs();
  writeFileSync(join(host.data, "file"), "");
  writeFileSync(join(host.folder, "outside/secret"), "secret");
  renameSync(host.data, `${host.data}-old`);
  symlinkSync("outside", host.data);
  expect((await fs.readDir("/data")).names).toEqual(["file"]);
  expect(await errnoOf(fs.call(m.Stat, { path: "/data/secret" }, StatReply))).toBe(Errno.ENOENT);
  await host.monitor.reload(host.policy);
  expect((await fs.readDir("/data")).names).toEqual(["secret"]);
});
