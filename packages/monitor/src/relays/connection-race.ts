// Addresses race for one connection, as RFC 8305 says: interleaved by family, IPv6 first, the next one started when the
// last has failed or ATTEMPT_DELAY_MS have passed; the first to connect wins and the others are closed.
//
//   add ─▶ WAITING ── its turn ──▶ ATTEMPTED ── the first that connects ──▶ connected(), close()
//                                      └─────── none is left, and no more may come ──▶ lost()

import { formatEndpoint, type InetAddress, type Refusal } from "@ringway/control";
import {
  closeFd,
  connect,
  EPOLLERR,
  EPOLLHUP,
  EPOLLOUT,
  Errno,
  errnoMessage,
  errnoOf,
  setNoDelay,
  socketError,
  tcpSocket,
} from "@ringway/linux";
import type { Stream } from "../guests/stream.ts";
import { refusal } from "../policy/refusal.ts";
import type { EventSource } from "../reactor/reactor.ts";
import type { Timer } from "../reactor/timers.ts";
import type { RelayHost } from "./host.ts";
import { TCP_EVENTS } from "./tcp-relay.ts";

/** RFC 8305, section 8: Connection Attempt Delay. */
const ATTEMPT_DELAY_MS = 250;
/** Addresses tried at the most: a zone with hundreds must not become hundreds of connections. */
const ADDRESSES_MAX = 16;

const FAILURES = EPOLLERR | EPOLLHUP;

/** Made as one of a guest's descriptors. */
const SOCKETS = { 4: () => tcpSocket(4), 6: () => tcpSocket(6) } as const;

/** Whose race it is. */
export interface Racer {
  /** More addresses may be added. */
  readonly mayGetMore: boolean;
  /** Why it may not be connected to, though it was added: by a policy that has come since. */
  denied(to: InetAddress): Refusal | undefined;
  /**
   * The socket and its slot are the racer's from now on; `reset`: the peer has broken it since, and the error is taken.
   */
  connected(won: Attempt, reset: boolean): void;
  /** Why the last attempt failed. */
  lost(failure: Refusal): void;
}

export class Attempt implements EventSource {
  readonly fd: number;
  readonly to: InetAddress;
  slot = -1;
  /** All that were told. */
  events = 0;
  done = false;
  readonly #race: ConnectionRace;

  constructor(race: ConnectionRace, fd: number, to: InetAddress) {
    this.#race = race;
    this.fd = fd;
    this.to = to;
  }

  onEvents(events: number): void {
    // Edges are told once, and the work may have to wait for its turn.
    this.events |= events;
    this.#race.onAttempt(this);
  }
}

export class ConnectionRace {
  readonly #host: RelayHost;
  readonly #stream: Stream;
  readonly #racer: Racer;
  #waiting: InetAddress[] = [];
  #tried = 0;
  readonly #attempts: Attempt[] = [];
  #next: Timer | undefined;
  #failure: Refusal | undefined;
  #closed = false;

  constructor(host: RelayHost, stream: Stream, racer: Racer) {
    this.#host = host;
    this.#stream = stream;
    this.#racer = racer;
  }

