// tcp-connect: policy, name, connection; then TcpRelay takes the stream over (PROTOCOL.md section 11).
//
//   Open ─ literal address ─────────────────────▶ CONNECTING ─ first that connects ─▶ TcpRelay
//     └── name ─▶ RESOLVING ─ addresses, judged ──▶    └─ none, or time over ─▶ Refused
//                     └──── more of them may follow ───────┘
//
// Several addresses race as RFC 8305 says: interleaved by family, IPv6 first, the next one started when the last has
// failed or 250 ms have passed; the first to connect wins and the others are closed. Policy is asked for the name
// before it is resolved and for each address before a socket exists for it (TCP-7, STR-5).

import {
  ConnectReply,
  ConnectRequest,
  formatEndpoint,
  formatHostPort,
  type InetAddress,
  Protocol,
  parseInet,
  type Refusal,
} from "@ringway/control";
import {
  closeFd,
  connect,
  EPOLLERR,
  EPOLLHUP,
  EPOLLOUT,
  Errno,
  errnoMessage,
  errnoOf,
  localAddress,
  setLingerZero,
  setNoDelay,
  socketError,
  tcpSocket,
} from "@ringway/linux";
import type { Relay } from "../guests/relay.ts";
import { guestGaveUp, type Stream } from "../guests/stream.ts";
import type { Answer } from "../names/resolver.ts";
import { Counter } from "../observe/counters.ts";
import { type Denial, denial, refusal } from "../policy/refusal.ts";
import type { Denied } from "../policy/types.ts";
import type { EventSource } from "../reactor/reactor.ts";
import type { Timer } from "../reactor/timers.ts";
import type { RelayHost } from "./host.ts";
import type { Judged, ProtocolEntry } from "./protocol.ts";
import { TCP_EVENTS, TcpRelay } from "./splice.ts";

/** RFC 8305, section 8: Connection Attempt Delay. */
const ATTEMPT_DELAY_MS = 250;
/** Addresses tried at the most: a zone with hundreds must not become hundreds of connections. */
const ADDRESSES_MAX = 16;

/** A ConnectRequest, as the policy reads it. */
interface Asked {
  readonly host: string;
  readonly port: number;
  /** 0: the policy's. */
  readonly timeoutMs: number;
  /** The address that `host` is, where it is one: an IPv4-mapped address is the IPv4 address. */
  readonly literal: InetAddress | undefined;
  /** Else the name to resolve, and the connect rule that allows it; -1: rules for the addresses of localhost do. */
  readonly name: string;
  readonly ruleIndex: number;
}

export const TCP_CONNECT: ProtocolEntry<Asked> = {
  judge({ matcher, ownPorts }, body): Judged<Asked> {
    const { host, port, timeoutMs } = ConnectRequest.decode(body);
    const what = formatHostPort(host, port);
    const literal = parseInet(host, port);
    if (literal === undefined) {
      const decision = matcher.connectName(host, port);
      const { name, ruleIndex } = decision;
      return { asked: { host, port, timeoutMs, literal, name, ruleIndex }, decision, what };
    }
    const decision = ownPorts.judge(matcher.connectAddress(host, port), literal);
    return { asked: { host, port, timeoutMs, literal, name: "", ruleIndex: -1 }, decision, what };
  },
  open(host, stream, requestId, { asked, what }) {
    const relay = new TcpConnectRelay(host, stream, requestId, asked, what);
    stream.become(relay);
    relay.start();
  },
};

class Attempt implements EventSource {
  readonly fd: number;
  readonly to: InetAddress;
  slot = -1;
  /** All that were told. */
  events = 0;
  done = false;
  readonly #relay: TcpConnectRelay;

  constructor(relay: TcpConnectRelay, fd: number, to: InetAddress) {
    this.#relay = relay;
    this.fd = fd;
    this.to = to;
  }

  onEvents(events: number): void {
    // Edges are told once, and the work may have to wait for its turn.
    this.events |= events;
    this.#relay.onAttempt(this);
  }
}

const FAILURES = EPOLLERR | EPOLLHUP;

