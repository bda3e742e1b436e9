// File names: stat, readdir, mkdir and so on, all over one stream that is opened when it is first needed and then kept.

import { Done, type Frame, fsMessages, type Message, Protocol, StatReply } from "@ringway/control";
import type { AbortOptions } from "../abort.ts";
import { fileMode } from "../argument-errors.ts";
import type { ErrorContext } from "../errors.ts";
import { decodeReply } from "../stream/calls.ts";
import type { Engine } from "../stream/engine.ts";
import { KeptRpc } from "../stream/kept-rpc.ts";
import type { Rings } from "../stream/room.ts";
import { guestPath, type PathLike, pathText } from "./paths.ts";
import { GuestDirent, type GuestStatFs, GuestStats, type Time, toTimestamp } from "./stats.ts";
import { Turns } from "./turns.ts";

export interface MkdirOptions extends AbortOptions {
  /** The folders above it too; one that is there is no error. Default false. */
  readonly recursive?: boolean | undefined;
  /** Permission bits, as a number or as text in octal. Default 0o777, less the host's umask. */
  readonly mode?: number | string | undefined;
}
export interface ReaddirOptions extends AbortOptions {
  /** Entries, not names. Default false. */
  readonly withFileTypes?: boolean | undefined;
  /** Of the folders below too, as paths from this one. Symbolic links are not followed. Default false. */
  readonly recursive?: boolean | undefined;
  /** "buffer" gives Buffers. Default "utf8". */
  readonly encoding?: BufferEncoding | "buffer" | null | undefined;
}

/**
 * What readdir() found: an array, which also says how many names it left out, because they are not UTF-8 and no guest
 * could use them. A folder that holds nothing else lists as empty, and is not.
 */
export interface Listing<T> extends Array<T> {
  /** How many names were left out. */
  readonly skipped: number;
}

/** `skipped` does not show where the array is printed, compared or copied. */
export function listing<T>(entries: T[], skipped: number): Listing<T> {
  return Object.defineProperty(entries, "skipped", { value: skipped }) as Listing<T>;
}

/** Reached seldom; pipelined. */
const RINGS: Rings = { toHostBytes: 64 * 1024, toGuestBytes: 64 * 1024 };

export class GuestFs {
  /** Calls that hold a file while they open a second. */
  readonly pairs: Turns = new Turns();
  readonly #kept: KeptRpc;

  constructor(engine: Engine) {
    this.#kept = new KeptRpc(engine, Protocol.FS, RINGS, "fs");
  }

  /** `syscall`: what the program asked for, where this is a part of it. */
  async stat(path: PathLike, options: AbortOptions = {}, syscall = "stat"): Promise<GuestStats> {
    return new GuestStats(await this.statReply(path, options, syscall));
  }

  async lstat(path: PathLike, options: AbortOptions = {}, syscall = "lstat"): Promise<GuestStats> {
    return new GuestStats(await this.lstatReply(path, options, syscall));
  }

  statReply(path: PathLike, options: AbortOptions, syscall = "stat"): Promise<StatReply> {
    return this.#path(fsMessages.Stat, path, syscall, StatReply, options);
  }

  lstatReply(path: PathLike, options: AbortOptions, syscall = "lstat"): Promise<StatReply> {
    return this.#path(fsMessages.Lstat, path, syscall, StatReply, options);
  }

