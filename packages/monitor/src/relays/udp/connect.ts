// udp-connect: policy, name, and a socket that is connected; then UdpRelay takes the stream over (UDP-1).
//
//   Open ─ literal address ─────────────────────▶ a socket ─ the host has a route ─▶ UdpRelay
//     └── name ─▶ RESOLVING ─ addresses, judged ──▶ └─ none of them, or time over ─▶ Refused
//                     └──── more of them may follow ──┘

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
import {
  closeFd,
  connect,
  Errno,
  errnoMessage,
  errnoOf,
  localAddress,
  setTrains,
  udpSocket,
} from "@ringway/linux";
import type { Relay } from "../../guests/relay.ts";
import { guestGaveUp, type Stream } from "../../guests/stream.ts";
import type { Answer } from "../../names/resolver.ts";
import { refusal } from "../../policy/refusal.ts";
import { Counter } from "../../reactor/counters.ts";
import type { Timer } from "../../reactor/timers.ts";
import type { RelayHost } from "../host.ts";
import {
  type AllowedName,
  DeniedAddress,
  judgeAddresses,
  NameLookup,
  resolveFailure,
} from "../name-lookup.ts";
import type { Judged, ProtocolEntry } from "../protocol.ts";
import { UdpRelay } from "./relay.ts";

/** A ConnectRequest, as the policy reads it. */
interface Asked {
  readonly timeoutMs: number;
  /** The address that is asked for, or the name to resolve. */
  readonly to: InetAddress | AllowedName;
}

export const UDP_CONNECT: ProtocolEntry<Asked> = {
  network: "connects",
  isFlow: true,
  judge({ matcher, ownPorts, names, granted }, body): Judged<Asked> {
    const { host, port, timeoutMs } = ConnectRequest.decode(body);
    const what = formatHostPort(host, port);
    const literal = parseInet(host, port);
    if (literal === undefined) {
      const decision = matcher.connectName(host, port, "udp");
      const { name, ruleIndex } = decision;
      const to = { name, ruleIndex, port, transport: "udp" } as const;
      return { asked: { timeoutMs, to }, decision, what };
    }
    const judged = names.connect(matcher, literal.address, port, "udp", granted?.as);
    const decision = ownPorts.judge(judged, literal);
    return { asked: { timeoutMs, to: literal }, decision, what, as: judged.as };
  },
  judgeAddress({ matcher, ownPorts }, { to: asked }, to) {
    if ("address" in asked) return { allowed: true, rule: "", reason: "" };
    const { name, ruleIndex, port } = asked;
    return ownPorts.judge(matcher.connectResolved(name, ruleIndex, formatIp(to.address), port, "udp"), to);
  },
  open(host, stream, requestId, { asked: { to, timeoutMs }, what }) {
    const opening = new Opening(host, stream, requestId, what);
    if ("address" in to) {
      const failure = opening.tryAddress(to);
      if (failure !== undefined) stream.refuse(requestId, failure);
      return;
    }
    const relay = new UdpConnectRelay(host, stream, opening, to, timeoutMs);
    stream.become(relay);
    relay.start();
  },
};

/** Makes the socket. */
class Opening {
  readonly #host: RelayHost;
  readonly #stream: Stream;
  readonly requestId: number;
  readonly what: string;

  constructor(host: RelayHost, stream: Stream, requestId: number, what: string) {
    this.#host = host;
    this.#stream = stream;
    this.requestId = requestId;
    this.what = what;
  }

