// One time that a server listens: from the request to the host until the host has closed its listener. A server that
// listens again has another.
//
//   opening ─ Opened ─▶ open ─ close() ─▶ closing ─ the host has closed its listener ─▶ closed
//      └─ refused, close() ─────────────────────────────────────────────────────────────▲
//
// What is posted with the host ahead of connections is in posting.ts. What the host cannot accept waits in its kernel's
// backlog.

import { Protocol } from "@ringway/control";
import { Errno } from "@ringway/linux";
import { cutOffError, RingwayError } from "../errors.ts";
import type { Engine } from "../stream/engine.ts";
import { openStream } from "../stream/open-stream.ts";
import { type Rings, ringWish } from "../stream/room.ts";
import type { Stream } from "../stream/stream.ts";
import type { Bound, ListenOpen } from "./listen.ts";
import { INCOMING, Posting, UNIX_INCOMING } from "./posting.ts";
import type { RawOpened } from "./raw-stream.ts";

export interface ListeningInit {
  readonly engine: Engine;
  readonly open: ListenOpen;
  /** Streams wanted ahead of connections, and the size of their rings. */
  readonly acceptsAhead: number;
  readonly ringBytes: number | undefined;
  onListening(): void;
  /** Takes the stream over. */
  onConnection(stream: Stream, endpoints: RawOpened): void;
  /** An accept failed, or a stream could not be made; others are. */
  onAcceptError(error: Error): void;
  /** It does not listen, or not any more. Not told after close(). */
  onFailed(error: Error): void;
}

/** Accepts, and what became of some. */
const LISTENER_RINGS: Rings = { toHostBytes: 16 * 1024, toGuestBytes: 16 * 1024 };

export class Listening {
  readonly #init: ListeningInit;
  readonly #opening: AbortController = new AbortController();
  #stream: Stream | undefined;
  #posting: Posting | undefined;
  #bound: Bound | undefined;

  constructor(init: ListeningInit) {
    this.#init = init;
    const { engine } = init;
    const { protocol, context, body, bound } = init.open;
    const { signal } = this.#opening;
    const fail = (error: Error): void => this.#fail(error);
    if (body instanceof Error) {
      process.nextTick(fail, body);
      return;
    }
    const rings = ringWish(undefined, LISTENER_RINGS);
    const request = { protocol, body, rings, context, signal };
    openStream(engine, request, bound).then(({ stream, opened }) => {
      if (signal.aborted) stream.finish();
      else if (!stream.open) fail(cutOffError("listen", engine.ended));
      else this.#begin(stream, opened);
    }, fail);
  }

  /** The address really bound, while it is open. */
  get bound(): Bound | undefined {
    return this.#bound;
  }

  /** No more connections. Calls back once the host has closed its listener; at once where there is none. */
  close(onClosed: () => void): void {
    const reason = serverClosed();
    this.#opening.abort(reason);
    this.#posting?.stop(reason);
    this.#bound = undefined;
    if (this.#stream?.open === true) this.#stream.finish(onClosed);
    else onClosed();
  }

  #begin(stream: Stream, bound: Bound): void {
    const { engine, acceptsAhead, ringBytes, open } = this.#init;
    const isPath = open.protocol === Protocol.UNIX_LISTEN;
    const where =
      typeof bound === "string" ? { address: bound } : { address: bound.address, port: bound.port };
    this.#stream = stream;
    this.#bound = bound;
    const posting = new Posting({
      engine,
      listener: stream,
      context: { syscall: "accept", ...where },
      incoming: isPath ? UNIX_INCOMING : INCOMING,
      acceptsAhead,
      ringBytes,
      onConnection: (accepted, endpoints) => this.#init.onConnection(accepted, endpoints),
      onAcceptError: (error) => this.#init.onAcceptError(error),
      onOver: (error) => this.#fail(error),
    });
    this.#posting = posting;
    this.#init.onListening();
    engine.touch(() => posting.step());
  }

  #fail(error: Error): void {
    if (!this.#opening.signal.aborted) this.#init.onFailed(error);
  }
}

/** What a listen() that was under way fails with. */
export function serverClosed(): RingwayError {
  const init = { errno: -Errno.ECANCELED, syscall: "listen" };
  return new RingwayError("ECANCELED", "the server was closed", init);
}
