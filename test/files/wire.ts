// A guest that speaks the wire of files directly: it can be late, wrong and rude where the SDK would not be.

import {
  Closed,
  ErrorReply,
  type Frame,
  FrameReader,
  FrameWriter,
  fileMessages,
  fsMessages,
  type GuestPipe,
  type Message,
  Open,
  Opened,
  Protocol,
  Refused,
} from "@ringway/control";
import { Declined } from "../support/declined.ts";
import { RawGuest, StreamGone } from "../support/raw-guest.ts";
import { until } from "../support/wait.ts";

/** A disk may be slow. */
const PATIENCE_MS = 10_000;

export class FileGuest extends RawGuest {
  async stream(toHostBytes = 65536, toGuestBytes = toHostBytes): Promise<RawStream> {
    return new RawStream(this, await this.newStream(toHostBytes, toGuestBytes));
  }

  /** A stream that the host has agreed to, and the body of Opened. */
  async open(protocol: number, body: Uint8Array, ringBytes?: number): Promise<[RawStream, Uint8Array]> {
    const stream = await this.stream(ringBytes);
    return [stream, await stream.open(protocol, body)];
  }

  async openFile(path: string, flags: number, mode = 0o644, ringBytes?: number): Promise<RawStream> {
    const body = fileMessages.FileOpen.encode({ path, flags, mode });
    return (await this.open(Protocol.FILE, body, ringBytes))[0];
  }

  async openFs(ringBytes?: number): Promise<RawStream> {
    return (await this.open(Protocol.FS, new Uint8Array(0), ringBytes))[0];
  }

  async openFileStream(
    request: Partial<fileMessages.FileStreamOpen> & { path: string; direction: number; flags: number },
    ringBytes?: number,
  ): Promise<[RawStream, fileMessages.FileStreamOpened]> {
    const whole = { mode: 0o644, offset: 0, length: Number.MAX_SAFE_INTEGER, ...request };
    const body = fileMessages.FileStreamOpen.encode(whole);
    const [stream, opened] = await this.open(Protocol.FILE_STREAM, body, ringBytes);
    return [stream, fileMessages.FileStreamOpened.decode(opened)];
  }
}

export class RawStream {
  readonly guest: FileGuest;
  readonly pipe: GuestPipe;
  readonly #reader: FrameReader;
  readonly #writer: FrameWriter;
  #nextId = 1;
  #isHeld = false;
  /** Its pages may be another stream's already: who still waits for a frame looks no more. */
  #isLet = false;
  #calls: Promise<unknown> = Promise.resolve();

  constructor(guest: FileGuest, pipe: GuestPipe) {
    this.guest = guest;
    this.pipe = pipe;
    this.#reader = new FrameReader(pipe.toGuest);
    this.#writer = new FrameWriter(pipe.toHost);
  }

  readonly signal = (): void => {
    if (!this.#isHeld) this.guest.signal(this.pipe);
  };

  /** What is posted in it the host finds at once: it is told when all of it is there. */
  together<T>(post: () => T): T {
    this.#isHeld = true;
    try {
      return post();
    } finally {
      this.#isHeld = false;
      this.signal();
    }
  }

  /** Sends a frame without waiting for room: there must be some. */
  post<T>(kind: Message<T>, value: T): number {
    return this.postBytes(kind.type, kind.encode(value));
  }

  postBytes(type: number, payload: Uint8Array): number {
    const id = this.#nextId++;
    if (!this.#writer.write(type, id, payload, this.signal)) throw new Error("the ring is full");
    return id;
  }

  async send<T>(kind: Message<T>, value: T): Promise<number> {
    const payload = kind.encode(value);
    await until("room for a request", () => this.#writer.fits(payload.length), PATIENCE_MS);
    return this.postBytes(kind.type, payload);
  }

  /** The next frame if there is one. Throws StreamGone after the last. */
  poll(): Frame | undefined {
    if (this.#isLet) throw new StreamGone(Closed.RESET);
    const closed = this.pipe.toGuest.peerClosed();
    if (closed === Closed.RESET) throw new StreamGone(closed);
    const frame = this.#reader.next(this.signal);
    if (frame === undefined && closed !== Closed.OPEN) throw new StreamGone(closed);
    return frame;
  }

  next(timeoutMs = PATIENCE_MS): Promise<Frame> {
    return until("a frame", () => this.poll(), timeoutMs);
  }

  /** The reply of this kind to request `id`; an Error frame is thrown. */
  async reply<R>(kind: Message<R>, id: number, timeoutMs?: number): Promise<R> {
    const frame = await this.next(timeoutMs);
    if (frame.requestId !== id) throw new Error(`request ${id} was answered with id ${frame.requestId}`);
    if (frame.type === ErrorReply.type) throw new Declined(ErrorReply.decode(frame.payload));
    if (frame.type !== kind.type) throw new Error(`type 0x${frame.type.toString(16)} is no ${kind.name}`);
    return kind.decode(frame.payload);
  }

  /** A request and its reply, after the calls before it. */
  call<T, R>(request: Message<T>, value: T, reply: Message<R>, timeoutMs?: number): Promise<R> {
    const turn = this.#calls.then(async () => this.reply(reply, await this.send(request, value), timeoutMs));
    this.#calls = turn.catch(() => {});
    return turn;
  }

  async open(protocol: number, body: Uint8Array): Promise<Uint8Array> {
    this.post(Open, { protocol, body });
    const frame = await this.next();
    if (frame.type === Refused.type) {
      this.let();
      throw new Declined(Refused.decode(frame.payload));
    }
    return Opened.decode(frame.payload).body;
  }

  /** All entries of a folder, with the number of frames that carried them. */
  async readDir(
    path: string,
  ): Promise<{ names: string[]; kinds: number[]; skipped: number; frames: number }> {
    const id = await this.send(fsMessages.ReadDir, { path });
    const names: string[] = [];
    const kinds: number[] = [];
    let skipped = 0;
    for (let frames = 1; ; frames++) {
      const part = await this.reply(fsMessages.Entries, id);
      for (const { name, kind } of part.entries) {
        names.push(name);
        kinds.push(kind);
      }
      skipped += part.skipped;
      if (!part.more) return { names, kinds, skipped, frames };
    }
  }

  /** Raw bytes to the host. */
  async write(bytes: Uint8Array): Promise<void> {
    if (!(await this.guest.write(this.pipe, bytes, PATIENCE_MS))) throw new StreamGone(Closed.END);
  }

  /** Raw bytes from the host, all until END or (without END) at least `atLeast`. */
  async read(atLeast = Number.POSITIVE_INFINITY): Promise<Buffer> {
    const parts: Buffer[] = [];
    for (let total = 0; total < atLeast; ) {
      const part = await this.guest.read(this.pipe, undefined, PATIENCE_MS);
      if (part === undefined) break;
      parts.push(part);
      total += part.length;
    }
    return Buffer.concat(parts);
  }

  /** Has the host closed both its ends? */
  hostIsThrough(): boolean {
    return this.pipe.toHost.abandoned() && this.pipe.toGuest.peerClosed() !== Closed.OPEN;
  }

  end(): void {
    this.guest.end(this.pipe);
  }

  /** Ends in order, and waits for the host to do the same. */
  async finish(): Promise<void> {
    this.end();
    await until("the host ends", () => this.hostIsThrough(), PATIENCE_MS);
    this.let();
  }

  reset(): void {
    this.#isLet = true;
    this.guest.finish(this.pipe, "reset");
  }

  /** Sets the last closed word: the pipe must not be touched any more. */
  let(): void {
    this.#isLet = true;
    this.guest.finish(this.pipe);
  }
}
