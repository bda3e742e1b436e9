// The testee on @ringway/control: GuestSession and rings, driven by hand, one command at a time.

import * as control from "@ringway/control";
import {
  Accept,
  type Body,
  Closed,
  ConnectReply,
  ConnectRequest,
  Done,
  decodeHello,
  ErrorReply,
  type Frame,
  FrameReader,
  FrameWriter,
  type GuestPipe,
  GuestSession,
  Incoming,
  ListenReply,
  ListenRequest,
  loadWord,
  type Message,
  maxPayload,
  NewStream,
  Open,
  Opened,
  ProtocolError,
  Refused,
  type RegionMemory,
  RingConsumer,
  RingProducer,
  regionMemory,
  StatReply,
  StreamInfo,
  toGuestRing,
  toHostRing,
  Violation,
} from "@ringway/control";
import type { SharedMemory } from "@ringway/linux";
import type { Fields } from "./catalogue.ts";
import type { Command, Reply, Testee } from "./contract.ts";

type AnyBody = Body<Record<string, unknown>>;
type AnyMessage = Message<Record<string, unknown>>;

const { fileMessages, fsMessages } = control;
const messages = [
  ...[ErrorReply, Done, StatReply, Open, Opened, Refused, Accept, Incoming],
  ...[NewStream, StreamInfo, control.GetArgs, control.Args, control.Log, control.Exit],
  ...[control.Ping, control.Pong, control.Explain, control.Verdict],
  ...Object.values(fileMessages),
  ...Object.values(fsMessages),
].filter((each) => typeof each === "object" && "type" in each) as unknown as AnyMessage[];

const codecs: ReadonlyMap<string, AnyBody> = new Map<string, AnyBody>([
  ...messages.map((each) => [each.name, each] as const),
  ...Object.entries({ ConnectRequest, ConnectReply, ListenRequest, ListenReply }).map(
    ([name, each]) => [name, each as unknown as AnyBody] as const,
  ),
  ...(["FileOpen", "FileOpened", "FileStreamOpen", "FileStreamOpened"] as const).map(
    (name) => [name, fileMessages[name] as unknown as AnyBody] as const,
  ),
]);
const byType: ReadonlyMap<number, AnyMessage> = new Map(messages.map((each) => [each.type, each]));

interface Stream {
  readonly name: string;
  /** What is sent once the stream is there: Open on it, or Accept on a listener. */
  readonly first: { readonly protocol: number; readonly body: Uint8Array } | { readonly listener: string };
  readonly toHost: number;
  readonly toGuest: number;
  /** Undefined until NewStream fitted the ring. */
  asked?: number;
  epoch: number;
  pipe?: GuestPipe;
  producer?: RingProducer;
  consumer?: RingConsumer;
  reader?: FrameReader;
  sent: boolean;
  /** Request id of the Open or Accept that has no answer yet. */
  opening?: number;
  refused?: number;
  /** The end of stream was told. */
  ended: boolean;
  /** Both closed words are stored: the block is not touched again (STR-7). */
  through: boolean;
}

const unsupported: Reply = { unsupported: true };

export class TypeScriptGuest implements Testee {
  readonly name: string = "TypeScript (@ringway/control)";
  #memory: RegionMemory | undefined;
  #session: GuestSession | undefined;
  #broken: ProtocolError | undefined;
  #rings = 0;
  #streams: Map<string, Stream> = new Map();
  /** Types of the replies that requests of the program's wait for, by request id. */
  #asked: Map<number, number> = new Map();
  #replies: Frame[] = [];
  #nextRequest = 1;

  async ask(command: Command, memory?: SharedMemory): Promise<Reply> {
    return this.answer(command, memory);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#forget();
    this.#memory = undefined;
    this.#session = undefined;
  }

  answer(command: Command, memory?: SharedMemory): Reply {
    this.#rings = 0;
    let reply: Reply;
    try {
      reply = this.#do(command, memory);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      if (command.do !== "decode") this.#broken ??= error;
      reply = { status: "violation", violation: error.violation, why: error.message };
    }
    return this.#rings === 0 ? reply : { ...reply, rings: this.#rings };
  }

