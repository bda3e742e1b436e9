// An open file of guest.fs: one handle of the mount's stream. Bytes have offsets; a position is kept here, for calls
// that name none, and those take turns.
//
// Invariant: no request names the handle once it is given back; the host gives it back after those before.

import { Done, fileMessages, IO_MAX_BYTES, mountMessages as m, maxPayload } from "@ringway/control";
import { Errno, requireKeys } from "@ringway/linux";
import type { AbortOptions } from "../abort.ts";
import { encodingOf, fileMode, integer } from "../argument-errors.ts";
import { type ErrorContext, errnoError, unsupported } from "../errors.ts";
import { type FilePlace, type ReadOptions, readWork, writeWork } from "../files/file-arguments.ts";
import { type Time, toTimestamp } from "../files/stats.ts";
import type { MountStream } from "./connection.ts";
import {
  type FoundLock,
  LateLocks,
  type LockOptions,
  type LockRange,
  lock,
  lockedRange,
  testLock,
  unlock,
} from "./locks.ts";
import { nothingSet, ownersOf } from "./set-attr.ts";
import { MountStats } from "./stats.ts";

const { MODE, SIZE, ACCESSED, MODIFIED } = m.MountValid;
/** Requests of one readFile() under way at a time. */
const READ_AHEAD = 8;
const DATA_FIELDS_BYTES = 16;

export class MountFile implements AsyncDisposable {
  /** The path that was opened, as text. */
  readonly path: string;
  /** The file as it was when it was opened. */
  readonly opened: MountStats;
  readonly #stream: MountStream;
  readonly #handle: number;
  readonly #lateLocks: LateLocks = new LateLocks();
  readonly #appends: boolean;
  readonly #dataMax: number;
  #position = 0;
  #turn: Promise<unknown> = Promise.resolve();
  #closing: Promise<void> | undefined;

  /** @internal Use guest.fs.open(). */
  constructor(stream: MountStream, path: string, { handle, ...attributes }: m.MountHandle, appends: boolean) {
    this.#stream = stream;
    this.path = path;
    this.opened = new MountStats(attributes);
    this.#handle = handle;
    this.#appends = appends;
    const { toHost, toGuest } = stream.rpc.stream.pipe;
    const room = Math.min(maxPayload(toHost.capacity), maxPayload(toGuest.capacity)) - DATA_FIELDS_BYTES;
    this.#dataMax = Math.min(IO_MAX_BYTES, room);
  }

  #context(syscall: string): ErrorContext {
    const context = { syscall, path: this.path };
    if (this.#closing !== undefined) throw errnoError(Errno.EBADF, context);
    return context;
  }

  // ── Bytes ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Arguments as of FileHandle.read(): without a position, from the file's own, which moves. */
  read<B extends NodeJS.ArrayBufferView>(
    buffer: B,
    offset?: number | null | FilePlace,
    length?: number | null,
    position?: number | bigint | null,
  ): Promise<{ bytesRead: number; buffer: B }>;
  read<B extends NodeJS.ArrayBufferView = Buffer>(
    options?: ReadOptions<B> | null,
  ): Promise<{ bytesRead: number; buffer: B }>;
  async read(
    first?: unknown,
    second?: unknown,
    third?: unknown,
    fourth?: unknown,
  ): Promise<{ bytesRead: number; buffer: NodeJS.ArrayBufferView }> {
    const context = this.#context("read");
    const { buffer, target, position, signal } = readWork(first, second, third, fourth);
    const bytesRead = await this.#at(position, (at) => this.#readAt(target, at, context, signal));
    return { bytesRead, buffer };
  }

  /** Arguments as of FileHandle.write(); fewer bytes than given are written only where the next one fails. */
  write<B extends NodeJS.ArrayBufferView>(
    buffer: B,
    offset?: number | null | FilePlace,
    length?: number | null,
    position?: number | null,
  ): Promise<{ bytesWritten: number; buffer: B }>;
  write(
    text: string,
    position?: number | null,
    encoding?: BufferEncoding | null,
  ): Promise<{ bytesWritten: number; buffer: string }>;
  async write(
    data: unknown,
    second?: unknown,
    third?: unknown,
    fourth?: unknown,
  ): Promise<{ bytesWritten: number; buffer: never }> {
    const context = this.#context("write");
    const work = writeWork(data, second, third, fourth);
    if (work === undefined) return { bytesWritten: 0, buffer: data as never };
    const { source, position, signal } = work;
    const bytesWritten = await this.#at(position, (at) => this.#writeAt(source, at, context, signal));
    return { bytesWritten, buffer: data as never };
  }

