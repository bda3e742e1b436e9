// What writeFile() takes, as bytes. It is looked at before a file is opened: a file that is opened to be written anew
// is empty.

import type { AbortOptions } from "../abort.ts";
import { isView, notData } from "./file-arguments.ts";

/** What writeFile() takes. */
export type FileData =
  | string
  | NodeJS.ArrayBufferView
  | Iterable<string | NodeJS.ArrayBufferView>
  | AsyncIterable<string | NodeJS.ArrayBufferView>;

export interface WholeFileOptions extends AbortOptions {
  /** Of text. Default "utf8". */
  readonly encoding?: BufferEncoding | null | undefined;
}

/** Throws for what is neither text nor bytes nor gives them one after the other. */
export function checkData(data: unknown): asserts data is FileData {
  if (typeof data === "string" || isView(data)) return;
  const source = data as Partial<Iterable<unknown> & AsyncIterable<unknown>> | null | undefined;
  if (typeof source !== "object" || source === null) throw notData("data", data);
  if (source[Symbol.iterator] === undefined && source[Symbol.asyncIterator] === undefined)
    throw notData("data", data);
}

/** Its bytes when all of it is in hand; undefined where it comes piece by piece. */
export function wholeBytes(
  data: FileData,
  encoding: BufferEncoding | "buffer" | undefined,
): Uint8Array | undefined {
  return typeof data === "string" || isView(data) ? toBytes(data, encoding) : undefined;
}

export async function* chunksOf(
  data: FileData,
  encoding: BufferEncoding | "buffer" | undefined,
): AsyncGenerator<Uint8Array> {
  const whole = wholeBytes(data, encoding);
  if (whole !== undefined) yield whole;
  else {
    for await (const chunk of data as AsyncIterable<unknown>) {
      // node:fs takes here what Buffer.from() takes.
      if (typeof chunk !== "string" && !isView(chunk)) throw notData("data", chunk);
      yield toBytes(chunk, encoding);
    }
  }
}

function toBytes(
  data: string | NodeJS.ArrayBufferView,
  encoding: BufferEncoding | "buffer" | undefined,
): Uint8Array {
  if (typeof data === "string") return Buffer.from(data, (encoding ?? "utf8") as BufferEncoding);
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}
