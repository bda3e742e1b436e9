// An open file of the host's, as FileHandle of node:fs/promises: its methods in each of their forms. What they ask of the host is in
// file-requests.ts.

import { EventEmitter } from "node:events";
import type { ReadStream, WriteStream } from "node:fs";
import type { Interface } from "node:readline";
import type { ReadableStream } from "node:stream/web";
import { Done, fileMessages, Protocol, StatReply } from "@ringway/control";
import { Errno } from "@ringway/linux";
import type { AbortOptions } from "../abort.ts";
import { encodingOf, fileMode, integer, invalidValue, optionsOf } from "../argument-errors.ts";
import { codeOf, DETACHED, type ErrorContext, errnoError, RingwayError, unsupported } from "../errors.ts";
import type { Engine } from "../stream/engine.ts";
import { openStream } from "../stream/open-stream.ts";
import { ringWish, STREAM_RINGS } from "../stream/room.ts";
import { Rpc } from "../stream/rpc.ts";
import {
  bytesOf,
  type FilePlace,
  type ReadOptions,
  readWork,
  viewsOf,
  writePosition,
  writeWork,
} from "./file-arguments.ts";
import { checkData, chunksOf, type FileData, type WholeFileOptions } from "./file-data.ts";
import {
  type HandleStreamOptions,
  linesOf,
  readStreamOf,
  webStreamOf,
  writeStreamOf,
} from "./file-handle-streams.ts";
import { FileRequests, withBytesWritten } from "./file-requests.ts";
import { FileUses } from "./file-uses.ts";
import type { GuestFs } from "./fs.ts";
import { fileFlags, guestPath, type OpenFlags, type PathLike, syncsWrites } from "./paths.ts";
import { GuestBigIntStats, GuestStats, type StatOptions, type Time } from "./stats.ts";

export interface OpenFileOptions extends AbortOptions {
  /** Size of each of the two rings, in bytes. Default 256 KiB. */
  readonly ringBytes?: number | undefined;
}

interface FileEvents {
  close: [];
}

export class GuestFile extends EventEmitter<FileEvents> {
  /** The path that was opened. */
  readonly path: string;
  /** The file as it was when it was opened. */
  readonly opened: GuestStats;
  readonly #fs: GuestFs;
  readonly #rpc: Rpc;
  readonly #flags: number;
  readonly #syncs: boolean;
  readonly #requests: FileRequests;
  readonly #uses: FileUses = new FileUses();
  #closing: Promise<void> | undefined;

  private constructor(
    path: string,
    flags: OpenFlags | null | undefined,
    opened: GuestStats,
    rpc: Rpc,
    fs: GuestFs,
  ) {
    super();
    this.path = path;
    this.opened = opened;
    this.#fs = fs;
    this.#rpc = rpc;
    this.#flags = fileFlags(flags);
    this.#syncs = syncsWrites(flags);
    this.#requests = new FileRequests(rpc);
  }

  /** Internal: use Guest.open(). */
  static async open(
    engine: Engine,
    fs: GuestFs,
    path: PathLike,
    flags: OpenFlags | null | undefined,
    mode: number | string | null | undefined,
    options: OpenFileOptions,
  ): Promise<GuestFile> {
    const text = guestPath(path, "open");
    const bits = fileFlags(flags);
    const body = fileMessages.FileOpen.encode({
      flags: bits,
      mode: fileMode(mode, "mode", 0o666),
      path: text,
    });
    const request = {
      protocol: Protocol.FILE,
      body,
      rings: ringWish(options.ringBytes, STREAM_RINGS),
      context: { syscall: "open", path: text },
      signal: options.signal,
    };
    const { stream, opened } = await openStream(engine, request, (bytes) => {
      return new GuestStats(fileMessages.FileOpened.decode(bytes));
    });
    return new GuestFile(text, flags, opened, new Rpc(stream, () => {}), fs);
  }

