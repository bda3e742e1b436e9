// One folder, or one file, more that is watched (MNT-20); with what is in it, for a watch of all below.
//
// First the watch, then the look: what comes in between is told twice, and nothing is missed. Where it fails nothing is
// watched.

import { Errno } from "@ringway/control";
import {
  addWatch,
  closeFd,
  fstat,
  OpenFlags,
  openat2,
  type PathLike,
  readDirectoryRecords,
  stat,
  WatchBits,
} from "@ringway/linux";
import { type Failed, failed, type Landing, notOpened, type Place, served } from "../judgement.ts";
import { withObject } from "../landing.ts";
import { lookedUp } from "../lookups.ts";
import { identityOf } from "../roots.ts";
import { WatchedEntriesWriter } from "./watched-entries.ts";

export interface Watching {
  readonly inotify: number;
  /** What the place was when the watch began; "" for its beginning. */
  readonly identity: string;
  /** The folder below it that has appeared; "." for itself. */
  readonly below: PathLike;
  /** Also what is in it. */
  readonly deep: boolean;
  /** Somebody is told of what is in it; else only its folders are of use. */
  readonly tell: boolean;
}

export interface Watched {
  /** inotify's number. */
  readonly watch: number;
  readonly identity: string;
  readonly isFolder: boolean;
  /** What is in it (watched-entries.ts). */
  readonly entries: Uint8Array;
  /** There are more than anybody is told of. */
  readonly more: boolean;
}

interface WatchResult extends Failed {
  /** None: there is nothing to watch. */
  readonly watched?: Watched;
}

const { ATTRIBUTES, CLOSED_WRITE, CREATED, MODIFIED, MOVED_FROM, MOVED_TO, REMOVED, REMOVED_SELF } =
  WatchBits;
const EVENTS =
  ATTRIBUTES | CLOSED_WRITE | CREATED | MODIFIED | MOVED_FROM | MOVED_TO | REMOVED | REMOVED_SELF;

/** Entries of one folder that are told of, at the most: past them, it is OVERFLOW. */
const ENTRIES_MAX = 4096;
/** And folders that are named beyond them: one more than a guest may watch (guests/budget.ts). */
const FOLDERS_MAX = 2049;

/** What appeared is gone again, or leads elsewhere: nothing is missed. */
const IS_GONE: ReadonlySet<number> = new Set([Errno.ENOENT, Errno.ENOTDIR, Errno.ELOOP, Errno.EXDEV]);

const { PATH, NO_FOLLOW, DIRECTORY, READ_ONLY } = OpenFlags;
const NOTHING = new Uint8Array(0);

export function watchFolder(place: Place, watching: Watching): WatchResult {
  const { identity, below } = watching;
  return withObject<WatchResult>(place, true, false, (landing) => {
    const found = fstat(landing.fd);
    if (typeof found === "number") return failed(-found);
    if (found.kind === "other") return failed(Errno.EACCES);
    // Another is called so by now: what was watched cannot be found any more.
    if (identity !== "" && identityOf(found) !== identity) return failed(Errno.EAGAIN);
    if (below === ".")
      return watched(landing, landing.fd, identityOf(found), found.kind === "directory", watching);
    const fd = openat2(landing.fd, below, PATH | DIRECTORY | NO_FOLLOW, 0, landing.root.resolve);
    if (fd < 0) return failed(IS_GONE.has(-fd) ? 0 : -fd);
    const result =
      served(landing, fd) === undefined ? watched(landing, fd, identity, true, watching) : failed(0);
    closeFd(fd);
    return result;
  });
}

function watched(
  landing: Landing,
  fd: number,
  identity: string,
  isFolder: boolean,
  { inotify, deep, tell }: Watching,
): WatchResult {
  if (!deep || !isFolder) {
    const watch = addWatch(inotify, fd, EVENTS);
    if (watch < 0) return failed(-watch);
    return { errno: 0, watched: { watch, identity, isFolder, entries: NOTHING, more: false } };
  }
  // Opened first: of a watch whose folder cannot be looked at nobody would know.
  const folder = openat2(fd, ".", READ_ONLY | DIRECTORY, 0, landing.root.resolve);
  if (folder < 0) return notOpened(folder);
  const watch = addWatch(inotify, fd, EVENTS);
  const result =
    watch < 0
      ? failed(-watch)
      : { errno: 0, watched: { watch, identity, isFolder, ...entriesOf(folder, tell) } };
  closeFd(folder);
  return result;
}

function entriesOf(folder: number, tell: boolean): Pick<Watched, "entries" | "more"> {
  const entries = new WatchedEntriesWriter();
  let looked = 0;
  let count = 0;
  let folders = 0;
  let more = false;
  while (folders < FOLDERS_MAX) {
    const batch = readDirectoryRecords(folder, 32 * 1024);
    more ||= typeof batch === "number" || (tell && count + batch.length > ENTRIES_MAX);
    if (typeof batch === "number" || batch.length === 0) break;
    looked += batch.length;
    for (const { name, kind } of batch) {
      const isFolder = kind === "unknown" ? isDirectory(folder, name) : kind === "directory";
      // Of what is too much, folders are still watched.
      if (!isFolder && (more || !tell)) continue;
      entries.add(name, isFolder);
      count++;
      if (isFolder) folders++;
    }
  }
  lookedUp(looked / 8);
  return { entries: entries.bytes(), more };
}

function isDirectory(folder: number, name: Uint8Array): boolean {
  const found = stat(folder, name, false);
  return typeof found !== "number" && found.kind === "directory";
}
