// tcp-listen: a listening socket of TCP (PROTOCOL.md section 12), and the ports that the operator publishes for what a
// guest listens on (published.ts). What it does with the guest's streams: listener.ts.
//
//   a rule allows it  ──▶ a socket of its own, and each published port that leads to its port, whichever comes first
//   no rule does, and ──▶ the published ports alone: it is over with the last of them
//   one is published

import {
  formatEndpoint,
  formatIp,
  Incoming,
  type InetAddress,
  ListenReply,
  ListenRequest,
} from "@ringway/control";
import {
  type Accepted,
  accept,
  closeFd,
  Errno,
  errnoMessage,
  errnoOf,
  listen,
  localAddress,
} from "@ringway/linux";
import type { Stream } from "../guests/stream.ts";
import type { OwnPorts } from "../policy/own-ports.ts";
import { refusal } from "../policy/refusal.ts";
import type { RelayHost } from "./host.ts";
import { backlogFor, ListenRelay } from "./listener.ts";
import type { ProtocolEntry } from "./protocol.ts";
import { PUBLISHED, type PublishedListener } from "./published.ts";
import { TcpRelay } from "./tcp-relay.ts";
import { boundSocket } from "./tcp-sockets.ts";

interface Asked {
  readonly address: InetAddress;
  readonly backlog: number;
  /** A rule allows a socket of its own. */
  readonly isOwn: boolean;
}

export const TCP_LISTEN: ProtocolEntry<Asked> = {
  network: "carries",
  isFlow: true,
  judge({ matcher, ownPorts, published, tenant, granted }, body) {
    const { address, backlog } = ListenRequest.decode(body);
    const what = formatEndpoint(address);
    const decision = ownPorts.judgeListen(matcher.listen(formatIp(address.address), address.port), address);
    // One that has a socket of its own has it by a rule, as long as there is one.
    const mayBe = granted === undefined || granted.as === PUBLISHED;
    if (decision.allowed || !mayBe || !published.has(tenant, address.port))
      return { asked: { address, backlog, isOwn: true }, decision, what };
    const asked = { address, backlog, isOwn: false };
    const reason = `listening on port ${address.port} is allowed: the host's operator publishes it`;
    return { asked, decision: { allowed: true, rule: PUBLISHED, reason }, what, as: PUBLISHED };
  },
  open(host, stream, requestId, { asked, what }) {
    const fail = (errno: number): void =>
      stream.refuse(requestId, refusal(errno, `listen on ${what}: ${errnoMessage(errno)}`));
    const { budget } = stream.guest;
    const tooMany = budget.takeListener();
    if (tooMany !== undefined) {
      fail(tooMany.errno);
      return;
    }
    const backlog = backlogFor(asked.backlog);
    const fd = asked.isOwn ? listening(asked.address, backlog, host.ownPorts) : -Errno.EACCES;
    if (fd < 0 && !host.published.has(stream.guest.tenant, asked.address.port)) {
      budget.giveListener();
      fail(-fd);
      return;
    }
    let relay: TcpListenRelay;
    try {
      relay = new TcpListenRelay(host, stream, fd, { port: asked.address.port, backlog });
    } catch (error) {
      if (fd >= 0) closeFd(fd);
      budget.giveListener();
      fail(errnoOf(error, Errno.ENOMEM));
      return;
    }
    const failure = relay.join();
    if (failure !== 0) {
      relay.dispose();
      fail(-failure);
      return;
    }
    // The relay first: it closes the socket, whatever the guest has done to the ring that Opened goes to.
    stream.become(relay);
    const { bound } = relay;
    stream.opened(requestId, ListenReply.encode({ bound }), bound);
  },
};

/** A listening socket, or -errno. */
function listening(address: InetAddress, backlog: number, ownPorts: OwnPorts): number {
  const fd = boundSocket(address, ownPorts);
  const result = fd < 0 ? fd : listen(fd, backlog);
  if (result >= 0) return fd;
  if (fd >= 0) closeFd(fd);
  return result;
}

class TcpListenRelay extends ListenRelay<Accepted> implements PublishedListener {
  /** "": a guest that has none. */
  readonly tenant: string;
  readonly guest: object;
  readonly port: number;
  readonly backlog: number;
  /** Its own socket, or less than 0. */
  readonly #fd: number;

  constructor(
    host: RelayHost,
    stream: Stream,
    fd: number,
    { port, backlog }: Pick<PublishedListener, "port" | "backlog">,
  ) {
    super(host, stream, fd);
    this.#fd = fd;
    this.tenant = stream.guest.tenant ?? "";
    this.guest = stream.guest;
    // The kernel has picked one.
    this.port = port === 0 ? localAddress(fd).port : port;
    this.backlog = backlog;
  }

  /** What is published for it. 0, or the -errno for which it has no socket at all. */
  join(): number {
    const failure = this.host.published.join(this);
    return this.doors.length > 0 ? 0 : failure;
  }

  /** Its own address, or that of a published port where it has none. */
  get bound(): InetAddress {
    return localAddress(this.doors[0]!.fd);
  }

  protected override accept(fd: number): Accepted | number {
    return accept(fd);
  }

  /** Also where the peer has broken it meanwhile: what it had sent is the guest's, as it is any server's. */
  protected override give(stream: Stream, requestId: number, { fd, peer }: Accepted): void {
    const endpoints = { local: localAddress(fd), peer };
    let relay: TcpRelay;
    try {
      relay = new TcpRelay(this.host, stream, fd);
    } catch {
      closeFd(fd);
      stream.reset();
      return;
    }
    stream.become(relay);
    stream.incoming(Incoming, requestId, endpoints, peer);
    stream.later();
  }

  /** stream.end() releases it. */
  protected override finish(): void {
    this.stream.end();
  }

  protected override release(): void {
    this.host.published.leave(this);
    if (this.#fd >= 0) closeFd(this.#fd);
  }
}
