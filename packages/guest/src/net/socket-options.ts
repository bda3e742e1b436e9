// What `new net.Socket(options)` takes, beyond what any stream does.

import type { OnReadOpts } from "node:net";
import type { DuplexOptions } from "node:stream";
import { invalidValue } from "@ringway/linux";
import { unsupported } from "../errors.ts";
import type { StreamOptions } from "./connect.ts";
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
  readonly #next: (() => unknown) | undefined;
  readonly #callback: OnReadOpts["callback"];

  private constructor(
    buffer: Uint8Array,
    next: (() => unknown) | undefined,
    callback: OnReadOpts["callback"],
  ) {
    this.buffer = buffer;
    this.#next = next;
    this.#callback = callback;
  }

  /** As net.Socket: what lacks a buffer or a callback counts for nothing. */
  static of(options: unknown): OnRead | undefined {
    if (typeof options !== "object" || options === null) return undefined;
    const { buffer, callback } = options as { buffer?: unknown; callback?: unknown };
    if (typeof callback !== "function") return undefined;
    const next = typeof buffer === "function" ? (buffer as () => unknown) : undefined;
    const first = next === undefined ? buffer : next();
    if (!(first instanceof Uint8Array)) return undefined;
    return new OnRead(first, next, callback as OnReadOpts["callback"]);
  }

  /** The first `bytes` of the buffer are new. False: enough for now. */
  take(bytes: number): boolean {
    const more = this.#callback(bytes, this.buffer) !== false;
    const next = this.#next?.();
    if (next instanceof Uint8Array) this.buffer = next;
    return more;
  }
}
