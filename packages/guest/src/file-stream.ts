// The fast path for files: raw bytes out of or into a file, in one stream of its own (PROTOCOL.md section 14).

import { addAbortSignal, Readable, Writable } from "node:stream";
import { Closed, FrameReader, fileMessages, Protocol, ProtocolError, Violation } from "@ringway/control";
import { onAbort } from "./abort.ts";
import type { Channel, ChannelUser } from "./channel.ts";
import type { Engine } from "./engine.ts";
import {
  AbortError,
  type ErrorContext,
  errnoError,
  forDestroy,
  RingwayError,
  replyError,
  resetError,
} from "./errors.ts";
import { checkData, chunksOf, type FileData } from "./file-data.ts";
import type { AbortOptions } from "./fs.ts";
import { type OpenedChannel, openChannel } from "./open-channel.ts";
import { fileFlags, guestPath, type OpenFlags, type PathLike } from "./paths.ts";
import { ReadPump } from "./read-pump.ts";
import { type Rings, ringWish, SMALLEST_RING_BYTES } from "./room.ts";
import { isUnknown } from "./unknown.ts";
import { WritePump } from "./write-pump.ts";

export interface RangeOptions extends AbortOptions {
  /** First byte. Default 0. */
  readonly offset?: number | undefined;
  /** At most so many bytes. Default: all. */
  readonly length?: number | undefined;
  /** Size of the ring, in bytes. Default 1 MiB. */
  readonly ringBytes?: number | undefined;
  /** Default "r" to read, "w" to write. */
  readonly flags?: OpenFlags | undefined;
}

export interface WriteFileOptions extends RangeOptions {
  /** As in node:fs: another name of `flags`. */
  readonly flag?: OpenFlags | undefined;
  /** Permissions of a file that this creates. Default 0o666. */
  readonly mode?: number | undefined;
  readonly encoding?: BufferEncoding | undefined;
}

const { FileDirection, FileFlags, FileStreamOpen, FileStreamOpened, WriteDone, WriteFailed } = fileMessages;

/** Bulk goes one way; the other carries an Open, or what became of it. */
const READ_RINGS: Rings = { toHostBytes: SMALLEST_RING_BYTES, toGuestBytes: 1024 * 1024 };
const WRITE_RINGS: Rings = { toHostBytes: 1024 * 1024, toGuestBytes: SMALLEST_RING_BYTES };
const ALL = Number.MAX_SAFE_INTEGER;
const EIO = 5;

function open(
  engine: Engine,
  path: PathLike,
  direction: number,
  options: WriteFileOptions,
): { promise: Promise<OpenedChannel<fileMessages.FileStreamOpened>>; context: ErrorContext } {
  const writes = direction === FileDirection.WRITE;
  const context = { syscall: "open", path: guestPath(path, "open") };
  const flags = fileFlags(options.flags ?? options.flag ?? (writes ? "w" : "r"));
  const body = FileStreamOpen.encode({
    direction,
    // A file-stream goes one way, whatever else the flags would allow.
    flags: flags & ~(writes ? FileFlags.READ : FileFlags.WRITE),
    mode: options.mode ?? 0o666,
    offset: options.offset ?? 0,
    length: options.length ?? ALL,
    path: context.path,
  });
  const rings = ringWish(options.ringBytes, writes ? WRITE_RINGS : READ_RINGS);
  const request = { protocol: Protocol.FILE_STREAM, body, rings, context, signal: options.signal };
  return { promise: openChannel(engine, request, FileStreamOpened.decode), context };
}

/** Reads a file, or a range of it, into one Buffer. */
export async function readFile(engine: Engine, path: PathLike, options: RangeOptions): Promise<Buffer> {
  const { promise, context } = open(engine, path, FileDirection.READ, options);
  const { channel, opened } = await promise;
  return await new Promise((resolve, reject) => {
    const failed = (error: Error): void => {
      stop();
      channel.abort();
      engine.unhold();
      reject(error);
    };
    engine.hold();
    const stop = onAbort(options.signal, failed);
    if (!channel.open) return failed(resetError("read", engine.ended));
    let buffer: Buffer;
    try {
      buffer = Buffer.allocUnsafeSlow(opened.length);
    } catch (cause) {
      const message = `${context.path} has ${opened.length} bytes, more than fit one Buffer`;
      return failed(new RingwayError("ERR_FS_FILE_TOO_LARGE", message, { ...context, cause }));
    }
    let filled = 0;
    const ring = channel.pipe.toGuest;
    const step = (): void => {
      for (;;) {
        const readable = ring.readable();
        if (readable > 0) {
          const size = Math.min(readable, COPY_BYTES);
          if (filled + size > buffer.length) {
            throw new ProtocolError(
              Violation.STREAM_STATE,
              "FST-2",
              "a file-stream carries more than it promised",
            );
          }
          ring.copy(buffer.subarray(filled, filled + size));
          filled += size;
          if (ring.advance(size)) channel.signal();
          continue;
        }
        const closed = ring.peerClosed();
        if (closed === Closed.RESET) {
          failed(errnoError(EIO, { ...context, syscall: "read" }));
          return;
        }
        if (closed === Closed.END && ring.readable() === 0) break;
        if (!ring.wantData()) return;
      }
      if (filled < buffer.length) {
        const cut = new Error(`the file ended after ${filled} of ${buffer.length} bytes`);
        failed(errnoError(EIO, { ...context, syscall: "read" }, cut));
        return;
      }
      stop();
      channel.finish();
      engine.unhold();
      resolve(buffer);
    };
    channel.user = { step, lost: failed };
    engine.touch(step);
    return undefined;
  });
}