class TcpConnectRelay implements Relay {
  readonly transfers = true;
  readonly #host: RelayHost;
  readonly #stream: Stream;
  readonly #requestId: number;
  readonly #asked: Asked;
  /** For people. */
  readonly #what: string;
  readonly #timeoutMs: number;
  /** The lookup, until it has ended. */
  #lookup: number | undefined;
  /** Addresses may still come. */
  #resolving = false;
  /** One address at least may be connected to. */
  #allowed = false;
  /** Of an address that may not, until the audit log has it. */
  #deniedAddress: Denied | undefined;
  #waiting: InetAddress[] = [];
  #tried = 0;
  #attempts: Attempt[] = [];
  #deadline: Timer | undefined;
  #nextAttempt: Timer | undefined;
  /** Why the last attempt failed: what the guest is told when none succeeds. */
  #failure: Refusal | undefined;
  #finished = false;

  constructor(host: RelayHost, stream: Stream, requestId: number, asked: Asked, what: string) {
    this.#host = host;
    this.#stream = stream;
    this.#requestId = requestId;
    this.#asked = asked;
    this.#what = what;
    const longest = stream.guest.policy.policy.timeouts.connectMs;
    this.#timeoutMs = asked.timeoutMs === 0 ? longest : Math.min(asked.timeoutMs, longest);
  }

