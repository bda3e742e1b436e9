// Channels: peers in pairs, each of which hears the other and nobody else.
//
//   alone ─ one of another group comes ─▶ paired ─ the other leaves ─▶ parting, or with linger alone again
//
// With linger no end is passed on. Who has ended keeps its partner for as long as that answers; then it is told that it
// is over, and its partner waits for another.
//
// Who is alone is read for one chunk, which is kept: so its leaving is seen, and nothing it said is lost. Who comes is
// paired with the one that has waited longest. Half-closes are passed on as they are, behind the bytes before them; so
// is a disconnect, as an end: a reset could overtake bytes.

import type { Peer } from "./peer.ts";
import type { Router } from "./router.ts";

export interface ChannelOptions {
  /** Who has lost its partner waits for another. */
  readonly linger: boolean;
  /** Any two make a pair, also two of one endpoint. */
  readonly any: boolean;
  /** Somebody left before there was a partner. */
  onUnpaired(peer: Peer): void;
}

/** Of who lingers: it has said all to one who has ended, where it says nothing for so long. */
const ANSWER_MS = 2_000;

interface Waiting {
  /** What it said meanwhile; it is held then. */
  chunks: Buffer[];
  /** It has said all that it had to say. */
  hasEnded: boolean;
}

export class Channels implements Router {
  readonly #options: ChannelOptions;
  /** Each of a pair, and the other. */
  readonly #partners: Map<Peer, Peer> = new Map();
  /** In the order of their waiting. */
  readonly #waiting: Map<Peer, Waiting> = new Map();
  /** With linger: of those that have ended, and have a partner. */
  readonly #endings: Map<Peer, NodeJS.Timeout> = new Map();

  constructor(options: ChannelOptions) {
    this.#options = options;
  }

  joined(peer: Peer): void {
    // Made as a pair.
    if (!this.#partners.has(peer)) this.#wait(peer);
  }

  /** Joins two that are not joined to anybody. */
  pair(one: Peer, other: Peer): void {
    this.#partners.set(one, other).set(other, one);
    for (const [peer, partner] of [
      [one, other],
      [other, one],
    ] as const) {
      const waited = this.#waiting.get(peer);
      this.#waiting.delete(peer);
      if (waited === undefined) continue;
      for (const chunk of waited.chunks) peer.pacer.give(chunk, partner, peer);
      if (waited.hasEnded) this.#passEnd(peer);
      if (waited.chunks.length > 0) peer.release();
    }
  }

  chunk(peer: Peer, chunk: Buffer): void {
    const partner = this.#partners.get(peer);
    if (partner !== undefined) {
      this.#endings.get(partner)?.refresh();
      peer.pacer.give(chunk, partner, peer);
      return;
    }
    const waited = this.#waiting.get(peer);
    if (waited === undefined) return;
    waited.chunks.push(chunk);
    if (waited.chunks.length === 1) peer.hold();
  }

  ended(peer: Peer): void {
    const waited = this.#waiting.get(peer);
    if (waited !== undefined) waited.hasEnded = true;
    if (waited !== undefined && waited.chunks.length === 0) {
      // It has said nothing, and will not: it left.
      this.#options.onUnpaired(peer);
      peer.finish();
    }
    this.#passEnd(peer);
  }

  left(peer: Peer): void {
    const waited = this.#waiting.get(peer);
    if (waited !== undefined && (waited.chunks.length > 0 || !waited.hasEnded))
      this.#options.onUnpaired(peer);
    this.#waiting.delete(peer);
    this.#separate(peer);
  }

  #passEnd(peer: Peer): void {
    const partner = this.#partners.get(peer);
    if (partner === undefined) return;
    if (!this.#options.linger) {
      partner.finish();
    } else {
      const timer = setTimeout(() => {
        // It has not taken the answer yet.
        if (!peer.isClear) timer.refresh();
        else this.#separate(peer);
      }, ANSWER_MS);
      this.#endings.set(peer, timer);
    }
  }

  #forget(peer: Peer): void {
    clearTimeout(this.#endings.get(peer));
    this.#endings.delete(peer);
  }

  /** `peer` goes; its partner, where it has one, too, or it waits for another. */
  #separate(peer: Peer): void {
    const partner = this.#partners.get(peer);
    if (partner === undefined) return;
    this.#partners.delete(peer);
    this.#partners.delete(partner);
    this.#forget(peer);
    this.#forget(partner);
    peer.finish();
    if (!this.#options.linger) partner.part();
    // Who has ended itself says nothing to anybody else.
    else if (partner.hasEnded) partner.finish();
    else if (!partner.isOver) this.#wait(partner);
  }

  #wait(peer: Peer): void {
    for (const other of this.#waiting.keys()) {
      if (other.isDeaf || (!this.#options.any && other.group === peer.group)) continue;
      this.pair(other, peer);
      return;
    }
    this.#waiting.set(peer, { chunks: [], hasEnded: false });
  }
}
