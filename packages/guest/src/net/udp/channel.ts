// One UDP socket of the host, from its consent on: datagrams as frames both ways, requests, and what the host tells of
// datagrams that did not get through (PROTOCOL.md section 16).
//
//   open ─ close() ─▶ closed          what was sent before goes out
//     └─ the host ends it, or is gone ─▶ closed, and the target is told why
//
// A datagram that finds no room in the ring waits here, in order; requests wait behind it.

import {
  Closed,
  FRAME_HEADER_BYTES,
  type Frame,
  FrameReader,
  FrameWriter,
  type InetAddress,
  type Message,
  maxPayload,
  ProtocolError,
  UDP_IPV4_MAX_BYTES,
  UDP_IPV6_MAX_BYTES,
  udpMessages,
  Violation,
} from "@ringway/control";
import { Errno } from "@ringway/linux";
import { type ErrorContext, errnoError, resetError } from "../../errors.ts";
import { Calls, decodeReply } from "../../stream/calls.ts";
import type { Stream, StreamUser } from "../../stream/stream.ts";

const { UdpError, UdpLost, UdpReceived, UdpReceivedFrom, UdpSend, UdpSendTo, datagramsOf } = udpMessages;

/** Frames taken before others get their turn. */
const FRAMES_BUDGET = 256;
/** A SendTo's peer: family, port, 16 bytes. */
const PEER_BYTES = 24;
/** What was opened has id 1. */
const FIRST_REQUEST_ID = 2;

/** As dgram's: null, and the bytes; or why not. */
export type UdpSendCallback = (error: Error | null, bytes?: number) => void;

/** What the channel tells its socket. */
export interface UdpTarget {
  /** `peer` is undefined where there is one only. The bytes are the socket's to keep. */
  message(data: Buffer, peer: InetAddress | undefined): void;
  /** A datagram was not sent, or came back; the channel goes on. */
  error(error: udpMessages.UdpError): void;
  /** So many datagrams were lost so far. */
  lost(datagrams: number): void;
  /** The host has ended it; `error`: the guest is detached, or the stream broke. */
  ended(error: Error | undefined): void;
}

interface Unsent {
  readonly pieces: readonly Uint8Array[];
  readonly bytes: number;
  readonly peer: InetAddress | undefined;
  readonly callback: UdpSendCallback | undefined;
}

export class UdpChannel implements StreamUser {
  readonly #stream: Stream;
  readonly #target: UdpTarget;
  readonly #isBound: boolean;
  /** Of a datagram: what UDP has room for, and the ring (UDP-6). */
  readonly #mostBytes: number;
  readonly #reader: FrameReader;
  readonly #writer: FrameWriter;
  readonly #calls: Calls;
  readonly #unsent: Unsent[] = [];
  #unsentBytes = 0;
  #nextId = FIRST_REQUEST_ID;
  #open = true;

  /** Takes over a stream that is open; step() comes next. */
  constructor(stream: Stream, family: 4 | 6, isBound: boolean, target: UdpTarget) {
    this.#stream = stream;
    const room = maxPayload(stream.pipe.toHost.capacity) - 4 - PEER_BYTES;
    this.#mostBytes = Math.min(room, family === 4 ? UDP_IPV4_MAX_BYTES : UDP_IPV6_MAX_BYTES);
    this.#isBound = isBound;
    this.#target = target;
    this.#reader = new FrameReader(stream.pipe.toGuest);
    this.#writer = new FrameWriter(stream.pipe.toHost);
    this.#calls = new Calls(stream.engine);
    stream.user = this;
  }

  get open(): boolean {
    return this.#open;
  }

  /** Bytes of the rings. */
  get sendBytes(): number {
    return this.#stream.rings.toHostBytes;
  }

  get receiveBytes(): number {
    return this.#stream.rings.toGuestBytes;
  }

  get unsentBytes(): number {
    return this.#unsentBytes;
  }

  get unsentCount(): number {
    return this.#unsent.length;
  }

