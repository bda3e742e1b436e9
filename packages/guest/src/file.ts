// An open file of the host's: FileHandle of node:fs/promises, with requests pipelined in order.
//
// Invariant: a read or write at the file position that takes several requests has them next to each other: whatever else uses the
// position waits until it is over (#inOrder). One that takes a single request is sent at once.

import { EventEmitter } from "node:events";
import type { ReadStream, WriteStream } from "node:fs";
import type { Interface } from "node:readline";
import type { ReadableStream } from "node:stream/web";
import { Done, FRAME_HEADER_BYTES, fileMessages, IO_MAX_BYTES, Protocol, StatReply } from "@ringway/control";
import { encodingOf, fileMode, integer, invalidValue, optionsOf } from "./argument-errors.ts";
import type { Engine } from "./engine.ts";
import { type ErrorContext, errnoError, RingwayError, unsupported } from "./errors.ts";
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
import type { AbortOptions, GuestFs } from "./fs.ts";
import { openChannel } from "./open-channel.ts";
import { fileFlags, guestPath, type OpenFlags, type PathLike, syncsWrites } from "./paths.ts";
import { ringWish, STREAM_RINGS } from "./room.ts";
import { Rpc } from "./rpc.ts";
import { GuestBigIntStats, GuestStats, type StatOptions, type Time } from "./stats.ts";

export interface OpenFileOptions extends AbortOptions {
  /** Size of each of the two rings, in bytes. Default 256 KiB. */
  readonly ringBytes?: number | undefined;
}

