// tcp-listen: a listening socket, and the streams that the guest has posted for its connections (PROTOCOL.md section
// 12).
//
// Invariant: the listening socket is watched only while a stream is posted, so the host never accepts what it cannot
// give on (LSN-4). After an accept that failed for want of something it rests for a while and tries again (LSN-5).

import {
  Accept,
  Closed,
  ErrorReply,
  type FrameReader,
  type FrameWriter,
  formatEndpoint,
  formatIp,
  type InetAddress,
  ListenReply,
  ListenRequest,
  ProtocolError,
  type Refusal,
  Violation,
} from "@ringway/control";
import {
  type Accepted,
  accept,
  bind,
  closeFd,
  EPOLLIN,
  Errno,
  errnoMessage,
  errnoOf,
  listen,
  localAddress,
  setIpv6Only,
  setKeepAlive,
  setLingerZero,
  setNoDelay,
  setReuseAddress,
  tcpSocket,
} from "@ringway/linux";
import type { Relay } from "../guests/relay.ts";
import { type Stream, StreamState } from "../guests/stream.ts";
import { refusal } from "../policy/refusal.ts";
import { Counter } from "../reactor/counters.ts";
import type { EventSource } from "../reactor/reactor.ts";
import type { Timer } from "../reactor/timers.ts";
import type { RelayHost } from "./host.ts";
import type { ProtocolEntry } from "./protocol.ts";
import { KEEP_ALIVE, TcpRelay } from "./tcp-relay.ts";
import { unknownRequest } from "./unknown.ts";

/** How long a listener rests after an accept that failed on the host, in milliseconds. */
const ACCEPT_RETRY_MS = 100;
/** Connections accepted, and requests taken, in one step before others get their turn. */
const ACCEPT_BUDGET = 64;
/** Kernel's backlog where the guest asks for none, and at the most. */
const BACKLOG_DEFAULT = 128;
const BACKLOG_MAX = 4096;

export const TCP_LISTEN: ProtocolEntry<ListenRequest> = {
  judge({ matcher }, body) {
    const asked = ListenRequest.decode(body);
    const { address } = asked;
    const decision = matcher.listen(formatIp(address.address), address.port);
    return { asked, decision, what: formatEndpoint(address) };
  },
  open(host, stream, requestId, { asked: { address, backlog }, what }) {
    const fail = (errno: number): void =>
      stream.refuse(requestId, refusal(errno, `listen on ${what}: ${errnoMessage(errno)}`));
    const { budget } = stream.guest;
    const tooMany = budget.takeListener();
    if (tooMany !== undefined) {
      fail(tooMany.errno);
      return;
    }
    const fd = bound(address, backlog === 0 ? BACKLOG_DEFAULT : Math.min(backlog, BACKLOG_MAX));
    if (fd < 0) {
      budget.giveListener();
      fail(-fd);
      return;
    }
    let relay: TcpListenRelay;
    try {
      relay = new TcpListenRelay(host, stream, fd);
    } catch (error) {
      closeFd(fd);
      budget.giveListener();
      fail(errnoOf(error, Errno.ENOMEM));
      return;
    }
    // The relay first: it closes the socket, whatever the guest has done to the ring that Opened goes to.
    stream.become(relay);
    stream.opened(requestId, ListenReply.encode({ bound: localAddress(fd) }));
  },
};

/** A listening socket, or -errno. */
function bound(address: InetAddress, backlog: number): number {
  const fd = tcpSocket(address.family);
  if (fd < 0) return fd;
  let result = setReuseAddress(fd);
  if (result >= 0 && address.family === 6) result = setIpv6Only(fd);
  // Its connections have these from the first.
  if (result >= 0) result = setNoDelay(fd);
  if (result >= 0) result = setKeepAlive(fd, ...KEEP_ALIVE);
  if (result >= 0) result = setLingerZero(fd);
  if (result >= 0) result = bind(fd, address);
  if (result >= 0) result = listen(fd, backlog);
  if (result >= 0) return fd;
  closeFd(fd);
  return result;
}

