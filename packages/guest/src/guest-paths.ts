// A guest's paths: what node:fs/promises has to look at names, folders and links and to change them, on the tree that
// the host's policy gives.
//
// What these requests of the protocol have not fails with ENOSYS and says why, or what has it; that is a short list, at
// the end of the class.

import { EventEmitter } from "node:events";
import { constants } from "node:fs";
import { posix } from "node:path";
import { requireObject } from "@ringway/linux";
import type { AbortOptions } from "./abort.ts";
import { encoded, encodingOf, integer, optionsOf } from "./argument-errors.ts";
import { RingwayError, unsupported } from "./errors.ts";
import { GuestDir, type OpendirOptions } from "./files/dir.ts";
import { type GuestFs, type Listing, listing, type MkdirOptions, type ReaddirOptions } from "./files/fs.ts";
import { access, makeFolder, makeTemporary, realPath } from "./files/names.ts";
import { guestPath, type PathLike } from "./files/paths.ts";
import {
  type BigIntStatOptions,
  GuestBigIntStats,
  type GuestDirent,
  type GuestStatFs,
  GuestStats,
  type NumberStatOptions,
  named,
  type StatOptions,
  type Time,
} from "./files/stats.ts";
import { listTree, type RmOptions, remove } from "./files/tree.ts";
import type { Engine } from "./stream/engine.ts";

export interface EncodingOptions extends AbortOptions {
  /** Of the name in the result; "buffer" gives a Buffer. Default "utf8". */
  readonly encoding?: BufferEncoding | "buffer" | null | undefined;
}

const MAX_ID = 0xffff_ffff;

/**
 * Calls reject with a RingwayError whose `code` is the host's errno (ENOENT, EACCES, ENOTDIR, ...); with a
 * RefusedError where the policy says no; with AbortError; or, once the guest has left, with ERR_RINGWAY_DETACHED.
 * Arguments are judged as node:fs judges them.
 */
export abstract class GuestPaths<
  Events extends Record<keyof Events, unknown[]>,
