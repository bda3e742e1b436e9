// Connections that become guests: each has its region made first, and is one when that is there. The two are pieces of
// their own: what other guests wait for comes between them.
//
//   a connection ──▶ BEGINNING ── its region is there ── the next piece ──▶ a guest
//                        ├─ it cannot be made, the monitor stops ──▶ turned away
//                        └─ it has hung up meanwhile ──▶ closed

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

export interface BeginningsHost {
  readonly regions: Regions;
  readonly closer: SocketCloser;
  /** In force for guests that have none of their own. */
  readonly policy: PolicyState;
  /** Makes the guest, whose socket and memory are its own from now on. Undefined where that failed, which was said. */
  begin(beginner: Beginner, memory: SharedMemory): LinkedGuest | undefined;
  warn(guest: string, reason: string): void;
  /** Calls back in a turn to come, when what is there has been looked at. */
  soon(work: () => void): void;
}

export class Beginnings {
  readonly #host: BeginningsHost;
  /** Each with its region, once that is there. */
  readonly #under: Map<Beginner, SharedMemory | undefined> = new Map();

  constructor(host: BeginningsHost) {
    this.#host = host;
  }

  get count(): number {
    return this.#under.size;
  }

  add(beginner: Beginner): void {
    const { account, name, own } = beginner;
    const { regionBytes, regionBytesTotal } = (own ?? this.#host.policy).policy.limits;
    this.#under.set(beginner, undefined);
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
    for (const [beginner, memory] of this.#under) {
      this.#host.closer.turnAway(beginner.fd, beginner.account);
      memory?.[Symbol.dispose]();
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
      this.#under.set(beginner, made);
      this.#host.soon(() => this.#begin(beginner, made));
    }
  }

  #begin(beginner: Beginner, memory: SharedMemory): void {
    const { fd, account, attachMs } = beginner;
    if (!this.#under.has(beginner)) return;
    if (hasGone(fd)) {
      this.#host.closer.close(fd, account);
      memory[Symbol.dispose]();
    } else {
      const guest = this.#host.begin(beginner, memory);
      if (attachMs !== undefined) guest?.mustAskWithin(attachMs);
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
