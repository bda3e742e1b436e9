// An open file of the host's, as FileHandle of node:fs/promises. What is in it is read and written in
// file-contents.ts; here is what is said of the file itself, its streams, and its end.

import type { ReadStream, WriteStream } from "node:fs";
import type { Interface } from "node:readline";
import type { ReadableStream } from "node:stream/web";
import { Done, fileMessages, StatReply } from "@ringway/control";
import { Errno } from "@ringway/linux";
import type { AbortOptions } from "../abort.ts";
import { fileMode, integer } from "../argument-errors.ts";
import { type ErrorContext, errnoError, unsupported } from "../errors.ts";
import type { Engine } from "../stream/engine.ts";
import { FileContents } from "./file-contents.ts";
import {
  type HandleStreamOptions,
  linesOf,
  readStreamOf,
  webStreamOf,
  writeStreamOf,
} from "./file-handle-streams.ts";
import type { GuestFs } from "./fs.ts";
import { OpenFile, type OpenFileOptions } from "./open-file.ts";
import type { OpenFlags, PathLike } from "./paths.ts";
import { GuestBigIntStats, GuestStats, type StatOptions, type Time } from "./stats.ts";

/**
 * An open file: Guest.open() gives it. Its calls reject with RingwayErrors: EBADF once it is closed, and what the
 * host's system call fails with. An abort ends the wait with AbortError.
 */
export class GuestFile extends FileContents {
  /** The path that was opened. */
  readonly path: string;
  /** The file as it was when it was opened. */
  readonly opened: GuestStats;
  readonly #file: OpenFile;
  readonly #fs: GuestFs;
  #closing: Promise<void> | undefined;

  private constructor(file: OpenFile, fs: GuestFs) {
    super(file);
    this.path = file.path;
    this.opened = file.opened;
    this.#file = file;
    this.#fs = fs;
  }

  /** @internal Use Guest.open(). */
  static async open(
    engine: Engine,
    fs: GuestFs,
    path: PathLike,
    flags: OpenFlags | null | undefined,
    mode: number | string | null | undefined,
    options: OpenFileOptions,
  ): Promise<GuestFile> {
    return new GuestFile(await OpenFile.open(engine, path, flags, mode, options), fs);
  }

  /** A file of the host's has no descriptor in the guest: ENOSYS. -1 once the file is closed. */
  get fd(): number {
    if (this.#file.uses.closed) return -1;
    throw unsupported("fd", "a file of the host's has no descriptor in the guest", this.path);
  }

  /** There is no such thing here: ENOSYS. */
  getAsyncId(): never {
    throw unsupported("getAsyncId", "a file of the host's is no async resource", this.path);
  }

  /** The file as it is now. */
  stat(options?: StatOptions & { readonly bigint?: false | undefined }): Promise<GuestStats>;
  stat(options: StatOptions & { readonly bigint: true }): Promise<GuestBigIntStats>;
  async stat(options: StatOptions = {}): Promise<GuestStats | GuestBigIntStats> {
    const reply = await this.#file.use("fstat", (context) =>
      this.#file.rpc.call(fileMessages.FileStat, {}, StatReply, context, options.signal),
    );
    return options.bigint ? new GuestBigIntStats(reply) : new GuestStats(reply);
  }

  /** Makes it `bytes` long: cuts it, or adds zeros. A negative number counts as 0. */
  async truncate(bytes: number | null = 0, options: AbortOptions = {}): Promise<void> {
    await this.#file.use("ftruncate", async (context) => {
      const request = { bytes: Math.max(0, integer(bytes ?? 0, "len")) };
      await this.#file.rpc.call(fileMessages.Truncate, request, Done, context, options.signal);
    });
  }

  /** Resolves when what was written is on the host's disk. */
  async sync(options: AbortOptions = {}): Promise<void> {
    await this.#file.use("fsync", (context) => this.#file.requests.sync(0, context, options.signal));
  }

  /** sync(), without what reading the data does not need. */
  async datasync(options: AbortOptions = {}): Promise<void> {
    await this.#file.use("fdatasync", (context) => this.#file.requests.sync(1, context, options.signal));
  }

  /** By the file's name, since no request does it to an open file: ESTALE where the name is another file's by now. */
  async utimes(accessed: Time, modified: Time, options: AbortOptions = {}): Promise<void> {
    await this.#file.use("futime", async (context) => {
      await this.#stillNamed(context, options);
      await this.#fs.utimes(this.path, accessed, modified, options);
    });
  }

  /** As utimes(): by the file's name. */
  async chmod(mode: number | string, options: AbortOptions = {}): Promise<void> {
    await this.#file.use("fchmod", async (context) => {
      const bits = fileMode(mode, "mode");
      await this.#stillNamed(context, options);
      await this.#fs.chmod(this.path, bits, options);
    });
  }

  /** The protocol has no owners: ENOSYS. */
  async chown(uid: number, gid: number): Promise<void> {
    this.#file.context("fchown");
    for (const [name, id] of Object.entries({ uid, gid })) integer(id, name, -1, 0xffff_ffff);
    throw unsupported("fchown", "open files of guest.fs have chown()", this.path);
  }

  /** The file as an fs.ReadStream, from the file position or from `start` on; it closes the file when it ends. */
  createReadStream(options?: HandleStreamOptions & { readonly end?: number | undefined }): ReadStream {
    this.#file.context("read");
    return readStreamOf(this, this.#file.uses, options);
  }

  /** An fs.WriteStream to the file position, or from `start` on; it closes the file when it ends. */
  createWriteStream(options?: HandleStreamOptions): WriteStream {
    this.#file.context("write");
    return writeStreamOf(this, this.#file.uses, options);
  }

  /** The lines that follow: for await (const line of file.readLines()). */
  readLines(options?: HandleStreamOptions & { readonly end?: number | undefined }): Interface {
    this.#file.context("read");
    return linesOf(this, this.#file.uses, options);
  }

  /** What follows the file position, as bytes. */
  readableWebStream(): ReadableStream<Uint8Array> {
    this.#file.context("read");
    return webStreamOf(this, this.#file.uses);
  }

  /** Closes the file when the calls that are under way and its streams are over; a second call waits for the first. */
  close(): Promise<void> {
    if (this.#closing === undefined) {
      this.#closing = this.#file.close();
      this.emit("close");
    }
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #stillNamed(context: ErrorContext, options: AbortOptions): Promise<void> {
    const named = await this.#fs.stat(this.path, options);
    if (named.ino !== this.opened.ino) throw errnoError(Errno.ESTALE, context);
  }
}
