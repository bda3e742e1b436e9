// cp(): files, folders and symbolic links, as node:fs copies them: what may be copied onto what is decided as there,
// with its codes.
//
// Folders are walked one after the other, in the order of node:fs, and so is the program's filter asked. What else is
// in them is copied several at a time. A folder gets its permissions when all that is in it is there. The first error
// ends the walk; it is told when nothing is under way any more.

import { posix } from "node:path";
import { Errno, invalidType, requireObject } from "@ringway/linux";
import { type AbortOptions, withOwnSignal } from "../abort.ts";
import { boolean } from "../argument-errors.ts";
import { codeOf, RingwayError } from "../errors.ts";
import type { Engine } from "../stream/engine.ts";
import { copyFile, copyMode } from "./copy-file.ts";
import type { GuestFs } from "./fs.ts";
import { Lanes } from "./lanes.ts";
import { guestPath, type PathLike } from "./paths.ts";
import { isOneFile } from "./same-file.ts";
import type { GuestDirent, GuestStats } from "./stats.ts";

export interface CpOptions extends AbortOptions {
  /** Copy what symbolic links lead to. Default false. */
  readonly dereference?: boolean | undefined;
  /** Without `force`: a name that is taken is an error. Default false. */
  readonly errorOnExist?: boolean | undefined;
  /** False: this one is not copied, nor what is in it. */
  readonly filter?: ((from: string, to: string) => boolean | Promise<boolean>) | undefined;
  /** Replace what is there. Default true. */
  readonly force?: boolean | undefined;
  /** As of copyFile(). */
  readonly mode?: number | undefined;
  /** Default false. */
  readonly preserveTimestamps?: boolean | undefined;
  /** Folders too, with all that is in them. Default false. */
  readonly recursive?: boolean | undefined;
  /** Keep what symbolic links say. Default false: they become absolute. */
  readonly verbatimSymlinks?: boolean | undefined;
}

/** So many of what is no folder at a time. Each takes about a dozen requests, most of them one after the other. */
const TOGETHER = 16;

type Copying = Required<Omit<CpOptions, "filter" | "signal">> & Pick<CpOptions, "filter" | "signal">;

export async function copy(
  engine: Engine,
  fs: GuestFs,
  from: PathLike,
  to: PathLike,
  options?: CpOptions,
): Promise<void> {
  const copying = copyingOf(options);
  const src = guestPath(from, "cp", "src");
  const dest = guestPath(to, "cp", "dest");
  await withOwnSignal(options?.signal, async (signal) => {
    const copier = new Copier(engine, fs, { ...copying, signal });
    if (!(await copier.wants(src, dest))) return;
    const found = await copier.check(src, dest);
    await copier.makeParent(dest);
    await copier.copy(src, dest, found, new Lanes(TOGETHER));
  });
}

function copyingOf(options: CpOptions = {}): Copying {
  requireObject(options, "options");
  const all = {
    ...{ dereference: false, errorOnExist: false, force: true, preserveTimestamps: false },
    ...{ recursive: false, verbatimSymlinks: false },
    ...options,
  };
  const { dereference, errorOnExist, force, preserveTimestamps, recursive, verbatimSymlinks } = all;
  const flags = { dereference, errorOnExist, force, preserveTimestamps, recursive, verbatimSymlinks };
  for (const [name, value] of Object.entries(flags)) boolean(value, `options.${name}`);
  if (dereference && verbatimSymlinks) {
    const message = 'Option "dereference" cannot be used in combination with option "verbatimSymlinks"';
    throw Object.assign(new TypeError(message), { code: "ERR_INCOMPATIBLE_OPTION_PAIR" });
  }
  if (options.filter !== undefined && typeof options.filter !== "function")
    throw invalidType("options.filter", "of type function", options.filter);
  return { ...all, mode: copyMode(options.mode) } as Copying;
}

