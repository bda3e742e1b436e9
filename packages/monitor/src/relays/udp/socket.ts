// A UDP socket of the host, as the two directions of its relay (outgoing.ts, incoming.ts) and its requests see it.

import { type FrameReader, type InetAddress, inet } from "@ringway/control";

export interface UdpSocket {
  readonly fd: number;
  readonly family: 4 | 6;
  /** A Protocol: udp-connect or udp-bind. */
  readonly protocol: number;
  /** The one peer of a connected socket. */
  readonly endpoint: InetAddress | undefined;
  /** The port that it is bound to. */
  readonly port: number;
  /** It is a client's own (UDP-3): nobody is heard but those that were sent to. */
  readonly isOwn: boolean;
  /** For requests, and for the end amid a frame. */
  readonly frames: FrameReader;
  /** When a datagram went either way. */
  usedMs: number;
  /** The kernel takes no more for now: outgoing.sendable is set again when it does. */
  awaitSpace(): void;
  /** So much came. */
  received(bytes: number, nowMs: number): void;
  /** The guest has used up its bytes: the stream ends, and the socket is closed by now (LIM-3). */
  usedUp(): void;
  /** For people: what was to be done, and with whom. */
  describe(peer: InetAddress | undefined): string;
}

/** Whom an error is told of that concerns no peer (UDP-9). */
export function nobody({ endpoint, family }: Pick<UdpSocket, "endpoint" | "family">): InetAddress {
  return endpoint ?? inet(new Uint8Array(family === 4 ? 4 : 16), 0);
}