  #do(command: Command, memory: SharedMemory | undefined): Reply {
    if (command.do === "encode") return encode(command.message, command.fields);
    if (command.do === "decode") return decode(command.message, command.payload);
    if (command.do === "attach") return this.#attach(memory);
    if (this.#broken !== undefined) throw this.#broken;
    const session = this.#session;
    if (session === undefined) return { status: "detached" };
    switch (command.do) {
      case "poll":
        return this.#poll(session);
      case "sleep":
        if (session.state !== "attached") return { status: "ok", asleep: true };
        return { status: "ok", asleep: session.pending.prepareSleep() };
      case "detach":
        session.detach();
        return { status: "ok" };
      case "control":
        return this.#control(session, command.message, command.fields);
      case "reply":
        return this.#reply(session);
      case "open": {
        const { protocol, body } = command;
        return this.#open(session, command, { protocol, body: bytesOf(body) });
      }
      case "accept":
        return this.#open(session, command, { listener: command.listener });
      default:
        return this.#onStream(session, command);
    }
  }

  // ── The region ────────────────────────────────────────────────────────────────────────────────────────────────────

  #forget(): void {
    this.#streams = new Map();
    this.#asked = new Map();
    this.#replies = [];
    this.#broken = undefined;
  }

  #attach(memory: SharedMemory | undefined): Reply {
    this.#forget();
    if (memory !== undefined) {
      this.#session = undefined;
      this.#memory = regionMemory(memory.buffer);
      this.#session = new GuestSession(this.#memory, { ring: () => void this.#rings++ });
    }
    if (this.#session === undefined) return { status: "detached" };
    this.#session.attach();
    return { status: "ok" };
  }

  #poll(session: GuestSession): Reply {
    const state = session.poll();
    if (state === "failed") return { status: "failed", violation: session.violation };
    if (state !== "attached") return { status: state };
    const pending = new Set<string>();
    session.pending.awake();
    const ids = new Uint16Array(1024);
    for (let count = session.pending.take(ids); count > 0; count = session.pending.take(ids)) {
      session.beat();
      for (const id of ids.subarray(0, count)) {
        for (const stream of this.#streams.values()) {
          if (stream.pipe?.id === id && !stream.through) pending.add(stream.name);
        }
      }
    }
    this.#takeReplies(session);
    for (const stream of this.#streams.values()) this.#advance(session, stream);
    return { status: "attached", pending: [...pending] };
  }

  // ── Control pipe ──────────────────────────────────────────────────────────────────────────────────────────────────

  #takeReplies(session: GuestSession): void {
    for (let frame = session.nextReply(); frame !== undefined; frame = session.nextReply()) {
      const { type, requestId, payload } = frame;
      if (requestId === 0 && (type & control.FROM_HOST) !== 0) continue;
      const expected = this.#asked.get(requestId);
      this.#asked.delete(requestId);
      const stream = [...this.#streams.values()].find(({ asked }) => asked === requestId);
      if (expected === undefined || (type !== expected && type !== ErrorReply.type)) {
        throw new ProtocolError(Violation.FRAME_TYPE, "FRM-7", `type ${type} answers request ${requestId}`);
      }
      if (stream === undefined) this.#replies.push(frame);
      else if (type === ErrorReply.type) stream.refused = ErrorReply.decode(payload).errno;
      else this.#take(session, stream, StreamInfo.decode(payload));
    }
  }

  #take(session: GuestSession, stream: Stream, info: StreamInfo): void {
    const pipe = session.openPipe(info);
    stream.pipe = pipe;
    stream.producer = pipe.toHost;
    stream.consumer = pipe.toGuest;
    stream.reader = new FrameReader(pipe.toGuest);
  }

  #control(session: GuestSession, name: string, fields: Fields): Reply {
    if (session.state !== "attached") return { status: "lost" };
    const kind = codecs.get(name) as AnyMessage | undefined;
    if (kind === undefined) return unsupported;
    let request: number | undefined;
    try {
      request = session.send(kind, controlValue(fields) as Record<string, unknown>);
    } catch (error) {
      if (error instanceof RangeError) return { status: "invalid" };
      throw error;
    }
    if (request === undefined) return { status: "again" };
    if (name !== "Log" && name !== "Exit") this.#asked.set(request, kind.type | 0x8000);
    return { status: "ok", request };
  }

  #reply(session: GuestSession): Reply {
    if (session.state !== "attached") return { status: "lost" };
    const frame = this.#replies.shift();
    if (frame === undefined) return { status: "again" };
    if (frame.type !== ErrorReply.type) return frameReply(frame);
    const { errno } = ErrorReply.decode(frame.payload);
    return { ...frameReply(frame), status: "refused", errno };
  }

  // ── Streams ───────────────────────────────────────────────────────────────────────────────────────────────────────

  #open(
    session: GuestSession,
    { stream: name, toHost, toGuest }: { stream: string; toHost: number; toGuest: number },
    first: Stream["first"],
  ): Reply {
    if (session.state !== "attached") return { status: "lost" };
    const stream: Stream = {
      name,
      first,
      toHost,
      toGuest,
      epoch: session.epoch,
      sent: false,
      ended: false,
      through: false,
    };
    this.#streams.set(name, stream);
    this.#advance(session, stream);
    return { status: "ok" };
  }

  /** NewStream, then the first frame, as soon as there is room for each. */
  #advance(session: GuestSession, stream: Stream): void {
    if (stream.sent || stream.refused !== undefined || stream.through) return;
    if (stream.asked === undefined) {
      const { toHost: toHostBytes, toGuest: toGuestBytes } = stream;
      const asked = session.send(NewStream, { toHostBytes, toGuestBytes });
      if (asked === undefined) return;
      stream.asked = asked;
      this.#asked.set(asked, StreamInfo.type);
    }
    const { pipe, first } = stream;
    if (pipe === undefined) return;
    const opening = this.#nextRequest++;
    pipe.toGuest.wantData();
    if ("protocol" in first) {
      const writer = new FrameWriter(pipe.toHost);
      stream.sent = writer.send(Open, opening, first, () => session.bell.signal(pipe.id));
    } else {
      const listener = this.#streams.get(first.listener)?.pipe;
      if (listener === undefined) return;
      const accept = { id: pipe.id, generation: pipe.generation };
      const writer = new FrameWriter(listener.toHost);
      stream.sent = writer.send(Accept, opening, accept, () => session.bell.signal(listener.id));
    }
    if (stream.sent) stream.opening = opening;
  }

  #onStream(session: GuestSession, command: Extract<Command, { stream: string }>): Reply {
    const stream = this.#streams.get(command.stream);
    if (stream === undefined) return { status: "closed" };
    if (session.state !== "attached" || stream.epoch !== session.epoch) return { status: "lost" };
    if (stream.through) return { status: "closed" };
    const { pipe, producer, consumer } = stream;
    if (pipe === undefined || producer === undefined || consumer === undefined) {
      if (stream.refused !== undefined) return { status: "refused", errno: stream.refused };
      return { status: "again" };
    }
    const signal = (): void => session.bell.signal(pipe.id);
    switch (command.do) {
      case "opened":
        return this.#opened(stream, consumer, signal);
      case "frame":
        return this.#frame(stream, consumer, signal);
      case "send":
        return send(producer, consumer, bytesOf(command.data), signal);
      case "recv":
        return recv(stream, consumer, command.max, signal);
      case "request": {
        const request = this.#nextRequest++;
        const payload = bytesOf(command.payload);
        if (payload.length > maxPayload(producer.capacity)) return { status: "invalid" };
        const room = 12 + payload.length;
        if (producer.writable() < room && !producer.wantSpace(room)) return { status: "again" };
        if (producer.abandoned()) return { status: "closed" };
        producer.unwantSpace();
        new FrameWriter(producer).write(command.type, request, payload, signal);
        return { status: "ok", request };
      }
      case "position":
        return this.#moveTo(stream, pipe, command.position);
      case "end":
        producer.end();
        signal();
        break;
      case "stop":
        consumer.close();
        signal();
        break;
      case "close":
      case "reset":
        if (command.do === "close") producer.end();
        else producer.reset();
        consumer.close();
        signal();
        break;
      default:
        return unsupported;
    }
    if (producer.closed !== Closed.OPEN && consumer.closed) {
      stream.through = true;
      session.forget(pipe);
    }
    return { status: "ok" };
  }

  /** The next frame that means something; those that nobody asked for and nobody knows are passed over (FRM-7). */
  #next(stream: Stream, consumer: RingConsumer, signal: () => void): Frame | Reply {
    if (stream.ended) return { status: "end" };
    for (;;) {
      // Closed first, then empty (RING-6).
      const closed = consumer.peerClosed();
      if (closed === Closed.RESET) return { status: "reset" };
      const frame = stream.reader!.next(signal);
      if (frame !== undefined) {
        if (byType.has(frame.type) && (frame.type & control.FROM_HOST) !== 0) return frame;
        if (frame.requestId === 0 && (frame.type & control.FROM_HOST) !== 0) continue;
        throw new ProtocolError(Violation.FRAME_TYPE, "FRM-7", `type ${frame.type}`);
      }
      if (closed === Closed.END) {
        stream.reader!.end();
        stream.ended = true;
        return { status: "end" };
      }
      const had = consumer.readable();
      consumer.wantData();
      if (consumer.readable() === had && consumer.peerClosed() === Closed.OPEN) return { status: "again" };
    }
  }

  #opened(stream: Stream, consumer: RingConsumer, signal: () => void): Reply {
    const { pipe } = stream;
    const found = { id: pipe!.id, generation: pipe!.generation };
    if (stream.refused !== undefined) return { status: "refused", errno: stream.refused, ...found };
    if (stream.opening === undefined) return { status: "again", ...found };
    const frame = this.#next(stream, consumer, signal);
    if (!("requestId" in frame)) return { ...frame, ...found };
    if (frame.requestId !== stream.opening) {
      throw new ProtocolError(Violation.FRAME_TYPE, "FRM-2", `request id ${frame.requestId} answers an Open`);
    }
    if (frame.type === Refused.type && "protocol" in stream.first) {
      stream.refused = Refused.decode(frame.payload).errno;
      return { status: "refused", errno: stream.refused, ...found };
    }
    if (frame.type !== ("protocol" in stream.first ? Opened.type : Incoming.type)) {
      throw new ProtocolError(Violation.FRAME_TYPE, "STR-2", `type ${frame.type} answers an Open`);
    }
    return { ...frameReply(frame), ...found };
  }

  #frame(stream: Stream, consumer: RingConsumer, signal: () => void): Reply {
    const frame = this.#next(stream, consumer, signal);
    return "requestId" in frame ? frameReply(frame) : frame;
  }

  /** As if this much had been moved each way. */
  #moveTo(stream: Stream, pipe: GuestPipe, position: number): Reply {
    const memory = this.#memory!;
    const wanted = loadWord(memory, pipe.place.page * control.PAGE_BYTES + 0x188);
    stream.producer = new RingProducer(memory, toHostRing(pipe.place), position);
    stream.consumer = new RingConsumer(memory, toGuestRing(pipe.place), position);
    stream.reader = new FrameReader(stream.consumer);
    if (wanted !== 0) stream.consumer.wantData();
    return { status: "ok" };
  }
}

