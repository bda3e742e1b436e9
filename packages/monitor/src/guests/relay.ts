// What serves a stream, and what it may ask of the guest whose stream it is. A relay knows this and a Stream, and
// nothing else of a guest.

import type { RegionMemory } from "@ringway/control";
import type { SharedMemory } from "@ringway/linux";
import type { Account } from "../accounts/accounts.ts";
import type { PolicyState } from "../policy/in-force.ts";
import type { KnownNames } from "../policy/known-names.ts";
import type { Budget } from "./budget.ts";
import type { Reports } from "./reports.ts";
import type { ThreadShare } from "./share.ts";

/** What serves a stream: an explicit state machine. */
export interface Relay {
  /** Bytes are under way: a monitor that stops waits for it, within its limit. */
  readonly transfers?: true;
  /** Of the time that its steps take (accounts/prices.ts); none: as for bytes. */
  readonly price?: number;
  /** The monitor is stopping: take nothing new. */
  drain?(): void;
  /** Goes on until it must wait or its budget is used. True: the budget is used; step again. */
  step(): boolean;
  /**
   * The stream ends now, whatever state it is in: close sockets and files, touch the rings no more. Called exactly
   * once, also after the relay itself has asked for the end.
   */
  dispose(): void;
}

/** A guest, as its relays see it. */
export interface RelayGuest {
  readonly name: string;
  /** Whose it is, where the host has named that one. */
  readonly tenant: string | undefined;
  /** Its region: by address for system calls, and for whoever holds it longer than a call. */
  readonly memory: SharedMemory;
  /** The same, by offset. */
  readonly region: RegionMemory;
  /** In force now: another after a reload. */
  readonly policy: PolicyState;
  /** Who pays for it. */
  readonly account: Account;
  /** Names that it was told addresses of. */
  readonly names: KnownNames;
  /** What it holds: take and give. */
  readonly budget: Budget;
  /** Time on this thread. */
  readonly share: Pick<ThreadShare, "charge" | "mayGoOn" | "perform">;
  readonly reports: Pick<Reports, "answer" | "audit" | "flow" | "opened" | "closed" | "closesLater" | "warn">;
  /** Nobody reads what comes for it any more. */
  readonly departed: boolean;
  /** Nothing of it is stepped; once it is no more, each of its streams is (observe/lines.ts). */
  readonly held: boolean;
}
