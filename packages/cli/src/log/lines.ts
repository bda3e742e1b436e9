// Bytes as lines, of which none that is long or endless fills this process.

import { createReadStream } from "node:fs";
import type { Readable } from "node:stream";
import { createGunzip } from "node:zlib";

/** A monitor's are much shorter: a text takes 16 KiB of one at most. */
const LINE_BYTES_MAX = 256 * 1024;
const NEWLINE = 10;

/** Without their ends; undefined for one that is too long, of which nothing is kept. The last need not end. */
export async function* linesOf(bytes: AsyncIterable<Buffer>): AsyncGenerator<string | undefined> {
  let parts: Buffer[] = [];
  let length = 0;
  const take = (part: Buffer): void => {
    length += part.length;
    if (length <= LINE_BYTES_MAX) parts.push(part);
    else parts = [];
  };
  const end = (): string | undefined => {
    const line = length <= LINE_BYTES_MAX ? Buffer.concat(parts).toString() : undefined;
    parts = [];
    length = 0;
    return line;
  };
  for await (const chunk of bytes) {
    let from = 0;
    for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, from)) {
      take(chunk.subarray(from, at));
      from = at + 1;
      yield end();
    }
    take(chunk.subarray(from));
  }
  if (length > 0) yield end();
}

/** `-` is standard input; a file whose name ends in .gz is compressed. */
export function streamOf(file: string): Readable {
  if (file === "-") return process.stdin;
  const stream = createReadStream(file);
  if (!file.endsWith(".gz")) return stream;
  const plain = createGunzip();
  stream.on("error", (error) => plain.destroy(error));
  return stream.pipe(plain);
}
