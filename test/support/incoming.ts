// Bytes of a stream that are waited for by their number, however they come.
//
// Not by once(stream, "data") again and again: between two of them nobody listens, and a stream gives its next chunk in
// the same tick where an answer is in two pieces, as at the end of a ring. Then the second is lost.

import type { EventEmitter } from "node:events";

export class Incoming {
  #chunks: Uint8Array[] = [];
  #bytes = 0;
  #wanted = 0;
  #enough: () => void = () => {};

  constructor(stream: EventEmitter) {
    stream.on("data", (chunk: Uint8Array) => {
      this.#chunks.push(chunk);
      this.#bytes += chunk.length;
      if (this.#bytes >= this.#wanted) this.#enough();
    });
  }

  /** All that has come, once there are as many bytes as that. One call at a time. */
  async take(bytes: number): Promise<Buffer> {
    if (this.#bytes < bytes) {
      await new Promise<void>((resolve) => {
        this.#wanted = bytes;
        this.#enough = resolve;
      });
    }
    const all = Buffer.concat(this.#chunks);
    this.#chunks = [];
    this.#bytes = 0;
    return all;
  }
}
