// tcp-connect: policy, name, connection; then TcpRelay takes the stream over (PROTOCOL.md section 11).
//
//   Open ─ literal address ─────────────────────▶ CONNECTING ─ first that connects ─▶ TcpRelay
//     └── name ─▶ RESOLVING ─ addresses, judged ──▶    └─ none, or time over ─▶ Refused
//                     └──── more of them may follow ───────┘
//
// Several addresses race as RFC 8305 says: interleaved by family, IPv6 first, the next one started when the last has
// failed or 250 ms have passed; the first to connect wins and the others are closed. Policy is asked for the name before it
// is resolved and for each address before a socket exists for it (TCP-7, STR-5).

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
import { guestGaveUp, type Relay, type Stream } from "../guests/stream.ts";
import type { Answer } from "../names/resolver.ts";
import { Counter } from "../observe/counters.ts";
import { type Denial, denial, refusal } from "../policy/refusal.ts";
import type { Decision, Denied } from "../policy/types.ts";
import type { EventSource } from "../reactor/reactor.ts";
import type { Timer } from "../reactor/timers.ts";
import { TCP_EVENTS, TcpRelay } from "./splice.ts";

/** RFC 8305, section 8: Connection Attempt Delay. */
const ATTEMPT_DELAY_MS = 250;
/** Addresses tried at the most: a zone with hundreds must not become hundreds of connections. */
const ADDRESSES_MAX = 16;

export function openTcpConnect(stream: Stream, requestId: number, body: Uint8Array): void {
  const { host, port, timeoutMs } = ConnectRequest.decode(body);
  const relay = new TcpConnectRelay(stream, requestId, host, port, timeoutMs);
  stream.become(relay);
  relay.start();
}

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
  readonly #stream: Stream;
  readonly #requestId: number;
  readonly #host: string;
  readonly #port: number;
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

  constructor(stream: Stream, requestId: number, host: string, port: number, timeoutMs: number) {
    this.#stream = stream;
    this.#requestId = requestId;
    this.#host = host;
    this.#port = port;
    const longest = stream.guest.policy.policy.timeouts.connectMs;
    this.#timeoutMs = timeoutMs === 0 ? longest : Math.min(timeoutMs, longest);
  }

  start(): void {
    const { guest } = this.#stream;
    const { matcher } = guest.policy;
    const { ownPorts } = guest.host;
    // As the policy reads it: an IPv4-mapped address is the IPv4 address.
    const literal = parseInet(this.#host, this.#port);
    const decision: Decision & { readonly ruleIndex?: number; readonly name?: string } =
      literal === undefined
        ? matcher.connectName(this.#host, this.#port)
        : ownPorts.judge(matcher.connectAddress(this.#host, this.#port), literal);
    if (!decision.allowed) {
      this.#refuse(this.#denial(decision));
      return;
    }
    this.#deadline = guest.reactor.after(this.#timeoutMs, () => {
      const what = this.#resolving && !this.#allowed ? "resolve" : "answer";
      const reason = `${this.#what()} did not ${what} within ${this.#timeoutMs} ms`;
      this.#stream.perform(() => this.#refuse(refusal(Errno.ETIMEDOUT, reason)));
    });
    if (literal !== undefined) {
      this.#waiting = [literal];
      this.#attemptNext();
      return;
    }
    const { name = this.#host, ruleIndex = -1 } = decision;
    const { resolveMs } = guest.policy.policy.timeouts;
    this.#resolving = true;
    this.#lookup = guest.host.lookups.start(guest.account.key, name, resolveMs, (answer) => {
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
    const { guest } = this.#stream;
    guest.reactor.cancel(this.#deadline);
    guest.reactor.cancel(this.#nextAttempt);
    if (this.#lookup !== undefined) {
      // The stream's request ends with it; the lookup's goes on, until there is nothing left of it.
      guest.beginWork();
      guest.host.lookups.cancel(this.#lookup, () => guest.endRequest());
      this.#lookup = undefined;
    }
    for (const attempt of this.#attempts) this.#closeAttempt(attempt);
  }

  #what(): string {
    return formatHostPort(this.#host, this.#port);
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
      if (denied !== undefined && ruleIndex >= 0) this.#stream.guest.audit(this.#denial(denied));
      this.#deniedAddress = undefined;
      // Otherwise an attempt has just begun, and the next one follows it.
      if (this.#nextAttempt === undefined) this.#attemptNext();
    } else if (!this.#resolving) this.#refuse(this.#denial(this.#deniedAddress!));
  }

  #judge(name: string, ruleIndex: number, addresses: readonly string[]): void {
    const { host, policy } = this.#stream.guest;
    const { matcher } = policy;
    const allowed: InetAddress[] = [];
    for (const text of addresses) {
      const to = parseInet(text, this.#port);
      const named = matcher.connectResolved(name, ruleIndex, text, this.#port);
      const decision = to === undefined ? named : host.ownPorts.judge(named, to);
      if (!decision.allowed) this.#deniedAddress ??= decision;
      else if (to !== undefined) allowed.push(to);
    }
    this.#allowed ||= allowed.length > 0;
    this.#waiting = interleave([...this.#waiting, ...allowed]).slice(0, ADDRESSES_MAX - this.#tried);
  }

  /** Starts the next attempt, and the ones after it where it fails at once. */
  #attemptNext(): void {
    if (this.#finished) return;
    const { reactor } = this.#stream.guest;
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
    const { guest } = this.#stream;
    const { reactor } = guest;
    const fd = guest.makeDescriptor(SOCKETS[to.family]);
    if (fd < 0) return -fd;
    setNoDelay(fd);
    const result = connect(fd, to);
    if (result < 0 && result !== -Errno.EINPROGRESS) {
      closeFd(fd);
      return -result;
    }
    const attempt = new Attempt(this, fd, to);
    try {
      attempt.slot = reactor.watch(fd, TCP_EVENTS, attempt);
    } catch (error) {
      closeFd(fd);
      return errnoOf(error, Errno.ENOMEM);
    }
    this.#attempts.push(attempt);
    guest.account.attempts++;
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
    stream.guest.host.counters.add(Counter.connections);
    setLingerZero(attempt.fd);
    // The relay first: it closes the socket, whatever the guest has done to the ring that Opened goes to.
    const relay = new TcpRelay(stream, attempt.fd, attempt.slot, reset);
    stream.guest.host.keepAlives.add(attempt.fd, relay);
    stream.become(relay);
    stream.opened(this.#requestId, ConnectReply.encode(endpoints));
    // Edges are told once: a peer that has sent and closed already is in these.
    relay.onEvents(attempt.events);
  }

  #closeAttempt(attempt: Attempt): void {
    if (attempt.done) return;
    this.#over(attempt);
    this.#stream.guest.reactor.unwatch(attempt.slot);
    closeFd(attempt.fd);
  }

  /** Its socket is no attempt's any more: closed next, or a TcpRelay's. */
  #over(attempt: Attempt): void {
    attempt.done = true;
    this.#stream.guest.account.attempts--;
  }

  #denial(denied: Denied): Denial {
    return denial(this.#stream.guest, Protocol.TCP_CONNECT, this.#what(), denied);
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
