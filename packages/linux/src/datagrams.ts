// Datagrams to the kernel, many with one system call (sendmmsg(2)), straight out of memory: add() one after the other,
// and flush() hands them over. Those of one size that go to one peer and follow each other are one message of the
// kernel's (UDP_SEGMENT), which makes datagrams of it again where that costs least: at the card, or at the peer's
// socket. What comes is in datagram-inbox.ts.
//
// One batch serves all sockets of a thread: nothing stays in it between two calls. Both go through syscall(2): where
// libc wraps these calls at all, it may make one call for each message.

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
  SOCKADDR_BYTES,
  SOL_UDP,
} from "./datagram-layout.ts";
import { Errno } from "./errno.ts";
import { failure, isX64, putI64, type Scratch, scratch, syscall } from "./libc.ts";
import { AF_INET, AF_INET6 } from "./open-socket.ts";

const sendmmsgCall = syscall(["int", "uintptr_t", "uint32_t", "int"]);
const SYS_SENDMMSG = isX64 ? 307 : 269;
const MSG_NOSIGNAL = 0x4000;
const UDP_SEGMENT = 103;
/** One u16, with its header and padding. */
const SEGMENT_CONTROL_BYTES = 24;
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

/** Places of the words that a batch writes, in 4 bytes from the start of a message or an iovec. */
const WORD = {
  message: MESSAGE_BYTES / 4,
  nameLength: NAME_LENGTH / 4,
  iov: IOV / 4,
  iovCount: IOV_COUNT / 4,
  controlLength: CONTROL_LENGTH / 4,
  iovec: IOVEC_BYTES / 4,
} as const;

/**
 * What is the same for all batches is in the messages from the beginning: their places for names and controls, which
 * count where their lengths are not 0. Addresses are written as two words, of which the array takes the low 32 bits
 * each: a DataView, or a bigint, would cost more.
 */
export class DatagramBatch {
  /** Most datagrams at a time. */
  readonly capacity: number;
  readonly #messages: Scratch;
  readonly #iovecs: Scratch;
  readonly #controls: Scratch;
  readonly #names: Scratch;
  readonly #messageWords: Uint32Array;
  readonly #iovecWords: Uint32Array;
  /** For each message: its datagrams, their size, and all bytes. */
  readonly #counts: Int32Array;
  readonly #sizes: Int32Array;
  readonly #bytes: Int32Array;
  #added = 0;
  #used = 0;
  #pieces = 0;
  // Of the last message, which others may join: what the arrays will say of it, its first piece, and whose it is. At
  // most #joins bytes may join: a shorter one is the last.
  #count = 0;
  #size = 0;
  #total = 0;
  #joins = 0;
  #firstPiece = 0;
  #peer: DatagramPeer | undefined;
  /** Why flush() took no more: 0, or -errno of the datagram that comes next. */
  error = 0;
  /** Of the datagrams that the last flush() handed over, the bytes. */
  sentBytes = 0;
  /** After an error: the size of the datagrams that the kernel does not take as one; 0: it was a single one. */
  joined = 0;

