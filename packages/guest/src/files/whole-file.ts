// Whole files, and ranges of them, the fast path: readFile() and writeFile() over a file-stream each.

import { fileMessages, ProtocolError, Violation } from "@ringway/control";
import { Errno } from "@ringway/linux";
import { type AbortOptions, onAbort, throwIfAborted } from "../abort.ts";
import { boolean } from "../argument-errors.ts";
import { cutOffError, type ErrorContext, errnoError, RingwayError } from "../errors.ts";
import type { Engine } from "../stream/engine.ts";
import { ReadPump } from "../stream/read-pump.ts";
import { GuestFile } from "./file.ts";
import { checkData, chunksOf, type FileData, wholeBytes } from "./file-data.ts";
import { type FileOpened, FileSink, openFileStream, type RangeOptions } from "./file-stream.ts";
import type { GuestFs } from "./fs.ts";
import { fileFlags, guestPath, type PathLike, syncsWrites } from "./paths.ts";

export interface ReadFileOptions extends RangeOptions {
  /** Gives text in this encoding; nothing gives a Buffer. */
  readonly encoding?: BufferEncoding | null | undefined;
}

export interface WriteFileOptions extends RangeOptions {
  /** Of text. Default "utf8". */
  readonly encoding?: BufferEncoding | null | undefined;
  /** The data are to be on the disk when it resolves. Default false, but for flags such as "as". */
  readonly flush?: boolean | undefined;
}

const { FileDirection, FileFlags } = fileMessages;
/** How much is taken before its space is given back. */
const COPY_BYTES = 256 * 1024;

export async function readWhole(
  engine: Engine,
  fs: GuestFs,
  path: PathLike,
  options: ReadFileOptions,
): Promise<Buffer> {
  throwIfAborted(options.signal);
  const flags = options.flags ?? options.flag ?? "r";
  if (fileFlags(flags) !== FileFlags.READ) {
    await using file = await GuestFile.open(engine, fs, path, flags, options.mode, options);
    return await file.readFile({ signal: options.signal });
  }
  const { promise, context } = openFileStream(engine, path, FileDirection.READ, options);
  return await take(engine, context, await promise, options.signal);
}

/** All that the host has promised, in one Buffer. */
function take(
  engine: Engine,
  context: ErrorContext,
  { stream, opened }: FileOpened,
  signal: AbortSignal | undefined,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const failed = (error: Error): void => {
      stop();
      stream.abort();
      engine.unhold();
      reject(error);
    };
    engine.hold();
    const stop = onAbort(signal, failed);
    if (!stream.open) return failed(cutOffError("read", engine.ended));
    let buffer: Buffer;
    try {
      buffer = Buffer.allocUnsafeSlow(opened.length);
    } catch (cause) {
      const message = `${context.path} has ${opened.length} bytes, more than fit one Buffer`;
      return failed(new RingwayError("ERR_FS_FILE_TOO_LARGE", message, { ...context, cause }));
    }
    const reading = { ...context, syscall: "read" };
    const pump: ReadPump = new ReadPump(stream, {
      into: () => buffer.subarray(pump.bytesRead, pump.bytesRead + COPY_BYTES),
      noBuffer() {
        const sentence = "a file-stream carries more than it promised";
        throw new ProtocolError(Violation.STREAM_STATE, "FST-2", sentence);
      },
      push: () => true,
      ended() {
        if (pump.bytesRead < buffer.length) {
          const cut = new Error(`the file ended after ${pump.bytesRead} of ${buffer.length} bytes`);
          return failed(errnoError(Errno.EIO, reading, cut));
        }
        stop();
        stream.finish();
        engine.unhold();
        resolve(buffer);
      },
      reset: () => failed(errnoError(Errno.EIO, reading)),
    });
    stream.user = { step: () => pump.step(), lost: failed };
    engine.touch(() => pump.want());
  });
}

/** Writes a whole file; resolves when all of it is there. */
export async function writeWhole(
  engine: Engine,
  fs: GuestFs,
  path: PathLike,
  data: FileData,
  options: WriteFileOptions,
  encoding: BufferEncoding | "buffer" | undefined,
): Promise<void> {
  // Before the file is opened, which may empty it.
  checkData(data);
  const flags = options.flags ?? options.flag ?? "w";
  const flush = boolean(options.flush ?? syncsWrites(flags), "options.flush");
  throwIfAborted(options.signal);
  const named = guestPath(path, "open");
  if ((fileFlags(flags) & FileFlags.WRITE) === 0)
    throw errnoError(Errno.EBADF, { syscall: "write", path: named });
  const whole = wholeBytes(data, encoding);
  const opening = openFileStream(engine, named, FileDirection.WRITE, { ...options, flags }, whole?.length);
  await put(
    engine,
    await opening.promise,
    opening,
    whole === undefined ? chunksOf(data, encoding) : [whole],
    options,
  );
  if (flush) await syncFile(engine, fs, named, options);
}

async function put(
  engine: Engine,
  { stream }: FileOpened,
  { context, flags }: { readonly context: ErrorContext; readonly flags: number },
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  { signal }: AbortOptions,
): Promise<void> {
  engine.hold();
  let fail: (error: Error) => void = () => {};
  const failed = new Promise<never>((_resolve, reject) => {
    fail = reject;
  });
  failed.catch(() => {});
  const stop = onAbort(signal, (error) => {
    sink.abort();
    fail(error);
  });
  const sink = new FileSink(stream, context, flags, (error) => fail(error));
  try {
    throwIfAborted(signal);
    if (!stream.open) throw cutOffError("write", engine.ended);
    for await (const bytes of chunks) {
      await Promise.race([failed, new Promise<void>((resolve) => sink.write([bytes], resolve))]);
    }
    await Promise.race([failed, new Promise<void>((resolve) => sink.end(resolve))]);
  } catch (error) {
    sink.abort();
    throw error;
  } finally {
    stop();
    engine.unhold();
  }
}

/** A file-stream has no request for it, but what goes to the disk is the file, by whoever it was written. */
export async function syncFile(
  engine: Engine,
  fs: GuestFs,
  path: PathLike,
  options: AbortOptions,
): Promise<void> {
  await using file = await GuestFile.open(engine, fs, path, "r+", undefined, { signal: options.signal });
  await file.sync(options);
}
