// A file as a Writable, over a file-stream: bytes go from the program into the ring, with no request for each chunk.

import { addAbortSignal, Writable } from "node:stream";
import { fileMessages } from "@ringway/control";
import { Errno } from "@ringway/linux";
import { boolean } from "../argument-errors.ts";
import { type ErrorContext, errnoError, forDestroy } from "../errors.ts";
import type { Engine } from "../stream/engine.ts";
import type { Stream } from "../stream/stream.ts";
import { FileSink, openFileStream } from "./file-stream.ts";
import { endedError, rangeOf, streamOptions, type WriteStreamOptions } from "./file-stream-options.ts";
import type { GuestFs } from "./fs.ts";
import { type PathLike, syncsWrites } from "./paths.ts";
import { syncFile } from "./whole-file.ts";

const { FileDirection } = fileMessages;

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
  /** Of the write that the ring has not taken whole yet. */
  #writing: ((error?: Error | null) => void) | undefined;

  /** @internal Use Guest.createWriteStream(). */
  static make(engine: Engine, fs: GuestFs, path: PathLike, options: WriteStreamOptions): FileWriteStream {
    return new FileWriteStream(engine, fs, path, options);
  }

  private constructor(engine: Engine, fs: GuestFs, path: PathLike, options: WriteStreamOptions) {
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
    this.#put([chunk], callback);
  }

  override _writev(entries: { chunk: Buffer }[], callback: (error?: Error | null) => void): void {
    this.#put(
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
    this.#written(error ?? errnoError(Errno.ECANCELED, { ...this.#context, syscall: "write" }));
  }

  #put(chunks: readonly Uint8Array[], callback: (error?: Error | null) => void): void {
    this.#writing = callback;
    this.#sink!.write(chunks, () => this.#written());
  }

  /** Calls back once: as the ring has taken all, or as this is destroyed. */
  #written(error?: Error): void {
    const callback = this.#writing;
    this.#writing = undefined;
    callback?.(error);
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
