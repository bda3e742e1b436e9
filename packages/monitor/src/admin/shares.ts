// What clients of the admin API may have at once of one thing, and each of them: less, so that something is left for
// others, whoever takes all that he may.

import type { Peer } from "./callers.ts";

export class Shares {
  readonly #most: number;
  readonly #mostOfPeer: number;
  readonly #of: Map<Peer, number> = new Map();
  #taken = 0;

  constructor(most: number, mostOfPeer: number) {
    this.#most = most;
    this.#mostOfPeer = mostOfPeer;
  }

  /** False: there is none for this peer. Else give() is to follow. */
  take(peer: Peer): boolean {
    const has = this.#of.get(peer) ?? 0;
    if (this.#taken >= this.#most || has >= this.#mostOfPeer) return false;
    this.#of.set(peer, has + 1);
    this.#taken++;
    return true;
  }

  give(peer: Peer): void {
    const left = this.#of.get(peer)! - 1;
    if (left === 0) this.#of.delete(peer);
    else this.#of.set(peer, left);
    this.#taken--;
  }
}