  /** Calls back, in a later turn, once the ring has the datagram, or why it never will. */
  send(
    pieces: readonly Uint8Array[],
    peer: InetAddress | undefined,
    callback: UdpSendCallback | undefined,
  ): void {
    let bytes = 0;
    for (const piece of pieces) bytes += piece.byteLength;
    const datagram = { pieces, bytes, peer, callback };
    if (bytes > this.#mostBytes) {
      settle(datagram, errnoError(Errno.EMSGSIZE, { syscall: "send" }));
      return;
    }
    this.#stream.engine.touch(() => {
      if (this.#open && (this.#unsent.length > 0 || !this.#put(datagram))) {
        this.#unsent.push(datagram);
        this.#unsentBytes += bytes;
      }
    });
  }

  /** One request and its reply. */
  call<T, R>(kind: Message<T>, value: T, reply: Message<R>, context: ErrorContext): Promise<R> {
    const payload = kind.encode(value);
    return this.#calls.call({
      context,
      signal: undefined,
      send: () => this.#sendRequest(kind.type, payload),
      onReply: (frame) => decodeReply(frame, reply),
    });
  }

  /** What was sent goes out. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#drop(errnoError(Errno.ECANCELED, { syscall: "send" }));
    this.#calls.fail(errnoError(Errno.ECANCELED, { syscall: "send" }));
    this.#stream.finish();
  }

  step(): void {
    this.#flush();
    const { toGuest } = this.#stream.pipe;
    for (let budget = FRAMES_BUDGET; this.#open; budget--) {
      if (budget === 0) {
        this.#stream.engine.stepAgain(this.#stream);
        return;
      }
      const closed = toGuest.peerClosed();
      const frame = this.#reader.next(this.#stream.signal);
      if (frame !== undefined) {
        this.#take(frame);
        continue;
      }
      if (closed !== Closed.OPEN) {
        if (closed === Closed.END) this.#reader.end();
        this.#end(closed === Closed.END ? undefined : resetError("recvmsg"));
        return;
      }
      // A part of a frame may lie there: only a signal tells of the rest, and want-data stays set for it.
      const had = toGuest.readable();
      toGuest.wantData();
      if (toGuest.readable() === had && toGuest.peerClosed() === Closed.OPEN) return;
    }
  }

  lost(error: Error): void {
    this.#over(error);
  }

  #end(error: Error | undefined): void {
    if (error === undefined) this.#stream.finish();
    else this.#stream.abort();
    this.#over(error);
  }

  #over(error: Error | undefined): void {
    if (!this.#open) return;
    this.#open = false;
    const why = error ?? errnoError(Errno.ECANCELED, { syscall: "send" });
    this.#drop(why);
    this.#calls.fail(why);
    this.#target.ended(error);
  }

  #drop(error: Error): void {
    this.#unsentBytes = 0;
    for (const datagram of this.#unsent.splice(0)) settle(datagram, error);
  }

  // ---- to the host

  #flush(): void {
    let sent = 0;
    for (; sent < this.#unsent.length; sent++) {
      if (!this.#put(this.#unsent[sent]!)) break;
      this.#unsentBytes -= this.#unsent[sent]!.bytes;
    }
    if (sent > 0) this.#unsent.splice(0, sent);
    if (this.#unsent.length === 0 && this.#calls.flush()) this.#stream.pipe.toHost.unwantSpace();
  }

  /** False: there is no room yet. */
  #put(datagram: Unsent): boolean {
    const { pieces, bytes, peer } = datagram;
    const { toHost } = this.#stream.pipe;
    const head = FRAME_HEADER_BYTES + 4 + (this.#isBound ? PEER_BYTES : 0);
    const whole = head + bytes;
    while (toHost.writable() < whole) {
      if (toHost.abandoned()) break;
      if (!toHost.wantSpace(whole)) return false;
    }
    if (toHost.abandoned()) {
      settle(datagram, errnoError(Errno.EPIPE, { syscall: "send" }));
      return true;
    }
    toHost.putU32(whole - FRAME_HEADER_BYTES, 0);
    toHost.putU32(this.#isBound ? UdpSendTo.type : UdpSend.type, 4);
    toHost.putU32(0, 8);
    toHost.putU32(0, 12);
    if (peer !== undefined && this.#isBound) {
      toHost.putU32(peer.family, 16);
      toHost.putU32(peer.port, 20);
      for (let at = 0; at < 16; at += 4) toHost.putU32(wordAt(peer.address, at), 24 + at);
    }
    let at = head;
    for (const piece of pieces) {
      toHost.put(piece, at);
      at += piece.byteLength;
    }
    if (toHost.advance(whole)) this.#stream.signal();
    settle(datagram, null);
    return true;
  }

  /** The request's id; undefined: there is no room for it yet. */
  #sendRequest(type: number, payload: Uint8Array): number | undefined {
    const { toHost } = this.#stream.pipe;
    const whole = FRAME_HEADER_BYTES + payload.length;
    if (this.#unsent.length > 0) return undefined;
    while (toHost.writable() < whole) if (!toHost.wantSpace(whole) || toHost.abandoned()) return undefined;
    const id = this.#nextId;
    this.#nextId = (id + 1) >>> 0 || FIRST_REQUEST_ID;
    this.#writer.write(type, id, payload, this.#stream.signal);
    return id;
  }

  // ---- from the host

  #take(frame: Frame): void {
    const { type, payload } = frame;
    if (type === (this.#isBound ? UdpReceivedFrom.type : UdpReceived.type)) this.#received(payload);
    else if (type === UdpError.type) this.#target.error(UdpError.decode(payload));
    else if (type === UdpLost.type) this.#target.lost(UdpLost.decode(payload).datagrams);
    else this.#calls.take(frame);
  }

  #received(payload: Uint8Array): void {
    const { segment, data, peer } = this.#isBound
      ? UdpReceivedFrom.decode(payload)
      : { ...UdpReceived.decode(payload), peer: undefined };
    if (datagramsOf(segment, data.length) === undefined) {
      const text = `${data.length} bytes are no train of datagrams of ${segment}`;
      throw new ProtocolError(Violation.FRAME_MALFORMED, "UDP-5", text);
    }
    const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    if (segment === 0) {
      this.#target.message(bytes, peer);
      return;
    }
    for (let at = 0; at < bytes.length && this.#open; at += segment) {
      this.#target.message(bytes.subarray(at, at + segment), peer);
    }
  }
}

function wordAt(bytes: Uint8Array, at: number): number {
  if (at >= bytes.length) return 0;
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
}

/** As dgram: in a later turn, and an error that nobody asked for is no one's. */
function settle({ callback, bytes }: Unsent, error: Error | null): void {
  if (callback === undefined) return;
  if (error === null) process.nextTick(callback, null, bytes);
  else process.nextTick(callback, error);
}
