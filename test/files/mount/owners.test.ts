// Whose that is what guests make below a rule with `owner`, and to whom they may give files (MNT-13).

import {
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { Done, Errno, fileMessages, fsMessages, mountMessages as m } from "@ringway/control";
import { Guest } from "@ringway/guest";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { errnoOf } from "../../support/declined.ts";
import { heldForAll, heldForEach } from "../../support/held.ts";
import { policyOf, startMonitor } from "../../support/monitor.ts";
import { type Host, startHost } from "../host.ts";
import { FileGuest } from "../wire.ts";
import { bytes, CREATE, RawMount, READ, WRITE } from "./wire.ts";

const noRoot: string = process.geteuid?.() === 0 ? "" : " (skipped: needs root)";
const [UID, GID] = [4711, 4712];
const [UID2, GID2] = [4713, 4714];
const THEIRS = `  - { id: theirs, guest: /theirs, host: ./theirs, access: rw, owner: { uid: ${UID}, gid: ${GID} } }\n`;
const OTHERS = `  - { id: others, guest: /others, host: ./others, access: rw, owner: { uid: ${UID2}, gid: ${GID2} } }\n`;

describe.skipIf(noRoot !== "")(`below a rule with an owner${noRoot}`, () => {
  const holdForAll = heldForAll();
  const hold = heldForEach();
  let host: Host;
  let theirs: string;
  let guest: FileGuest;
  let mount: RawMount;

  beforeAll(async () => {
    host = holdForAll(await startHost({ files: THEIRS + OTHERS }));
    theirs = join(host.folder, "theirs");
    // The monitor's rights are what counts, not the owner's.
    chmodSync(theirs, 0o700);
  });
  beforeEach(async () => {
    guest = hold(await FileGuest.attach(host.path));
    mount = await RawMount.open(guest, "/theirs");
  });

  const ownerOf = (path: string): [number, number] => {
    const { uid, gid } = lstatSync(path);
    return [uid, gid];
  };

  it("what a mount makes is the owner's", async () => {
    const file = await mount.handle("file", READ | WRITE | CREATE);
    await mount.write(file, 0, "content");
    await mount.call(m.MountMkdir, { at: 0, mode: 0o700, path: bytes("folder") }, m.MountAttributes);
    await mount.call(m.MountMknod, { at: 0, mode: 0o600, path: bytes("folder/empty") }, m.MountAttributes);
    const link = { at: 0, target: bytes("file"), path: bytes("link") };
    await mount.call(m.MountSymlink, link, m.MountAttributes);
    for (const name of ["file", "folder", "folder/empty", "link"]) {
      expect([name, ownerOf(join(theirs, name))]).toEqual([name, [UID, GID]]);
    }
    expect(await mount.stat("file")).toMatchObject({ uid: UID, gid: GID, size: 7 });
    expect(readFileSync(join(theirs, "file"), "utf8")).toBe("content");
  });

  it("so is what the other protocols make, folders on the way too, and the monitor's own is not", async () => {
    const { READ: read, WRITE: write, CREATE: create } = fileMessages.FileFlags;
    await guest.openFile("/theirs/plain", read | write | create);
    const fs = await guest.openFs();
    const deep = { path: "/theirs/a/b/c", mode: 0o755, parents: true };
    await fs.call(fsMessages.Mkdir, deep, Done);
    await fs.call(fsMessages.Mkdir, { path: "/theirs/one", mode: 0o755, parents: false }, Done);
    await fs.call(fsMessages.Symlink, { target: "x", path: "/theirs/sym" }, Done);
    for (const name of ["plain", "a", "a/b", "a/b/c", "one", "sym"]) {
      expect([name, ownerOf(join(theirs, name))]).toEqual([name, [UID, GID]]);
    }
    await guest.openFile("/data/own", write | create);
    expect(ownerOf(join(host.data, "own"))).toEqual([0, 0]);
  });

  it("disk workers that serve several rules in turn keep their owners apart", async () => {
    await using program = await Guest.attach(host.path);
    const owners = { theirs: [UID, GID], others: [UID2, GID2], data: [0, 0] };
    const names = Array.from({ length: 20 }, (_, at) => `turn-${at}`);
    const made = Object.entries(owners).flatMap(([rule, owner]) =>
      names.map(async (name, at) => {
        if (at % 2 === 0) await program.mkdir(`/${rule}/${name}`);
        else await program.writeFile(`/${rule}/${name}`, "");
        expect([rule, name, ...ownerOf(join(host.folder, rule, name))]).toEqual([rule, name, ...owner]);
        // Making what is there already fails, and leaves the worker as it was.
        await expect(program.mkdir(`/${rule}/${name}`)).rejects.toMatchObject({ code: "EEXIST" });
      }),
    );
    await Promise.all(made);
  });

  it("what is there stays whose it is, also where it is opened to be made", async () => {
    writeFileSync(join(theirs, "roots"), "");
    await mount.handle("roots", WRITE | CREATE);
    expect(ownerOf(join(theirs, "roots"))).toEqual([0, 0]);
  });

  const NO_TIME = { seconds: 0, nanoseconds: 0 };
  const { UID: VALID_UID, GID: VALID_GID } = m.MountValid;

  function give(path: string, owner: { uid?: number; gid?: number }, on = mount, at = 0): Promise<number> {
    const valid = (owner.uid === undefined ? 0 : VALID_UID) | (owner.gid === undefined ? 0 : VALID_GID);
    const { uid = 0, gid = 0 } = owner;
    const times = { accessed: NO_TIME, modified: NO_TIME };
    const set = { at, follow: false, valid, mode: 0, uid, gid, size: 0, ...times, path: bytes(path) };
    return errnoOf(on.call(m.MountSetAttr, set, m.MountAttributes));
  }

  it("files are given to the owner and to nobody else, wholly or in part", async () => {
    const path = join(theirs, "given");
    writeFileSync(path, "");
    mkdirSync(join(theirs, "folder-given"));
    chmodSync(path, 0o4755);
    for (const owner of [{ uid: 0, gid: GID + 1 }, { uid: UID + 1 }, { gid: 1 }, { uid: UID, gid: 5 }]) {
      expect(await give("given", owner)).toBe(Errno.EPERM);
    }
    expect(ownerOf(path)).toEqual([0, 0]);
    expect(await give("given", { gid: GID })).toBe(0);
    expect(ownerOf(path)).toEqual([0, GID]);
    expect(await give("given", { uid: UID, gid: GID })).toBe(0);
    expect(ownerOf(path)).toEqual([UID, GID]);
    expect(statSync(path).mode & 0o7777).toBe(0o755);
    // Back to where it was is to somebody else.
    expect(await give("given", { uid: 0 })).toBe(Errno.EPERM);
    expect(await give("folder-given", { uid: UID, gid: GID })).toBe(0);
    expect(ownerOf(join(theirs, "folder-given"))).toEqual([UID, GID]);
  });

  it("not one that has another name, which may be a file from elsewhere; nor any below a rule without", async () => {
    // Of a policy that has no folder that is read-only: there, such a file is not changed at all.
    await using alone = await startMonitor((folder) => {
      mkdirSync(join(folder, "theirs"));
      return policyOf(`version: 1\nfiles:\n${THEIRS}`, folder);
    });
    using other = await FileGuest.attach(alone.path);
    const open = await RawMount.open(other, "/theirs");
    const second = join(alone.folder, "theirs/second");
    writeFileSync(join(alone.folder, "secret"), "");
    linkSync(join(alone.folder, "secret"), second);
    expect(await give("second", { uid: UID, gid: GID }, open)).toBe(Errno.EPERM);
    expect(ownerOf(second)).toEqual([0, 0]);
    // Nor where it has lost that other name since it was opened: what is left may be the one from elsewhere.
    const handle = await open.handle("second", READ);
    const again = await open.openAt(handle, "", READ);
    unlinkSync(second);
    for (const at of [handle, again.handle]) {
      expect(await give("", { uid: UID, gid: GID }, open, at)).toBe(Errno.EPERM);
    }
    expect(ownerOf(join(alone.folder, "secret"))).toEqual([0, 0]);
    writeFileSync(join(host.data, "file"), "");
    const data = await RawMount.open(guest, "/data");
    expect(await give("file", { uid: UID, gid: GID }, data)).toBe(Errno.EPERM);
    expect(await give("file", { uid: 0, gid: 0 }, data)).toBe(0);
  });

  it("guest.fs has chown, lchown, and chown of an open file", async () => {
    writeFileSync(join(theirs, "sdk"), "");
    await using program = await Guest.attach(host.path);
    await program.fs.symlink("sdk", "/theirs/sdk-link");
    await expect(program.fs.chown("/theirs/sdk", 1, -1)).rejects.toMatchObject({ code: "EPERM" });
    await program.fs.chown("/theirs/sdk-link", UID, -1);
    expect(ownerOf(join(theirs, "sdk"))).toEqual([UID, 0]);
    await using file = await program.fs.open("/theirs/sdk", "r+");
    await file.chown(-1, GID);
    expect(ownerOf(join(theirs, "sdk"))).toEqual([UID, GID]);
    await program.fs.lchown("/theirs/sdk-link", UID, GID);
    await expect(program.fs.lchown("/theirs/sdk-link", 0, 0)).rejects.toMatchObject({ code: "EPERM" });
    await expect(program.fs.chown("/theirs/sdk", 1.5, 0)).rejects.toMatchObject({ code: "ERR_OUT_OF_RANGE" });
  });
});
