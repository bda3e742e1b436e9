// Streams over an open file: Node's own ReadStream and WriteStream, with the file's requests in the place of system calls, so that
// their options and their errors are Node's by themselves.

import type { EventEmitter } from "node:events";
import { createReadStream, createWriteStream, type ReadStream, type WriteStream } from "node:fs";
import { createInterface, type Interface } from "node:readline";
import { ReadableStream } from "node:stream/web";
import type { GuestFile } from "./file.ts";

export interface HandleStreamOptions {
  readonly encoding?: BufferEncoding | undefined;
  /** Default true: the file is closed when the stream is over. */
  readonly autoClose?: boolean | undefined;
  readonly emitClose?: boolean | undefined;
  /** First byte in the file. Default: the file position, which moves. */
  readonly start?: number | undefined;
  readonly highWaterMark?: number | undefined;
  /** Of a write stream: sync() before the file is closed. */
  readonly flush?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A number that no descriptor has: whoever takes it for one gets EBADF. */
const NO_DESCRIPTOR = 0x7fff_ffff;
const WEB_CHUNK_BYTES = 16_384;

type Bytes = NodeJS.ArrayBufferView;
type Callback<T> = (error: Error | null, count?: number, data?: T) => void;

/** What a stream does with its file, in the manner of node:fs. */
class Operations {
  readonly #file: GuestFile;

  constructor(file: GuestFile) {
    this.#file = file;
  }

  /** Never called: the file is open. */
  readonly open = (): void => {};

  readonly close = (_fd: number, done: Callback<void>): void => {
    this.#file.close().then(() => done(null), done);
  };

  readonly fsync = (_fd: number, done: Callback<void>): void => {
    this.#file.sync().then(() => done(null), done);
  };

  readonly read = (
    _fd: number,
    bytes: Bytes,
    offset: number,
    length: number,
    at: number | undefined,
    done: Callback<Bytes>,
  ): void => {
    const work = this.#file.read(bytes, offset, length, at ?? null);
    work.then(({ bytesRead }) => done(null, bytesRead, bytes), done);
  };

  readonly write = (
    _fd: number,
    bytes: Bytes,
    offset: number,
    length: number,
    at: number | undefined,
    done: Callback<Bytes>,
  ): void => {
    const work = this.#file.write(bytes, offset, length, at ?? null).catch(part);
    work.then(({ bytesWritten }) => done(null, bytesWritten, bytes), done);
  };

  readonly writev = (
    _fd: number,
    list: readonly Bytes[],
    at: number | undefined,
    done: Callback<readonly Bytes[]>,
  ): void => {
    const all = this.#file.writev(list, at ?? null);
    // After a part of it Node 20 goes on at the first place again.
    const work = at === undefined ? all.catch(part) : all;
    work.then(({ bytesWritten }) => done(null, bytesWritten, list), done);
  };
}

/** As write(2): a part is a part, and what comes next says why. So the stream's bytesWritten is what is in the file. */
function part(error: Error & { bytesWritten?: number }): { bytesWritten: number } {
  const { bytesWritten = 0 } = error;
  if (bytesWritten === 0) throw error;
  return { bytesWritten };
}

/** Node's options, with this file in the place of a descriptor. */
function over(file: GuestFile, options: HandleStreamOptions): never {
  return { ...options, fd: NO_DESCRIPTOR, fs: new Operations(file) } as never;
}

/** The stream ends when the file is closed. */
function tied<S extends ReadStream | WriteStream>(file: GuestFile, stream: S): S {
  const onClose = (): void => stream.close();
  file.once("close", onClose);
  // Not finished(): it would be a listener for errors that the program has none for.
  const events: EventEmitter = stream;
  for (const over of ["end", "finish", "close"]) events.once(over, () => file.off("close", onClose));
  return stream;
}

export function readStreamOf(file: GuestFile, options: HandleStreamOptions = {}): ReadStream {
  return tied(file, createReadStream("", over(file, options)));
}

export function writeStreamOf(file: GuestFile, options: HandleStreamOptions = {}): WriteStream {
  return tied(file, createWriteStream("", over(file, options)));
}

export function linesOf(file: GuestFile, options: HandleStreamOptions = {}): Interface {
  return createInterface({ input: readStreamOf(file, options), crlfDelay: Number.POSITIVE_INFINITY });
}

export function webStreamOf(file: GuestFile): ReadableStream<Uint8Array> {
  return new ReadableStream({
    type: "bytes",
    autoAllocateChunkSize: WEB_CHUNK_BYTES,
    async pull(controller) {
      const view = controller.byobRequest!.view!;
      const { bytesRead } = await file.read(new Uint8Array(view.buffer, view.byteOffset, view.byteLength));
      if (bytesRead === 0) controller.close();
      controller.byobRequest!.respond(bytesRead);
    },
  });
}
