// A small text file of the system's (/etc/hosts, /etc/resolv.conf) as a parsed value, read again when it has changed: a
// stat for each use, and what was parsed is kept for as long as inode, size and times are the same. A file that is
// missing, cannot be read or is no regular file counts as empty, which is what the C library makes of it.

import { readFileSync, statSync } from "node:fs";

export class WatchedFile<T> {
  readonly #path: string;
  readonly #parse: (text: string) => T;
  #stamp: string | undefined;
  #value: T | undefined;

  constructor(path: string, parse: (text: string) => T) {
    this.#path = path;
    this.#parse = parse;
  }

  get value(): T {
    const stamp = this.#stampNow();
    if (stamp !== this.#stamp) {
      // The stamp is older than the text: a change in between is seen at the next use.
      this.#value = this.#parse(stamp === "" ? "" : this.#text());
      this.#stamp = stamp;
    }
    return this.#value as T;
  }

  /** "" where there is no file to read. */
  #stampNow(): string {
    try {
      const stats = statSync(this.#path, { bigint: true });
      return stats.isFile()
        ? `${stats.dev}:${stats.ino}:${stats.size}:${stats.mtimeNs}:${stats.ctimeNs}`
        : "";
    } catch {
      return "";
    }
  }

  #text(): string {
    try {
      return readFileSync(this.#path, "utf8");
    } catch {
      return "";
    }
  }
}
