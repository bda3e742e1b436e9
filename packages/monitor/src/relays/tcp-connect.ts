// tcp-connect: policy, name, connection; then TcpRelay takes the stream over (PROTOCOL.md section 11).
//
//   Open ─ literal address, name of `hosts` ────▶ CONNECTING ─ first that connects ─▶ TcpRelay
//     └── name ─▶ RESOLVING ─ addresses, judged ──▶    └─ none, or time over ─▶ Refused
//                     └──── more of them may follow ───────┘
//
// Several addresses race (connection-race.ts). Policy is asked for the name before it is resolved and for each address
// before a socket exists for it (TCP-7, STR-5); where another policy has come since, that one is asked again, before a
// socket exists and before the guest has the connection.
//
// Of the addresses that are denied the first has an audit line, and no other: one Open has one line at the most, in
// whatever parts the answers come. It is written as soon as another address is allowed, or else at the end, whatever
// that is: a refusal, the time limit, a reset, or the guest gone.

import { performance } from "node:perf_hooks";
import {
  ConnectReply,
  ConnectRequest,
  formatHostPort,
  formatIp,
  type InetAddress,
  Protocol,
  parseInet,
  type Refusal,
} from "@ringway/control";
import { Errno, localAddress, setLingerZero } from "@ringway/linux";
import type { Relay } from "../guests/relay.ts";
import { guestGaveUp, type Stream } from "../guests/stream.ts";
import type { Answer } from "../names/resolver.ts";
import type { PolicyState } from "../policy/in-force.ts";
import { denial, refusal } from "../policy/refusal.ts";
import type { NotAllowed } from "../policy/types.ts";
import type { Timer } from "../reactor/timers.ts";
import { type Attempt, ConnectionRace, type Racer } from "./connection-race.ts";
import type { RelayHost } from "./host.ts";
import { DeniedAddress, judgeAddress, judgeAddresses, NameLookup, resolveFailure } from "./name-lookup.ts";
import type { Judged, ProtocolEntry } from "./protocol.ts";
import { TcpRelay } from "./tcp-relay.ts";

/** A ConnectRequest, as the policy reads it. */
interface Asked {
  readonly host: string;
  readonly port: number;
  /** 0: the policy's. */
  readonly timeoutMs: number;
  /** The address that `host` is, where it is one: an IPv4-mapped address is the IPv4 address. */
  readonly literal: InetAddress | undefined;
  /** The name by which that is allowed, if it is not by itself. */
  readonly as?: string | undefined;
  /** Else the name to resolve, and the connect rule that allows it; -1: rules for the addresses of localhost do. */
  readonly name: string;
  readonly ruleIndex: number;
}

export const TCP_CONNECT: ProtocolEntry<Asked> = {
  network: "connects",
  isFlow: true,
  judge({ matcher, ownPorts, names, granted }, body): Judged<Asked> {
    const { host, port, timeoutMs } = ConnectRequest.decode(body);
    const what = formatHostPort(host, port);
    const literal = parseInet(host, port);
    if (literal === undefined) {
      const decision = matcher.connectName(host, port);
      const { name, ruleIndex } = decision;
      return { asked: { host, port, timeoutMs, literal, name, ruleIndex }, decision, what };
    }
    const judged = names.connect(matcher, literal.address, port, "tcp", granted?.as);
    const decision = ownPorts.judge(judged, literal);
    const { as } = judged;
    return { asked: { host, port, timeoutMs, literal, as, name: "", ruleIndex: -1 }, decision, what, as };
  },
  judgeAddress({ matcher, ownPorts }, { literal, name, ruleIndex, port }, to) {
    // An address was judged as what was asked for.
    if (literal !== undefined) return { allowed: true, rule: "", reason: "" };
    return ownPorts.judge(matcher.connectResolved(name, ruleIndex, formatIp(to.address), port), to);
  },
  open(host, stream, requestId, { asked, what }) {
    const relay = new TcpConnectRelay(host, stream, requestId, asked, what);
    stream.become(relay);
    relay.start();
  },
};

class TcpConnectRelay implements Relay, Racer {
  readonly transfers = true;
  readonly #host: RelayHost;
  readonly #stream: Stream;
  readonly #requestId: number;
  readonly #asked: Asked;
  /** For people. */
  readonly #what: string;
  readonly #timeoutMs: number;
  readonly #sinceMs: number = performance.now();
  /** What it has asked for was judged by this one. */
  readonly #policy: PolicyState;
  readonly #race: ConnectionRace;
  #lookup: NameLookup | undefined;
  /** Addresses may still come. */
  #resolving = false;
  /** One address at least may be connected to. */
  #allowed = false;
  /** Of a name. */
  #denied: DeniedAddress | undefined;
  #deadline: Timer | undefined;
  #finished = false;

