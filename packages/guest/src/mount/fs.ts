// guest.fs: the host's files with handles, names that need not be UTF-8, locks, extended attributes, and watching, in
// the shape of node:fs/promises. All of it goes over one stream, a mount of "/".

import { Done, fileMessages, fsMessages, type Message, mountMessages as m } from "@ringway/control";
import { requireKeys, requireObject } from "@ringway/linux";
import { type AbortOptions, withOwnSignal } from "../abort.ts";
import { boolean, encodingOf, fileMode, integer, optionsOf } from "../argument-errors.ts";
import { codeOf, type ErrorContext } from "../errors.ts";
import { isView, notData } from "../files/file-arguments.ts";
import { type WholeFileOptions, wholeBytes } from "../files/file-data.ts";
import { withBytesWritten } from "../files/file-requests.ts";
import type { MkdirOptions, ReaddirOptions } from "../files/fs.ts";
import { fileFlags, type OpenFlags, type PathLike } from "../files/paths.ts";
import { GuestDirent, type GuestStatFs, type Time, toTimestamp } from "../files/stats.ts";
import type { Engine } from "../stream/engine.ts";
import { MountConnection } from "./connection.ts";
import { MountFile } from "./file.ts";
import { type Found, foldersOf, listed, placeOf } from "./folders.ts";
import { attributeName, type MountPath, mountPath, nameAs, pathBytes } from "./path.ts";
import { nothingSet, ownersOf } from "./set-attr.ts";
import { MountStats } from "./stats.ts";
import { type MountChange, MountWatcher } from "./watcher.ts";

type Encoding = BufferEncoding | "buffer";
type Encoded = AbortOptions & { readonly encoding?: Encoding | null | undefined };
/** Names come as text. */
export type MountTextOptions = AbortOptions & { readonly encoding?: BufferEncoding | null | undefined };
/** Names come as Buffers. */
export type MountBufferOptions = AbortOptions & { readonly encoding: "buffer" };
/** As fs.writeFile()'s. */
export interface MountWriteOptions extends WholeFileOptions {
  /** Default "w". */
  readonly flag?: OpenFlags | undefined;
  /** Permission bits of a file that this creates. Default 0o666, less the host's umask. */
  readonly mode?: number | string | undefined;
}

const { APPEND } = fileMessages.FileFlags;
const { MODE, SIZE, ACCESSED, MODIFIED } = m.MountValid;

export class MountFs {
  readonly #connection: MountConnection;

  /** @internal */
  constructor(engine: Engine) {
    this.#connection = new MountConnection(engine);
  }

  /** @internal */
  close(): void {
    this.#connection.close();
  }

  /** Opens a file; close it, or declare it with `await using`. Arguments as of fs.open(). */
  async open(
    path: PathLike,
    flags?: OpenFlags | null,
    mode?: number | string | null,
    { signal }: AbortOptions = {},
  ): Promise<MountFile> {
    const { bytes, text } = mountPath(path, "open");
    const wanted = fileFlags(flags);
    const appends = (wanted & APPEND) !== 0;
    const request = { at: 0, flags: wanted & ~APPEND, mode: fileMode(mode, "mode", 0o666), path: bytes };
    const context = { syscall: "open", path: text };
    return await this.#connection.use("file", signal, async (stream) => {
      const onLate = ({ handle }: m.MountHandle): void => {
        stream.call(m.MountRelease, { handle }, Done, context).catch(() => {});
      };
      const opened = await stream.call(m.MountOpen, request, m.MountHandle, context, signal, { onLate });
      return new MountFile(stream, text, opened, appends);
    });
  }

  readFile(
    path: PathLike,
    options?: (AbortOptions & { encoding?: null | undefined }) | null,
  ): Promise<Buffer>;
  readFile(
    path: PathLike,
    options: BufferEncoding | (AbortOptions & { encoding: BufferEncoding }),
  ): Promise<string>;
  async readFile(
    path: PathLike,
    options?: BufferEncoding | (AbortOptions & { encoding?: BufferEncoding | null | undefined }) | null,
  ): Promise<Buffer | string> {
    await using file = await this.open(path, "r", undefined, optionsOf<AbortOptions>(options));
    return await file.readFile(options as BufferEncoding);
  }

  /** Of an error that the host tells, `bytesWritten` says how much is in the file. */
  async writeFile(
    path: PathLike,
    data: string | NodeJS.ArrayBufferView,
    options?: BufferEncoding | MountWriteOptions | null,
  ): Promise<void> {
    const { flag, mode, signal } = optionsOf<MountWriteOptions>(options);
    if (typeof data !== "string" && !isView(data)) throw notData("data", data);
    const bytes = wholeBytes(data, encodingOf(options))!;
    await using file = await this.open(path, flag ?? "w", mode, { signal });
    let at = 0;
    try {
      // What was short fails when it goes on.
      while (at < bytes.length) at += (await file.write(bytes, { offset: at, signal })).bytesWritten;
    } catch (error) {
      throw withBytesWritten(error, at);
    }
  }

  // ── Names ───────────────────────────────────────────────────────────────────────────────────────────────────────

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

  // ── Watching ────────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * What happens to a file, or to a folder's entries and, with `recursive`, to all below: whoever does it.
   * `for await (const change of guest.fs.watch(path))`; leave the loop, or abort, to end it.
   */
  watch(
    path: PathLike,
    options?: BufferEncoding | (MountTextOptions & { readonly recursive?: boolean | undefined }) | null,
  ): AsyncGenerator<MountChange, void, void>;
  watch(
    path: PathLike,
    options: "buffer" | (MountBufferOptions & { readonly recursive?: boolean | undefined }),
  ): AsyncGenerator<MountChange<Buffer>, void, void>;
  watch(
    path: PathLike,
    options?: Encoding | (Encoded & { readonly recursive?: boolean | undefined }) | null,
  ): AsyncGenerator<MountChange<string | Buffer>, void, void> {
    const { recursive = false, signal } = optionsOf<Encoded & { readonly recursive?: boolean | undefined }>(
      options,
    );
    boolean(recursive, "options.recursive");
    const init = { path: mountPath(path, "watch"), recursive, encoding: encodingOf(options), signal };
    return new MountWatcher(init).changes(this.#connection);
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
