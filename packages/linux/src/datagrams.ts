// Datagrams to the kernel and from it, many with one system call (sendmmsg(2), recvmmsg(2)), straight out of memory
// and into it.
//
//   DatagramBatch   add() one after the other; flush() hands them over. Those of one size that go to one peer and
//                   follow each other are one message of the kernel's (UDP_SEGMENT), which makes datagrams of it again
//                   where that costs least: at the card, or at the peer's socket.
//   DatagramInbox   receive() takes what is there. The kernel gives datagrams of one size of one sender as one train
//                   (UDP_GRO) where the socket was told so; it is never larger than one datagram could be.
//
// One of each serves all sockets of a thread: nothing stays in them between two calls. Both go through syscall(2):
// where libc wraps these calls at all, it may make one call for each message.

import { Errno } from "./errno.ts";
import { failure, isX64, putI64, type Scratch, scratch, syscall } from "./libc.ts";
import { AF_INET, AF_INET6 } from "./open-socket.ts";

const sendmmsgCall = syscall(["int", "uintptr_t", "uint32_t", "int"]);
const recvmmsgCall = syscall(["int", "uintptr_t", "uint32_t", "int", "uintptr_t"]);

const SYS = { recvmmsg: isX64 ? 299 : 243, sendmmsg: isX64 ? 307 : 269 };

const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const SOL_SOCKET = 1;
const SO_RXQ_OVFL = 40;
const SOL_UDP = 17;
const UDP_SEGMENT = 103;
const UDP_GRO = 104;

// struct mmsghdr: msghdr 56 (name ptr 0 | name length u32 8 | iov ptr 16 | iov count u64 24 | control ptr 32 |
//                 control bytes u64 40 | flags i32 48) | bytes received u32 56                     = 64
const MESSAGE_BYTES = 64;
const NAME_LENGTH = 8;
const IOV = 16;
const IOV_COUNT = 24;
const CONTROL = 32;
const CONTROL_LENGTH = 40;
const RECEIVED = 56;
const IOVEC_BYTES = 16;
const CONTROL_HEADER_BYTES = 16;
/** One u16, with its header and padding. */
const SEGMENT_CONTROL_BYTES = 24;
/** Two words, each with header and padding. */
const RECEIVE_CONTROL_BYTES = 48;

/** struct sockaddr_in6, which is the larger, rounded up. */
export const SOCKADDR_BYTES = 32;
const SOCKADDR_IN_BYTES = 16;
const SOCKADDR_IN6_BYTES = 28;

/** Most datagrams in one message of the kernel's, and most bytes. */
const SEGMENTS_MAX = 64;
const MESSAGE_BYTES_MAX = 65_000;

/** Where datagrams go: a struct sockaddr, in `words` of it. A new object for each peer, or none: a connected socket. */
export interface DatagramPeer {
  readonly sockaddr: Uint8Array;
  /** Of sockaddr, what counts. */
  readonly sockaddrBytes: number;
}

/** `address` has 4 or 16 bytes. */
export function datagramPeer(address: Uint8Array, port: number): DatagramPeer {
  const sockaddr = new Uint8Array(SOCKADDR_BYTES);
  const isFour = address.length === 4;
  sockaddr[0] = isFour ? AF_INET : AF_INET6;
  sockaddr[2] = port >>> 8;
  sockaddr[3] = port;
  sockaddr.set(address, isFour ? 4 : 8);
  return { sockaddr, sockaddrBytes: isFour ? SOCKADDR_IN_BYTES : SOCKADDR_IN6_BYTES };
}

/** What the kernel says where it, or the way to a peer, has no UDP_SEGMENT for datagrams of this size. */
const NOT_AS_ONE: ReadonlySet<number> = new Set([
  -Errno.EINVAL,
  -Errno.EMSGSIZE,
  -Errno.EIO,
  -Errno.EOPNOTSUPP,
  -Errno.ENOPROTOOPT,
]);

export class DatagramBatch {
  /** Most datagrams at a time. */
  readonly capacity: number;
  readonly #messages: Scratch;
  readonly #iovecs: Scratch;
  readonly #controls: Scratch;
  readonly #names: Scratch;
  /** For each message: its datagrams, their size, whether the last was a shorter one, and all bytes. */
  readonly #counts: Int32Array;
  readonly #segments: Int32Array;
  readonly #closed: Uint8Array;
  readonly #bytes: Int32Array;
  #added = 0;
  #used = 0;
  #pieces = 0;
  #lastPeer: DatagramPeer | undefined;
  /** Why flush() took no more: 0, or -errno of the datagram that comes next. */
  error = 0;
  /** Of the datagrams that the last flush() handed over, the bytes. */
  sentBytes = 0;
  /** After an error: the size of the datagrams that the kernel does not take as one; 0: it was a single one. */
  joined = 0;

  constructor(capacity = 64) {
    this.capacity = capacity;
    this.#messages = scratch(capacity * MESSAGE_BYTES);
    this.#iovecs = scratch(2 * capacity * IOVEC_BYTES);
    this.#controls = scratch(capacity * SEGMENT_CONTROL_BYTES);
    this.#names = scratch(capacity * SOCKADDR_BYTES);
    this.#counts = new Int32Array(capacity);
    this.#segments = new Int32Array(capacity);
    this.#closed = new Uint8Array(capacity);
    this.#bytes = new Int32Array(capacity);
    const { view } = this.#controls;
    for (let at = 0; at < capacity * SEGMENT_CONTROL_BYTES; at += SEGMENT_CONTROL_BYTES) {
      view.setUint32(at, CONTROL_HEADER_BYTES + 2, true);
      view.setInt32(at + 8, SOL_UDP, true);
      view.setInt32(at + 12, UDP_SEGMENT, true);
    }
  }

