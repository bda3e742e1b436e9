// Protocols whose Open and Opened have an empty body, and which every guest may have: echo and fs (STR-9, FS-1).

import { ProtocolError, protocolName, Violation } from "@ringway/control";
import type { Decision } from "../policy/types.ts";
import type { Judged } from "./protocol.ts";

export const NOTHING: Uint8Array = new Uint8Array(0);

/** The judge's answer to any empty body. */
export function alwaysAllowed(protocol: number): Judged<undefined> {
  const reason = `${protocolName(protocol)} streams are always allowed`;
  const decision: Decision = { allowed: true, rule: "", reason };
  return { asked: undefined, decision, what: "" };
}

/** Throws ProtocolError where there is a byte. */
export function requireEmpty(body: Uint8Array): void {
  if (body.length === 0) return;
  throw new ProtocolError(
    Violation.FRAME_MALFORMED,
    "FRM-6",
    `the body should be empty, and has ${body.length} bytes`,
  );
}
