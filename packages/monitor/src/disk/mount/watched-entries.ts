// What is in a folder that is watched, as a worker hands it to the reactor: in one piece of bytes, since objects of
// thousands of names would be made on the reactor's thread all at once. The reactor takes them out some at a time.
//
//   entries:  kind u8 (1: a folder) | length u16, little-endian | name          as many as there are

const HEADER_BYTES = 3;

export interface WatchedEntry {
  readonly name: Uint8Array;
  readonly isFolder: boolean;
}

export class WatchedEntriesWriter {
  #bytes: Uint8Array = new Uint8Array(4096);
  #end = 0;

  add(name: Uint8Array, isFolder: boolean): void {
    const end = this.#end + HEADER_BYTES + name.length;
    if (end > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(end, 2 * this.#bytes.length));
      grown.set(this.#bytes);
      this.#bytes = grown;
    }
    this.#bytes.set([isFolder ? 1 : 0, name.length & 255, name.length >> 8], this.#end);
    this.#bytes.set(name, this.#end + HEADER_BYTES);
    this.#end = end;
  }

  /** All of them. */
  bytes(): Uint8Array {
    return this.#bytes.slice(0, this.#end);
  }
}

export class WatchedEntriesReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Undefined after the last. */
  next(): WatchedEntry | undefined {
    if (this.#at === this.#bytes.length) return undefined;
    const bytes = this.#bytes;
    const at = this.#at;
    const start = at + HEADER_BYTES;
    this.#at = start + bytes[at + 1]! + 256 * bytes[at + 2]!;
    return { name: bytes.subarray(start, this.#at), isFolder: bytes[at] === 1 };
  }
}
