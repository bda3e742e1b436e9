// A file as a Node stream, over a file-stream: bytes go between the ring and the program, with no request for each
// chunk.

import { addAbortSignal, finished, Readable, type ReadableOptions, Writable } from "node:stream";
import { fileMessages } from "@ringway/control";
import { Errno, invalidValue, outOfRange } from "@ringway/linux";
import { boolean, integer } from "../argument-errors.ts";
import { type ErrorContext, errnoError, forDestroy, resetError } from "../errors.ts";
import type { Engine } from "../stream/engine.ts";
import { ReadPump } from "../stream/read-pump.ts";
import type { Stream } from "../stream/stream.ts";
import { FileSink, openFileStream, type RangeOptions } from "./file-stream.ts";
import type { GuestFs } from "./fs.ts";
import { type PathLike, syncsWrites } from "./paths.ts";
import { syncFile } from "./whole-file.ts";

/** Those of fs.createReadStream(), and a range as `offset` and `length`. */
export interface ReadStreamOptions extends RangeOptions {
  /** Gives text in this encoding; nothing gives Buffers. */
  readonly encoding?: BufferEncoding | null | undefined;
  /** First byte: another name of `offset`. */
  readonly start?: number | undefined;
  /** Last byte, which comes too. */
  readonly end?: number | undefined;
  /** Also the most bytes of a chunk. Default 256 KiB. */
  readonly highWaterMark?: number | undefined;
  /** Default true: the stream is destroyed at its end, or when it fails. */
  readonly autoClose?: boolean | undefined;
  /** Default true: 'close' is emitted. */
  readonly emitClose?: boolean | undefined;
}

/** Those of fs.createWriteStream(). */
export interface WriteStreamOptions extends RangeOptions {
  /** Of text that is written. Default "utf8". */
  readonly encoding?: BufferEncoding | null | undefined;
  /** First byte: another name of `offset`. */
  readonly start?: number | undefined;
  /** Bytes that may wait before write() says so. Default 256 KiB. */
  readonly highWaterMark?: number | undefined;
  /** Default true: the stream is destroyed at its end, or when it fails. */
  readonly autoClose?: boolean | undefined;
  /** Default true: 'close' is emitted. */
  readonly emitClose?: boolean | undefined;
  /** The data are to be on the disk when 'finish' comes. Default false, but for flags such as "as". */
  readonly flush?: boolean | undefined;
}

const { FileDirection } = fileMessages;
const HIGH_WATER_MARK: number = 256 * 1024;

/** `start` and `end` as a range. */
function rangeOf<T extends ReadStreamOptions>(options: T): T {
  const { start, end } = options;
  for (const name of ["fd", "fs"]) {
    const value: unknown = (options as Record<string, unknown>)[name];
    if (value !== undefined && value !== null)
      throw invalidValue(
        `options.${name}`,
        value,
        "is for files of this process; an open file has streams of its own",
      );
  }
  if (start !== undefined) integer(start, "start", 0);
  const offset = start ?? options.offset ?? 0;
  if (end === undefined || end === Number.POSITIVE_INFINITY) return { ...options, offset };
  integer(end, "end", 0);
  if (offset > end) throw outOfRange("start", `<= "end" (here: ${end})`, offset);
  return { ...options, offset, length: Math.min(options.length ?? end - offset + 1, end - offset + 1) };
}

function streamOptions({ autoClose, emitClose, highWaterMark }: WriteStreamOptions): {
  autoDestroy: boolean;
  emitClose: boolean;
  highWaterMark: number;
} {
  return {
    autoDestroy: autoClose ?? true,
    emitClose: emitClose ?? true,
    highWaterMark: highWaterMark ?? HIGH_WATER_MARK,
  };
}

/** What to destroy a stream with whose guest was detached as the file was opened. */
function endedError(syscall: string, { ended }: Engine): Error | undefined {
  return ended && forDestroy(ended) && resetError(syscall, ended);
}

/** A file as a Readable. */
export class FileReadStream extends Readable {
  /** The path that was given. */
  readonly path: string;
  /** Bytes that this will carry; undefined until the file is open. */
  length: number | undefined = undefined;
  readonly #engine: Engine;
  readonly #context: ErrorContext;
  readonly #opening: AbortController;
  readonly #chunkBytes: number | undefined;
  #stream: Stream | undefined;
  #pump: ReadPump | undefined;
  #wanted = false;

  /** Internal: use Guest.createReadStream(). */
  constructor(engine: Engine, path: PathLike, options: ReadStreamOptions) {
    const opening = new AbortController();
    const { promise, context } = openFileStream(engine, path, FileDirection.READ, {
      ...rangeOf(options),
      signal: opening.signal,
    });
    super({ ...streamOptions(options), encoding: options.encoding ?? undefined } as ReadableOptions);
    this.#opening = opening;
    this.#engine = engine;
    this.#chunkBytes = options.highWaterMark;
    this.#context = context;
    this.path = context.path!;
    engine.hold();
    promise.then(
      ({ stream, opened }) => this.#begin(stream, opened.length),
      (error: Error) => this.destroy(forDestroy(error)),
    );
    if (options.signal !== undefined) addAbortSignal(options.signal, this);
  }

  /** Bytes that came so far. */
  get bytesRead(): number {
    return this.#pump?.bytesRead ?? 0;
  }

