// A file as a Readable, over a file-stream: bytes go from the ring to the program, with no request for each chunk.

import { addAbortSignal, finished, Readable, type ReadableOptions } from "node:stream";
import { fileMessages } from "@ringway/control";
import { Errno } from "@ringway/linux";
import { type ErrorContext, errnoError, forDestroy } from "../errors.ts";
import type { Engine } from "../stream/engine.ts";
import { ReadPump } from "../stream/read-pump.ts";
import type { Stream } from "../stream/stream.ts";
import { openFileStream } from "./file-stream.ts";
import { endedError, type ReadStreamOptions, rangeOf, streamOptions } from "./file-stream-options.ts";
import type { PathLike } from "./paths.ts";

const { FileDirection } = fileMessages;

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

  /** @internal Use Guest.createReadStream(). */
  static make(engine: Engine, path: PathLike, options: ReadStreamOptions): FileReadStream {
    return new FileReadStream(engine, path, options);
  }

  private constructor(engine: Engine, path: PathLike, options: ReadStreamOptions) {
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