  constructor(capacity = 128) {
    this.capacity = capacity;
    this.#messages = scratch(capacity * MESSAGE_BYTES);
    this.#iovecs = scratch(2 * capacity * IOVEC_BYTES);
    this.#controls = scratch(capacity * SEGMENT_CONTROL_BYTES);
    this.#names = scratch(capacity * SOCKADDR_BYTES);
    this.#messageWords = new Uint32Array(this.#messages.bytes.buffer);
    this.#iovecWords = new Uint32Array(this.#iovecs.bytes.buffer);
    this.#counts = new Int32Array(capacity);
    this.#sizes = new Int32Array(capacity);
    this.#bytes = new Int32Array(capacity);
    const { view } = this.#controls;
    for (let i = 0; i < capacity; i++) {
      const at = i * SEGMENT_CONTROL_BYTES;
      view.setUint32(at, CONTROL_HEADER_BYTES + 2, true);
      view.setInt32(at + 8, SOL_UDP, true);
      view.setInt32(at + 12, UDP_SEGMENT, true);
      putI64(this.#messages.view, i * MESSAGE_BYTES, this.#names.address + i * SOCKADDR_BYTES);
      putI64(this.#messages.view, i * MESSAGE_BYTES + CONTROL, this.#controls.address + at);
    }
  }

  /** How many were added since begin(). */
  get added(): number {
    return this.#added;
  }

  /** How many messages of the kernel's these are. */
  get messages(): number {
    return this.#used;
  }

  begin(): void {
    this.#added = 0;
    this.#used = 0;
    this.#pieces = 0;
    this.#joins = 0;
    this.#peer = undefined;
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
    if (this.#mayJoin(total, peer, joinBytes) > 0) this.#join(total, 1);
    else this.#open(total, peer, joinBytes);
    this.#piece(address, bytes);
    if (bytes2 > 0) this.#piece(address2, bytes2);
    this.#added++;
  }

  /**
   * add() of `count` datagrams of one size, each in one piece, which begin `stride` bytes after one another. Hot: they
   * cost little more than their addresses.
   */
  addRun(
    address: number,
    bytes: number,
    stride: number,
    count: number,
    peer: DatagramPeer | undefined,
    joinBytes: number,
  ): void {
    for (let done = 0; done < count; ) {
      let some = Math.min(count - done, this.#mayJoin(bytes, peer, joinBytes));
      if (some > 0) this.#join(bytes, some);
      else {
        this.#open(bytes, peer, joinBytes);
        some = 1;
      }
      this.#piecesOf(address + done * stride, bytes, stride, some);
      done += some;
    }
    this.#added += count;
  }

  /**
   * Hands over what was added, in order: how many datagrams the kernel took; where that is not all, `error` says why
   * the next one was not. -EAGAIN: later. Where `joined` is set datagrams did not go as one: the caller adds them again
   * with no higher a `joinBytes`. Hot.
   */
  flush(fd: number): number {
    this.error = 0;
    this.sentBytes = 0;
    if (this.#used > 0) this.#close();
    let sent = 0;
    let datagrams = 0;
    while (sent < this.#used) {
      const at = this.#messages.address + sent * MESSAGE_BYTES;
      const flags = MSG_DONTWAIT | MSG_NOSIGNAL;
      const count = sendmmsgCall(SYS_SENDMMSG, fd, at, this.#used - sent, flags);
      if (count < 0) {
        const error = failure();
        if (error === -Errno.EINTR) continue;
        this.error = error;
        this.joined = this.#counts[sent]! > 1 && NOT_AS_ONE.has(error) ? this.#sizes[sent]! : 0;
        return datagrams;
      }
      for (let i = 0; i < count; i++, sent++) {
        datagrams += this.#counts[sent]!;
        this.sentBytes += this.#bytes[sent]!;
      }
    }
    return datagrams;
  }

  /** How many datagrams of this size may join the last message. */
  #mayJoin(bytes: number, peer: DatagramPeer | undefined, joinBytes: number): number {
    if (bytes === 0 || bytes > this.#joins || bytes >= joinBytes || this.#peer !== peer) return 0;
    const most = Math.min(SEGMENTS_MAX - this.#count, Math.trunc((MESSAGE_BYTES_MAX - this.#total) / bytes));
    return bytes < this.#size ? Math.min(most, 1) : most;
  }

  #join(bytes: number, datagrams: number): void {
    this.#count += datagrams;
    this.#total += datagrams * bytes;
    if (bytes < this.#size) this.#joins = 0;
  }

  /** The next message, with the first datagram of it. */
  #open(total: number, peer: DatagramPeer | undefined, joinBytes: number): void {
    if (this.#used > 0) this.#close();
    const index = this.#used++;
    const words = this.#messageWords;
    const message = index * WORD.message;
    if (peer === undefined) words[message + WORD.nameLength] = 0;
    else {
      this.#names.bytes.set(peer.sockaddr, index * SOCKADDR_BYTES);
      words[message + WORD.nameLength] = peer.sockaddrBytes;
    }
    const iov = this.#iovecs.address + this.#pieces * IOVEC_BYTES;
    words[message + WORD.iov] = iov;
    words[message + WORD.iov + 1] = iov / 2 ** 32;
    this.#peer = peer;
    this.#firstPiece = this.#pieces;
    this.#count = 1;
    this.#size = total;
    this.#total = total;
    this.#joins = total < joinBytes ? total : 0;
  }

  /** The last message is complete. */
  #close(): void {
    const index = this.#used - 1;
    const words = this.#messageWords;
    const message = index * WORD.message;
    const isTrain = this.#count > 1;
    words[message + WORD.iovCount] = this.#pieces - this.#firstPiece;
    words[message + WORD.controlLength] = isTrain ? SEGMENT_CONTROL_BYTES : 0;
    if (isTrain) {
      const control = index * SEGMENT_CONTROL_BYTES;
      this.#controls.view.setUint16(control + CONTROL_HEADER_BYTES, this.#size, true);
    }
    this.#counts[index] = this.#count;
    this.#sizes[index] = this.#size;
    this.#bytes[index] = this.#total;
  }

  #piece(address: number, bytes: number): void {
    const words = this.#iovecWords;
    const at = this.#pieces++ * WORD.iovec;
    words[at] = address;
    words[at + 1] = address / 2 ** 32;
    words[at + 2] = bytes;
  }

  #piecesOf(address: number, bytes: number, stride: number, count: number): void {
    const words = this.#iovecWords;
    let at = this.#pieces * WORD.iovec;
    for (let i = 0; i < count; i++, at += WORD.iovec) {
      const from = address + i * stride;
      words[at] = from;
      words[at + 1] = from / 2 ** 32;
      words[at + 2] = bytes;
    }
    this.#pieces += count;
  }
}
