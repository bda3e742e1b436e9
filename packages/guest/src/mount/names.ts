// What guest.fs has for names: looked at, listed, made, moved and removed, their attributes set, those of extended ones
// among them. Files that are opened are fs.ts's.

import { Done, fileMessages, fsMessages, type Message, mountMessages as m } from "@ringway/control";
import { requireKeys, requireObject } from "@ringway/linux";
import { type AbortOptions, withOwnSignal } from "../abort.ts";
import { boolean, encodingOf, fileMode, integer, optionsOf } from "../argument-errors.ts";
import { codeOf, type ErrorContext } from "../errors.ts";
import type { MkdirOptions, ReaddirOptions } from "../files/fs.ts";
import type { PathLike } from "../files/paths.ts";
import { GuestDirent, type GuestStatFs, type Time, toTimestamp } from "../files/stats.ts";
import type { MountConnection } from "./connection.ts";
import { type Found, foldersOf, listed, placeOf } from "./folders.ts";
import { attributeName, type MountPath, mountPath, nameAs, pathBytes } from "./path.ts";
import { nothingSet, ownersOf } from "./set-attr.ts";
import { MountStats } from "./stats.ts";

export type Encoding = BufferEncoding | "buffer";
export type Encoded = AbortOptions & { readonly encoding?: Encoding | null | undefined };
/** Names come as text. */
export type MountTextOptions = AbortOptions & { readonly encoding?: BufferEncoding | null | undefined };
/** Names come as Buffers. */
export type MountBufferOptions = AbortOptions & { readonly encoding: "buffer" };

const { MODE, SIZE, ACCESSED, MODIFIED } = m.MountValid;

export abstract class MountNames {
  readonly #connection: MountConnection;

  /** @internal */
  protected constructor(connection: MountConnection) {
    this.#connection = connection;
  }

  stat(path: PathLike, options?: AbortOptions): Promise<MountStats> {
    return this.#stat("stat", path, true, options);
  }

  lstat(path: PathLike, options?: AbortOptions): Promise<MountStats> {
    return this.#stat("lstat", path, false, options);
  }

  async #stat(syscall: string, path: PathLike, follow: boolean, options?: AbortOptions): Promise<MountStats> {
    const found = mountPath(path, syscall);
    const request = { at: 0, follow, path: found.bytes };
    return new MountStats(await this.#call(m.MountStat, request, m.MountAttributes, syscall, found, options));
  }

  /**
   * Names in a folder, in no order: as text, or as Buffers (`encoding: "buffer"`), also those that are not UTF-8. With
   * `withFileTypes`, entries; with `recursive`, of the folders below too, as paths from this one. Symbolic links are
   * not followed.
   */
  readdir(
    path: PathLike,
    options?:
      | BufferEncoding
      | (ReaddirOptions & { withFileTypes?: false | undefined; encoding?: BufferEncoding | null | undefined })
      | null,
  ): Promise<string[]>;
  readdir(
    path: PathLike,
    options: "buffer" | (ReaddirOptions & { withFileTypes?: false | undefined; encoding: "buffer" }),
  ): Promise<Buffer[]>;
  readdir(
    path: PathLike,
    options: ReaddirOptions & { withFileTypes: true; encoding?: BufferEncoding | null | undefined },
  ): Promise<GuestDirent[]>;
  readdir(
    path: PathLike,
    options: ReaddirOptions & { withFileTypes: true; encoding: "buffer" },
  ): Promise<GuestDirent<Buffer>[]>;
  async readdir(
    path: PathLike,
    options?: Encoding | ReaddirOptions | null,
  ): Promise<string[] | Buffer[] | GuestDirent[] | GuestDirent<Buffer>[]> {
    const all = optionsOf<ReaddirOptions>(options);
    const encoding = encodingOf(options);
    const top = mountPath(path, "scandir");
    const { recursive = false } = all;
    const list = (signal: AbortSignal | undefined): Promise<Found[]> =>
      listed(this.#connection, top, recursive, signal);
    const entries = recursive ? await withOwnSignal(all.signal, list) : await list(all.signal);
    if (!all.withFileTypes) return entries.map((entry) => nameAs(placeOf(entry), encoding)) as string[];
    return entries.map(
      ({ folder, name, kind }) => new GuestDirent(nameAs(name, encoding), folder.path.text, kind),
    ) as GuestDirent[];
  }

  /**
   * Makes a folder; with `recursive`, those above it too, one that is there is no error, and it resolves with the first
   * that was made, if any was.
   */
  async mkdir(path: PathLike, options?: number | string | MkdirOptions | null): Promise<string | undefined> {
    if (typeof options === "object" && options !== null) requireObject(options, "options");
    const all: MkdirOptions = typeof options === "object" ? (options ?? {}) : { mode: options };
    const found = mountPath(path, "mkdir");
    const mode = fileMode(all.mode, "mode", 0o777);
    boolean(all.recursive ?? false, "options.recursive");
    const make = (part: Uint8Array): Promise<unknown> =>
      this.#call(m.MountMkdir, { at: 0, mode, path: part }, m.MountAttributes, "mkdir", found, all);
    if (!all.recursive) {
      await make(found.bytes);
      return undefined;
    }
    const parts = foldersOf(found.bytes);
    let first: string | undefined;
    for (const part of parts) {
      try {
        await make(part);
        first ??= `/${Buffer.from(part)}`;
      } catch (error) {
        // Above the roots nobody makes anything, and nothing is missing.
        if (part === parts.at(-1) || !["EEXIST", "EROFS", "EACCES"].includes(codeOf(error))) {
          if (codeOf(error) !== "EEXIST" || !(await this.stat(path, all)).isDirectory()) throw error;
        }
      }
    }
    return first;
  }

  async rmdir(path: PathLike, options?: AbortOptions): Promise<void> {
    await this.#at(m.MountRmdir, "rmdir", path, options);
  }

  async unlink(path: PathLike, options?: AbortOptions): Promise<void> {
    await this.#at(m.MountUnlink, "unlink", path, options);
  }

  async #at(
    kind: Message<m.AtRequest>,
    syscall: string,
    path: PathLike,
    options?: AbortOptions,
  ): Promise<void> {
    const found = mountPath(path, syscall);
    await this.#call(kind, { at: 0, path: found.bytes }, Done, syscall, found, options);
  }