/** Requests of a readFile() under way at a time: the next data are on their way while these are taken. */
const READ_AHEAD = 4;
const EIO = 5;
const EBADF = 9;
const EINVAL = 22;
const EFBIG = 27;
const ESTALE = 116;

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
  /** Most data bytes in one request: what fits the smaller ring. */
  readonly #maxBytes: number;
  /** The last of the operations of several requests on the file position. */
  #turn: Promise<unknown> | undefined;
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
    const { toHost, toGuest } = rpc.channel.pipe;
    const room = Math.min(toHost.capacity, toGuest.capacity) - FRAME_HEADER_BYTES - 8;
    this.#maxBytes = Math.min(IO_MAX_BYTES, room);
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
    const { channel, opened } = await openChannel(engine, request, (bytes) => {
      return new GuestStats(fileMessages.FileOpened.decode(bytes));
    });
    return new GuestFile(text, flags, opened, new Rpc(channel, () => {}), fs);
  }

  /** A file of the host's has no descriptor in the guest: ENOSYS. -1 once the file is closed. */
  get fd(): number {
    if (this.#closing !== undefined) return -1;
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
    const context = this.#context("read");
    const work = readWork(first, second, length, position);
    const signal = work.signal ?? options.signal;
    const bytesRead = await this.#read([work.target], work.position, context, signal);
    return { bytesRead, buffer: work.buffer };
  }

  /** Reads into the buffers one after the other. */
  async readv<B extends readonly NodeJS.ArrayBufferView[]>(
    buffers: B,
    position?: number | null,
    options: AbortOptions = {},
  ): Promise<{ bytesRead: number; buffers: B }> {
    const context = this.#context("read");
    const targets = viewsOf(buffers).map(bytesOf);
    if (targets.length === 0) throw errnoError(EINVAL, context);
    const bytesRead = await this.#read(targets, writePosition(position), context, options.signal);
    return { bytesRead, buffers };
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
    const context = this.#context("read");
    const { signal } = optionsOf(options);
    const encoding = encodingOf(options);
    const chunks = await this.#inOrder(true, () => this.#readAll(context, signal));
    return joined(chunks, context, encoding);
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
    const context = this.#context("write");
    const work = writeWork(data, second, third, fourth);
    if (work === undefined) return { bytesWritten: 0, buffer: data };
    const signal = work.signal ?? options.signal;
    const bytesWritten = await this.#write([work.source], work.position, context, signal);
    return { bytesWritten, buffer: data };
  }

  /** Writes the buffers one after the other; one that fits a request is not divided. */
  async writev<B extends readonly NodeJS.ArrayBufferView[]>(
    buffers: B,
    position?: number | null,
    options: AbortOptions = {},
  ): Promise<{ bytesWritten: number; buffers: B }> {
    const context = this.#context("write");
    const sources = viewsOf(buffers).map(bytesOf);
    if (sources.length === 0) return { bytesWritten: 0, buffers };
    const bytesWritten = await this.#write(sources, writePosition(position), context, options.signal);
    return { bytesWritten, buffers };
  }

  /** Writes all of `data` from the file position on. */
  async writeFile(data: FileData, options?: WholeFileOptions | BufferEncoding | null): Promise<void> {
    const context = this.#context("write");
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
    const context = this.#context("lseek");
    const { Seek, Position, Whence } = fileMessages;
    const from = { start: Whence.START, current: Whence.CURRENT, end: Whence.END }[whence];
    if (from === undefined) throw invalidValue("whence", whence);
    const request = { whence: from, offset: integer(offset, "offset") };
    const call = (): Promise<fileMessages.Position> =>
      this.#rpc.call(Seek, request, Position, context, options.signal);
    return (await this.#inOrder(false, call)).offset;
  }

  stat(options?: StatOptions & { readonly bigint?: false | undefined }): Promise<GuestStats>;
  stat(options: StatOptions & { readonly bigint: true }): Promise<GuestBigIntStats>;
  async stat(options: StatOptions = {}): Promise<GuestStats | GuestBigIntStats> {
    const context = this.#context("fstat");
    const reply = await this.#rpc.call(fileMessages.FileStat, {}, StatReply, context, options.signal);
    return options.bigint ? new GuestBigIntStats(reply) : new GuestStats(reply);
  }

  async truncate(bytes: number | null = 0, options: AbortOptions = {}): Promise<void> {
    const context = this.#context("ftruncate");
    const request = { bytes: Math.max(0, integer(bytes ?? 0, "len")) };
    await this.#rpc.call(fileMessages.Truncate, request, Done, context, options.signal);
  }

  async sync(options: AbortOptions = {}): Promise<void> {
    await this.#sync(0, this.#context("fsync"), options.signal);
  }

  async datasync(options: AbortOptions = {}): Promise<void> {
    await this.#sync(1, this.#context("fdatasync"), options.signal);
  }

  /** By the file's name, since no request does it to an open file: ESTALE where the name is another file's by now. */
  async utimes(accessed: Time, modified: Time, options: AbortOptions = {}): Promise<void> {
    await this.#stillNamed(this.#context("futime"), options);
    await this.#fs.utimes(this.path, accessed, modified, options);
  }

  /** As utimes(): by the file's name. */
  async chmod(mode: number | string, options: AbortOptions = {}): Promise<void> {
    const context = this.#context("fchmod");
    const bits = fileMode(mode, "mode");
    await this.#stillNamed(context, options);
    await this.#fs.chmod(this.path, bits, options);
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
    return readStreamOf(this, options);
  }

  /** An fs.WriteStream to the file position, or from `start` on; it closes the file when it ends. */
  createWriteStream(options?: HandleStreamOptions): WriteStream {
    this.#context("write");
    return writeStreamOf(this, options);
  }

  /** The lines that follow: for await (const line of file.readLines()). */
  readLines(options?: HandleStreamOptions & { readonly end?: number | undefined }): Interface {
    this.#context("read");
    return linesOf(this, options);
  }

  /** What follows the file position, as bytes. */
  readableWebStream(): ReadableStream<Uint8Array> {
    this.#context("read");
    return webStreamOf(this);
  }

  /** Closes the file, after the requests before; a second call waits for the first. */
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
    await this.#turn;
    if (this.#rpc.ended) return;
    const done = this.#rpc.call(fileMessages.Close, {}, Done, { syscall: "close", path: this.path });
    try {
      await done;
    } finally {
      this.#rpc.close();
    }
  }

  #context(syscall: string): ErrorContext {
    if (this.#closing !== undefined) throw errnoError(EBADF, { syscall });
    return { syscall, path: this.path };
  }

  /** Work on the file position: alone, where it takes several requests. */
  #inOrder<T>(several: boolean, work: () => Promise<T>): Promise<T> {
    const before = this.#turn;
    const result = before === undefined ? work() : before.then(work);
    if (several || before !== undefined) {
      const turn = result.then(
        () => {},
        () => {},
      );
      this.#turn = turn;
      turn.then(() => {
        if (this.#turn === turn) this.#turn = undefined;
      });
    }
    return result;
  }

  /** As many bytes as there are, up to what the targets hold; 0 at the end of the file. */
  async #read(
    targets: readonly Uint8Array[],
    position: number | null,
    context: ErrorContext,
    signal: AbortSignal | undefined,
  ): Promise<number> {
    const pieces = targets.flatMap((target) => this.#pieces(target));
    if (position === null) {
      return await this.#inOrder(pieces.length > 1, async () => {
        // A short piece moves the place of those behind it, so they are asked for one after the other.
        let bytesRead = 0;
        for (const piece of pieces) {
          const count = await this.#readPiece(piece, null, context, signal);
          bytesRead += count;
          if (count < piece.length) break;
        }
        return bytesRead;
      });
    }
    // All at once where their places are known; each answers for itself.
    let at = position;
    const asked = pieces.map((piece) => {
      const place = at;
      at += piece.length;
      return place > Number.MAX_SAFE_INTEGER ? 0 : this.#readPiece(piece, place, context, signal);
    });
    const counts = await Promise.all(asked);
    let bytesRead = 0;
    for (const [index, count] of counts.entries()) {
      bytesRead += count;
      if (count < pieces[index]!.length) break;
    }
    return bytesRead;
  }

  async #readPiece(
    target: Uint8Array,
    position: number | null,
    context: ErrorContext,
    signal: AbortSignal | undefined,
  ): Promise<number> {
    const { Data, Read, ReadAt } = fileMessages;
    const bytes = target.length;
    const { data } =
      position === null
        ? await this.#rpc.call(Read, { bytes }, Data, context, signal)
        : await this.#rpc.call(ReadAt, { offset: position, bytes }, Data, context, signal);
    if (data.length > bytes) throw errnoError(EIO, context);
    target.set(data);
    return data.length;
  }

  async #readAll(context: ErrorContext, signal: AbortSignal | undefined): Promise<Uint8Array[]> {
    const { Data, Read } = fileMessages;
    const chunks: Uint8Array[] = [];
    for (;;) {
      const asked = Array.from({ length: READ_AHEAD }, () =>
        this.#rpc.call(Read, { bytes: this.#maxBytes }, Data, context, signal),
      );
      for (const { data } of await Promise.all(asked)) {
        if (data.length === 0) return chunks;
        chunks.push(data);
      }
    }
  }

  async #write(
    sources: readonly Uint8Array[],
    position: number | null,
    context: ErrorContext,
    signal: AbortSignal | undefined,
  ): Promise<number> {
    const pieces = this.#requests(sources);
    if (pieces.length === 0 && (this.#flags & fileMessages.FileFlags.WRITE) === 0)
      throw errnoError(EBADF, context);
    const work = (): Promise<number> => this.#writePieces(pieces, position, context, signal);
    const bytesWritten = await (position === null ? this.#inOrder(pieces.length > 1, work) : work());
    if (this.#syncs) await this.#sync(0, context, signal);
    return bytesWritten;
  }

  /** One after the other: a piece behind one that failed would leave a hole, or come to its place. */
  async #writePieces(
    pieces: readonly Uint8Array[],
    position: number | null,
    context: ErrorContext,
    signal: AbortSignal | undefined,
  ): Promise<number> {
    let written = 0;
    try {
      for (const piece of pieces) {
        for (let at = 0; at < piece.length; ) {
          const place = position === null ? null : position + written;
          const bytes = await this.#writePiece(piece.subarray(at), place, context, signal);
          at += bytes;
          written += bytes;
        }
      }
    } catch (error) {
      throw withBytesWritten(error, written);
    }
    return written;
  }

  async #writePiece(
    data: Uint8Array,
    position: number | null,
    context: ErrorContext,
    signal: AbortSignal | undefined,
  ): Promise<number> {
    const { Write, WriteAt, Written } = fileMessages;
    if (position !== null && position > Number.MAX_SAFE_INTEGER) throw errnoError(EFBIG, context);
    const { bytes } =
      position === null
        ? await this.#rpc.call(Write, { data }, Written, context, signal)
        : await this.#rpc.call(WriteAt, { offset: position, data }, Written, context, signal);
    if (bytes === 0 || bytes > data.length) throw errnoError(EIO, context);
    return bytes;
  }

  #pieces(whole: Uint8Array): Uint8Array[] {
    const pieces: Uint8Array[] = [];
    for (let at = 0; at < whole.length; at += this.#maxBytes)
      pieces.push(whole.subarray(at, at + this.#maxBytes));
    return pieces;
  }

  /** What goes into one request each: whole sources, as many as fit together; pieces of those that fit none. */
  #requests(sources: readonly Uint8Array[]): Uint8Array[] {
    if (sources.length === 1) return this.#pieces(sources[0]!);
    const requests: Uint8Array[] = [];
    let together: Uint8Array[] = [];
    let bytes = 0;
    const flush = (): void => {
      if (bytes > 0) requests.push(Buffer.concat(together, bytes));
      together = [];
      bytes = 0;
    };
    for (const source of sources) {
      if (bytes + source.length > this.#maxBytes) flush();
      if (source.length > this.#maxBytes) requests.push(...this.#pieces(source));
      else {
        together.push(source);
        bytes += source.length;
      }
    }
    flush();
    return requests;
  }

  async #sync(dataOnly: 0 | 1, context: ErrorContext, signal: AbortSignal | undefined): Promise<void> {
    await this.#rpc.call(fileMessages.Sync, { dataOnly }, Done, context, signal);
  }

  async #stillNamed(context: ErrorContext, options: AbortOptions): Promise<void> {
    const named = await this.#fs.stat(this.path, options);
    if (named.ino !== this.opened.ino) throw errnoError(ESTALE, context);
  }
}

/** Says how much of a write is in the file, where the host has answered: an error that many calls share is left alone. */
function withBytesWritten(error: unknown, before: number): unknown {
  if (!(error instanceof RingwayError) || error.errno === undefined || error.code === "ECONNRESET")
    return error;
  return Object.assign(error, { bytesWritten: before + (error.bytesWritten ?? 0) });
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
