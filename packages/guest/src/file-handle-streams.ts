// Streams over an open file: Node's own ReadStream and WriteStream, with the file's requests in the place of system calls, so that
// their options and their errors are Node's by themselves.

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

type Done<T> = (error: Error | null, count?: number, data?: T) => void;

/** What a stream does with its file, in the manner of node:fs. */
function operations(file: GuestFile): object {
  const settle = <T>(work: Promise<number>, data: T, done: Done<T>): void => {
    work.then(
      (count) => done(null, count, data),
      (error: Error) => done(error, 0, data),
    );
  };
  type Bytes = NodeJS.ArrayBufferView;
  return {
    open: () => {},
    close: (_fd: number, done: Done<void>) =>
      settle(
        file.close().then(() => 0),
        undefined,
        done,
      ),
    fsync: (_fd: number, done: Done<void>) =>
      settle(
        file.sync().then(() => 0),
        undefined,
        done,
      ),
    read: (
      _fd: number,
      bytes: Bytes,
      offset: number,
      length: number,
      at: number | undefined,
      done: Done<Bytes>,
    ) =>
      settle(
        file.read(bytes, offset, length, at ?? null).then((found) => found.bytesRead),
        bytes,
        done,
      ),
    write: (
      _fd: number,
      bytes: Bytes,
      offset: number,
      length: number,
      at: number | undefined,
      done: Done<Bytes>,
    ) =>
      settle(
        file.write(bytes, offset, length, at ?? null).then((took) => took.bytesWritten),
        bytes,
        done,
      ),
    writev: (_fd: number, list: readonly Bytes[], at: number | undefined, done: Done<readonly Bytes[]>) =>
      settle(
        file.writev(list, at ?? null).then((took) => took.bytesWritten),
        list,
        done,
      ),
  };
}

export function readStreamOf(file: GuestFile, options: HandleStreamOptions = {}): ReadStream {
  const stream = createReadStream("", { ...options, fd: NO_DESCRIPTOR, fs: operations(file) } as never);
  file.once("close", () => stream.close());
  return stream;
}

export function writeStreamOf(file: GuestFile, options: HandleStreamOptions = {}): WriteStream {
  const stream = createWriteStream("", { ...options, fd: NO_DESCRIPTOR, fs: operations(file) } as never);
  file.once("close", () => stream.close());
  return stream;
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
