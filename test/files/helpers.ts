// A real monitor over real folders, and a guest that speaks the wire directly: it can be late, wrong and rude where the SDK
// would not be.

import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as immediate, setTimeout as sleep } from "node:timers/promises";
import {
  Closed,
  decodeHello,
  ErrorReply,
  type Frame,
  FrameReader,
  FrameWriter,
  fileMessages,
  fsMessages,
  type GuestPipe,
  GuestSession,
  HELLO_BYTES,
  HELLO_DESCRIPTORS,
  HelloDescriptor,
  type Message,
  NewStream,
  Open,
  Opened,
  Protocol,
  type Refusal,
  Refused,
  regionMemory,
  StreamInfo,
} from "@ringway/control";
import { closeFd, connectUnix, receiveWithFds, ringEventfd, SharedMemory } from "@ringway/linux";
import { type Denial, type Limits, Monitor, type Policy, parsePolicy, type Violated } from "@ringway/monitor";

const POLICY = `version: 1
files:
  - { id: data, guest: /data, host: ./data, access: rw }
  - { id: other, guest: /other, host: ./other, access: rw }
  - { id: fixed, guest: /fixed, host: ./fixed, access: ro }
`;

export interface Host extends AsyncDisposable {
  readonly monitor: Monitor;
  readonly socketPath: string;
  readonly base: string;
  /** What guests see as /data, /other and /fixed. */
  readonly data: string;
  readonly other: string;
  readonly fixed: string;
  readonly policy: Policy;
  readonly refused: Denial[];
  readonly violations: Violated[];
  readonly failures: Error[];
}

export interface HostOptions {
  readonly limits?: Partial<Limits>;
  readonly refusals?: "explain" | "hide";
  /** Another folder for /data. */
  readonly data?: string;
  /** Rules in front of those that every host has, as lines of YAML; their folders are made. */
  readonly files?: string;
}

export function withLimits(policy: Policy, limits: Partial<Limits>): Policy {
  return { ...policy, limits: { ...policy.limits, ...limits } };
}

export async function startHost({
  limits = {},
  refusals,
  data,
  files: own = "",
}: HostOptions = {}): Promise<Host> {
  const base = mkdtempSync(join(tmpdir(), "ringway-files-"));
  for (const name of ["data", "other", "fixed", "outside"]) mkdirSync(join(base, name));
  const yaml = POLICY.replace("files:\n", `files:\n${own}`);
  const parsed = withLimits(parsePolicy(yaml, { file: join(base, "policy.yaml") }), limits);
  for (const { host } of parsed.files) if (host.startsWith(base)) mkdirSync(host, { recursive: true });
  const files = parsed.files.map((rule) => (rule.id === "data" && data ? { ...rule, host: data } : rule));
  const policy: Policy = { ...parsed, files, ...(refusals === undefined ? {} : { refusals }) };
  const socketPath = join(base, "attach.sock");
  const monitor = await Monitor.start({ policy, listen: socketPath });
  const refused: Denial[] = [];
  const violations: Violated[] = [];
  const failures: Error[] = [];
  monitor.on("refused", (refusal) => refused.push(refusal));
  monitor.on("violation", (violation) => violations.push(violation));
  monitor.on("error", (error) => failures.push(error));
  return {
    monitor,
    socketPath,
    base,
    data: data ?? join(base, "data"),
    other: join(base, "other"),
    fixed: join(base, "fixed"),
    policy,
    refused,
    violations,
    failures,
    async [Symbol.asyncDispose]() {
      await monitor.close({ drainMs: 0 });
      rmSync(base, { recursive: true, force: true });
      if (failures.length > 0) throw failures[0];
    },
  };
}

/** Asks until it is so. Throws after `timeoutMs`, with `what` in its message. */
export async function until(what: string, holds: () => boolean, timeoutMs = 10_000): Promise<void> {
  const end = performance.now() + timeoutMs;
  for (let turn = 0; !holds(); turn++) {
    if (performance.now() > end) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    if (turn < 200) await immediate();
    else await sleep(1);
  }
}

