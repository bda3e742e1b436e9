// What all guests of one reactor share: the reactor, the policy in force, lookups of names, the disk pool, and the way to
// the main thread.

import type { Accounts } from "../accounts/accounts.ts";
import type { DescriptorRoom } from "../accounts/descriptors.ts";
import type { DiskPool } from "../disk/pool.ts";
import type { Lookups } from "../names/lookups.ts";
import type { AuditGate } from "../observe/audit-gate.ts";
import type { Counters } from "../observe/counters.ts";
import type { PolicyState } from "../policy/in-force.ts";
import type { OwnPorts } from "../policy/own-ports.ts";
import type { Reactor } from "../reactor/reactor.ts";
import type { KeepAlives } from "../relays/keep-alives.ts";
import type { Partings } from "../relays/partings.ts";
import type { FromReactor, ReactorOptions } from "../thread/messages.ts";
import type { Attachment } from "./attachment.ts";

export interface Host {
  readonly reactor: Reactor;
  readonly counters: Counters;
  readonly disk: DiskPool;
  readonly partings: Partings;
  readonly keepAlives: KeepAlives;
  readonly accounts: Accounts;
  readonly descriptors: DescriptorRoom;
  readonly ownPorts: OwnPorts;
  readonly options: ReactorOptions;
  readonly auditGate: AuditGate;
  readonly lingerMs: number;
  policy: PolicyState;
  post(message: FromReactor): void;
  readonly lookups: Lookups;
  /** Calls back once the main thread has taken everything that was posted so far. */
  whenTaken(callback: () => void): void;
  guestGone(guest: Attachment): void;
}