/** How much is taken before its space is given back. */
const COPY_BYTES = 256 * 1024;

/** A file as a Readable. */
export class FileReadStream extends Readable {
  readonly path: string;
  /** Bytes that this will carry; undefined until the file is open. */
  length: number | undefined = undefined;
  readonly #engine: Engine;
  readonly #context: ErrorContext;
  readonly #opening: AbortController = new AbortController();
  #channel: Channel | undefined;
  #pump: ReadPump | undefined;
  #wanted = false;

  /** Internal: use Guest.createReadStream(). */
  constructor(engine: Engine, path: PathLike, options: RangeOptions) {
    super({ highWaterMark: 256 * 1024 });
    this.#engine = engine;
    const { promise, context } = open(engine, path, FileDirection.READ, {
      ...options,
      signal: this.#opening.signal,
    });
    this.#context = context;
    this.path = context.path!;
    engine.hold();
    promise.then(
      ({ channel, opened }) => this.#begin(channel, opened.length),
      (error: Error) => this.destroy(error),
    );
    if (options.signal !== undefined) addAbortSignal(options.signal, this);
  }

  get bytesRead(): number {
    return this.#pump?.bytesRead ?? 0;
  }

  override _read(): void {
    if (this.#pump === undefined) this.#wanted = true;
    else this.#engine.touch(() => this.#pump!.want());
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#opening.abort();
    this.#channel?.abort();
    this.#channel = undefined;
    this.#engine.unhold();
    callback(error);
  }

  #begin(channel: Channel, length: number): void {
    if (this.destroyed) {
      channel.abort();
      return;
    }
    this.length = length;
    this.#channel = channel;
    const context = { ...this.#context, syscall: "read" };
    const pump = new ReadPump(channel, {
      push: (chunk) => this.push(chunk),
      end: () => {
        if (pump.bytesRead === length) return void this.push(null);
        const cut = new Error(`the file ended after ${pump.bytesRead} of ${length} bytes`);
        this.destroy(errnoError(EIO, context, cut));
      },
      reset: () => this.destroy(errnoError(EIO, context)),
    });
    this.#pump = pump;
    channel.user = { step: () => pump.step(), lost: (error) => this.destroy(forDestroy(error)) };
    if (!channel.open) return void this.destroy(resetError("read", this.#engine.ended));
    this.emit("open");
    this.emit("ready");
    if (this.#wanted) this.#engine.touch(() => pump.want());
  }
}

/** The writing end of a file-stream, as callbacks. */
class FileSink implements ChannelUser {
  readonly #channel: Channel;
  readonly #context: ErrorContext;
  readonly #pump: WritePump;
  readonly #reader: FrameReader;
  readonly #onFailed: (error: Error) => void;
  #onDone: ((bytes: number) => void) | undefined;

  /** `onFailed` is called once at most, also after end(). */
  constructor(channel: Channel, context: ErrorContext, onFailed: (error: Error) => void) {
    this.#channel = channel;
    this.#context = { ...context, syscall: "write" };
    this.#onFailed = onFailed;
    this.#reader = new FrameReader(channel.pipe.toGuest);
    // What the host says about it is on its way: WriteFailed.
    this.#pump = new WritePump(channel, () => {});
    channel.user = this;
    channel.engine.touch(() => channel.pipe.toGuest.wantData());
  }

  get bytesWritten(): number {
    return this.#pump.bytesWritten;
  }

  write(chunks: readonly Uint8Array[], callback: () => void): void {
    this.#channel.engine.touch(() => {
      this.#pump.write(chunks, callback);
      this.step();
    });
  }

  /** All is written; calls back with the bytes that are in the file. */
  end(onDone: (bytes: number) => void): void {
    this.#onDone = onDone;
    this.#channel.end();
    this.#channel.engine.touch(() => this.step());
  }

  step(): void {
    const channel = this.#channel;
    if (!channel.open) return;
    this.#pump.step();
    if (!channel.open) return;
    const closed = channel.pipe.toGuest.peerClosed();
    let frame = this.#reader.next(channel.signal);
    while (frame !== undefined && isUnknown(frame, WriteDone.type, WriteFailed.type)) {
      frame = this.#reader.next(channel.signal);
    }
    if (frame === undefined) {
      if (closed === Closed.END) this.#reader.end();
      if (closed !== Closed.OPEN) this.#fail(errnoError(EIO, this.#context));
      return;
    }
    if (frame.type === WriteDone.type && this.#onDone !== undefined) {
      const { bytes } = WriteDone.decode(frame.payload);
      channel.finish();
      this.#onDone(bytes);
    } else if (frame.type === WriteFailed.type) {
      const failed = WriteFailed.decode(frame.payload);
      const cause = new Error(`${failed.bytes} bytes are in the file`);
      this.#fail(Object.assign(replyError(failed, this.#context), { cause, bytesWritten: failed.bytes }));
    } else {
      throw new ProtocolError(Violation.FRAME_TYPE, "FST-4", `type ${frame.type} on a file-stream`);
    }
  }

  lost(error: Error): void {
    this.#onFailed(error);
  }

  abort(): void {
    this.#channel.abort();
  }

  #fail(error: Error): void {
    this.#channel.abort();
    this.#onFailed(error);
  }
}

/** Writes a whole file; resolves when all of it is there. */
export async function writeFile(
  engine: Engine,
  path: PathLike,
  data: FileData,
  options: WriteFileOptions,
): Promise<void> {
  checkData(data);
  const { promise, context } = open(engine, path, FileDirection.WRITE, options);
  const { channel } = await promise;
  engine.hold();
  let fail: (error: Error) => void = () => {};
  const failed = new Promise<never>((_resolve, reject) => {
    fail = reject;
  });
  failed.catch(() => {});
  const stop = onAbort(options.signal, (error) => {
    sink.abort();
    fail(error);
  });
  const sink = new FileSink(channel, context, (error) => fail(error));
  try {
    if (options.signal?.aborted) throw new AbortError(options.signal);
    if (!channel.open) throw resetError("write", engine.ended);
    for await (const bytes of chunksOf(data, options.encoding)) {
      await Promise.race([failed, new Promise<void>((resolve) => sink.write([bytes], resolve))]);
    }
    await Promise.race([failed, new Promise((resolve) => sink.end(resolve))]);
  } catch (error) {
    sink.abort();
    throw error;
  } finally {
    stop();
    engine.unhold();
  }
}

/** A file as a Writable; 'finish' comes when all of it is in the file. */
export class FileWriteStream extends Writable {
  readonly path: string;
  readonly #engine: Engine;
  readonly #context: ErrorContext;
  readonly #opening: AbortController;
  #sink: FileSink | undefined;
  #constructed: ((error?: Error | null) => void) | undefined;

