// guest.fs: the host's files with handles, names that need not be UTF-8, locks, extended attributes, and watching, in
// the shape of node:fs/promises. All of it goes over one stream, a mount of "/".

import { Done, fileMessages, mountMessages as m } from "@ringway/control";
import type { AbortOptions } from "../abort.ts";
import { boolean, encodingOf, fileMode, optionsOf } from "../argument-errors.ts";
import { isView, notData } from "../files/file-arguments.ts";
import { type WholeFileOptions, wholeBytes } from "../files/file-data.ts";
import { withBytesWritten } from "../files/file-requests.ts";
import { fileFlags, type OpenFlags, type PathLike } from "../files/paths.ts";
import type { Engine } from "../stream/engine.ts";
import { MountConnection } from "./connection.ts";
import { MountFile } from "./file.ts";
import {
  type Encoded,
  type Encoding,
  type MountBufferOptions,
  MountNames,
  type MountTextOptions,
} from "./names.ts";
import { mountPath } from "./path.ts";
import { type MountChange, MountWatcher } from "./watcher.ts";

/** As fs.writeFile()'s. */
export interface MountWriteOptions extends WholeFileOptions {
  /** Default "w". */
  readonly flag?: OpenFlags | undefined;
  /** Permission bits of a file that this creates. Default 0o666, less the host's umask. */
  readonly mode?: number | string | undefined;
}

const { APPEND } = fileMessages.FileFlags;

export class MountFs extends MountNames {
  readonly #connection: MountConnection;

  /** @internal */
  constructor(engine: Engine) {
    const connection = new MountConnection(engine);
    super(connection);
    this.#connection = connection;
  }

  /** @internal */
  close(): void {
    this.#connection.close();
  }

  /** Opens a file; close it, or declare it with `await using`. Arguments as of fs.open(). */
  async open(
    path: PathLike,
    flags?: OpenFlags | null,
    mode?: number | string | null,
    { signal }: AbortOptions = {},
  ): Promise<MountFile> {
    const { bytes, text } = mountPath(path, "open");
    const wanted = fileFlags(flags);
    const appends = (wanted & APPEND) !== 0;
    const request = { at: 0, flags: wanted & ~APPEND, mode: fileMode(mode, "mode", 0o666), path: bytes };
    const context = { syscall: "open", path: text };
    return await this.#connection.use("file", signal, async (stream) => {
      const onLate = ({ handle }: m.MountHandle): void => {
        stream.call(m.MountRelease, { handle }, Done, context).catch(() => {});
      };
      const opened = await stream.call(m.MountOpen, request, m.MountHandle, context, signal, { onLate });
      return new MountFile(stream, text, opened, appends);
    });
  }

  readFile(
    path: PathLike,
    options?: (AbortOptions & { encoding?: null | undefined }) | null,
  ): Promise<Buffer>;
  readFile(
    path: PathLike,
    options: BufferEncoding | (AbortOptions & { encoding: BufferEncoding }),
  ): Promise<string>;
  async readFile(
    path: PathLike,
    options?: BufferEncoding | (AbortOptions & { encoding?: BufferEncoding | null | undefined }) | null,
  ): Promise<Buffer | string> {
    await using file = await this.open(path, "r", undefined, optionsOf<AbortOptions>(options));
    return await file.readFile(options as BufferEncoding);
  }

  /** Of an error that the host tells, `bytesWritten` says how much is in the file. */
  async writeFile(
    path: PathLike,
    data: string | NodeJS.ArrayBufferView,
    options?: BufferEncoding | MountWriteOptions | null,
  ): Promise<void> {
    const { flag, mode, signal } = optionsOf<MountWriteOptions>(options);
    if (typeof data !== "string" && !isView(data)) throw notData("data", data);
    const bytes = wholeBytes(data, encodingOf(options))!;
    await using file = await this.open(path, flag ?? "w", mode, { signal });
    let at = 0;
    try {
      // What was short fails when it goes on.
      while (at < bytes.length) at += (await file.write(bytes, { offset: at, signal })).bytesWritten;
    } catch (error) {
      throw withBytesWritten(error, at);
    }
  }

  /**
   * What happens to a file, or to a folder's entries and, with `recursive`, to all below: whoever does it.
   * `for await (const change of guest.fs.watch(path))`; leave the loop, or abort, to end it.
   */
  watch(
    path: PathLike,
    options?: BufferEncoding | (MountTextOptions & { readonly recursive?: boolean | undefined }) | null,
  ): AsyncGenerator<MountChange, void, void>;
  watch(
    path: PathLike,
    options: "buffer" | (MountBufferOptions & { readonly recursive?: boolean | undefined }),
  ): AsyncGenerator<MountChange<Buffer>, void, void>;
  watch(
    path: PathLike,
    options?: Encoding | (Encoded & { readonly recursive?: boolean | undefined }) | null,
  ): AsyncGenerator<MountChange<string | Buffer>, void, void> {
    const { recursive = false, signal } = optionsOf<Encoded & { readonly recursive?: boolean | undefined }>(
      options,
    );
    boolean(recursive, "options.recursive");
    const init = { path: mountPath(path, "watch"), recursive, encoding: encodingOf(options), signal };
    return new MountWatcher(init).changes(this.#connection);
  }
}
