// Datagrams from the kernel, many with one system call (recvmmsg(2)): those of one size of one sender as one train
// (UDP_GRO) where the socket was told so, which is never larger than one datagram could be.
//
// One inbox serves all sockets of a thread: nothing stays in it between two calls.

import {
  CONTROL,
  CONTROL_HEADER_BYTES,
  CONTROL_LENGTH,
  IOV,
  IOV_COUNT,
  IOVEC_BYTES,
  MESSAGE_BYTES,
  MSG_DONTWAIT,
  NAME_LENGTH,
  RECEIVED,
  SOCKADDR_BYTES,
  SOL_UDP,
} from "./datagram-layout.ts";
import { Errno } from "./errno.ts";
import { failure, isX64, putI64, type Scratch, scratch, syscall } from "./libc.ts";
import { AF_INET } from "./open-socket.ts";

const recvmmsgCall = syscall(["int", "uintptr_t", "uint32_t", "int", "uintptr_t"]);
const SYS_RECVMMSG = isX64 ? 299 : 243;
const SOL_SOCKET = 1;
const SO_RXQ_OVFL = 40;
const UDP_GRO = 104;
/** Two words, each with header and padding. */
const RECEIVE_CONTROL_BYTES = 48;

/** What one datagram of the inbox has room for: more than any datagram, and than any train. */
const SLOT_BYTES = 64 * 1024;
/** Between two of them, so that small datagrams do not all fall on the same lines of a cache. */
const SLOT_STRIDE: number = SLOT_BYTES + 64 * 5;

export class DatagramInbox {
  /** Most messages at a time. */
  readonly capacity: number;
  readonly #messages: Scratch;
  readonly #iovecs: Scratch;
  readonly #controls: Scratch;
  readonly #names: Scratch;
  readonly #view: DataView;
  /** All that came: the datagrams of message i begin at dataOffset(i). */
  readonly data: Uint8Array;
  /** How many datagrams the socket had dropped when the message was put behind others, or before the first one. */
  readonly drops: Uint32Array;
  /** Size of the datagrams of a train; 0: it is one datagram. */
  readonly segments: Uint32Array;
  /** So many messages, from the first on, have lengths that the kernel has written: those of the last receive(). */
  #written: number;

  constructor(capacity = 32) {
    this.capacity = capacity;
    this.#written = capacity;
    this.#messages = scratch(capacity * MESSAGE_BYTES);
    this.#controls = scratch(capacity * RECEIVE_CONTROL_BYTES);
    this.#names = scratch(capacity * SOCKADDR_BYTES);
    this.drops = new Uint32Array(capacity);
    this.segments = new Uint32Array(capacity);
    const data = scratch(capacity * SLOT_STRIDE);
    this.data = data.bytes;
    this.#iovecs = scratch(capacity * IOVEC_BYTES);
    for (let i = 0; i < capacity; i++) {
      putI64(this.#iovecs.view, i * IOVEC_BYTES, data.address + this.dataOffset(i));
      putI64(this.#iovecs.view, i * IOVEC_BYTES + 8, SLOT_BYTES);
      const at = i * MESSAGE_BYTES;
      putI64(this.#messages.view, at, this.#names.address + i * SOCKADDR_BYTES);
      putI64(this.#messages.view, at + IOV, this.#iovecs.address + i * IOVEC_BYTES);
      putI64(this.#messages.view, at + IOV_COUNT, 1);
      putI64(this.#messages.view, at + CONTROL, this.#controls.address + i * RECEIVE_CONTROL_BYTES);
    }
    this.#view = new DataView(this.#names.bytes.buffer);
  }

  /** Takes up to `most` messages: how many; or -errno: -EAGAIN, or what happened to a datagram sent. Hot. */
  receive(fd: number, most: number): number {
    const { view } = this.#messages;
    for (let i = 0; i < this.#written; i++) {
      const at = i * MESSAGE_BYTES;
      view.setUint32(at + NAME_LENGTH, SOCKADDR_BYTES, true);
      view.setUint32(at + CONTROL_LENGTH, RECEIVE_CONTROL_BYTES, true);
    }
    this.#written = 0;
    for (;;) {
      const count = recvmmsgCall(SYS_RECVMMSG, fd, this.#messages.address, most, MSG_DONTWAIT, 0);
      if (count >= 0) {
        this.#written = count;
        for (let i = 0; i < count; i++) this.#takeControl(i);
        return count;
      }
      const error = failure();
      if (error !== -Errno.EINTR) return error;
    }
  }

  dataOffset(i: number): number {
    return i * SLOT_STRIDE;
  }

  /** Bytes of message i, which may be 0. */
  length(i: number): number {
    return this.#messages.view.getUint32(i * MESSAGE_BYTES + RECEIVED, true);
  }

  /** Who sent message i: 4 or 6, its port, and the words of its address as they lie in memory; IPv4 has one. */
  family(i: number): 4 | 6 {
    return this.#view.getUint16(i * SOCKADDR_BYTES, true) === AF_INET ? 4 : 6;
  }

  port(i: number): number {
    return this.#view.getUint16(i * SOCKADDR_BYTES + 2);
  }

  addressWord(i: number, word: number): number {
    const at = i * SOCKADDR_BYTES + (this.family(i) === 4 ? 4 : 8);
    return this.#view.getUint32(at + 4 * word, true);
  }

  #takeControl(i: number): void {
    const { view } = this.#controls;
    const start = i * RECEIVE_CONTROL_BYTES;
    const end = start + this.#messages.view.getUint32(i * MESSAGE_BYTES + CONTROL_LENGTH, true);
    this.segments[i] = 0;
    this.drops[i] = 0;
    let at = start;
    while (at + CONTROL_HEADER_BYTES + 4 <= end) {
      const bytes = view.getUint32(at, true);
      if (bytes < CONTROL_HEADER_BYTES || at + bytes > end) return;
      const level = view.getInt32(at + 8, true);
      const type = view.getInt32(at + 12, true);
      const value = view.getUint32(at + CONTROL_HEADER_BYTES, true);
      if (level === SOL_UDP && type === UDP_GRO) this.segments[i] = value;
      else if (level === SOL_SOCKET && type === SO_RXQ_OVFL) this.drops[i] = value;
      at += (bytes + 7) & ~7;
    }
  }
}
