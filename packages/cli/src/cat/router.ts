// Where a peer's chunks go, besides the output, and what its coming, its end and its leaving mean to others.

import type { Peer } from "./peer.ts";

export interface Router {
  joined(peer: Peer): void;
  chunk(peer: Peer, chunk: Buffer): void;
  /** It sends no more. */
  ended(peer: Peer): void;
  left(peer: Peer): void;
}

/** Nobody gets anything of others. */
export class NoRouter implements Router {
  readonly #onEnded: (peer: Peer) => void;

  constructor(onEnded: (peer: Peer) => void) {
    this.#onEnded = onEnded;
  }

  joined(): void {}
  chunk(): void {}
  left(): void {}

  ended(peer: Peer): void {
    this.#onEnded(peer);
  }
}
