// A stream as those who follow it are told of it: who of the two has begun, what was asked for, and how it ended.

import { formatEndpoint, type InetAddress, Protocol, protocolName, type Refusal } from "@ringway/control";
import type { ConversationEnd, ConversationOpened } from "../observe/conversations/records.ts";
import { FlowEnd } from "../observe/flow-lines.ts";
import { isDenial } from "../policy/refusal.ts";

/** Where nobody knows more. */
export const CONVERSATION_END: Readonly<Record<FlowEnd, ConversationEnd>> = {
  [FlowEnd.END]: "Fin",
  [FlowEnd.GUEST_RESET]: "Rst",
  [FlowEnd.RESET]: "Rst",
  [FlowEnd.VIOLATION]: "Rst",
  [FlowEnd.OPERATOR]: "Evicted",
  [FlowEnd.CUT]: "GuestGone",
};

interface Conversing {
  readonly id: number;
  readonly protocol: number;
  readonly pipe: { readonly generation: number };
  readonly asked: Readonly<StreamAsked>;
}

/** What a stream is, whether its flow is kept or not: who begins to follow it is told. */
export interface StreamAsked {
  /** "" where no rule has allowed it. */
  readonly what: string;
  readonly rule: string;
  /** Where it leads, or what is listened on. */
  readonly to: InetAddress | undefined;
}

/** `isAccepted`: the host's peer has begun it. `isWhole`: it is followed from its beginning. */
export function conversationOf(
  { name: guest, serial }: { readonly name: string; readonly serial: number },
  { id, protocol, pipe, asked }: Conversing,
  isAccepted: boolean,
  isWhole: boolean,
): ConversationOpened {
  const { what, rule, to } = asked;
  const address = to === undefined ? "" : formatEndpoint(to);
  // A bound socket has many peers: each datagram says whose it is.
  const isBound = protocol === Protocol.UDP_BIND;
  const listens = isBound ? address : isAccepted ? what : "";
  const ofGuest = { name: guest, address: listens };
  const ofHost = { name: isBound ? "" : isAccepted ? address : what, address: isBound ? "" : address };
  const [initiator, responder] = isAccepted
    ? [{ side: "host", ...ofHost } as const, { side: "guest", ...ofGuest } as const]
    : [{ side: "guest", ...ofGuest } as const, { side: "host", ...ofHost } as const];
  const stream = `${serial}-${id}-${pipe.generation}`;
  const whose = { guest, guestId: String(serial), stream, protocol: protocolName(protocol) };
  return { ...whose, initiator, responder, rule, isWhole };
}

/** What a rule has denied was never allowed by one. */
export function refusedConversation(opened: ConversationOpened, refusal: Refusal): ConversationOpened {
  if (!isDenial(refusal)) return opened;
  return { ...opened, rule: refusal.rule, responder: { ...opened.responder, name: refusal.what } };
}
