// Log lines to a file or a descriptor, for programs that must never wait for it: write() neither waits nor throws, and
// holds a bounded number of bytes (ring.ts), whatever the disk, the pipe, the reader does (ENOSPC, EAGAIN, EPIPE, EIO).
// A thread does the writing.
//
//   taking ── no room ──> losing ── half of the ring is free, or the end ──> taking, after a line of what was lost
//
// Lines that were taken are written in their order, each of them once, unless close() or the end of the process leaves
// them behind.

import { EventEmitter } from "node:events";
import { resolve } from "node:path";
import {
  check,
  Deadline,
  duplicateFd,
  Errno,
  errnoName,
  invalidType,
  NativeThread,
  requireText,
  SystemError,
  within,
} from "@ringway/linux";
import type { FromThread, ThreadOptions } from "./log-main.ts";
import { Commands, LogRing, RING_BYTES, Word } from "./ring.ts";

/** How long a file system may take to open the file. */
const OPEN_MS = 5000;
/** How long the end waits for what is to be written still. */
const FLUSH_MS = 2000;
/** And then for the thread to come back from its system call. */
const STOP_MS = 100;

export interface LogWriterEvents {
  /**
   * Nothing can be written, with the errno's name (EAGAIN: whoever reads has not for a while); said once for each,
   * until "writing". Lines are taken while there is room.
   */
  failing: [string];
  writing: [];
  /** After offer() found no room, or lines were lost: there is some again. Never from within these. */
  room: [];
  /** The process ends: what its owner has still is taken for so many milliseconds. */
  exiting: [number];
  /** The writing thread ended by itself: nothing more is written. */
  error: [Error];
}

/** Somebody waits for the path to be open. */
class Opening {
  readonly done: Promise<void>;
  #resolve!: () => void;
  #reject!: (error: Error) => void;
  #limit: Deadline | undefined;

  constructor() {
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  /** From now on it waits for the file system of `path`, or for a write that is under way. */
  limit(path: string | undefined): void {
    this.#limit = new Deadline(OPEN_MS, () => this.#reject(new SystemError(Errno.ETIMEDOUT, "open", path)));
  }

  settle(error?: Error): void {
    this.#limit?.cancel();
    if (error === undefined) this.#resolve();
    else this.#reject(error);
  }
}

export class LogWriter extends EventEmitter<LogWriterEvents> implements AsyncDisposable {
  readonly #ring: LogRing = new LogRing();
  readonly #thread: NativeThread;
  readonly #path: string | undefined;
  /** Who waits for its path to be open: the thread answers in order. */
  readonly #opening: Opening[] = [];
  #onThrough: () => void = () => {};
  #closing: Promise<void> | undefined;
  #lostLines = 0;
  #lostBytes = 0;
  #lostErrno = "";
  #lostEver = 0;
  /** Where, in the ring's bytes mod 2^32, the lines end that say what was lost and are not written yet. */
  #saidAt: number[] = [];
  #failing: string | undefined;
  readonly #flushAtExit = (): void => {
    const endMs = performance.now() + FLUSH_MS;
    try {
      this.emit("exiting", FLUSH_MS);
    } catch (error) {
      // No other listener would be called, and so no thread ended: the process would stay.
      const msg = `at the end of the process: ${error}`;
      this.write(`${JSON.stringify({ level: "error", time: new Date().toISOString(), msg })}\n`);
    }
    this.flushNow(endMs - performance.now());
  };

  private constructor(where: { readonly path: string } | { readonly fd: number }) {
    super();
    this.#path = "path" in where ? where.path : undefined;
    this.#thread = new NativeThread(new URL("./log-main.js", import.meta.url), {
      name: "log",
      workerData: { ...where, memory: this.#ring.memory } satisfies ThreadOptions,
    });
    this.#thread.on("message", (message: FromThread) => this.#onMessage(message));
    this.#thread.onFailure((error) => this.#ended(error));
    this.#thread.unref();
    // Before the threads are stopped.
    process.prependListener("exit", this.#flushAtExit);
  }

  /** Appends to a file, made (0600) where it is not there. Rejects with SystemError where it cannot be opened. */
  static async open(path: string): Promise<LogWriter> {
    requireText(path, "path");
    const writer = new LogWriter({ path: resolve(path) });
    const opening = new Opening();
    writer.#opening.push(opening);
    // Until it is open it keeps the process: its limit begins when its thread has loaded, which may take long on a busy
    // machine.
    writer.#thread.ref();
    try {
      await opening.done;
    } catch (error) {
      await writer.close(0);
      throw error;
    } finally {
      writer.#thread.unref();
    }
    return writer;
  }

  /** Writes to what `fd` names; the descriptor stays the caller's. Throws SystemError (EBADF, EMFILE). */
  static onDescriptor(fd: number): LogWriter {
    if (!Number.isInteger(fd)) throw invalidType("fd", "a descriptor, a whole number", fd);
    return new LogWriter({ fd: check(duplicateFd(fd), "dup") });
  }

  /** Why nothing can be written just now. */
  get failing(): string | undefined {
    return this.#failing;
  }

  /** Lines that were given to this object and are not written: those that wait still, and all that were ever lost. */
  get unwritten(): number {
    this.#forgetWritten();
    return this.#ring.lines - this.#saidAt.length + this.#lostEver;
  }

