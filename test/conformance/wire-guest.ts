// A guest that drives a real monitor word by word, from PROTOCOL.md: no code of @ringway/control.

import {
  closeFd,
  connectUnix,
  drainEventfd,
  receiveWithFds,
  ringEventfd,
  SharedMemory,
} from "@ringway/linux";
import {
  type BODIES,
  encode,
  type Fields,
  frameBytes,
  MESSAGES,
} from "../../packages/conformance/src/catalogue.ts";
import { Bell, P, PAGE, Sb } from "../../packages/conformance/src/host/layout.ts";
import type { HostFrame } from "../../packages/conformance/src/host/pipe.ts";
import { until } from "../support/wait.ts";

const EAGAIN = -11;

export const word = (payload: Uint8Array, at = 0): number => Buffer.from(payload).readUInt32LE(at);

/** The guest's ends of one pipe. */
export class WirePipe {
  readonly guest: WireGuest;
  readonly id: number;
  readonly generation: number;
  readonly page: number;
  readonly toHost: number;
  readonly toGuest: number;
  written = 0;
  read = 0;
  request = 0;

  constructor(guest: WireGuest, info: readonly [number, number, number, number, number]) {
    this.guest = guest;
    [this.id, this.generation, this.page, this.toHost, this.toGuest] = info;
  }

  get(offset: number): number {
    return this.guest.get(this.page * PAGE + offset);
  }

  set(offset: number, value: number): void {
    this.guest.set(this.page * PAGE + offset, value);
  }

  signal(): void {
    this.guest.signal(this.id);
  }

  free(): number {
    return this.toHost - ((this.written - this.get(P.TO_HOST_READ)) >>> 0);
  }

  readable(): number {
    return (this.get(P.TO_GUEST_WRITTEN) - this.read) >>> 0;
  }

  /** What there is room for, at once: how much. */
  push(bytes: Uint8Array): number {
    const count = Math.min(bytes.length, this.free());
    const data = (this.page + 1) * PAGE;
    for (let i = 0; i < count; i++) {
      this.guest.bytes[data + ((this.written + i) & (this.toHost - 1))] = bytes[i]!;
    }
    this.written = (this.written + count) >>> 0;
    this.set(P.TO_HOST_WRITTEN, this.written);
    this.signal();
    return count;
  }

  async put(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      at += this.push(bytes.subarray(at));
      if (at < bytes.length) await until(`room on stream ${this.id}`, () => this.free() > 0);
    }
  }

  take(count: number): Buffer {
    const data = (this.page + 1) * PAGE + this.toHost;
    const bytes = Buffer.alloc(count);
    for (let i = 0; i < count; i++)
      bytes[i] = this.guest.bytes[data + ((this.read + i) & (this.toGuest - 1))]!;
    this.read = (this.read + count) >>> 0;
    this.set(P.TO_GUEST_READ, this.read);
    this.signal();
    return bytes;
  }

  async takeExactly(count: number, timeoutMs?: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    for (let left = count; left > 0; ) {
      await until(`${left} bytes on stream ${this.id}`, () => this.readable() > 0, timeoutMs);
      const part = this.take(Math.min(left, this.readable()));
      parts.push(part);
      left -= part.length;
    }
    return Buffer.concat(parts);
  }

  /** All there is up to the end, and how that was. */
  async takeAll(): Promise<{ bytes: Buffer; closed: number }> {
    const parts: Buffer[] = [];
    for (;;) {
      const closed = this.get(P.TO_GUEST_END);
      if (closed === 2) return { bytes: Buffer.concat(parts), closed };
      if (this.readable() > 0) parts.push(this.take(this.readable()));
      else if (closed === 1) return { bytes: Buffer.concat(parts), closed };
      else await until("bytes or the end", () => this.readable() > 0 || this.get(P.TO_GUEST_END) !== 0);
    }
  }

  async frame(timeoutMs?: number): Promise<HostFrame> {
    const header = await this.takeExactly(12, timeoutMs);
    const payload = await this.takeExactly(header.readUInt32LE(0), timeoutMs);
    return { type: header.readUInt32LE(4), request: header.readUInt32LE(8), payload };
  }

  /** Sends a request; its id. */
  async send(type: number, payload: Iterable<number>): Promise<number> {
    this.request++;
    await this.put(frameBytes(type, this.request, payload));
    return this.request;
  }

  /** A request by name, and the next frame that comes. */
  async ask(name: string, fields: Fields): Promise<HostFrame> {
    await this.send(MESSAGES[name]!.type!, encode(name, fields));
    return await this.frame();
  }

  end(): void {
    this.set(P.TO_HOST_END, 1);
    this.signal();
  }

  reset(): void {
    this.set(P.TO_HOST_END, 2);
    this.signal();
  }

  stop(): void {
    this.set(P.TO_GUEST_STOPPED, 1);
    this.signal();
  }

  /** Both ends, whatever was stored before. */
  finish(): void {
    if (this.get(P.TO_HOST_END) === 0) this.set(P.TO_HOST_END, 1);
    this.set(P.TO_GUEST_STOPPED, 1);
    this.signal();
  }

  /** The host has reset it (STR-8). */
  async wasReset(): Promise<boolean> {
    await until(
      `stream ${this.id} to be reset`,
      () => this.get(P.TO_GUEST_END) === 2 && this.get(P.TO_HOST_STOPPED) === 1,
    );
    return true;
  }
}

