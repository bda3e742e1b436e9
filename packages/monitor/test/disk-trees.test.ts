// A tree that the disk workers do not know, or no longer: an errno, whatever is asked for in it.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Errno, fstat, listenUnix } from "@ringway/linux";
import { expect, test } from "vitest";
import { type DiskOperation, perform } from "../src/disk/operations.ts";

const place = { tree: 4711, root: 3, path: "x", asFolder: false };
const TIME = { seconds: 0, nanoseconds: 0 };
const socket = { tree: 4711, socket: 2, type: "stream", own: { files: [], paths: [] } } as const;

test.each<DiskOperation>([
  { kind: "open", flags: 0, mode: 0, ...place },
  { kind: "stat", follow: true, ...place },
  { kind: "list", bytes: 4096, ...place },
  { kind: "mkdir", mode: 0o700, parents: true, ...place },
  { kind: "mkdir", mode: 0o700, parents: false, ...place },
  { kind: "unlink", directory: false, ...place },
  { kind: "rename", from: place, to: place },
  { kind: "symlink", target: "y", ...place },
  { kind: "readlink", ...place },
  { kind: "chmod", mode: 0o600, ...place },
  { kind: "utimes", accessed: TIME, modified: TIME, ...place },
  { kind: "statfs", ...place },
  { kind: "mount", mount: { kind: "mount-open", flags: 0, mode: 0, handle: 1, place } as never },
  { kind: "connectSocket", ...socket },
  { kind: "listenAtSocket", mode: 0o600, backlog: 1, ...socket },
])("$kind in a tree that is gone is ESTALE", (operation) => {
  expect(perform(operation)).toMatchObject({ errno: Errno.ESTALE });
});

test("a listener whose tree is gone is closed all the same", () => {
  const folder = mkdtempSync(join(tmpdir(), "ringway-trees-"));
  try {
    const listener = listenUnix(join(folder, "s"));
    const ended = perform({ kind: "endListener", tree: 4711, socket: 2, listener, file: "0:0" });
    expect(ended.errno).toBe(Errno.ESTALE);
    expect(fstat(listener)).toBe(-Errno.EBADF);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
