// A UDP socket and a pipe: udp-connect, and udp-bind (PROTOCOL.md section 16).
//
//   OPEN ── the guest's END, and all before it is taken and answered ──▶ over, in order
//    ├───── RESET ──▶ over at once
//    ├───── a connected one that nobody used for a while ──▶ UdpError ETIMEDOUT, over in order (UDP-14)
//    └───── the guest's bytes are used up ──▶ UdpError EDQUOT, over in order (LIM-3)
//
// The socket is watched edge-triggered, for what comes; for room to send only while it has none, since UDP tells of
// that with every datagram that has left. What is remembered of an edge is cleared by EAGAIN alone, or a short count.

import { performance } from "node:perf_hooks";
import {
  Closed,
  type FrameReader,
  formatEndpoint,
  type InetAddress,
  Protocol,
  type Refusal,
} from "@ringway/control";
import { closeFd, EPOLLERR, EPOLLET, EPOLLIN, EPOLLOUT, Errno } from "@ringway/linux";
import { Price } from "../../accounts/prices.ts";
import { ALL_USED } from "../../guests/network-budget.ts";
import type { Relay } from "../../guests/relay.ts";
import type { Stream } from "../../guests/stream.ts";
import { refusal } from "../../policy/refusal.ts";
import type { EventSource } from "../../reactor/reactor.ts";
import type { Timer } from "../../reactor/timers.ts";
import type { RelayHost } from "../host.ts";
import { Answers } from "./answers.ts";
import { Incoming } from "./incoming.ts";
import { UdpLoan } from "./loan.ts";
import { Outgoing, Taken } from "./outgoing.ts";
import { idleMs, Peers } from "./peers.ts";
import { UdpRequests } from "./requests.ts";
import { nobody, type UdpSocket } from "./socket.ts";

const EVENTS: number = EPOLLIN | EPOLLET;
/** Requests taken in one step before others get their turn. */
const REQUESTS_BUDGET = 64;

/** What a relay takes over. */
export interface OpenUdp {
  /** Non-blocking; connected, or bound. */
  readonly fd: number;
  readonly family: 4 | 6;
  /** The peer of a connected one. */
  readonly endpoint: InetAddress | undefined;
  readonly port: number;
  readonly isOwn: boolean;
}

export class UdpRelay implements Relay, EventSource, UdpSocket {
  readonly price: number = Price.DATAGRAMS;
  readonly fd: number;
  readonly family: 4 | 6;
  readonly protocol: number;
  readonly endpoint: InetAddress | undefined;
  readonly port: number;
  readonly isOwn: boolean;
  readonly frames: FrameReader;
  usedMs: number = performance.now();
  readonly #host: RelayHost;
  readonly #stream: Stream;
  readonly #signal: () => void;
  readonly #slot: number;
  readonly #loan: UdpLoan;
  readonly #answers: Answers;
  readonly #peers: Peers | undefined;
  readonly #outgoing: Outgoing;
  readonly #incoming: Incoming;
  readonly #requests: UdpRequests;
  #idle: Timer | undefined;
  /** An error that ends the stream waits for room, or is in the ring; the socket is closed. */
  #isOver = false;
  #isClosed = false;
  #disposed = false;

  /** Throws SystemError (ENOSPC, ENOMEM) where the socket cannot be watched; `fd` then stays the caller's. */
  constructor(host: RelayHost, stream: Stream, { fd, family, endpoint, port, isOwn }: OpenUdp) {
    this.fd = fd;
    this.family = family;
    this.endpoint = endpoint;
    this.port = port;
    this.isOwn = isOwn;
    this.protocol = endpoint === undefined ? Protocol.UDP_BIND : Protocol.UDP_CONNECT;
    this.frames = stream.frames();
    this.#host = host;
    this.#stream = stream;
    this.#signal = stream.signaller();
    this.#slot = host.reactor.watch(fd, EVENTS, this);
    this.#loan = new UdpLoan(fd, stream.guest.account, this.#limitBytes());
    this.#answers = new Answers(stream);
    this.#peers = endpoint === undefined ? new Peers(host, stream, family, isOwn) : undefined;
    this.#outgoing = new Outgoing(host, stream, this, this.#answers, this.#peers);
    this.#incoming = new Incoming(host, stream, this, this.#answers, this.#peers);
    this.#requests = new UdpRequests(host, stream, this, this.#answers, this.#peers);
    if (endpoint !== undefined) this.#endWhenIdle(endpoint);
  }