export class WireGuest implements Disposable {
  readonly hello: Buffer;
  readonly fds: readonly number[];
  readonly memory: SharedMemory;
  readonly words: Int32Array;
  readonly bytes: Uint8Array;
  readonly socket: number;
  /** As it was at the last attach: the word may not change in an epoch (SB-1). */
  #bells: number;
  control!: WirePipe;
  #gone = false;

  private constructor(socket: number, hello: Buffer, fds: readonly number[]) {
    this.socket = socket;
    this.hello = hello;
    this.fds = fds;
    this.memory = SharedMemory.fromFd(fds[0]!);
    this.words = new Int32Array(this.memory.buffer);
    this.bytes = new Uint8Array(this.memory.buffer);
    this.#bells = this.get(Sb.BELL) * PAGE;
  }

  /** The one message of the attach socket. */
  static async hello(path: string): Promise<{ socket: number; bytes: Buffer; fds: readonly number[] }> {
    const socket = connectUnix(path);
    const message = await until("a hello", () => {
      const received = receiveWithFds(socket, 64, 4);
      if (received === EAGAIN) return undefined;
      if (typeof received === "number") throw new Error(`errno ${-received}`);
      return received;
    });
    return { socket, bytes: Buffer.from(message.bytes), fds: message.fds };
  }

  static async connect(path: string): Promise<WireGuest> {
    const { socket, bytes, fds } = await WireGuest.hello(path);
    if (fds.length !== 3) throw new Error(`turned away: errno ${word(bytes, 16)}`);
    return new WireGuest(socket, bytes, fds);
  }

  static async attached(path: string): Promise<WireGuest> {
    const guest = await WireGuest.connect(path);
    await guest.attach();
    return guest;
  }

  get(offset: number): number {
    return Atomics.load(this.words, offset / 4) >>> 0;
  }

  set(offset: number, value: number): void {
    Atomics.store(this.words, offset / 4, value | 0);
  }

  ring(): void {
    ringEventfd(this.fds[1]!);
  }

  /** How often this guest was rung since it was asked last. */
  rung(): number {
    return drainEventfd(this.fds[2]!);
  }

  /** ATT-2 and ATT-4, as a guest of this minor version. */
  async attach(minor = 0): Promise<void> {
    let request = this.get(Sb.REQUEST);
    do request = (request + 1) >>> 0 || 1;
    while (request === this.get(Sb.REPLY));
    this.set(Sb.GUEST_STATE, 1);
    this.set(Sb.GUEST_MINOR, minor);
    this.set(Sb.ACCEPTED, 0);
    this.set(Sb.REQUEST, request);
    this.ring();
    await until("the attach reply", () => this.get(Sb.REPLY) === request);
    this.#bells = this.get(Sb.BELL) * PAGE;
    const place = [Sb.CONTROL, Sb.TO_HOST, Sb.TO_GUEST].map((at) => this.get(at)) as [number, number, number];
    this.control = new WirePipe(this, [0, 0, ...place]);
    this.set(Sb.GUEST_STATE, 2);
    this.ring();
  }

  bellWord(direction: "toHost" | "toGuest", offset: number): number {
    return this.#bells + (direction === "toHost" ? 0 : Bell.TO_GUEST) + offset;
  }

  /** BELL-3. */
  signal(id: number): void {
    const at = (offset: number): number => this.bellWord("toHost", offset) / 4;
    const leaf = id >>> 5;
    const bit = 1 << (id & 31);
    if (Atomics.or(this.words, at(Bell.LEAF + 4 * leaf), bit) & bit) return;
    const middle = leaf >>> 5;
    if ((Atomics.or(this.words, at(Bell.MIDDLE + 4 * middle), 1 << (leaf & 31)) & (1 << (leaf & 31))) === 0) {
      Atomics.or(this.words, at(Bell.TOP), 1 << middle);
    }
    if (Atomics.exchange(this.words, at(Bell.ASLEEP), 0) === 1) this.ring();
  }

  async newStream(toHost = 4096, toGuest = 4096): Promise<WirePipe> {
    const frame = await this.control.ask("NewStream", { toHostBytes: toHost, toGuestBytes: toGuest });
    if (frame.type !== 0x8101) throw new Error(`errno ${word(frame.payload)} in place of a stream`);
    return new WirePipe(
      this,
      [0, 4, 8, 12, 16].map((at) => word(frame.payload, at)) as [number, number, number, number, number],
    );
  }

  /** A stream, its Open sent. */
  async opening(protocol: number, body: Uint8Array, toHost = 4096, toGuest = toHost): Promise<WirePipe> {
    const pipe = await this.newStream(toHost, toGuest);
    await pipe.send(0x0201, [...encode("Open", { protocol, body: "" }), ...body]);
    return pipe;
  }

  /** The stream and the answer to its Open. */
  async open(
    protocol: number,
    body: keyof typeof BODIES | undefined = undefined,
    fields: Fields = {},
    ringBytes = 4096,
  ): Promise<{ pipe: WirePipe; answer: HostFrame }> {
    const bytes = body === undefined ? new Uint8Array() : encode(body, fields);
    const pipe = await this.opening(protocol, bytes, ringBytes);
    return { pipe, answer: await pipe.frame() };
  }

  /** The monitor has hung up. */
  hungUp(): boolean {
    const received = receiveWithFds(this.socket, 1, 0);
    return typeof received === "number" ? received !== EAGAIN : received.bytes.length === 0;
  }

  vanish(): void {
    if (this.#gone) return;
    this.#gone = true;
    closeFd(this.socket);
    closeFd(this.fds[1]!);
    closeFd(this.fds[2]!);
    this.memory[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    this.vanish();
  }
}
