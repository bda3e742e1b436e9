// The admin server's connections: few, whoever asks for more. Where there are as many as may be, the one that has
// waited longest without a request under way makes room: a thousand that say nothing keep nobody out, and cost what a
// few do. Each has one request at a time; who sends others before the answer (pipelining) is cut off, since what they
// ask for would pile up here.

import type { RequestListener, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Callers, Listener } from "./callers.ts";

const CONNECTIONS_MAX = 64;

export class Connections {
  /** The one that was idle longest is first. */
  readonly #idle: Set<Socket> = new Set();
  readonly #busy: Set<Socket> = new Set();
  readonly #callers: Callers;
  readonly #listener: Listener;

  constructor(callers: Callers, listener: Listener) {
    this.#callers = callers;
    this.#listener = listener;
  }

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
    if (!this.#callers.meet(socket, this.#listener)) {
      socket.destroy();
      return;
    }
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
