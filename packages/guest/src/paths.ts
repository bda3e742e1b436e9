// Paths and open flags as a program writes them, checked before they go on the wire.

import { constants } from "node:fs";
import { fileURLToPath } from "node:url";
import { fileMessages, PATH_MAX_BYTES } from "@ringway/control";
import { type ErrorContext, errnoError, RingwayError } from "./errors.ts";

const { FileFlags } = fileMessages;

/** An absolute path in the guest's tree, or a file: URL of one. */
export type PathLike = string | URL;

/** As fs.open(): "r", "w+", "ax", ... or a number of fs.constants.O_* bits. */
export type OpenFlags = string | number;

const ENAMETOOLONG = 36;

/** The path as text. Throws ENAMETOOLONG, or ERR_INVALID_ARG_VALUE for a NUL. */
export function guestPath(path: PathLike, syscall: string): string {
  const text = typeof path === "string" ? path : fileURLToPath(path);
  if (typeof text !== "string")
    throw new TypeError('The "path" argument must be of type string or an instance of URL');
  if (text.includes("\0")) {
    throw new RingwayError(
      "ERR_INVALID_ARG_VALUE",
      "The argument 'path' must be a string without null bytes",
    );
  }
  const context: ErrorContext = { syscall, path: text };
  if (Buffer.byteLength(text) > PATH_MAX_BYTES) throw errnoError(ENAMETOOLONG, context);
  return text;
}

const R = FileFlags.READ;
const W = FileFlags.WRITE;
const CREATE = W | FileFlags.CREATE;
const TRUNCATE = CREATE | FileFlags.TRUNCATE;
const APPEND = CREATE | FileFlags.APPEND;
const EXCLUSIVE = FileFlags.EXCLUSIVE;

const byName: Readonly<Record<string, number>> = {
  r: R,
  rs: R,
  "r+": R | W,
  "rs+": R | W,
  w: TRUNCATE,
  wx: TRUNCATE | EXCLUSIVE,
  "w+": R | TRUNCATE,
  "wx+": R | TRUNCATE | EXCLUSIVE,
  a: APPEND,
  as: APPEND,
  ax: APPEND | EXCLUSIVE,
  "a+": R | APPEND,
  "as+": R | APPEND,
  "ax+": R | APPEND | EXCLUSIVE,
};

/** FileFlags for what node:fs calls `flags`. */
export function fileFlags(flags: OpenFlags): number {
  if (typeof flags === "string") {
    const known = byName[flags];
    if (known !== undefined) return known;
  } else {
    const access = flags & (constants.O_RDONLY | constants.O_WRONLY | constants.O_RDWR);
    let bits = access === constants.O_WRONLY ? W : access === constants.O_RDWR ? R | W : R;
    if (flags & constants.O_CREAT) bits |= FileFlags.CREATE;
    if (flags & constants.O_EXCL) bits |= FileFlags.EXCLUSIVE;
    if (flags & constants.O_APPEND) bits |= FileFlags.APPEND;
    if (flags & constants.O_TRUNC) bits |= FileFlags.TRUNCATE;
    const rest = constants.O_WRONLY | constants.O_RDWR | constants.O_CREAT | constants.O_EXCL;
    if ((flags & ~(rest | constants.O_APPEND | constants.O_TRUNC)) === 0) return bits;
  }
  throw new RingwayError(
    "ERR_INVALID_ARG_VALUE",
    `The argument 'flags' is invalid. Received ${JSON.stringify(flags)}`,
  );
}
