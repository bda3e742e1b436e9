// Streams over an open file: Node's own ReadStream and WriteStream, with the file's requests in the place of system
// calls, so that their options and their errors are Node's by themselves.

import { createReadStream, createWriteStream, type ReadStream, type WriteStream } from "node:fs";
import { createInterface, type Interface } from "node:readline";
import { ReadableStream } from "node:stream/web";
import { forDestroy } from "../errors.ts";
import type { FileUses } from "./file-uses.ts";

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

/** What a stream asks of its file. */
interface StreamFile {
  read(
    buffer: Bytes,
    offset: number,
    length: number,
    position: number | null,
  ): Promise<{ readonly bytesRead: number }>;
  write(
    buffer: Bytes,
    offset: number,
    length: number,
    position: number | null,
  ): Promise<{ readonly bytesWritten: number }>;
  writev(buffers: readonly Bytes[], position: number | null): Promise<{ readonly bytesWritten: number }>;
  sync(): Promise<void>;
  close(): Promise<void>;
  on(event: "close", listener: () => void): unknown;
  off(event: "close", listener: () => void): unknown;
}

/** A number that no descriptor has: whoever takes it for one gets EBADF. */
const NO_DESCRIPTOR = 0x7fff_ffff;
const WEB_CHUNK_BYTES = 16_384;

type Bytes = NodeJS.ArrayBufferView;
type Callback = (error: Error | null, count?: number, data?: unknown) => void;

/** What a stream does with its file, in the manner of node:fs. It uses the file until it is closed. */
class Operations {
  readonly #file: StreamFile;
  readonly #uses: FileUses;
  #stream: ReadStream | WriteStream | undefined;
  /** Has the guest left while the stream was at work? */
  #left = false;

  constructor(file: StreamFile, uses: FileUses) {
    this.#file = file;
    this.#uses = uses;
  }

  /** The stream, which Node has made with these operations; it is over when the file is closed. */
  serve<S extends ReadStream | WriteStream>(stream: S): S {
    this.#stream = stream;
    const destroy = stream._destroy.bind(stream);
    stream._destroy = (error, callback) => destroy(error, (told) => callback(this.#left ? null : told));
    this.#uses.begin();
    this.#file.on("close", this.#onClose);
    return stream;
  }

  readonly #onClose = (): void => {
    const stream = this.#stream!;
    // Without autoClose, one that is through stays until then, and has no end left to come to.
    const isThrough = stream.errored !== null || (stream as Partial<WriteStream>).writableFinished === true;
    if (isThrough) stream.destroy();
    else stream.close();
  };

  /** Never called: the file is open. */
  readonly open = (): void => {};

  readonly close = (_fd: number, done: Callback): void => {
    this.#file.off("close", this.#onClose);
    this.#uses.end();
    this.#file.close().then(() => done(null), done);
  };

  readonly fsync = (_fd: number, done: Callback): void => {
    this.#file.sync().then(() => done(null), this.#failed(done));
  };

  readonly read = (
    _fd: number,
    bytes: Bytes,
    offset: number,
    length: number,
    at: number | undefined,
    done: Callback,
  ): void => {
    const work = this.#file.read(bytes, offset, length, at ?? null);
    work.then(({ bytesRead }) => done(null, bytesRead, bytes), this.#failed(done));
  };

  readonly write = (
    _fd: number,
    bytes: Bytes,
    offset: number,
    length: number,
    at: number | undefined,
    done: Callback,
  ): void => {
    const work = this.#file.write(bytes, offset, length, at ?? null).catch(part);
    work.then(({ bytesWritten }) => done(null, bytesWritten, bytes), this.#failed(done));
  };

  readonly writev = (_fd: number, list: readonly Bytes[], at: number | undefined, done: Callback): void => {
    const all = this.#file.writev(list, at ?? null);
    // After a part of it Node 20 goes on at the first place again.
    const work = at === undefined ? all.catch(part) : all;
    work.then(({ bytesWritten }) => done(null, bytesWritten, list), this.#failed(done));
  };

  /** What fails, fails the stream; but where the guest itself has left, the stream is closed without an error. */
  #failed(done: Callback): (error: Error) => void {
    return (error) => {
      if (forDestroy(error) === undefined) {
        this.#left = true;
        this.#stream!.destroy();
      }
      done(error);
    };
  }
}

/** As write(2): a part is a part, and what comes next says why. So the stream's bytesWritten is what is in the file. */
function part(error: Error & { bytesWritten?: number }): { bytesWritten: number } {
  const { bytesWritten = 0 } = error;
  if (bytesWritten === 0) throw error;
  return { bytesWritten };
}

/** Node's options, with these operations in the place of a descriptor's. */
function over(fs: Operations, options: HandleStreamOptions): never {
  return { ...options, fd: NO_DESCRIPTOR, fs } as never;
}

export function readStreamOf(
  file: StreamFile,
  uses: FileUses,
  options: HandleStreamOptions = {},
): ReadStream {
  const operations = new Operations(file, uses);
  return operations.serve(createReadStream("", over(operations, options)));
}

export function writeStreamOf(
  file: StreamFile,
  uses: FileUses,
  options: HandleStreamOptions = {},
): WriteStream {
  const operations = new Operations(file, uses);
  return operations.serve(createWriteStream("", over(operations, options)));
}

export function linesOf(file: StreamFile, uses: FileUses, options: HandleStreamOptions = {}): Interface {
  return createInterface({
    input: readStreamOf(file, uses, options),
    crlfDelay: Number.POSITIVE_INFINITY,
  });
}

/** Through at the end of the file, when it is cancelled or fails, and when the file is closed, which waits for it. */
export function webStreamOf(file: StreamFile, uses: FileUses): ReadableStream<Uint8Array> {
  let isOver = false;
  let onClose = (): void => {};
  const over = (): void => {
    if (isOver) return;
    isOver = true;
    file.off("close", onClose);
    uses.end();
  };
  uses.begin();
  return new ReadableStream({
    type: "bytes",
    autoAllocateChunkSize: WEB_CHUNK_BYTES,
    start(controller) {
      onClose = () => {
        over();
        controller.close();
      };
      file.on("close", onClose);
    },
    async pull(controller) {
      const view = controller.byobRequest!.view!;
      try {
        const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
        const { bytesRead } = await file.read(bytes, 0, bytes.length, null);
        const wasOver = isOver;
        if (bytesRead === 0) over();
        if (bytesRead === 0 && !wasOver) controller.close();
        // Closed meanwhile: its bytes are not wanted. Cancelled: there is no request any more.
        controller.byobRequest?.respond(wasOver ? 0 : bytesRead);
      } catch (error) {
        over();
        throw error;
      }
    },
    cancel: over,
  });
}
