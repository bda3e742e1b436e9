// The admin server's connections: few, whoever asks for more. Where there are as many as may be, the one that has
// waited longest without a request under way makes room: a thousand that say nothing keep nobody out, and cost what a
// few do. Each has one request at a time; who sends others before the answer (pipelining) is cut off, since what they
// ask for would pile up here.

import type { RequestListener, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { peerCredentials } from "@ringway/linux";
import type { Changer } from "../monitor/policy-history.ts";

const CONNECTIONS_MAX = 64;

export class Connections {
  /** The one that was idle longest is first. */
  readonly #idle: Set<Socket> = new Set();
  readonly #busy: Set<Socket> = new Set();

  serve(server: Server): void {
    server.on("connection", (socket: Socket) => this.#come(socket));
  }

  /** What came with others in one piece is parsed, also where its connection is cut off, and not handled. */
  guard(handle: RequestListener): RequestListener {
    return (request, response) => {
      if (this.#begin(request.socket, response)) handle(request, response);
    };
  }

  closeAll(): void {
    for (const socket of [...this.#idle, ...this.#busy]) socket.destroy();
  }

  #come(socket: Socket): void {
    if (this.#idle.size + this.#busy.size >= CONNECTIONS_MAX) {
      const [longest] = this.#idle;
      if (longest === undefined) {
        socket.destroy();
        return;
      }
      this.#gone(longest);
      longest.destroy();
    }
    this.#idle.add(socket);
    socket.once("close", () => this.#gone(socket));
  }

  #gone(socket: Socket): void {
    this.#idle.delete(socket);
    this.#busy.delete(socket);
  }

  /** False: it is not to be served. */
  #begin(socket: Socket, response: ServerResponse): boolean {
    if (!this.#idle.delete(socket)) {
      socket.destroy();
      return false;
    }
    this.#busy.add(socket);
    response.once("close", () => {
      if (this.#busy.delete(socket)) this.#idle.add(socket);
    });
    return true;
  }
}

/** As the kernel knows it since it connected; over TCP, its address. */
export function callerOf(socket: Socket): Changer {
  const { remoteAddress, remotePort } = socket;
  if (remoteAddress !== undefined) return { via: "admin", address: `${remoteAddress}:${remotePort}` };
  // Node tells it on no other way; without it, nobody is named.
  const { fd } = (socket as { _handle?: { fd?: number } })._handle ?? {};
  try {
    return fd === undefined || fd < 0 ? { via: "admin" } : { via: "admin", ...peerCredentials(fd) };
  } catch {
    return { via: "admin" };
  }
}
