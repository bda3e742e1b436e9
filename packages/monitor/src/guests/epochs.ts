// The epochs of one guest: what its words in the superblock say, looked at after every ring (PROTOCOL.md section 20),
// and who has addresses inside the region.
//
//   a fresh epoch is asked for ──▶ its streams are let go of ──▶ nobody has addresses inside ──▶ the next begins
//
// Invariant: a new epoch gives the same pages out anew, and a guest that is over gives up its memory, only when nobody
// has addresses inside the region: disk workers, and relays that have yet to let go.

import type { HostSession } from "@ringway/control";
import { ATTACH_LOOKS } from "../accounts/quotas.ts";
import { type Life, LifeState } from "./life.ts";
import type { ThreadShare } from "./share.ts";
import type { Streams } from "./streams.ts";

/** Whose they are. */
export interface EpochsOwner {
  readonly session: HostSession;
  readonly life: Life;
  readonly share: ThreadShare;
  readonly streams: Streams;
  readonly held: boolean;
  /** It has attached to the epoch that was ready. */
  attached(): void;
  detached(): void;
  /** It is over, and nobody has addresses inside its region any more. */
  settled(): void;
  fail(error: unknown): void;
}

/** Violations on streams of one epoch before the guest itself is ended (ERR-3). */
export const STREAM_VIOLATIONS_MAX = 64;
/** A guest that is quick has rung once for several changes: at most "reset", "attached" and "detached". */
const CHANGES_MAX = 3;

export class Epochs {
  /** On streams of this epoch. */
  #violations = 0;
  readonly #owner: EpochsOwner;
  #pins = 0;

  constructor(owner: EpochsOwner) {
    this.#owner = owner;
  }

  /** Looks at what the guest's words say. */
  look(): void {
    const owner = this.#owner;
    if (owner.life.departed || owner.held || owner.life.state === LifeState.LEAVING) return;
    try {
      for (let changes = 0; changes < CHANGES_MAX; changes++) {
        switch (owner.session.checkGuest(this.#letGo)) {
          case "reset":
            owner.share.looked(ATTACH_LOOKS);
            this.#violations = 0;
            continue;
          case "attached":
            owner.attached();
            continue;
          case "detached":
            owner.detached();
            return;
          case undefined:
            return;
        }
      }
    } catch (error) {
      owner.fail(error);
    }
  }

  /** A stream was violated. True: that is the last straw of this epoch, and the guest is to be ended (ERR-3). */
  violated(): boolean {
    return ++this.#violations === STREAM_VIOLATIONS_MAX;
  }

  /** What an epoch holds goes before the next begins, and all of it: the new one may want the same ports and files. */
  readonly #letGo = (): boolean => {
    this.#owner.streams.abandonAll();
    return this.#pins === 0;
  };

  /** So many more, or fewer, have addresses inside the region. */
  pinned(change: number): void {
    this.#pins += change;
    if (this.#pins > 0) return;
    const { life, session } = this.#owner;
    if (life.over) this.#owner.settled();
    // A new epoch waited for them.
    if (!life.departed && session.attachRequested) this.look();
  }
}
