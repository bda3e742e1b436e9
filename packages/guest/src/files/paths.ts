// Paths and open flags as a program writes them, checked before they go on the wire.

import { constants } from "node:fs";
import { fileURLToPath } from "node:url";
import { fileMessages, PATH_MAX_BYTES } from "@ringway/control";
import { Errno, invalidType, invalidValue } from "@ringway/linux";
import { integer } from "../argument-errors.ts";
import { type ErrorContext, errnoError } from "../errors.ts";

const { FileFlags } = fileMessages;

/** An absolute path in the guest's tree, as text, as UTF-8, or as a file: URL. */
export type PathLike = string | Uint8Array | URL;

/** As fs.open(): "r", "w+", "ax", ... or a number of fs.constants.O_* bits. */
export type OpenFlags = string | number;

/**
 * The path as text, absolute: a guest has no folder that it is in. Throws ENAMETOOLONG, EILSEQ for bytes that are not
 * UTF-8, or what node:fs throws.
 */
export function guestPath(path: PathLike, syscall: string, name = "path"): string {
  const text = pathText(path, syscall, name);
  requireAbsolute(text, name);
  return text;
}

export function requireAbsolute(path: string, name: string): void {
  if (!path.startsWith("/"))
    throw invalidValue(name, path, 'must be an absolute path, which begins with "/"');
}

/** Any path as text, also a relative one: what a symbolic link says. */
export function pathText(path: PathLike, syscall: string, name = "path"): string {
  let text: string;
  if (typeof path === "string") text = path;
  else if (path instanceof URL) text = fileURLToPath(path);
  else if (path instanceof Uint8Array) text = textOf(path, syscall);
  else throw invalidType(name, "of type string or an instance of Buffer or URL", path);
  if (text.includes("\0")) throw invalidValue(name, text, "must be a string without null bytes");
  const context: ErrorContext = { syscall, path: text };
  if (Buffer.byteLength(text) > PATH_MAX_BYTES) throw errnoError(Errno.ENAMETOOLONG, context);
  return text;
}

function textOf(path: Uint8Array, syscall: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(path);
  } catch (cause) {
    throw errnoError(Errno.EILSEQ, { syscall, path: Buffer.from(path).toString() }, cause);
  }
}

const R = FileFlags.READ;
const W = FileFlags.WRITE;
const CREATE = W | FileFlags.CREATE;
const TRUNCATE = CREATE | FileFlags.TRUNCATE;
const APPEND = CREATE | FileFlags.APPEND;
const EXCLUSIVE = FileFlags.EXCLUSIVE;

const byName: ReadonlyMap<string, number> = new Map(
  Object.entries({
    r: R,
    "r+": R | W,
    w: TRUNCATE,
    wx: TRUNCATE | EXCLUSIVE,
    "w+": R | TRUNCATE,
    "wx+": R | TRUNCATE | EXCLUSIVE,
    a: APPEND,
    ax: APPEND | EXCLUSIVE,
    "a+": R | APPEND,
    "ax+": R | APPEND | EXCLUSIVE,
  }),
);
/** Other spellings, as in node:fs. */
const spelledAs: ReadonlyMap<string, string> = new Map(
  Object.entries({ xw: "wx", "xw+": "wx+", xa: "ax", "xa+": "ax+" }),
);
/** O_SYNC, and what it goes with. */
const synchronous: ReadonlyMap<string, string> = new Map(
  Object.entries({
    rs: "r",
    sr: "r",
    "rs+": "r+",
    "sr+": "r+",
    as: "a",
    sa: "a",
    "as+": "a+",
    "sa+": "a+",
  }),
);

const { O_APPEND, O_CREAT, O_DSYNC, O_EXCL, O_NOCTTY, O_NONBLOCK, O_RDWR, O_SYNC, O_TRUNC, O_WRONLY } =
  constants;
/** Without a meaning for a regular file. */
const NO_MATTER = O_NOCTTY | O_NONBLOCK;
const KNOWN = O_WRONLY | O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_TRUNC | O_SYNC | O_DSYNC | NO_MATTER;

/** FileFlags for what node:fs calls `flags`; nothing is "r". */
export function fileFlags(flags: OpenFlags | null | undefined): number {
  if (typeof flags === "number") {
    integer(flags, "flags", -0x8000_0000, 0x7fff_ffff);
    const access = flags & (O_WRONLY | O_RDWR);
    let bits = access === O_WRONLY ? W : access === O_RDWR ? R | W : R;
    if (flags & O_CREAT) bits |= FileFlags.CREATE;
    if (flags & O_EXCL) bits |= FileFlags.EXCLUSIVE;
    if (flags & O_APPEND) bits |= FileFlags.APPEND;
    if (flags & O_TRUNC) bits |= FileFlags.TRUNCATE;
    if ((flags & ~KNOWN) === 0 && access !== (O_WRONLY | O_RDWR)) return bits;
  } else {
    const name = flags ?? "r";
    const known = byName.get(synchronous.get(name) ?? spelledAs.get(name) ?? name);
    if (known !== undefined) return known;
  }
  throw invalidValue("flags", flags);
}

/** Are writes to be on the disk when they are over (O_SYNC)? */
export function syncsWrites(flags: OpenFlags | null | undefined): boolean {
  return typeof flags === "number" ? (flags & (O_SYNC | O_DSYNC)) !== 0 : synchronous.has(flags ?? "");
}
