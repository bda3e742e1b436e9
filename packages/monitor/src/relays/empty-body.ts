// Protocols whose Open and Opened have an empty body: echo and fs (STR-9, FS-1).

import { ProtocolError, Violation } from "@ringway/control";

/** Throws ProtocolError where there is a byte. */
export function requireEmpty(body: Uint8Array): void {
  if (body.length === 0) return;
  throw new ProtocolError(
    Violation.FRAME_MALFORMED,
    "FRM-6",
    `the body should be empty, and has ${body.length} bytes`,
  );
}
