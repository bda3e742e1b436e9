// TCP by descriptor, for what node:net cannot say: to close with bytes unread, to look at what the kernel holds, to
// send until it takes no more. Calls never wait; what must be waited for is asked for again.

import {
  accept,
  bind,
  closeFd,
  connect,
  Errno,
  type InetAddress,
  inq,
  listen,
  localAddress,
  outq,
  recv,
  scratch,
  send,
  setReuseAddress,
  shutdownWrite,
  socketError,
  tcpSocket,
} from "@ringway/linux";
import { pattern } from "./bytes.ts";
import { until } from "./wait.ts";

const memory = scratch(256 * 1024);

const loopback = (port: number): InetAddress => ({ family: 4, port, address: Uint8Array.of(127, 0, 0, 1) });

/** Until it broke or ended: what came, and how. */
export interface Heard {
  readonly bytes: Buffer;
  readonly how: "end" | "reset";
}

export class FdSocket {
  readonly fd: number;
  #open = true;
  /** A send() had the pending error: recv() will say that it ended. */
  #broken = false;

  constructor(fd: number) {
    this.fd = fd;
  }

  static async connect(port: number): Promise<FdSocket> {
    const socket = new FdSocket(tcpSocket(4));
    const started = connect(socket.fd, loopback(port));
    if (started < 0 && started !== -Errno.EINPROGRESS) throw new Error(`connect: errno ${-started}`);
    await until("a connection", () => localAddress(socket.fd).port !== 0 && socketError(socket.fd) === 0);
    return socket;
  }

  /** Gives the kernel all of `bytes`; false: the peer takes no more. */
  async send(bytes: Uint8Array, timeoutMs?: number): Promise<boolean> {
    for (let at = 0; at < bytes.length; ) {
      const sent = await until(
        "room in a socket",
        () => {
          const part = bytes.subarray(at, at + memory.bytes.length);
          memory.bytes.set(part);
          const count = send(this.fd, memory.address, part.length);
          return count === -Errno.EAGAIN ? undefined : count;
        },
        timeoutMs,
      );
      if (sent < 0) {
        this.#broken = sent === -Errno.ECONNRESET;
        return false;
      }
      at += sent;
    }
    return true;
  }

  /** As much as all buffers on the way take while nobody reads; what was sent. */
  async sendUntilFull(): Promise<Buffer> {
    const bytes = pattern(memory.bytes.length, 93);
    const chunks: Buffer[] = [];
    for (let stuckMs = 0; stuckMs < 300; ) {
      memory.bytes.set(bytes);
      const count = send(this.fd, memory.address, bytes.length);
      if (count > 0) chunks.push(bytes.subarray(0, count));
      if (count > 0) stuckMs = 0;
      else stuckMs += 20;
      if (count <= 0) await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return Buffer.concat(chunks);
  }

  async readExactly(bytes: number): Promise<void> {
    for (let left = bytes; left > 0; ) {
      left -= await until(`${left} more bytes`, () => {
        const got = recv(this.fd, memory.address, Math.min(left, memory.bytes.length));
        if (got === 0 || (got < 0 && got !== -Errno.EAGAIN)) throw new Error(`recv gave ${got}`);
        return got > 0 ? got : undefined;
      });
    }
  }

  async hear(timeoutMs = 5000): Promise<Heard> {
    const chunks: Buffer[] = [];
    for (;;) {
      // Copied at once: others receive into the same memory.
      const { count, bytes } = await until(
        "bytes, or their end",
        () => {
          const count = recv(this.fd, memory.address, memory.bytes.length);
          if (count === -Errno.EAGAIN) return undefined;
          return { count, bytes: Buffer.from(memory.bytes.subarray(0, Math.max(count, 0))) };
        },
        timeoutMs,
      );
      if (count > 0) chunks.push(bytes);
      else return { bytes: Buffer.concat(chunks), how: count === 0 && !this.#broken ? "end" : "reset" };
    }
  }

  endSending(): void {
    shutdownWrite(this.fd);
  }

  /** Closes; with bytes unread, which is waited for, the kernel sends RST instead of FIN. */
  async closeUnread(): Promise<void> {
    await until("bytes that nobody reads", () => inq(this.fd) > 0);
    this.close();
  }

  close(): void {
    if (this.#open) closeFd(this.fd);
    this.#open = false;
  }
}

export class FdServer implements Disposable {
  readonly port: number;
  readonly #fd: number;

  constructor(port = 0) {
    this.#fd = tcpSocket(4);
    setReuseAddress(this.#fd);
    if (bind(this.#fd, loopback(port)) < 0 || listen(this.#fd, 4096) < 0) throw new Error(`no port ${port}`);
    this.port = localAddress(this.#fd).port;
  }

  async accept(): Promise<FdSocket> {
    return await until("a connection", () => {
      const got = accept(this.#fd);
      return typeof got === "number" ? undefined : new FdSocket(got.fd);
    });
  }

  [Symbol.dispose](): void {
    closeFd(this.#fd);
  }
}

/** Of what was sent, how many bytes the other end's kernel has for sure. */
export const acknowledged = (socket: FdSocket, sent: Uint8Array): number => sent.length - outq(socket.fd);

/** What a client uploads; what a server that has seen enough of it answers. */
export const UPLOAD: Buffer = pattern(300_000, 91);
export const HEAD_BYTES = 1000;
export const REPLY: Buffer = pattern(65_000, 92);
/** Each claim about what is lost to a race is made so often. */
export const ROUNDS = 20;

/** Reads the head of what comes, answers, and closes with the rest unread. */
export async function answerEarly(socket: FdSocket, reply: Uint8Array = REPLY): Promise<void> {
  await socket.readExactly(HEAD_BYTES);
  await socket.send(reply);
  await socket.closeUnread();
}

/** What a program hears that is connected to such a server directly. */
export async function heardDirectly(reply: Uint8Array = REPLY): Promise<Heard> {
  using server = new FdServer();
  const client = await FdSocket.connect(server.port);
  const answered = server.accept().then((socket) => answerEarly(socket, reply));
  await client.send(UPLOAD);
  const heard = await client.hear();
  await answered;
  client.close();
  return heard;
}
