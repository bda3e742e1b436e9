// What no guest may send on the control pipe, beyond what its messages can be (PROTOCOL.md section 8): for the host,
// which ends the guest for it, and for whoever looks at a region.

import { ProtocolError, Violation } from "./errors.ts";
import { FROM_HOST } from "./frame.ts";
import { Exit, Ping } from "./messages/control.ts";
import { typeName } from "./wire.ts";

/** Most bytes of data in a Ping (CTL-6), and the largest code of an Exit (CTL-5). */
const PING_BYTES_MAX = 64;
const EXIT_CODE_MAX = 255;

/** The code of an Exit. Throws ProtocolError for one over 255 (CTL-5). */
export function decodeExit(payload: Uint8Array): number {
  const { code } = Exit.decode(payload);
  if (code > EXIT_CODE_MAX) {
    throw new ProtocolError(Violation.FRAME_MALFORMED, "CTL-5", `exit code ${code}`);
  }
  return code;
}

/** The data of a Ping. Throws ProtocolError where they are more than 64 bytes (CTL-6). */
export function decodePing(payload: Uint8Array): Uint8Array {
  const { data } = Ping.decode(payload);
  if (data.length > PING_BYTES_MAX) {
    throw new ProtocolError(Violation.FRAME_MALFORMED, "CTL-6", `${data.length} bytes`);
  }
  return data;
}

/** Throws ProtocolError for a type that only a host sends (FRM-4). */
export function requireFromGuest(type: number): void {
  if ((type & FROM_HOST) === 0) return;
  throw new ProtocolError(Violation.FRAME_TYPE, "FRM-4", `a guest sent type ${typeName(type)}`);
}
