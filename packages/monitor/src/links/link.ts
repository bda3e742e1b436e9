// How one guest hangs on the host: the region's memory, a bell each way, and a sign that the guest is gone. Descriptors
// and nothing else: what they mean is the attachment's. A process has a SocketLink, a virtual machine a Vm.

import type { Doorbell } from "@ringway/control";
import type { SharedMemory } from "@ringway/linux";
import type { Account } from "../accounts/accounts.ts";

export interface LinkListener {
  /** The guest rang; the bell is drained already. */
  onBell(): void;
  onHangup(): void;
  /** The guest wrote to the attach socket, which no guest does (HEL-3). */
  onGarbage(): void;
}

/** A guest that hangs on a link, as the link sees it. */
export interface LinkedGuest {
  /** It broke the protocol: its memory says so until a guest attaches anew (ERR-4). */
  readonly failed: boolean;
  /** It has so long to ask to be attached; then it is hung up, and that is said. */
  mustAskWithin(attachMs: number): void;
  close(reason: string): void;
}

/** ring() wakes the guest and never waits. */
export interface GuestLink extends Doorbell {
  readonly memory: SharedMemory;
  /** Of whom attaches. */
  readonly account: Account;
  /** Process id of the guest, or of its hypervisor; 0 where it cannot be seen. */
  readonly pid: number;
  /** The guest may begin, and is listened to. Throws where that cannot be done; close() then. */
  greet(listener: LinkListener): void;
  /** Hears no ring until resumeBell(); those that come meanwhile are not lost. */
  suspendBell(): void;
  /** Throws SystemError (ENOSPC, ENOMEM). */
  resumeBell(): void;
  /** The guest has left: it is told no more, and not listened to. */
  hangUp(): void;
  /** This guest is over. A guest that was never greeted is told `errno`. */
  close(errno?: number): void;
  /**
   * After close(): no disk work has addresses inside the memory any more. Not where the memory keeps itself so long.
   */
  settled?(): void;
}
