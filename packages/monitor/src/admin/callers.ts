// Who is at the other end of each connection: taken when it is accepted, by the listener that has accepted it, and
// never asked of the socket later. A TCP socket whose peer has reset it has no address any more, as one of Unix never
// has.
//
// Invariant: who is not known here is served nothing.

import type { Socket } from "node:net";
import { descriptorOf, peerCredentials } from "@ringway/linux";
import type { Changer } from "../monitor/policy-history.ts";

/** unix: its mode says who may come; tcp: who has the token. */
export type Listener = "unix" | "tcp";

export interface Caller {
  /** As the audit lines name it. */
  readonly by: Changer;
  /** Over TCP; undefined: it came to the Unix socket. */
  readonly address: string | undefined;
}

/** Of clients, those that are told apart: a process of this host, or an address. */
export type Peer = string | number;

export class Callers {
  readonly #known: WeakMap<Socket, Caller> = new WeakMap();

  /** A connection has come. False: nobody can say who it is. */
  meet(socket: Socket, listener: Listener): boolean {
    const caller = listener === "unix" ? local(socket) : remote(socket);
    if (caller !== undefined) this.#known.set(socket, caller);
    return caller !== undefined;
  }

  of(socket: Socket): Caller | undefined {
    return this.#known.get(socket);
  }

  /** 0 where the kernel does not say which process it is. */
  peerOf(socket: Socket): Peer {
    const caller = this.#known.get(socket);
    return caller?.address ?? caller?.by.pid ?? 0;
  }
}

function remote({ remoteAddress: address, remotePort }: Socket): Caller | undefined {
  if (address === undefined) return undefined;
  return { by: { via: "admin", address: `${address}:${remotePort}` }, address };
}

/** As the kernel knows it since it connected. */
function local(socket: Socket): Caller {
  // Without it, nobody is named.
  const fd = descriptorOf(socket);
  const address = undefined;
  try {
    const credentials = fd === undefined ? {} : peerCredentials(fd);
    return { by: { via: "admin", ...credentials }, address };
  } catch {
    return { by: { via: "admin" }, address };
  }
}
