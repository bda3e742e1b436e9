// Why a guest does not get what it asked for: one shape, from the judge to the wire. It is made where it is found, and
// told at one place, the guest's answer(), which writes the audit line of a denial as well: neither can be without the
// other.
//
//   Refusal   errno, rule, reason: what the wire carries (ERR-2). Its rule is "": a limit, a mistake of the guest's, or
//             the host's want of something
//   Denial    a Refusal by a rule of the policy or a built-in one, and of what to whom: the audit log has a line for it

import { decodeUtf8, encodeUtf8, protocolName, type Refusal } from "@ringway/control";
import type { Policy } from "./types.ts";

/** What a rule denied a guest. In this order its fields stand in the audit log. */
export interface Denial extends Refusal {
  readonly guest: string;
  /** Name of a protocol: "tcp-connect". */
  readonly protocol: string;
  /** What was asked for: "example.com:443", "/data/x". */
  readonly what: string;
}

/** On its way to the audit log: its kind says that a line is due, and is that of the message which brings it there. */
export interface AuditedDenial extends Denial {
  readonly kind: "refused";
}

/** A sentence on the wire: rule ids and reasons fit the smallest ring, whatever they quote. */
const SENTENCE_MAX_BYTES = 1024;

/** Where no rule says no. */
export function refusal(errno: number, reason: string): Refusal {
  return { errno, rule: "", reason };
}

/** `protocol` is a Protocol. */
export function denial(
  { name: guest }: { readonly name: string },
  protocol: number,
  what: string,
  { rule, reason, errno }: Refusal,
): AuditedDenial {
  return { kind: "refused", guest, protocol: protocolName(protocol), what, rule, reason, errno };
}

export function isDenial(refusal: Refusal): refusal is AuditedDenial {
  return (refusal as Partial<AuditedDenial>).kind === "refused";
}

/** What the guest is told of it; which rule it was, and why, only where the policy lets it know. */
export function told({ errno, rule, reason }: Refusal, { refusals }: Pick<Policy, "refusals">): Refusal {
  if (rule !== "" && refusals === "hide") return { errno, rule: "", reason: "" };
  return { errno, rule: shorten(rule), reason: shorten(reason) };
}

/** `text` cut to what fits a reply, at a character. */
export function shorten(text: string): string {
  const bytes = encodeUtf8(text);
  if (bytes.length <= SENTENCE_MAX_BYTES) return text;
  let end = SENTENCE_MAX_BYTES - 3;
  while ((bytes[end]! & 0xc0) === 0x80) end--;
  return `${decodeUtf8(bytes.subarray(0, end)) ?? ""}...`;
}