  /** How many were added since begin(). */
  get added(): number {
    return this.#added;
  }

  begin(): void {
    this.#added = 0;
    this.#used = 0;
    this.#pieces = 0;
    this.#lastPeer = undefined;
  }

  /**
   * One datagram, in one piece of memory or in two (`bytes2` is 0 where it is one); no more than `capacity` in all.
   * Below `joinBytes` it may go as one message with those before it. The memory stays as it is until flush(). Hot.
   */
  add(
    address: number,
    bytes: number,
    address2: number,
    bytes2: number,
    peer: DatagramPeer | undefined,
    joinBytes: number,
  ): void {
    const total = bytes + bytes2;
    const last = this.#used - 1;
    const joins =
      last >= 0 &&
      total > 0 &&
      total < joinBytes &&
      this.#lastPeer === peer &&
      this.#closed[last] === 0 &&
      total <= this.#segments[last]! &&
      this.#counts[last]! < SEGMENTS_MAX &&
      this.#bytes[last]! + total <= MESSAGE_BYTES_MAX;
    if (joins) {
      this.#counts[last]!++;
      this.#bytes[last]! += total;
      if (total < this.#segments[last]!) this.#closed[last] = 1;
    } else this.#begin(total, peer, joinBytes);
    this.#piece(address, bytes);
    if (bytes2 > 0) this.#piece(address2, bytes2);
    this.#added++;
  }

  /**
   * Hands over what was added, in order: how many datagrams the kernel took; where that is not all, `error` says why
   * the next one was not. -EAGAIN: later. Where `joined` is set datagrams did not go as one: the caller adds them again
   * with no higher a `joinBytes`. Hot.
   */
  flush(fd: number): number {
    this.error = 0;
    this.sentBytes = 0;
    let sent = 0;
    let datagrams = 0;
    while (sent < this.#used) {
      const at = this.#messages.address + sent * MESSAGE_BYTES;
      const flags = MSG_DONTWAIT | MSG_NOSIGNAL;
      const count = sendmmsgCall(SYS.sendmmsg, fd, at, this.#used - sent, flags);
      if (count < 0) {
        const error = failure();
        if (error === -Errno.EINTR) continue;
        this.error = error;
        this.joined = this.#counts[sent]! > 1 && NOT_AS_ONE.has(error) ? this.#segments[sent]! : 0;
        return datagrams;
      }
      for (let i = 0; i < count; i++, sent++) {
        datagrams += this.#counts[sent]!;
        this.sentBytes += this.#bytes[sent]!;
      }
    }
    return datagrams;
  }

  #begin(total: number, peer: DatagramPeer | undefined, joinBytes: number): void {
    const index = this.#used++;
    const { view } = this.#messages;
    const at = index * MESSAGE_BYTES;
    const name = index * SOCKADDR_BYTES;
    if (peer === undefined) {
      putI64(view, at, 0);
      view.setUint32(at + NAME_LENGTH, 0, true);
    } else {
      this.#names.bytes.set(peer.sockaddr, name);
      putI64(view, at, this.#names.address + name);
      view.setUint32(at + NAME_LENGTH, peer.sockaddrBytes, true);
    }
    putI64(view, at + IOV, this.#iovecs.address + this.#pieces * IOVEC_BYTES);
    putI64(view, at + IOV_COUNT, 0);
    putI64(view, at + CONTROL, 0);
    putI64(view, at + CONTROL_LENGTH, 0);
    this.#lastPeer = peer;
    this.#counts[index] = 1;
    this.#segments[index] = total;
    this.#bytes[index] = total;
    this.#closed[index] = total > 0 && total < joinBytes ? 0 : 1;
  }

  #piece(address: number, bytes: number): void {
    const { view } = this.#iovecs;
    const at = this.#pieces++ * IOVEC_BYTES;
    putI64(view, at, address);
    putI64(view, at + 8, bytes);
    const index = this.#used - 1;
    const message = index * MESSAGE_BYTES;
    const { view: messages } = this.#messages;
    messages.setUint32(message + IOV_COUNT, messages.getUint32(message + IOV_COUNT, true) + 1, true);
    if (this.#counts[index] !== 2 || messages.getUint32(message + CONTROL_LENGTH, true) !== 0) return;
    const control = index * SEGMENT_CONTROL_BYTES;
    this.#controls.view.setUint16(control + CONTROL_HEADER_BYTES, this.#segments[index]!, true);
    putI64(messages, message + CONTROL, this.#controls.address + control);
    putI64(messages, message + CONTROL_LENGTH, SEGMENT_CONTROL_BYTES);
  }
}

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

  constructor(capacity = 32) {
    this.capacity = capacity;
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
    for (let i = 0; i < most; i++) {
      const at = i * MESSAGE_BYTES;
      view.setUint32(at + NAME_LENGTH, SOCKADDR_BYTES, true);
      view.setUint32(at + CONTROL_LENGTH, RECEIVE_CONTROL_BYTES, true);
    }
    for (;;) {
      const count = recvmmsgCall(SYS.recvmmsg, fd, this.#messages.address, most, MSG_DONTWAIT, 0);
      if (count >= 0) {
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
