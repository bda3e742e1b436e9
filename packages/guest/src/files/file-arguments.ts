// What a program means by the arguments of FileHandle's read() and write(), in each of their forms, as node:fs takes
// them.
//
// Invariant: what comes out is safe to ask for: bytes that exist, and a position of 0 to 2^53 - 1 or null, the file's
// own.

import { invalidType, invalidValue, outOfRange, requireObject } from "@ringway/linux";
import type { AbortOptions } from "../abort.ts";
import { integer } from "../argument-errors.ts";

/** Where in a buffer, and where in the file. */
export interface FilePlace extends AbortOptions {
  /** First byte in the buffer. Default 0. */
  readonly offset?: number | null | undefined;
  /** Bytes of the buffer. Default: all from `offset` on. */
  readonly length?: number | null | undefined;
  /** First byte in the file. Default: the file position, which moves. */
  readonly position?: number | bigint | null | undefined;
}

/** Of read({ buffer, ... }): without a buffer, one of 16 KiB is made. */
export interface ReadOptions<B extends NodeJS.ArrayBufferView = Buffer> extends FilePlace {
  readonly buffer?: B | undefined;
}

export interface ReadWork {
  readonly buffer: NodeJS.ArrayBufferView;
  readonly target: Uint8Array;
  readonly position: number | null;
  readonly signal: AbortSignal | undefined;
}

export interface WriteWork {
  readonly source: Uint8Array;
  readonly position: number | null;
  readonly signal: AbortSignal | undefined;
}

const DEFAULT_READ_BYTES = 16_384;
const INT32_MAX = 0x7fff_ffff;

export function isView(value: unknown): value is NodeJS.ArrayBufferView {
  return ArrayBuffer.isView(value);
}

export function bytesOf(view: NodeJS.ArrayBufferView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

export function readWork(first: unknown, second: unknown, third: unknown, fourth: unknown): ReadWork {
  let buffer = first;
  let place: FilePlace = { offset: second, length: third, position: fourth } as FilePlace;
  if (!isView(buffer)) {
    if (first !== undefined && first !== null) requireObject(first, "options");
    place = (first ?? {}) as FilePlace;
    buffer = (place as ReadOptions).buffer ?? Buffer.alloc(DEFAULT_READ_BYTES);
    if (!isView(buffer))
      throw invalidType("buffer", "an instance of Buffer, TypedArray, or DataView", buffer);
  } else if (typeof second === "object" && second !== null) place = second;
  const view = buffer;
  const offset = place.offset === undefined || place.offset === null ? 0 : integer(place.offset, "offset", 0);
  const length = place.length ?? view.byteLength - offset;
  const work = { buffer: view, target: new Uint8Array(0), position: null, signal: place.signal };
  if (length === 0) return work;
  if (view.byteLength === 0) throw invalidValue("buffer", view, "is empty and cannot be written");
  integer(length, "length", 0, INT32_MAX);
  if (offset + length > view.byteLength) throw outOfRange("length", `<= ${view.byteLength - offset}`, length);
  const target = bytesOf(view).subarray(offset, offset + length);
  return { ...work, target, position: readPosition(place.position) };
}

/**
 * Null and -1: the file position. node:fs of later versions refuses what is no number; that of 20 read at the file
 * position.
 */
function readPosition(position: unknown): number | null {
  if (position === undefined || position === null) return null;
  if (typeof position === "bigint") {
    if (position < 0n) return null;
    if (position > Number.MAX_SAFE_INTEGER)
      throw outOfRange("position", `<= ${Number.MAX_SAFE_INTEGER}`, position);
    return Number(position);
  }
  if (typeof position !== "number") throw invalidType("position", "of type number or bigint", position);
  const at = integer(position, "position", -1);
  return at < 0 ? null : at;
}

/** Undefined: there is nothing to write, and node:fs looks no further. */
export function writeWork(
  data: unknown,
  second: unknown,
  third: unknown,
  fourth: unknown,
): WriteWork | undefined {
  if ((data as { byteLength?: unknown } | null | undefined)?.byteLength === 0) return undefined;
  if (typeof data === "string") {
    return { source: textBytes(data, third), position: writePosition(second), signal: undefined };
  }
  if (!isView(data)) throw notData("buffer", data);
  let place = { offset: second, length: third, position: fourth } as FilePlace;
  if (typeof second === "object") place = second ?? {};
  const offset = place.offset === undefined || place.offset === null ? 0 : integer(place.offset, "offset", 0);
  const length = typeof place.length === "number" ? place.length : data.byteLength - offset;
  if (offset > data.byteLength) throw outOfRange("offset", `<= ${data.byteLength}`, offset);
  if (length > data.byteLength - offset) throw outOfRange("length", `<= ${data.byteLength - offset}`, length);
  integer(length, "length", 0, INT32_MAX);
  const source = bytesOf(data).subarray(offset, offset + length);
  return { source, position: writePosition(place.position), signal: place.signal };
}

/** As node:fs documents it: whatever is not a position, such as null, -1 or a BigInt, means the file position. */
export function writePosition(position: unknown): number | null {
  return Number.isSafeInteger(position) && (position as number) >= 0 ? (position as number) : null;
}

/** An encoding that there is not is taken for UTF-8, as by node:fs. */
function textBytes(text: string, encoding: unknown): Uint8Array {
  const known = typeof encoding === "string" && Buffer.isEncoding(encoding) ? encoding : "utf8";
  if (known.toLowerCase() === "hex" && text.length % 2 !== 0)
    throw invalidValue("encoding", encoding, `is invalid for data of length ${text.length}`);
  return Buffer.from(text, known);
}

export function notData(name: string, value: unknown): Error {
  return invalidType(name, "of type string or an instance of Buffer, TypedArray, or DataView", value);
}

export function viewsOf(buffers: unknown): readonly NodeJS.ArrayBufferView[] {
  if (!Array.isArray(buffers) || !buffers.every(isView))
    throw invalidType("buffers", "an instance of ArrayBufferView[]", buffers);
  return buffers;
}
