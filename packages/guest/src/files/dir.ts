// An open folder, in the manner of fs.Dir. Its entries are listed when it is opened, and given out one by one.

import { posix } from "node:path";
import type { AbortOptions } from "../abort.ts";
import { encoded, encodingOf, integer, optionsOf } from "../argument-errors.ts";
import { RingwayError } from "../errors.ts";
import type { GuestFs } from "./fs.ts";
import { guestPath, type PathLike } from "./paths.ts";
import { type GuestDirent, named } from "./stats.ts";

export interface OpendirOptions extends AbortOptions {
  /** Of the names; "buffer" gives Buffers. Default "utf8". */
  readonly encoding?: BufferEncoding | "buffer" | null | undefined;
  /** As in node:fs; here the host says how many come at a time. */
  readonly bufferSize?: number | undefined;
  /** With all that is in it. Default false. */
  readonly recursive?: boolean | undefined;
}

export class GuestDir<Name extends string | Buffer = string> implements AsyncDisposable {
  /** The path that was opened. */
  readonly path: string;
  /** How many names were left out, so far: they are not UTF-8. */
  skipped = 0;
  readonly #fs: GuestFs;
  readonly #options: OpendirOptions;
  readonly #encoding: BufferEncoding | "buffer" | undefined;
  #entries: readonly GuestDirent[] = [];
  #next = 0;
  /** Folders whose entries are still to come. */
  readonly #folders: string[] = [];
  #reading: Promise<unknown> = Promise.resolve();
  #closed = false;

  private constructor(fs: GuestFs, path: string, options: OpendirOptions) {
    this.#fs = fs;
    this.path = path;
    this.#options = options;
    this.#encoding = encodingOf(options);
  }

  /** @internal Use Guest.opendir(). */
  static async open<Name extends string | Buffer>(
    fs: GuestFs,
    path: PathLike,
    options?: OpendirOptions | string | null,
  ): Promise<GuestDir<Name>> {
    const all = optionsOf(options as OpendirOptions) as OpendirOptions;
    integer(all.bufferSize ?? 1, "options.bufferSize", 1, 0xffff_ffff);
    const dir = new GuestDir<Name>(fs, guestPath(path, "opendir"), all);
    await dir.#list(dir.path);
    return dir;
  }

  /** The next entry, or null after the last. Throws ERR_DIR_CLOSED once it is closed. */
  read(): Promise<GuestDirent<Name> | null> {
    if (this.#closed) throw closedError();
    const turn = this.#reading.then(() => this.#read());
    this.#reading = turn.catch(() => {});
    return turn;
  }

  /** Lets go of it, after the reads that were asked for. Rejects with ERR_DIR_CLOSED where it is closed. */
  async close(): Promise<void> {
    if (this.#closed) throw closedError();
    this.#closed = true;
    await this.#reading;
    this.#entries = [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#closed) await this.close();
  }

  /** The entries; the folder is closed when the loop is over. */
  async *entries(): AsyncGenerator<GuestDirent<Name>, void, undefined> {
    try {
      for (let entry = await this.read(); entry !== null; entry = await this.read()) yield entry;
    } finally {
      await this.close();
    }
  }

  [Symbol.asyncIterator](): AsyncGenerator<GuestDirent<Name>, void, undefined> {
    return this.entries();
  }

  async #read(): Promise<GuestDirent<Name> | null> {
    while (this.#next === this.#entries.length) {
      const folder = this.#folders.pop();
      if (folder === undefined) return null;
      await this.#list(folder);
    }
    const entry = this.#entries[this.#next++]!;
    if (this.#options.recursive && entry.isDirectory())
      this.#folders.push(posix.join(entry.parentPath, entry.name));
    return named(entry, encoded(entry.name, this.#encoding) as Name);
  }

  async #list(folder: string): Promise<void> {
    const found = await this.#fs.readdir(folder, { signal: this.#options.signal }, "opendir");
    this.skipped += found.skipped;
    this.#entries = found;
    this.#next = 0;
  }
}

function closedError(): RingwayError {
  return new RingwayError("ERR_DIR_CLOSED", "Directory handle was closed");
}