  /** A file of the host's has no descriptor in the guest: ENOSYS. -1 once the file is closed. */
  get fd(): number {
    if (this.#uses.closed) return -1;
    throw unsupported("fd", "a file of the host's has no descriptor in the guest", this.path);
  }

  /** There is no such thing here: ENOSYS. */
  getAsyncId(): never {
    throw unsupported("getAsyncId", "a file of the host's is no async resource", this.path);
  }

  /** Reads at `position` or (null) at the file position. Fewer bytes may come, as with read(2); 0 at the end. */
  read<B extends NodeJS.ArrayBufferView>(
    buffer: B,
    offset?: number | null,
    length?: number | null,
    position?: number | bigint | null,
    options?: AbortOptions,
  ): Promise<{ bytesRead: number; buffer: B }>;
  read<B extends NodeJS.ArrayBufferView>(
    buffer: B,
    options?: FilePlace | null,
  ): Promise<{ bytesRead: number; buffer: B }>;
  read<B extends NodeJS.ArrayBufferView = Buffer>(
    options?: ReadOptions<B> | null,
  ): Promise<{ bytesRead: number; buffer: B }>;
  async read(
    first?: unknown,
    second?: unknown,
    length?: unknown,
    position?: unknown,
    options: AbortOptions = {},
  ): Promise<{ bytesRead: number; buffer: NodeJS.ArrayBufferView }> {
    return await this.#use("read", async (context) => {
      const work = readWork(first, second, length, position);
      const signal = work.signal ?? options.signal;
      const bytesRead = await this.#requests.read([work.target], work.position, context, signal);
      return { bytesRead, buffer: work.buffer };
    });
  }

  /** Reads into the buffers one after the other. */
  async readv<B extends readonly NodeJS.ArrayBufferView[]>(
    buffers: B,
    position?: number | null,
    options: AbortOptions = {},
  ): Promise<{ bytesRead: number; buffers: B }> {
    return await this.#use("read", async (context) => {
      const targets = viewsOf(buffers).map(bytesOf);
      if (targets.length === 0) throw errnoError(Errno.EINVAL, context);
      const bytesRead = await this.#requests.read(targets, writePosition(position), context, options.signal);
      return { bytesRead, buffers };
    });
  }

  /** All that follows the file position. */
  readFile(options?: (AbortOptions & { readonly encoding?: null | undefined }) | null): Promise<Buffer>;
  readFile(options: BufferEncoding | (AbortOptions & { readonly encoding: BufferEncoding })): Promise<string>;
  readFile(
    options?:
      | BufferEncoding
      | (AbortOptions & { readonly encoding?: BufferEncoding | null | undefined })
      | null,
  ): Promise<Buffer | string>;
  async readFile(
    options?:
      | BufferEncoding
      | (AbortOptions & { readonly encoding?: BufferEncoding | null | undefined })
      | null,
  ): Promise<Buffer | string> {
    return await this.#use("read", async (context) => {
      const { signal } = optionsOf(options);
      const encoding = encodingOf(options);
      const chunks = await this.#requests.readAll(context, signal);
      return joined(chunks, context, encoding);
    });
  }

  /**
   * Writes at `position` or (null) at the file position. All of it, or an error whose `bytesWritten` says how much of it is in
   * the file. Text goes with (text, position, encoding), as in node:fs.
   */
  write<B extends NodeJS.ArrayBufferView>(
    buffer: B,
    offset?: number | null,
    length?: number | null,
    position?: number | null,
    options?: AbortOptions,
  ): Promise<{ bytesWritten: number; buffer: B }>;
  write<B extends NodeJS.ArrayBufferView>(
    buffer: B,
    options?: FilePlace | null,
  ): Promise<{ bytesWritten: number; buffer: B }>;
  write(
    text: string,
    position?: number | null,
    encoding?: BufferEncoding | null,
    unused?: undefined,
    options?: AbortOptions,
  ): Promise<{ bytesWritten: number; buffer: string }>;
  async write(
    data: NodeJS.ArrayBufferView | string,
    second?: unknown,
    third?: unknown,
    fourth?: unknown,
    options: AbortOptions = {},
  ): Promise<{ bytesWritten: number; buffer: NodeJS.ArrayBufferView | string }> {
    return await this.#use("write", async (context) => {
      const work = writeWork(data, second, third, fourth);
      if (work === undefined) return { bytesWritten: 0, buffer: data };
      const signal = work.signal ?? options.signal;
      const bytesWritten = await this.#write([work.source], work.position, context, signal);
      return { bytesWritten, buffer: data };
    });
  }

  /** Writes the buffers one after the other; one that fits a request is not divided. */
  async writev<B extends readonly NodeJS.ArrayBufferView[]>(
    buffers: B,
    position?: number | null,
    options: AbortOptions = {},
  ): Promise<{ bytesWritten: number; buffers: B }> {
    return await this.#use("write", async (context) => {
      const sources = viewsOf(buffers).map(bytesOf);
      if (sources.length === 0) return { bytesWritten: 0, buffers };
      const bytesWritten = await this.#write(sources, writePosition(position), context, options.signal);
      return { bytesWritten, buffers };
    });
  }

  /** Writes all of `data` from the file position on. */
  async writeFile(data: FileData, options?: WholeFileOptions | BufferEncoding | null): Promise<void> {
    await this.#use("write", async (context) => {
      const { signal } = optionsOf(options);
      const encoding = encodingOf(options);
      checkData(data);
      let bytesWritten = 0;
      for await (const chunk of chunksOf(data, encoding)) {
        try {
          bytesWritten += await this.#write([chunk], null, context, signal);
        } catch (error) {
          throw withBytesWritten(error, bytesWritten);
        }
      }
    });
  }

  /** writeFile(): where the bytes go is up to the flags that the file was opened with. */
  appendFile(data: FileData, options?: WholeFileOptions | BufferEncoding | null): Promise<void> {
    return this.writeFile(data, options);
  }

  /** Moves the file position; resolves with it. */
  async seek(
    offset: number,
    whence: "start" | "current" | "end" = "start",
    options: AbortOptions = {},
  ): Promise<number> {
    return await this.#use("lseek", async (context) => {
      const { Seek, Position, Whence } = fileMessages;
      const from = { start: Whence.START, current: Whence.CURRENT, end: Whence.END }[whence];
      if (from === undefined) throw invalidValue("whence", whence);
      const request = { whence: from, offset: integer(offset, "offset") };
      const call = (): Promise<fileMessages.Position> =>
        this.#rpc.call(Seek, request, Position, context, options.signal);
      return (await this.#requests.inOrder(false, call, options.signal)).offset;
    });
  }

  stat(options?: StatOptions & { readonly bigint?: false | undefined }): Promise<GuestStats>;
  stat(options: StatOptions & { readonly bigint: true }): Promise<GuestBigIntStats>;
  async stat(options: StatOptions = {}): Promise<GuestStats | GuestBigIntStats> {
    const reply = await this.#use("fstat", (context) =>
      this.#rpc.call(fileMessages.FileStat, {}, StatReply, context, options.signal),
    );
    return options.bigint ? new GuestBigIntStats(reply) : new GuestStats(reply);
  }

  async truncate(bytes: number | null = 0, options: AbortOptions = {}): Promise<void> {
    await this.#use("ftruncate", async (context) => {
      const request = { bytes: Math.max(0, integer(bytes ?? 0, "len")) };
      await this.#rpc.call(fileMessages.Truncate, request, Done, context, options.signal);
    });
  }

  async sync(options: AbortOptions = {}): Promise<void> {
    await this.#use("fsync", (context) => this.#requests.sync(0, context, options.signal));
  }

  async datasync(options: AbortOptions = {}): Promise<void> {
    await this.#use("fdatasync", (context) => this.#requests.sync(1, context, options.signal));
  }

  /** By the file's name, since no request does it to an open file: ESTALE where the name is another file's by now. */
  async utimes(accessed: Time, modified: Time, options: AbortOptions = {}): Promise<void> {
    await this.#use("futime", async (context) => {
      await this.#stillNamed(context, options);
      await this.#fs.utimes(this.path, accessed, modified, options);
    });
  }

  /** As utimes(): by the file's name. */
  async chmod(mode: number | string, options: AbortOptions = {}): Promise<void> {
    await this.#use("fchmod", async (context) => {
      const bits = fileMode(mode, "mode");
      await this.#stillNamed(context, options);
      await this.#fs.chmod(this.path, bits, options);
    });
  }

  /** The protocol has no owners: ENOSYS. */
  async chown(uid: number, gid: number): Promise<void> {
    this.#context("fchown");
    for (const [name, id] of Object.entries({ uid, gid })) integer(id, name, -1, 0xffff_ffff);
    throw unsupported("fchown", "owners of files are the host's own affair", this.path);
  }

  /** The file as an fs.ReadStream, from the file position or from `start` on; it closes the file when it ends. */
  createReadStream(options?: HandleStreamOptions & { readonly end?: number | undefined }): ReadStream {
    this.#context("read");
    return readStreamOf(this, this.#uses, options);
  }

  /** An fs.WriteStream to the file position, or from `start` on; it closes the file when it ends. */
  createWriteStream(options?: HandleStreamOptions): WriteStream {
    this.#context("write");
    return writeStreamOf(this, this.#uses, options);
  }

  /** The lines that follow: for await (const line of file.readLines()). */
  readLines(options?: HandleStreamOptions & { readonly end?: number | undefined }): Interface {
    this.#context("read");
    return linesOf(this, this.#uses, options);
  }

  /** What follows the file position, as bytes. */
  readableWebStream(): ReadableStream<Uint8Array> {
    this.#context("read");
    return webStreamOf(this, this.#uses);
  }

  /** Closes the file when the calls that are under way and its streams are over; a second call waits for the first. */
  close(): Promise<void> {
    if (this.#closing === undefined) {
      this.#closing = this.#close();
      this.emit("close");
    }
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    await this.#uses.close();
    if (this.#rpc.ended) return;
    const done = this.#rpc.call(fileMessages.Close, {}, Done, { syscall: "close", path: this.path });
    try {
      await done;
    } catch (error) {
      // Where the guest itself has left, the host closes the file all the same.
      if (codeOf(error) !== DETACHED) throw error;
    } finally {
      this.#rpc.close();
    }
  }

  /** One call of the program's: the file stays open until it is over. */
  async #use<T>(syscall: string, work: (context: ErrorContext) => Promise<T>): Promise<T> {
    const context = this.#context(syscall);
    this.#uses.begin();
    try {
      return await work(context);
    } finally {
      this.#uses.end();
    }
  }

  #context(syscall: string): ErrorContext {
    if (this.#uses.closed) throw errnoError(Errno.EBADF, { syscall });
    return { syscall, path: this.path };
  }

  async #write(
    sources: readonly Uint8Array[],
    position: number | null,
    context: ErrorContext,
    signal: AbortSignal | undefined,
  ): Promise<number> {
    const isEmpty = sources.every(({ length }) => length === 0);
    if (isEmpty && (this.#flags & fileMessages.FileFlags.WRITE) === 0) throw errnoError(Errno.EBADF, context);
    const bytesWritten = await this.#requests.write(sources, position, context, signal);
    if (this.#syncs) await this.#requests.sync(0, context, signal);
    return bytesWritten;
  }

  async #stillNamed(context: ErrorContext, options: AbortOptions): Promise<void> {
    const named = await this.#fs.stat(this.path, options);
    if (named.ino !== this.opened.ino) throw errnoError(Errno.ESTALE, context);
  }
}

function joined(
  chunks: readonly Uint8Array[],
  context: ErrorContext,
  encoding: BufferEncoding | "buffer" | undefined,
): Buffer | string {
  let whole: Buffer;
  try {
    whole = Buffer.concat(chunks);
  } catch (cause) {
    const message = `${context.path} has more bytes than fit one Buffer`;
    throw new RingwayError("ERR_FS_FILE_TOO_LARGE", message, { ...context, cause });
  }
  return encoding === undefined ? whole : whole.toString(encoding as BufferEncoding);
}
