// pcapng, as draft-ietf-opsawg-pcapng has it: the blocks of a capture with one interface, whose packets begin with
// their IP header. Bytes in, bytes out; little-endian.
//
//   Section Header ── Interface Description ── Name Resolution? ── Enhanced Packet ...
//
//   block:   | type | length | body, zeros up to a multiple of 4 | length |
//   option:  | code (2) | length (2) | value, zeros up to a multiple of 4 | ... | 0 |

import { plain } from "../admin/text.ts";

const SECTION = 0x0a0d0d0a;
const INTERFACE = 1;
const NAMES = 4;
const PACKET = 6;
const BYTE_ORDER = 0x1a2b3c4d;
/** LINKTYPE_RAW: IPv4 or IPv6, as the first four bits say. */
const RAW_IP = 101;

const Option = { COMMENT: 1, HARDWARE_OR_NAME: 2, APPLICATION: 4, RESOLUTION: 9 } as const;
/** Of a comment: the length of an option has 16 bits. */
const TEXT_BYTES_MAX = 4096;
const NANOSECONDS = 9;

const encoder = new TextEncoder();

/** How many bytes of each packet are kept: 0 stands for all. */
export function captureHead(application: string, snapBytes: number): Uint8Array {
  const section = new Uint8Array(16);
  const view = new DataView(section.buffer);
  view.setUint32(0, BYTE_ORDER, true);
  view.setUint16(4, 1, true);
  // The length of the section is not told.
  view.setBigInt64(8, -1n, true);
  const face = new Uint8Array(8);
  const faceView = new DataView(face.buffer);
  faceView.setUint16(0, RAW_IP, true);
  faceView.setUint32(4, snapBytes, true);
  return concat([
    block(SECTION, [section, ...options([[Option.APPLICATION, text(application)]])]),
    block(INTERFACE, [
      face,
      ...options([
        [Option.HARDWARE_OR_NAME, text("ringway")],
        [Option.RESOLUTION, Uint8Array.of(NANOSECONDS)],
      ]),
    ]),
  ]);
}

/** An address, of 4 or 16 bytes, and what it is called. */
export function nameBlock(address: Uint8Array, name: string): Uint8Array {
  const value = concat([address, text(name), Uint8Array.of(0)]);
  const record = [u16(address.length === 4 ? 1 : 2), u16(value.length), padded(value)];
  return block(NAMES, [...record, u16(0), u16(0)]);
}

export interface Packet {
  readonly timeNs: bigint;
  /** From its IP header on, as much as is kept. */
  readonly bytes: Uint8Array;
  /** As long as it was. */
  readonly length: number;
  readonly comments: readonly string[];
}

export function packetBlock({ timeNs, bytes, length, comments }: Packet): Uint8Array {
  const head = new Uint8Array(20);
  const view = new DataView(head.buffer);
  view.setUint32(4, Number(timeNs >> 32n), true);
  view.setUint32(8, Number(timeNs & 0xffff_ffffn), true);
  view.setUint32(12, bytes.length, true);
  view.setUint32(16, length, true);
  const said = comments.length === 0 ? [] : options(comments.map((each) => [Option.COMMENT, text(each)]));
  return block(PACKET, [head, padded(bytes), ...said]);
}

// ── Parts ───────────────────────────────────────────────────────────────────────────────────────────────────────────

function block(type: number, body: readonly Uint8Array[]): Uint8Array {
  const length = body.reduce((sum, part) => sum + part.length, 12);
  return concat([u32(type), u32(length), ...body, u32(length)]);
}

function options(all: readonly (readonly [code: number, value: Uint8Array])[]): Uint8Array[] {
  return [...all.flatMap(([code, value]) => [u16(code), u16(value.length), padded(value)]), u16(0), u16(0)];
}

/** Nothing in it that a terminal would obey: guests choose much of it. Cut between two characters. */
function text(value: string): Uint8Array {
  const bytes = encoder.encode(plain(value));
  if (bytes.length <= TEXT_BYTES_MAX) return bytes;
  let end = TEXT_BYTES_MAX;
  while ((bytes[end]! & 0xc0) === 0x80) end--;
  return bytes.subarray(0, end);
}

function padded(bytes: Uint8Array): Uint8Array {
  if (bytes.length % 4 === 0) return bytes;
  const whole = new Uint8Array((bytes.length + 3) & ~3);
  whole.set(bytes);
  return whole;
}

function u16(value: number): Uint8Array {
  return Uint8Array.of(value & 255, value >>> 8);
}

function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
