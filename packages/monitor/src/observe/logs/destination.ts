// Where lines go, as the writing thread sees it: never a wait that it did not ask for, where Linux lets us.
//
//   a file          write(2), which waits for its disk: nothing else can be had
//   a socket        send(2) with MSG_DONTWAIT
//   a pipe, a tty   O_NONBLOCK, but on a description of our own: the flag of the one that we were given is everybody's
//                   who shares it. Where none can be had (it is another user's), poll(2) comes first
//
// Nobody else's bytes come between those of a line: to a pipe, whole lines go in pieces of PIPE_BUF, as far as they are
// shorter.

import {
  AT_FDCWD,
  closeFd,
  Errno,
  fstat,
  OpenFlags,
  openat2,
  POLLOUT,
  PollSet,
  send,
  write,
} from "@ringway/linux";

/** Read and written by the owner alone. */
const MODE = 0o600;
/** A write of this much to a pipe is all or nothing. */
const PIPE_BUF = 4096;
const FILE_PIECE_BYTES = 64 * 1024;

/** O_NONBLOCK: a fifo that nobody reads is ENXIO, not a wait. */
const FLAGS =
  OpenFlags.WRITE_ONLY | OpenFlags.APPEND | OpenFlags.NON_BLOCKING | OpenFlags.NO_CONTROLLING_TERMINAL;

export class Destination {
  /** Whole lines of this many bytes are written at once. */
  readonly pieceBytes: number;
  readonly #fd: number;
  readonly #ready: PollSet;
  #way: "send" | "write" | "poll first";

  private constructor(fd: number, way: "send" | "write" | "poll first", pieceBytes: number) {
    this.#fd = fd;
    this.#way = way;
    this.pieceBytes = pieceBytes;
    this.#ready = new PollSet([{ fd, events: POLLOUT }]);
  }

  /** The file, made where it is not there, or -errno. */
  static open(path: string): Destination | number {
    const fd = openat2(AT_FDCWD, path, FLAGS | OpenFlags.CREATE, MODE, 0);
    return fd < 0 ? fd : Destination.#nonBlocking(fd);
  }

  /** What `fd` names, which is this object's from now on. */
  static of(fd: number): Destination {
    if (isFile(fd)) return new Destination(fd, "write", FILE_PIECE_BYTES);
    const own = openat2(AT_FDCWD, `/proc/self/fd/${fd}`, FLAGS, 0, 0);
    // A socket cannot be opened (ENXIO), and takes send().
    if (own < 0) return new Destination(fd, "send", PIPE_BUF);
    closeFd(fd);
    return Destination.#nonBlocking(own);
  }

  static #nonBlocking(fd: number): Destination {
    return new Destination(fd, "write", isFile(fd) ? FILE_PIECE_BYTES : PIPE_BUF);
  }

  /** Bytes written, perhaps fewer than asked, or -errno: -EAGAIN where it would have had to wait. */
  write(address: number, length: number): number {
    if (this.#way === "send") {
      const sent = send(this.#fd, address, length);
      if (sent !== -Errno.ENOTSOCK) return sent;
      this.#way = "poll first";
    }
    if (this.#way === "poll first" && this.#ready.wait(0) === 0) return -Errno.EAGAIN;
    return write(this.#fd, address, length);
  }

  /** Waits until it takes more, or is broken. */
  wait(timeoutMs: number): void {
    this.#ready.wait(timeoutMs);
  }

  close(): void {
    closeFd(this.#fd);
  }
}

function isFile(fd: number): boolean {
  const stat = fstat(fd);
  return typeof stat !== "number" && stat.kind === "file";
}
