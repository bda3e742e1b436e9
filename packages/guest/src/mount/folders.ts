// Folders of guest.fs: listed, also with all that is below, and the names of those on a path.
//
// Folders below are taken from a list, a few at a time, and not by recursion: each is open while it is listed, and a
// path may have two thousand of them. Symbolic links are not followed, also where one has taken a folder's place since.

import { posix } from "node:path";
import { Done, FileKind, mountMessages as m, PATH_MAX_BYTES } from "@ringway/control";
import { Errno } from "@ringway/linux";
import { errnoError } from "../errors.ts";
import type { MountConnection } from "./connection.ts";
import type { MountPath } from "./path.ts";

/** Folders of one listing that are open at a time. */
const TOGETHER = 16;
/** Entries asked for at a time. */
const LISTING_ENTRIES = 4096;

const { FOLDER, NO_FOLLOW, READ } = m.MountFlags;
const SLASH = 0x2f;
const NOTHING: Uint8Array = new Uint8Array(0);

/** A folder that is listed. */
interface Listed {
  /** From the one that was asked for; nothing for that itself. */
  readonly below: Uint8Array;
  readonly path: MountPath;
}

/** An entry of a folder. */
export interface Found {
  readonly folder: Listed;
  readonly name: Uint8Array;
  readonly kind: number;
}

/** The entries of a folder; with `recursive`, of those below too. */
export async function listed(
  connection: MountConnection,
  top: MountPath,
  recursive: boolean,
  signal: AbortSignal | undefined,
): Promise<Found[]> {
  const found: Found[] = [];
  const folders: Listed[] = [{ below: NOTHING, path: top }];
  while (folders.length > 0) {
    const some = folders.splice(-TOGETHER);
    const lists = await Promise.all(some.map((folder) => list(connection, folder, signal)));
    for (const [i, entries] of lists.entries()) {
      const folder = some[i]!;
      for (const { name, kind } of entries) {
        found.push({ folder, name, kind });
        if (recursive && kind === FileKind.DIRECTORY) folders.push(inside(top, joined(folder.below, name)));
      }
    }
  }
  return found;
}

/** Where an entry is, from the folder that was asked for. */
export function placeOf({ folder, name }: Found): Uint8Array {
  return joined(folder.below, name);
}

function joined(folder: Uint8Array, name: Uint8Array): Uint8Array {
  if (folder.length === 0) return name;
  const path = new Uint8Array(folder.length + 1 + name.length);
  path.set(folder);
  path[folder.length] = SLASH;
  path.set(name, folder.length + 1);
  return path;
}

function inside(top: MountPath, below: Uint8Array): Listed {
  const path = { bytes: joined(top.bytes, below), text: posix.join(top.text, Buffer.from(below).toString()) };
  if (path.bytes.length > PATH_MAX_BYTES) {
    throw errnoError(Errno.ENAMETOOLONG, { syscall: "scandir", path: path.text });
  }
  return { below, path };
}

async function list(
  connection: MountConnection,
  { below, path: { bytes, text } }: Listed,
  signal: AbortSignal | undefined,
): Promise<m.MountName[]> {
  const context = { syscall: "scandir", path: text };
  return await connection.use("file", signal, async (stream) => {
    // The program's own path may be a symbolic link.
    const flags = READ | FOLDER | (below.length === 0 ? 0 : NO_FOLLOW);
    const release = (handle: number): Promise<unknown> =>
      stream.call(m.MountRelease, { handle }, Done, context).catch(() => {});
    const extras = { onLate: ({ handle }: m.MountHandle): void => void release(handle) };
    const request = { at: 0, flags, mode: 0, path: bytes };
    const { handle } = await stream.call(m.MountOpen, request, m.MountHandle, context, signal, extras);
    try {
      const all: m.MountName[] = [];
      for (let from = { cookieLow: 0, cookieHigh: 0 }; ; ) {
        const next = { handle, ...from, entries: LISTING_ENTRIES };
        const { entries } = await stream.call(m.MountReadDir, next, m.MountNames, context, signal);
        const last = entries.at(-1);
        if (last === undefined) return all;
        for (const entry of entries) all.push(entry);
        from = { cookieLow: last.cookieLow, cookieHigh: last.cookieHigh };
      }
    } finally {
      await release(handle);
    }
  });
}

/** The folders on a path, from the first to the last. */
export function foldersOf(path: Uint8Array): Uint8Array[] {
  let end = path.length;
  while (end > 0 && path[end - 1] === SLASH) end--;
  const folders: Uint8Array[] = [];
  for (let slash = path.indexOf(SLASH); slash >= 0 && slash < end; slash = path.indexOf(SLASH, slash + 1)) {
    // Of several slashes in a row the first ends the name.
    if (path[slash - 1] !== SLASH) folders.push(path.subarray(0, slash));
  }
  return [...folders, path.subarray(0, end)];
}