function send(producer: RingProducer, consumer: RingConsumer, bytes: Uint8Array, signal: () => void): Reply {
  for (;;) {
    if (producer.closed !== Closed.OPEN) return { status: "closed" };
    if (producer.abandoned()) return { status: consumer.peerClosed() === Closed.RESET ? "reset" : "closed" };
    const count = Math.min(bytes.length, producer.writable());
    if (count > 0) {
      producer.unwantSpace();
      producer.put(bytes.subarray(0, count));
      if (producer.advance(count)) signal();
      return { status: "ok", bytes: count };
    }
    if (!producer.wantSpace(producer.capacity / 4)) return { status: "again" };
  }
}

function recv(stream: Stream, consumer: RingConsumer, max: number, signal: () => void): Reply {
  if (stream.ended) return { status: "end" };
  if (consumer.closed) return { status: "closed" };
  for (;;) {
    const closed = consumer.peerClosed();
    if (closed === Closed.RESET) return { status: "reset" };
    const count = Math.min(max, consumer.readable());
    if (count > 0) {
      const bytes = new Uint8Array(count);
      consumer.copy(bytes);
      if (consumer.advance(count)) signal();
      return { status: "ok", data: Buffer.from(bytes).toString("hex") };
    }
    if (closed === Closed.END) {
      stream.ended = true;
      return { status: "end" };
    }
    if (!consumer.wantData()) return { status: "again" };
  }
}

