// The control pipe, stream 0 (PROTOCOL.md section 9).

import { bool, type Field, list, type Message, message, rest, u32 } from "../wire.ts";
import { sentence } from "./common.ts";

/** Asks for a stream. Capacities are wishes, in bytes; 0 leaves them to the host (CTL-2). */
export interface NewStream {
  readonly toHostBytes: number;
  readonly toGuestBytes: number;
}
export const NewStream: Message<NewStream> = message(0x0101, "NewStream", {
  toHostBytes: u32,
  toGuestBytes: u32,
});

/** Where the stream is: its block's page, and the capacities that the host chose. */
export interface StreamInfo {
  readonly id: number;
  readonly generation: number;
  readonly page: number;
  readonly toHostBytes: number;
  readonly toGuestBytes: number;
}
export const StreamInfo: Message<StreamInfo> = message(0x8101, "StreamInfo", {
  id: u32,
  generation: u32,
  page: u32,
  toHostBytes: u32,
  toGuestBytes: u32,
});

/** Asks for Args. */
export type GetArgs = Record<never, never>;
export const GetArgs: Message<GetArgs> = message(0x0102, "GetArgs", {});

/** What the host wants the guest to run with. Each `env` entry is NAME=VALUE. */
export interface Args {
  readonly argv: readonly string[];
  readonly env: readonly string[];
}
const sentences: Field<readonly string[]> = list(sentence);
export const Args: Message<Args> = message(0x8102, "Args", { argv: sentences, env: sentences });

/** What levels mean; any other number is taken for the next below it (CTL-5). */
export const LogLevel = { DEBUG: 20, INFO: 30, WARN: 40, ERROR: 50 } as const;
export type LogLevel = (typeof LogLevel)[keyof typeof LogLevel];

/** A line for the host's log. No reply; a host may drop lines past its rate limit. */
export interface Log {
  readonly level: number;
  readonly text: string;
}
export const Log: Message<Log> = message(0x0103, "Log", { level: u32, text: sentence });

/** The guest's program has ended with this code, 0 to 255. No reply. */
export interface Exit {
  readonly code: number;
}
export const Exit: Message<Exit> = message(0x0104, "Exit", { code: u32 });

/** Round trip over the control pipe; the payload, at most 64 bytes, comes back. */
export interface Ping {
  readonly data: Uint8Array;
}
export const Ping: Message<Ping> = message(0x0105, "Ping", { data: rest });
export const Pong: Message<Ping> = message(0x8105, "Pong", { data: rest });

/** Would an Open of this protocol with this body be allowed? Names are judged as names, not resolved (CTL-7). */
export interface Explain {
  readonly protocol: number;
  readonly body: Uint8Array;
}
export const Explain: Message<Explain> = message(0x0106, "Explain", { protocol: u32, body: rest });

/** What the policy says, by which rule, and why; both texts may be empty (CTL-7). */
export interface Verdict {
  readonly allowed: boolean;
  readonly rule: string;
  readonly reason: string;
}
export const Verdict: Message<Verdict> = message(0x8106, "Verdict", {
  allowed: bool,
  rule: sentence,
  reason: sentence,
});
