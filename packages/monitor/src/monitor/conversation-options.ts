// What a program that follows conversations asks for, and what of that cannot be taken.

import {
  invalidValue,
  outOfRange,
  requireKeys,
  requireObject,
  requireSignal,
  requireText,
} from "@ringway/linux";
import {
  CONVERSATION_PROTOCOLS,
  type ConversationProtocol,
  MATCH_CHARACTERS_MAX,
} from "../observe/conversations/wanted.ts";

/** Which, and what a reader that is slow does. */
export interface FollowAsked {
  /** Of this guest alone, or of the processes at its socket: "web", "web-1". */
  readonly guest?: string;
  readonly protocol?: ConversationProtocol;
  /** Of what was asked for, or of the peer's address, with * for any text: "*.example.com:443". */
  readonly match?: string;
  /** Where it has no more room for what a stream carries, the stream waits, or that is lost to it. Default: "drop". */
  readonly whenSlow?: "backpressure" | "drop";
}

export interface ConversationsOptions extends FollowAsked {
  /** Of each conversation, bytes that are not read yet: 4096 to 64 MiB, default 256 KiB. */
  readonly capacity?: number;
  /** Conversations at once, with those whose end is not read yet: 1 to 65536, default 1024. */
  readonly most?: number;
  readonly signal?: AbortSignal;
}

interface Bounds {
  readonly least: number;
  readonly most: number;
  readonly usual: number;
}

/** Of one conversation, in bytes. */
export const CAPACITY: Bounds = { least: 4096, most: 64 * 1024 * 1024, usual: 256 * 1024 };
/** Conversations of one follower. */
export const AT_ONCE: Bounds = { least: 1, most: 65_536, usual: 1024 };

/** Throws TypeError and RangeError with Node's codes. */
export function requireConversations(options: unknown): void {
  requireObject(options, "options", "an object such as { guest: 'web' }");
  const asked = options as Record<string, unknown>;
  requireKeys(asked, "options", ["guest", "protocol", "match", "capacity", "whenSlow", "most", "signal"]);
  const { guest, protocol, match, capacity, whenSlow, most, signal } = asked;
  if (guest !== undefined) requireText(guest, "options.guest");
  if (match !== undefined) requireText(match, "options.match");
  if (String(match ?? "").length > MATCH_CHARACTERS_MAX) {
    throw invalidValue("options.match", match, `must have at most ${MATCH_CHARACTERS_MAX} characters`);
  }
  requireWord(protocol, "options.protocol", CONVERSATION_PROTOCOLS);
  requireWord(whenSlow, "options.whenSlow", ["backpressure", "drop"]);
  requireNumber(capacity, "options.capacity", CAPACITY);
  requireNumber(most, "options.most", AT_ONCE);
  if (signal !== undefined) requireSignal(signal, "options.signal");
}

function requireWord(value: unknown, name: string, words: readonly string[]): void {
  if (value === undefined || words.includes(value as string)) return;
  throw invalidValue(name, value, `must be one of ${words.join(", ")}`);
}

function requireNumber(value: unknown, name: string, { least, most }: Bounds): void {
  if (value === undefined) return;
  const isIn = Number.isInteger(value) && (value as number) >= least && (value as number) <= most;
  if (!isIn) throw outOfRange(name, `>= ${least} && <= ${most}`, value);
}
