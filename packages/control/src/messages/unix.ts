// unix-connect and unix-listen (PROTOCOL.md section 18). Opened of unix-listen has an empty body; it takes Accept, as
// tcp-listen does. A STREAM carries raw bytes, a SEQPACKET one record in a frame, request id 0.

import { IO_MAX_BYTES } from "../limits.ts";
import { type Body, body, type Field, type Message, message, rest, u32 } from "../wire.ts";
import { path } from "./common.ts";

export const UnixKind = { STREAM: 1, SEQPACKET: 2 } as const;
export type UnixKind = (typeof UnixKind)[keyof typeof UnixKind];

/** Body of Open for unix-connect. timeoutMs 0 leaves the time limit to the host. */
export interface UnixConnectRequest {
  /** A UnixKind. */
  readonly kind: number;
  readonly timeoutMs: number;
  readonly path: string;
}
export const UnixConnectRequest: Body<UnixConnectRequest> = body({ kind: u32, timeoutMs: u32, path });

/** uid and gid that the host does not know, or does not tell; its pid is 0 then (UNX-1). */
export const UNKNOWN_OWNER = 0xffff_ffff;

/** Who is at the other end, in the host's numbers: body of Opened for unix-connect, and payload of UnixIncoming. */
export interface UnixPeer {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}
const peer: { readonly [K in keyof UnixPeer]: Field<number> } = { pid: u32, uid: u32, gid: u32 };
export const UnixConnectReply: Body<UnixPeer> = body(peer);

/** Body of Open for unix-listen. `mode`: permission bits of the socket's name. */
export interface UnixListenRequest {
  /** A UnixKind. */
  readonly kind: number;
  readonly mode: number;
  readonly backlog: number;
  readonly path: string;
}
export const UnixListenRequest: Body<UnixListenRequest> = body({ kind: u32, mode: u32, backlog: u32, path });

/** The longest record (UNX-6). */
export const RECORD_MAX_BYTES: number = IO_MAX_BYTES;

/** One record of a SEQPACKET; of no bytes as well (UNX-5). */
export interface UnixRecord {
  readonly data: Uint8Array;
}
export const UnixSend: Message<UnixRecord> = message(0x0901, "UnixSend", { data: rest });
export const UnixReceived: Message<UnixRecord> = message(0x8901, "UnixReceived", { data: rest });

/** First frame on a stream that was given with Accept; raw bytes or records follow. */
export const UnixIncoming: Message<UnixPeer> = message(0x8902, "UnixIncoming", peer);
