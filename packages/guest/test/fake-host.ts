// A host in this process, on a SharedArrayBuffer: enough of one to run the SDK against, and to misbehave where a test
// wants it. Built on control's HostSession; no sockets.

import {
  Accept,
  Closed,
  ConnectReply,
  ConnectRequest,
  ErrorReply,
  encodeFrame,
  encodeUtf8,
  type Frame,
  FrameReader,
  fileMessages,
  type HostPipe,
  HostSession,
  Incoming,
  ListenReply,
  Open,
  Opened,
  Protocol,
  Refused,
  regionMemory,
  type Verdict,
} from "@ringway/control";
import type { BellListener, GuestBell } from "@ringway/guest";

const loopback = (port: number) => ({ family: 4 as const, port, address: Uint8Array.of(127, 0, 0, 1) });
const endpoints = { local: loopback(40000), peer: loopback(80) };

/** How a stream behaves once it is opened: called whenever something may have changed. */
export type Relay = (pipe: HostPipe, signal: () => void) => void;

/** What the guest may connect to, by port. */
export const Port = {
  ECHO: 1,
  /** Takes everything and throws it away. */
  SINK: 2,
  /** Sends SOURCE_BYTES and ends. */
  SOURCE: 3,
  RESET: 4,
  SILENT: 5,
  /** Ends its side at once, reads on. */
  GREETER: 6,
  REFUSED: 7,
  FORBIDDEN: 8,
  /** Never answers the Open. */
  BLACK_HOLE: 9,
} as const;
export const SOURCE_BYTES = 8 * 1024 * 1024;

interface Stream {
  readonly pipe: HostPipe;
  readonly reader: FrameReader;
  relay: Relay | undefined;
  posted?: boolean;
}

export class FakeHost {
  readonly memory: SharedArrayBuffer;
  readonly session: HostSession;
  readonly bell: GuestBell;
  readonly streams: Map<number, Stream> = new Map();
  readonly logs: string[] = [];
  readonly exits: number[] = [];
  /** What sinks have taken. */
  sunk = 0;
  hash = 0;
  /** Streams posted on the listener, in order. */
  readonly posted: { requestId: number; pipe: HostPipe }[] = [];
  listener: Stream | undefined;
  /** False: the host does not answer anything. */
  alive = true;
  /** Lets a test see, and swallow, the frames of streams. */
  onOpen: ((pipe: HostPipe, open: Open, frame: Frame) => boolean) | undefined;
  /** Gets what the host's own code stumbles over, where a test has broken its words. */
  onBroken: ((error: unknown) => void) | undefined;
  #guest: BellListener | undefined;
  #scheduled = false;

  constructor(regionBytes = 64 * 1024 * 1024, limits = { streams: 4096, ringBytes: 1024 * 1024 }) {
    this.memory = new SharedArrayBuffer(regionBytes);
    const ringGuest = { ring: (): void => void setImmediate(() => this.alive && this.#guest?.bell()) };
    this.session = new HostSession(regionMemory(this.memory), ringGuest, limits);
    this.bell = {
      ring: () => this.schedule(),
      listen: (listener) => {
        this.#guest = listener;
      },
      close: () => {
        this.#guest = undefined;
      },
    };
  }

  /** Rings the guest, whatever the host does otherwise. */
  ringGuest(): void {
    setImmediate(() => this.#guest?.bell());
  }

  /** The host's process dies. */
  die(): void {
    this.alive = false;
    this.#guest?.gone(new Error("hung up"));
  }

  schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      if (!this.alive) return;
      try {
        this.#run();
      } catch (error) {
        if (this.onBroken === undefined) throw error;
        this.onBroken(error);
      }
    });
  }

