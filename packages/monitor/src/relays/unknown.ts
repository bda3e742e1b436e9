// A request of a type that its stream's protocol does not have: how a guest finds out what this host is too old for
// (VER-2).

import { Errno, FROM_HOST, ProtocolError, type Refusal, typeName, Violation } from "@ringway/control";
import { refusal } from "../policy/refusal.ts";

/** The Error that answers it (FRM-7). Throws ProtocolError for a type that only a host sends (FRM-4). */
export function unknownRequest(type: number): Refusal {
  if ((type & FROM_HOST) !== 0) {
    throw new ProtocolError(Violation.FRAME_TYPE, "FRM-4", `a guest sent type ${typeName(type)}`);
  }
  return refusal(Errno.ENOSYS, `the host does not know message type ${typeName(type)} here`);
}
