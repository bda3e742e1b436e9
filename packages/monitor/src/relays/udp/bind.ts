// udp-bind: a socket with an address of the host's, or one of a client's own that the host picks (UDP-2, UDP-3).

import {
  formatEndpoint,
  formatIp,
  type InetAddress,
  ListenReply,
  type Refusal,
  udpMessages,
} from "@ringway/control";
import {
  bind,
  closeFd,
  Errno,
  errnoMessage,
  errnoOf,
  isUnspecified,
  localAddress,
  setIpv6Only,
  setReuseAddress,
  setTrains,
  udpSocket,
} from "@ringway/linux";
import type { PolicyMatcher } from "../../policy/matcher.ts";
import type { OwnPorts } from "../../policy/own-ports.ts";
import { refusal } from "../../policy/refusal.ts";
import type { Decision } from "../../policy/types.ts";
import { Counter } from "../../reactor/counters.ts";
import type { Judged, ProtocolEntry } from "../protocol.ts";
import { UdpRelay } from "./relay.ts";

const { UdpBindFlags, UdpBindRequest } = udpMessages;

/** A UdpBindRequest, as the policy reads it. */
interface Asked extends udpMessages.UdpBindRequest {
  /** No rule lets others send to it. */
  readonly isOwn: boolean;
}

const ANY_IPV4 = "0.0.0.0";
/** Judged.as of a socket of a client's own. */
const OWN = "own";

export const UDP_BIND: ProtocolEntry<Asked> = {
  network: "carries",
  isFlow: true,
  judge({ matcher, ownPorts, granted }, body): Judged<Asked> {
    const { flags, address } = UdpBindRequest.decode(body);
    const what = formatEndpoint(address);
    const listens = ownPorts.judgeListen(judgeListen(matcher, flags, address), address);
    const mayBeOwn =
      !listens.allowed &&
      address.port === 0 &&
      isUnspecified(address.address) &&
      matcher.sendsDatagrams &&
      // One that anybody could send to becomes none of those.
      (granted === undefined || granted.as === OWN);
    const reason = `a socket of the guest's own, for datagrams to whom it may send them`;
    const decision = mayBeOwn ? ({ allowed: true, rule: "", reason } as const) : listens;
    const asked = { flags, address, isOwn: mayBeOwn };
    return { asked, decision, what, mistake: mistakeIn(flags, address), as: mayBeOwn ? OWN : undefined };
  },
  open(host, stream, requestId, { asked: { flags, address, isOwn }, what }) {
    const fail = (errno: number): void =>
      stream.refuse(requestId, refusal(errno, `take datagrams at ${what}: ${errnoMessage(errno)}`));
    const { budget } = stream.guest;
    const make = (): number => bound(flags, address, host.ownPorts);
    const fd = budget.mayHaveConnection ? budget.makeSocket(make) : -Errno.EMFILE;
    if (fd < 0) {
      fail(-fd);
      return;
    }
    const local = localAddress(fd);
    let relay: UdpRelay;
    try {
      const { family } = address;
      relay = new UdpRelay(host, stream, { fd, family, endpoint: undefined, port: local.port, isOwn });
    } catch (error) {
      closeFd(fd);
      fail(errnoOf(error, Errno.ENOMEM));
      return;
    }
    host.counters.add(Counter.udpSockets);
    // The relay first: it closes the socket, whatever the guest has done to the ring that Opened goes to.
    stream.become(relay);
    stream.opened(requestId, ListenReply.encode({ bound: local }), local);
  },
};

/** The unspecified IPv6 address stands for IPv4's too, unless it is told not to: then both are asked for. */
function judgeListen(matcher: PolicyMatcher, flags: number, address: InetAddress): Decision {
  const decision = matcher.listen(formatIp(address.address), address.port, "udp");
  const isBoth =
    address.family === 6 && isUnspecified(address.address) && (flags & UdpBindFlags.ONLY_IPV6) === 0;
  if (!decision.allowed || !isBoth) return decision;
  const four = matcher.listen(ANY_IPV4, address.port, "udp");
  return four.allowed ? decision : four;
}

function mistakeIn(flags: number, { family }: InetAddress): Refusal | undefined {
  const { SHARED, ONLY_IPV6 } = UdpBindFlags;
  const isKnown = (flags & ~(SHARED | ONLY_IPV6)) === 0;
  if (isKnown && (family === 6 || (flags & ONLY_IPV6) === 0)) return undefined;
  return refusal(Errno.EINVAL, `flags ${flags} do not go with an address of IPv${family}`);
}

/** A bound socket, or -errno. */
function bound(flags: number, address: InetAddress, ownPorts: OwnPorts): number {
  const fd = udpSocket(address.family);
  if (fd < 0) return fd;
  setTrains(fd);
  let result = 0;
  if ((flags & UdpBindFlags.SHARED) !== 0) result = setReuseAddress(fd);
  if (result >= 0 && address.family === 6) {
    result = setIpv6Only(fd, (flags & UdpBindFlags.ONLY_IPV6) !== 0);
  }
  if (result >= 0) result = bind(fd, address);
  if (result >= 0 && ownPorts.has(localAddress(fd).port)) result = -Errno.EADDRINUSE;
  if (result >= 0) return fd;
  closeFd(fd);
  return result;
}
