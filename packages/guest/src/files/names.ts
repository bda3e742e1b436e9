// Names: what node:fs does in one system call and the wire in several requests.

import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { Explain, Verdict } from "@ringway/control";
import { Errno } from "@ringway/linux";
import type { AbortOptions } from "../abort.ts";
import { boolean, integer } from "../argument-errors.ts";
import { codeOf, errnoError, replyError } from "../errors.ts";
import { explainBody } from "../explain.ts";
import type { Engine } from "../stream/engine.ts";
import { SMALLEST_RING_BYTES } from "../stream/room.ts";
import { GuestFile } from "./file.ts";
import type { GuestFs, MkdirOptions } from "./fs.ts";
import { guestPath, type PathLike } from "./paths.ts";

/** As the kernel has it. */
const LINKS_MAX = 40;
const TRIES = 100;
const NAME_CHARACTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/** Makes a folder; with `recursive`, those above it too: resolves with the first one that was made, if any was. */
export async function makeFolder(
  fs: GuestFs,
  path: PathLike,
  options: MkdirOptions,
): Promise<string | undefined> {
  boolean(options.recursive ?? false, "options.recursive");
  if (!options.recursive) {
    await fs.mkdir(path, options);
    return undefined;
  }
  const parts = partsOf(guestPath(path, "mkdir"));
  const above = (count: number): string => `/${parts.slice(0, count).join("/")}`;
  try {
    await fs.mkdir(path, { ...options, recursive: false });
    return above(parts.length);
  } catch (error) {
    if (codeOf(error) !== "ENOENT") {
      await fs.mkdir(path, options);
      return undefined;
    }
  }
  // Where one is missing, those below are: halves of what is left are looked at, since a look costs as many names as
  // it has.
  let there = 0;
  let missing = parts.length;
  while (missing - there > 1) {
    const middle = (there + missing) >>> 1;
    if (await exists(fs, above(middle), options)) there = middle;
    else missing = middle;
  }
  await fs.mkdir(path, options);
  return above(missing);
}

async function exists(fs: GuestFs, path: string, { signal }: AbortOptions): Promise<boolean> {
  try {
    await fs.stat(path, { signal });
    return true;
  } catch (error) {
    // Anything else says that something is there, a name above the roots for instance.
    return codeOf(error) !== "ENOENT";
  }
}

/** A new folder whose name is `prefix` and six characters. */
export async function makeTemporary(fs: GuestFs, prefix: PathLike, options: AbortOptions): Promise<string> {
  const text = guestPath(prefix, "mkdtemp", "prefix");
  for (let tries = 0; tries < TRIES; tries++) {
    const name = [...randomBytes(6)].map((byte) => NAME_CHARACTERS[byte % NAME_CHARACTERS.length]).join("");
    try {
      await fs.mkdir(text + name, { ...options, mode: 0o700 });
      return text + name;
    } catch (error) {
      if (codeOf(error) !== "EEXIST") throw error;
    }
  }
  throw errnoError(Errno.EEXIST, { syscall: "mkdtemp", path: `${text}XXXXXX` });
}

/** The path without symbolic links, as the guest sees its tree. */
export async function realPath(fs: GuestFs, path: PathLike, options: AbortOptions): Promise<string> {
  const text = guestPath(path, "realpath");
  await fs.stat(text, options, "realpath");
  const real: string[] = [];
  const left = partsOf(text);
  for (let links = 0; left.length > 0; ) {
    const name = left.shift()!;
    if (name === "..") {
      real.pop();
      continue;
    }
    const target = await linkTarget(fs, `/${[...real, name].join("/")}`, options);
    if (target === undefined) real.push(name);
    else {
      if (++links > LINKS_MAX) throw errnoError(Errno.ELOOP, { syscall: "realpath", path: text });
      if (target.startsWith("/")) real.length = 0;
      left.unshift(...partsOf(target));
    }
  }
  return `/${real.join("/")}`;
}

/** Undefined: no link; names above the roots, which the host refuses to look at, are none. */
async function linkTarget(fs: GuestFs, path: string, options: AbortOptions): Promise<string | undefined> {
  try {
    return await fs.readlink(path, options);
  } catch (error) {
    if (codeOf(error) === "EINVAL" || codeOf(error) === "EACCES") return undefined;
    throw error;
  }
}

/**
 * May the path be read, written or executed? A file is opened and closed to see, by the host's own permissions; of a
 * folder the policy is asked whether it may be written, and its permission bits tell the rest.
 */
export async function access(
  engine: Engine,
  fs: GuestFs,
  path: PathLike,
  mode: number | null | undefined,
  options: AbortOptions,
): Promise<void> {
  const { F_OK, R_OK, W_OK, X_OK } = constants;
  const wanted = integer(mode ?? F_OK, "mode", 0, R_OK | W_OK | X_OK);
  const text = guestPath(path, "access");
  const context = { syscall: "access", path: text };
  const found = await fs.stat(text, options, "access");
  const any = (found.mode | (found.mode >> 3) | (found.mode >> 6)) & 7;
  if ((wanted & X_OK) !== 0 && (any & 1) === 0) throw errnoError(Errno.EACCES, context);
  if (!found.isFile()) {
    if ((wanted & W_OK) !== 0) {
      const asked = explainBody({ open: text, flags: "r+" });
      const { allowed, rule, reason } = await engine.control.request(
        Explain,
        asked,
        Verdict,
        context,
        options.signal,
      );
      if (!allowed) throw replyError({ errno: Errno.EACCES, rule, reason }, context);
    }
    if ((wanted & ~any & 6) !== 0) throw errnoError(Errno.EACCES, context);
    return;
  }
  if ((wanted & (R_OK | W_OK)) === 0) return;
  const flags = { [R_OK]: "r", [W_OK]: constants.O_WRONLY, [R_OK | W_OK]: "r+" }[wanted & (R_OK | W_OK)]!;
  const file = await GuestFile.open(engine, fs, text, flags, undefined, {
    ...options,
    ringBytes: SMALLEST_RING_BYTES,
  });
  await file.close();
}

function partsOf(path: string): string[] {
  return path.split("/").filter((part) => part !== "" && part !== ".");
}
