// Connections that become guests: each has its region made first, then all that the monitor keeps of it, and is a guest
// when it is greeted. The three are pieces of their own: what other guests wait for comes between them.
//
//   a connection ──▶ BEGINNING ── its region is there ── next piece ──▶ MADE ── next piece ──▶ a guest
//                        ├─ it cannot be made, the monitor stops ──▶ turned away ◀──┤
//                        └─ it has hung up meanwhile ──▶ closed ◀───────────────────┘

import { PAGE_BYTES } from "@ringway/control";
import { Errno, errnoOf, type SharedMemory } from "@ringway/linux";
import type { Account } from "../accounts/accounts.ts";
import type { PolicyState } from "../policy/in-force.ts";
import type { Regions } from "../regions/regions.ts";
import type { LinkedGuest } from "./link.ts";
import { hasGone } from "./process.ts";
import type { SocketCloser } from "./socket-closer.ts";

/** A connection, and all that is the beginning's from now on: the socket, and a hold on each of the others. */
export interface Beginner {
  readonly fd: number;
  readonly name: string;
  readonly account: Account;
  /** Whose it is, where the host has named that one. */
  readonly tenant?: string | undefined;
  /** The guest's policy where it has one of its own, or its tenant has. */
  readonly own: PolicyState | undefined;
  /** How long it may take to ask to be attached; undefined: as long as it likes. */
  readonly attachMs: number | undefined;
}

/** Made, and not greeted: one of these is next. */
export interface NewGuest {
  /** Undefined where that failed, which was said. */
  greet(): LinkedGuest | undefined;
  turnAway(): void;
}

export interface BeginningsHost {
  readonly regions: Regions;
  readonly closer: SocketCloser;
  /** In force for guests that have none of their own. */
  readonly policy: PolicyState;
  /** Makes the guest, whose socket and memory are its own from now on. Undefined where that failed, which was said. */
  begin(beginner: Beginner, memory: SharedMemory): NewGuest | undefined;
  warn(guest: string, reason: string): void;
  /** Calls back in a turn to come, when what is there has been looked at. */
  soon(work: () => void): void;
}

export class Beginnings {
  readonly #host: BeginningsHost;
  /** Each with what turns it away, as far as it has come. */
  readonly #under: Map<Beginner, () => void> = new Map();

  constructor(host: BeginningsHost) {
    this.#host = host;
  }

  get count(): number {
    return this.#under.size;
  }

  add(beginner: Beginner): void {
    const { fd, account, name, own } = beginner;
    const { regionBytes, regionBytesTotal } = (own ?? this.#host.policy).policy.limits;
    this.#under.set(beginner, () => this.#host.closer.turnAway(fd, account));
    account.beginning++;
    this.#host.regions.make({
      account,
      name: `ringway:${name}`,
      bytes: Math.floor(regionBytes / PAGE_BYTES) * PAGE_BYTES,
      bytesTotal: regionBytesTotal,
      done: (made) => this.#done(beginner, made),
    });
  }

  /** None of them becomes a guest. */
  close(): void {
    for (const [beginner, turnAway] of this.#under) {
      turnAway();
      this.#over(beginner);
    }
  }

  #done(beginner: Beginner, made: SharedMemory | Error): void {
    const { fd, name, account } = beginner;
    const isWanted = this.#under.has(beginner);
    if (made instanceof Error) {
      if (!isWanted) return;
      this.#host.closer.turnAway(fd, account, errnoOf(made, Errno.ENOMEM));
      this.#host.warn(name, `turned away: ${made.message}`);
      this.#over(beginner);
    } else if (!isWanted) {
      made[Symbol.dispose]();
    } else {
      this.#under.set(beginner, () => {
        this.#host.closer.turnAway(fd, account);
        made[Symbol.dispose]();
      });
      this.#host.soon(() => this.#begin(beginner, made));
    }
  }

  #begin(beginner: Beginner, memory: SharedMemory): void {
    const { fd, account } = beginner;
    if (!this.#under.has(beginner)) return;
    if (hasGone(fd)) {
      this.#host.closer.close(fd, account);
      memory[Symbol.dispose]();
      this.#over(beginner);
      return;
    }
    const guest = this.#host.begin(beginner, memory);
    if (guest === undefined) {
      this.#over(beginner);
      return;
    }
    this.#under.set(beginner, () => guest.turnAway());
    this.#host.soon(() => this.#greet(beginner, guest));
  }

  #greet(beginner: Beginner, guest: NewGuest): void {
    const { fd, attachMs } = beginner;
    if (!this.#under.has(beginner)) return;
    if (hasGone(fd)) guest.turnAway();
    else {
      const greeted = guest.greet();
      if (attachMs !== undefined) greeted?.mustAskWithin(attachMs);
    }
    this.#over(beginner);
  }

  #over(beginner: Beginner): void {
    this.#under.delete(beginner);
    beginner.account.beginning--;
    beginner.account.release();
    beginner.own?.release();
  }
}
