// What fs.createReadStream() and fs.createWriteStream() take, and what it means for a file-stream.

import { invalidValue, outOfRange } from "@ringway/linux";
import { integer } from "../argument-errors.ts";
import { forDestroy, resetError } from "../errors.ts";
import type { Engine } from "../stream/engine.ts";
import type { RangeOptions } from "./file-stream.ts";

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

const HIGH_WATER_MARK: number = 256 * 1024;

/** `start` and `end` as a range. */
export function rangeOf<T extends ReadStreamOptions>(options: T): T {
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

export function streamOptions({ autoClose, emitClose, highWaterMark }: WriteStreamOptions): {
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
export function endedError(syscall: string, { ended }: Engine): Error | undefined {
  return ended && forDestroy(ended) && resetError(syscall, ended);
}