  #run(): void {
    if (this.session.checkGuest() === "reset") this.streams.clear();
    if (!this.session.attached) return;
    const ids = new Uint16Array(1024);
    this.session.pending.awake();
    for (;;) {
      const count = this.session.pending.take(ids);
      const taken = ids.subarray(0, count);
      // What the guest closed before it asked makes room (CTL-3).
      for (const id of taken) if (id !== 0) this.#step(id);
      if (taken.includes(0)) this.#step(0);
      if (count === 0 && this.session.pending.prepareSleep()) return;
    }
  }

  #step(id: number): void {
    if (id === 0) {
      const handler = {
        getArgs: () => ({ argv: ["prog", "--x"], env: ["A=1", "B=x=y"] }),
        log: (_level: number, text: string) => void this.logs.push(text),
        exit: (code: number) => void this.exits.push(code),
        explain: (): Verdict => ({ allowed: false, rule: "deny-all", reason: "nothing is allowed" }),
        makeRoom: () => {
          // Stream 0 is what is being served: nothing of it is lost.
          const ids = new Uint16Array(1024);
          for (
            let count = this.session.pending.take(ids);
            count > 0;
            count = this.session.pending.take(ids)
          ) {
            for (let i = 0; i < count; i++) if (ids[i] !== 0) this.#step(ids[i]!);
          }
          return true;
        },
      };
      while (this.session.stepControl(handler, 64));
      return;
    }
    const pipe = this.session.pipe(id);
    if (pipe === undefined) return;
    let stream = this.streams.get(id);
    if (stream?.pipe !== pipe) {
      stream = { pipe, reader: new FrameReader(pipe.toHost), relay: undefined };
      this.streams.set(id, stream);
      pipe.toHost.wantData();
    }
    const signal = (): void => this.session.bell.signal(id);
    if (stream.relay === undefined) this.#open(stream, signal);
    stream.relay?.(pipe, signal);
    this.#closeIfOver(stream, signal);
  }

  #closeIfOver({ pipe }: Stream, signal: () => void): void {
    if (pipe.toHost.peerClosed() === Closed.RESET || (pipe.toGuest.abandoned() && pipe.toHost.closed)) {
      pipe.toGuest.reset();
      pipe.toHost.close();
      signal();
    }
    if (pipe.toHost.peerClosed() !== Closed.OPEN && pipe.toGuest.abandoned()) {
      pipe.toGuest.reset();
      pipe.toHost.close();
    }
    if (pipe.through()) {
      this.streams.delete(pipe.id);
      this.session.release(pipe);
    }
  }

  #open(stream: Stream, signal: () => void): void {
    const { pipe } = stream;
    const frame = stream.reader.next(signal);
    if (frame === undefined) return;
    const open = Open.decode(frame.payload);
    if (this.onOpen?.(pipe, open, frame)) return;
    if (open.protocol === Protocol.ECHO) {
      put(pipe, encodeFrame(Opened.type, frame.requestId, new Uint8Array()), signal);
      stream.relay = echo;
    } else if (open.protocol === Protocol.TCP_LISTEN) {
      const body = ListenReply.encode({ bound: loopback(8080) });
      put(pipe, encodeFrame(Opened.type, frame.requestId, Opened.encode({ body })), signal);
      this.listener = stream;
      stream.relay = () => this.#accepts(stream, signal);
    } else if (open.protocol === Protocol.TCP_CONNECT) {
      const { port } = ConnectRequest.decode(open.body);
      if (port === Port.REFUSED) {
        this.refuse(pipe, frame.requestId, 111, "");
        return;
      }
      if (port === Port.FORBIDDEN) {
        this.refuse(pipe, frame.requestId, 13, "no-net");
        return;
      }
      stream.relay = this.#relay(port);
      if (port === Port.BLACK_HOLE) return;
      const body = ConnectReply.encode(endpoints);
      put(pipe, encodeFrame(Opened.type, frame.requestId, Opened.encode({ body })), signal);
    } else this.refuse(pipe, frame.requestId, 93, "");
  }

  refuse(
    pipe: HostPipe,
    requestId: number,
    errno: number,
    rule: string,
    reason = rule && "the policy says no",
  ): void {
    const signal = (): void => this.session.bell.signal(pipe.id);
    put(pipe, encodeFrame(Refused.type, requestId, Refused.encode({ errno, rule, reason })), signal);
    pipe.toGuest.end();
    pipe.toHost.close();
    signal();
  }

  #relay(port: number): Relay {
    if (port === Port.ECHO) return echo;
    if (port === Port.SINK) {
      return (pipe, signal) => {
        drain(pipe, signal, (bytes) => {
          this.sunk += bytes.length;
          this.hash = checksum(this.hash, bytes);
        });
        finishWhenEnded(pipe, signal);
      };
    }
    if (port === Port.SOURCE) return source();
    if (port === Port.RESET) {
      return (pipe, signal) => {
        if (pipe.toHost.readable() === 0) return;
        pipe.toGuest.reset();
        pipe.toHost.close();
        signal();
      };
    }
    if (port === Port.GREETER) {
      return (pipe, signal) => {
        if (pipe.toGuest.closed === Closed.OPEN) {
          put(pipe, encodeUtf8("hello"), signal);
          pipe.toGuest.end();
          signal();
        }
        drain(pipe, signal, (bytes) => {
          this.sunk += bytes.length;
        });
        finishWhenEnded(pipe, signal);
      };
    }
    return () => {};
  }

  #accepts(stream: Stream, signal: () => void): void {
    for (;;) {
      const frame = stream.reader.next(signal);
      if (frame === undefined) break;
      const accept = Accept.decode(frame.payload);
      const pipe = this.session.pipe(accept.id);
      if (pipe === undefined || pipe.generation !== accept.generation) {
        const error = ErrorReply.encode({ errno: 9, rule: "", reason: "" });
        put(stream.pipe, encodeFrame(ErrorReply.type, frame.requestId, error), signal);
      } else this.posted.push({ requestId: frame.requestId, pipe });
    }
    if (stream.pipe.toHost.peerClosed() !== Closed.OPEN) {
      for (const { pipe } of this.posted.splice(0)) {
        pipe.toGuest.reset();
        pipe.toHost.close();
        this.session.bell.signal(pipe.id);
        this.schedule();
      }
      this.listener = undefined;
      finishWhenEnded(stream.pipe, signal);
    }
  }

  /** A connection comes for the listener, which echoes. Says whether there was a posted stream. */
  arrive(greeting: string): boolean {
    const next = this.posted.shift();
    if (next === undefined) return false;
    const { pipe, requestId } = next;
    const signal = (): void => this.session.bell.signal(pipe.id);
    put(pipe, encodeFrame(Incoming.type, requestId, Incoming.encode(endpoints)), signal);
    put(pipe, encodeUtf8(greeting), signal);
    pipe.toHost.wantData();
    this.streams.set(pipe.id, { pipe, reader: new FrameReader(pipe.toHost), relay: echo });
    return true;
  }
}

