// The bearer token that clients over TCP must have: from a file that its owner alone may read, compared in constant
// time; who has sent too many wrong ones in a minute is told so, and the right one is good all the same.

import { createHash, timingSafeEqual } from "node:crypto";
import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { isIP } from "node:net";
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
  // A FIFO that nobody writes would be waited for.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch(
    (error: NodeJS.ErrnoException) => {
      throw new SystemError(-(error.errno ?? -Errno.EIO), "open", path);
    },
  );
  try {
    const stats = await file.stat();
    if (!stats.isFile())
      throw new SystemError(Errno.EINVAL, "open", path, "the token's file is no regular file");
    if (stats.uid !== 0 && stats.uid !== process.geteuid!()) {
      const detail = "the token's file is another user's, who may read it and change it";
      throw new SystemError(Errno.EACCES, "open", path, detail);
    }
    if (stats.nlink !== 1) {
      const detail = "the token's file has other names (hard links), which a guest's folder may hold";
      throw new SystemError(Errno.EACCES, "open", path, detail);
    }
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

  /**
   * What a request from `address` says of itself. "good": the right token is, whoever else guesses there, since others
   * share an address (a proxy, a host of several users). "later": too many were wrong.
   */
  judge(address: string, authorization: string | undefined): "good" | "bad" | "later" {
    const [, token] = /^Bearer +(\S+)$/i.exec(authorization ?? "") ?? [];
    if (token !== undefined && timingSafeEqual(digest(token), this.#digest)) return "good";
    // Nothing was guessed.
    if (authorization === undefined) return "bad";
    const from = networkOf(address);
    if (this.#guessesOf(from) >= GUESSES_MAX) return "later";
    this.#guessed(from);
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

/** Of IPv6, the /64: one host has as many addresses as it likes there. */
function networkOf(address: string): string {
  if (isIP(address) !== 6) return address;
  const plain = address.replace(/%.*$/, "");
  if (/^::ffff:[0-9.]+$/i.test(plain)) return plain;
  const [before = "", after] = plain.split("::");
  const head = before.split(":").filter((part) => part !== "");
  const tail = (after ?? "").split(":").filter((part) => part !== "");
  const zeros = after === undefined ? 0 : 8 - head.length - tail.length;
  const all = [...head, ...Array<string>(Math.max(0, zeros)).fill("0"), ...tail];
  return `${all.slice(0, 4).join(":")}::/64`;
}
