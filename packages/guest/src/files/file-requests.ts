// The requests of one open file, pipelined in order: what a read, a write or a seek becomes.
//
// Invariant: a read or write at the file position that takes several requests has them next to each other: whatever
// else uses the position waits until it is over (inOrder). One that takes a single request is sent at once.

import {
  Done,
  FRAME_HEADER_BYTES,
  type Frame,
  fileMessages,
  IO_MAX_BYTES,
  ProtocolError,
  Violation,
} from "@ringway/control";
import { Errno } from "@ringway/linux";
import { type ErrorContext, errnoError, RingwayError } from "../errors.ts";
import { decodeReply } from "../stream/calls.ts";
import type { Rpc } from "../stream/rpc.ts";
import { inTurn } from "./turns.ts";

/** Requests of a readAll() under way at a time: the next data are on their way while these are taken. */
const READ_AHEAD = 4;

export class FileRequests {
  readonly #rpc: Rpc;
  /** Most data bytes in one request: what fits the smaller ring. */
  readonly #maxBytes: number;
  /** The last of the operations of several requests on the file position. */
  #turn: Promise<unknown> | undefined;

  constructor(rpc: Rpc) {
    this.#rpc = rpc;
    const { toHost, toGuest } = rpc.stream.pipe;
    const room = Math.min(toHost.capacity, toGuest.capacity) - FRAME_HEADER_BYTES - 8;
    this.#maxBytes = Math.min(IO_MAX_BYTES, room);
  }

  /** Work on the file position: alone, where it takes several requests. */
  inOrder<T>(several: boolean, work: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    const before = this.#turn;
    if (before === undefined && !several) return work();
    const { result, over } = before === undefined ? begun(work()) : inTurn(before, work, signal);
    this.#turn = over;
    over.then(() => {
      if (this.#turn === over) this.#turn = undefined;
    });
    return result;
  }

  /** As many bytes as there are, up to what the targets hold; 0 at the end of the file. */
  async read(
    targets: readonly Uint8Array[],
    position: number | null,
    context: ErrorContext,
    signal: AbortSignal | undefined,
  ): Promise<number> {
    const pieces = targets.flatMap((target) => this.#pieces(target));
    if (position === null) {
      return await this.inOrder(
        pieces.length > 1,
        async () => {
          // A short piece moves the place of those behind it, so they are asked for one after the other.
          let bytesRead = 0;
          for (const piece of pieces) {
            const count = await this.#readPiece(piece, null, context, signal);
            bytesRead += count;
            if (count < piece.length) break;
          }
          return bytesRead;
        },
        signal,
      );
    }
    // All at once where their places are known; each answers for itself.
    let at = position;
    const asked = pieces.map((piece) => {
      const place = at;
      at += piece.length;
      return place > Number.MAX_SAFE_INTEGER ? 0 : this.#readPiece(piece, place, context, signal);
    });
    const counts = await Promise.all(asked);
    let bytesRead = 0;
    for (const [index, count] of counts.entries()) {
      bytesRead += count;
      if (count < pieces[index]!.length) break;
    }
    return bytesRead;
  }

  /** All that follows the file position. */
  async readAll(context: ErrorContext, signal: AbortSignal | undefined): Promise<Uint8Array[]> {
    return await this.inOrder(true, () => this.#readAll(context, signal), signal);
  }

  /** All of the sources, one after the other; of an error, `bytesWritten` says how much of them is in the file. */
  async write(
    sources: readonly Uint8Array[],
    position: number | null,
    context: ErrorContext,
    signal: AbortSignal | undefined,
  ): Promise<number> {
    const pieces = this.#requests(sources);
    const work = (): Promise<number> => this.#writePieces(pieces, position, context, signal);
    return await (position === null ? this.inOrder(pieces.length > 1, work, signal) : work());
  }

  async sync(dataOnly: 0 | 1, context: ErrorContext, signal: AbortSignal | undefined): Promise<void> {
    await this.#rpc.call(fileMessages.Sync, { dataOnly }, Done, context, signal);
  }

  async #readPiece(
    target: Uint8Array,
    position: number | null,
    context: ErrorContext,
    signal: AbortSignal | undefined,
  ): Promise<number> {
    const { Read, ReadAt } = fileMessages;
    const bytes = target.length;
    const onReply = (frame: Frame): Uint8Array => dataOf(frame, bytes);
    const data =
      position === null
        ? await this.#rpc.calls(Read, { bytes }, context, signal, onReply)
        : await this.#rpc.calls(ReadAt, { offset: position, bytes }, context, signal, onReply);
    target.set(data);
    return data.length;
  }

  async #readAll(context: ErrorContext, signal: AbortSignal | undefined): Promise<Uint8Array[]> {
    const bytes = this.#maxBytes;
    const chunks: Uint8Array[] = [];
    for (;;) {
      const asked = Array.from({ length: READ_AHEAD }, () =>
        this.#rpc.calls(fileMessages.Read, { bytes }, context, signal, (frame) => dataOf(frame, bytes)),
      );
      const replies = await Promise.all(asked);
      // While somebody appends, bytes may come after an empty reply: each that came has moved the position.
      chunks.push(...replies.filter(({ length }) => length > 0));
      if (replies.at(-1)!.length === 0) return chunks;
    }
  }

  /** One after the other: a piece behind one that failed would leave a hole, or come to its place. */
  async #writePieces(
    pieces: readonly Uint8Array[],
    position: number | null,
    context: ErrorContext,
    signal: AbortSignal | undefined,
  ): Promise<number> {
    let written = 0;
    try {
      for (const piece of pieces) {
        for (let at = 0; at < piece.length; ) {
          const place = position === null ? null : position + written;
          const bytes = await this.#writePiece(piece.subarray(at), place, context, signal);
          at += bytes;
          written += bytes;
        }
      }
    } catch (error) {
      throw withBytesWritten(error, written);
    }
    return written;
  }

