// A hub: what one peer says, all others hear. A chunk is one buffer, however many get it. The slow one paces who
// speaks, or goes without (--slow drop): then it loses whole chunks, which are counted.

import type { Peer } from "./peer.ts";
import type { Router } from "./router.ts";
import type { Slow } from "./words.ts";

export class Hub implements Router {
  readonly #slow: Slow;
  readonly #peers: Set<Peer> = new Set();

  constructor(slow: Slow) {
    this.#slow = slow;
  }

  joined(peer: Peer): void {
    this.#peers.add(peer);
  }

  chunk(peer: Peer, chunk: Buffer): void {
    for (const each of this.#peers) {
      if (each !== peer && !each.isDeaf) peer.pacer.give(chunk, each, peer, this.#slow);
    }
  }

  /** It leaves: nobody can tell who has only stopped to talk from who has gone. */
  ended(peer: Peer): void {
    peer.finish();
  }

  left(peer: Peer): void {
    this.#peers.delete(peer);
  }
}
