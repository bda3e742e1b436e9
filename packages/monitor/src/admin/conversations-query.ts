// What GET /v1/conversations takes.

import type { FollowAsked } from "../monitor/conversation-options.ts";
import { CONVERSATION_PROTOCOLS, MATCH_CHARACTERS_MAX } from "../observe/conversations/wanted.ts";
import { object, optional, type Schema, text, word } from "./schema.ts";

export const CONVERSATIONS_QUERY: Schema<FollowAsked> = object<FollowAsked>("", {
  guest: optional(
    text("Of this guest alone, or of the processes at its socket", { minLength: 1, maxLength: 256 }),
  ),
  protocol: optional(word("Of this protocol alone", CONVERSATION_PROTOCOLS)),
  match: optional(
    text("Of what was asked for, or of the peer's address, with * for any text: *.example.com:443", {
      minLength: 1,
      maxLength: MATCH_CHARACTERS_MAX,
    }),
  ),
  whenSlow: optional(
    word(
      "Where this reader is slow, what it has no room for is lost to it, or streams wait; drop without it",
      ["backpressure", "drop"],
    ),
  ),
});

export const CONVERSATIONS_TYPE = "application/vnd.ringway.conversations";
