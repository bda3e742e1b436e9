// One conversation as one follower has it, on the reactor's thread: what of it is due to be told, and whether its
// stream may carry more.
//
//   OPENED is told ──▶ DATA ... ── no room ──▶ paces: its stream stands still until there is
//        ▲                │                └── drops: what is lost is counted ── room ──▶ LOST, and on
//        └── no room:     └── the stream ends ──▶ CLOSED is told, as soon as there is room
//            the same
//
// A LOST is an object of its reader's, too: it counts as a piece without bytes, and where its reader has no room for
// that it is kept until it has, or CLOSED is due. So a reader that takes nothing has so many of them, and no more.
//
// Invariant: what was taken from the stream is told, or counted in a LOST before whatever comes behind it.

import { From, heldBytes, RECORD_PAYLOAD_MAX, RecordKind } from "./records.ts";
import type { ConversationRing } from "./ring.ts";
import { wallMs } from "./wall-clock.ts";

const encoder = new TextEncoder();

/** A stream that may have to stand still. */
export interface Paced {
  /** Again, in its guest's turn. */
  later(): void;
  /** One who has followed it does not any more. */
  untapped(): void;
}

/** Who follows it. */
export interface FollowedBy {
  readonly ring: ConversationRing;
  /** It rather has a stream wait than lose something. */
  readonly paces: boolean;
  /** Of one conversation, bytes that its reader has not taken; infinite where they stay in the ring. */
  readonly capacity: number;
  /** There is something in the ring. */
  told(): void;
  /** Calls settle() and resume() when there is room. */
  wait(followed: Followed): void;
  /** CLOSED was told. */
  closed(followed: Followed): void;
}

export class Followed {
  readonly id: number;
  readonly #by: FollowedBy;
  readonly #stream: Paced;
  #opened: Uint8Array | undefined;
  #unread = 0;
  readonly #lost: [number, number] = [0, 0];
  #closed: Uint8Array | undefined;
  #isPaused = false;
  /** Nobody follows it any more, or all of it is told. */
  #isOver = false;

  constructor(id: number, by: FollowedBy, stream: Paced, opened: object) {
    this.id = id;
    this.#by = by;
    this.#stream = stream;
    this.#opened = encoder.encode(JSON.stringify(opened));
    this.settle();
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Up to `wanted` bytes that its stream may carry now; 0: the stream is run again when it may. */
  room(wanted: number): number {
    const { paces, capacity, ring } = this.#by;
    if (!paces || this.#isOver) return wanted;
    if (this.#unread >= capacity) {
      this.#isPaused = true;
      return 0;
    }
    if (this.settle()) {
      if (ring.room >= Math.min(wanted, ring.capacity / 4)) return Math.min(wanted, capacity - this.#unread);
      this.#by.wait(this);
    }
    this.#isPaused = true;
    return 0;
  }

  /** These were carried. `peer`: of a datagram of a bound socket. */
  took(from: From, bytes: Uint8Array, timeMs: number, peer?: Uint8Array): void {
    if (this.#isOver) return;
    const most = RECORD_PAYLOAD_MAX - (peer?.length ?? 0);
    let at = 0;
    do {
      const piece = bytes.length <= most ? bytes : bytes.subarray(at, at + most);
      if (!this.#tell(from, piece, timeMs, peer)) {
        this.#lost[from] += bytes.length - at;
        if (!this.#keepsLost()) this.#by.wait(this);
        return;
      }
      at += piece.length;
    } while (at < bytes.length);
  }

  #tell(from: From, piece: Uint8Array, timeMs: number, peer: Uint8Array | undefined): boolean {
    const { ring, capacity } = this.#by;
    // One alone may be longer than the reader has room for.
    if (this.#unread > 0 && this.#unread + heldBytes(piece.length) > capacity && !this.#by.paces)
      return false;
    if (
      !this.settle() ||
      !ring.put({ kind: RecordKind.DATA, from, conversation: this.id, timeMs }, piece, peer)
    )
      return false;
    this.#unread += heldBytes(piece.length);
    this.#by.told();
    return true;
  }

  /** Its reader has taken so much. */
  read(bytes: number): void {
    this.#unread = Math.max(0, this.#unread - bytes);
    if (this.settle()) this.resume();
  }

  /** Its stream may go on, if it stood still. */
  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#stream.later();
  }

  close(end: object): void {
    if (this.#isOver || this.#closed !== undefined) return;
    this.#closed = encoder.encode(JSON.stringify(end));
    this.settle();
  }

  /** Nobody follows it any more. */
  letGo(): void {
    this.#isOver = true;
    this.resume();
    this.#stream.untapped();
  }

  /** Tells what is due. False: there is no room for all of it, and it waits for the ring, or for its reader. */
  settle(): boolean {
    if (this.#isOver) return true;
    if (this.#settle()) return true;
    if (this.#opened !== undefined || !this.#keepsLost()) this.#by.wait(this);
    return false;
  }

  /** Its reader has no room for a LOST. */
  #keepsLost(): boolean {
    return this.#closed === undefined && this.#unread + heldBytes(0) > this.#by.capacity;
  }

  #settle(): boolean {
    if (this.#opened !== undefined) {
      if (!this.#say(RecordKind.OPENED, From.INITIATOR, this.#opened)) return false;
      this.#opened = undefined;
    }
    for (const from of [From.INITIATOR, From.RESPONDER]) {
      const lost = this.#lost[from];
      if (lost === 0) continue;
      if (this.#keepsLost()) return false;
      if (!this.#say(RecordKind.LOST, from, encoder.encode(JSON.stringify({ lost })))) return false;
      this.#unread += heldBytes(0);
      this.#lost[from] = 0;
    }
    if (this.#closed === undefined) return true;
    if (!this.#say(RecordKind.CLOSED, From.INITIATOR, this.#closed)) return false;
    this.#isOver = true;
    this.#by.closed(this);
    return true;
  }

  #say(kind: RecordKind, from: From, text: Uint8Array): boolean {
    const timeMs = wallMs();
    if (!this.#by.ring.put({ kind, from, conversation: this.id, timeMs }, text)) return false;
    this.#by.told();
    return true;
  }
}
