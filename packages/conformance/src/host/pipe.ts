// One pipe as the suite's host has it: bytes and frames in, bytes and frames out, and the four closed words.

import { encode, type Fields, frameBytes, MESSAGES } from "../catalogue.ts";
import { TesteeBroken } from "../contract.ts";
import { P, PAGE } from "./layout.ts";
import type { Region, Snapshot } from "./region.ts";

/** A frame that the guest sent. */
export interface HostFrame {
  readonly type: number;
  readonly request: number;
  readonly payload: Uint8Array;
}

/** What a pipe has of its host. */
export interface PipeOwner {
  readonly region: Region;
  /** Signals the guest: true where its bell would be rung. */
  signal(id: number): boolean;
}

/** One block: the host's ends of its rings, positions private. */
export class HostPipe {
  readonly host: PipeOwner;
  readonly id: number;
  readonly generation: number;
  readonly page: number;
  readonly toHost: number;
  readonly toGuest: number;
  read = 0;
  written = 0;

  constructor(
    host: PipeOwner,
    id: number,
    generation: number,
    page: number,
    toHost: number,
    toGuest: number,
  ) {
    this.host = host;
    this.id = id;
    this.generation = generation;
    this.page = page;
    this.toHost = toHost;
    this.toGuest = toGuest;
  }

  get(offset: number): number {
    return this.host.region.get(this.page * PAGE + offset);
  }

  set(offset: number, value: number): void {
    this.host.region.set(this.page * PAGE + offset, value);
  }

  /** PIPE-2. */
  clear(): void {
    for (let offset = 0; offset < 0x200; offset += 4) this.set(offset, 0);
    this.set(0x200, this.id);
    this.set(0x204, this.generation);
    this.set(P.TO_HOST_WANT_DATA, 1);
    this.read = this.written = 0;
  }

  /** Where byte number `position` of a ring lies. */
  #at(ring: "toHost" | "toGuest", position: number): number {
    const data = (this.page + 1) * PAGE + (ring === "toHost" ? 0 : this.toHost);
    return data + (position & (this[ring] - 1));
  }

  /** Bytes for the guest, published; signals whatever want-data says, unless told not to. */
  put(bytes: Iterable<number>, signal = true): void {
    for (const byte of bytes) {
      this.host.region.bytes[this.#at("toGuest", this.written)] = byte;
      this.written = (this.written + 1) >>> 0;
    }
    this.set(P.TO_GUEST_WRITTEN, this.written);
    if (signal) this.host.signal(this.id);
  }

  frame(type: number, request: number, payload: Iterable<number>): void {
    this.put(frameBytes(type, request, payload));
  }

  message(name: string, request: number, fields: Fields): void {
    this.frame(MESSAGES[name]!.type!, request, encode(name, fields));
  }

  /** Bytes that the guest has published and the host not taken. Throws TesteeBroken where they are none (RING-4). */
  readable(): number {
    const bytes = (this.get(P.TO_HOST_WRITTEN) - this.read) >>> 0;
    if (bytes <= this.toHost) return bytes;
    throw new TesteeBroken(`the guest's write position is ${bytes} ahead in a ring of ${this.toHost} bytes`);
  }

  /** Free bytes towards the guest, as the guest says. */
  free(): number {
    return this.toGuest - ((this.written - this.get(P.TO_GUEST_READ)) >>> 0);
  }

  /** Looks at bytes without taking them. */
  peek(count: number = this.readable()): Uint8Array {
    return Uint8Array.from(
      { length: count },
      (_, i) => this.host.region.bytes[this.#at("toHost", this.read + i)]!,
    );
  }

  take(count: number = this.readable(), signal = true): Uint8Array {
    const bytes = this.peek(count);
    this.read = (this.read + count) >>> 0;
    this.set(P.TO_HOST_READ, this.read);
    if (signal) this.host.signal(this.id);
    return bytes;
  }

  /** The guest's next frame, taken; undefined where there is no whole one. */
  takeFrame(): HostFrame | undefined {
    if (this.readable() < 12) return undefined;
    const header = Buffer.from(this.peek(12));
    const length = header.readUInt32LE(0);
    if (this.readable() < 12 + length) return undefined;
    const frame = this.take(12 + length);
    return { type: header.readUInt32LE(4), request: header.readUInt32LE(8), payload: frame.slice(12) };
  }

  end(): void {
    this.set(P.TO_GUEST_END, 1);
    this.host.signal(this.id);
  }

  reset(): void {
    this.set(P.TO_GUEST_END, 2);
    this.host.signal(this.id);
  }

  /** Reads no more. */
  stop(): void {
    this.set(P.TO_HOST_STOPPED, 1);
    this.host.signal(this.id);
  }

  /** All four closed words are set. */
  through(): boolean {
    return [P.TO_HOST_END, P.TO_HOST_STOPPED, P.TO_GUEST_END, P.TO_GUEST_STOPPED].every(
      (at) => this.get(at) !== 0,
    );
  }

  /** The block as it stands, data and all. */
  snapshot(): Snapshot {
    const bytes = PAGE + this.toHost + this.toGuest;
    return this.host.region.snapshot(this.page * PAGE, this.page * PAGE + bytes);
  }
}
