// What streams carry: bytes that follow from a key and a position, so that either side can check every byte alone. No
// two streams ever have the same key: a byte of another stream, or of an old epoch, does not pass.

const STEP = 0x9e3779b1;

export function fill(target: Uint8Array, key: number, position: number): void {
  for (let i = 0; i < target.length; i++) target[i] = Math.imul(key + position + i, STEP) >>> 24;
}

/** Index of the first byte that is wrong, or -1. */
export function mismatch(bytes: Uint8Array, key: number, position: number): number {
  for (let i = 0; i < bytes.length; i++) {
    if (bytes[i] !== Math.imul(key + position + i, STEP) >>> 24) return i;
  }
  return -1;
}

/** The key of one direction of stream number `serial`. */
export function keyOf(serial: number, direction: "toHost" | "toGuest"): number {
  return Math.imul(serial * 2 + (direction === "toHost" ? 0 : 1), 0x85ebca6b);
}

/** Of an Open whose body is a Script: no protocol of Ringway's. */
export const PROTOCOL = 1000;

/** What the two sides of one stream do; the guest tells the host in its Open. */
export interface Script {
  /** Different for every stream of the run. */
  readonly serial: number;
  /** The host sends back what it gets; otherwise each side sends its own bytes. */
  readonly echo: boolean;
  readonly toHostBytes: number;
  readonly toGuestBytes: number;
  /** The host sends so many messages of datagrams in place of bytes, and the guest nothing; 0: bytes. */
  readonly messages: number;
  /** After so many bytes sent, the side breaks the stream. NEVER: it does not. */
  readonly guestResetsAt: number;
  readonly hostResetsAt: number;
  /** After so many bytes or datagrams got, the side reads no more. */
  readonly guestStopsAt: number;
  readonly hostStopsAt: number;
}

export const NEVER = 0xffffffff;

const FIELDS = [
  "serial",
  "toHostBytes",
  "toGuestBytes",
  "messages",
  "guestResetsAt",
  "hostResetsAt",
  "guestStopsAt",
  "hostStopsAt",
] as const;

export function encodeScript(script: Script): Uint8Array {
  const words = Uint32Array.of(script.echo ? 1 : 0, ...FIELDS.map((field) => script[field]));
  return new Uint8Array(words.buffer);
}

export function decodeScript(body: Uint8Array): Script {
  const [echo, ...values] = new Uint32Array(body.slice().buffer);
  const fields = Object.fromEntries(FIELDS.map((field, i) => [field, values[i]!]));
  return { ...(fields as Record<(typeof FIELDS)[number], number>), echo: echo === 1 };
}
