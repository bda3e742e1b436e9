// The socket that a listener has made is told from another that has its name by then: by what it is where the kernel
// says so, and not by its user, for a file server may give root's files to another (root squash).

import { chmodSync, lstatSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { check, closeFd, Errno } from "@ringway/linux";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { isX64, outcome, syscall } from "../../linux/src/libc.ts";
import { type DiskResult, perform } from "../src/disk/operations.ts";
import { closeRoots, openRoots, type Roots } from "../src/disk/roots.ts";
import { addTree, removeTree } from "../src/disk/tree.ts";

/** What the kernel says of the file of a socket, in place of what it really says. */
const told = vi.hoisted(() => ({ instead: 0 }));

vi.mock("@ringway/linux", async (original) => {
  const real = await original<typeof import("@ringway/linux")>();
  const openUnixFile: typeof real.openUnixFile = (fd) => told.instead || real.openUnixFile(fd);
  return { ...real, openUnixFile };
});

const noRoot: string = process.geteuid?.() === 0 ? "" : " (skipped: needs root)";
const TREE = 4713;
const NOBODY = 65_534;
let folder: string;
let roots: Roots;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "ringway-sockets-"));
  const rule = { id: "app", guest: "/run/app", folder, name: "app", access: "listen" } as const;
  roots = openRoots([], () => {}, [rule]);
  addTree(TREE, roots, false);
});
afterEach(() => {
  told.instead = 0;
  removeTree(TREE);
  closeRoots(roots);
  rmSync(folder, { recursive: true });
});

const socket = { tree: TREE, socket: 0 };

function listen(): DiskResult {
  const own = { files: [], paths: [] };
  return perform({ kind: "listenAtSocket", type: "stream", mode: 0o660, backlog: 1, own, ...socket });
}

/** What `work` makes belongs to another user: the file system's view of this thread alone (setfsuid). */
function asAnother<R>(work: () => R): R {
  const setfsuid = syscall(["intptr_t"]);
  const become = (uid: number): void => void check(outcome(setfsuid(isX64 ? 122 : 151, uid)), "setfsuid");
  chmodSync(folder, 0o777);
  become(NOBODY);
  try {
    return work();
  } finally {
    become(0);
  }
}

describe.skipIf(noRoot !== "")(`as root${noRoot}`, () => {
  test("a socket that the file system gives to another user is the listener's all the same", () => {
    const made = asAnother(listen);
    expect(made).toMatchObject({ errno: 0 });
    const { uid, mode } = lstatSync(join(folder, "app"));
    expect([uid, mode & 0o777]).toEqual([NOBODY, 0o660]);
    const ended = perform({
      kind: "endListener",
      listener: made.value,
      file: made.text as string,
      ...socket,
    });
    expect(ended.errno).toBe(0);
    expect(() => lstatSync(join(folder, "app"))).toThrow();
  });

  test("where the kernel does not say whose it is, one of another user's is not taken for it", () => {
    told.instead = -Errno.EPERM;
    expect(asAnother(listen).errno).toBe(Errno.EADDRINUSE);
  });
});

test("where the kernel does not say whose it is, the monitor's user's is", () => {
  told.instead = -Errno.EPERM;
  const made = listen();
  expect(made.errno).toBe(0);
  closeFd(made.value);
});
