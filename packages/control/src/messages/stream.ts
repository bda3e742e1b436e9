// The first frames of a stream say what it is for (PROTOCOL.md section 10).

import { type Message, message, rest, u32, u32At } from "../wire.ts";
import { type Refusal, sentence } from "./common.ts";

/** What a stream is for (STR-4). */
export const Protocol = {
  ECHO: 1,
  TCP_CONNECT: 2,
  TCP_LISTEN: 3,
  FILE: 4,
  FILE_STREAM: 5,
  FS: 6,
  // Since version 1.1.
  UDP_CONNECT: 7,
  UDP_BIND: 8,
  RESOLVE: 9,
  UNIX_CONNECT: 10,
  UNIX_LISTEN: 11,
  MOUNT: 12,
} as const;
export type Protocol = (typeof Protocol)[keyof typeof Protocol];

/** The name of a protocol, for people: "tcp-connect". */
export function protocolName(protocol: number): string {
  for (const [name, value] of Object.entries(Protocol)) {
    if (value === protocol) return name.toLowerCase().replaceAll("_", "-");
  }
  return `protocol-${protocol}`;
}

/** Guest's first frame. */
export interface Open {
  /** A Protocol. */
  readonly protocol: number;
  readonly body: Uint8Array;
}
const open: Message<Open> = message(0x0201, "Open", { protocol: u32, body: rest });
const EMPTY = new Uint8Array(0);
export const Open: Message<Open> = {
  ...open,
  /** Each stream has one: by hand, and faster than by its fields. */
  decode(payload) {
    if (payload.length < 4) return open.decode(payload);
    const body = payload.length === 4 ? EMPTY : payload.slice(4);
    return { protocol: u32At(payload, 0), body };
  },
};

/** Host's first frame where it agrees; what follows depends on the protocol. */
export interface Opened {
  readonly body: Uint8Array;
}
export const Opened: Message<Opened> = message(0x8201, "Opened", { body: rest });

/** Host's first and last frame where it does not. */
export const Refused: Message<Refusal> = message(0x8202, "Refused", {
  errno: u32,
  rule: sentence,
  reason: sentence,
});
