// A guest that drives the wire by hand: for what the SDK is too well-behaved to do, and to see each word as it stands.
//
// It never sleeps (its `asleep` word stays 0, so the host never rings) and looks at the rings again and again instead.

import {
  Accept,
  Closed,
  ConnectReply,
  ConnectRequest,
  ErrorReply,
  type Frame,
  FrameReader,
  FrameWriter,
  type GuestPipe,
  GuestSession,
  Incoming,
  ListenReply,
  ListenRequest,
  layout,
  type Message,
  NewStream,
  Open,
  Opened,
  Protocol,
  parseIp,
  Refused,
  type RegionMemory,
  regionMemory,
  StreamInfo,
  storeWord,
  type TcpEndpoints,
} from "@ringway/control";
import type { SharedMemory } from "@ringway/linux";
import { Declined } from "./declined.ts";
import { connectFooting, type Footing } from "./footing.ts";
import { until } from "./wait.ts";

/** The host reset the stream, or ended it where more was due. */
export class StreamGone extends Error {
  readonly closed: Closed;

  constructor(closed: Closed) {
    super(closed === Closed.RESET ? "the stream was reset" : "the stream has ended");
    this.closed = closed;
  }
}

/** What a stream gave until it ended. */
export interface Received {
  readonly bytes: Buffer;
  readonly how: "end" | "reset";
}

export class RawGuest implements Disposable {
  readonly region: RegionMemory;
  readonly session: GuestSession;
  readonly #footing: Footing;
  readonly #replies: Map<number, Frame> = new Map();
  #gone = false;

  constructor(footing: Footing) {
    this.#footing = footing;
    this.region = regionMemory(footing.memory.buffer);
    this.session = new GuestSession(this.region, { ring: () => footing.ring() });
  }

  /**
   * Connects to a monitor (a class of guests of its own: `this`) and attaches; throws Declined where it is turned away.
   */
  static async attach<G extends RawGuest>(
    this: new (
      footing: Footing,
    ) => G,
    to: string | number,
  ): Promise<G> {
    const guest = new this(await connectFooting(to));
    await guest.attach();
    return guest;
  }

  /** As far as the hello: the guest has its region and has not attached to it. */
  static async connect(to: string | number): Promise<RawGuest> {
    return new RawGuest(await connectFooting(to));
  }

  get memory(): SharedMemory {
    return this.#footing.memory;
  }

  get socketFd(): number {
    return this.#footing.socketFd;
  }

  get bellToHostFd(): number {
    return this.#footing.bellToHostFd;
  }

  get bellToGuestFd(): number {
    return this.#footing.bellToGuestFd;
  }

  /** Attaches, or attaches anew: every stream of before is void. */
  async attach(): Promise<void> {
    this.session.attach();
    await until("the attachment", () => this.session.poll() === "attached");
  }

  ring(): void {
    this.#footing.ring();
  }

  /** The monitor has hung up. */
  hungUp(): boolean {
    return this.#footing.hungUp();
  }

  // ── Control pipe ──────────────────────────────────────────────────────────────────────────────────────────────────

  async send<T>(kind: Message<T>, value: T): Promise<number> {
    return await until(`room for ${kind.name}`, () => this.session.send(kind, value));
  }

  /** The reply with this request id; other replies are kept. */
  async reply(requestId: number): Promise<Frame> {
    return await until("a reply on the control pipe", () => {
      for (let frame = this.session.nextReply(); frame !== undefined; frame = this.session.nextReply()) {
        this.#replies.set(frame.requestId, frame);
      }
      const frame = this.#replies.get(requestId);
      this.#replies.delete(requestId);
      return frame;
    });
  }

  async newStream(toHostBytes = 0, toGuestBytes = toHostBytes): Promise<GuestPipe> {
    const frame = await this.reply(await this.send(NewStream, { toHostBytes, toGuestBytes }));
    if (frame.type === ErrorReply.type) throw new Declined(ErrorReply.decode(frame.payload));
    return this.session.openPipe(StreamInfo.decode(frame.payload));
  }

