// What a guest asks of its socket beside datagrams: options, the interface of groups, groups (groups.ts), and names
// (UDP-8, UDP-12).
//
// Invariant: as many lookups are under way as #lookups has, LOOKUPS_MAX at the most, and each pays as a request. One
// that waits for its rate (LIM-2) is not under way, and nothing of the guest's is taken behind it.

import { type Frame, type InetAddress, parseIp, type Refusal, udpMessages } from "@ringway/control";
import {
  Errno,
  setBroadcast,
  setMulticastInterface,
  setMulticastLoop,
  setMulticastTtl,
  setTtl,
} from "@ringway/linux";
import type { Stream } from "../../guests/stream.ts";
import type { Answer } from "../../names/resolver.ts";
import { denial, refusal } from "../../policy/refusal.ts";
import type { RelayHost } from "../host.ts";
import {
  type AllowedName,
  DeniedAddress,
  judgeAddresses,
  NameLookup,
  resolveFailure,
} from "../name-lookup.ts";
import { unknownRequest } from "../unknown.ts";
import type { Answers } from "./answers.ts";
import { failed, UdpGroups } from "./groups.ts";
import type { Peers } from "./peers.ts";
import { nobody, type UdpSocket } from "./socket.ts";

const { UdpInterface, UdpJoin, UdpLeave, UdpLookup, UdpOption, UdpPeer, UdpSend, UdpSendTo, UdpSet } =
  udpMessages;

/** Lookups under way for one socket. */
const LOOKUPS_MAX = 64;

const INVALID: Refusal = refusal(Errno.EINVAL, "the host knows no such option, or no such value");
const NOT_CONNECTED: Refusal = refusal(Errno.ENOSYS, "a connected socket has one peer, and no groups");

/** A name that is being looked up, and what was denied of it so far. */
interface Asked {
  readonly requestId: number;
  readonly allowed: AllowedName;
  readonly denied: DeniedAddress;
  lookup: NameLookup | undefined;
  /** It has an address of another family. */
  other: boolean;
}

export class UdpRequests {
  readonly #host: RelayHost;
  readonly #stream: Stream;
  readonly #socket: UdpSocket;
  readonly #answers: Answers;
  readonly #peers: Peers | undefined;
  readonly #lookups: Set<Asked> = new Set();
  /** Of a bound socket. */
  readonly #groups: UdpGroups | undefined;
  /** A UdpLookup that waits for its rate. */
  #held: Frame | undefined;

  constructor(
    host: RelayHost,
    stream: Stream,
    socket: UdpSocket,
    answers: Answers,
    peers: Peers | undefined,
  ) {
    this.#host = host;
    this.#stream = stream;
    this.#socket = socket;
    this.#answers = answers;
    this.#peers = peers;
    this.#groups = peers && new UdpGroups(stream, socket);
  }

  /** Are answers to come, of what was asked for? */
  get underWay(): boolean {
    return this.#lookups.size > 0;
  }

  /** Does none wait for a rate? */
  mayTake(): boolean {
    const held = this.#held;
    if (held === undefined) return true;
    this.#held = undefined;
    this.take(held);
    return this.#held === undefined;
  }

  take(frame: Frame): void {
    const { type, requestId, payload } = frame;
    switch (type) {
      case UdpSet.type:
        this.#answer(requestId, this.#set(UdpSet.decode(payload)));
        return;
      case UdpInterface.type:
        this.#answer(requestId, this.#interface(UdpInterface.decode(payload).interface));
        return;
      case UdpJoin.type: {
        const asked = UdpJoin.decode(payload);
        this.#answer(requestId, this.#groups === undefined ? NOT_CONNECTED : this.#groups.join(asked));
        return;
      }
      case UdpLeave.type: {
        const asked = UdpLeave.decode(payload);
        this.#answer(requestId, this.#groups === undefined ? NOT_CONNECTED : this.#groups.leave(asked));
        return;
      }
      case UdpLookup.type:
        this.#look(frame, UdpLookup.decode(payload));
        return;
      case UdpSend.type:
      case UdpSendTo.type:
        // The frame of the other protocol.
        this.#answers.error(nobody(this.#socket), unknownRequest(type));
        return;
      default:
        this.#answers.fail(requestId, unknownRequest(type));
    }
  }

  end(): void {
    for (const asked of this.#lookups) {
      this.#stream.guest.budget.giveWork();
      asked.lookup?.cancel();
      this.#auditDenied(asked);
    }
    this.#lookups.clear();
  }