  /** With `noReplace`, EEXIST where there is something; with `exchange`, both are there and change places. */
  async rename(
    from: PathLike,
    to: PathLike,
    options: AbortOptions & { readonly noReplace?: boolean; readonly exchange?: boolean } = {},
  ): Promise<void> {
    const { NO_REPLACE, EXCHANGE } = m.MountRenameFlags;
    requireKeys(options, "option", ["noReplace", "exchange", "signal"]);
    const flags = (options.noReplace ? NO_REPLACE : 0) | (options.exchange ? EXCHANGE : 0);
    const [old, next] = [mountPath(from, "rename", "oldPath"), mountPath(to, "rename", "newPath")];
    const request = { fromAt: 0, toAt: 0, flags, from: old.bytes, to: next.bytes };
    await this.#call(m.MountRename, request, Done, "rename", old, options, next);
  }

  /** Another name for a file. */
  async link(existing: PathLike, path: PathLike, options?: AbortOptions): Promise<void> {
    const [old, next] = [mountPath(existing, "link", "existingPath"), mountPath(path, "link", "newPath")];
    const request = { fromAt: 0, toAt: 0, from: old.bytes, to: next.bytes };
    await this.#call(m.MountLink, request, m.MountAttributes, "link", old, options, next);
  }

  async symlink(target: PathLike, path: PathLike, options?: AbortOptions): Promise<void> {
    const found = mountPath(path, "symlink");
    const request = { at: 0, target: pathBytes(target, "symlink", "target"), path: found.bytes };
    await this.#call(m.MountSymlink, request, m.MountAttributes, "symlink", found, options);
  }