  add(addresses: readonly InetAddress[]): void {
    this.#waiting = interleave([...this.#waiting, ...addresses]).slice(0, ADDRESSES_MAX - this.#tried);
    // Otherwise an attempt has just begun, and the next one follows it.
    if (this.#next === undefined) this.#attemptNext();
  }

  close(): void {
    this.#closed = true;
    this.#host.reactor.cancel(this.#next);
    for (const attempt of this.#attempts) this.#close(attempt);
  }

  /** Starts the next attempt, and the ones after it where it fails at once. */
  #attemptNext(): void {
    if (this.#closed) return;
    const { reactor } = this.#host;
    reactor.cancel(this.#next);
    this.#next = undefined;
    for (let to = this.#waiting.shift(); to !== undefined; to = this.#waiting.shift()) {
      this.#tried++;
      const denied = this.#racer.denied(to);
      if (denied !== undefined) {
        this.#failure = denied;
        continue;
      }
      const errno = this.#attempt(to);
      if (errno !== 0) {
        this.#note(errno, to);
        continue;
      }
      if (this.#waiting.length === 0 && !this.#racer.mayGetMore) return;
      this.#next = reactor.after(ATTEMPT_DELAY_MS, () => this.#stream.perform(() => this.#attemptNext()));
      return;
    }
    const isLost = !this.#racer.mayGetMore && this.#attempts.every(({ done }) => done);
    if (isLost) this.#racer.lost(this.#failure!);
  }

  /** Starts to connect: 0, or the errno with which it failed at once. */
  #attempt(to: InetAddress): number {
    const { budget } = this.#stream.guest;
    const tooMany = budget.takeAttempt();
    if (tooMany !== undefined) return tooMany.errno;
    const fd = budget.makeSocket(SOCKETS[to.family]);
    const errno = fd < 0 ? -fd : this.#connect(fd, to);
    if (errno !== 0) budget.giveAttempt();
    return errno;
  }

  #connect(fd: number, to: InetAddress): number {
    setNoDelay(fd);
    const result = connect(fd, to);
    if (result < 0 && result !== -Errno.EINPROGRESS) {
      closeFd(fd);
      return -result;
    }
    const attempt = new Attempt(this, fd, to);
    try {
      attempt.slot = this.#host.reactor.watch(fd, TCP_EVENTS, attempt);
    } catch (error) {
      closeFd(fd);
      return errnoOf(error, Errno.ENOMEM);
    }
    this.#attempts.push(attempt);
    return 0;
  }

  /** For its attempts alone. */
  onAttempt(attempt: Attempt): void {
    this.#stream.perform(() => this.#onAttempt(attempt));
  }

  #onAttempt(attempt: Attempt): void {
    const { events, to } = attempt;
    if (attempt.done || (events & (EPOLLOUT | FAILURES)) === 0) return;
    // Where it has failed, or was up and is no more, that is among the events.
    const error = (events & FAILURES) === 0 ? 0 : socketError(attempt.fd);
    // ECONNRESET: it was up, and the peer has broken it since. What it had sent is the guest's (TCP-4).
    const reset = error === -Errno.ECONNRESET;
    const isUp = reset || (error === 0 && (events & EPOLLHUP) === 0);
    const denied = isUp ? this.#racer.denied(to) : undefined;
    if (isUp && denied === undefined) {
      this.#over(attempt);
      this.#racer.connected(attempt, reset);
      return;
    }
    this.#close(attempt);
    if (denied === undefined) this.#note(-error || Errno.ECONNREFUSED, to);
    else this.#failure = denied;
    this.#attemptNext();
  }

  #note(errno: number, to: InetAddress): void {
    this.#failure = refusal(errno, `connect to ${formatEndpoint(to)}: ${errnoMessage(errno)}`);
  }

  #close(attempt: Attempt): void {
    if (attempt.done) return;
    this.#over(attempt);
    this.#host.reactor.unwatch(attempt.slot);
    closeFd(attempt.fd);
  }

  /** Its socket is no attempt's any more: closed next, or the racer's. */
  #over(attempt: Attempt): void {
    attempt.done = true;
    this.#stream.guest.budget.giveAttempt();
  }
}

/** IPv6, IPv4, IPv6, ... each in the order of the resolver (RFC 8305, section 4). */
export function interleave(addresses: InetAddress[]): InetAddress[] {
  // Each connect to a literal address comes here, with that one.
  if (addresses.length === 1) return addresses;
  const six = addresses.filter(({ family }) => family === 6);
  const four = addresses.filter(({ family }) => family === 4);
  const order: InetAddress[] = [];
  for (let i = 0; i < Math.max(six.length, four.length); i++)
    order.push(...six.slice(i, i + 1), ...four.slice(i, i + 1));
  return order;
}