  async readdir(
    path: PathLike,
    options: AbortOptions = {},
    syscall = "scandir",
  ): Promise<Listing<GuestDirent>> {
    const text = guestPath(path, syscall);
    return await this.#kept.withRoom(
      "file",
      () => this.#list(text, { syscall, path: text }, options),
      options.signal,
    );
  }

  async #list(text: string, context: ErrorContext, options: AbortOptions): Promise<Listing<GuestDirent>> {
    const found: GuestDirent[] = [];
    let skipped = 0;
    const rpc = await this.#kept.open(options.signal);
    const onReply = (frame: Frame): Listing<GuestDirent> | undefined => {
      const part = decodeReply(frame, fsMessages.Entries);
      for (const { name, kind } of part.entries) found.push(new GuestDirent(name, text, kind));
      skipped += part.skipped;
      return part.more ? undefined : listing(found, skipped);
    };
    return await rpc.calls(fsMessages.ReadDir, { path: text }, context, options.signal, onReply);
  }

  mkdir(path: PathLike, options: MkdirOptions = {}): Promise<void> {
    const text = guestPath(path, "mkdir");
    const mode = fileMode(options.mode, "mode", 0o777);
    const request = { mode, parents: options.recursive ?? false, path: text };
    return this.#done(fsMessages.Mkdir, request, { syscall: "mkdir", path: text }, options);
  }

  async unlink(path: PathLike, options: AbortOptions = {}): Promise<void> {
    await this.#path(fsMessages.Unlink, path, "unlink", Done, options);
  }

  async rmdir(path: PathLike, options: AbortOptions = {}): Promise<void> {
    await this.#path(fsMessages.Rmdir, path, "rmdir", Done, options);
  }

  rename(from: PathLike, to: PathLike, options: AbortOptions = {}): Promise<void> {
    const request = { from: guestPath(from, "rename", "oldPath"), to: guestPath(to, "rename", "newPath") };
    const context = { syscall: "rename", path: request.from, dest: request.to };
    return this.#done(fsMessages.Rename, request, context, options);
  }

  symlink(target: PathLike, path: PathLike, options: AbortOptions = {}): Promise<void> {
    const request = { target: pathText(target, "symlink", "target"), path: guestPath(path, "symlink") };
    const context = { syscall: "symlink", path: request.target, dest: request.path };
    return this.#done(fsMessages.Symlink, request, context, options);
  }

  async readlink(path: PathLike, options: AbortOptions = {}): Promise<string> {
    const reply = await this.#path(fsMessages.Readlink, path, "readlink", fsMessages.Target, options);
    return reply.target;
  }

  chmod(path: PathLike, mode: number | string, options: AbortOptions = {}): Promise<void> {
    const text = guestPath(path, "chmod");
    const request = { mode: fileMode(mode, "mode"), path: text };
    return this.#done(fsMessages.Chmod, request, { syscall: "chmod", path: text }, options);
  }

  utimes(path: PathLike, accessed: Time, modified: Time, options: AbortOptions = {}): Promise<void> {
    const text = guestPath(path, "utime");
    const times = { accessed: toTimestamp(accessed, "atime"), modified: toTimestamp(modified, "mtime") };
    const request = { ...times, path: text };
    return this.#done(fsMessages.Utimes, request, { syscall: "utime", path: text }, options);
  }

  async statfs(path: PathLike, options: AbortOptions = {}): Promise<GuestStatFs> {
    const reply = await this.#path(fsMessages.Statfs, path, "statfs", fsMessages.StatfsReply, options);
    return {
      type: 0,
      bsize: reply.blockBytes,
      blocks: reply.blocks,
      bfree: reply.blocksFree,
      bavail: reply.blocksAvailable,
      files: reply.files,
      ffree: reply.filesFree,
    };
  }

  /** Ends the stream, if there is one. */
  close(): void {
    this.#kept.close();
  }

  async #path<R>(
    kind: Message<fsMessages.PathRequest>,
    path: PathLike,
    syscall: string,
    reply: Message<R>,
    { signal }: AbortOptions,
  ): Promise<R> {
    const text = guestPath(path, syscall);
    const context = { syscall, path: text };
    const ask = async (): Promise<R> => {
      const rpc = await this.#kept.open(signal);
      return await rpc.call(kind, { path: text }, reply, context, signal);
    };
    return await this.#kept.withRoom("request", ask, signal);
  }

  async #done<T>(
    kind: Message<T>,
    request: T,
    context: ErrorContext,
    { signal }: AbortOptions,
  ): Promise<void> {
    const ask = async (): Promise<void> => {
      const rpc = await this.#kept.open(signal);
      await rpc.call(kind, request, Done, context, signal);
    };
    await this.#kept.withRoom("request", ask, signal);
  }
}