  /** Takes whole lines, or counts them as lost. For pino: this object is a destination. */
  write(lines: string): void {
    if (this.offer(lines)) return;
    // A thread that is in a write has not told why it takes so long.
    const errno = Atomics.load(this.#ring.words, Word.ERRNO) || Errno.EAGAIN;
    const why = lines.length > RING_BYTES ? "EMSGSIZE" : errnoName(errno);
    this.lose(1, Buffer.byteLength(lines), why);
  }

  /** Counts as lost what its owner has no room for: that is said in its place. */
  lose(lines: number, bytes: number, errno: string): void {
    this.#lostLines += lines;
    this.#lostEver += lines;
    this.#lostBytes += bytes;
    this.#lostErrno = errno;
    if (this.#ring.wantRoom()) this.#sayLost();
  }

  /**
   * Takes whole lines; false where there is no room for them: "room" says when there is. With `aheadBytes` there is
   * none either where so many wait already to be written, and again when half of these are.
   */
  offer(lines: string, aheadBytes: number = RING_BYTES): boolean {
    if (typeof lines !== "string") throw invalidType("lines", "of type string", lines);
    // Not before what was lost is said.
    if (this.#lostLines > 0 && !this.#sayLost()) return false;
    if (this.#put(lines, aheadBytes)) return true;
    if (this.#lostLines === 0 && this.#ring.wantRoom(aheadBytes / 2)) return this.#put(lines, aheadBytes);
    return false;
  }

  #put(lines: string, aheadBytes: number): boolean {
    return this.#ring.used < aheadBytes && this.#ring.put(Buffer.from(lines));
  }

  /**
   * Opens its path, where it has one, anew, after somebody has moved the file. Where that fails it rejects with
   * SystemError, and the old file stays.
   */
  reopen(): Promise<void> {
    if (this.#path === undefined) return Promise.resolve();
    const opening = new Opening();
    this.#opening.push(opening);
    opening.limit(this.#path);
    this.#ring.command(Commands.REOPEN);
    return opening.done;
  }

  /** Ends once all is written, or after `flushMs`: what is left then is lost. */
  close(flushMs: number = FLUSH_MS): Promise<void> {
    if (typeof flushMs !== "number") throw invalidType("flushMs", "of type number", flushMs);
    this.#closing ??= this.#close(flushMs);
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(flushMs: number): Promise<void> {
    const through = new Promise<void>((done) => {
      this.#onThrough = done;
    });
    this.#ring.command(Commands.CLOSE);
    await within(through, flushMs);
    process.off("exit", this.#flushAtExit);
    await this.#thread.stop(STOP_MS);
  }

  /** Blocks until all is written, at most so long: for the end of the process. */
  flushNow(flushMs: number): void {
    const { words } = this.#ring;
    const endMs = performance.now() + flushMs;
    while ((!this.#sayLost() || this.#ring.used > 0) && performance.now() < endMs) {
      const read = Atomics.load(words, Word.READ);
      if (this.#ring.used > 0) Atomics.wait(words, Word.READ, read, endMs - performance.now());
    }
  }

  #onMessage(message: FromThread): void {
    switch (message.kind) {
      case "opening":
        this.#opening[0]?.limit(this.#path);
        return;
      case "opened":
        this.#opening.shift()?.settle();
        return;
      case "not-opened":
        this.#opening.shift()?.settle(new SystemError(message.errno, "open", this.#path));
        return;
      case "failing":
        this.#failing = errnoName(message.errno);
        this.emit("failing", this.#failing);
        return;
      case "writing":
        this.#failing = undefined;
        this.emit("writing");
        return;
      case "room":
        this.#sayLost();
        this.emit("room");
        return;
      case "through":
        // The last lost lines may be said only now that there is room.
        this.#sayLost();
        if (this.#ring.used > 0) this.#ring.command(Commands.CLOSE);
        else this.#onThrough();
    }
  }

  /**
   * What was lost since the last line that was taken, in the place where it would have been. True: nothing is left to
   * say.
   */
  #sayLost(): boolean {
    if (this.#lostLines === 0) return true;
    if (this.#ring.used > RING_BYTES / 2) return false;
    const lines = this.#lostLines;
    const bytes = this.#lostBytes;
    const errno = this.#lostErrno;
    const msg = `${lines} lines (${bytes} bytes) were lost: ${errno}`;
    const line = { level: "warn", time: new Date().toISOString(), lines, bytes, errno, msg };
    if (!this.#ring.put(Buffer.from(`${JSON.stringify(line)}\n`))) return false;
    this.#lostLines = 0;
    this.#lostBytes = 0;
    this.#forgetWritten();
    this.#saidAt.push(Atomics.load(this.#ring.words, Word.WRITE));
    return true;
  }

  #forgetWritten(): void {
    const read = Atomics.load(this.#ring.words, Word.READ);
    this.#saidAt = this.#saidAt.filter((end) => ((end - read) | 0) > 0);
  }

  #ended(error: Error): void {
    for (const opening of this.#opening.splice(0)) opening.settle(error);
    this.#onThrough();
    this.emit("error", error);
  }
}
