// An open file of the host's, and who uses it: what every form of a call on it stands on.
//
// Invariant: the file stays open while a call or a stream uses it; none begins once it is closed (EBADF).

import { Done, fileMessages, Protocol } from "@ringway/control";
import { Errno } from "@ringway/linux";
import type { AbortOptions } from "../abort.ts";
import { fileMode } from "../argument-errors.ts";
import { codeOf, DETACHED, type ErrorContext, errnoError } from "../errors.ts";
import type { Engine } from "../stream/engine.ts";
import { openStream } from "../stream/open-stream.ts";
import { ringWish, STREAM_RINGS } from "../stream/room.ts";
import { Rpc } from "../stream/rpc.ts";
import { FileRequests } from "./file-requests.ts";
import { FileUses } from "./file-uses.ts";
import { fileFlags, guestPath, type OpenFlags, type PathLike, syncsWrites } from "./paths.ts";
import { GuestStats } from "./stats.ts";

export interface OpenFileOptions extends AbortOptions {
  /**
   * Size of each of the two rings, in bytes; the host rounds it. Default 256 KiB, less the more of the region is
   * used.
   */
  readonly ringBytes?: number | undefined;
}

export class OpenFile {
  /** The path that was opened. */
  readonly path: string;
  /** The file as it was when it was opened. */
  readonly opened: GuestStats;
  readonly rpc: Rpc;
  readonly requests: FileRequests;
  readonly uses: FileUses = new FileUses();
  readonly #flags: number;
  readonly #syncs: boolean;

  private constructor(path: string, flags: OpenFlags | null | undefined, opened: GuestStats, rpc: Rpc) {
    this.path = path;
    this.opened = opened;
    this.rpc = rpc;
    this.requests = new FileRequests(rpc);
    this.#flags = fileFlags(flags);
    this.#syncs = syncsWrites(flags);
  }

  static async open(
    engine: Engine,
    path: PathLike,
    flags: OpenFlags | null | undefined,
    mode: number | string | null | undefined,
    options: OpenFileOptions,
  ): Promise<OpenFile> {
    const text = guestPath(path, "open");
    const body = fileMessages.FileOpen.encode({
      flags: fileFlags(flags),
      mode: fileMode(mode, "mode", 0o666),
      path: text,
    });
    const request = {
      protocol: Protocol.FILE,
      body,
      rings: ringWish(options.ringBytes, STREAM_RINGS),
      context: { syscall: "open", path: text },
      signal: options.signal,
    };
    const { stream, opened } = await openStream(engine, request, (bytes) => {
      return new GuestStats(fileMessages.FileOpened.decode(bytes));
    });
    return new OpenFile(text, flags, opened, new Rpc(stream, () => {}));
  }

  /** One call of the program's: the file stays open until it is over. */
  async use<T>(syscall: string, work: (context: ErrorContext) => Promise<T>): Promise<T> {
    const context = this.context(syscall);
    this.uses.begin();
    try {
      return await work(context);
    } finally {
      this.uses.end();
    }
  }

  /** What a call is about; throws EBADF where the file is closed. */
  context(syscall: string): ErrorContext {
    if (this.uses.closed) throw errnoError(Errno.EBADF, { syscall });
    return { syscall, path: this.path };
  }

  /** All of the sources, at `position` or (null) at the file position; on the disk, where the flags say so. */
  async write(
    sources: readonly Uint8Array[],
    position: number | null,
    context: ErrorContext,
    signal: AbortSignal | undefined,
  ): Promise<number> {
    const isEmpty = sources.every(({ length }) => length === 0);
    if (isEmpty && (this.#flags & fileMessages.FileFlags.WRITE) === 0) throw errnoError(Errno.EBADF, context);
    const bytesWritten = await this.requests.write(sources, position, context, signal);
    if (this.#syncs) await this.requests.sync(0, context, signal);
    return bytesWritten;
  }

  /** Closes the file when nothing uses it any more. Called once. */
  async close(): Promise<void> {
    await this.uses.close();
    if (this.rpc.ended) return;
    const done = this.rpc.call(fileMessages.Close, {}, Done, { syscall: "close", path: this.path });
    try {
      await done;
    } catch (error) {
      // Where the guest itself has left, the host closes the file all the same.
      if (codeOf(error) !== DETACHED) throw error;
    } finally {
      this.rpc.close();
    }
  }
}