  #answer(requestId: number, why: Refusal | undefined): void {
    if (why === undefined) this.#answers.done(requestId);
    else this.#answers.fail(requestId, why);
  }

  #set({ option, value }: udpMessages.UdpSet): Refusal | undefined {
    const { fd, family } = this.#socket;
    const isFlag = value <= 1;
    switch (option) {
      case UdpOption.TTL:
        return value >= 1 && value <= 255 ? failed(setTtl(fd, family, value)) : INVALID;
      case UdpOption.MULTICAST_TTL:
        return value <= 255 ? failed(setMulticastTtl(fd, family, value)) : INVALID;
      case UdpOption.MULTICAST_LOOP:
        return isFlag ? failed(setMulticastLoop(fd, family, value === 1)) : INVALID;
      case UdpOption.BROADCAST:
        return isFlag ? failed(setBroadcast(fd, value === 1)) : INVALID;
      default:
        return INVALID;
    }
  }

  #interface({ family, port, address }: InetAddress): Refusal | undefined {
    if (family !== this.#socket.family || port !== 0) return INVALID;
    return failed(setMulticastInterface(this.#socket.fd, address));
  }

  // ── Names ─────────────────────────────────────────────────────────────────────────────────────────────────────

  #look(frame: Frame, { host, port }: udpMessages.UdpLookup): void {
    const { guest } = this.#stream;
    const { requestId } = frame;
    const why = this.#mayNotLook(host, port);
    if (why !== undefined) {
      this.#answers.fail(requestId, why);
      return;
    }
    const what = `${host}:${port}`;
    const decision = guest.policy.matcher.connectName(host, port, "udp");
    if (!decision.allowed) {
      this.#answers.fail(requestId, denial(guest, this.#socket.protocol, what, decision));
      return;
    }
    const { network } = guest.budget;
    if (network.limited && !network.takeLookup(this.#stream)) {
      this.#held = frame;
      return;
    }
    const { name, ruleIndex } = decision;
    const allowed = { name, ruleIndex, port, transport: "udp" } as const;
    const denied = new DeniedAddress(guest, this.#socket.protocol, what);
    const asked: Asked = { requestId, allowed, denied, lookup: undefined, other: false };
    guest.budget.takeWork();
    this.#lookups.add(asked);
    asked.lookup = new NameLookup(this.#host, this.#stream, name, (answer) => this.#looked(asked, answer));
  }

  /** Whatever the policy says. */
  #mayNotLook(host: string, port: number): Refusal | undefined {
    if (this.#peers === undefined) return NOT_CONNECTED;
    if (port < 1 || port > 0xffff || parseIp(host) !== undefined) {
      return refusal(Errno.EINVAL, `${host}:${port} is no name with a port`);
    }
    if (this.#lookups.size >= LOOKUPS_MAX) {
      return refusal(Errno.ENOBUFS, `${LOOKUPS_MAX} names of this socket are being looked up`);
    }
    return this.#stream.guest.budget.tooManyRequests;
  }

  #looked(asked: Asked, { addresses, errno, ended }: Answer): void {
    if (!this.#lookups.has(asked)) return;
    const { guest } = this.#stream;
    const { name } = asked.allowed;
    if (errno !== 0) {
      this.#settle(asked, refusal(errno, `${name}: ${resolveFailure(errno)}`));
      return;
    }
    const { allowed, denied } = judgeAddresses(this.#host, guest, asked.allowed, addresses);
    asked.denied.note(denied);
    const fitting = allowed.find(({ family }) => family === this.#socket.family);
    asked.other ||= allowed.length > 0;
    if (fitting !== undefined) this.#settle(asked, fitting);
    else if (ended) this.#settle(asked, this.#none(asked));
  }

  #none(asked: Asked): Refusal {
    const { name } = asked.allowed;
    if (asked.other) return refusal(Errno.EAFNOSUPPORT, `${name} has no address of the socket's family`);
    return asked.denied.take() ?? refusal(Errno.ENOENT, `${name}: ${resolveFailure(Errno.ENOENT)}`);
  }

  #auditDenied({ other, allowed, denied }: Asked): void {
    // By address (ruleIndex -1), localhost stands for those that the guest may have.
    if (!other || allowed.ruleIndex >= 0) denied.audit();
  }

  #settle(asked: Asked, result: InetAddress | Refusal): void {
    this.#lookups.delete(asked);
    this.#stream.guest.budget.giveWork();
    asked.lookup?.cancel();
    this.#auditDenied(asked);
    if ("errno" in result) this.#answers.fail(asked.requestId, result);
    else if (this.#peers!.tell(asked.allowed.name, result) === undefined) {
      const reason = "the socket may send to no more names";
      this.#answers.fail(asked.requestId, refusal(Errno.ENOBUFS, reason));
    } else this.#answers.reply(UdpPeer, asked.requestId, { peer: result });
    this.#stream.later();
  }
}
