// tcp-listen: a listening socket of TCP (PROTOCOL.md section 12). What it does with the guest's streams: listener.ts.

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
  bind,
  closeFd,
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
import type { Stream } from "../guests/stream.ts";
import type { OwnPorts } from "../policy/own-ports.ts";
import { refusal } from "../policy/refusal.ts";
import { backlogFor, ListenRelay } from "./listener.ts";
import type { ProtocolEntry } from "./protocol.ts";
import { KEEP_ALIVE, TcpRelay } from "./tcp-relay.ts";

export const TCP_LISTEN: ProtocolEntry<ListenRequest> = {
  network: "carries",
  isFlow: true,
  judge({ matcher, ownPorts }, body) {
    const asked = ListenRequest.decode(body);
    const { address } = asked;
    const decision = ownPorts.judgeListen(matcher.listen(formatIp(address.address), address.port), address);
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
    const fd = listening(address, backlogFor(backlog), host.ownPorts);
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
    const bound = localAddress(fd);
    stream.opened(requestId, ListenReply.encode({ bound }), bound);
  },
};

/** A listening socket, or -errno. */
function listening(address: InetAddress, backlog: number, ownPorts: OwnPorts): number {
  const fd = tcpSocket(address.family);
  if (fd < 0) return fd;
  let result = setReuseAddress(fd);
  if (result >= 0 && address.family === 6) result = setIpv6Only(fd);
  // Its connections have these from the first.
  if (result >= 0) result = setNoDelay(fd);
  if (result >= 0) result = setKeepAlive(fd, ...KEEP_ALIVE);
  if (result >= 0) result = setLingerZero(fd);
  if (result >= 0) result = bind(fd, address);
  if (result >= 0 && ownPorts.has(localAddress(fd).port)) result = -Errno.EADDRINUSE;
  if (result >= 0) result = listen(fd, backlog);
  if (result >= 0) return fd;
  closeFd(fd);
  return result;
}

class TcpListenRelay extends ListenRelay<Accepted> {
  protected override accept(): Accepted | number {
    return accept(this.fd);
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
    closeFd(this.fd);
  }
}
