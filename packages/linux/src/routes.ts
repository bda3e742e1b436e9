// What the kernel would do with a packet for an address, asked through rtnetlink (RTM_GETROUTE). The answer is that of
// the routing tables at this moment: addresses that came a microsecond ago, aliases, whole networks routed to this host
// (`ip route add local`), and rules for the asking user are in it, and nothing is kept that could be old.
//
//   request: nlmsghdr (16) length u32 | type u16 | flags u16 | sequence u32 | port u32
//            rtmsg    (12) family u8 | bits of the destination u8 | 6 bytes | type u8 | flags u32
//            rtattr        length u16 | RTA_DST u16 | the address
//   answer:  RTM_NEWROUTE, whose rtmsg has the type of the route; or NLMSG_ERROR, whose first word is -errno
//
// The kernel answers within send(): nothing waits.

import { closeFd } from "./descriptor.ts";
import { Errno } from "./errno.ts";
import { scratch } from "./libc.ts";
import { AF_INET, AF_INET6, AF_NETLINK, openSocket, SOCK_NONBLOCK, SOCK_RAW } from "./open-socket.ts";
import { recv, send } from "./sockets.ts";

const NETLINK_ROUTE = 0;
const NLM_F_REQUEST = 1;
const NLMSG_ERROR = 2;
const RTM_NEWROUTE = 24;
const RTM_GETROUTE = 26;
const RTA_DST = 1;

const HEADER_BYTES = 16;
const ROUTE_BYTES = 12;
const ATTRIBUTE_BYTES = 4;
const ROUTE_TYPE = 7;

/** Types of routes (RTN_*) that lead to this host itself. */
const RTN_LOCAL = 2;
const RTN_ANYCAST = 4;
/** To everybody of a network that this host is in. */
const RTN_BROADCAST = 3;

const request = scratch(HEADER_BYTES + ROUTE_BYTES + ATTRIBUTE_BYTES + 16);
/** The start of an answer is enough: what does not fit is dropped with the datagram. */
const answer = scratch(64);

/** Asks the routing tables. One descriptor, for as long as it is not disposed of. */
export class Routes implements Disposable {
  /** Or -errno: where sockets of the kind are forbidden, every question is answered with it. */
  #fd: number;
  #sequence = 0;

  constructor() {
    this.#fd = openSocket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK, NETLINK_ROUTE);
  }

  /**
   * Whether a connection to the address, of 4 or 16 bytes, stays on this host: 1 or 0, or -errno where the kernel could
   * not be asked. What is reached by no route does not.
   */
  leadsHere(address: Uint8Array): number {
    const type = this.#typeOf(address);
    if (type < 0) return type;
    return type === RTN_LOCAL || type === RTN_ANYCAST ? 1 : 0;
  }

  /** Whether the address is a network's broadcast address. False where the kernel could not be asked. */
  isBroadcast(address: Uint8Array): boolean {
    return this.#typeOf(address) === RTN_BROADCAST;
  }

  /** The type of the route, 0 where there is none; or -errno where the kernel could not be asked. */
  #typeOf(address: Uint8Array): number {
    if (this.#fd < 0) return this.#fd;
    const bytes = this.#putRequest(address);
    const sent = send(this.#fd, request.address, bytes);
    if (sent < 0) return sent;
    for (;;) {
      const received = recv(this.#fd, answer.address, answer.bytes.length);
      if (received < 0) return received;
      if (received < HEADER_BYTES + 4) return -Errno.EPROTO;
      // An older one that was left behind.
      if (answer.view.getUint32(8, true) !== this.#sequence) continue;
      const type = answer.view.getUint16(4, true);
      if (type === NLMSG_ERROR) return withoutRoute(-answer.view.getInt32(HEADER_BYTES, true));
      if (type !== RTM_NEWROUTE || received < HEADER_BYTES + ROUTE_BYTES) return -Errno.EPROTO;
      return answer.bytes[HEADER_BYTES + ROUTE_TYPE]!;
    }
  }

  [Symbol.dispose](): void {
    if (this.#fd >= 0) closeFd(this.#fd);
    this.#fd = -Errno.EBADF;
  }

  #putRequest(address: Uint8Array): number {
    const { view, bytes } = request;
    const length = HEADER_BYTES + ROUTE_BYTES + ATTRIBUTE_BYTES + address.length;
    this.#sequence = (this.#sequence + 1) >>> 0;
    bytes.fill(0);
    view.setUint32(0, length, true);
    view.setUint16(4, RTM_GETROUTE, true);
    view.setUint16(6, NLM_F_REQUEST, true);
    view.setUint32(8, this.#sequence, true);
    bytes[HEADER_BYTES] = address.length === 4 ? AF_INET : AF_INET6;
    bytes[HEADER_BYTES + 1] = 8 * address.length;
    view.setUint16(HEADER_BYTES + ROUTE_BYTES, ATTRIBUTE_BYTES + address.length, true);
    view.setUint16(HEADER_BYTES + ROUTE_BYTES + 2, RTA_DST, true);
    bytes.set(address, HEADER_BYTES + ROUTE_BYTES + ATTRIBUTE_BYTES);
    return length;
  }
}

/** What leads nowhere (unreachable, prohibited) does not lead here. Anything else is no answer. */
function withoutRoute(errno: number): number {
  const { ENETUNREACH, EHOSTUNREACH, EACCES } = Errno;
  return errno === ENETUNREACH || errno === EHOSTUNREACH || errno === EACCES ? 0 : -errno;
}
