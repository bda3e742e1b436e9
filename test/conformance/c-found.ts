// What the C library's decoders have found: fields of its structs, by their offsets in its headers.

import type { Fields } from "../../packages/conformance/src/catalogue.ts";
import type { Buffers, Library } from "./c-library.ts";

/** Fields of the structs that the library has filled. */
export class Found {
  readonly rw: Library;
  readonly io: Buffers;

  constructor(rw: Library, io: Buffers) {
    this.rw = rw;
    this.io = io;
  }

  u32(at: number): number {
    return this.io.out.view.getUint32(at, true);
  }

  u64(at: number): number {
    return Number(this.io.out.view.getBigUint64(at, true));
  }

  text(at: number): string {
    const start = this.u64(at) - this.io.in.address;
    return Buffer.from(this.io.in.bytes.slice(start, start + this.u32(at + 8))).toString();
  }

  /** Bytes that a struct of an address and a length says lie in the payload. */
  bytes(at: number): string {
    const start = this.u64(at) - this.io.in.address;
    return Buffer.from(this.io.in.bytes.slice(start, start + this.u32(at + 8))).toString("hex");
  }

  refusal(at: number): Fields {
    return { errno: this.u32(at), rule: this.text(at + 8), reason: this.text(at + 24) };
  }

  time(at: number): Fields {
    return { seconds: Number(this.io.out.view.getBigInt64(at, true)), nanoseconds: this.u32(at + 8) };
  }

  inet(at: number): Fields {
    const bytes = this.u32(at) === 4 ? 4 : 16;
    const address = Buffer.from(this.io.out.bytes.slice(at + 8, at + 8 + bytes)).toString("hex");
    return { family: this.u32(at), port: this.u32(at + 4), address };
  }

  stat(at: number): Fields {
    const numbers = { kind: 0, mode: 4, links: 8, uid: 12, gid: 16 };
    const longs = { inode: 24, size: 32, blocks: 40 };
    const times = { accessed: 48, modified: 64, changed: 80 };
    return {
      ...Object.fromEntries(Object.entries(numbers).map(([name, offset]) => [name, this.u32(at + offset)])),
      ...Object.fromEntries(Object.entries(longs).map(([name, offset]) => [name, this.u64(at + offset)])),
      ...Object.fromEntries(Object.entries(times).map(([name, offset]) => [name, this.time(at + offset)])),
    };
  }

  statfs(): Fields {
    const [blocks, blocksFree, blocksAvailable] = [this.u64(0), this.u64(8), this.u64(16)];
    const [files, filesFree] = [this.u64(24), this.u64(32)];
    const [blockBytes, nameMaxBytes] = [this.u32(40), this.u32(44)];
    return { blocks, blocksFree, blocksAvailable, files, filesFree, blockBytes, nameMaxBytes };
  }

  streamInfo(): Fields {
    const [id, generation, page] = [this.u32(0), this.u32(4), this.u32(8)];
    return { id, generation, page, toHostBytes: this.u32(12), toGuestBytes: this.u32(16) };
  }

  /** A list's items, each taken to offset 64. */
  items<T>(next: (item: number) => number, item: () => T): T[] {
    const found: T[] = [];
    while (next(this.io.out.address + 64) === 1) found.push(item());
    return found;
  }

  texts(list: number): string[] {
    const at = this.io.out.address + list;
    return this.items(
      (item) => this.rw.rw_next_text([at, item]),
      () => this.text(64),
    );
  }

  inets(list: number): Fields[] {
    const at = this.io.out.address + list;
    return this.items(
      (item) => this.rw.rw_next_inet([at, item]),
      () => this.inet(64),
    );
  }

  entries(list: number): Fields[] {
    const at = this.io.out.address + list;
    return this.items(
      (item) => this.rw.rw_next_entry([at, item]),
      () => ({ kind: this.u32(64), name: this.text(72) }),
    );
  }
}

export interface Decoder {
  /** A negative status where the payload is none of the message's. */
  call(rw: Library, from: readonly [number, number], to: number): number;
  fields(found: Found): Fields;
}