  // ── Streams ───────────────────────────────────────────────────────────────────────────────────────────────────────

  readonly signal = (pipe: GuestPipe): void => this.session.bell.signal(pipe.id);

  sendOpen(pipe: GuestPipe, protocol: number, body: Uint8Array): void {
    const writer = new FrameWriter(pipe.toHost);
    writer.send(Open, 1, { protocol, body }, () => this.signal(pipe));
  }

  /** The first frame of the host: the body of Opened; or throws Declined, and the stream is over. */
  async opened(pipe: GuestPipe, timeoutMs?: number): Promise<Uint8Array> {
    const frame = await this.frame(pipe, timeoutMs);
    if (frame.type !== Refused.type) return Opened.decode(frame.payload).body;
    this.finish(pipe);
    throw new Declined(Refused.decode(frame.payload));
  }

  async frame(pipe: GuestPipe, timeoutMs?: number): Promise<Frame> {
    const reader = new FrameReader(pipe.toGuest);
    return await until(
      `a frame on stream ${pipe.id}`,
      () => {
        const frame = reader.next(() => this.signal(pipe));
        if (frame === undefined && pipe.toGuest.peerClosed() === Closed.RESET) {
          throw new StreamGone(Closed.RESET);
        }
        return frame;
      },
      timeoutMs,
    );
  }

  async echo(ringBytes = 0): Promise<GuestPipe> {
    const pipe = await this.newStream(ringBytes);
    this.sendOpen(pipe, Protocol.ECHO, new Uint8Array(0));
    await this.opened(pipe);
    return pipe;
  }

  async connect(
    host: string,
    port: number,
    { ringBytes = 0, timeoutMs = 0, waitMs = 10_000 } = {},
  ): Promise<{ pipe: GuestPipe; endpoints: TcpEndpoints }> {
    const pipe = await this.newStream(ringBytes);
    this.sendOpen(pipe, Protocol.TCP_CONNECT, ConnectRequest.encode({ host, port, timeoutMs }));
    return { pipe, endpoints: ConnectReply.decode(await this.opened(pipe, waitMs)) };
  }

  /** A listener, and the port really bound. */
  async listen(address = "127.0.0.1", port = 0, backlog = 0): Promise<{ pipe: GuestPipe; port: number }> {
    const pipe = await this.newStream(4096);
    const bytes = parseIp(address)!;
    const family = bytes.length === 4 ? 4 : 6;
    const body = ListenRequest.encode({ backlog, address: { family, port, address: bytes } });
    this.sendOpen(pipe, Protocol.TCP_LISTEN, body);
    return { pipe, port: ListenReply.decode(await this.opened(pipe)).bound.port };
  }

  /** Posts a stream to a listener. */
  async post(
    listener: GuestPipe,
    pipe: GuestPipe,
    requestId: number,
    generation = pipe.generation,
  ): Promise<void> {
    const writer = new FrameWriter(listener.toHost);
    const accept = { id: pipe.id, generation };
    await until("room for Accept", () => writer.send(Accept, requestId, accept, () => this.signal(listener)));
  }

  async incoming(pipe: GuestPipe): Promise<TcpEndpoints & { requestId: number }> {
    const frame = await this.frame(pipe);
    if (frame.type !== Incoming.type) throw new Error(`type ${frame.type} where Incoming should be`);
    return { ...Incoming.decode(frame.payload), requestId: frame.requestId };
  }

