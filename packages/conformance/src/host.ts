// The host as the suite plays it: word by word, from PROTOCOL.md, with no code of the packages. It does what a scenario tells
// it to, right or wrong, and looks at what the guest wrote.
//
//   page 0          superblock
//   page 2 to 5     doorbells
//   page 7          control pipe: 16 KiB to the host, 8 KiB to the guest
//   page 16 on      blocks, one after the other, never used twice
//
// Places and capacities are others than ringway's own monitor has: a guest must take them from the superblock (REG-2).

import { closeSync, ftruncateSync, openSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { SharedMemory } from "@ringway/linux";
import { encode, type Fields, frameBytes, MESSAGES } from "./catalogue.ts";

export const PAGE = 4096;
export const Place = { BELL: 2, CONTROL: 7, HEAP: 16 } as const;
export const CONTROL_TO_HOST: number = 16384;
const CONTROL_TO_GUEST: number = 8192;

/** Offsets of section 4.2. */
export const Sb = {
  MAGIC_LOW: 0x000,
  MAGIC_HIGH: 0x004,
  MAJOR: 0x008,
  MINOR: 0x00c,
  PAGES: 0x010,
  FEATURES: 0x014,
  BELL: 0x018,
  CONTROL: 0x01c,
  TO_HOST: 0x020,
  TO_GUEST: 0x024,
  MAX_ID: 0x028,
  EPOCH: 0x080,
  HOST_STATE: 0x084,
  REPLY: 0x088,
  VIOLATION: 0x08c,
  REQUEST: 0x100,
  GUEST_STATE: 0x104,
  ACCEPTED: 0x108,
  GUEST_MINOR: 0x10c,
  HOST_BEAT: 0x180,
  GUEST_BEAT: 0x200,
} as const;

export const State = { ABSENT: 0, READY: 1, RESETTING: 2, DRAINING: 3, FAILED: 4 } as const;

/** Offsets of section 4.3. */
export const P = {
  TO_HOST_WRITTEN: 0x000,
  TO_HOST_END: 0x004,
  TO_HOST_WANT_SPACE: 0x008,
  TO_HOST_READ: 0x080,
  TO_HOST_STOPPED: 0x084,
  TO_HOST_WANT_DATA: 0x088,
  TO_GUEST_WRITTEN: 0x100,
  TO_GUEST_END: 0x104,
  TO_GUEST_WANT_SPACE: 0x108,
  TO_GUEST_READ: 0x180,
  TO_GUEST_STOPPED: 0x184,
  TO_GUEST_WANT_DATA: 0x188,
} as const;

/** Offsets of section 6, from the start of a direction's two pages. */
export const Bell = { ASLEEP: 0x0000, TOP: 0x0080, MIDDLE: 0x0100, LEAF: 0x1000, TO_GUEST: 0x2000 } as const;

export interface HostFrame {
  readonly type: number;
  readonly request: number;
  readonly payload: Uint8Array;
}

export class Region implements Disposable {
  readonly path: string;
  readonly memory: SharedMemory;
  readonly words: Int32Array;
  readonly bytes: Uint8Array;

  constructor(folder: string, name: string, pages: number) {
    this.path = join(folder, name);
    const fd = openSync(this.path, "w+", 0o600);
    try {
      ftruncateSync(fd, pages * PAGE);
    } catch (error) {
      closeSync(fd);
      throw error;
    }
    // A file of our own: nobody truncates it.
    this.memory = SharedMemory.fromFd(fd, { requireSeals: false });
    this.words = new Int32Array(this.memory.buffer);
    this.bytes = new Uint8Array(this.memory.buffer);
  }

  get pages(): number {
    return this.bytes.length / PAGE;
  }

  get(offset: number): number {
    return Atomics.load(this.words, offset / 4) >>> 0;
  }

  set(offset: number, value: number): void {
    Atomics.store(this.words, offset / 4, value | 0);
  }

  [Symbol.dispose](): void {
    unlinkSync(this.path);
    this.memory[Symbol.dispose]();
  }
}

/** One block: the host's ends of its rings, positions private. */
export class HostPipe {
  readonly host: Host;
  readonly id: number;
  readonly generation: number;
  readonly page: number;
  readonly toHost: number;
  readonly toGuest: number;
  read = 0;
  written = 0;

  constructor(host: Host, id: number, generation: number, page: number, toHost: number, toGuest: number) {
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

  /** Bytes that the guest has published and the host not taken. */
  readable(): number {
    return (this.get(P.TO_HOST_WRITTEN) - this.read) >>> 0;
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
  snapshot(): Buffer {
    const bytes = PAGE + this.toHost + this.toGuest;
    return Buffer.from(this.host.region.bytes.slice(this.page * PAGE, this.page * PAGE + bytes));
  }
}

export class Host {
  readonly region: Region;
  control: HostPipe;
  bellPage: number = Place.BELL;
  epoch = 0;
  #nextPage: number = Place.HEAP;

  constructor(region: Region) {
    this.region = region;
    this.control = new HostPipe(this, 0, 0, Place.CONTROL, CONTROL_TO_HOST, CONTROL_TO_GUEST);
  }

  /** The superblock of a monitor that has just started on the region (ATT-6). */
  start(words: Readonly<Record<number, number>> = {}): void {
    const { region } = this;
    const constants: [number, number][] = [
      [Sb.MAGIC_LOW, 0x474e4952],
      [Sb.MAGIC_HIGH, 0x31594157],
      [Sb.MAJOR, 1],
      [Sb.MINOR, 0],
      [Sb.PAGES, region.pages],
      [Sb.FEATURES, 0],
      [Sb.BELL, this.bellPage],
      [Sb.CONTROL, this.control.page],
      [Sb.TO_HOST, this.control.toHost],
      [Sb.TO_GUEST, this.control.toGuest],
      [Sb.MAX_ID, 32767],
    ];
    for (const [offset, value] of constants) region.set(offset, value);
    this.restart();
    for (const [offset, value] of Object.entries(words)) region.set(Number(offset), value);
  }

  /** Another monitor takes over: a new epoch that waits for the guest. */
  restart(): void {
    this.epoch = (this.region.get(Sb.EPOCH) + 1) >>> 0;
    this.region.set(Sb.EPOCH, this.epoch);
    this.region.set(Sb.HOST_STATE, State.RESETTING);
  }

  /** The next monitor of this region has doorbells and control pipe elsewhere, and other sizes (SB-1). */
  move(): void {
    this.bellPage = this.region.pages - 40;
    this.control = new HostPipe(this, 0, 0, this.region.pages - 30, CONTROL_TO_GUEST, CONTROL_TO_HOST);
    this.region.set(Sb.BELL, this.bellPage);
    this.region.set(Sb.CONTROL, this.control.page);
    this.region.set(Sb.TO_HOST, this.control.toHost);
    this.region.set(Sb.TO_GUEST, this.control.toGuest);
  }

  /** Begins the epoch that the guest asked for (ATT-3). */
  answer(state: number = State.READY): void {
    const { region } = this;
    region.words.fill(0, (this.bellPage * PAGE) / 4, ((this.bellPage + 4) * PAGE) / 4);
    this.control.clear();
    this.epoch = (this.epoch + 1) >>> 0;
    region.set(Sb.EPOCH, this.epoch);
    region.set(Sb.VIOLATION, 0);
    region.set(Sb.HOST_STATE, state);
    region.set(Sb.REPLY, region.get(Sb.REQUEST));
  }

  /** A block of its own, every header word as PIPE-2 wants it. */
  block(id: number, toHost: number, toGuest: number, generation = 1): HostPipe {
    const pipe = new HostPipe(this, id, generation, this.#nextPage, toHost, toGuest);
    this.#nextPage += 1 + (toHost + toGuest) / PAGE;
    if (this.#nextPage > this.region.pages) throw new Error("the scenario needs a larger region");
    pipe.clear();
    return pipe;
  }

  /** StreamInfo for a block. */
  give(request: number, pipe: HostPipe): void {
    this.control.message("StreamInfo", request, {
      id: pipe.id,
      generation: pipe.generation,
      page: pipe.page,
      toHostBytes: pipe.toHost,
      toGuestBytes: pipe.toGuest,
    });
  }

  // ── Doorbells, in the order of BELL-3 ─────────────────────────────────────────────────────────────────────────────

  bellWord(direction: "toHost" | "toGuest", offset: number): number {
    return this.bellPage * PAGE + (direction === "toHost" ? 0 : Bell.TO_GUEST) + offset;
  }

  /** Signals the guest: true where its bell would be rung. */
  signal(id: number): boolean {
    const { words } = this.region;
    const at = (offset: number): number => this.bellWord("toGuest", offset) / 4;
    const leaf = id >>> 5;
    const middle = leaf >>> 5;
    const leafBit = 1 << (id & 31);
    if (Atomics.or(words, at(Bell.LEAF + 4 * leaf), leafBit) & leafBit) return false;
    const middleBit = 1 << (leaf & 31);
    if ((Atomics.or(words, at(Bell.MIDDLE + 4 * middle), middleBit) & middleBit) === 0) {
      Atomics.or(words, at(Bell.TOP), 1 << middle);
    }
    return Atomics.exchange(words, at(Bell.ASLEEP), 0) === 1;
  }

  /** Streams that the guest has signalled, by the rule of BELL-4; all words are zero afterwards. */
  takeSignals(): number[] {
    const { words } = this.region;
    const exchange = (offset: number): number =>
      Atomics.exchange(words, this.bellWord("toHost", offset) / 4, 0);
    const bits = (word: number): number[] =>
      Array.from({ length: 32 }, (_, i) => i).filter((i) => (word >>> i) & 1);
    const ids: number[] = [];
    for (const middle of bits(exchange(Bell.TOP))) {
      for (const l of bits(exchange(Bell.MIDDLE + 4 * middle))) {
        const leaf = 32 * middle + l;
        for (const b of bits(exchange(Bell.LEAF + 4 * leaf))) ids.push(32 * leaf + b);
      }
    }
    return ids;
  }

  /** This host sleeps: who signals must ring. */
  sleep(): void {
    this.region.set(this.bellWord("toHost", Bell.ASLEEP), 1);
  }

  wake(): void {
    this.region.set(this.bellWord("toHost", Bell.ASLEEP), 0);
  }
}
