// What a program would ask for, as the body of an Open: for explain().

import {
  ConnectRequest,
  encodeUtf8,
  fileMessages,
  inet,
  ListenRequest,
  Protocol,
  parseIp,
  udpMessages,
  unixMessages,
} from "@ringway/control";
import { Errno, invalidType, requireKeys, requireObject } from "@ringway/linux";
import { integer } from "./argument-errors.ts";
import { RingwayError } from "./errors.ts";
import { fileFlags, guestPath, type OpenFlags, type PathLike, pathText } from "./files/paths.ts";
import { portNumber } from "./net/socket-arguments.ts";

/** One thing to ask the policy about. */
export type ExplainTarget =
  | { readonly connect: { readonly host: string; readonly port: number | string; readonly udp?: boolean } }
  | { readonly connect: { readonly path: string } }
  | {
      readonly listen: {
        readonly host?: string | undefined;
        readonly port: number | string;
        readonly udp?: boolean;
      };
    }
  | { readonly listen: { readonly path: string } }
  | { readonly open: PathLike; readonly flags?: OpenFlags | undefined }
  | { readonly protocol: number; readonly body?: Uint8Array | undefined };

type ConnectTarget = Extract<ExplainTarget, { readonly connect: unknown }>["connect"];
type ListenTarget = Extract<ExplainTarget, { readonly listen: unknown }>["listen"];

/** Beside which each may have others. */
const KINDS: readonly (readonly string[])[] = [
  ["connect"],
  ["listen"],
  ["open", "flags"],
  ["protocol", "body"],
];
/** Of what is connected to, and listened at. */
const INET_KEYS = ["host", "port", "udp"];
const PATH_KEYS = ["path"];

export function explainBody(target: ExplainTarget): { protocol: number; body: Uint8Array } {
  const what =
    "{ connect: { host, port } }, { connect: { path } }, { listen: { host, port } }, { listen: { path } }, { open: path } or { protocol, body }";
  requireObject(target, "target", what);
  const kind = KINDS.find(([key]) => key! in target);
  requireKeys(target, "key of target", kind ?? KINDS.flat());
  if (kind === undefined) throw invalidType("target", what, target);
  if ("connect" in target) return connectBody(target.connect);
  if ("listen" in target) return listenBody(target.listen);
  if ("open" in target) {
    const open = { flags: fileFlags(target.flags ?? "r"), mode: 0o666, path: guestPath(target.open, "open") };
    return { protocol: Protocol.FILE, body: fileMessages.FileOpen.encode(open) };
  }
  const { protocol, body = encodeUtf8("") } = target;
  integer(protocol, "target.protocol", 0, 0xffff_ffff);
  if (!(body instanceof Uint8Array)) throw invalidType("target.body", "an instance of Uint8Array", body);
  return { protocol, body };
}

function listenBody(at: ListenTarget): { protocol: number; body: Uint8Array } {
  requireObject(at, "target.listen", "{ host, port } or { path }");
  requireKeys(at, "key of target.listen", "path" in at ? PATH_KEYS : INET_KEYS);
  if ("path" in at) {
    const { STREAM: kind } = unixMessages.UnixKind;
    const path = pathText(at.path, "explain", "listen.path");
    const body = unixMessages.UnixListenRequest.encode({ kind, mode: 0o755, backlog: 0, path });
    return { protocol: Protocol.UNIX_LISTEN, body };
  }
  const host = at.host ?? "127.0.0.1";
  if (typeof host !== "string") throw invalidType("listen.host", "of type string", host);
  const address = parseIp(host);
  if (address === undefined) {
    const message = `a listener needs a literal address, not ${JSON.stringify(host)}`;
    throw new RingwayError("EINVAL", message, { errno: -Errno.EINVAL, syscall: "explain" });
  }
  const port = portNumber(at.port, "listen.port");
  if (at.udp) {
    const flags = address.length === 16 ? udpMessages.UdpBindFlags.ONLY_IPV6 : 0;
    const bind = { flags, address: inet(address, port) };
    return { protocol: Protocol.UDP_BIND, body: udpMessages.UdpBindRequest.encode(bind) };
  }
  const body = ListenRequest.encode({ backlog: 0, address: inet(address, port) });
  return { protocol: Protocol.TCP_LISTEN, body };
}

function connectBody(to: ConnectTarget): { protocol: number; body: Uint8Array } {
  requireObject(to, "target.connect", "{ host, port } or { path }");
  requireKeys(to, "key of target.connect", "path" in to ? PATH_KEYS : INET_KEYS);
  if ("path" in to) {
    const { STREAM: kind } = unixMessages.UnixKind;
    const path = pathText(to.path, "explain", "connect.path");
    const body = unixMessages.UnixConnectRequest.encode({ kind, timeoutMs: 0, path });
    return { protocol: Protocol.UNIX_CONNECT, body };
  }
  const { host } = to;
  if (typeof host !== "string") throw invalidType("connect.host", "of type string", host);
  const port = portNumber(to.port, "connect.port");
  const protocol = to.udp ? Protocol.UDP_CONNECT : Protocol.TCP_CONNECT;
  return { protocol, body: ConnectRequest.encode({ host, port, timeoutMs: 0 }) };
}