function frameReply({ type, requestId, payload }: Frame): Reply {
  return { status: "ok", type, request: requestId, payload: Buffer.from(payload).toString("hex") };
}

// ── Messages ────────────────────────────────────────────────────────────────────────────────────────────────────────

const bytesOf = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, "hex"));

/** Fields as control has them: bytes for hex. */
function controlValue(value: unknown, name = ""): unknown {
  if (typeof value === "string") return ["data", "body", "address"].includes(name) ? bytesOf(value) : value;
  if (Array.isArray(value)) return value.map((item) => controlValue(item));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, controlValue(each, key)]));
}

function fieldsOf(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString("hex");
  if (Array.isArray(value)) return value.map(fieldsOf);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, fieldsOf(each)]));
}

function encode(name: string, fields: Fields): Reply {
  const codec = codecs.get(name);
  if (codec === undefined) return unsupported;
  try {
    const payload = codec.encode(controlValue(fields) as Record<string, unknown>);
    return { status: "ok", payload: Buffer.from(payload).toString("hex") };
  } catch (error) {
    if (error instanceof RangeError) return { status: "invalid" };
    throw error;
  }
}

function decode(name: string, payload: string): Reply {
  if (name === "Hello") {
    const { errno, regionPages } = decodeHello(bytesOf(payload));
    return { status: "ok", fields: { errno, regionPages } };
  }
  const codec = codecs.get(name);
  if (codec === undefined) return unsupported;
  return { status: "ok", fields: fieldsOf(codec.decode(bytesOf(payload))) as Fields };
}
