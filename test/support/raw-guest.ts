// A guest that drives the wire by hand: for what the SDK is too well-behaved to do, and to see each word as it stands.
//
// It never sleeps (its `asleep` word stays 0, so the host never rings) and looks at the rings again and again instead.

import {
  Accept,
  Closed,
  ConnectReply,
  ConnectRequest,
  decodeHello,
  ErrorReply,
  type Frame,
  FrameReader,
  FrameWriter,
  type GuestPipe,
  GuestSession,
  HELLO_BYTES,
  HELLO_DESCRIPTORS,
  HelloDescriptor,
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
  type Refusal,
  Refused,
  type RegionMemory,
  regionMemory,
  StreamInfo,
  storeWord,
  type TcpEndpoints,
} from "@ringway/control";
import {
  closeFd,
  connectUnix,
  drainEventfd,
  receiveWithFds,
  ringEventfd,
  SharedMemory,
  scratch,
  setNonBlocking,
  write,
} from "@ringway/linux";
import { until } from "./wait.ts";

/** All that an eventfd can count, less one. */
const fullBell = scratch(8);
fullBell.view.setBigUint64(0, 2n ** 64n - 2n, true);

/** An Error or Refused frame. */
export class Declined extends Error {
  readonly errno: number;
  readonly rule: string;
  readonly reason: string;

  constructor({ errno, rule, reason }: Refusal) {
    super(`errno ${errno}, rule "${rule}": ${reason}`);
    this.errno = errno;
    this.rule = rule;
    this.reason = reason;
  }
}

/** What a stream gave until it ended. */
export interface Received {
  readonly bytes: Buffer;
  readonly how: "end" | "reset";
}

export class RawGuest implements Disposable {
  readonly memory: SharedMemory;
  readonly region: RegionMemory;
  readonly session: GuestSession;
  readonly socketFd: number;
  readonly bellToHostFd: number;
  readonly bellToGuestFd: number;
  readonly #replies: Map<number, Frame> = new Map();
  #closed = false;

  readonly #ring: () => void;

  /** What it has no descriptor for is -1. */
  private constructor(
    memory: SharedMemory,
    [socketFd, bellToHostFd, bellToGuestFd]: readonly [number, number, number],
    ring: () => void,
  ) {
    this.memory = memory;
    this.socketFd = socketFd;
    this.bellToHostFd = bellToHostFd;
    this.bellToGuestFd = bellToGuestFd;
    this.#ring = ring;
    this.region = regionMemory(memory.buffer);
    this.session = new GuestSession(this.region, { ring });
  }

  /** A machine's guest as it boots: on memory that it keeps over its reboots. */
  static onMachine(memory: SharedMemory, ring: () => void): RawGuest {
    return new RawGuest(memory, [-1, -1, -1], ring);
  }

  /** Connects to a monitor and attaches; throws Declined where it is turned away. */
  static async attach(to: string | number): Promise<RawGuest> {
    const guest = await RawGuest.connect(to);
    await guest.attach();
    return guest;
  }

  /** As far as the hello: the guest has its region and has not attached to it. */
  static async connect(to: string | number): Promise<RawGuest> {
    const socketFd = typeof to === "string" ? connectUnix(to) : to;
    const received = await until("a hello", () => {
      const message = receiveWithFds(socketFd, HELLO_BYTES, HELLO_DESCRIPTORS);
      if (message === -11) return undefined;
      if (typeof message === "number") throw new Error(`receiving the hello: errno ${-message}`);
      return message;
    });
    const { errno } = decodeHello(received.bytes);
    if (errno === 0) {
      const { REGION, BELL_TO_HOST, BELL_TO_GUEST } = HelloDescriptor;
      const toHost = received.fds[BELL_TO_HOST]!;
      const fds = [socketFd, toHost, received.fds[BELL_TO_GUEST]!] as const;
      return new RawGuest(SharedMemory.fromFd(received.fds[REGION]!), fds, () => ringEventfd(toHost));
    }
    closeFd(socketFd);
    throw new Declined({ errno, rule: "", reason: "turned away" });
  }

  async attach(): Promise<void> {
    this.session.attach();
    await until("the epoch to begin", () => this.session.poll() === "attached");
    await until("the attachment", () => this.session.poll() === "attached");
  }

  ring(): void {
    this.#ring();
  }

  /** The monitor has hung up. */
  hungUp(): boolean {
    const message = receiveWithFds(this.socketFd, 1, 0);
    return typeof message === "number" ? message !== -11 : message.bytes.length === 0;
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
          throw new Error(`stream ${pipe.id} was reset`);
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
        if (closed === Closed.RESET) throw new Error(`stream ${pipe.id} was reset`);
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

  /** As many rings on the host's side of the bell as an eventfd can count. */
  fillBell(): void {
    setNonBlocking(this.bellToGuestFd, true);
    drainEventfd(this.bellToGuestFd);
    write(this.bellToGuestFd, fullBell.address, 8);
  }

  /** Goes without a word. */
  vanish(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const fd of [this.socketFd, this.bellToHostFd, this.bellToGuestFd]) if (fd >= 0) closeFd(fd);
    this.memory[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    this.vanish();
  }
}
