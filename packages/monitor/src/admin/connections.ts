// The admin server's connections: few, whoever asks for more. Where there are as many as may be, the one that has
// waited longest without a request under way makes room: a thousand that say nothing, or whose bodies never come, keep
// nobody out, and cost what a few do. One peer has no more than BUSY_OF_PEER_MAX requests under way, so that places are
// left to others. Each connection has one request at a time; who sends others before the answer (pipelining) is cut
// off, since what they ask for would pile up here.
//
//   idle ── a request's headers ──> receives ── its body's end ──> busy ── answered ──> idle
//                                      └── answered before its end ──> idle
//
// Idle and receiving ones make room.

import type { IncomingMessage, RequestListener, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { ADMIN_CONNECTIONS_MAX } from "../monitor/admin-options.ts";
import type { Callers, Listener } from "./callers.ts";

/** Of one process, or of one address over TCP: three quarters. */
const BUSY_OF_PEER_MAX = 48;

export class Connections {
  /** And those that receive; the one that was longest so is first. */
  readonly #idle: Set<Socket> = new Set();
  readonly #busy: Set<Socket> = new Set();
  /** Receiving or busy: no other request may come. */
  readonly #asking: WeakSet<Socket> = new WeakSet();
  readonly #callers: Callers;
  readonly #listener: Listener;

  constructor(callers: Callers, listener: Listener) {
    this.#callers = callers;
    this.#listener = listener;
  }

  serve(server: Server): void {
    server.on("connection", (socket: Socket) => this.#come(socket));
  }

  /** What came with others in one piece is not handled. */
  guard(handle: RequestListener): RequestListener {
    return (request, response) => {
      if (this.#begin(request, response)) handle(request, response);
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
    if (this.#idle.size + this.#busy.size >= ADMIN_CONNECTIONS_MAX) {
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
  #begin(request: IncomingMessage, response: ServerResponse): boolean {
    const { socket } = request;
    if (this.#asking.has(socket) || socket.destroyed) {
      parseNoMore(socket);
      socket.destroy();
      return false;
    }
    this.#asking.add(socket);
    if (this.#busyOf(socket) >= BUSY_OF_PEER_MAX) {
      refuse(response);
      return false;
    }
    this.#idle.delete(socket);
    if (hasBody(request)) {
      this.#idle.add(socket);
      request.once("end", () => this.#complete(socket));
    } else this.#busy.add(socket);
    response.once("close", () => {
      this.#asking.delete(socket);
      if (this.#busy.delete(socket)) this.#idle.add(socket);
    });
    return true;
  }

  #complete(socket: Socket): void {
    if (this.#asking.has(socket) && this.#idle.delete(socket)) this.#busy.add(socket);
  }

  #busyOf(socket: Socket): number {
    const peer = this.#callers.peerOf(socket);
    let count = 0;
    for (const other of this.#busy) if (this.#callers.peerOf(other) === peer) count++;
    return count;
  }
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
}

function refuse(response: ServerResponse): void {
  const error = `${BUSY_OF_PEER_MAX} requests of yours are under way, and no more may be`;
  response.writeHead(429, { "content-type": "application/json; charset=utf-8", connection: "close" });
  response.end(JSON.stringify({ error, code: "ERR_RINGWAY_ADMIN" }));
}

/**
 * What is left of the piece that came is parsed all the same, some 1770 requests of 64 KiB, and each would become an
 * object and, since its connection is gone, an error with its stack: seconds of the main thread. Node has no other way
 * to end it; where a later one has not this either, a test counts.
 */
function parseNoMore(socket: Socket): void {
  const { parser } = socket as { parser?: { onIncoming: unknown } | null };
  if (parser) parser.onIncoming = () => 0;
}