/** What is at the two names. */
interface Found {
  readonly from: GuestStats;
  readonly there: GuestStats | undefined;
}

class Copier {
  readonly #engine: Engine;
  readonly #fs: GuestFs;
  readonly #options: Copying;
  readonly #signal: AbortOptions;

  constructor(engine: Engine, fs: GuestFs, options: Copying) {
    this.#engine = engine;
    this.#fs = fs;
    this.#options = options;
    this.#signal = { signal: options.signal };
  }

  /** Does the program want it to be copied? */
  async wants(src: string, dest: string): Promise<boolean> {
    const { filter } = this.#options;
    return filter === undefined || Boolean(await filter(src, dest));
  }

  /** May `src` become `dest`? Throws where it may not. */
  async check(src: string, dest: string): Promise<Found> {
    const looks = [() => this.#look(src), () => this.#lookIfThere(dest)] as const;
    const [from, to] = await Promise.all([looks[0](), looks[1]()]);
    if (to !== undefined) {
      if (from.ino === to.ino && (await isOneFile(...looks, { syscall: "cp", path: src, dest })))
        throw refused("EINVAL", Errno.EINVAL, "src and dest cannot be the same", dest);
      if (from.isDirectory() && !to.isDirectory()) {
        const why = `cannot overwrite non-directory ${dest} with directory ${src}`;
        throw refused("DIR_TO_NON_DIR", Errno.EISDIR, why, dest);
      }
      if (!from.isDirectory() && to.isDirectory()) {
        const why = `cannot overwrite directory ${dest} with non-directory ${src}`;
        throw refused("NON_DIR_TO_DIR", Errno.ENOTDIR, why, dest);
      }
    }
    if (from.isDirectory() && (isWithin(src, dest) || (await this.#isAbove(from, src, dest))))
      throw refused("EINVAL", Errno.EINVAL, `cannot copy ${src} to a subdirectory of self ${dest}`, dest);
    return { from, there: to };
  }

  async makeParent(dest: string): Promise<void> {
    const parent = posix.dirname(dest);
    try {
      await this.#fs.stat(parent, this.#signal);
    } catch (error) {
      if (codeOf(error) !== "ENOENT") throw error;
      await this.#fs.mkdir(parent, { recursive: true, ...this.#signal });
    }
  }

  /** `lanes`: for what is in it, where it is a folder; nothing: one after the other. */
  async copy(src: string, dest: string, { from, there }: Found, lanes?: Lanes): Promise<void> {
    if (from.isDirectory()) await this.#copyFolder(from, src, dest, there, lanes);
    else if (from.isFile()) await this.#copyFile(src, dest, there);
    else if (from.isSymbolicLink()) await this.#copyLink(src, dest, there);
    else throw refused("UNKNOWN", Errno.EINVAL, `cannot copy an unknown file type: ${dest}`, dest);
  }

  async #copyFolder(
    from: GuestStats,
    src: string,
    dest: string,
    there: GuestStats | undefined,
    lanes: Lanes | undefined,
  ): Promise<void> {
    if (!this.#options.recursive) {
      const message = `Path is a directory: cp returned EISDIR (${src} is a directory (not copied)) ${src}`;
      throw new RingwayError("ERR_FS_EISDIR", message, { syscall: "cp", path: src, errno: -Errno.EISDIR });
    }
    if (there === undefined) await this.#fs.mkdir(dest, this.#signal);
    const parts: Promise<void>[] = [];
    try {
      for (const entry of await this.#fs.readdir(src, this.#signal)) {
        const [one, other] = [posix.join(src, entry.name), posix.join(dest, entry.name)];
        if (!(await this.wants(one, other))) continue;
        await lanes?.free();
        if (lanes === undefined || this.#mayBeFolder(entry)) {
          await this.copy(one, other, await this.check(one, other), lanes);
        } else {
          // One that has become a folder meanwhile has no lanes: it must not wait for one while it is in one.
          parts.push(lanes.run(async () => this.copy(one, other, await this.check(one, other))));
        }
      }
    } finally {
      await Promise.all(parts);
    }
    lanes?.check();
    if (there === undefined) await this.#fs.chmod(dest, from.mode & 0o777, this.#signal);
  }

  async #copyFile(src: string, dest: string, there: GuestStats | undefined): Promise<void> {
    const { errorOnExist, force, mode, preserveTimestamps } = this.#options;
    if (there !== undefined) {
      if (force) await this.#fs.unlink(dest, this.#signal);
      else if (errorOnExist) throw refused("EEXIST", Errno.EEXIST, `${dest} already exists`, dest);
      else return;
    }
    await copyFile(this.#engine, this.#fs, src, dest, mode, this.#signal);
    if (preserveTimestamps) {
      // Read anew: reading the file has moved its time of access.
      const { atime, mtime } = await this.#fs.stat(src, this.#signal);
      await this.#fs.utimes(dest, atime, mtime, this.#signal);
    }
  }

  async #copyLink(src: string, dest: string, there: GuestStats | undefined): Promise<void> {
    let target = await this.#fs.readlink(src, this.#signal);
    if (!this.#options.verbatimSymlinks) target = posix.resolve(posix.dirname(src), target);
    if (there?.isSymbolicLink()) {
      const old = posix.resolve(posix.dirname(dest), await this.#fs.readlink(dest, this.#signal));
      if (isWithin(target, old))
        throw refused("EINVAL", Errno.EINVAL, `cannot copy ${target} to a subdirectory of self ${old}`, dest);
      // What is copied would go with the link that is replaced.
      if ((await this.#fs.stat(src, this.#signal)).isDirectory() && isWithin(old, target)) {
        throw refused(
          "SYMLINK_TO_SUBDIRECTORY",
          Errno.EINVAL,
          `cannot overwrite ${old} with ${target}`,
          dest,
        );
      }
      await this.#fs.unlink(dest, this.#signal);
    }
    await this.#fs.symlink(target, dest, this.#signal);
  }

  #mayBeFolder(entry: GuestDirent): boolean {
    return entry.isDirectory() || (!entry.isFile() && this.#options.dereference === true);
  }

  #look(path: string): Promise<GuestStats> {
    const { dereference } = this.#options;
    return dereference ? this.#fs.stat(path, this.#signal) : this.#fs.lstat(path, this.#signal);
  }

  async #lookIfThere(path: string): Promise<GuestStats | undefined> {
    try {
      return await this.#look(path);
    } catch (error) {
      if (codeOf(error) === "ENOENT") return undefined;
      throw error;
    }
  }

  /** Is the folder, which is at `src`, one of those above `dest`, by whatever name? */
  async #isAbove(folder: GuestStats, src: string, dest: string): Promise<boolean> {
    for (let above = posix.dirname(dest); above !== "/"; above = posix.dirname(above)) {
      const look = (): Promise<GuestStats> => this.#fs.stat(above, this.#signal);
      try {
        if ((await look()).ino !== folder.ino) continue;
        const looks = [() => this.#look(src), look] as const;
        if (await isOneFile(...looks, { syscall: "cp", path: src, dest })) return true;
      } catch (error) {
        // Names above the roots are refused: no folder of the host's is behind them.
        if (codeOf(error) === "EACCES") return false;
        if (codeOf(error) !== "ENOENT") throw error;
      }
    }
    return false;
  }
}

/** Is the second the first, or below it? By their names alone. */
function isWithin(folder: string, path: string): boolean {
  const parts = (name: string): string[] => posix.resolve(name).split("/").filter(Boolean);
  const below = parts(path);
  return parts(folder).every((part, index) => below[index] === part);
}

function refused(code: string, errno: number, why: string, path: string): RingwayError {
  return new RingwayError(`ERR_FS_CP_${code}`, `cp: ${why}`, { syscall: "cp", path, errno: -errno });
}
