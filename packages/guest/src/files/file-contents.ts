// What is in an open file: reading and writing it, in each of the forms that FileHandle of node:fs/promises has. What
// they ask of the host is in file-requests.ts.

import { EventEmitter } from "node:events";
import { fileMessages } from "@ringway/control";
import { Errno, invalidValue } from "@ringway/linux";
import type { AbortOptions } from "../abort.ts";
import { encodingOf, integer, optionsOf } from "../argument-errors.ts";
import { type ErrorContext, errnoError, RingwayError } from "../errors.ts";
import {
  bytesOf,
  type FilePlace,
  type ReadOptions,
  readWork,
  viewsOf,
  writePosition,
  writeWork,
} from "./file-arguments.ts";
import { checkData, chunksOf, type FileData, type WholeFileOptions } from "./file-data.ts";
import { withBytesWritten } from "./file-requests.ts";
import type { OpenFile } from "./open-file.ts";

export interface FileEvents {
  /** close() was called. */
  close: [];
}

export abstract class FileContents extends EventEmitter<FileEvents> {
  readonly #file: OpenFile;

  /** @internal */
  protected constructor(file: OpenFile) {
    super();
    this.#file = file;
  }

  /** Reads at `position` or (null) at the file position. Fewer bytes may come, as with read(2); 0 at the end. */
  read<B extends NodeJS.ArrayBufferView>(
    buffer: B,
    offset?: number | null,
    length?: number | null,
    position?: number | bigint | null,
    options?: AbortOptions,
  ): Promise<{ bytesRead: number; buffer: B }>;
  read<B extends NodeJS.ArrayBufferView>(
    buffer: B,
    options?: FilePlace | null,
  ): Promise<{ bytesRead: number; buffer: B }>;
  read<B extends NodeJS.ArrayBufferView = Buffer>(
    options?: ReadOptions<B> | null,
  ): Promise<{ bytesRead: number; buffer: B }>;
  async read(
    first?: unknown,
    second?: unknown,
    length?: unknown,
    position?: unknown,
    options: AbortOptions = {},
  ): Promise<{ bytesRead: number; buffer: NodeJS.ArrayBufferView }> {
    return await this.#file.use("read", async (context) => {
      const work = readWork(first, second, length, position);
      const signal = work.signal ?? options.signal;
      const bytesRead = await this.#file.requests.read([work.target], work.position, context, signal);
      return { bytesRead, buffer: work.buffer };
    });
  }

  /** Reads into the buffers one after the other. */
  async readv<B extends readonly NodeJS.ArrayBufferView[]>(
    buffers: B,
    position?: number | null,
    options: AbortOptions = {},
  ): Promise<{ bytesRead: number; buffers: B }> {
    return await this.#file.use("read", async (context) => {
      const targets = viewsOf(buffers).map(bytesOf);
      if (targets.length === 0) throw errnoError(Errno.EINVAL, context);
      const bytesRead = await this.#file.requests.read(
        targets,
        writePosition(position),
        context,
        options.signal,
      );
      return { bytesRead, buffers };
    });
  }

  /** All that follows the file position. */
  readFile(options?: (AbortOptions & { readonly encoding?: null | undefined }) | null): Promise<Buffer>;
  readFile(options: BufferEncoding | (AbortOptions & { readonly encoding: BufferEncoding })): Promise<string>;
  readFile(
    options?:
      | BufferEncoding
      | (AbortOptions & { readonly encoding?: BufferEncoding | null | undefined })
      | null,
  ): Promise<Buffer | string>;
  async readFile(
    options?:
      | BufferEncoding
      | (AbortOptions & { readonly encoding?: BufferEncoding | null | undefined })
      | null,
  ): Promise<Buffer | string> {
    return await this.#file.use("read", async (context) => {
      const { signal } = optionsOf(options);
      const encoding = encodingOf(options);
      const chunks = await this.#file.requests.readAll(context, signal);
      return joined(chunks, context, encoding);
    });
  }

  /**
   * Writes at `position` or (null) at the file position. All of it, or an error whose `bytesWritten` says how much of
   * it is in the file. Text goes with (text, position, encoding), as in node:fs.
   */
  write<B extends NodeJS.ArrayBufferView>(
    buffer: B,
    offset?: number | null,
    length?: number | null,
    position?: number | null,
    options?: AbortOptions,
  ): Promise<{ bytesWritten: number; buffer: B }>;
  write<B extends NodeJS.ArrayBufferView>(
    buffer: B,
    options?: FilePlace | null,
  ): Promise<{ bytesWritten: number; buffer: B }>;
  write(
    text: string,
    position?: number | null,
    encoding?: BufferEncoding | null,
    unused?: undefined,
    options?: AbortOptions,
  ): Promise<{ bytesWritten: number; buffer: string }>;
  async write(
    data: NodeJS.ArrayBufferView | string,
    second?: unknown,
    third?: unknown,
    fourth?: unknown,
    options: AbortOptions = {},
  ): Promise<{ bytesWritten: number; buffer: NodeJS.ArrayBufferView | string }> {
    return await this.#file.use("write", async (context) => {
      const work = writeWork(data, second, third, fourth);
      if (work === undefined) return { bytesWritten: 0, buffer: data };
      const signal = work.signal ?? options.signal;
      const bytesWritten = await this.#file.write([work.source], work.position, context, signal);
      return { bytesWritten, buffer: data };
    });
  }

  /** Writes the buffers one after the other; one that fits a request is not divided. */
  async writev<B extends readonly NodeJS.ArrayBufferView[]>(
    buffers: B,
    position?: number | null,
    options: AbortOptions = {},
  ): Promise<{ bytesWritten: number; buffers: B }> {
    return await this.#file.use("write", async (context) => {
      const sources = viewsOf(buffers).map(bytesOf);
      if (sources.length === 0) return { bytesWritten: 0, buffers };
      const bytesWritten = await this.#file.write(sources, writePosition(position), context, options.signal);
      return { bytesWritten, buffers };
    });
  }

  /** Writes all of `data` from the file position on. */
  async writeFile(data: FileData, options?: WholeFileOptions | BufferEncoding | null): Promise<void> {
    await this.#file.use("write", async (context) => {
      const { signal } = optionsOf(options);
      const encoding = encodingOf(options);
      checkData(data);
      let bytesWritten = 0;
      for await (const chunk of chunksOf(data, encoding)) {
        try {
          bytesWritten += await this.#file.write([chunk], null, context, signal);
        } catch (error) {
          throw withBytesWritten(error, bytesWritten);
        }
      }
    });
  }

  /** writeFile(): where the bytes go is up to the flags that the file was opened with. */
  appendFile(data: FileData, options?: WholeFileOptions | BufferEncoding | null): Promise<void> {
    return this.writeFile(data, options);
  }

  /** Moves the file position; resolves with it. */
  async seek(
    offset: number,
    whence: "start" | "current" | "end" = "start",
    options: AbortOptions = {},
  ): Promise<number> {
    return await this.#file.use("lseek", async (context) => {
      const { Seek, Position, Whence } = fileMessages;
      const from = { start: Whence.START, current: Whence.CURRENT, end: Whence.END }[whence];
      if (from === undefined) throw invalidValue("whence", whence);
      const request = { whence: from, offset: integer(offset, "offset") };
      const call = (): Promise<fileMessages.Position> =>
        this.#file.rpc.call(Seek, request, Position, context, options.signal);
      return (await this.#file.requests.inOrder(false, call, options.signal)).offset;
    });
  }
}

function joined(
  chunks: readonly Uint8Array[],
  context: ErrorContext,
  encoding: BufferEncoding | "buffer" | undefined,
): Buffer | string {
  let whole: Buffer;
  try {
    whole = Buffer.concat(chunks);
  } catch (cause) {
    const message = `${context.path} has more bytes than fit one Buffer`;
    throw new RingwayError("ERR_FS_FILE_TOO_LARGE", message, { ...context, cause });
  }
  return encoding === undefined ? whole : whole.toString(encoding as BufferEncoding);
}
