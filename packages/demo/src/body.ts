// Bytes that anybody can make again from a seed: pseudo-random, as AES in counter mode gives them.

import { createCipheriv, createHash, randomBytes } from "node:crypto";

const CHUNK_BYTES = 256 * 1024;
const zeros = Buffer.alloc(CHUNK_BYTES);

export function newSeed(): Buffer {
  return randomBytes(16);
}

/** `bytes` bytes, in chunks. */
export function* bodyOf(seed: Buffer, bytes: number): Generator<Buffer> {
  const cipher = createCipheriv("aes-128-ctr", seed, Buffer.alloc(16));
  for (let left = bytes; left > 0; left -= CHUNK_BYTES) {
    yield cipher.update(left < CHUNK_BYTES ? zeros.subarray(0, left) : zeros);
  }
}

export function sha256(chunks: Iterable<Uint8Array>): string {
  const hash = createHash("sha256");
  for (const chunk of chunks) hash.update(chunk);
  return hash.digest("hex");
}

/** The page that a guest serves at `path`: both sides can make it. */
export function pageOf(path: string, bytes: number): Buffer {
  const line = `${createHash("sha256").update(path).digest("hex")} ${path}\n`;
  return Buffer.alloc(bytes, line);
}