  /** Internal: use Guest.createWriteStream(). */
  constructor(engine: Engine, path: PathLike, options: WriteFileOptions) {
    const opening = new AbortController();
    const { promise, context } = open(engine, path, FileDirection.WRITE, {
      ...options,
      signal: opening.signal,
    });
    super({ highWaterMark: 256 * 1024 });
    this.#opening = opening;
    this.#engine = engine;
    this.#context = context;
    this.path = context.path!;
    engine.hold();
    promise.then(
      ({ channel }) => this.#begin(channel),
      (error: Error) => this.#settle(error),
    );
    if (options.signal !== undefined) addAbortSignal(options.signal, this);
  }

  get bytesWritten(): number {
    return this.#sink?.bytesWritten ?? 0;
  }

  override _construct(callback: (error?: Error | null) => void): void {
    this.#constructed = callback;
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
    this.#sink!.end(() => callback());
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#opening.abort();
    this.#sink?.abort();
    this.#engine.unhold();
    callback(error);
  }

  #begin(channel: Channel): void {
    if (this.destroyed) {
      channel.abort();
      return;
    }
    this.#sink = new FileSink(channel, this.#context, (error) => this.destroy(forDestroy(error)));
    if (!channel.open) {
      this.#settle(resetError("write", this.#engine.ended));
      return;
    }
    this.#settle();
    this.emit("open");
    this.emit("ready");
  }

  #settle(error?: Error): void {
    const constructed = this.#constructed;
    this.#constructed = undefined;
    if (constructed !== undefined) constructed(error);
    else if (error !== undefined) this.destroy(error);
  }
}