  /** Undefined: the stream is another relay's now, after `letGo`. Or why it cannot be. */
  tryAddress(to: InetAddress, letGo?: () => void): Refusal | undefined {
    const { family } = to;
    const fail = (errno: number): Refusal => refusal(errno, `${this.what}: ${errnoMessage(errno)}`);
    const { budget } = this.#stream.guest;
    const fd = budget.mayHaveConnection ? budget.makeSocket(SOCKETS[family]) : -Errno.EMFILE;
    if (fd < 0) return fail(-fd);
    setTrains(fd);
    const connected = connect(fd, to);
    if (connected < 0) {
      closeFd(fd);
      return fail(-connected);
    }
    const local = localAddress(fd);
    let relay: UdpRelay;
    try {
      const open = { fd, family, endpoint: to, port: local.port, isOwn: false };
      relay = new UdpRelay(this.#host, this.#stream, open);
    } catch (error) {
      closeFd(fd);
      return fail(errnoOf(error, Errno.ENOMEM));
    }
    this.#host.counters.add(Counter.udpSockets);
    // Whoever waits for more addresses before that: what is found broken there ends the stream.
    letGo?.();
    // The relay first: it closes the socket, whatever the guest has done to the ring that Opened goes to.
    this.#stream.become(relay);
    this.#stream.opened(this.requestId, ConnectReply.encode({ local, peer: to }), to);
    return undefined;
  }
}

/** Made as one of a guest's descriptors. */
const SOCKETS = { 4: () => udpSocket(4), 6: () => udpSocket(6) } as const;

/** A stream whose name is being resolved. */
class UdpConnectRelay implements Relay {
  readonly #host: RelayHost;
  readonly #stream: Stream;
  readonly #opening: Opening;
  readonly #name: AllowedName;
  readonly #timeoutMs: number;
  #lookup: NameLookup | undefined;
  #deadline: Timer | undefined;
  #failure: Refusal | undefined;
  readonly #denied: DeniedAddress;
  #isOpened = false;
  #finished = false;

  constructor(host: RelayHost, stream: Stream, opening: Opening, name: AllowedName, timeoutMs: number) {
    this.#host = host;
    this.#stream = stream;
    this.#opening = opening;
    this.#name = name;
    this.#denied = new DeniedAddress(stream.guest, Protocol.UDP_CONNECT, opening.what);
    const { connectMs } = stream.guest.policy.policy.timeouts;
    this.#timeoutMs = timeoutMs === 0 ? connectMs : Math.min(timeoutMs, connectMs);
  }

  start(): void {
    this.#deadline = this.#host.reactor.after(this.#timeoutMs, () => {
      const reason = `${this.#opening.what} did not resolve within ${this.#timeoutMs} ms`;
      this.#stream.perform(() => {
        if (!this.#finished) this.#refuse(this.#denied.take() ?? refusal(Errno.ETIMEDOUT, reason));
      });
    });
    const { name } = this.#name;
    this.#lookup = new NameLookup(this.#host, this.#stream, name, (answer) => this.#resolved(answer));
  }

  step(): boolean {
    if (guestGaveUp(this.#stream.pipe)) this.#stream.reset();
    return false;
  }

  dispose(): void {
    this.#finished = true;
    this.#host.reactor.cancel(this.#deadline);
    this.#lookup?.cancel();
    // By address (ruleIndex -1), localhost stands for those that the guest may have.
    if (!this.#isOpened || this.#name.ruleIndex >= 0) this.#denied.audit();
  }

  #resolved({ addresses, errno, ended }: Answer): void {
    if (this.#finished) return;
    const { name } = this.#name;
    if (errno !== 0) {
      this.#refuse(refusal(errno, `${name}: ${resolveFailure(errno)}`));
      return;
    }
    const { allowed, denied } = judgeAddresses(this.#host, this.#stream.guest, this.#name, addresses);
    this.#denied.note(denied);
    for (const to of allowed) {
      const failure = this.#opening.tryAddress(to, () => {
        this.#isOpened = true;
        this.dispose();
      });
      if (failure === undefined) return;
      this.#failure ??= failure;
    }
    if (ended) this.#refuse(this.#none());
  }

  #none(): Refusal {
    if (this.#failure !== undefined) return this.#failure;
    return (
      this.#denied.take() ?? refusal(Errno.ENOENT, `${this.#name.name}: ${resolveFailure(Errno.ENOENT)}`)
    );
  }

  #refuse(why: Refusal): void {
    if (!this.#finished) this.#stream.refuse(this.#opening.requestId, why);
  }
}
