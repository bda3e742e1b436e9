// How a guest ends: on its own, for what it did, or with the monitor; once, and in one way.
//
//   hang-up, detach ──▶ Departure ── what it ended has reached its peers, or time over ──┐
//   violation, a bug of ours, the monitor stops ─────────────────────────────────────────┴──▶ close()
//
//   close() ──▶ CLOSING ── every stream is let go of (dropped()) ──▶ CLOSED: what it had of the monitor is given back
//
// A stream that breaks a clause is reset, and its guest goes on. The guest ends at the 64th of an epoch, and where its
// own words break one (PROTOCOL.md ERR-3, ERR-4).

import { ProtocolError, Violation } from "@ringway/control";
import { VIOLATION_LOOKS } from "../accounts/quotas.ts";
import type { GuestLink } from "../links/link.ts";
import type { Reactor } from "../reactor/reactor.ts";
import { Departure, type Leaver } from "./departure.ts";
import { type Epochs, STREAM_VIOLATIONS_MAX } from "./epochs.ts";
import { LifeState } from "./life.ts";
import type { Reports } from "./reports.ts";
import type { Stream } from "./stream.ts";

/** Who ends. */
export interface EndingOwner extends Leaver {
  readonly reports: Reports;
  /** So many more, or fewer, have addresses inside the region. */
  pinned(change: number): void;
  /** All of its streams are let go of: what it had of the monitor is given back. */
  closed(reason: string): void;
}

export class Ending {
  readonly #owner: EndingOwner;
  readonly #link: GuestLink;
  readonly #epochs: Epochs;
  readonly #reactor: Reactor;
  readonly #lingerMs: number;
  #departure: Departure | undefined;
  /** Why it is over. */
  #reason = "";

  constructor(owner: EndingOwner, link: GuestLink, epochs: Epochs, reactor: Reactor, lingerMs: number) {
    this.#owner = owner;
    this.#link = link;
    this.#epochs = epochs;
    this.#reactor = reactor;
    this.#lingerMs = lingerMs;
  }

  /** Once it leaves. */
  get departure(): Departure | undefined {
    return this.#departure;
  }

  // ── Why ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** It left. */
  depart(reason: string): void {
    if (this.#owner.life.over || this.#departure !== undefined) return;
    this.#link.hangUp();
    this.#departure = new Departure(this.#owner, this.#reactor, this.#lingerMs, reason);
    this.#departure.begin();
  }

  /** It broke a clause on a stream. */
  violated(error: ProtocolError, stream: number): void {
    const { reports, share } = this.#owner;
    reports.violation(error, stream);
    share.looked(VIOLATION_LOOKS);
    if (this.#epochs.violated())
      this.#fail(Violation.QUOTA, `${STREAM_VIOLATIONS_MAX} violations on streams`);
  }

  /** Something went wrong while it was served: its own violation, or a bug of ours that must not hurt others. */
  fail(error: unknown): void {
    const { life, reports } = this.#owner;
    if (life.over) return;
    if (error instanceof ProtocolError) {
      reports.violation(error, 0);
      this.#fail(error.violation, error.message);
    } else {
      reports.bug(error);
      this.close("internal error");
    }
  }

  /** For what it did (ERR-4). */
  #fail(violation: Violation, reason: string): void {
    const { life, session } = this.#owner;
    if (life.over) return;
    session.fail(violation);
    this.close(`protocol violation: ${reason}`);
  }

  // ── How ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Every socket and file of it is closed, its memory goes when no disk work is left in it. */
  close(reason: string): void {
    const owner = this.#owner;
    if (owner.life.over) return;
    owner.life.enter(LifeState.CLOSING);
    this.#reason = reason;
    this.#departure?.over();
    // Settled at the end, whatever disk work is given up on the way.
    owner.pinned(1);
    owner.streams.abandonAll();
    this.dropped();
  }

  /** The same where this thread fails, and there are no later turns: all of its streams are let go of. */
  closeNow(reason: string): void {
    try {
      this.close(reason);
    } finally {
      this.#owner.streams.finishDropping();
    }
  }

  /** Streams that were let go of at once are gone. */
  dropped(): void {
    const owner = this.#owner;
    if (owner.life.state !== LifeState.CLOSING || owner.streams.dropping) return;
    owner.life.enter(LifeState.CLOSED);
    owner.closed(this.#reason);
    owner.pinned(-1);
  }

  /** A relay has let go of its stream. */
  streamEnded(stream: Stream): void {
    this.#departure?.streamEnded(stream);
  }
}
