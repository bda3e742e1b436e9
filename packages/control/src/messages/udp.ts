// udp-connect and udp-bind (PROTOCOL.md section 16). udp-connect is opened with a ConnectRequest and answered with a
// ConnectReply; udp-bind is answered with a ListenReply. Datagrams have request id 0 and no reply.

import { type InetAddress, inetAddress } from "../address.ts";
import { HOST_MAX_BYTES, UDP_TRAIN_MAX } from "../limits.ts";
import { type Body, body, type Message, message, rest, text, u32 } from "../wire.ts";
import { type Refusal, sentence } from "./common.ts";

/** Bits of UdpBindRequest.flags; any other bit is EINVAL (UDP-2). */
export const UdpBindFlags = { SHARED: 1, ONLY_IPV6: 2 } as const;

/** Body of Open for udp-bind. Port 0: the host picks one. */
export interface UdpBindRequest {
  readonly flags: number;
  readonly address: InetAddress;
}
export const UdpBindRequest: Body<UdpBindRequest> = body({ flags: u32, address: inetAddress });

/** One datagram (segment 0), or a train of datagrams of `segment` bytes, the last perhaps shorter (UDP-5). */
export interface UdpSend {
  readonly segment: number;
  readonly data: Uint8Array;
}
export const UdpSend: Message<UdpSend> = message(0x0701, "UdpSend", { segment: u32, data: rest });
export const UdpReceived: Message<UdpSend> = message(0x8701, "UdpReceived", { segment: u32, data: rest });

/** The same to one of many peers, and from it. */
export interface UdpSendTo extends UdpSend {
  readonly peer: InetAddress;
}
export const UdpSendTo: Message<UdpSendTo> = message(0x0702, "UdpSendTo", {
  segment: u32,
  peer: inetAddress,
  data: rest,
});
export const UdpReceivedFrom: Message<UdpSendTo> = message(0x8702, "UdpReceivedFrom", {
  segment: u32,
  peer: inetAddress,
  data: rest,
});

/**
 * How many datagrams `bytes` bytes with this segment are: 1, or 2 to UDP_TRAIN_MAX. Undefined: no such train can be
 * (UDP-5).
 */
export function datagramsOf(segment: number, bytes: number): number | undefined {
  if (segment === 0) return 1;
  const count = Math.ceil(bytes / segment);
  return count >= 2 && count <= UDP_TRAIN_MAX ? count : undefined;
}

/** UdpPeer: an address of this name, that this socket may send to from then on (UDP-8). */
export interface UdpLookup {
  readonly port: number;
  readonly host: string;
}
export const UdpLookup: Message<UdpLookup> = message(0x0703, "UdpLookup", {
  port: u32,
  host: text(HOST_MAX_BYTES),
});
export interface UdpPeer {
  readonly peer: InetAddress;
}
export const UdpPeer: Message<UdpPeer> = message(0x8703, "UdpPeer", { peer: inetAddress });

/** What UdpSet sets (UDP-12). TTL from 1, MULTICAST_TTL from 0, both to 255; the others 0 or 1. */
export const UdpOption = { TTL: 1, MULTICAST_TTL: 2, MULTICAST_LOOP: 3, BROADCAST: 4 } as const;
export type UdpOption = (typeof UdpOption)[keyof typeof UdpOption];

/** Done. */
export interface UdpSet {
  /** A UdpOption. */
  readonly option: number;
  readonly value: number;
}
export const UdpSet: Message<UdpSet> = message(0x0704, "UdpSet", { option: u32, value: u32 });

/** Done. Datagrams to groups leave by the interface with this address; unspecified: the host's choice. */
export interface UdpInterface {
  readonly interface: InetAddress;
}
export const UdpInterface: Message<UdpInterface> = message(0x0705, "UdpInterface", {
  interface: inetAddress,
});

/** Done. Ports are 0; `source` and `interface` unspecified: any sender, the host's choice (UDP-13). */
export interface UdpJoin {
  readonly group: InetAddress;
  readonly source: InetAddress;
  readonly interface: InetAddress;
}
const membership = { group: inetAddress, source: inetAddress, interface: inetAddress } as const;
export const UdpJoin: Message<UdpJoin> = message(0x0706, "UdpJoin", membership);
export const UdpLeave: Message<UdpJoin> = message(0x0707, "UdpLeave", membership);

/** Request id 0: a datagram to this peer was not sent, or came back. The socket goes on (UDP-9). */
export interface UdpError extends Refusal {
  readonly peer: InetAddress;
}
export const UdpError: Message<UdpError> = message(0x8708, "UdpError", {
  errno: u32,
  peer: inetAddress,
  rule: sentence,
  reason: sentence,
});

/** Request id 0: so many datagrams to this guest were dropped since the stream was opened, modulo 2^32 (UDP-10). */
export interface UdpLost {
  readonly datagrams: number;
}
export const UdpLost: Message<UdpLost> = message(0x8709, "UdpLost", { datagrams: u32 });
