// A conversation as packets, as if somebody had seen it on a wire: of TCP and Unix sockets a connection with SYN,
// segments that are acknowledged, FIN or RST; of UDP its datagrams alone. What was lost of the first is a hole in the
// sequence numbers.
//
//   opened ──▶ SYN, SYN ACK, ACK ──▶ data: segments, ACK ... ──▶ closed: FIN, FIN, ACK, or RST
//   in mid-flow: without the first three
//   a hole of more than GAP_MAX: RST, and the first three anew, which is another connection to who reads it
//
// The first packet of each in a file has a comment: guest, rule, and what was asked for; the last has how it ended, but
// for datagrams.

import type { ConversationOpened, FollowedEvent } from "@ringway/monitor";
import { type Endpoint, SEGMENT_BYTES_MAX, TcpFlag, tcpPacket, udpPacket } from "./packets.ts";
import { endpointOf, guestAddress, hostEndpoint, portIn, portOf } from "./parties.ts";
import type { Packet } from "./pcapng.ts";

type Event<Kind extends FollowedEvent["kind"]> = Extract<FollowedEvent, { kind: Kind }>;
type Side = "initiator" | "responder";

/** Where a sequence begins: of whom in mid-flow, nobody knows. */
const SEQUENCE_FIRST = 1000;
/** Of a hole: a sequence number that is 2^31 ahead is taken for an old one. */
const GAP_MAX: number = 2 ** 30;

const { ACK, FIN, PSH, RST, SYN } = TcpFlag;

export interface Conversing {
  /** Where they are, for name blocks. */
  readonly guest: Endpoint;
  readonly host: Endpoint;
  /** The guest's. */
  readonly name: string;
  /** The next packet says whose it is: another file begins. */
  introduce(): void;
  data(event: Event<"data">): Packet[];
  lost(event: Event<"lost">): Packet[];
  closed(event: Event<"closed">): Packet[];
  /** What comes before anything that is carried. */
  begin(timeNs: bigint): Packet[];
}

export function conversing(event: Event<"opened">): Conversing {
  return event.protocol.startsWith("udp-") ? new Datagrams(event) : new Connection(event);
}

function endpoints(event: Event<"opened">): Record<Side | "guest" | "host", Endpoint> {
  const { initiator, responder, protocol, conversation, guestId } = event;
  const isGuests = initiator.side === "guest";
  const [ofGuest, ofHost] = isGuests ? [initiator, responder] : [responder, initiator];
  const isUnix = protocol.startsWith("unix-");
  const host = hostEndpoint(ofHost.address, ofHost.name, isUnix);
  // A path may end as an address does; the peers of Unix sockets have one address, and nothing else tells them apart.
  const listened = isUnix ? 0 : portIn(ofGuest.address);
  const port = listened === 0 ? portOf(conversation) : listened;
  const guest = { address: guestAddress(guestId, host.address.length), port };
  return isGuests
    ? { initiator: guest, responder: host, guest, host }
    : { initiator: host, responder: guest, guest, host };
}

/** What a guest has chosen is last: whatever it says, it forges no rule. */
function introduced({ guest, rule, protocol, responder, stream }: ConversationOpened): string {
  return `guest ${guest}, rule ${rule === "" ? "-" : rule}, stream ${stream}, ${protocol} ${responder.name}`;
}

/** A comment that a packet has once for each time that it is due. */
class Introduction {
  readonly #text: string;
  #isDue = true;

  constructor(event: ConversationOpened) {
    this.#text = introduced(event);
  }

  again(): void {
    this.#isDue = true;
  }

