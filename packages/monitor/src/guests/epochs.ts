// The epochs of one guest: what its link tells, what its words in the superblock say, looked at after every ring
// (PROTOCOL.md section 20), and who has addresses inside the region.
//
//   a fresh epoch is asked for ──▶ its streams are let go of ──▶ nobody has addresses inside ──▶ the next begins
//
// Invariant: a new epoch gives the same pages out anew, and a guest that is over gives up its memory, only when nobody
// has addresses inside the region: disk workers, and relays that have yet to let go.

import { type HostSession, ProtocolError, Violation } from "@ringway/control";
import type { Account } from "../accounts/accounts.ts";
import { ATTACH_LOOKS } from "../accounts/quotas.ts";
import type { LinkListener } from "../links/link.ts";
import type { Trace } from "../observe/trace.ts";
import { Counter, type Counters } from "../reactor/counters.ts";
import { type Life, LifeState } from "./life.ts";
import type { ThreadShare } from "./share.ts";
import type { Streams } from "./streams.ts";

/** Whose they are. */
export interface EpochsOwner {
  readonly name: string;
  readonly counters: Counters;
  readonly account: Account;
  /** Has a line for each ring; undefined: not asked for. */
  readonly traceBells: Trace | undefined;
  readonly session: HostSession;
  readonly life: Life;
  readonly share: ThreadShare;
  readonly streams: Streams;
  readonly held: boolean;
  /** It has attached to the epoch that was ready. */
  attached(): void;
  /** It has left. */
  depart(reason: string): void;
  /** It is over, and nobody has addresses inside its region any more. */
  settled(): void;
  fail(error: unknown): void;
}

/** Violations on streams of one epoch before the guest itself is ended (ERR-3). */
export const STREAM_VIOLATIONS_MAX = 64;
/** A guest that is quick has rung once for several changes: at most "reset", "attached" and "detached". */
const CHANGES_MAX = 3;

export class Epochs implements LinkListener {
  /** On streams of this epoch. */
  #violations = 0;
  readonly #owner: EpochsOwner;
  #pins = 0;

  constructor(owner: EpochsOwner) {
    this.#owner = owner;
  }

  onBell(): void {
    const { account, counters, traceBells, name, share } = this.#owner;
    counters.add(Counter.bells);
    account.tally.rang++;
    traceBells?.note({ trace: "bells", guest: name, text: "the guest rang" });
    share.looked(1);
    this.look();
    share.charge();
  }

  onHangup(): void {
    // Its last bell may still be in the same batch of events.
    this.look();
    this.#owner.depart("the guest hung up");
    this.#owner.share.charge();
  }

  onGarbage(): void {
    const why = "the guest wrote to the attach socket";
    this.#owner.fail(new ProtocolError(Violation.SUPERBLOCK, "HEL-3", why));
    this.#owner.share.charge();
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
            owner.depart("the guest detached");
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
