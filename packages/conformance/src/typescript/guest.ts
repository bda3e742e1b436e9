// The testee on @ringway/control: GuestSession and rings, driven by hand, one command at a time.

import {
  Accept,
  ErrorReply,
  FROM_HOST,
  type Frame,
  FrameWriter,
  GuestSession,
  Incoming,
  NewStream,
  Open,
  Protocol,
  ProtocolError,
  type RegionMemory,
  regionMemory,
  StreamInfo,
  unixMessages,
  Violation,
} from "@ringway/control";
import type { SharedMemory } from "@ringway/linux";
import type { Fields } from "../catalogue.ts";
import type { Command, Reply, Testee } from "../contract.ts";
import { type AnyMessage, bytesOf, codecs, controlMessage, decode, encode } from "./codecs.ts";
import { type First, frameReply, Stream } from "./stream.ts";

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
        return this.#open(session, command, {
          listener: command.listener,
          incoming: this.#incoming(command),
        });
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
      if (requestId === 0 && (type & FROM_HOST) !== 0) continue;
      const expected = this.#asked.get(requestId);
      this.#asked.delete(requestId);
      const stream = [...this.#streams.values()].find(({ asked }) => asked === requestId);
      if (expected === undefined || (type !== expected && type !== ErrorReply.type)) {
        throw new ProtocolError(Violation.FRAME_TYPE, "FRM-7", `type ${type} answers request ${requestId}`);
      }
      if (stream === undefined) this.#replies.push(frame);
      else if (type === ErrorReply.type) stream.refused = ErrorReply.decode(payload).errno;
      else stream.give(session.openPipe(StreamInfo.decode(payload)));
    }
  }

  #control(session: GuestSession, name: string, fields: Fields): Reply {
    if (session.state !== "attached") return { status: "lost" };
    const kind = codecs.get(name) as AnyMessage | undefined;
    if (kind === undefined) return { unsupported: true };
    let request: number | undefined;
    try {
      request = session.send(kind, controlMessage(kind.name, fields));
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

  #open(session: GuestSession, command: Extract<Command, { do: "open" | "accept" }>, first: First): Reply {
    if (session.state !== "attached") return { status: "lost" };
    const stream = new Stream(command.stream, first, command, session.epoch);
    this.#streams.set(stream.name, stream);
    this.#advance(session, stream);
    return { status: "ok" };
  }

  /** What answers an Accept (LSN-3, UNX-3). */
  #incoming({ listener }: Extract<Command, { do: "accept" }>): number {
    const first = this.#streams.get(listener)?.first;
    const isUnix = first !== undefined && "protocol" in first && first.protocol === Protocol.UNIX_LISTEN;
    return isUnix ? unixMessages.UnixIncoming.type : Incoming.type;
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
    const { pipe } = stream;
    if (pipe === undefined) {
      if (stream.refused !== undefined) return { status: "refused", errno: stream.refused };
      return { status: "again" };
    }
    const reply = stream.answer(command, {
      memory: this.#memory!,
      signal: () => session.bell.signal(pipe.id),
      nextRequest: () => this.#nextRequest++,
    });
    if (stream.through) session.forget(pipe);
    return reply;
  }
}
