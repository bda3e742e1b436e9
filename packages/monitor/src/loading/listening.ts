// The file of a socket that is listened on: which it is, and its removal at the end.

import { AT_FDCWD, listenUnix, stat, type UnixType, unlinkat } from "@ringway/linux";
import type { Listening } from "./messages.ts";

/** Throws SystemError, as listenUnix(). */
export function listenAt(path: string, type: UnixType): Listening {
  const fd = listenUnix(path, { type });
  return { fd, path, file: fileAt(path), isInherited: false };
}

/** What no guest may reach is known by its file, whoever made that. */
export function inheritAt(fd: number, path: string): Listening {
  return { fd, path, file: fileAt(path), isInherited: true };
}

/**
 * Removes the file where it is still the same. Between the look and the removal another could put a file of its own
 * there: for the microseconds between two system calls, and only by removing this one first, since a monitor takes no
 * socket over that is listened on.
 */
export function removeSocketFile({ path, file, isInherited }: Listening): boolean {
  if (isInherited) return false;
  return file !== undefined && fileAt(path) === file && unlinkat(AT_FDCWD, path, false) === 0;
}

/** Which file it is: no other has the same for as long as a socket is bound to it. */
function fileAt(path: string): string | undefined {
  const found = stat(AT_FDCWD, path, false);
  if (typeof found === "number") return undefined;
  return `${found.deviceMajor}:${found.deviceMinor}:${found.inode}`;
}