  start(): void {
    const { reactor, lookups } = this.#host;
    this.#deadline = reactor.after(this.#timeoutMs, () => {
      const missed = this.#resolving && !this.#allowed ? "resolve" : "answer";
      const reason = `${this.#what} did not ${missed} within ${this.#timeoutMs} ms`;
      this.#stream.perform(() => this.#refuse(refusal(Errno.ETIMEDOUT, reason)));
    });
    const { literal, name, ruleIndex } = this.#asked;
    if (literal !== undefined) {
      this.#waiting = [literal];
      this.#attemptNext();
      return;
    }
    const { account, policy } = this.#stream.guest;
    this.#resolving = true;
    this.#lookup = lookups.start(account.key, name, policy.policy.timeouts.resolveMs, (answer) => {
      if (answer.ended) this.#lookup = undefined;
      this.#stream.perform(() => this.#resolved(name, ruleIndex, answer));
    });
  }

  step(): boolean {
    if (guestGaveUp(this.#stream.pipe)) this.#stream.reset();
    return false;
  }

  dispose(): void {
    this.#finished = true;
    const { reactor, lookups } = this.#host;
    reactor.cancel(this.#deadline);
    reactor.cancel(this.#nextAttempt);
    if (this.#lookup !== undefined) {
      // The stream's request ends with it; the lookup's goes on, until there is nothing left of it.
      const { budget } = this.#stream.guest;
      budget.takeWork();
      lookups.cancel(this.#lookup, () => budget.giveRequest());
      this.#lookup = undefined;
    }
    for (const attempt of this.#attempts) this.#closeAttempt(attempt);
  }

  #resolved(name: string, ruleIndex: number, { addresses, errno, ended }: Answer): void {
    if (this.#finished) return;
    this.#resolving = !ended && errno === 0;
    if (errno !== 0) {
      this.#refuse(refusal(errno, `${name}: ${resolveFailure(errno)}`));
      return;
    }
    this.#judge(name, ruleIndex, addresses);
    if (this.#allowed) {
      // By address (ruleIndex -1), localhost stands for those that the guest may have.
      const denied = this.#deniedAddress;
      if (denied !== undefined && ruleIndex >= 0) this.#stream.guest.reports.audit(this.#denial(denied));
      this.#deniedAddress = undefined;
      // Otherwise an attempt has just begun, and the next one follows it.
      if (this.#nextAttempt === undefined) this.#attemptNext();
    } else if (!this.#resolving) this.#refuse(this.#denial(this.#deniedAddress!));
  }

  #judge(name: string, ruleIndex: number, addresses: readonly string[]): void {
    const { ownPorts } = this.#host;
    const { matcher } = this.#stream.guest.policy;
    const { port } = this.#asked;
    const allowed: InetAddress[] = [];
    for (const text of addresses) {
      const to = parseInet(text, port);
      const named = matcher.connectResolved(name, ruleIndex, text, port);
      const decision = to === undefined ? named : ownPorts.judge(named, to);
      if (!decision.allowed) this.#deniedAddress ??= decision;
      else if (to !== undefined) allowed.push(to);
    }
    this.#allowed ||= allowed.length > 0;
    this.#waiting = interleave([...this.#waiting, ...allowed]).slice(0, ADDRESSES_MAX - this.#tried);
  }

  /** Starts the next attempt, and the ones after it where it fails at once. */
  #attemptNext(): void {
    if (this.#finished) return;
    const { reactor } = this.#host;
    reactor.cancel(this.#nextAttempt);
    this.#nextAttempt = undefined;
    for (let to = this.#waiting.shift(); to !== undefined; to = this.#waiting.shift()) {
      this.#tried++;
      const errno = this.#attempt(to);
      if (errno !== 0) {
        this.#note(errno, to);
        continue;
      }
      if (this.#waiting.length === 0 && !this.#resolving) return;
      this.#nextAttempt = reactor.after(ATTEMPT_DELAY_MS, () =>
        this.#stream.perform(() => this.#attemptNext()),
      );
      return;
    }
    if (!this.#resolving && this.#attempts.every((attempt) => attempt.done)) this.#refuse(this.#failure!);
  }

  /** Starts to connect: 0, or the errno with which it failed at once. */
  #attempt(to: InetAddress): number {
    const { budget } = this.#stream.guest;
    const fd = budget.makeDescriptor(SOCKETS[to.family]);
    if (fd < 0) return -fd;
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
    budget.takeAttempt();
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
    if (reset || (error === 0 && (events & EPOLLHUP) === 0)) {
      this.#connected(attempt, reset);
      return;
    }
    this.#closeAttempt(attempt);
    this.#note(-error || Errno.ECONNREFUSED, to);
    this.#attemptNext();
  }

  #note(errno: number, to: InetAddress): void {
    this.#failure = refusal(errno, `connect to ${formatEndpoint(to)}: ${errnoMessage(errno)}`);
  }

  #connected(attempt: Attempt, reset: boolean): void {
    const stream = this.#stream;
    const endpoints = { local: localAddress(attempt.fd), peer: attempt.to };
    this.#over(attempt);
    this.dispose();
    this.#host.counters.add(Counter.connections);
    setLingerZero(attempt.fd);
    // The relay first: it closes the socket, whatever the guest has done to the ring that Opened goes to.
    const relay = new TcpRelay(this.#host, stream, attempt.fd, attempt.slot, reset);
    this.#host.keepAlives.add(attempt.fd, relay);
    stream.become(relay);
    stream.opened(this.#requestId, ConnectReply.encode(endpoints));
    // Edges are told once: a peer that has sent and closed already is in these.
    relay.onEvents(attempt.events);
  }

  #closeAttempt(attempt: Attempt): void {
    if (attempt.done) return;
    this.#over(attempt);
    this.#host.reactor.unwatch(attempt.slot);
    closeFd(attempt.fd);
  }

  /** Its socket is no attempt's any more: closed next, or a TcpRelay's. */
  #over(attempt: Attempt): void {
    attempt.done = true;
    this.#stream.guest.budget.giveAttempt();
  }

  #denial(denied: Denied): Denial {
    return denial(this.#stream.guest, Protocol.TCP_CONNECT, this.#what, denied);
  }

  #refuse(refusal: Refusal): void {
    if (!this.#finished) this.#stream.refuse(this.#requestId, refusal);
  }
}

/** Made as one of a guest's descriptors. */
const SOCKETS = { 4: () => tcpSocket(4), 6: () => tcpSocket(6) } as const;

/** IPv6, IPv4, IPv6, ... each in the order of the resolver (RFC 8305, section 4). */
function interleave(addresses: readonly InetAddress[]): InetAddress[] {
  const six = addresses.filter(({ family }) => family === 6);
  const four = addresses.filter(({ family }) => family === 4);
  const order: InetAddress[] = [];
  for (let i = 0; i < Math.max(six.length, four.length); i++)
    order.push(...six.slice(i, i + 1), ...four.slice(i, i + 1));
  return order;
}

function resolveFailure(errno: number): string {
  if (errno === Errno.ENOENT) return "the name does not exist";
  if (errno === Errno.ETIMEDOUT) return "the name server did not answer in time";
  return `the name could not be resolved (${errnoMessage(errno)})`;
}