  /** Puts all of `bytes` into the ring; false when the host reads no more. */
  async write(pipe: GuestPipe, bytes: Uint8Array, timeoutMs?: number): Promise<boolean> {
    let at = 0;
    while (at < bytes.length) {
      const room = await until(
        `room on stream ${pipe.id}`,
        () => (pipe.toHost.abandoned() ? -1 : pipe.toHost.writable() || undefined),
        timeoutMs,
      );
      if (room < 0) return false;
      const part = bytes.subarray(at, at + room);
      pipe.toHost.put(part);
      if (pipe.toHost.advance(part.length)) this.signal(pipe);
      at += part.length;
    }
    return true;
  }

  /** Takes what there is; waits for at least one byte, or the end: undefined. */
  async read(
    pipe: GuestPipe,
    most = Number.POSITIVE_INFINITY,
    timeoutMs?: number,
  ): Promise<Buffer | undefined> {
    return await until(
      `bytes on stream ${pipe.id}`,
      () => {
        const closed = pipe.toGuest.peerClosed();
        if (closed === Closed.RESET) throw new StreamGone(closed);
        const readable = Math.min(pipe.toGuest.readable(), most);
        if (readable > 0) {
          const bytes = Buffer.allocUnsafe(readable);
          pipe.toGuest.copy(bytes);
          if (pipe.toGuest.advance(readable)) this.signal(pipe);
          return { bytes };
        }
        if (closed === Closed.END) return { bytes: undefined };
        pipe.toGuest.wantData();
        return undefined;
      },
      timeoutMs,
    ).then(({ bytes }) => bytes);
  }

  /** Everything up to the end or the reset. */
  async readAll(pipe: GuestPipe, timeoutMs?: number): Promise<Received> {
    const chunks: Buffer[] = [];
    try {
      for (;;) {
        const chunk = await this.read(pipe, undefined, timeoutMs);
        if (chunk === undefined) return { bytes: Buffer.concat(chunks), how: "end" };
        chunks.push(chunk);
      }
    } catch (error) {
      if (pipe.toGuest.peerClosed() !== Closed.RESET) throw error;
      return { bytes: Buffer.concat(chunks), how: "reset" };
    }
  }

  /** Exactly this many bytes. */
  async readExactly(pipe: GuestPipe, bytes: number): Promise<Buffer> {
    const chunks: Buffer[] = [];
    for (let left = bytes; left > 0; ) {
      const chunk = await this.read(pipe, left);
      if (chunk === undefined) throw new Error(`the end came ${left} bytes early`);
      chunks.push(chunk);
      left -= chunk.length;
    }
    return Buffer.concat(chunks);
  }

  end(pipe: GuestPipe): void {
    pipe.toHost.end();
    this.signal(pipe);
  }

  reset(pipe: GuestPipe): void {
    pipe.toHost.reset();
    this.signal(pipe);
  }

  /** Reads no more. */
  stopReading(pipe: GuestPipe): void {
    pipe.toGuest.close();
    this.signal(pipe);
  }

  /** Both ends closed: the pipe is not touched again. */
  finish(pipe: GuestPipe, how: "end" | "reset" = "end"): void {
    if (this.session.pipe(pipe.id) !== pipe) return;
    pipe.toHost[how]();
    pipe.toGuest.close();
    this.session.forget(pipe);
    this.signal(pipe);
  }

  // ── Wickedness ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Writes a word of the pipe's header, at an offset of PROTOCOL.md section 4.3, and signals. */
  scribble(pipe: GuestPipe, offset: number, value: number): void {
    storeWord(this.region, pipe.place.page * layout.PAGE_BYTES + offset, value);
    this.signal(pipe);
  }

  /** Writes a word of the superblock, and rings. */
  scribbleSuperblock(offset: number, value: number): void {
    storeWord(this.region, offset, value);
    this.ring();
  }

  /** As many rings on the host's side of the bell as it can count. */
  fillBell(): void {
    this.#footing.fillBell();
  }

  /** Goes without a word. */
  vanish(): void {
    if (!this.#gone) this.#footing.vanish();
    this.#gone = true;
  }

  [Symbol.dispose](): void {
    this.vanish();
  }
}
