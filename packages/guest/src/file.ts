// An open file of the host's: in the manner of FileHandle of node:fs/promises, with requests pipelined in order.

import { Done, FRAME_HEADER_BYTES, fileMessages, IO_MAX_BYTES, Protocol, StatReply } from "@ringway/control";
import type { Engine } from "./engine.ts";
import { type ErrorContext, errnoError } from "./errors.ts";
import type { AbortOptions } from "./fs.ts";
import { openChannel } from "./open-channel.ts";
import { fileFlags, guestPath, type OpenFlags, type PathLike } from "./paths.ts";
import { Rpc } from "./rpc.ts";
import { GuestStats } from "./stats.ts";

export interface OpenFileOptions extends AbortOptions {
  /** Size of each of the two rings, in bytes. Default 256 KiB. */
  readonly ringBytes?: number | undefined;
}

const DEFAULT_RING_BYTES: number = 256 * 1024;
const EBADF = 9;

export class GuestFile {
  /** The path that was opened. */
  readonly path: string;
  /** The file as it was when it was opened. */
  readonly opened: GuestStats;
  readonly #rpc: Rpc;
  /** Most data bytes in one request: what fits the smaller ring. */
  readonly #maxBytes: number;
  #closing: Promise<void> | undefined;

  private constructor(path: string, opened: GuestStats, rpc: Rpc) {
    this.path = path;
    this.opened = opened;
    this.#rpc = rpc;
    const { toHost, toGuest } = rpc.channel.pipe;
    const room = Math.min(toHost.capacity, toGuest.capacity) - FRAME_HEADER_BYTES - 8;
    this.#maxBytes = Math.min(IO_MAX_BYTES, room);
  }

  /** Internal: use Guest.open(). */
  static async open(
    engine: Engine,
    path: PathLike,
    flags: OpenFlags,
    mode: number,
    options: OpenFileOptions,
  ): Promise<GuestFile> {
    const text = guestPath(path, "open");
    const body = fileMessages.FileOpen.encode({ flags: fileFlags(flags), mode, path: text });
    const request = {
      protocol: Protocol.FILE,
      body,
      ringBytes: options.ringBytes ?? DEFAULT_RING_BYTES,
      context: { syscall: "open", path: text },
      signal: options.signal,
    };
    const { channel, opened } = await openChannel(engine, request, (bytes) => {
      return new GuestStats(fileMessages.FileOpened.decode(bytes));
    });
    return new GuestFile(text, opened, new Rpc(channel, () => {}));
  }

  /** Reads into `buffer`, at `position` or (null) at the file position. Fewer bytes may come, as with read(2); 0 at the end. */
  async read<B extends NodeJS.ArrayBufferView>(
    buffer: B,
    offset = 0,
    length: number = buffer.byteLength - offset,
    position: number | null = null,
    options: AbortOptions = {},
  ): Promise<{ bytesRead: number; buffer: B }> {
    const target = bytesOf(buffer).subarray(offset, offset + length);
    if (target.length !== length) throw new RangeError(`buffer has no ${length} bytes at ${offset}`);
    const context = this.#context("read");
    // All pieces are asked for at once where their places are known; each answers for itself.
    const pieces: Promise<number>[] = [];
    for (let at = 0; at < length; at += this.#maxBytes) {
      const bytes = Math.min(this.#maxBytes, length - at);
      const piece =
        position === null
          ? this.#rpc.call(fileMessages.Read, { bytes }, fileMessages.Data, context, options.signal)
          : this.#rpc.call(
              fileMessages.ReadAt,
              { offset: position + at, bytes },
              fileMessages.Data,
              context,
              options.signal,
            );
      pieces.push(piece.then(({ data }) => this.#take(data, bytes, target, at)));
      // Without places a short piece moves those behind it, so they are asked for one after the other.
      if (position === null && (await pieces.at(-1)!) < bytes) break;
    }
    const counts = await Promise.all(pieces);
    let bytesRead = 0;
    for (const count of counts) {
      bytesRead += count;
      if (count < this.#maxBytes) break;
    }
    return { bytesRead, buffer };
  }

  /** Writes bytes or text, at `position` or (null) at the file position. All of it, or an error. */
  async write(
    data: NodeJS.ArrayBufferView | string,
    offset = 0,
    length?: number,
    position: number | null = null,
    options: AbortOptions = {},
  ): Promise<{ bytesWritten: number }> {
    const whole = typeof data === "string" ? Buffer.from(data) : bytesOf(data);
    const source = whole.subarray(offset, length === undefined ? undefined : offset + length);
    const context = this.#context("write");
    for (let at = 0; at < source.length; ) {
      const chunk = source.subarray(at, at + this.#maxBytes);
      const call =
        position === null
          ? this.#rpc.call(fileMessages.Write, { data: chunk }, fileMessages.Written, context, options.signal)
          : this.#rpc.call(
              fileMessages.WriteAt,
              { offset: position + at, data: chunk },
              fileMessages.Written,
              context,
              options.signal,
            );
      const { bytes } = await call;
      if (bytes === 0 || bytes > chunk.length) throw errnoError(5, context);
      at += bytes;
    }
    return { bytesWritten: source.length };
  }

  /** Moves the file position; resolves with it. */
  async seek(
    offset: number,
    whence: "start" | "current" | "end" = "start",
    options: AbortOptions = {},
  ): Promise<number> {
    const { Whence } = fileMessages;
    const from = { start: Whence.START, current: Whence.CURRENT, end: Whence.END }[whence];
    const request = { whence: from, offset };
    const { Seek, Position } = fileMessages;
    const reply = await this.#rpc.call(Seek, request, Position, this.#context("lseek"), options.signal);
    return reply.offset;
  }

  async stat(options: AbortOptions = {}): Promise<GuestStats> {
    const context = this.#context("fstat");
    return new GuestStats(
      await this.#rpc.call(fileMessages.FileStat, {}, StatReply, context, options.signal),
    );
  }

  async truncate(bytes = 0, options: AbortOptions = {}): Promise<void> {
    await this.#rpc.call(fileMessages.Truncate, { bytes }, Done, this.#context("ftruncate"), options.signal);
  }

  async sync(options: AbortOptions = {}): Promise<void> {
    await this.#rpc.call(fileMessages.Sync, { dataOnly: 0 }, Done, this.#context("fsync"), options.signal);
  }

  async datasync(options: AbortOptions = {}): Promise<void> {
    await this.#rpc.call(
      fileMessages.Sync,
      { dataOnly: 1 },
      Done,
      this.#context("fdatasync"),
      options.signal,
    );
  }

  /** Closes the file, after the requests before; a second call waits for the first. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    if (this.#rpc.ended) return;
    const done = this.#rpc.call(fileMessages.Close, {}, Done, { syscall: "close", path: this.path });
    try {
      await done;
    } finally {
      this.#rpc.close();
    }
  }

  #context(syscall: string): ErrorContext {
    if (this.#closing !== undefined) throw errnoError(EBADF, { syscall });
    return { syscall, path: this.path };
  }

  #take(data: Uint8Array, asked: number, target: Uint8Array, at: number): number {
    if (data.length > asked) throw errnoError(5, { syscall: "read", path: this.path });
    target.set(data, at);
    return data.length;
  }
}

function bytesOf(view: NodeJS.ArrayBufferView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}
