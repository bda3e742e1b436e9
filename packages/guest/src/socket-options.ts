// What `new net.Socket(options)` takes, beyond what any stream does.

import type { OnReadOpts } from "node:net";
import type { DuplexOptions } from "node:stream";
import { invalidValue } from "./argument-errors.ts";
import type { StreamOptions } from "./connect.ts";
import { unsupported } from "./errors.ts";
import { requireNumber } from "./socket-arguments.ts";

/** What Node's Duplex is made with. */
export function duplexOptions(options: StreamOptions): DuplexOptions {
  const { fd, handle, keepAliveInitialDelay, ...known } = options as StreamOptions & Record<string, unknown>;
  for (const name of ["objectMode", "readableObjectMode", "writableObjectMode"] as const) {
    if (known[name]) throw invalidValue(`options.${name}`, known[name], "is not supported");
  }
  if (fd !== undefined || handle != null) {
    const why = "a guest's sockets are its monitor's streams: leave out options.fd and options.handle";
    throw unsupported("socket", why);
  }
  if (keepAliveInitialDelay !== undefined) {
    requireNumber(keepAliveInitialDelay, "options.keepAliveInitialDelay");
  }
  const { highWaterMark, readableHighWaterMark, writableHighWaterMark } = known;
  const marks = { highWaterMark, readableHighWaterMark, writableHighWaterMark } as DuplexOptions;
  return { ...marks, allowHalfOpen: Boolean(known.allowHalfOpen), emitClose: false, autoDestroy: true };
}

/** net.Socket's `onread`: one buffer, or a function that gives the next. */
export class OnRead {
  buffer: Uint8Array;
  readonly #next: (() => Uint8Array) | undefined;
  readonly #callback: OnReadOpts["callback"];

  constructor({ buffer, callback }: OnReadOpts) {
    this.#next = typeof buffer === "function" ? buffer : undefined;
    this.buffer = typeof buffer === "function" ? buffer() : buffer;
    this.#callback = callback;
  }

  /** The first `bytes` of the buffer are new. False: enough for now. */
  take(bytes: number): boolean {
    const more = this.#callback(bytes, this.buffer) !== false;
    if (this.#next !== undefined) this.buffer = this.#next();
    return more;
  }
}
