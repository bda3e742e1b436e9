// What a program would ask for, as the body of an Open: for explain().

import {
  ConnectRequest,
  encodeUtf8,
  fileMessages,
  inet,
  ListenRequest,
  Protocol,
  parseIp,
} from "@ringway/control";
import { Errno, invalidType, requireObject } from "@ringway/linux";
import { integer } from "./argument-errors.ts";
import { RingwayError } from "./errors.ts";
import { fileFlags, guestPath, type OpenFlags, type PathLike } from "./files/paths.ts";
import { portNumber } from "./net/socket-arguments.ts";

/** One thing to ask the policy about. */
export type ExplainTarget =
  | { readonly connect: { readonly host: string; readonly port: number | string } }
  | { readonly listen: { readonly host?: string | undefined; readonly port: number | string } }
  | { readonly open: PathLike; readonly flags?: OpenFlags | undefined }
  | { readonly protocol: number; readonly body?: Uint8Array | undefined };

const KINDS = ["connect", "listen", "open", "protocol"];

export function explainBody(target: ExplainTarget): { protocol: number; body: Uint8Array } {
  if (typeof target !== "object" || target === null || !KINDS.some((kind) => kind in target)) {
    const what =
      "{ connect: { host, port } }, { listen: { host, port } }, { open: path } or { protocol, body }";
    throw invalidType("target", what, target);
  }
  if ("connect" in target) {
    requireObject(target.connect, "target.connect", "{ host, port }");
    const { host } = target.connect;
    if (typeof host !== "string") throw invalidType("connect.host", "of type string", host);
    const port = portNumber(target.connect.port, "connect.port");
    return { protocol: Protocol.TCP_CONNECT, body: ConnectRequest.encode({ host, port, timeoutMs: 0 }) };
  }
  if ("listen" in target) {
    requireObject(target.listen, "target.listen", "{ host, port }");
    const host = target.listen.host ?? "127.0.0.1";
    if (typeof host !== "string") throw invalidType("listen.host", "of type string", host);
    const address = parseIp(host);
    if (address === undefined) {
      const message = `a listener needs a literal address, not ${JSON.stringify(host)}`;
      throw new RingwayError("EINVAL", message, { errno: -Errno.EINVAL, syscall: "explain" });
    }
    const port = portNumber(target.listen.port, "listen.port");
    const body = ListenRequest.encode({ backlog: 0, address: inet(address, port) });
    return { protocol: Protocol.TCP_LISTEN, body };
  }
  if ("open" in target) {
    const open = { flags: fileFlags(target.flags ?? "r"), mode: 0o666, path: guestPath(target.open, "open") };
    return { protocol: Protocol.FILE, body: fileMessages.FileOpen.encode(open) };
  }
  const { protocol, body = encodeUtf8("") } = target;
  integer(protocol, "target.protocol", 0, 0xffff_ffff);
  if (!(body instanceof Uint8Array)) throw invalidType("target.body", "an instance of Uint8Array", body);
  return { protocol, body };
}
