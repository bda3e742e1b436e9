// What the policy would say of an Open, without doing it: for Explain on the control pipe.

import {
  ConnectRequest,
  fileMessages,
  formatIp,
  ListenRequest,
  Protocol,
  parseInet,
  protocolName,
  type Verdict,
} from "@ringway/control";
import { requireEmpty } from "../relays/empty-body.ts";
import type { PolicyMatcher } from "./matcher.ts";
import type { OwnPorts } from "./own-ports.ts";

/** Throws ProtocolError where `body` is not what the protocol's Open carries. */
export function explain(
  matcher: PolicyMatcher,
  ownPorts: OwnPorts,
  protocol: number,
  body: Uint8Array,
): Verdict {
  switch (protocol) {
    case Protocol.ECHO:
    case Protocol.FS:
      requireEmpty(body);
      return { allowed: true, rule: "", reason: `${protocolName(protocol)} streams are always allowed` };
    case Protocol.TCP_CONNECT: {
      const { host, port } = ConnectRequest.decode(body);
      const literal = parseInet(host, port);
      if (literal === undefined) return matcher.connectName(host, port);
      return ownPorts.judge(matcher.connectAddress(host, port), literal);
    }
    case Protocol.TCP_LISTEN: {
      const { address } = ListenRequest.decode(body);
      return matcher.listen(formatIp(address.address), address.port);
    }
    case Protocol.FILE: {
      const { path, flags } = fileMessages.FileOpen.decode(body);
      return matcher.file(path, (flags & fileMessages.FileFlags.WRITE) !== 0);
    }
    case Protocol.FILE_STREAM: {
      const { path, direction } = fileMessages.FileStreamOpen.decode(body);
      return matcher.file(path, direction === fileMessages.FileDirection.WRITE);
    }
    default:
      return { allowed: false, rule: "", reason: `the host does not know ${protocolName(protocol)}` };
  }
}