  /** All of it, whatever the file's position is. */
  readFile(options?: (AbortOptions & { encoding?: null | undefined }) | null): Promise<Buffer>;
  readFile(options: BufferEncoding | (AbortOptions & { encoding: BufferEncoding })): Promise<string>;
  async readFile(
    options?: BufferEncoding | (AbortOptions & { encoding?: BufferEncoding | null | undefined }) | null,
  ): Promise<Buffer | string> {
    const context = this.#context("read");
    const encoding = encodingOf(options);
    const signal = typeof options === "object" ? options?.signal : undefined;
    const parts: Uint8Array[] = [];
    for (let at = 0, whole = true; whole; at += READ_AHEAD * this.#dataMax) {
      const asked = Array.from({ length: READ_AHEAD }, (_, i) =>
        this.#piece(at + i * this.#dataMax, this.#dataMax, context, signal),
      );
      for (const part of await Promise.all(asked)) {
        if (whole) parts.push(part);
        whole &&= part.length === this.#dataMax;
      }
    }
    const bytes = Buffer.concat(parts);
    return encoding === undefined ? bytes : bytes.toString(encoding as BufferEncoding);
  }

  #piece(
    offset: number,
    bytes: number,
    context: ErrorContext,
    signal: AbortSignal | undefined,
  ): Promise<Uint8Array> {
    return this.#stream.read({ handle: this.#handle, offset, bytes }, context, signal);
  }

  async #readAt(
    target: Uint8Array,
    at: number,
    context: ErrorContext,
    signal: AbortSignal | undefined,
  ): Promise<number> {
    if (target.length > 0 && target.length <= this.#dataMax) {
      const data = await this.#piece(at, target.length, context, signal);
      target.set(data);
      return data.length;
    }
    const asked: Promise<Uint8Array>[] = [];
    for (let done = 0; done < target.length; done += this.#dataMax) {
      asked.push(this.#piece(at + done, Math.min(this.#dataMax, target.length - done), context, signal));
    }
    let count = 0;
    for (const [i, part] of (await Promise.all(asked)).entries()) {
      target.set(part, i * this.#dataMax);
      count += part.length;
      if (part.length < Math.min(this.#dataMax, target.length - i * this.#dataMax)) break;
    }
    return count;
  }

  async #writeAt(
    source: Uint8Array,
    at: number,
    context: ErrorContext,
    signal: AbortSignal | undefined,
  ): Promise<number> {
    let count = 0;
    while (count < source.length) {
      const data = source.subarray(count, count + this.#dataMax);
      const place = this.#appends
        ? { flags: m.MOUNT_WRITE_APPEND, offset: 0 }
        : { flags: 0, offset: at + count };
      const request = { handle: this.#handle, data, ...place };
      const asked = this.#stream.write(request, context, signal);
      // What is in the file is told, as write(2) does; what comes next fails.
      const bytes = count === 0 ? await asked : await asked.catch(() => 0);
      count += bytes;
      if (bytes < data.length) break;
    }
    return count;
  }

  /** At a place of the file, or at its own position, in turn. */
  #at(position: number | null, work: (at: number) => Promise<number>): Promise<number> {
    if (position !== null) return work(position);
    const turn = this.#turn.then(async () => {
      const count = await work(this.#position);
      this.#position += count;
      return count;
    });
    this.#turn = turn.catch(() => {});
    return turn;
  }

  // ── The file itself ─────────────────────────────────────────────────────────────────────────────────────────────

  async stat({ signal }: AbortOptions = {}): Promise<MountStats> {
    const request = { at: this.#handle, follow: true, path: new Uint8Array(0) };
    const context = this.#context("fstat");
    return new MountStats(await this.#stream.call(m.MountStat, request, m.MountAttributes, context, signal));
  }

  async truncate(bytes: number | null = 0, options?: AbortOptions): Promise<void> {
    const size = Math.max(0, integer(bytes ?? 0, "len"));
    await this.#set("ftruncate", { valid: SIZE, size }, options);
  }

  async chmod(mode: number | string, options?: AbortOptions): Promise<void> {
    await this.#set("fchmod", { valid: MODE, mode: fileMode(mode, "mode") }, options);
  }

  async chown(uid: number, gid: number, options?: AbortOptions): Promise<void> {
    await this.#set("fchown", ownersOf(uid, gid), options);
  }

  async utimes(accessed: Time, modified: Time, options?: AbortOptions): Promise<void> {
    const times = { accessed: toTimestamp(accessed, "atime"), modified: toTimestamp(modified, "mtime") };
    await this.#set("futime", { valid: ACCESSED | MODIFIED, ...times }, options);
  }

  async #set(syscall: string, change: Partial<m.MountSetAttr>, { signal }: AbortOptions = {}): Promise<void> {
    const request = { ...nothingSet, at: this.#handle, ...change };
    await this.#stream.call(m.MountSetAttr, request, m.MountAttributes, this.#context(syscall), signal);
  }

  /** Resolves when what was written is on the host's disk. */
  async sync({ signal }: AbortOptions = {}): Promise<void> {
    const request = { handle: this.#handle, dataOnly: false };
    await this.#stream.call(m.MountFsync, request, Done, this.#context("fsync"), signal);
  }

  async datasync({ signal }: AbortOptions = {}): Promise<void> {
    const request = { handle: this.#handle, dataOnly: true };
    await this.#stream.call(m.MountFsync, request, Done, this.#context("fdatasync"), signal);
  }

  /** Gives a range its place on the disk; the file grows where it ends before, unless `keepSize`. */
  async allocate(
    start: number,
    length: number,
    options: AbortOptions & { keepSize?: boolean } = {},
  ): Promise<void> {
    requireKeys(options, "option", ["keepSize", "signal"]);
    const { ALLOCATE, ALLOCATE_KEEP_SIZE } = m.MountFallocateMode;
    await this.#allocate(options.keepSize ? ALLOCATE_KEEP_SIZE : ALLOCATE, start, length, options.signal);
  }

  /** Makes a range zeros that take no room. */
  async punchHole(start: number, length: number, { signal }: AbortOptions = {}): Promise<void> {
    await this.#allocate(m.MountFallocateMode.PUNCH_HOLE, start, length, signal);
  }

  async #allocate(
    mode: number,
    start: number,
    length: number,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const range = { offset: integer(start, "start", 0), bytes: integer(length, "length", 1) };
    const request = { handle: this.#handle, mode, ...range };
    await this.#stream.call(m.MountFallocate, request, Done, this.#context("fallocate"), signal);
  }

  /**
   * Copies a range to another open file, on the host: no byte comes here. Resolves with how many, fewer where this file
   * ends. Both are files of one guest.fs.
   */
  async copyTo(
    to: MountFile,
    start: number,
    length: number,
    toStart: number = start,
    { signal }: AbortOptions = {},
  ): Promise<number> {
    const context = { ...this.#context("copyfilerange"), dest: to.path };
    if (to.#stream !== this.#stream) throw unsupported("copyfilerange", "they are of two streams", this.path);
    to.#context("copyfilerange");
    let count = 0;
    while (count < length) {
      const places = { fromOffset: start + count, toOffset: toStart + count, bytes: length - count };
      const request = { from: this.#handle, to: to.#handle, ...places };
      const { Written } = fileMessages;
      const { bytes } = await this.#stream.call(m.MountCopyRange, request, Written, context, signal);
      if (bytes === 0) break;
      count += bytes;
    }
    return count;
  }

  /** Where the next data begin, at or behind `start`; -1 where there are none. */
  async seekData(start: number, options?: AbortOptions): Promise<number> {
    return await this.#seek(m.MountWhence.DATA, start, options);
  }

  /** The next hole; the file's end is one. */
  async seekHole(start: number, options?: AbortOptions): Promise<number> {
    return await this.#seek(m.MountWhence.HOLE, start, options);
  }

  async #seek(whence: number, start: number, { signal }: AbortOptions = {}): Promise<number> {
    const request = { handle: this.#handle, whence, offset: integer(start, "start", 0) };
    const asked = this.#stream.call(
      m.MountSeek,
      request,
      fileMessages.Position,
      this.#context("lseek"),
      signal,
    );
    return await asked.then(
      ({ offset }) => offset,
      (error: { code?: string }) => {
        if (error.code === "ENXIO") return -1;
        throw error;
      },
    );
  }

  // ── Locks ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Locks a range, or all: exclusive needs a file that is open for writing, shared one for reading. */
  async lock(options: LockOptions = {}): Promise<void> {
    await lock(this.#stream, this.#handle, this.#context("lock"), options, this.#lateLocks);
  }

  async unlock(range: LockRange = {}): Promise<void> {
    await unlock(this.#stream, this.#handle, this.#context("unlock"), lockedRange(range));
  }

  /** A lock that another has and that keeps lock() from having its own; undefined where none does. */
  async testLock(options: LockOptions = {}): Promise<FoundLock | undefined> {
    return await testLock(this.#stream, this.#handle, this.#context("lock"), options);
  }

  // ── End ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** After the calls that were made; its locks go with it. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    if (this.#stream.rpc.ended) return;
    const context = { syscall: "close", path: this.path };
    await this.#stream.call(m.MountRelease, { handle: this.#handle }, Done, context);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
