// Files that are made as another user's, with this thread's rights.

import { chmodSync, lstatSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  Capability,
  chownOpen,
  closeFd,
  Errno,
  holdsCapabilities,
  makeAs,
  mayMakeAs,
  mkdirat,
  OpenFlags,
  openat2,
  restoreCapabilities,
  savedCapabilities,
} from "@ringway/linux";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

const noRoot: string = process.geteuid!() === 0 ? "" : " (skipped: needs root)";
const CWD = -100;
const OTHER = { uid: 4711, gid: 4712 };
const own = { uid: process.geteuid!(), gid: process.getegid!() };
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "ringway-owner-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const ownerOf = (name: string): object => {
  const { uid, gid } = lstatSync(join(folder, name));
  return { uid, gid };
};
const makeFolder = (name: string): number => mkdirat(CWD, join(folder, name), 0o755);

test("as its own user a thread makes them anyway", () => {
  expect(mayMakeAs(own)).toBe(true);
  expect(makeAs(own, () => makeFolder("own"))).toBe(0);
  expect(ownerOf("own")).toEqual(own);
  expect(makeAs(own, () => makeFolder("own"))).toBe(-Errno.EEXIST);
});

describe.skipIf(noRoot !== "")(`root${noRoot}`, () => {
  test("makes them as another's, also where that one may not, and its own afterwards", () => {
    mkdirSync(join(folder, "closed"));
    chmodSync(join(folder, "closed"), 0o700);
    expect(makeAs(OTHER, () => makeFolder("closed/other"))).toBe(0);
    expect(ownerOf("closed/other")).toEqual(OTHER);
    expect(makeFolder("closed/own")).toBe(0);
    expect(ownerOf("closed/own")).toEqual(own);
    expect(() =>
      makeAs(OTHER, () => {
        throw new Error("amid it");
      }),
    ).toThrow("amid it");
    expect(makeFolder("after")).toBe(0);
    expect(ownerOf("after")).toEqual(own);
  });

  test("keeps the capabilities that it had, and no others", () => {
    const saved = savedCapabilities() as Uint8Array;
    const fewer = saved.slice();
    // One for files is put aside: making things as another, and being root's again, does not take it up.
    fewer[0]! &= ~(1 << Capability.KEEP_SET_ID);
    restoreCapabilities(fewer);
    try {
      expect(makeAs(OTHER, () => makeFolder("fewer"))).toBe(0);
      expect(savedCapabilities()).toEqual(fewer);
    } finally {
      restoreCapabilities(saved);
    }
  });

  test("may not make them without each of the capabilities that this takes", () => {
    const saved = savedCapabilities() as Uint8Array;
    expect(mayMakeAs(OTHER)).toBe(true);
    const [SETGID, SETUID] = [6, 7];
    const { CHANGE_OWNER, PASS_MODES, ACT_AS_OWNER } = Capability;
    try {
      for (const without of [CHANGE_OWNER, PASS_MODES, ACT_AS_OWNER, SETGID, SETUID]) {
        const fewer = saved.slice();
        fewer[0]! &= ~(1 << without);
        restoreCapabilities(fewer);
        expect(holdsCapabilities(without)).toBe(false);
        expect([without, mayMakeAs(OTHER)]).toEqual([without, false]);
        if (without !== SETGID && without !== SETUID) continue;
        expect(makeAs(OTHER, () => makeFolder("none"))).toBe(-Errno.EPERM);
      }
    } finally {
      restoreCapabilities(saved);
    }
    expect(makeFolder("own")).toBe(0);
    expect(ownerOf("own")).toEqual(own);
  });

  test("gives what is open to another, in part too", () => {
    expect(makeFolder("given")).toBe(0);
    const fd = openat2(CWD, join(folder, "given"), OpenFlags.PATH, 0, 0);
    expect(chownOpen(fd, -1, OTHER.gid)).toBe(0);
    expect(ownerOf("given")).toEqual({ uid: own.uid, gid: OTHER.gid });
    expect(chownOpen(fd, OTHER.uid, -1)).toBe(0);
    expect(ownerOf("given")).toEqual(OTHER);
    closeFd(fd);
  });
});