  onEvents(events: number): void {
    if ((events & EPOLLOUT) !== 0) {
      this.#outgoing.sendable = true;
      this.#host.reactor.modify(this.fd, EVENTS, this.#slot);
    }
    if ((events & (EPOLLIN | EPOLLERR)) !== 0) this.#incoming.receivable = true;
    if ((events & EPOLLERR) !== 0) this.#incoming.failed = true;
    this.#stream.run();
  }

  step(): boolean {
    const nowMs = performance.now();
    const { toHost } = this.#stream.pipe;
    for (let left = REQUESTS_BUDGET; ; left--) {
      if (toHost.peerClosed() === Closed.RESET) {
        this.#stream.reset();
        return false;
      }
      if (this.#isOver) {
        if (this.#answers.flush()) this.#stream.end();
        return false;
      }
      // Nothing is taken while an answer waits for room.
      if (!this.#answers.flush()) {
        if (!this.#answers.waiting) return this.#stepOut(nowMs) === Taken.BUDGET;
        toHost.unwantData();
        return false;
      }
      const taken = this.#stepOut(nowMs);
      if (this.#isOver) continue;
      // Each may have a step's datagrams before it.
      if (taken === Taken.REQUEST && left > 0 && this.#stream.guest.share.mayGoOn(this.price)) {
        const frame = this.frames.next(this.#signal);
        if (frame !== undefined) this.#requests.take(frame);
        continue;
      }
      if (!this.#answers.flush()) return taken === Taken.BUDGET;
      if (taken === Taken.END) return this.#end();
      const more = this.#incoming.step(nowMs);
      if (this.#isOver) continue;
      return more || taken !== Taken.ALL;
    }
  }

  #stepOut(nowMs: number): Taken {
    if (this.#requests.mayTake()) return this.#outgoing.step(nowMs);
    // What is behind it in the ring waits as well.
    this.#stream.pipe.toHost.unwantData();
    return Taken.ALL;
  }

  drain(): void {
    this.#stream.end();
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#host.reactor.cancel(this.#idle);
    this.#closeSocket();
    this.#requests.end();
    this.#peers?.end();
  }

  #closeSocket(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#host.reactor.unwatch(this.#slot);
    // Before it is closed: the number may be another's socket by then.
    this.#loan.end();
    closeFd(this.fd);
  }

  // ── The socket ────────────────────────────────────────────────────────────────────────────────────────────────

  awaitSpace(): void {
    this.#host.reactor.modify(this.fd, EVENTS | EPOLLOUT, this.#slot);
  }

  received(bytes: number, nowMs: number): void {
    this.usedMs = nowMs;
    this.#loan.received(bytes, this.#limitBytes());
  }

  usedUp(): void {
    this.#finish(nobody(this), ALL_USED);
  }

  describe(peer: InetAddress | undefined): string {
    return peer === undefined ? `udp port ${this.port}` : formatEndpoint(peer);
  }

  #limitBytes(): number {
    return this.#stream.guest.policy.policy.limits.socketBytes;
  }

  // ── The end ───────────────────────────────────────────────────────────────────────────────────────────────────

  /** The guest has ended its direction, and all of it is taken. */
  #end(): boolean {
    if (this.#stream.pipe.toHost.peerClosed() === Closed.RESET) {
      this.#stream.reset();
      return false;
    }
    if (this.#requests.underWay && !this.#stream.pipe.toGuest.abandoned()) return false;
    this.#stream.end();
    return false;
  }

  /** With an error that is the last (UDP-9). */
  #finish(peer: InetAddress, why: Refusal): void {
    this.#answers.error(peer, why);
    this.#isOver = true;
    this.#closeSocket();
  }

  #endWhenIdle(endpoint: InetAddress): void {
    const limitMs = idleMs(this.#stream.guest.policy, endpoint.port);
    const restMs = this.usedMs + limitMs - performance.now();
    this.#idle = this.#host.reactor.after(Math.max(1, restMs), () => {
      this.#stream.perform(() => {
        if (this.#disposed || this.#isOver) return;
        // Who waits for a rate is not idle.
        if (this.#outgoing.waits || this.#incoming.waits) this.usedMs = performance.now();
        // By the policy that is in force now.
        const ms = idleMs(this.#stream.guest.policy, endpoint.port);
        if (performance.now() < this.usedMs + ms) {
          this.#endWhenIdle(endpoint);
          return;
        }
        const reason = `no datagram went to or came from ${formatEndpoint(endpoint)} for ${ms} ms`;
        this.#stream.reason = "IdleTimeout";
        this.#finish(endpoint, refusal(Errno.ETIMEDOUT, reason));
        this.#stream.run();
      });
    });
  }
}
