// tcp-connect and tcp-listen (PROTOCOL.md sections 11 and 12).

import { type InetAddress, inetAddress } from "../address.ts";
import { HOST_MAX_BYTES } from "../limits.ts";
import { type Body, body, type Message, message, text, u32 } from "../wire.ts";

/** Body of Open. `host` is a name or a literal address; timeoutMs 0 leaves the time limit to the host. */
export interface ConnectRequest {
  readonly port: number;
  readonly timeoutMs: number;
  readonly host: string;
}
export const ConnectRequest: Body<ConnectRequest> = body({
  port: u32,
  timeoutMs: u32,
  host: text(HOST_MAX_BYTES),
});

/** Body of Opened for tcp-connect, and payload of Incoming. */
export interface TcpEndpoints {
  readonly local: InetAddress;
  readonly peer: InetAddress;
}
export const ConnectReply: Body<TcpEndpoints> = body({ local: inetAddress, peer: inetAddress });

/** Body of Open (LSN-1). Port 0: the host picks one. */
export interface ListenRequest {
  readonly backlog: number;
  readonly address: InetAddress;
}
export const ListenRequest: Body<ListenRequest> = body({ backlog: u32, address: inetAddress });

/** Body of Opened for tcp-listen: the address really bound. */
export interface ListenReply {
  readonly bound: InetAddress;
}
export const ListenReply: Body<ListenReply> = body({ bound: inetAddress });

/** Gives a fresh stream to a listener: the next connection arrives on it. No reply but Incoming, or Error. */
export interface Accept {
  readonly id: number;
  readonly generation: number;
}
export const Accept: Message<Accept> = message(0x0301, "Accept", { id: u32, generation: u32 });

/** First frame on a stream that was given with Accept; raw bytes follow. */
export type Incoming = TcpEndpoints;
export const Incoming: Message<Incoming> = message(0x8301, "Incoming", {
  local: inetAddress,
  peer: inetAddress,
});
