// The groups that a bound socket is in (UDP-13): who may join which, and how many they are.
//
// A group is joined for all senders, or for some of them one by one; each is one more. To leave it for all senders ends
// those as well: the kernel has one membership for a group and an interface, and that is gone then.
//
// Invariant: #joined has all that the kernel has, GROUPS_MAX at the most.

import {
  formatEndpoint,
  formatIp,
  type InetAddress,
  inet,
  type Refusal,
  type udpMessages,
} from "@ringway/control";
import { Errno, errnoMessage, isUnspecified, joinGroup, leaveGroup } from "@ringway/linux";
import type { Stream } from "../../guests/stream.ts";
import { denial, refusal } from "../../policy/refusal.ts";
import type { UdpSocket } from "./socket.ts";

/** Groups that one socket is in: as many as Linux lets it be in of IPv4's. */
const GROUPS_MAX = 20;

/** As the guest has named them. */
interface Joined {
  readonly group: string;
  readonly through: string;
  /** "": all senders. */
  readonly source: string;
}

export class UdpGroups {
  readonly #stream: Stream;
  readonly #socket: UdpSocket;
  #joined: Joined[] = [];

  constructor(stream: Stream, socket: UdpSocket) {
    this.#stream = stream;
    this.#socket = socket;
  }

  join(asked: udpMessages.UdpJoin): Refusal | undefined {
    const wrong = this.#mistake(asked) ?? this.#mayJoin(asked.group);
    if (wrong !== undefined) return wrong;
    if (this.#joined.length >= GROUPS_MAX) {
      return refusal(Errno.ENOBUFS, `the socket is in ${GROUPS_MAX} groups, the most that it may be in`);
    }
    const { group, through, source } = joined(asked);
    // The kernel would hear this sender alone from then on.
    const hasAll = this.#joined.some(
      (each) => each.group === group && each.through === through && !each.source,
    );
    if (hasAll) return failed(-Errno.EADDRINUSE);
    const why = failed(joinGroup(this.#socket.fd, membership(asked)));
    if (why === undefined) this.#joined.push({ group, through, source });
    return why;
  }

  leave(asked: udpMessages.UdpJoin): Refusal | undefined {
    const wrong = this.#mistake(asked);
    if (wrong !== undefined) return wrong;
    const result = leaveGroup(this.#socket.fd, membership(asked));
    if (result === 0) this.#left(asked);
    // So says the kernel of a sender where the group is not joined at all.
    return failed(result === -Errno.EINVAL ? -Errno.EADDRNOTAVAIL : result);
  }

  /**
   * The kernel says so. Whoever names no interface means the one that the kernel takes, which may have been named: that
   * of IPv6's last membership, and with IPv4 that where the group's route leads.
   */
  #left(asked: udpMessages.UdpJoin): void {
    const { group, through, source } = joined(asked);
    const there = this.#joined.filter((each) => each.group === group && (!source || each.source === source));
    const isLast = asked.group.family === 6 && isUnspecified(asked.interface.address);
    const one = (isLast ? undefined : there.findLast((each) => each.through === through)) ?? there.at(-1);
    const over = source ? [one] : there.filter((each) => each.through === one?.through);
    this.#joined = this.#joined.filter((each) => !over.includes(each));
  }

  #mistake({ group, source, interface: through }: udpMessages.UdpJoin): Refusal | undefined {
    const { family } = this.#socket;
    const isFit = [group, source, through].every((each) => each.family === family && each.port === 0);
    if (isFit && isGroup(group.address)) return undefined;
    return refusal(Errno.EINVAL, `${formatEndpoint(group)} is no group of this socket's`);
  }

  #mayJoin({ address }: InetAddress): Refusal | undefined {
    const { guest } = this.#stream;
    const { port, protocol } = this.#socket;
    const group = inet(address, port);
    const decision = guest.policy.matcher.listen(formatIp(address), port, "udp");
    if (decision.allowed) return undefined;
    return denial(guest, protocol, `join ${formatEndpoint(group)}`, decision);
  }
}

function membership({ group, source, interface: through }: udpMessages.UdpJoin) {
  return { group: group.address, source: source.address, interface: through.address };
}

function joined({ group, source, interface: through }: udpMessages.UdpJoin): Joined {
  return {
    group: formatIp(group.address),
    through: formatIp(through.address),
    source: isUnspecified(source.address) ? "" : formatIp(source.address),
  };
}

/** A call's result as a refusal. */
export function failed(result: number): Refusal | undefined {
  if (result >= 0) return undefined;
  const errno = result === -Errno.ENODEV ? Errno.EADDRNOTAVAIL : -result;
  return refusal(errno, errnoMessage(errno));
}

function isGroup(address: Uint8Array): boolean {
  return address.length === 4 ? address[0]! >>> 4 === 14 : address[0] === 0xff;
}
