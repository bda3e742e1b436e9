// copyFile(): the bytes come to the guest and go back, since no request copies on the host.
//
// Nothing of a file is cut before it is known not to be the one that is copied.

import { constants } from "node:fs";
import { Errno } from "@ringway/linux";
import type { AbortOptions } from "../abort.ts";
import { integer } from "../argument-errors.ts";
import { errnoError } from "../errors.ts";
import type { Engine } from "../stream/engine.ts";
import { GuestFile } from "./file.ts";
import type { GuestFs } from "./fs.ts";
import { guestPath, type PathLike } from "./paths.ts";
import { isOneFile } from "./same-file.ts";

const { COPYFILE_EXCL, COPYFILE_FICLONE, COPYFILE_FICLONE_FORCE, O_CREAT, O_EXCL, O_WRONLY } = constants;
const COPY_BYTES = 1024 * 1024;
const LEAST_BYTES = 64 * 1024;

export async function copyFile(
  engine: Engine,
  fs: GuestFs,
  from: PathLike,
  to: PathLike,
  mode: number | null = 0,
  options: AbortOptions = {},
): Promise<void> {
  const how = copyMode(mode);
  const path = guestPath(from, "copyfile", "src");
  const dest = guestPath(to, "copyfile", "dest");
  // No request shares a file's blocks with another: what must be a clone cannot be.
  const context = { syscall: "copyfile", path, dest };
  if ((how & COPYFILE_FICLONE_FORCE) !== 0) throw errnoError(Errno.ENOSYS, context);
  const flags = O_WRONLY | O_CREAT | ((how & COPYFILE_EXCL) === 0 ? 0 : O_EXCL);
  const pair = await fs.pairs.run(() => openPair(engine, fs, path, dest, flags, options), options.signal);
  await using source = pair.source;
  await using target = pair.target;
  const permissions = source.opened.mode & 0o777;
  const looks = [() => source.stat(options), () => target.stat(options)] as const;
  if (source.opened.ino === target.opened.ino && (await isOneFile(...looks, context))) return;
  try {
    await target.truncate(0, options);
    await carry(source, target, options);
    if ((target.opened.mode & 0o777) !== permissions) await target.chmod(permissions, options);
  } catch (error) {
    // As node:fs: half a copy is none.
    await fs.unlink(dest).catch(() => {});
    throw error;
  }
}

/** Both, or none. In its turn: many that each hold a file while they wait for a second would wait for each other. */
async function openPair(
  engine: Engine,
  fs: GuestFs,
  path: string,
  dest: string,
  flags: number,
  options: AbortOptions,
): Promise<{ source: GuestFile; target: GuestFile }> {
  const source = await GuestFile.open(engine, fs, path, "r", undefined, options);
  try {
    const permissions = source.opened.mode & 0o777;
    const target = await GuestFile.open(engine, fs, dest, flags, permissions, options);
    return { source, target };
  } catch (error) {
    await source.close();
    throw error;
  }
}

/** Of COPYFILE_*; nothing is 0. */
export function copyMode(mode: number | null | undefined): number {
  return integer(mode ?? 0, "mode", 0, COPYFILE_EXCL | COPYFILE_FICLONE | COPYFILE_FICLONE_FORCE);
}

async function carry(source: GuestFile, target: GuestFile, options: AbortOptions): Promise<void> {
  const buffer = Buffer.allocUnsafe(Math.min(COPY_BYTES, Math.max(LEAST_BYTES, source.opened.size)));
  for (let at = 0; ; ) {
    const { bytesRead } = await source.read(buffer, 0, buffer.length, at, options);
    if (bytesRead === 0) return;
    await target.write(buffer, 0, bytesRead, at, options);
    at += bytesRead;
  }
}