  /** Is the file not open yet? */
  get pending(): boolean {
    return this.#stream === undefined && !this.destroyed;
  }

  /** Ends the stream before its end, too. */
  close(callback?: (error?: Error | null) => void): void {
    if (callback !== undefined) finished(this, callback);
    this.destroy();
  }

  override _read(): void {
    if (this.#pump === undefined) this.#wanted = true;
    else this.#engine.touch(() => this.#pump!.want());
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#opening.abort();
    this.#stream?.abort();
    this.#stream = undefined;
    this.#engine.unhold();
    callback(error);
  }

  #begin(stream: Stream, length: number): void {
    if (this.destroyed) {
      stream.abort();
      return;
    }
    this.length = length;
    this.#stream = stream;
    const context = { ...this.#context, syscall: "read" };
    const target = {
      push: (chunk: Buffer) => this.push(chunk),
      ended: () => {
        if (pump.bytesRead === length) return void this.push(null);
        const cut = new Error(`the file ended after ${pump.bytesRead} of ${length} bytes`);
        this.destroy(errnoError(Errno.EIO, context, cut));
      },
      reset: () => void this.destroy(errnoError(Errno.EIO, context)),
    };
    const pump = new ReadPump(stream, target, this.#chunkBytes);
    this.#pump = pump;
    stream.user = { step: () => pump.step(), lost: (error) => this.destroy(forDestroy(error)) };
    if (!stream.open) return void this.destroy(endedError("read", this.#engine));
    this.emit("open");
    this.emit("ready");
    if (this.#wanted) this.#engine.touch(() => pump.want());
  }
}

/** A file as a Writable; 'finish' comes when all of it is in the file. */
export class FileWriteStream extends Writable {
  /** The path that was given. */
  readonly path: string;
  readonly #engine: Engine;
  readonly #fs: GuestFs;
  readonly #flags: number;
  readonly #flush: boolean;
  readonly #context: ErrorContext;
  readonly #opening: AbortController;
  #sink: FileSink | undefined;
  #constructed: ((error?: Error | null) => void) | undefined;

  /** Internal: use Guest.createWriteStream(). */
  constructor(engine: Engine, fs: GuestFs, path: PathLike, options: WriteStreamOptions) {
    const opening = new AbortController();
    const flush = boolean(options.flush ?? syncsWrites(options.flags ?? options.flag), "options.flush");
    const { promise, context, flags } = openFileStream(engine, path, FileDirection.WRITE, {
      ...rangeOf<WriteStreamOptions>(options),
      signal: opening.signal,
    });
    super(streamOptions(options));
    if (options.encoding) this.setDefaultEncoding(options.encoding);
    this.#fs = fs;
    this.#flags = flags;
    this.#flush = flush;
    this.#opening = opening;
    this.#engine = engine;
    this.#context = context;
    this.path = context.path!;
    engine.hold();
    promise.then(
      ({ stream }) => this.#begin(stream),
      (error: Error) => {
        this.destroy(forDestroy(error));
        this.#settle();
      },
    );
    if (options.signal !== undefined) addAbortSignal(options.signal, this);
  }

  /** Bytes that are in the file, as far as the host has told; what was written and is not in it yet may still come. */
  get bytesWritten(): number {
    return this.#sink?.bytesWritten ?? 0;
  }

  /** Is the file not open yet? */
  get pending(): boolean {
    return this.#sink === undefined && !this.destroyed;
  }

  /** end(), and then 'close'. */
  close(callback?: (error?: Error | null) => void): void {
    if (callback !== undefined) {
      if (this.closed) return void process.nextTick(callback);
      this.once("close", callback);
    }
    this.end();
  }

  /** Node defers _destroy() until the file is open, so what waits for that is ended here. */
  override destroy(error?: Error): this {
    this.#opening.abort();
    return super.destroy(error);
  }

  override _construct(callback: (error?: Error | null) => void): void {
    if (this.#sink === undefined && !this.destroyed) this.#constructed = callback;
    else callback();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    this.#sink!.write([chunk], callback);
  }

  override _writev(entries: { chunk: Buffer }[], callback: (error?: Error | null) => void): void {
    this.#sink!.write(
      entries.map((entry) => entry.chunk),
      callback,
    );
  }

  override _final(callback: (error?: Error | null) => void): void {
    this.#sink!.end(() => {
      if (!this.#flush) return callback();
      const failed = (error: Error): void => void this.destroy(forDestroy(error));
      syncFile(this.#engine, this.#fs, this.path, {}).then(() => callback(), failed);
      return undefined;
    });
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#sink?.abort();
    this.#engine.unhold();
    callback(error);
  }

  #begin(stream: Stream): void {
    if (this.destroyed) {
      stream.abort();
      this.#settle();
      return;
    }
    this.#sink = new FileSink(stream, this.#context, this.#flags, (error) => this.destroy(forDestroy(error)));
    if (!stream.open) {
      this.destroy(endedError("write", this.#engine));
      this.#settle();
      return;
    }
    this.#settle();
    this.emit("open");
    this.emit("ready");
  }

  /** Node goes on with what waits for the file, or, where this is destroyed, closes. */
  #settle(): void {
    this.#constructed?.();
    this.#constructed = undefined;
  }
}