  constructor(host: RelayHost, stream: Stream, requestId: number, asked: Asked, what: string) {
    this.#host = host;
    this.#stream = stream;
    this.#requestId = requestId;
    this.#asked = asked;
    this.#what = what;
    this.#policy = stream.guest.policy;
    const longest = this.#policy.policy.timeouts.connectMs;
    this.#timeoutMs = asked.timeoutMs === 0 ? longest : Math.min(asked.timeoutMs, longest);
    this.#race = new ConnectionRace(host, stream, this);
  }

  start(): void {
    const { reactor } = this.#host;
    this.#deadline = reactor.after(this.#timeoutMs, () => {
      this.#stream.perform(() => this.#refuse(this.#late()));
    });
    const { literal, name, ruleIndex } = this.#asked;
    if (literal !== undefined) {
      this.#race.add([literal]);
      return;
    }
    this.#resolving = true;
    this.#denied = new DeniedAddress(this.#stream.guest, Protocol.TCP_CONNECT, this.#what);
    this.#lookup = new NameLookup(this.#host, this.#stream, name, (answer) =>
      this.#resolved(name, ruleIndex, answer),
    );
  }

  step(): boolean {
    if (guestGaveUp(this.#stream.pipe)) this.#stream.reset();
    return false;
  }

  dispose(): void {
    this.#finished = true;
    this.#host.reactor.cancel(this.#deadline);
    this.#lookup?.cancel();
    this.#race.close();
    this.#auditDenied();
  }

  // ── Names ─────────────────────────────────────────────────────────────────────────────────────────────────────

  #resolved(name: string, ruleIndex: number, { addresses, errno, ended }: Answer): void {
    if (this.#finished) return;
    this.#resolving = !ended && errno === 0;
    if (errno !== 0) {
      this.#refuse(refusal(errno, `${name}: ${resolveFailure(errno)}`));
      return;
    }
    const asked = { name, ruleIndex, port: this.#asked.port, transport: "tcp" } as const;
    const { allowed, denied } = judgeAddresses(this.#host, this.#stream.guest, asked, addresses);
    this.#denied?.note(denied);
    this.#allowed ||= allowed.length > 0;
    if (this.#allowed) {
      this.#auditDenied();
      this.#race.add(allowed);
    } else if (!this.#resolving) {
      this.#refuse(this.#denied?.take() ?? refusal(Errno.ENOENT, `${name}: ${resolveFailure(Errno.ENOENT)}`));
    }
  }

  /** Why it is refused when its time is over: no address that is known is allowed, or nobody has answered. */
  #late(): Refusal {
    const denied = this.#allowed ? undefined : this.#denied?.take();
    if (denied !== undefined) return denied;
    const missed = this.#resolving && !this.#allowed ? "resolve" : "answer";
    return refusal(Errno.ETIMEDOUT, `${this.#what} did not ${missed} within ${this.#timeoutMs} ms`);
  }

  #auditDenied(): void {
    // By address (ruleIndex -1), localhost stands for those that the guest may have.
    if (!this.#allowed || this.#asked.ruleIndex >= 0) this.#denied?.audit();
  }

  // ── The race ──────────────────────────────────────────────────────────────────────────────────────────────────

  get mayGetMore(): boolean {
    return this.#resolving;
  }

  denied(to: InetAddress): Refusal | undefined {
    const { guest } = this.#stream;
    if (guest.policy === this.#policy) return undefined;
    const denied = this.#judgeAgain(to);
    return denied && denial(guest, Protocol.TCP_CONNECT, this.#what, denied);
  }

  #judgeAgain(to: InetAddress): NotAllowed | undefined {
    const { guest } = this.#stream;
    const { literal, as, name, port } = this.#asked;
    if (literal !== undefined) {
      const decision = judgeAddress(this.#host, guest, to, "tcp", as);
      return decision.allowed ? undefined : decision;
    }
    const { ruleIndex } = guest.policy.matcher.connectName(name, port);
    const asked = { name, ruleIndex, port, transport: "tcp" } as const;
    return judgeAddresses(this.#host, guest, asked, [formatIp(to.address)]).denied;
  }

  connected({ fd, slot, to, events }: Attempt, reset: boolean): void {
    const stream = this.#stream;
    const endpoints = { local: localAddress(fd), peer: to };
    this.dispose();
    this.#host.connected(Protocol.TCP_CONNECT, this.#sinceMs);
    setLingerZero(fd);
    // The relay first: it closes the socket, whatever the guest has done to the ring that Opened goes to.
    const relay = new TcpRelay(this.#host, stream, fd, slot, reset);
    this.#host.keepAlives.add(fd, relay);
    stream.become(relay);
    stream.opened(this.#requestId, ConnectReply.encode(endpoints), to);
    // Edges are told once: a peer that has sent and closed already is in these.
    relay.onEvents(events);
  }

  lost(failure: Refusal): void {
    this.#refuse(failure);
  }

  #refuse(refusal: Refusal): void {
    if (!this.#finished) this.#stream.refuse(this.#requestId, refusal);
  }
}
