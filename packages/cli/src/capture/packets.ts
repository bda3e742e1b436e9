// IP packets with TCP or UDP in them: right lengths and checksums, of bytes that were carried without any. Bytes in,
// bytes out.

const IPV4_BYTES = 20;
const IPV6_BYTES = 40;
const TCP_BYTES = 20;
const UDP_BYTES = 8;
const TCP = 6;
const UDP = 17;
const HOPS = 64;
const DONT_FRAGMENT = 0x4000;
/** Of the window, which a SYN says is shifted by so many bits: nobody is ever told to wait. */
const WINDOW = 0xffff;
const WINDOW_SCALE = Uint8Array.of(1, 3, 3, 7);

export const TcpFlag = { FIN: 1, SYN: 2, RST: 4, PSH: 8, ACK: 16 } as const;

/** What one packet may carry, whatever its headers: IP says its length with 16 bits. */
export const SEGMENT_BYTES_MAX = 65_000;

/** An address of 4 or 16 bytes, and a port. */
export interface Endpoint {
  readonly address: Uint8Array;
  readonly port: number;
}

export interface TcpSegment {
  readonly from: Endpoint;
  readonly to: Endpoint;
  readonly sequence: number;
  readonly acknowledged: number;
  /** Of TcpFlag. */
  readonly flags: number;
  readonly payload?: Uint8Array;
}

export function tcpPacket(segment: TcpSegment): Uint8Array {
  const { from, to, sequence, acknowledged, flags, payload = new Uint8Array(0) } = segment;
  const options = (flags & TcpFlag.SYN) !== 0 ? WINDOW_SCALE : new Uint8Array(0);
  const head = TCP_BYTES + options.length;
  const { packet, at } = ipPacket(from.address, to.address, TCP, head + payload.length);
  const view = new DataView(packet.buffer);
  view.setUint16(at, from.port);
  view.setUint16(at + 2, to.port);
  view.setUint32(at + 4, sequence);
  view.setUint32(at + 8, acknowledged);
  view.setUint8(at + 12, (head / 4) << 4);
  view.setUint8(at + 13, flags);
  view.setUint16(at + 14, WINDOW);
  packet.set(options, at + TCP_BYTES);
  packet.set(payload, at + head);
  view.setUint16(at + 16, transportChecksum(packet, at, TCP, from.address.length));
  return packet;
}

export function udpPacket(from: Endpoint, to: Endpoint, payload: Uint8Array): Uint8Array {
  const { packet, at } = ipPacket(from.address, to.address, UDP, UDP_BYTES + payload.length);
  const view = new DataView(packet.buffer);
  view.setUint16(at, from.port);
  view.setUint16(at + 2, to.port);
  view.setUint16(at + 4, UDP_BYTES + payload.length);
  packet.set(payload, at + UDP_BYTES);
  // 0 says that there is none.
  view.setUint16(at + 6, transportChecksum(packet, at, UDP, from.address.length) || 0xffff);
  return packet;
}

/** With its IP header, and where what it carries begins. */
function ipPacket(
  from: Uint8Array,
  to: Uint8Array,
  protocol: number,
  bytes: number,
): { readonly packet: Uint8Array<ArrayBuffer>; readonly at: number } {
  const isFour = from.length === 4;
  const head = isFour ? IPV4_BYTES : IPV6_BYTES;
  const packet = new Uint8Array(head + bytes);
  const view = new DataView(packet.buffer);
  if (isFour) {
    packet[0] = 0x45;
    view.setUint16(2, head + bytes);
    view.setUint16(6, DONT_FRAGMENT);
    packet[8] = HOPS;
    packet[9] = protocol;
    packet.set(from, 12);
    packet.set(to, 16);
    view.setUint16(10, folded(sum(packet, 0, head, 0)));
  } else {
    packet[0] = 0x60;
    view.setUint16(4, bytes);
    packet[6] = protocol;
    packet[7] = HOPS;
    packet.set(from, 8);
    packet.set(to, 24);
  }
  return { packet, at: head };
}

/** Over the addresses, which end the IP header, its protocol, its length, and all from `at` on. */
function transportChecksum(packet: Uint8Array, at: number, protocol: number, addressBytes: number): number {
  const length = packet.length - at;
  const addresses = sum(packet, at - 2 * addressBytes, at, protocol + (length >>> 16) + (length & 0xffff));
  return folded(sum(packet, at, packet.length, addresses));
}

/** Of 16-bit words; an odd byte is the first of one. What a packet has stays far below 2^53. */
function sum(bytes: Uint8Array, from: number, to: number, before: number): number {
  let total = before;
  let at = from;
  for (; at + 1 < to; at += 2) total += (bytes[at]! << 8) | bytes[at + 1]!;
  if (at < to) total += bytes[at]! << 8;
  return total;
}

function folded(total: number): number {
  let rest = total;
  while (rest > 0xffff) rest = Math.floor(rest / 0x10000) + (rest & 0xffff);
  return ~rest & 0xffff;
}
