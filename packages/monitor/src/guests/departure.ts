// A guest leaves: what it did before is looked at, then what it has ended in order may still reach its peers for a
// while; the rest is reset at once.
//
//   begin() ── it was attached ──▶ LEAVING ── all is looked at, or time over ──▶ LINGERING ── all flushed, or time over
//      └────── it was not ───────────────────────────────────────────────────────▲                     └──▶ close()
//
// LEAVING has a limit, since the guest may have shared its memory with somebody who goes on ringing; with the looks of
// its key used up it is looked at a few times more, and then no longer. Having been held is no fault of what it left
// behind, so the time begins anew then; but there is an end to that as well.

import { performance } from "node:perf_hooks";
import { Closed, type HostSession } from "@ringway/control";
import type { Reactor } from "../reactor/reactor.ts";
import type { Task } from "../reactor/tasks.ts";
import type { Timer } from "../reactor/timers.ts";
import { Dropping } from "./dropping.ts";
import { type Life, LifeState } from "./life.ts";
import type { ThreadShare } from "./share.ts";
import type { Stream } from "./stream.ts";
import type { Streams } from "./streams.ts";

/** How long what a guest did before it left is looked at, with all the time that it was held. */
const LEAVING_MS_MAX = 10_000;
/** One look finds all that was done before it. Others of its key may have used the looks up. */
const UNPAID_LOOKS_MAX = 16;

/** Who leaves. */
export interface Leaver {
  readonly life: Life;
  readonly share: ThreadShare;
  readonly session: HostSession;
  readonly streams: Streams;
  readonly held: boolean;
  /** Steps its control pipe and what is pending. */
  lookAgain(): void;
  close(reason: string): void;
}

export class Departure implements Task {
  queued = false;
  readonly #guest: Leaver;
  readonly #reactor: Reactor;
  readonly #lingerMs: number;
  readonly #reason: string;
  readonly #leftMs: number = performance.now();
  /** Of the state that it is in. */
  #limit: Timer | undefined;
  #timeIsOver = false;
  #unpaidLooks = 0;
  /** Streams that it has ended in order, and that still flow. */
  readonly #lingering: Set<Stream> = new Set();
  /** Not all of its streams have been looked at for that. */
  #sorting = false;

  constructor(guest: Leaver, reactor: Reactor, lingerMs: number, reason: string) {
    this.#guest = guest;
    this.#reactor = reactor;
    this.#lingerMs = lingerMs;
    this.#reason = reason;
  }

  begin(): void {
    const { life } = this.#guest;
    if (life.state !== LifeState.ATTACHED) {
      this.#linger();
      return;
    }
    life.enter(LifeState.LEAVING);
    this.#limitLeaving(LEAVING_MS_MAX);
    this.run();
  }

  /** The guest was held, and is no more. */
  goOn(): void {
    if (this.#guest.life.state === LifeState.LEAVING) {
      this.#limitLeaving(LEAVING_MS_MAX - (performance.now() - this.#leftMs));
      this.run();
    } else for (const stream of this.#lingering) stream.later();
  }

  /** From now on, for lingerMs and no longer than `mostMs`. */
  #limitLeaving(mostMs: number): void {
    this.#reactor.cancel(this.#limit);
    this.#timeIsOver = false;
    this.#limit = this.#reactor.after(Math.min(this.#lingerMs, mostMs), () => {
      this.#timeIsOver = true;
    });
  }

  /** Looks at what the guest did before it left. */
  run(): void {
    const { life, share, session } = this.#guest;
    if (life.state !== LifeState.LEAVING || this.#guest.held) return;
    if (share.parked && ++this.#unpaidLooks > UNPAID_LOOKS_MAX) this.#timeIsOver = true;
    else this.#guest.lookAgain();
    if (life.over || this.#guest.held) return;
    const more = share.ready.length > 0 || session.pending.pending();
    if (more && !this.#timeIsOver) share.ready.put(this);
    else this.#linger();
  }

  #linger(): void {
    const { life, share, streams } = this.#guest;
    life.enter(LifeState.LINGERING);
    this.#reactor.cancel(this.#limit);
    this.#limit = this.#reactor.after(this.#lingerMs, () => {
      share.perform(() => this.#guest.close(this.#reason));
    });
    this.#sorting = true;
    const sort = (stream: Stream): void => {
      if (stream.relay === undefined || life.over) return;
      if (!endedInOrder(stream)) {
        stream.abandon();
        return;
      }
      this.#lingering.add(stream);
      // Something may have come for it while the guest was held, and goOn() was before this.
      stream.later();
    };
    new Dropping(share, streams.list(), sort, () => {
      this.#sorting = false;
      this.#closeWhenFlushed();
    }).run();
  }

  /** The guest is closed, for this or another reason: no timer holds what it had. */
  over(): void {
    this.#reactor.cancel(this.#limit);
  }

  streamEnded(stream: Stream): void {
    if (this.#guest.life.state === LifeState.LINGERING && this.#lingering.delete(stream))
      this.#closeWhenFlushed();
  }

  #closeWhenFlushed(): void {
    if (!this.#sorting && this.#lingering.size === 0) this.#guest.close(this.#reason);
  }
}

function endedInOrder(stream: Stream): boolean {
  try {
    return stream.pipe.toHost.peerClosed() === Closed.END;
  } catch {
    return false;
  }
}