> extends EventEmitter<Events> {
  /** As fs.constants. */
  readonly constants: typeof constants = constants;
  readonly #engine: Engine;
  readonly #fs: GuestFs;

  /** @internal */
  protected constructor(engine: Engine, fs: GuestFs) {
    super();
    this.#engine = engine;
    this.#fs = fs;
  }

  /** What the name leads to: size in bytes, times, kind and permission bits; symbolic links are followed. */
  stat(path: PathLike, options?: NumberStatOptions): Promise<GuestStats>;
  stat(path: PathLike, options: BigIntStatOptions): Promise<GuestBigIntStats>;
  async stat(path: PathLike, options: StatOptions = {}): Promise<GuestStats | GuestBigIntStats> {
    const reply = await this.#fs.statReply(path, options);
    return options.bigint ? new GuestBigIntStats(reply) : new GuestStats(reply);
  }

  /** stat() of the name itself: of a symbolic link, not of what it leads to. */
  lstat(path: PathLike, options?: NumberStatOptions): Promise<GuestStats>;
  lstat(path: PathLike, options: BigIntStatOptions): Promise<GuestBigIntStats>;
  async lstat(path: PathLike, options: StatOptions = {}): Promise<GuestStats | GuestBigIntStats> {
    const reply = await this.#fs.lstatReply(path, options);
    return options.bigint ? new GuestBigIntStats(reply) : new GuestStats(reply);
  }

  /**
   * May the path be read, written, executed (`constants.R_OK | ...`)? Asked without doing it, so the answer may be
   * another by then.
   */
  async access(path: PathLike, mode?: number | null, options: AbortOptions = {}): Promise<void> {
    await access(this.#engine, this.#fs, path, mode, options);
  }

  /**
   * Names in a folder, in no order; with `withFileTypes`, entries; with `recursive`, of the folders below too. Names
   * that are not UTF-8 are left out: `skipped` of the array says how many.
   */
  readdir(
    path: PathLike,
    options?:
      | BufferEncoding
      | (ReaddirOptions & { withFileTypes?: false | undefined; encoding?: BufferEncoding | null | undefined })
      | null,
  ): Promise<Listing<string>>;
  readdir(
    path: PathLike,
    options: "buffer" | (ReaddirOptions & { withFileTypes?: false | undefined; encoding: "buffer" }),
  ): Promise<Listing<Buffer>>;
  readdir(
    path: PathLike,
    options: ReaddirOptions & { withFileTypes: true; encoding?: BufferEncoding | null | undefined },
  ): Promise<Listing<GuestDirent>>;
  readdir(
    path: PathLike,
    options: ReaddirOptions & { withFileTypes: true; encoding: "buffer" },
  ): Promise<Listing<GuestDirent<Buffer>>>;
  async readdir(
    path: PathLike,
    options?: BufferEncoding | "buffer" | ReaddirOptions | null,
  ): Promise<Listing<string | Buffer> | Listing<GuestDirent> | Listing<GuestDirent<Buffer>>> {
    const all = optionsOf<ReaddirOptions>(options);
    const encoding = encodingOf(options);
    const { signal } = all;
    const entries = all.recursive
      ? await listTree(this.#fs, path, { signal })
      : await this.#fs.readdir(path, { signal });
    if (all.withFileTypes) {
      if (encoding === undefined) return entries;
      const others = entries.map((entry) => named(entry, encoded(entry.name, encoding)));
      return listing(others, entries.skipped) as Listing<GuestDirent<Buffer>>;
    }
    const top = guestPath(path, "scandir");
    const nameOf = ({ name, parentPath }: GuestDirent): string =>
      parentPath === top ? name : posix.relative(top, posix.join(parentPath, name));
    return listing(
      entries.map((entry) => encoded(nameOf(entry), encoding)),
      entries.skipped,
    );
  }

  /** A folder, entry by entry: for await (const entry of await guest.opendir(path)). */
  opendir(
    path: PathLike,
    options?: BufferEncoding | (OpendirOptions & { encoding?: BufferEncoding | null | undefined }) | null,
  ): Promise<GuestDir>;
  opendir(
    path: PathLike,
    options: "buffer" | (OpendirOptions & { encoding: "buffer" }),
  ): Promise<GuestDir<Buffer>>;
  async opendir(
    path: PathLike,
    options?: BufferEncoding | "buffer" | OpendirOptions | null,
  ): Promise<GuestDir | GuestDir<Buffer>> {
    return (await GuestDir.open(this.#fs, path, options)) as GuestDir | GuestDir<Buffer>;
  }

  /**
   * Makes a folder; with `recursive`, those above it too, and resolves with the first one that was made, if any was.
   */
  async mkdir(path: PathLike, options?: number | string | MkdirOptions | null): Promise<string | undefined> {
    if (typeof options === "object" && options !== null) requireObject(options, "options");
    const all = typeof options === "object" ? (options ?? {}) : { mode: options };
    return await makeFolder(this.#fs, path, all);
  }

  /** Makes a folder whose name is `prefix` and six characters; resolves with its path. */
  mkdtemp(
    prefix: PathLike,
    options?: BufferEncoding | (EncodingOptions & { encoding?: BufferEncoding | null | undefined }) | null,
  ): Promise<string>;
  mkdtemp(prefix: PathLike, options: "buffer" | (EncodingOptions & { encoding: "buffer" })): Promise<Buffer>;
  async mkdtemp(
    prefix: PathLike,
    options?: BufferEncoding | "buffer" | EncodingOptions | null,
  ): Promise<string | Buffer> {
    const { signal } = optionsOf<EncodingOptions>(options);
    const encoding = encodingOf(options);
    return encoded(await makeTemporary(this.#fs, prefix, { signal }), encoding);
  }

  /** mkdtemp() for `await using`: the folder goes, with all that is in it. */
  async mkdtempDisposable(
    prefix: PathLike,
    options: AbortOptions = {},
  ): Promise<AsyncDisposable & { readonly path: string; remove(): Promise<void> }> {
    const path = await makeTemporary(this.#fs, prefix, options);
    const remove = (): Promise<void> => this.rm(path, { recursive: true, force: true });
    return { path, remove, [Symbol.asyncDispose]: remove };
  }

  /** The path without symbolic links, as the guest sees its tree. */
  realpath(
    path: PathLike,
    options?: BufferEncoding | (EncodingOptions & { encoding?: BufferEncoding | null | undefined }) | null,
  ): Promise<string>;
  realpath(path: PathLike, options: "buffer" | (EncodingOptions & { encoding: "buffer" })): Promise<Buffer>;
  async realpath(
    path: PathLike,
    options?: BufferEncoding | "buffer" | EncodingOptions | null,
  ): Promise<string | Buffer> {
    const { signal } = optionsOf<EncodingOptions>(options);
    const encoding = encodingOf(options);
    return encoded(await realPath(this.#fs, path, { signal }), encoding);
  }

  /** Removes a file; with `recursive`, a folder with all that is in it. */
  async rm(path: PathLike, options?: RmOptions): Promise<void> {
    await remove(this.#fs, path, options);
  }

  /** Removes an empty folder (ENOTEMPTY where it is not); with `recursive`, as rm(). */
  async rmdir(path: PathLike, options: AbortOptions & Pick<RmOptions, "recursive"> = {}): Promise<void> {
    if (options.recursive && (await this.#fs.stat(path, options)).isDirectory()) await this.rm(path, options);
    else await this.#fs.rmdir(path, options);
  }

  /** Removes a name that is no folder's (EISDIR where it is one). */
  async unlink(path: PathLike, options?: AbortOptions): Promise<void> {
    await this.#fs.unlink(path, options);
  }

  /** Gives a file or folder another name; what had that name before is replaced, as by rename(2). */
  async rename(from: PathLike, to: PathLike, options?: AbortOptions): Promise<void> {
    await this.#fs.rename(from, to, options);
  }

  /** The target is kept as it is, and judged when it is followed. `type` is node:fs's own, for Windows. */
  async symlink(target: PathLike, path: PathLike, type?: string | AbortOptions | null): Promise<void> {
    await this.#fs.symlink(target, path, typeof type === "object" ? (type ?? {}) : {});
  }

  /** What a symbolic link says (EINVAL where it is none). */
  readlink(
    path: PathLike,
    options?: BufferEncoding | (EncodingOptions & { encoding?: BufferEncoding | null | undefined }) | null,
  ): Promise<string>;
  readlink(path: PathLike, options: "buffer" | (EncodingOptions & { encoding: "buffer" })): Promise<Buffer>;
  async readlink(
    path: PathLike,
    options?: BufferEncoding | "buffer" | EncodingOptions | null,
  ): Promise<string | Buffer> {
    const { signal } = optionsOf<EncodingOptions>(options);
    const encoding = encodingOf(options);
    return encoded(await this.#fs.readlink(path, { signal }), encoding);
  }

  /** Sets the permission bits: a number, or text in octal ("644"). */
  async chmod(path: PathLike, mode: number | string, options?: AbortOptions): Promise<void> {
    await this.#fs.chmod(path, mode, options);
  }

  /** Times are seconds since 1970, or Dates. */
  async utimes(path: PathLike, accessed: Time, modified: Time, options?: AbortOptions): Promise<void> {
    await this.#fs.utimes(path, accessed, modified, options);
  }

  /** utimes() of what is no symbolic link: those of a link itself `guest.fs` sets (here: ENOSYS). */
  async lutimes(path: PathLike, accessed: Time, modified: Time, options?: AbortOptions): Promise<void> {
    if ((await this.#fs.lstat(path, options, "lutime")).isSymbolicLink())
      throw unsupported(
        "lutime",
        "guest.fs.lutimes() sets those of symbolic links",
        guestPath(path, "lutime"),
      );
    await this.#fs.utimes(path, accessed, modified, options);
  }

  /** The file system of the host's behind a name: sizes in blocks of `bsize` bytes. */
  statfs(path: PathLike, options?: NumberStatOptions): Promise<GuestStatFs>;
  statfs(path: PathLike, options: BigIntStatOptions): Promise<GuestStatFs<bigint>>;
  async statfs(path: PathLike, options: StatOptions = {}): Promise<GuestStatFs | GuestStatFs<bigint>> {
    const found = await this.#fs.statfs(path, options);
    if (!options.bigint) return found;
    const entries = Object.entries(found).map(([name, value]) => [name, BigInt(value)]);
    return Object.fromEntries(entries) as GuestStatFs<bigint>;
  }

  // ---- what these requests have not

  /** ENOSYS: `guest.fs` has it. */
  async link(existing: PathLike, path: PathLike): Promise<never> {
    guestPath(path, "link", "newPath");
    throw unsupported(
      "link",
      "guest.fs.link() makes hard links",
      guestPath(existing, "link", "existingPath"),
    );
  }

  /** ENOSYS: `guest.fs` has it. */
  chown(path: PathLike, uid: number, gid: number): Promise<never> {
    return noOwners("chown", path, uid, gid);
  }

  /** ENOSYS, as chown(). */
  lchown(path: PathLike, uid: number, gid: number): Promise<never> {
    return noOwners("lchown", path, uid, gid);
  }

  /** As node:fs/promises on Linux: ERR_METHOD_NOT_IMPLEMENTED. */
  async lchmod(_path: PathLike, _mode: number): Promise<never> {
    throw new RingwayError("ERR_METHOD_NOT_IMPLEMENTED", "The lchmod() method is not implemented");
  }

  /** ENOSYS: `guest.fs` has it. */
  watch(path: PathLike): never {
    throw unsupported("watch", "guest.fs.watch() tells of changes", guestPath(path, "watch", "filename"));
  }

  /** ENOSYS: list with readdir({ recursive: true }), and match its paths. */
  glob(_pattern: string | readonly string[]): never {
    throw unsupported("glob", "match what readdir() with `recursive` gives");
  }
}

async function noOwners(syscall: string, path: PathLike, uid: unknown, gid: unknown): Promise<never> {
  const text = guestPath(path, syscall);
  integer(uid, "uid", -1, MAX_ID);
  integer(gid, "gid", -1, MAX_ID);
  throw unsupported(syscall, `guest.fs.${syscall}() gives files to the owner that the policy names`, text);
}
