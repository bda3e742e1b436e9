// Which conversations somebody follows.

import { Protocol } from "@ringway/control";
import type { ConversationOpened } from "./records.ts";

/** Of protocols, by the words that a follower says. Listeners stand for the connections that come to them. */
const PROTOCOLS: Readonly<Record<ConversationProtocol, readonly number[]>> = {
  tcp: [Protocol.TCP_CONNECT, Protocol.TCP_LISTEN],
  udp: [Protocol.UDP_CONNECT, Protocol.UDP_BIND],
  unix: [Protocol.UNIX_CONNECT, Protocol.UNIX_LISTEN],
};

export type ConversationProtocol = "tcp" | "udp" | "unix";
export const CONVERSATION_PROTOCOLS: readonly ConversationProtocol[] = ["tcp", "udp", "unix"];
/** Of `match`: what is longer matches no name. */
export const MATCH_CHARACTERS_MAX = 256;

const ACCEPTED: ReadonlySet<number> = new Set([Protocol.TCP_LISTEN, Protocol.UNIX_LISTEN]);
const CONNECTED: ReadonlySet<number> = new Set([
  Protocol.TCP_CONNECT,
  Protocol.UDP_CONNECT,
  Protocol.UDP_BIND,
  Protocol.UNIX_CONNECT,
]);

/** Has a stream of this protocol a conversation? `accepted`: it was given to a listener, and a connection has come. */
export function isConversation(protocol: number, accepted: boolean): boolean {
  return (accepted ? ACCEPTED : CONNECTED).has(protocol);
}

export interface WantedConversations {
  /** The guest itself, or a process at its socket: "web", "web-1". */
  readonly guest?: string | undefined;
  readonly protocol?: ConversationProtocol | undefined;
  /** Of what was asked for, or of the address: "*.example.com:443", in which * is any text. */
  readonly match?: string | undefined;
}

export class Wanted {
  readonly #guest: string | undefined;
  readonly #protocols: readonly number[] | undefined;
  readonly #match: readonly string[] | undefined;

  constructor({ guest, protocol, match }: WantedConversations) {
    this.#guest = guest;
    this.#protocols = protocol && PROTOCOLS[protocol];
    this.#match = match?.toLowerCase().split("*");
  }

  /** `protocol` is a Protocol. */
  has(protocol: number, { guest, initiator, responder }: ConversationOpened): boolean {
    if (this.#protocols !== undefined && !this.#protocols.includes(protocol)) return false;
    if (this.#guest !== undefined && !isOf(guest, this.#guest)) return false;
    if (this.#match === undefined) return true;
    const texts = [responder.name, responder.address, initiator.address];
    return texts.some((text) => matches(this.#match!, text.toLowerCase()));
  }
}

function isOf(name: string, wanted: string): boolean {
  return name === wanted || (name.startsWith(`${wanted}-`) && /^\d+$/.test(name.slice(wanted.length + 1)));
}

/** `parts`: with any text between them. Each is looked for once, so the time is that of the two texts. */
function matches(parts: readonly string[], text: string): boolean {
  const [first = "", ...rest] = parts;
  const last = rest.pop();
  if (last === undefined) return text === first;
  if (!text.startsWith(first) || text.length < first.length + last.length || !text.endsWith(last))
    return false;
  let at = first.length;
  const end = text.length - last.length;
  for (const part of rest) {
    const found = text.indexOf(part, at);
    if (found < 0 || found + part.length > end) return false;
    at = found + part.length;
  }
  return true;
}
