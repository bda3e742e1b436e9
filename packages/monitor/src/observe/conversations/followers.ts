// All who follow conversations on one thread. Where there is nobody, a stream tests one field when it begins, and a
// relay another for each piece.

import { type Scratch, scratch } from "@ringway/linux";
import type { Paced } from "./followed.ts";
import { Follower, type FollowerHost, type FollowOptions } from "./follower.ts";
import { type ConversationOpened, From } from "./records.ts";
import { Tap } from "./tap.ts";

/** Of one piece that goes through a tap. */
const STAGING_BYTES: number = 256 * 1024;

const GUEST_BEGINS = [From.INITIATOR, From.RESPONDER] as const;
const HOST_BEGINS = [From.RESPONDER, From.INITIATOR] as const;

export class Followers {
  /** Is there one? */
  some = false;
  readonly #all: Map<number, Follower> = new Map();
  readonly #host: FollowerHost;
  #staging: Scratch | undefined;

  constructor(host: FollowerHost) {
    this.#host = host;
  }

  add(id: number, options: FollowOptions): Follower {
    const follower = new Follower(id, options, this.#host);
    this.#all.set(id, follower);
    this.some = true;
    return follower;
  }

  /** What is due of some of them waits for room in their rings. */
  get areDue(): boolean {
    for (const follower of this.#all.values()) if (follower.isDue) return true;
    return false;
  }

  of(id: number): Follower | undefined {
    return this.#all.get(id);
  }

  delete(id: number): void {
    const follower = this.#all.get(id);
    this.#all.delete(id);
    this.some = this.#all.size > 0;
    follower?.end();
  }

  /** A conversation begins; with `only` it was there. Undefined: nobody follows it. `protocol` is a Protocol. */
  tap(
    protocol: number,
    opened: ConversationOpened,
    stream: Paced,
    { tap: before, only }: { readonly tap?: Tap | undefined; readonly only?: Follower } = {},
  ): Tap | undefined {
    let tap = before;
    for (const follower of only === undefined ? this.#all.values() : [only]) {
      if (tap?.has(follower)) continue;
      const followed = follower.begin(protocol, opened, stream);
      if (followed === undefined) continue;
      this.#staging ??= scratch(STAGING_BYTES);
      tap ??= new Tap(this.#staging, opened.initiator.side === "guest" ? GUEST_BEGINS : HOST_BEGINS);
      tap.add(follower, followed);
    }
    return tap;
  }
}
