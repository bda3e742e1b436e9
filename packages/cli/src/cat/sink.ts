// Where what peers say goes, besides other peers: standard output, a file, a dump in hex, or nowhere. A slow reader of
// it paces the peers.

import { createWriteStream } from "node:fs";
import type { Writable } from "node:stream";
import { standard } from "../standard.ts";
import { hexLines } from "./hex.ts";
import { type Outlet, type Speaker, Waiters } from "./outlet.ts";

export interface SinkOptions {
  /** stdout, none, hex, or the path of a file. */
  readonly output: string;
  /** A line with the peer in front of each chunk. */
  readonly isLabelled: boolean;
  onError(error: Error): void;
}

export interface Sink extends Outlet {
  /** Resolves once all is out. */
  close(): Promise<void>;
}

/** Undefined: nowhere. */
export function sinkFor({ output, isLabelled, onError }: SinkOptions): Sink | undefined {
  if (output === "none") return undefined;
  const isStandard = output === "stdout" || output === "hex";
  const to = isStandard ? standard("stdout", onError) : createWriteStream(output);
  if (!isStandard) to.once("error", onError);
  return new StreamSink(to, { isHex: output === "hex", isLabelled, isStandard });
}

interface Form {
  readonly isHex: boolean;
  readonly isLabelled: boolean;
  readonly isStandard: boolean;
}

class StreamSink implements Sink {
  readonly #to: Writable;
  readonly #form: Form;
  readonly #waiters: Waiters = new Waiters();
  /** Of the dump: where each peer is. */
  readonly #places: WeakMap<Speaker, number> = new WeakMap();
  readonly #written: () => void = () => {
    if (this.isClear) this.#waiters.tell();
  };

  constructor(to: Writable, form: Form) {
    this.#to = to;
    this.#form = form;
    to.once("close", () => this.#waiters.tell());
  }

  get isClear(): boolean {
    return this.#to.writableLength === 0 || this.#to.destroyed;
  }

  get isFull(): boolean {
    return !this.isClear;
  }

  send(chunk: Buffer, from: Speaker | undefined): void {
    const { isHex, isLabelled } = this.#form;
    if (isLabelled) this.#to.write(`${from?.label ?? "input"}:${isHex ? "\n" : " "}`);
    this.#to.write(isHex ? this.#dump(chunk, from) : chunk, this.#written);
  }

  whenClear(callback: () => void): void {
    this.#waiters.add(callback);
  }

  passedOver(): void {}

  close(): Promise<void> {
    if (this.#form.isStandard || this.#to.destroyed) return Promise.resolve();
    return new Promise((resolve) => {
      this.#to.once("close", resolve);
      this.#to.end();
    });
  }

  #dump(chunk: Buffer, from: Speaker | undefined): string {
    const at = from === undefined ? 0 : (this.#places.get(from) ?? 0);
    if (from !== undefined) this.#places.set(from, at + chunk.length);
    return hexLines(chunk, at);
  }
}
