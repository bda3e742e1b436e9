// What comes to a UDP socket, as events: datagrams, errors, and how many datagrams were lost.

import type { EventEmitter } from "node:events";
import { formatIp, type InetAddress, type udpMessages } from "@ringway/control";
import { Errno, errnoName } from "@ringway/linux";
import { replyError } from "../../errors.ts";
import { isSame } from "./peer.ts";

/** As dgram's RemoteInfo. */
export interface UdpRemote {
  address: string;
  family: "IPv4" | "IPv6";
  port: number;
  size: number;
}

/** As dgram.Socket's, and one more. */
export interface GuestUdpEvents {
  listening: [];
  connect: [];
  message: [Buffer, UdpRemote];
  /** A datagram was not sent, or came back; or the host refused what was asked. The socket goes on. */
  error: [Error];
  close: [];
  /** Datagrams to this socket were lost in the host: how many so far, as `lost` has it too. */
  lost: [number];
}

/** What an ICMP error makes of a datagram that was sent. */
const CAME_BACK: ReadonlySet<string> = new Set([
  "ECONNREFUSED",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENOPROTOOPT",
]);

export class UdpIncoming {
  readonly #socket: EventEmitter<GuestUdpEvents>;
  #lost = 0;
  /** Whom the last datagram was from. */
  #remote: { readonly peer: InetAddress; readonly text: string } | undefined;

  constructor(socket: EventEmitter<GuestUdpEvents>) {
    this.#socket = socket;
  }

  /** Datagrams that were lost so far. */
  get lost(): number {
    return this.#lost;
  }

  message(data: Buffer, peer: InetAddress): void {
    let remote = this.#remote;
    if (remote === undefined || !isSame(remote.peer, peer)) {
      remote = { peer, text: formatIp(peer.address) };
      this.#remote = remote;
    }
    const family = peer.family === 4 ? "IPv4" : "IPv6";
    this.#socket.emit("message", data, { address: remote.text, family, port: peer.port, size: data.length });
  }

  /** `isConnected`: the host's socket is. */
  error({ errno, peer, rule, reason }: udpMessages.UdpError, isConnected: boolean): void {
    // The socket is idle: no error of the program's, which sends again when it likes.
    if (isConnected && errno === Errno.ETIMEDOUT) return;
    const cameBack = isConnected && CAME_BACK.has(errnoName(errno));
    // Port 0: it concerns no peer (UDP-9).
    const to = peer.port === 0 ? {} : { address: formatIp(peer.address), port: peer.port };
    const context = { syscall: cameBack ? "recvmsg" : "send", ...to };
    this.#socket.emit("error", replyError({ errno, rule, reason }, context));
  }

  /** So many more were lost. */
  losses(datagrams: number): void {
    this.#lost += datagrams;
    this.#socket.emit("lost", this.#lost);
  }
}
