// A file-stream, opened: raw bytes out of or into a file, in a stream of its own (PROTOCOL.md section 14), and its
// writing end.

import {
  Closed,
  FrameReader,
  fileMessages,
  Protocol,
  ProtocolError,
  typeName,
  Violation,
} from "@ringway/control";
import { Errno } from "@ringway/linux";
import type { AbortOptions } from "../abort.ts";
import { fileMode, integer } from "../argument-errors.ts";
import { type ErrorContext, errnoError, replyError } from "../errors.ts";
import type { Engine } from "../stream/engine.ts";
import { type OpenedStream, openStream } from "../stream/open-stream.ts";
import { type Rings, ringWish, SMALLEST_RING_BYTES } from "../stream/room.ts";
import type { Stream, StreamUser } from "../stream/stream.ts";
import { isUnknown } from "../stream/unknown.ts";
import { WritePump } from "../stream/write-pump.ts";
import { fileFlags, guestPath, type OpenFlags, type PathLike } from "./paths.ts";

export interface RangeOptions extends AbortOptions {
  /** First byte. Default 0. */
  readonly offset?: number | undefined;
  /** At most so many bytes. Default: all. */
  readonly length?: number | undefined;
  /** Size of the ring, in bytes. Default 1 MiB. */
  readonly ringBytes?: number | undefined;
  /** Default "r" to read, "w" to write. */
  readonly flags?: OpenFlags | undefined;
  /** As in node:fs: another name of `flags`. */
  readonly flag?: OpenFlags | undefined;
  /** Permissions of a file that this creates. Default 0o666. */
  readonly mode?: number | string | undefined;
}

export type FileOpened = OpenedStream<fileMessages.FileStreamOpened>;

/** A file-stream in the making. */
export interface OpeningFile {
  readonly promise: Promise<FileOpened>;
  readonly context: ErrorContext;
  /** FileFlags, those of one direction. */
  readonly flags: number;
}

const { FileDirection, FileFlags, FileStreamOpen, FileStreamOpened, WriteDone, WriteFailed } = fileMessages;

/** Bulk goes one way; the other carries an Open, or what became of it. */
const READ_RINGS: Rings = { toHostBytes: SMALLEST_RING_BYTES, toGuestBytes: 1024 * 1024 };
const WRITE_RINGS: Rings = { toHostBytes: 1024 * 1024, toGuestBytes: SMALLEST_RING_BYTES };
const ALL = Number.MAX_SAFE_INTEGER;

/** `bytes`: how many are to be written, where that is known: a small file needs small rings. */
export function openFileStream(
  engine: Engine,
  path: PathLike,
  direction: number,
  options: RangeOptions,
  bytes: number = Number.POSITIVE_INFINITY,
): OpeningFile {
  const writes = direction === FileDirection.WRITE;
  const context = { syscall: "open", path: guestPath(path, "open") };
  const all = fileFlags(options.flags ?? options.flag ?? (writes ? "w" : "r"));
  // A file-stream goes one way, whatever else the flags would allow.
  const flags = all & ~(writes ? FileFlags.READ : FileFlags.WRITE);
  const body = FileStreamOpen.encode({
    direction,
    flags,
    mode: fileMode(options.mode, "mode", 0o666),
    offset: integer(options.offset ?? 0, "offset", 0),
    length: integer(options.length ?? ALL, "length", 0),
    path: context.path,
  });
  const rings = ringWish(options.ringBytes, writes ? writeRings(bytes) : READ_RINGS);
  const request = { protocol: Protocol.FILE_STREAM, body, rings, context, signal: options.signal };
  return { promise: openStream(engine, request, FileStreamOpened.decode), context, flags };
}

function writeRings(bytes: number): Rings {
  let { toHostBytes } = WRITE_RINGS;
  while (toHostBytes / 2 >= Math.max(bytes, SMALLEST_RING_BYTES)) toHostBytes /= 2;
  return { ...WRITE_RINGS, toHostBytes };
}

/** The writing end of a file-stream, as callbacks. */
export class FileSink implements StreamUser {
  readonly #stream: Stream;
  readonly #context: ErrorContext;
  readonly #pump: WritePump;
  readonly #reader: FrameReader;
  readonly #onFailed: (error: Error) => void;
  #onDone: (() => void) | undefined;
  #bytesWritten = 0;

  /**
   * With APPEND in `flags` no chunk is divided that fits the ring. `onFailed` is called once at most, also after
   * end().
   */
  constructor(stream: Stream, context: ErrorContext, flags: number, onFailed: (error: Error) => void) {
    this.#stream = stream;
    this.#context = { ...context, syscall: "write" };
    this.#onFailed = onFailed;
    this.#reader = new FrameReader(stream.pipe.toGuest);
    // What the host says about it is on its way: WriteFailed.
    this.#pump = new WritePump(stream, () => {}, (flags & FileFlags.APPEND) !== 0);
    stream.user = this;
    stream.engine.touch(() => stream.pipe.toGuest.wantData());
  }

  /** Bytes that are in the file: those that the host has taken out of the ring (FST-4), and at the end what it says. */
  get bytesWritten(): number {
    this.#stream.engine.touch(() => this.#count());
    return this.#bytesWritten;
  }

  write(chunks: readonly Uint8Array[], callback: () => void): void {
    this.#stream.engine.touch(() => {
      this.#pump.write(chunks, callback);
      this.step();
    });
  }

  /** All is written; calls back once it is in the file. */
  end(onDone: () => void): void {
    this.#onDone = onDone;
    this.#stream.end();
    this.#stream.engine.touch(() => this.step());
  }

  step(): void {
    const stream = this.#stream;
    if (!stream.open) return;
    this.#pump.step();
    this.#count();
    if (!stream.open) return;
    const closed = stream.pipe.toGuest.peerClosed();
    let frame = this.#reader.next(stream.signal);
    while (frame !== undefined && isUnknown(frame, WriteDone.type, WriteFailed.type)) {
      frame = this.#reader.next(stream.signal);
    }
    if (frame === undefined) {
      if (closed === Closed.END) this.#reader.end();
      if (closed !== Closed.OPEN) this.#fail(errnoError(Errno.EIO, this.#context));
      return;
    }
    if (frame.type === WriteDone.type && this.#onDone !== undefined) {
      const { bytes } = WriteDone.decode(frame.payload);
      stream.finish();
      this.#bytesWritten = bytes;
      this.#onDone();
    } else if (frame.type === WriteFailed.type) {
      const failed = WriteFailed.decode(frame.payload);
      const cause = new Error(`${failed.bytes} bytes are in the file`);
      this.#bytesWritten = failed.bytes;
      this.#fail(Object.assign(replyError(failed, this.#context), { cause, bytesWritten: failed.bytes }));
    } else {
      throw new ProtocolError(Violation.FRAME_TYPE, "FST-4", `type ${typeName(frame.type)} on a file-stream`);
    }
  }

  lost(error: Error): void {
    this.#onFailed(error);
  }

  abort(): void {
    this.#stream.engine.touch(() => this.#count());
    this.#stream.abort();
  }

  #count(): void {
    const { open, pipe } = this.#stream;
    if (!open || this.#stream.user !== this) return;
    const waiting = pipe.toHost.capacity - pipe.toHost.writable();
    this.#bytesWritten = Math.max(0, this.#pump.bytesWritten - waiting);
  }

  #fail(error: Error): void {
    this.#stream.user = undefined;
    this.#stream.abort();
    this.#onFailed(error);
  }
}
