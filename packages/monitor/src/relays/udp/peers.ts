// Whom a bound socket knows: peers that the guest has sent to, or has heard of, each with what the policy says of it.
//
//   (none) ── UdpSendTo, UdpLookup, a datagram of theirs ──▶ KNOWN ── too many are, and this is the oldest ──▶ (none)
//
// A peer may be sent to if a connect rule allows it, also by a name that the guest was told its address for (UDP-8), or
// if a datagram of it has come into the ring within the idle time, but on a client's own socket (UDP-7). A client's own
// socket takes datagrams of those alone that the guest has sent to (UDP-3). What is used is put to the end, so the
// first of the map is the one that was used longest ago.
//
// Invariant: no more peers than PEERS_MAX, and past PEERS_OF_ACCOUNT_MAX of an account than PEERS_KEPT; beside those
// that UdpLookup told, TOLD_MAX at the most, which are not forgotten.

import { formatIp, type InetAddress, inet, type Refusal, unmapIp } from "@ringway/control";
import { type DatagramPeer, datagramPeer } from "@ringway/linux";
import type { Stream } from "../../guests/stream.ts";
import { DNS_IDLE_MS, DNS_PORT } from "../../policy/defaults.ts";
import type { PolicyState } from "../../policy/in-force.ts";
import type { NotAllowed } from "../../policy/types.ts";
import type { RelayHost } from "../host.ts";
import { judgeAddress, judgeAddresses } from "../name-lookup.ts";

const PEERS_MAX = 4096;
/** About 500 bytes each. */
const PEERS_OF_ACCOUNT_MAX = 64 * 1024;
const PEERS_KEPT = 16;
/** For so long a peer counts as a name that resolve has told, until that is looked at again (RSL-5). */
const KNOWN_AGAIN_MS = 1000;
/** Names whose addresses a guest may have told for as long as the stream lives; past the above, PEERS_KEPT. */
const TOLD_MAX = 256;

/** How long nothing may come or go until what is known of a peer at this port is forgotten. */
export function idleMs({ policy }: PolicyState, port: number): number {
  const { udpIdleMs } = policy.timeouts;
  return port === DNS_PORT ? Math.min(DNS_IDLE_MS, udpIdleMs) : udpIdleMs;
}

export class Peer implements DatagramPeer {
  readonly endpoint: InetAddress;
  readonly sockaddr: Uint8Array;
  readonly sockaddrBytes: number;
  readonly key: number | string;
  heardMs: number = Number.NEGATIVE_INFINITY;
  sentMs: number = Number.NEGATIVE_INFINITY;
  /** Names that it counts as: UdpLookup told it for them. */
  readonly names: string[] = [];
  /** By which policy it was judged, and what that said. */
  judgedBy: PolicyState | undefined;
  denied: NotAllowed | undefined;
  /** How much was told of names by then (KnownNames), and when names hold no more that it was allowed for. */
  judgedAfter = 0;
  holdsUntilMs: number = Number.POSITIVE_INFINITY;

  constructor(key: number | string, endpoint: InetAddress) {
    this.key = key;
    this.endpoint = endpoint;
    const { sockaddr, sockaddrBytes } = datagramPeer(endpoint.address, endpoint.port);
    this.sockaddr = sockaddr;
    this.sockaddrBytes = sockaddrBytes;
  }
}

export class Peers {
  readonly #host: RelayHost;
  readonly #stream: Stream;
  readonly #family: 4 | 6;
  readonly #isOwn: boolean;
  readonly #peers: Map<number | string, Peer> = new Map();
  #told = 0;
  #last: Peer | undefined;

  /** `isOwn`: of a client's own socket, which answers nobody that it may not send to by itself. */
  constructor(host: RelayHost, stream: Stream, family: 4 | 6, isOwn: boolean) {
    this.#isOwn = isOwn;
    this.#host = host;
    this.#stream = stream;
    this.#family = family;
  }

  /** The peer, if it is known. Hot. */
  find(port: number, a: number, b: number, c: number, d: number): Peer | undefined {
    const key = this.#family === 4 ? a * 0x10000 + port : `${port},${a},${b},${c},${d}`;
    const last = this.#last;
    if (last !== undefined && last.key === key) return last;
    const peer = this.#peers.get(key);
    if (peer === undefined) return undefined;
    this.#peers.delete(key);
    this.#peers.set(key, peer);
    this.#last = peer;
    return peer;
  }

