// guest.fs: the host's files with handles, names that need not be UTF-8, locks, extended attributes, and watching, in
// the shape of node:fs/promises. All of it goes over one stream, a mount of "/".

import { Done, fileMessages, fsMessages, type Message, mountMessages as m } from "@ringway/control";
import type { AbortOptions } from "../abort.ts";
import { boolean, encodingOf, fileMode, integer, optionsOf } from "../argument-errors.ts";
import { codeOf, type ErrorContext } from "../errors.ts";
import { fileFlags, type OpenFlags, type PathLike } from "../files/paths.ts";
import { GuestDirent, type GuestStatFs, type Time, toTimestamp } from "../files/stats.ts";
import type { Engine } from "../stream/engine.ts";
import { MountConnection } from "./connection.ts";
import { MountFile } from "./file.ts";
import { attributeName, type MountPath, mountPath, nameAs, pathBytes } from "./path.ts";
import { nothingSet } from "./set-attr.ts";
import { MountStats } from "./stats.ts";
import { type MountChange, MountWatcher } from "./watcher.ts";

type Encoding = BufferEncoding | "buffer";
type Encoded = AbortOptions & { readonly encoding?: Encoding | null | undefined };
/** Names come as text. */
export type MountTextOptions = AbortOptions & { readonly encoding?: BufferEncoding | null | undefined };
/** Names come as Buffers. */
export type MountBufferOptions = AbortOptions & { readonly encoding: "buffer" };

const { APPEND } = fileMessages.FileFlags;
const { FOLDER, READ } = m.MountFlags;
const { MODE, SIZE, ACCESSED, MODIFIED } = m.MountValid;
const LISTING_ENTRIES = 4096;

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

  async writeFile(
    path: PathLike,
    data: string | NodeJS.ArrayBufferView,
    options: AbortOptions & { readonly flag?: OpenFlags; readonly mode?: number | string } = {},
  ): Promise<void> {
    await using file = await this.open(path, options.flag ?? "w", options.mode, options);
    const bytes = typeof data === "string" ? Buffer.from(data) : data;
    let at = 0;
    // What was short fails when it goes on.
    while (at < bytes.byteLength) {
      const place = { offset: at, ...(options.signal && { signal: options.signal }) };
      at += (await file.write(bytes, place)).bytesWritten;
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

  /** Names in a folder, in no order: as text, or as Buffers (`encoding: "buffer"`), also those that are not UTF-8. */
  readdir(
    path: PathLike,
    options?: BufferEncoding | (MountTextOptions & { readonly withFileTypes?: false | undefined }) | null,
  ): Promise<string[]>;
  readdir(
    path: PathLike,
    options: "buffer" | (MountBufferOptions & { readonly withFileTypes?: false | undefined }),
  ): Promise<Buffer[]>;
  readdir(
    path: PathLike,
    options: MountTextOptions & { readonly withFileTypes: true },
  ): Promise<GuestDirent[]>;
  readdir(
    path: PathLike,
    options: MountBufferOptions & { readonly withFileTypes: true },
  ): Promise<GuestDirent<Buffer>[]>;
  async readdir(
    path: PathLike,
    options?: Encoding | (Encoded & { readonly withFileTypes?: boolean | undefined }) | null,
  ): Promise<string[] | Buffer[] | GuestDirent[] | GuestDirent<Buffer>[]> {
    const all = optionsOf<Encoded & { readonly withFileTypes?: boolean | undefined }>(options);
    const encoding = encodingOf(options);
    const found = mountPath(path, "scandir");
    const entries = await this.#list(found, all.signal);
    const names = entries.map(({ name, kind }) => ({ name: nameAs(name, encoding), kind }));
    if (!all.withFileTypes) return names.map(({ name }) => name) as string[];
    return names.map(({ name, kind }) => new GuestDirent(name, found.text, kind)) as GuestDirent[];
  }

  async #list({ bytes, text }: MountPath, signal: AbortSignal | undefined): Promise<m.MountName[]> {
    const context = { syscall: "scandir", path: text };
    return await this.#connection.use("file", signal, async (stream) => {
      const request = { at: 0, flags: READ | FOLDER, mode: 0, path: bytes };
      const release = (handle: number): Promise<unknown> =>
        stream.call(m.MountRelease, { handle }, Done, context).catch(() => {});
      const extras = { onLate: ({ handle }: m.MountHandle): void => void release(handle) };
      const { handle } = await stream.call(m.MountOpen, request, m.MountHandle, context, signal, extras);
      try {
        const all: m.MountName[] = [];
        for (let from = { cookieLow: 0, cookieHigh: 0 }; ; ) {
          const next = { handle, ...from, entries: LISTING_ENTRIES };
          const { entries } = await stream.call(m.MountReadDir, next, m.MountNames, context, signal);
          const last = entries.at(-1);
          if (last === undefined) return all;
          for (const entry of entries) all.push(entry);
          from = { cookieLow: last.cookieLow, cookieHigh: last.cookieHigh };
        }
      } finally {
        await release(handle);
      }
    });
  }

  /** Makes a folder; with `recursive`, those above it too, and one that is there is no error. */
  async mkdir(
    path: PathLike,
    options: AbortOptions & { readonly recursive?: boolean; readonly mode?: number | string } = {},
  ): Promise<void> {
    const found = mountPath(path, "mkdir");
    const mode = fileMode(options.mode, "mode", 0o777);
    boolean(options.recursive ?? false, "options.recursive");
    const make = (part: Uint8Array): Promise<unknown> =>
      this.#call(m.MountMkdir, { at: 0, mode, path: part }, m.MountAttributes, "mkdir", found, options);
    if (!options.recursive) {
      await make(found.bytes);
      return;
    }
    for (const part of foldersOf(found.bytes)) {
      try {
        await make(part);
      } catch (error) {
        // Above the roots nobody makes anything, and nothing is missing.
        if (part.length === found.bytes.length || !["EEXIST", "EROFS", "EACCES"].includes(codeOf(error))) {
          if (codeOf(error) !== "EEXIST" || !(await this.stat(path, options)).isDirectory()) throw error;
        }
      }
    }
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

/** The folders on a path, from the first to the last. */
function foldersOf(path: Uint8Array): Uint8Array[] {
  const folders: Uint8Array[] = [];
  for (let slash = path.indexOf(SLASH); slash >= 0; slash = path.indexOf(SLASH, slash + 1)) {
    if (slash < path.length - 1) folders.push(path.subarray(0, slash));
  }
  return [...folders, path];
}

const SLASH = 0x2f;