export function checksum(hash: number, bytes: Uint8Array): number {
  for (let i = 0; i < bytes.length; i++) hash = (Math.imul(hash, 31) + bytes[i]!) | 0;
  return hash;
}

/** Byte `at` of what sources send. */
export function patternAt(at: number): number {
  return (at * 7 + (at >>> 12)) & 255;
}

function put(pipe: HostPipe, bytes: Uint8Array, signal: () => void): void {
  pipe.toGuest.put(bytes);
  if (pipe.toGuest.advance(bytes.length)) signal();
}

function drain(pipe: HostPipe, signal: () => void, take: (bytes: Uint8Array) => void): void {
  while (pipe.toHost.wantData()) {
    const readable = pipe.toHost.readable();
    if (readable === 0) break;
    const bytes = new Uint8Array(readable);
    pipe.toHost.copy(bytes);
    if (pipe.toHost.advance(readable)) signal();
    take(bytes);
  }
}

function finishWhenEnded(pipe: HostPipe, signal: () => void): void {
  if (!pipe.toHost.ended() || pipe.toHost.closed) return;
  if (pipe.toGuest.closed === Closed.OPEN) pipe.toGuest.end();
  pipe.toHost.close();
  signal();
}

const echo: Relay = (pipe, signal) => {
  if (pipe.toHost.closed) return;
  for (;;) {
    const space = pipe.toGuest.writable();
    const readable = pipe.toHost.readable();
    const bytes = new Uint8Array(Math.min(space, readable));
    if (bytes.length > 0) {
      pipe.toHost.copy(bytes);
      if (pipe.toHost.advance(bytes.length)) signal();
      put(pipe, bytes, signal);
      continue;
    }
    if (readable > 0) {
      if (pipe.toGuest.wantSpace(1)) {
        if (pipe.toGuest.abandoned()) return;
        continue;
      }
      return;
    }
    if (pipe.toHost.ended()) return finishWhenEnded(pipe, signal);
    if (!pipe.toHost.wantData() || pipe.toHost.peerClosed() === Closed.RESET) return;
  }
};

function source(): Relay {
  let sent = 0;
  return (pipe, signal) => {
    while (sent < SOURCE_BYTES) {
      const space = Math.min(pipe.toGuest.writable(), SOURCE_BYTES - sent, 65_536);
      if (space === 0) {
        if (pipe.toGuest.wantSpace(pipe.toGuest.capacity / 2)) {
          if (pipe.toGuest.abandoned()) return;
          continue;
        }
        return;
      }
      const bytes = new Uint8Array(space);
      for (let i = 0; i < space; i++) bytes[i] = patternAt(sent + i);
      sent += space;
      put(pipe, bytes, signal);
    }
    if (pipe.toGuest.closed === Closed.OPEN) {
      pipe.toGuest.end();
      signal();
    }
    finishWhenEnded(pipe, signal);
  };
}

/** Puts frames into a ring of the guest's. */
export function send(host: FakeHost, pipe: HostPipe, ...frames: Uint8Array[]): void {
  const bytes = Buffer.concat(frames);
  pipe.toGuest.put(bytes);
  pipe.toGuest.advance(bytes.length);
  host.session.bell.signal(pipe.id);
}

/** The next stream that the guest has posted on its listener. */
export async function posted(host: FakeHost): Promise<HostPipe> {
  while (host.posted.length === 0) await new Promise((resolve) => setImmediate(resolve));
  return host.posted[0]!.pipe;
}

/** The answer to FileStreamOpen: an empty regular file. */
export function fileStreamOpened(requestId: number): Uint8Array {
  const at = { seconds: 0, nanoseconds: 0 };
  const owner = { kind: 1, mode: 0o644, links: 1, uid: 0, gid: 0, inode: 1 };
  const stat = { ...owner, size: 0, blocks: 0, accessed: at, modified: at, changed: at };
  const body = fileMessages.FileStreamOpened.encode({ length: 0, ...stat });
  return encodeFrame(Opened.type, requestId, Opened.encode({ body }));
}
