// Bytes that are made up, for ever: random ones, or the same again and again. Each peer gets its own, one chunk in each
// turn: a peer that takes all that it can get keeps nobody waiting.
//
// Invariant: a peer is in `#ready` (its turn comes) or waits to be clear, and not both.

import type { Peer } from "./peer.ts";
import type { Random, Range } from "./random.ts";
import type { Rest, Source } from "./source.ts";

export interface MadeOptions {
  /** Least and most bytes of a chunk. */
  readonly sizes: Range;
  readonly isAscii: boolean;
  /** All chunks are the first. */
  readonly isFixed: boolean;
}

/** Random chunks are pieces of this much, which is made once: bytes are not made as fast as they are sent. */
const POOL_BYTES = 1024 * 1024;

export class MadeSource implements Source {
  readonly hasEnded: boolean = false;
  readonly rest: Rest = "none";
  readonly #random: Random;
  readonly #sizes: Range;
  readonly #pool: Buffer;
  readonly #fixed: Buffer | undefined;
  readonly #peers: Set<Peer> = new Set();
  readonly #ready: Set<Peer> = new Set();
  #turn: NodeJS.Immediate | undefined;

  constructor({ sizes, isAscii, isFixed }: MadeOptions, random: Random) {
    this.#random = random;
    this.#sizes = sizes;
    this.#pool = random.bytes(Math.max(isFixed ? sizes[1] : POOL_BYTES, sizes[1]), isAscii);
    this.#fixed = isFixed ? this.#pool.subarray(0, sizes[1]) : undefined;
  }

  begin(): void {}

  joined(peer: Peer): void {
    this.#peers.add(peer);
    this.#isReady(peer);
  }

  left(peer: Peer): void {
    this.#peers.delete(peer);
    this.#ready.delete(peer);
  }

  chunk(): void {}

  close(): void {
    this.#peers.clear();
    this.#ready.clear();
    clearImmediate(this.#turn);
  }

  #isReady(peer: Peer): void {
    if (!this.#peers.has(peer) || peer.isDeaf) return;
    this.#ready.add(peer);
    this.#turn ??= setImmediate(() => this.#giveAll());
  }

  #giveAll(): void {
    this.#turn = undefined;
    const ready = [...this.#ready];
    this.#ready.clear();
    for (const peer of ready) {
      peer.send(this.#chunk());
      if (peer.isClear) this.#isReady(peer);
      else peer.whenClear(() => this.#isReady(peer));
    }
  }

  #chunk(): Buffer {
    if (this.#fixed !== undefined) return this.#fixed;
    const bytes = this.#random.within(this.#sizes);
    const at = this.#random.within([0, this.#pool.length - bytes]);
    return this.#pool.subarray(at, at + bytes);
  }
}