  take(): string[] {
    if (!this.#isDue) return [];
    this.#isDue = false;
    return [this.#text];
  }
}

const whole = (timeNs: bigint, bytes: Uint8Array, comments: readonly string[]): Packet => ({
  timeNs,
  bytes,
  length: bytes.length,
  comments,
});

class Connection implements Conversing {
  readonly guest: Endpoint;
  readonly host: Endpoint;
  readonly #ends: Record<Side, Endpoint>;
  readonly name: string;
  readonly #introduction: Introduction;
  readonly #isGuests: boolean;
  #first = SEQUENCE_FIRST;
  #next: Record<Side, number> = { initiator: SEQUENCE_FIRST, responder: SEQUENCE_FIRST };
  /** Bytes that are missing since its last packet. */
  #gap: Record<Side, number> = { initiator: 0, responder: 0 };
  #isWhole: boolean;
  #isEstablished = false;

  constructor(event: Event<"opened">) {
    const ends = endpoints(event);
    this.guest = ends.guest;
    this.host = ends.host;
    this.#ends = ends;
    this.name = event.guest;
    this.#isWhole = event.isWhole;
    this.#isGuests = event.initiator.side === "guest";
    this.#introduction = new Introduction(event);
  }

  introduce(): void {
    this.#introduction.again();
  }

  begin(timeNs: bigint): Packet[] {
    if (!this.#isWhole) return [];
    // A refusal has no second one.
    return [this.#segment(timeNs, "initiator", SYN)];
  }

  /** Of one that was allowed: the rest of its beginning. */
  #establish(timeNs: bigint): Packet[] {
    if (!this.#isWhole || this.#isEstablished) return [];
    this.#isEstablished = true;
    return [this.#segment(timeNs, "responder", SYN | ACK), this.#segment(timeNs, "initiator", ACK)];
  }

  data({ timeNs, from, bytes }: Event<"data">): Packet[] {
    const packets = this.#establish(timeNs);
    for (let at = 0; at < bytes.length; at += SEGMENT_BYTES_MAX) {
      const payload = bytes.subarray(at, at + SEGMENT_BYTES_MAX);
      const isLast = at + payload.length === bytes.length;
      packets.push(this.#segment(timeNs, from, isLast ? PSH | ACK : ACK, payload));
    }
    packets.push(this.#segment(timeNs, other(from), ACK));
    return packets;
  }

  lost({ timeNs, from, lost }: Event<"lost">): Packet[] {
    const packets = this.#establish(timeNs);
    const gap = this.#gap[from] + lost;
    if (gap > GAP_MAX) return [...packets, ...this.#anew(timeNs, from, gap)];
    this.#gap[from] = gap;
    this.#next[from] = (this.#next[from] + lost) >>> 0;
    return packets;
  }

  /** What is behind so large a hole would be taken for old. */
  #anew(timeNs: bigint, from: Side, gap: number): Packet[] {
    const said = `${gap} bytes of the ${from} are missing: what is behind them is another connection`;
    const reset = this.#segment(timeNs, from, RST | ACK, undefined, said);
    // Another first one than before: by that a SYN is known as one of a new connection.
    this.#first += SEQUENCE_FIRST;
    this.#next = { initiator: this.#first, responder: this.#first };
    this.#gap = { initiator: 0, responder: 0 };
    this.#isWhole = true;
    this.#isEstablished = false;
    this.introduce();
    return [reset, ...this.begin(timeNs), ...this.#establish(timeNs)];
  }

  closed({ timeNs, closed }: Event<"closed">): Packet[] {
    const said = `closed: ${closed}`;
    if (closed === "Refused") return [this.#segment(timeNs, "responder", RST | ACK, undefined, said)];
    const packets = this.#establish(timeNs);
    if (closed === "Fin") {
      packets.push(this.#segment(timeNs, "initiator", FIN | ACK));
      packets.push(this.#segment(timeNs, "responder", FIN | ACK));
      packets.push(this.#segment(timeNs, "initiator", ACK, undefined, said));
      return packets;
    }
    // Of a guest that is gone, its end; else nobody knows whose.
    const gone = closed === "GuestGone" && this.#isGuests ? "initiator" : "responder";
    return [...packets, this.#segment(timeNs, gone, RST | ACK, undefined, said)];
  }

  #segment(timeNs: bigint, from: Side, flags: number, payload?: Uint8Array, said?: string): Packet {
    const to = other(from);
    const isAcknowledging = (flags & ACK) !== 0;
    const bytes = tcpPacket({
      from: this.#ends[from],
      to: this.#ends[to],
      sequence: this.#next[from],
      acknowledged: isAcknowledging ? this.#next[to] : 0,
      flags,
      ...(payload === undefined ? {} : { payload }),
    });
    const counted = (payload?.length ?? 0) + ((flags & (SYN | FIN)) !== 0 ? 1 : 0);
    this.#next[from] = (this.#next[from] + counted) >>> 0;
    this.#gap[from] = 0;
    return whole(timeNs, bytes, [...this.#introduction.take(), ...(said === undefined ? [] : [said])]);
  }
}

class Datagrams implements Conversing {
  readonly guest: Endpoint;
  readonly host: Endpoint;
  readonly name: string;
  readonly #isGuests: boolean;
  readonly #introduction: Introduction;

  constructor(event: Event<"opened">) {
    const { guest, host } = endpoints(event);
    // A socket that is bound has no peer of its own.
    this.guest = guest;
    this.host = host;
    this.name = event.guest;
    this.#isGuests = event.initiator.side === "guest";
    this.#introduction = new Introduction(event);
  }

  introduce(): void {
    this.#introduction.again();
  }

  begin(): Packet[] {
    return [];
  }

  data({ timeNs, from, bytes, peer }: Event<"data">): Packet[] {
    const host = (peer === undefined ? undefined : endpointOf(peer)) ?? this.host;
    const address =
      host.address.length === this.guest.address.length
        ? this.guest.address
        : guestIn(this.guest.address, host.address.length);
    const guest = { address, port: this.guest.port };
    const isFromGuest = (from === "initiator") === this.#isGuests;
    const packet = isFromGuest ? udpPacket(guest, host, bytes) : udpPacket(host, guest, bytes);
    return [whole(timeNs, packet, this.#introduction.take())];
  }

  lost(): Packet[] {
    return [];
  }

  closed(): Packet[] {
    return [];
  }
}

/** The same guest's, in the other family: both end with its number. */
function guestIn(address: Uint8Array, bytes: number): Uint8Array {
  const view = new DataView(address.buffer, address.byteOffset);
  const id = address.length === 4 ? view.getUint32(0) & 0xffffff : view.getUint32(12);
  return guestAddress(String(id), bytes);
}

function other(side: Side): Side {
  return side === "initiator" ? "responder" : "initiator";
}