class TcpListenRelay implements Relay, EventSource {
  readonly #host: RelayHost;
  readonly #stream: Stream;
  readonly #fd: number;
  readonly #slot: number;
  readonly #requests: FrameReader;
  readonly #replies: FrameWriter;
  /** In the order in which they are served, with the request id of each one's Accept. */
  readonly #posted: Map<Stream, number> = new Map();
  #watching = false;
  #resting: Timer | undefined;
  /** An Error frame that waits for room on the ring; no request is taken while it waits. */
  #reply: { requestId: number; payload: Uint8Array } | undefined;
  #disposed = false;

  constructor(host: RelayHost, stream: Stream, fd: number) {
    this.#host = host;
    this.#stream = stream;
    this.#fd = fd;
    this.#requests = stream.frames();
    this.#replies = stream.writer();
    this.#slot = host.reactor.watch(fd, 0, this);
  }

  onEvents(): void {
    this.#stream.run();
  }

  step(): boolean {
    const { pipe } = this.#stream;
    for (let budget = ACCEPT_BUDGET; this.#flush(); budget--) {
      if (budget === 0) return true;
      // Before the ring: what was put before END is there once END is seen (RING-6).
      const closed = pipe.toHost.peerClosed();
      const frame = this.#requests.next(this.#stream.signal);
      if (frame === undefined) {
        if (closed === Closed.OPEN) break;
        if (closed === Closed.END) this.#requests.end();
        this.#stream.end();
        return false;
      }
      if (frame.type === Accept.type) {
        const { id, generation } = Accept.decode(frame.payload);
        this.#post(id, generation, frame.requestId);
        // What was found on the other stream may have been the guest's end.
        if (this.#disposed) return false;
      } else {
        this.#fail(frame.requestId, unknownRequest(frame.type));
      }
    }
    return this.#acceptAll();
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    const { budget } = this.#stream.guest;
    budget.giveListener();
    const { reactor } = this.#host;
    reactor.cancel(this.#resting);
    reactor.unwatch(this.#slot);
    closeFd(this.#fd);
    const posted = [...this.#posted.keys()];
    this.#posted.clear();
    for (const stream of posted) {
      budget.giveAccept();
      if (stream.state === StreamState.POSTED) stream.reset();
    }
  }

  drain(): void {
    this.#stream.end();
  }

  /** A posted stream that its guest has closed before a connection came (LSN-3). */
  withdraw(stream: Stream): void {
    if (this.#posted.delete(stream)) this.#stream.guest.budget.giveAccept();
  }

  #post(id: number, generation: number, requestId: number): void {
    const stream = this.#stream.find(id, generation);
    if (stream === undefined) {
      this.#fail(requestId, refusal(Errno.EBADF, `stream ${id} is not open with generation ${generation}`));
    } else if (!isFresh(stream)) {
      this.#fail(requestId, refusal(Errno.EINVAL, `stream ${id} is not fresh`));
    } else {
      const tooMany = this.#stream.guest.budget.takeAccept();
      if (tooMany !== undefined) {
        this.#fail(requestId, tooMany);
        return;
      }
      stream.posted(new PostedRelay(stream, this));
      this.#posted.set(stream, requestId);
    }
  }

  /** Gives connections to posted streams. True: the budget is used. */
  #acceptAll(): boolean {
    if (this.#resting !== undefined) return false;
    const { guest } = this.#stream;
    for (let budget = ACCEPT_BUDGET; this.#anyPosted(); budget--) {
      if (budget === 0) return true;
      const accepted = guest.budget.mayHaveConnection ? accept(this.#fd) : -Errno.EMFILE;
      if (accepted === -Errno.EAGAIN) break;
      if (typeof accepted === "number") {
        // ECONNABORTED and its like are the connection's own end; the rest is the host's want of something.
        if (accepted === -Errno.ECONNABORTED || accepted === -Errno.EPROTO) continue;
        this.#rest(-accepted);
        return false;
      }
      this.#give(accepted);
    }
    if (!this.#disposed) this.#watch(this.#posted.size > 0);
    return false;
  }

  /** Is there a stream to give a connection to? Those that their guest has closed meanwhile are skipped (LSN-3). */
  #anyPosted(): boolean {
    for (const stream of this.#posted.keys()) {
      let open = false;
      stream.guard(() => {
        open = stream.pipe.toHost.peerClosed() === Closed.OPEN;
      });
      if (open) return true;
      // Closing withdraws it from here.
      if (stream.state === StreamState.POSTED) stream.end();
    }
    return false;
  }

  /** Also where the peer has broken it meanwhile: what it had sent is the guest's, as it is any server's. */
  #give({ fd, peer }: Accepted): void {
    const endpoints = { local: localAddress(fd), peer };
    const [stream, requestId] = this.#posted.entries().next().value!;
    this.withdraw(stream);
    this.#host.counters.add(Counter.accepted);
    let relay: TcpRelay;
    try {
      relay = new TcpRelay(this.#host, stream, fd);
    } catch {
      closeFd(fd);
      stream.reset();
      return;
    }
    stream.become(relay);
    stream.incoming(requestId, endpoints);
    stream.later();
  }

  #rest(errno: number): void {
    this.#host.counters.add(Counter.acceptFailures);
    const reason = `accept failed, trying again: ${errnoMessage(errno)}`;
    this.#stream.guest.reports.warn(reason);
    this.#fail(0, refusal(errno, reason));
    this.#flush();
    this.#watch(false);
    this.#resting = this.#host.reactor.after(ACCEPT_RETRY_MS, () => {
      this.#resting = undefined;
      this.#stream.run();
    });
  }

  #watch(on: boolean): void {
    if (this.#watching === on) return;
    this.#watching = on;
    this.#host.reactor.modify(this.#fd, on ? EPOLLIN : 0, this.#slot);
  }

  #fail(requestId: number, refusal: Refusal): void {
    // A report that nobody asked for is not worth holding requests up.
    if (this.#reply !== undefined && requestId === 0) return;
    this.#reply = { requestId, payload: ErrorReply.encode(this.#stream.guest.reports.answer(refusal)) };
  }

  /** Sends the reply that waits. False: there is no room yet. */
  #flush(): boolean {
    const reply = this.#reply;
    if (reply === undefined) return true;
    const { toGuest } = this.#stream.pipe;
    for (;;) {
      if (this.#replies.write(ErrorReply.type, reply.requestId, reply.payload, this.#stream.signal)) break;
      if (toGuest.abandoned()) break;
      if (!toGuest.wantSpace(reply.payload.length + 12)) return false;
    }
    toGuest.unwantSpace();
    this.#reply = undefined;
    return true;
  }
}

/** Is it one that nothing was put on? A violation that is found there is that stream's, and not its listener's. */
function isFresh(stream: Stream): boolean {
  let fresh = false;
  stream.guard(() => {
    fresh = stream.state === StreamState.FRESH && stream.pipe.toHost.readable() === 0;
  });
  return fresh;
}

/** A stream that waits for a connection: the guest may do nothing with it but close it (STR: POSTED). */
class PostedRelay implements Relay {
  readonly #stream: Stream;
  readonly #listener: TcpListenRelay;

  constructor(stream: Stream, listener: TcpListenRelay) {
    this.#stream = stream;
    this.#listener = listener;
  }

  step(): boolean {
    const { toHost } = this.#stream.pipe;
    if (toHost.peerClosed() !== Closed.OPEN) {
      this.#listener.withdraw(this.#stream);
      this.#stream.end();
    } else if (toHost.readable() > 0) {
      throw new ProtocolError(
        Violation.STREAM_STATE,
        "LSN-3",
        "bytes on a stream that waits for a connection",
      );
    }
    return false;
  }

  dispose(): void {
    this.#listener.withdraw(this.#stream);
  }
}
