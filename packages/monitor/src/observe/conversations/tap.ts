// A stream that somebody follows: what it carries goes to each follower, and it carries no more than the slowest of
// those that pace it has room for.
//
// What goes through a tap is a private copy: the guest can change what lies in a ring at any time, and what is told
// must be what was sent. So a relay of raw bytes copies first (`staging`), and sends or keeps that copy.

import type { Scratch } from "@ringway/linux";
import type { Followed } from "./followed.ts";
import type { Follower } from "./follower.ts";
import type { ConversationEnd, From } from "./records.ts";
import { wallMs } from "./wall-clock.ts";

export class Tap {
  readonly staging: Scratch;
  /** Who has sent what goes to the host, and what goes to the guest: the directions, in this order. */
  readonly #from: readonly [From, From];
  #followed: { readonly follower: Follower; readonly followed: Followed }[] = [];

  constructor(staging: Scratch, from: readonly [From, From]) {
    this.staging = staging;
    this.#from = from;
  }

  add(follower: Follower, followed: Followed): void {
    this.#followed.push({ follower, followed });
  }

  has(follower: Follower): boolean {
    return this.#followed.some((each) => each.follower === follower);
  }

  /** Lets go of those who do not follow it any more, and of their rings. False: nobody does. */
  keep(): boolean {
    this.#followed = this.#followed.filter(({ followed }) => !followed.isOver);
    return this.#followed.length > 0;
  }

  /** Up to `wanted` bytes that may be carried now; 0: the stream is run again when some may. */
  room(wanted: number): number {
    let room = Math.min(wanted, this.staging.bytes.length);
    for (const { followed } of this.#followed) {
      room = followed.room(room);
      if (room === 0) return 0;
    }
    return room;
  }

  /** `direction` is a Direction; these were carried. `peer`: of a datagram of a bound socket. */
  took(direction: 0 | 1, bytes: Uint8Array, peer?: Uint8Array): void {
    const timeMs = wallMs();
    for (const { followed } of this.#followed) followed.took(this.#from[direction], bytes, timeMs, peer);
  }

  close(end: ConversationEnd): void {
    for (const { followed } of this.#followed) followed.close({ closed: end });
    this.#followed = [];
  }
}
