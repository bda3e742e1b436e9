// The bearer token that clients over TCP must have: from a file that its owner alone may read, compared in constant
// time, and guessed at no more than some times a minute from one address.

import { createHash, timingSafeEqual } from "node:crypto";
import { open } from "node:fs/promises";
import { Errno, SystemError } from "@ringway/linux";

/** `openssl rand -hex 16` is as long. */
const CHARACTERS_MIN = 32;
const BYTES_MAX = 4096;

const GUESSES_MAX = 10;
const GUESSES_MS = 60_000;
/** Of which it is known how often they have guessed: the one that began longest ago is forgotten. */
const ADDRESSES_MAX = 1024;

/** Throws SystemError: EACCES where others may read it, EINVAL where it is none. */
export async function readToken(path: string): Promise<string> {
  const file = await open(path, "r").catch((error: NodeJS.ErrnoException) => {
    throw new SystemError(-(error.errno ?? -Errno.EIO), "open", path);
  });
  try {
    const stats = await file.stat();
    if (!stats.isFile())
      throw new SystemError(Errno.EINVAL, "open", path, "the token's file is no regular file");
    if ((stats.mode & 0o077) !== 0) {
      const detail = "others than its owner may read the token's file: chmod 600";
      throw new SystemError(Errno.EACCES, "open", path, detail);
    }
    const { buffer, bytesRead } = await file.read(Buffer.alloc(BYTES_MAX + 1), 0, BYTES_MAX + 1, 0);
    const token = buffer.subarray(0, bytesRead).toString().trim();
    if (bytesRead <= BYTES_MAX && token.length >= CHARACTERS_MIN && /^[\x21-\x7e]+$/.test(token))
      return token;
    const detail = `a token has ${CHARACTERS_MIN} characters or more, without spaces`;
    throw new SystemError(Errno.EINVAL, "read", path, detail);
  } finally {
    await file.close();
  }
}

const digest = (text: string): Buffer => createHash("sha256").update(text).digest();

export class TokenGuard {
  readonly #digest: Buffer;
  readonly #guesses: Map<string, { count: number; readonly untilMs: number }> = new Map();
  readonly #nowMs: () => number;

  constructor(token: string, nowMs: () => number = () => performance.now()) {
    this.#digest = digest(token);
    this.#nowMs = nowMs;
  }

  /** What a request from `address` says of itself; "later": it has guessed too often, and is not looked at. */
  judge(address: string, authorization: string | undefined): "good" | "bad" | "later" {
    const before = this.#guessesOf(address);
    if (before >= GUESSES_MAX) return "later";
    const [, token] = /^Bearer +(\S+)$/i.exec(authorization ?? "") ?? [];
    if (token !== undefined && timingSafeEqual(digest(token), this.#digest)) return "good";
    this.#guessed(address);
    return "bad";
  }

  #guessesOf(address: string): number {
    const known = this.#guesses.get(address);
    if (known === undefined || this.#nowMs() < known.untilMs) return known?.count ?? 0;
    this.#guesses.delete(address);
    return 0;
  }

  #guessed(address: string): void {
    const known = this.#guesses.get(address);
    if (known !== undefined) {
      known.count++;
      return;
    }
    if (this.#guesses.size >= ADDRESSES_MAX) this.#guesses.delete(this.#guesses.keys().next().value!);
    this.#guesses.set(address, { count: 1, untilMs: this.#nowMs() + GUESSES_MS });
  }
}
