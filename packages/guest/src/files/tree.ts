// Whole trees: listing and removing them, request by request, over the one stream of names.
//
// Folders are taken from a list, not by recursion: a path may have two thousand of them. Symbolic links are not
// followed.

import { posix } from "node:path";
import { Errno, requireObject } from "@ringway/linux";
import { type AbortOptions, delay } from "../abort.ts";
import { boolean, integer } from "../argument-errors.ts";
import { codeOf, RingwayError } from "../errors.ts";
import { type GuestFs, type Listing, listing } from "./fs.ts";
import { guestPath, type PathLike } from "./paths.ts";
import type { GuestDirent } from "./stats.ts";

export interface RmOptions extends AbortOptions {
  /** A folder goes with all that is in it. Default false. */
  readonly recursive?: boolean | undefined;
  /** What is not there is no error. Default false. */
  readonly force?: boolean | undefined;
  /** How often to try again after EBUSY, EMFILE, ENFILE, ENOTEMPTY, EPERM. Default 0. */
  readonly maxRetries?: number | undefined;
  /** Wait before the first of these, in milliseconds; before the next it is twice that, and so on. Default 100. */
  readonly retryDelay?: number | undefined;
}

/** Requests of a tree under way at a time. */
const TOGETHER = 64;
const MAY_PASS: ReadonlySet<string> = new Set(["EBUSY", "EMFILE", "ENFILE", "ENOTEMPTY", "EPERM"]);

/** All entries below a folder, each with the folder that it is in as `parentPath`. */
export async function listTree(
  fs: GuestFs,
  path: PathLike,
  options: AbortOptions,
): Promise<Listing<GuestDirent>> {
  const found: GuestDirent[] = [];
  let skipped = 0;
  const folders: string[] = [guestPath(path, "scandir")];
  while (folders.length > 0) {
    const some = folders.splice(-TOGETHER);
    for (const entries of await Promise.all(some.map((folder) => fs.readdir(folder, options)))) {
      skipped += entries.skipped;
      for (const entry of entries) {
        found.push(entry);
        if (entry.isDirectory()) folders.push(posix.join(entry.parentPath, entry.name));
      }
    }
  }
  return listing(found, skipped);
}

export async function remove(fs: GuestFs, path: PathLike, options: RmOptions = {}): Promise<void> {
  requireObject(options, "options");
  const { recursive = false, force = false, maxRetries = 0, retryDelay = 100 } = options;
  boolean(recursive, "options.recursive");
  boolean(force, "options.force");
  integer(maxRetries, "options.maxRetries", 0, 0xffff_ffff);
  integer(retryDelay, "options.retryDelay", 0, 0x7fff_ffff);
  const text = guestPath(path, "rm");
  const { signal } = options;
  let isFolder: boolean;
  try {
    isFolder = (await fs.lstat(text, { signal })).isDirectory();
  } catch (error) {
    if (force && codeOf(error) === "ENOENT") return;
    throw error;
  }
  if (isFolder && !recursive) {
    const message = `Path is a directory: rm returned EISDIR (is a directory) ${text}`;
    throw new RingwayError("ERR_FS_EISDIR", message, { syscall: "rm", path: text, errno: -Errno.EISDIR });
  }
  for (let retries = 0; ; ) {
    try {
      await (isFolder ? removeTree(fs, text, { signal }) : unlessGone(fs.unlink(text, { signal })));
      return;
    } catch (error) {
      if (retries >= maxRetries || !MAY_PASS.has(codeOf(error))) throw error;
      retries++;
      await delay(retries * retryDelay, signal);
    }
  }
}

/** What is in a folder goes before the folder itself. */
async function removeTree(fs: GuestFs, top: string, options: AbortOptions): Promise<void> {
  const folders = [top];
  // Each folder comes after the one that it is in: `folders` grows while it is walked.
  for (let at = 0; at < folders.length; at++) {
    let entries: readonly GuestDirent[];
    try {
      entries = await fs.readdir(folders[at]!, options);
    } catch (error) {
      if (codeOf(error) === "ENOENT") continue;
      throw error;
    }
    const others: string[] = [];
    for (const entry of entries) {
      (entry.isDirectory() ? folders : others).push(posix.join(entry.parentPath, entry.name));
    }
    await inParts(others, (each) => fs.unlink(each, options));
  }
  // Requests are carried out in order, so the inner ones go first though they are asked for together.
  await inParts(folders.reverse(), (each) => fs.rmdir(each, options));
}

async function inParts(paths: readonly string[], work: (path: string) => Promise<void>): Promise<void> {
  for (let at = 0; at < paths.length; at += TOGETHER) {
    await Promise.all(paths.slice(at, at + TOGETHER).map((path) => unlessGone(work(path))));
  }
}

async function unlessGone(work: Promise<void>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw error;
  }
}