  readlink(path: PathLike, options?: BufferEncoding | MountTextOptions | null): Promise<string>;
  readlink(path: PathLike, options: "buffer" | MountBufferOptions): Promise<Buffer>;
  async readlink(path: PathLike, options?: Encoding | Encoded | null): Promise<string | Buffer> {
    const found = mountPath(path, "readlink");
    const request = { at: 0, path: found.bytes };
    const { Data } = fileMessages;
    const { data } = await this.#call(
      m.MountReadlink,
      request,
      Data,
      "readlink",
      found,
      optionsOf<Encoded>(options),
    );
    return nameAs(data, encodingOf(options));
  }

  async truncate(path: PathLike, bytes = 0, options?: AbortOptions): Promise<void> {
    await this.#set("truncate", path, { valid: SIZE, size: Math.max(0, integer(bytes, "len")) }, options);
  }

  async chmod(path: PathLike, mode: number | string, options?: AbortOptions): Promise<void> {
    await this.#set("chmod", path, { valid: MODE, mode: fileMode(mode, "mode") }, options);
  }

  /** To whom the policy says (`owner` of its rule), and else EPERM. -1: they stay. */
  async chown(path: PathLike, uid: number, gid: number, options?: AbortOptions): Promise<void> {
    await this.#set("chown", path, ownersOf(uid, gid), options);
  }

  /** chown() of the name itself, also of a symbolic link. */
  async lchown(path: PathLike, uid: number, gid: number, options?: AbortOptions): Promise<void> {
    await this.#set("lchown", path, { ...ownersOf(uid, gid), follow: false }, options);
  }

  async utimes(path: PathLike, accessed: Time, modified: Time, options?: AbortOptions): Promise<void> {
    await this.#set("utime", path, timesOf(accessed, modified), options);
  }

  /** utimes() of the name itself, also of a symbolic link. */
  async lutimes(path: PathLike, accessed: Time, modified: Time, options?: AbortOptions): Promise<void> {
    await this.#set("lutime", path, { ...timesOf(accessed, modified), follow: false }, options);
  }

  async #set(
    syscall: string,
    path: PathLike,
    change: Partial<m.MountSetAttr>,
    options?: AbortOptions,
  ): Promise<void> {
    const found = mountPath(path, syscall);
    const request = { ...nothingSet, path: found.bytes, ...change };
    await this.#call(m.MountSetAttr, request, m.MountAttributes, syscall, found, options);
  }

  async statfs(path: PathLike, options?: AbortOptions): Promise<GuestStatFs> {
    const found = mountPath(path, "statfs");
    const request = { at: 0, path: found.bytes };
    const reply = await this.#call(m.MountStatfs, request, fsMessages.StatfsReply, "statfs", found, options);
    const {
      blockBytes: bsize,
      blocks,
      blocksFree: bfree,
      blocksAvailable: bavail,
      files,
      filesFree: ffree,
    } = reply;
    return { type: 0, bsize, blocks, bfree, bavail, files, ffree };
  }

  // ── Extended attributes ─────────────────────────────────────────────────────────────────────────────────────────

  /** Of `user.*`; ENODATA where there is none. */
  async getxattr(path: PathLike, name: string | Uint8Array, options?: AbortOptions): Promise<Buffer> {
    const found = mountPath(path, "getxattr");
    const request = { at: 0, follow: true, name: attributeName(name), path: found.bytes };
    const { Data } = fileMessages;
    return Buffer.from((await this.#call(m.MountGetXattr, request, Data, "getxattr", found, options)).data);
  }

  /** With `create`, EEXIST where there is one; with `replace`, ENODATA where there is none. */
  async setxattr(
    path: PathLike,
    name: string | Uint8Array,
    value: string | Uint8Array,
    options: AbortOptions & { readonly create?: boolean; readonly replace?: boolean } = {},
  ): Promise<void> {
    const found = mountPath(path, "setxattr");
    requireKeys(options, "option", ["create", "replace", "signal"]);
    const { CREATE, REPLACE } = m.MountXattrFlags;
    const flags = (options.create ? CREATE : 0) | (options.replace ? REPLACE : 0);
    const bytes = typeof value === "string" ? Buffer.from(value) : value;
    const attribute = { name: attributeName(name), value: bytes };
    const request = { at: 0, follow: true, flags, path: found.bytes, ...attribute };
    await this.#call(m.MountSetXattr, request, Done, "setxattr", found, options);
  }

  async listxattr(path: PathLike, options?: AbortOptions): Promise<string[]> {
    const found = mountPath(path, "listxattr");
    const request = { at: 0, follow: true, path: found.bytes };
    const { names } = await this.#call(m.MountListXattr, request, m.MountXattrs, "listxattr", found, options);
    return names.map((name) => Buffer.from(name).toString());
  }

  async removexattr(path: PathLike, name: string | Uint8Array, options?: AbortOptions): Promise<void> {
    const found = mountPath(path, "removexattr");
    const request = { at: 0, follow: true, name: attributeName(name), path: found.bytes };
    await this.#call(m.MountRemoveXattr, request, Done, "removexattr", found, options);
  }

  #call<T, R>(
    kind: Message<T>,
    request: T,
    reply: Message<R>,
    syscall: string,
    { text }: MountPath,
    { signal }: AbortOptions = {},
    dest?: MountPath,
  ): Promise<R> {
    const context: ErrorContext = { syscall, path: text, ...(dest && { dest: dest.text }) };
    return this.#connection.call(kind, request, reply, context, signal);
  }
}

function timesOf(accessed: Time, modified: Time): Partial<m.MountSetAttr> {
  const times = { accessed: toTimestamp(accessed, "atime"), modified: toTimestamp(modified, "mtime") };
  return { valid: ACCESSED | MODIFIED, ...times };
}
