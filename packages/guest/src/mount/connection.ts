// The stream of guest.fs: a mount of "/", opened when it is first needed, and again when it is gone. Handles and
// watches are a stream's own and end with it.

import {
  Done,
  type Frame,
  fileMessages,
  type Message,
  mountMessages as m,
  Protocol,
  ProtocolError,
  Violation,
} from "@ringway/control";
import { throwIfAborted, unlessAborted } from "../abort.ts";
import type { ErrorContext } from "../errors.ts";
import { writtenOf } from "../files/file-requests.ts";
import { decodeReply } from "../stream/calls.ts";
import type { Engine } from "../stream/engine.ts";
import { openStream } from "../stream/open-stream.ts";
import { type Resource, ringWish, STREAM_RINGS } from "../stream/room.ts";
import { type CallExtras, Rpc } from "../stream/rpc.ts";
import { isUnknown } from "../stream/unknown.ts";
import { withRoom } from "../stream/with-room.ts";

const { Data } = fileMessages;

/** Whoever is told of what happens to what it watches; and that nothing more will come. */
export interface WatchUser {
  event(event: m.MountEvent): void;
  lost(): void;
}

/** One stream, from its opening to its end. */
export class MountStream {
  readonly rpc: Rpc;
  readonly watches: Map<number, WatchUser> = new Map();

  constructor(stream: ConstructorParameters<typeof Rpc>[0], ended: (rpc: Rpc) => void) {
    const onEnded = (rpc: Rpc): void => {
      for (const user of this.watches.values()) user.lost();
      this.watches.clear();
      ended(rpc);
    };
    this.rpc = new Rpc(stream, onEnded, (frame) => this.#event(frame));
  }

  #event(frame: Frame): void {
    if (isUnknown(frame, m.MountEvent.type)) return;
    const event = decodeReply(frame, m.MountEvent);
    this.watches.get(event.watch)?.event(event);
  }

  /** Begins a watch: its events may come right behind the answer. The watch's number. */
  watch(
    request: m.MountWatch,
    user: WatchUser,
    context: ErrorContext,
    signal: AbortSignal | undefined,
  ): Promise<number> {
    const onReply = (frame: Frame): number => {
      const { watch } = decodeReply(frame, m.MountWatching);
      this.watches.set(watch, user);
      return watch;
    };
    const extras = { onLate: (watch: number): void => void this.unwatch(watch) };
    return this.rpc.calls(m.MountWatch, request, context, signal, onReply, extras);
  }

  /** What is there, at the most so many bytes, in memory of its own: the answer's payload is nothing else. */
  read(request: m.MountRead, context: ErrorContext, signal: AbortSignal | undefined): Promise<Uint8Array> {
    return this.rpc.calls(m.MountRead, request, context, signal, (frame) => dataOf(frame, request.bytes));
  }

  /** How many of the data are in the file. */
  write(request: m.MountWrite, context: ErrorContext, signal: AbortSignal | undefined): Promise<number> {
    const onReply = (frame: Frame): number => writtenOf(frame, request.data.length, "MNT-10");
    return this.rpc.calls(m.MountWrite, request, context, signal, onReply);
  }

  async unwatch(watch: number): Promise<void> {
    if (!this.watches.delete(watch)) return;
    // Where the stream is gone, or what was watched, there is nothing to end.
    await this.call(m.MountUnwatch, { watch }, Done, { syscall: "watch" }).catch(() => {});
  }

  call<T, R>(
    kind: Message<T>,
    value: T,
    reply: Message<R>,
    context: ErrorContext,
    signal?: AbortSignal,
    extras?: CallExtras<R>,
  ): Promise<R> {
    return this.rpc.calls(kind, value, context, signal, (frame) => decodeReply(frame, reply), extras);
  }
}

function dataOf(frame: Frame, asked: number): Uint8Array {
  const data = frame.type === Data.type ? frame.payload : decodeReply(frame, Data).data;
  if (data.length <= asked) return data;
  const text = `${data.length} bytes where ${asked} were asked for`;
  throw new ProtocolError(Violation.FRAME_MALFORMED, "MNT-9", text);
}

export class MountConnection {
  readonly #engine: Engine;
  #stream: MountStream | undefined;
  #opening: Promise<MountStream> | undefined;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** A request by a name, on whatever stream is there. */
  call<T, R>(
    kind: Message<T>,
    value: T,
    reply: Message<R>,
    context: ErrorContext,
    signal: AbortSignal | undefined,
  ): Promise<R> {
    return this.use("request", signal, (stream) => stream.call(kind, value, reply, context, signal));
  }

  /** Work on the stream, once more where the host had no room for it. */
  use<R>(
    lacks: Resource,
    signal: AbortSignal | undefined,
    work: (stream: MountStream) => Promise<R>,
  ): Promise<R> {
    return withRoom(this.#engine, lacks, async () => work(await this.#open(signal)), signal);
  }

  close(): void {
    this.#stream?.rpc.close();
  }

  /** One caller's abort does not take it from the others. */
  async #open(signal: AbortSignal | undefined): Promise<MountStream> {
    this.#engine.check();
    throwIfAborted(signal);
    if (this.#stream !== undefined) return this.#stream;
    this.#opening ??= this.#connect().finally(() => {
      this.#opening = undefined;
    });
    return await unlessAborted(this.#opening, signal);
  }

  async #connect(): Promise<MountStream> {
    const request = {
      protocol: Protocol.MOUNT,
      body: m.MountRequest.encode({ path: Buffer.from("/") }),
      rings: ringWish(undefined, STREAM_RINGS),
      context: { syscall: "mount" },
    };
    const { stream } = await openStream(this.#engine, request, (body) => m.MountReply.decode(body));
    const mount = new MountStream(stream, (ended) => {
      if (this.#stream?.rpc === ended) this.#stream = undefined;
    });
    this.#stream = mount.rpc.ended ? undefined : mount;
    return mount;
  }
}