  async #writePiece(
    data: Uint8Array,
    position: number | null,
    context: ErrorContext,
    signal: AbortSignal | undefined,
  ): Promise<number> {
    const { Write, WriteAt } = fileMessages;
    if (position !== null && position > Number.MAX_SAFE_INTEGER) throw errnoError(Errno.EFBIG, context);
    const onReply = (frame: Frame): number => writtenOf(frame, data.length, "FILE-5");
    const bytes =
      position === null
        ? await this.#rpc.calls(Write, { data }, context, signal, onReply)
        : await this.#rpc.calls(WriteAt, { offset: position, data }, context, signal, onReply);
    if (bytes === 0) throw errnoError(Errno.EIO, context);
    return bytes;
  }

  #pieces(whole: Uint8Array): Uint8Array[] {
    const pieces: Uint8Array[] = [];
    for (let at = 0; at < whole.length; at += this.#maxBytes)
      pieces.push(whole.subarray(at, at + this.#maxBytes));
    return pieces;
  }

  /** What goes into one request each: whole sources, as many as fit together; pieces of those that fit none. */
  #requests(sources: readonly Uint8Array[]): Uint8Array[] {
    if (sources.length === 1) return this.#pieces(sources[0]!);
    const requests: Uint8Array[] = [];
    let together: Uint8Array[] = [];
    let bytes = 0;
    const flush = (): void => {
      if (bytes > 0) requests.push(Buffer.concat(together, bytes));
      together = [];
      bytes = 0;
    };
    for (const source of sources) {
      if (bytes + source.length > this.#maxBytes) flush();
      if (source.length > this.#maxBytes) requests.push(...this.#pieces(source));
      else {
        together.push(source);
        bytes += source.length;
      }
    }
    flush();
    return requests;
  }
}

/** What a read was answered with, at most as much as was asked for. */
function dataOf(frame: Frame, asked: number): Uint8Array {
  const { data } = decodeReply(frame, fileMessages.Data);
  if (data.length <= asked) return data;
  const text = `${data.length} bytes where ${asked} were asked for`;
  throw new ProtocolError(Violation.FRAME_MALFORMED, "FILE-4", text);
}

/** What a write was answered with, at most as much as was given. */
export function writtenOf(frame: Frame, given: number, clause: string): number {
  const { bytes } = decodeReply(frame, fileMessages.Written);
  if (bytes <= given) return bytes;
  const text = `${bytes} bytes were written where ${given} were given`;
  throw new ProtocolError(Violation.FRAME_MALFORMED, clause, text);
}

function begun<T>(result: Promise<T>): { readonly result: Promise<T>; readonly over: Promise<unknown> } {
  return { result, over: result.catch(() => {}) };
}

/**
 * Says how much of a write is in the file, where the host has answered: an error that many calls share is left alone.
 */
export function withBytesWritten(error: unknown, before: number): unknown {
  if (!(error instanceof RingwayError) || error.errno === undefined || error.code === "ECONNRESET")
    return error;
  return Object.assign(error, { bytesWritten: before + (error.bytesWritten ?? 0) });
}