/** The audit line for `what`, taken off the list. Those of refusals before may still be coming. */
export async function audited({ refused }: Host, what: string): Promise<Denial> {
  const index = (): number => refused.findIndex((refusal) => refusal.what === what);
  await until(`the audit line for ${what}`, () => index() >= 0);
  return refused.splice(index(), 1)[0]!;
}

/** Descriptors of this process, which is the monitor's too. */
export function openDescriptors(): number {
  return readdirSync("/proc/self/fd").length;
}

/** An Error or Refused frame. */
export class WireError extends Error {
  readonly errno: number;
  readonly rule: string;

  constructor({ errno, rule, reason }: Refusal) {
    super(`errno ${errno}, rule "${rule}": ${reason}`);
    this.errno = errno;
    this.rule = rule;
  }
}

/** The errno of what `work` fails with, 0 where it does not. */
export async function errnoOf(work: Promise<unknown>): Promise<number> {
  return (await failureOf(work))?.errno ?? 0;
}

export async function failureOf(work: Promise<unknown>): Promise<WireError | undefined> {
  try {
    await work;
    return undefined;
  } catch (error) {
    if (error instanceof WireError) return error;
    throw error;
  }
}

/** The host reset the stream, or ended it where a frame was due. */
export class StreamGone extends Error {
  readonly closed: Closed;

  constructor(closed: Closed) {
    super(`the stream was closed with ${closed}`);
    this.closed = closed;
  }
}

export class RawGuest {
  readonly session: GuestSession;
  readonly #memory: SharedMemory;
  readonly #fds: readonly number[];
  /** Takes turns on the control pipe. */
  #control: Promise<unknown> = Promise.resolve();

  private constructor(memory: SharedMemory, fds: readonly number[]) {
    this.#memory = memory;
    this.#fds = fds;
    const bell = fds[1]!;
    this.session = new GuestSession(regionMemory(memory.buffer), { ring: () => void ringEventfd(bell) });
  }

  /** `to`: a monitor's attach socket, or a connection to it. */
  static async attach(to: string | number): Promise<RawGuest> {
    const socket = typeof to === "string" ? connectUnix(to, 1000) : to;
    const message = receiveWithFds(socket, HELLO_BYTES, HELLO_DESCRIPTORS, 5000);
    if (typeof message === "number") throw new Error(`no hello: ${message}`);
    const { errno } = decodeHello(message.bytes);
    if (errno !== 0) throw new WireError({ errno, rule: "", reason: "turned away" });
    const { REGION, BELL_TO_HOST, BELL_TO_GUEST } = HelloDescriptor;
    const guest = new RawGuest(SharedMemory.fromFd(message.fds[REGION]!), [
      socket,
      message.fds[BELL_TO_HOST]!,
      message.fds[BELL_TO_GUEST]!,
    ]);
    await guest.attach();
    return guest;
  }

  get words(): Int32Array {
    return new Int32Array(this.#memory.buffer);
  }

  get bytes(): Uint8Array {
    return new Uint8Array(this.#memory.buffer);
  }

  /** Attaches, or attaches anew: every stream of before is void. */
  async attach(): Promise<void> {
    this.session.attach();
    await until("attached", () => this.session.poll() === "attached");
  }

  async newStream(toHostBytes = 65536, toGuestBytes = toHostBytes): Promise<RawStream> {
    const turn = this.#control.then(async () => {
      const id = this.session.send(NewStream, { toHostBytes, toGuestBytes });
      if (id === undefined) throw new Error("the control ring is full");
      let frame: Frame | undefined;
      await until("StreamInfo", () => {
        frame = this.session.nextReply();
        return frame !== undefined;
      });
      if (frame!.type === ErrorReply.type) throw new WireError(ErrorReply.decode(frame!.payload));
      return new RawStream(this, this.session.openPipe(StreamInfo.decode(frame!.payload)));
    });
    this.#control = turn.catch(() => {});
    return await turn;
  }

