// A host of one mount that a test plays: it keeps to the rules of rings and frames, looks at what the guest says each
// millisecond, and answers what its subclass says.

import {
  encodeFrame,
  encodeHello,
  type Frame,
  FrameReader,
  type HostPipe,
  HostSession,
  mountMessages as m,
  Opened,
  PAGE_BYTES,
  regionMemory,
} from "@ringway/control";
import {
  acceptUnix,
  closeFd,
  createEventfd,
  listenUnix,
  ringEventfd,
  SharedMemory,
  sendWithFds,
} from "@ringway/linux";

const HANDLER = {
  getArgs: () => ({ argv: [], env: [] }),
  log: () => {},
  exit: () => {},
  explain: () => ({ allowed: true, rule: "", reason: "" }),
  makeRoom: () => true,
};

export interface MountStream {
  readonly pipe: HostPipe;
  readonly reader: FrameReader;
  /** Frames that wait for room. */
  readonly waiting: Uint8Array[];
  opened: boolean;
}

/** A folder, as the root of any mount is one. */
export const FOLDER: m.Attributes = {
  ...{
    kind: 2,
    mode: 0o777,
    links: 2,
    uid: 0,
    gid: 0,
    device: 0,
    inodeLow: 1,
    inodeHigh: 0,
    size: 0,
    blocks: 1,
  },
  ...{ accessed: { seconds: 1e9, nanoseconds: 5 }, modified: { seconds: 1e9, nanoseconds: 5 } },
  ...{ changed: { seconds: 1e9, nanoseconds: 5 }, created: { seconds: 0, nanoseconds: 0 } },
};

export abstract class MountHost implements Disposable {
  /** Requests of mounts so far. */
  asked = 0;
  /** False: what the guest says stays in its rings. */
  isReading = true;
  protected readonly memory: SharedMemory;
  readonly #listener: number;
  readonly #bells: readonly [number, number] = [createEventfd(), createEventfd()];
  readonly #session: HostSession;
  readonly #streams: Map<number, MountStream> = new Map();
  readonly #timer: NodeJS.Timeout;
  #fd: number | undefined;

  constructor(path: string, regionBytes: number) {
    this.memory = SharedMemory.create("mount", regionBytes);
    this.#listener = listenUnix(path);
    const bell = { ring: () => void ringEventfd(this.#bells[1]) };
    this.#session = new HostSession(regionMemory(this.memory.buffer), bell, {
      streams: 16,
      ringBytes: 1 << 20,
    });
    this.#timer = setInterval(() => this.#turn(), 1);
  }

  /** Frames that answer one of the guest's. */
  protected abstract answers(stream: MountStream, frame: Frame): Uint8Array[];

  /** What the mount's Open is answered with. */
  protected opened(): m.MountReply {
    return { handles: 100, requests: 64, ...FOLDER };
  }

  /** What a stream's Open is answered with. */
  protected body(): Uint8Array {
    return m.MountReply.encode(this.opened());
  }

  /** The mount's stream of now. */
  protected get stream(): MountStream {
    return [...this.#streams.values()].at(-1)!;
  }

  protected say(...frames: readonly Uint8Array[]): void {
    const { stream } = this;
    stream.waiting.push(...frames);
    this.#put(stream);
  }

  /** The stream ends, as by an error of the host's. */
  break(): void {
    const { pipe } = this.stream;
    pipe.toGuest.reset();
    pipe.toHost.close();
    this.#session.bell.signal(pipe.id);
  }

  /** Looks at all that the guest has said. */
  readOn(): void {
    this.isReading = true;
    for (const { pipe } of this.#streams.values()) this.#step(pipe.id);
  }

  /** It is awake all the time, so no ring of the guest's is waited for. */
  #turn(): void {
    if (this.#fd === undefined) {
      const fd = acceptUnix(this.#listener);
      if (fd < 0) return;
      this.#fd = fd;
      const hello = encodeHello({ errno: 0, regionPages: this.memory.buffer.byteLength / PAGE_BYTES });
      sendWithFds(fd, hello, [this.memory.fd, ...this.#bells]);
    }
    if (this.#session.checkGuest() === "reset") this.#streams.clear();
    if (!this.#session.attached) return;
    const ids = new Uint16Array(64);
    this.#session.pending.awake();
    for (let count = this.#session.pending.take(ids); count > 0; count = this.#session.pending.take(ids)) {
      for (const id of ids.subarray(0, count)) this.#step(id);
    }
  }

  #step(id: number): void {
    if (id === 0) {
      while (this.#session.stepControl(HANDLER, 64));
      return;
    }
    const pipe = this.#session.pipe(id);
    if (pipe === undefined) return;
    let stream = this.#streams.get(id);
    if (stream?.pipe !== pipe) {
      stream = { pipe, reader: new FrameReader(pipe.toHost), waiting: [], opened: false };
      this.#streams.delete(id);
      this.#streams.set(id, stream);
    }
    while (this.isReading) {
      const frame = stream.reader.next(() => this.#session.bell.signal(id));
      if (frame !== undefined) stream.waiting.push(...this.#told(stream, frame));
      this.#put(stream);
      if (frame === undefined && !pipe.toHost.wantData()) return;
      if (frame === undefined && pipe.toHost.readable() === 0) return;
    }
  }

  #told(stream: MountStream, frame: Frame): Uint8Array[] {
    if (!stream.opened) {
      stream.opened = true;
      return [encodeFrame(Opened.type, frame.requestId, Opened.encode({ body: this.body() }))];
    }
    this.asked++;
    return this.answers(stream, frame);
  }

  #put({ pipe, waiting }: MountStream): void {
    while (waiting.length > 0) {
      const bytes = waiting[0]!;
      if (pipe.toGuest.writable() < bytes.length) {
        if (!pipe.toGuest.wantSpace(bytes.length) || pipe.toGuest.abandoned()) return;
        continue;
      }
      waiting.shift();
      pipe.toGuest.put(bytes);
      if (pipe.toGuest.advance(bytes.length)) this.#session.bell.signal(pipe.id);
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    for (const fd of [this.#listener, ...this.#bells]) closeFd(fd);
    if (this.#fd !== undefined) closeFd(this.#fd);
    this.memory[Symbol.dispose]();
  }
}