  /** The peer, known from now on. */
  know(port: number, a: number, b: number, c: number, d: number): Peer {
    const known = this.find(port, a, b, c, d);
    if (known !== undefined) return known;
    const words = this.#family === 4 ? Uint32Array.of(a) : Uint32Array.of(a, b, c, d);
    const endpoint = inet(new Uint8Array(words.buffer), port);
    const key = this.#family === 4 ? a * 0x10000 + port : `${port},${a},${b},${c},${d}`;
    this.#makeRoom();
    const peer = new Peer(key, endpoint);
    this.#peers.set(key, peer);
    this.#stream.guest.account.udpPeers++;
    this.#last = peer;
    return peer;
  }

  /** An address that the guest asked for by name: undefined where it was told as many as it may be. */
  tell(name: string, { port, address }: InetAddress): Peer | undefined {
    const isFull = this.#stream.guest.account.udpPeers >= PEERS_OF_ACCOUNT_MAX;
    if (this.#told >= (isFull ? PEERS_KEPT : TOLD_MAX)) return undefined;
    const words = new Uint32Array(4);
    words.set(new Uint32Array(new Uint8Array(address).buffer));
    const peer = this.know(port, words[0]!, words[1]!, words[2]!, words[3]!);
    if (peer.names.includes(name)) return peer;
    this.#told++;
    peer.names.push(name);
    peer.judgedBy = undefined;
    return peer;
  }

  /** Why the guest may not send to it; `isNew`: nobody was told before. */
  refusal(peer: Peer, nowMs: number): { readonly denied: Refusal; readonly isNew: boolean } | undefined {
    const { guest } = this.#stream;
    const isAnswer = !this.#isOwn && nowMs - peer.heardMs < idleMs(guest.policy, peer.endpoint.port);
    if (isAnswer) return undefined;
    const isJudged = peer.judgedBy === guest.policy;
    const wasDenied = isJudged && peer.denied !== undefined;
    if (!isJudged || peer.judgedAfter !== guest.names.told || nowMs >= peer.holdsUntilMs) {
      peer.judgedBy = guest.policy;
      peer.judgedAfter = guest.names.told;
      peer.holdsUntilMs = Number.POSITIVE_INFINITY;
      peer.denied = this.#judge(peer, nowMs);
    }
    return peer.denied && { denied: peer.denied, isNew: !wasDenied };
  }

  /** The address by itself, or as each of the names that it was told for; else as those that resolve has told. */
  #judge(peer: Peer, nowMs: number): NotAllowed | undefined {
    const { endpoint, names } = peer;
    const { guest } = this.#stream;
    const { matcher } = guest.policy;
    const to = inet(unmapIp(endpoint.address), endpoint.port);
    const byItself = this.#host.ownPorts.judge(matcher.connectAddress(to.address, to.port, "udp"), to);
    if (byItself.allowed) return undefined;
    for (const name of names) {
      const { ruleIndex } = matcher.connectName(name, to.port, "udp");
      const asked = { name, ruleIndex, port: to.port, transport: "udp" } as const;
      if (judgeAddresses(this.#host, guest, asked, [formatIp(to.address)]).allowed.length > 0)
        return undefined;
    }
    const decision = judgeAddress(this.#host, guest, to, "udp");
    if (!decision.allowed) return decision;
    peer.holdsUntilMs = nowMs + KNOWN_AGAIN_MS;
    return undefined;
  }

  /** May a client's own socket take what this peer sends? */
  isAwaited(peer: Peer, nowMs: number): boolean {
    return nowMs - peer.sentMs < idleMs(this.#stream.guest.policy, peer.endpoint.port);
  }

  end(): void {
    this.#stream.guest.account.udpPeers -= this.#peers.size;
    this.#peers.clear();
    this.#last = undefined;
  }

  #makeRoom(): void {
    const { account } = this.#stream.guest;
    const most = account.udpPeers < PEERS_OF_ACCOUNT_MAX ? PEERS_MAX : PEERS_KEPT;
    for (const [key, peer] of this.#peers) {
      if (this.#peers.size < most + this.#told) return;
      if (peer.names.length > 0) continue;
      this.#peers.delete(key);
      account.udpPeers--;
    }
  }
}