  /** A stream that the host has agreed to, and the body of Opened. */
  async open(protocol: number, body: Uint8Array, ringBytes?: number): Promise<[RawStream, Uint8Array]> {
    const stream = await this.newStream(ringBytes);
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

  /** Gone without a word, as a process that is killed. */
  kill(): void {
    for (const fd of this.#fds) closeFd(fd);
    this.#memory[Symbol.dispose]();
  }
}

export class RawStream {
  readonly guest: RawGuest;
  readonly pipe: GuestPipe;
  readonly #reader: FrameReader;
  readonly #writer: FrameWriter;
  #nextId = 1;
  /** Its pages may be another stream's already: who still waits for a frame looks no more. */
  #isLet = false;
  #calls: Promise<unknown> = Promise.resolve();

  constructor(guest: RawGuest, pipe: GuestPipe) {
    this.guest = guest;
    this.pipe = pipe;
    this.#reader = new FrameReader(pipe.toGuest);
    this.#writer = new FrameWriter(pipe.toHost);
  }

  readonly signal = (): void => this.guest.session.bell.signal(this.pipe.id);

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
    await until("room for a request", () => this.#writer.fits(payload.length));
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

  async next(timeoutMs?: number): Promise<Frame> {
    let frame: Frame | undefined;
    const look = (): boolean => {
      frame = this.poll();
      return frame !== undefined;
    };
    await until("a frame", look, timeoutMs);
    return frame!;
  }

  /** The reply of this kind to request `id`; an Error frame is thrown. */
  async reply<R>(kind: Message<R>, id: number, timeoutMs?: number): Promise<R> {
    const frame = await this.next(timeoutMs);
    if (frame.requestId !== id) throw new Error(`request ${id} was answered with id ${frame.requestId}`);
    if (frame.type === ErrorReply.type) throw new WireError(ErrorReply.decode(frame.payload));
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
      throw new WireError(Refused.decode(frame.payload));
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
    const { toHost } = this.pipe;
    for (let at = 0; at < bytes.length; ) {
      let writable = 0;
      await until("room in the ring", () => {
        if (toHost.abandoned()) throw new StreamGone(Closed.END);
        writable = toHost.writable();
        return writable > 0;
      });
      const part = bytes.subarray(at, at + writable);
      toHost.put(part);
      if (toHost.advance(part.length)) this.signal();
      at += part.length;
    }
  }

  /** Raw bytes from the host, all until END or (without END) at least `atLeast`. */
  async read(atLeast = Number.POSITIVE_INFINITY): Promise<Buffer> {
    const { toGuest } = this.pipe;
    const parts: Buffer[] = [];
    for (let total = 0; total < atLeast; ) {
      let closed = Closed.OPEN as Closed;
      let readable = 0;
      await until("bytes", () => {
        closed = toGuest.peerClosed();
        readable = toGuest.readable();
        return readable > 0 || closed !== Closed.OPEN;
      });
      if (closed === Closed.RESET) throw new StreamGone(closed);
      if (readable === 0) break;
      const part = Buffer.alloc(readable);
      toGuest.copy(part);
      if (toGuest.advance(readable)) this.signal();
      parts.push(part);
      total += readable;
    }
    return Buffer.concat(parts);
  }

  /** Has the host closed both its ends? */
  hostIsThrough(): boolean {
    return this.pipe.toHost.abandoned() && this.pipe.toGuest.peerClosed() !== Closed.OPEN;
  }

  end(): void {
    this.pipe.toHost.end();
    this.signal();
  }

  /** Ends in order, and waits for the host to do the same. */
  async finish(): Promise<void> {
    this.end();
    await until("the host ends", () => this.hostIsThrough());
    this.let();
  }

  reset(): void {
    this.pipe.toHost.reset();
    this.let();
  }

  /** Sets the last closed word: the pipe must not be touched any more. */
  let(): void {
    this.#isLet = true;
    this.pipe.toHost.end();
    this.pipe.toGuest.close();
    this.signal();
    this.guest.session.forget(this.pipe);
  }
}
