// A guest's files: what node:fs/promises has to open, read, write and copy them.

import type { AbortOptions } from "./abort.ts";
import { encodingOf, optionsOf } from "./argument-errors.ts";
import { type CpOptions, copy } from "./files/copy.ts";
import { copyFile } from "./files/copy-file.ts";
import { GuestFile } from "./files/file.ts";
import type { FileData } from "./files/file-data.ts";
import { FileReadStream } from "./files/file-read-stream.ts";
import type { ReadStreamOptions, WriteStreamOptions } from "./files/file-stream-options.ts";
import { FileWriteStream } from "./files/file-write-stream.ts";
import { GuestFs } from "./files/fs.ts";
import type { OpenFileOptions } from "./files/open-file.ts";
import type { OpenFlags, PathLike } from "./files/paths.ts";
import { type ReadFileOptions, readWhole, type WriteFileOptions, writeWhole } from "./files/whole-file.ts";
import { GuestPaths } from "./guest-paths.ts";
import { MountFs } from "./mount/fs.ts";
import type { Engine } from "./stream/engine.ts";

export abstract class GuestFiles<Events extends Record<keyof Events, unknown[]>> extends GuestPaths<Events> {
  /** The same files with handles, bytes for names, locks, extended attributes and watching: a mount of "/". */
  readonly fs: MountFs;
  readonly #engine: Engine;
  readonly #fs: GuestFs;

  /** @internal */
  protected constructor(engine: Engine) {
    const fs = new GuestFs(engine);
    super(engine, fs);
    this.#engine = engine;
    this.#fs = fs;
    this.fs = new MountFs(engine);
  }

  /** @internal Ends the streams of names. */
  protected closeFiles(): void {
    this.#fs.close();
    this.fs.close();
  }

  /**
   * Opens a file; close it, or declare it with `await using`. `flags`: as of fs.open(), default "r". `mode`:
   * permission bits of a file that this creates, default 0o666, less the host's umask.
   */
  async open(
    path: PathLike,
    flags?: OpenFlags | null,
    mode?: number | string | null,
    options: OpenFileOptions = {},
  ): Promise<GuestFile> {
    return await GuestFile.open(this.#engine, this.#fs, path, flags, mode, options);
  }

  /**
   * Reads a file, an open one from its position on, or a range of one: a Buffer, or text where an encoding is given.
   */
  readFile(
    path: PathLike | GuestFile,
    options?: (ReadFileOptions & { encoding?: null | undefined }) | null,
  ): Promise<Buffer>;
  readFile(
    path: PathLike | GuestFile,
    options: BufferEncoding | (ReadFileOptions & { encoding: BufferEncoding }),
  ): Promise<string>;
  readFile(
    path: PathLike | GuestFile,
    options?: BufferEncoding | ReadFileOptions | null,
  ): Promise<Buffer | string>;
  async readFile(
    path: PathLike | GuestFile,
    options?: BufferEncoding | ReadFileOptions | null,
  ): Promise<Buffer | string> {
    const all = optionsOf<ReadFileOptions>(options);
    const encoding = encodingOf(options);
    if (path instanceof GuestFile) return await path.readFile(options);
    const bytes = await readWhole(this.#engine, this.#fs, path, all as ReadFileOptions);
    return encoding === undefined ? bytes : bytes.toString(encoding as BufferEncoding);
  }

  /** Writes a file, an open one from its position on; resolves when all of it is there. */
  async writeFile(
    path: PathLike | GuestFile,
    data: FileData,
    options?: BufferEncoding | WriteFileOptions | null,
  ): Promise<void> {
    const all = optionsOf<WriteFileOptions>(options) as WriteFileOptions;
    if (path instanceof GuestFile) return await path.writeFile(data, options);
    await writeWhole(this.#engine, this.#fs, path, data, all, encodingOf(options));
  }

  /** writeFile() to the end of the file. */
  async appendFile(
    path: PathLike | GuestFile,
    data: FileData,
    options?: BufferEncoding | WriteFileOptions | null,
  ): Promise<void> {
    const all = optionsOf<WriteFileOptions>(options) as WriteFileOptions;
    if (path instanceof GuestFile) return await path.appendFile(data, options);
    const flags = all.flags ?? all.flag ?? "a";
    await writeWhole(this.#engine, this.#fs, path, data, { ...all, flags }, encodingOf(options));
  }

  /** A file, or a range of it, as a Readable. What fails is told by 'error'; wrong options are thrown. */
  createReadStream(path: PathLike, options?: BufferEncoding | ReadStreamOptions | null): FileReadStream {
    this.#engine.check();
    return FileReadStream.make(
      this.#engine,
      path,
      optionsOf<ReadStreamOptions>(options) as ReadStreamOptions,
    );
  }

  /** A file as a Writable; 'finish' comes when all of it is in the file. As createReadStream() else. */
  createWriteStream(path: PathLike, options?: BufferEncoding | WriteStreamOptions | null): FileWriteStream {
    this.#engine.check();
    const all = optionsOf<WriteStreamOptions>(options) as WriteStreamOptions;
    return FileWriteStream.make(this.#engine, this.#fs, path, all);
  }

  /** Through the guest: its bytes count as written. With COPYFILE_EXCL, EEXIST where there is something. */
  async copyFile(from: PathLike, to: PathLike, mode?: number | null, options?: AbortOptions): Promise<void> {
    await copyFile(this.#engine, this.#fs, from, to, mode, options);
  }

  /** Copies a file, a symbolic link or, with `recursive`, a folder. */
  async cp(from: PathLike, to: PathLike, options?: CpOptions): Promise<void> {
    await copy(this.#engine, this.#fs, from, to, options);
  }

  /** Makes a file `bytes` long: cuts it, or adds zeros. */
  async truncate(path: PathLike, bytes: number | null = 0, options: OpenFileOptions = {}): Promise<void> {
    await using file = await this.open(path, "r+", undefined, options);
    await file.truncate(bytes, options);
  }
}
