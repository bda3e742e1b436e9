// A stream of the TypeScript testee, driven by hand, one command at a time.
//
//   asked ── the host gives a block ──> given ── Open or Accept is sent ──> opening ── the answer ──> running
//      └──────── the host refuses ────────────────────────────────────────────┴──> refused
//   given, and whatever comes after: both closed words stored ──> through, the block is not touched again (STR-7)

import {
  Closed,
  FROM_HOST,
  type Frame,
  FrameReader,
  FrameWriter,
  type GuestPipe,
  loadWord,
  maxPayload,
  Opened,
  PAGE_BYTES,
  ProtocolError,
  Refused,
  type RegionMemory,
  RingConsumer,
  RingProducer,
  toGuestRing,
  toHostRing,
  Violation,
} from "@ringway/control";
import type { Command, Reply } from "../contract.ts";
import { P } from "../host/layout.ts";
import { byType, bytesOf } from "./codecs.ts";

/** What is sent once the block is there: Open on it; or Accept on a listener, which is answered by this type. */
export type First =
  | { readonly protocol: number; readonly body: Uint8Array }
  | { readonly listener: string; readonly incoming: number };

/** What a command on a stream needs of the guest. */
export interface Around {
  readonly memory: RegionMemory;
  /** Signals this stream to the host. */
  signal(): void;
  nextRequest(): number;
}

export class Stream {
  readonly name: string;
  readonly first: First;
  readonly toHost: number;
  readonly toGuest: number;
  readonly epoch: number;
  /** Request id of NewStream; undefined until that fitted the ring. */
  asked: number | undefined;
  pipe: GuestPipe | undefined;
  /** The first frame is on its ring. */
  sent = false;
  /** Request id of the Open or Accept that has no answer yet. */
  opening: number | undefined;
  /** The errno of a refusal. */
  refused: number | undefined;
  /** Both closed words are stored. */
  through = false;
  #producer!: RingProducer;
  #consumer!: RingConsumer;
  #reader!: FrameReader;
  /** The end of stream was told. */
  #ended = false;

  constructor(name: string, first: First, sizes: { toHost: number; toGuest: number }, epoch: number) {
    this.name = name;
    this.first = first;
    this.toHost = sizes.toHost;
    this.toGuest = sizes.toGuest;
    this.epoch = epoch;
  }

  /** The host has given it a block. */
  give(pipe: GuestPipe): void {
    this.pipe = pipe;
    this.#producer = pipe.toHost;
    this.#consumer = pipe.toGuest;
    this.#reader = new FrameReader(pipe.toGuest);
  }

  /** A command on a stream that has a block. */
  answer(command: Extract<Command, { stream: string }>, around: Around): Reply {
    const { signal } = around;
    switch (command.do) {
      case "opened":
        return this.#opened(signal);
      case "frame":
        return this.#frame(signal);
      case "send":
        return this.#send(bytesOf(command.data), signal);
      case "recv":
        return this.#recv(command.max, signal);
      case "request":
        return this.#request(around.nextRequest(), command.type, bytesOf(command.payload), signal);
      case "position":
        return this.#moveTo(around.memory, command.position);
      case "end":
        this.#producer.end();
        break;
      case "stop":
        this.#consumer.close();
        break;
      case "close":
        this.#producer.end();
        this.#consumer.close();
        break;
      case "reset":
        this.#producer.reset();
        this.#consumer.close();
        break;
      default:
        return { unsupported: true };
    }
    signal();
    this.through = this.#producer.closed !== Closed.OPEN && this.#consumer.closed;
    return { status: "ok" };
  }

  /** The next frame that means something; those that nobody asked for and nobody knows are passed over (FRM-7). */
  #next(signal: () => void): Frame | Reply {
    if (this.#ended) return { status: "end" };
    const consumer = this.#consumer;
    for (;;) {
      // Closed first, then empty (RING-6).
      const closed = consumer.peerClosed();
      if (closed === Closed.RESET) return { status: "reset" };
      const frame = this.#reader.next(signal);
      if (frame !== undefined) {
        if (byType.has(frame.type) && (frame.type & FROM_HOST) !== 0) return frame;
        if (frame.requestId === 0 && (frame.type & FROM_HOST) !== 0) continue;
        throw new ProtocolError(Violation.FRAME_TYPE, "FRM-7", `type ${frame.type}`);
      }
      if (closed === Closed.END) {
        this.#reader.end();
        this.#ended = true;
        return { status: "end" };
      }
      const had = consumer.readable();
      consumer.wantData();
      if (consumer.readable() === had && consumer.peerClosed() === Closed.OPEN) return { status: "again" };
    }
  }

  #opened(signal: () => void): Reply {
    const { pipe, first } = this;
    const found = { id: pipe!.id, generation: pipe!.generation };
    if (this.refused !== undefined) return { status: "refused", errno: this.refused, ...found };
    if (this.opening === undefined) return { status: "again", ...found };
    const frame = this.#next(signal);
    if (!("requestId" in frame)) return { ...frame, ...found };
    if (frame.requestId !== this.opening) {
      throw new ProtocolError(Violation.FRAME_TYPE, "FRM-2", `request id ${frame.requestId} answers an Open`);
    }
    if (frame.type === Refused.type && "protocol" in first) {
      this.refused = Refused.decode(frame.payload).errno;
      return { status: "refused", errno: this.refused, ...found };
    }
    if (frame.type !== ("protocol" in first ? Opened.type : first.incoming)) {
      throw new ProtocolError(Violation.FRAME_TYPE, "STR-2", `type ${frame.type} answers an Open`);
    }
    return { ...frameReply(frame), ...found };
  }

  #frame(signal: () => void): Reply {
    const frame = this.#next(signal);
    return "requestId" in frame ? frameReply(frame) : frame;
  }

  #send(bytes: Uint8Array, signal: () => void): Reply {
    const producer = this.#producer;
    for (;;) {
      if (producer.closed !== Closed.OPEN) return { status: "closed" };
      if (producer.abandoned()) {
        return { status: this.#consumer.peerClosed() === Closed.RESET ? "reset" : "closed" };
      }
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

  #recv(max: number, signal: () => void): Reply {
    const consumer = this.#consumer;
    if (this.#ended) return { status: "end" };
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
        this.#ended = true;
        return { status: "end" };
      }
      if (!consumer.wantData()) return { status: "again" };
    }
  }

  /** All of the frame, or nothing. */
  #request(request: number, type: number, payload: Uint8Array, signal: () => void): Reply {
    const producer = this.#producer;
    if (payload.length > maxPayload(producer.capacity)) return { status: "invalid" };
    const room = 12 + payload.length;
    if (producer.writable() < room && !producer.wantSpace(room)) return { status: "again" };
    if (producer.abandoned()) return { status: "closed" };
    producer.unwantSpace();
    new FrameWriter(producer).write(type, request, payload, signal);
    return { status: "ok", request };
  }

  /** As if this much had been moved each way. */
  #moveTo(memory: RegionMemory, position: number): Reply {
    const { place } = this.pipe!;
    const wanted = loadWord(memory, place.page * PAGE_BYTES + P.TO_GUEST_WANT_DATA);
    this.#producer = new RingProducer(memory, toHostRing(place), position);
    this.#consumer = new RingConsumer(memory, toGuestRing(place), position);
    this.#reader = new FrameReader(this.#consumer);
    if (wanted !== 0) this.#consumer.wantData();
    return { status: "ok" };
  }
}

export function frameReply({ type, requestId, payload }: Frame): Reply {
  return { status: "ok", type, request: requestId, payload: Buffer.from(payload).toString("hex") };
}
