// What a program would ask for, as the body of an Open: for explain().

import { ConnectRequest, encodeUtf8, fileMessages, ListenRequest, Protocol, parseIp } from "@ringway/control";
import { RingwayError } from "./errors.ts";
import { fileFlags, guestPath, type OpenFlags, type PathLike } from "./paths.ts";

/** One thing to ask the policy about. */
export type ExplainTarget =
  | { readonly connect: { readonly host: string; readonly port: number } }
  | { readonly listen: { readonly host?: string | undefined; readonly port: number } }
  | { readonly open: PathLike; readonly flags?: OpenFlags | undefined }
  | { readonly protocol: number; readonly body?: Uint8Array | undefined };

export function explainBody(target: ExplainTarget): { protocol: number; body: Uint8Array } {
  if ("connect" in target) {
    const { host, port } = target.connect;
    return { protocol: Protocol.TCP_CONNECT, body: ConnectRequest.encode({ host, port, timeoutMs: 0 }) };
  }
  if ("listen" in target) {
    const host = target.listen.host ?? "127.0.0.1";
    const address = parseIp(host);
    if (address === undefined) {
      throw new RingwayError("EINVAL", `a listener needs a literal address, not ${JSON.stringify(host)}`);
    }
    const inet = { family: address.length === 4 ? 4 : 6, port: target.listen.port, address } as const;
    return { protocol: Protocol.TCP_LISTEN, body: ListenRequest.encode({ backlog: 0, address: inet }) };
  }
  if ("open" in target) {
    const open = { flags: fileFlags(target.flags ?? "r"), mode: 0o666, path: guestPath(target.open, "open") };
    return { protocol: Protocol.FILE, body: fileMessages.FileOpen.encode(open) };
  }
  return { protocol: target.protocol, body: target.body ?? encodeUtf8("") };
}
