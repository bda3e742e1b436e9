// Where a capture is written: standard output, or a file, or one file after another where it is rotated by size or by
// time. What comes is gathered, and written at once when there is enough of it, or after a moment.
//
//   write() ──▶ gathered ── GATHER_BYTES, LATE_MS, or the end ──▶ written
//   name.pcapng is name-00001.pcapng, name-00002.pcapng, ... where it is rotated; each begins with `head`
//
// A write that fails (ENOSPC, EIO) is the end of the capture, and of nothing else.

import { closeSync, fchmodSync, fstatSync, openSync, writeSync } from "node:fs";
import { join, parse } from "node:path";
import { errorLine, Failure } from "../errors.ts";
import { standard } from "../standard.ts";

const GATHER_BYTES: number = 256 * 1024;
const LATE_MS = 200;
/** Whatever a capture has, others are not to read it, also where the file was there before. */
const MODE = 0o600;
export const STDOUT = "-";

export interface OutputOptions {
  /** "-" is standard output. */
  readonly path: string;
  /** Each file ends once it has so many bytes, or is so old. */
  readonly rotateBytes?: number | undefined;
  readonly rotateMs?: number | undefined;
  /** With what each file begins. */
  readonly head: () => Uint8Array;
  /** Writing has failed: nothing more is. */
  readonly onFailure: (failure: Failure) => void;
}

export class Output implements Disposable {
  readonly #options: OutputOptions;
  readonly #rotates: boolean;
  /** -1: standard output. */
  #fd = -1;
  #path = "";
  #files = 0;
  #fileBytes = 0;
  #sinceMs = 0;
  #gathered: Uint8Array[] = [];
  #gatheredBytes = 0;
  #late: NodeJS.Timeout | undefined;
  #hasFailed = false;

  /** Throws Failure where it cannot be written to. */
  constructor(options: OutputOptions) {
    this.#options = options;
    this.#rotates = options.rotateBytes !== undefined || options.rotateMs !== undefined;
    this.#open();
    this.flush();
  }

  /** How many files there are. */
  get files(): number {
    return this.#files;
  }

  /** Whole packets or lines: they stay together. */
  write(bytes: Uint8Array): void {
    if (this.#hasFailed) return;
    this.#gathered.push(bytes);
    this.#gatheredBytes += bytes.length;
    if (this.#gatheredBytes >= GATHER_BYTES) this.flush();
    else this.#late ??= setTimeout(() => this.flush(), LATE_MS);
  }

  /** The next file, where it is time for it. True: there is another. */
  rotate(): boolean {
    const { rotateBytes = Number.POSITIVE_INFINITY, rotateMs = Number.POSITIVE_INFINITY } = this.#options;
    if (!this.#rotates || this.#hasFailed) return false;
    const bytes = this.#fileBytes + this.#gatheredBytes;
    if (bytes < rotateBytes && performance.now() - this.#sinceMs < rotateMs) return false;
    this.flush();
    if (this.#hasFailed) return false;
    this.#close();
    try {
      this.#open();
    } catch (error) {
      this.#fail(error as Failure);
    }
    return true;
  }

  flush(): void {
    clearTimeout(this.#late);
    this.#late = undefined;
    if (this.#gatheredBytes === 0 || this.#hasFailed) return;
    const all = Buffer.concat(this.#gathered);
    this.#gathered = [];
    this.#gatheredBytes = 0;
    try {
      // To standard output Node writes at once, too.
      if (this.#fd < 0) standard("stdout").write(all);
      else for (let at = 0; at < all.length; ) at += writeSync(this.#fd, all, at);
      this.#fileBytes += all.length;
    } catch (error) {
      this.#fail(new Failure(`${this.#path}: ${errorLine(error)}`, { cause: error }));
    }
  }

  [Symbol.dispose](): void {
    this.flush();
    clearTimeout(this.#late);
    this.#close();
  }

  #open(): void {
    const { path, head } = this.#options;
    this.#files++;
    this.#path = this.#rotates ? numbered(path, this.#files) : path;
    try {
      if (path !== STDOUT) {
        this.#fd = openSync(this.#path, "w", MODE);
        // No device, and no pipe: that is not made here.
        if (fstatSync(this.#fd, { bigint: true }).isFile()) fchmodSync(this.#fd, MODE);
      }
    } catch (error) {
      throw new Failure(`${this.#path}: ${errorLine(error)}`, { cause: error });
    }
    this.#fileBytes = 0;
    this.#sinceMs = performance.now();
    this.write(head());
  }

  #close(): void {
    if (this.#fd >= 0) closeSync(this.#fd);
    this.#fd = -1;
  }

  #fail(failure: Failure): void {
    this.#hasFailed = true;
    this.#gathered = [];
    this.#gatheredBytes = 0;
    this.#options.onFailure(failure);
  }
}

function numbered(path: string, number: number): string {
  const { dir, name, ext } = parse(path);
  return join(dir, `${name}-${String(number).padStart(5, "0")}${ext}`);
}
