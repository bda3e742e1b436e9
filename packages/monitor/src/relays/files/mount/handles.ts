// The handles of one mount: what it has open (MNT-7, MNT-8).
//
//   ASKED FOR ── opened ──▶ OPEN ── MountRelease ──▶ RELEASING ── the last request with it is over ──▶ closed
//                             └────────────── the stream is over ──────────────┘
//
// Invariant: a descriptor is closed when no worker has it in hand any more, and each handle counts as an open file
// until then.

import type { Held } from "../../../disk/judgement.ts";
import type { Identity } from "../../../disk/roots.ts";
import type { Flow } from "../../../guests/flow.ts";
import type { GuestName } from "../../../policy/paths.ts";
import type { AtOnce } from "../at-once.ts";
import type { LockRanges } from "./lock-ranges.ts";

export interface Handle {
  readonly id: number;
  /** -1: a folder above the roots, which is in the guest's tree alone. */
  readonly fd: number;
  readonly isFolder: boolean;
  readonly mayRead: boolean;
  /** Whether what is cached of it is read without a worker: never of a folder, or of what is not open for reading. */
  readonly atOnce: AtOnce;
  readonly mayWrite: boolean;
  /** Its guest path. */
  readonly names: readonly GuestName[];
  /** How it was judged; none where it is no file of the host's. */
  readonly held: Held | undefined;
  /** Which file of the host's it is; "" where it is none. */
  readonly identity: Identity;
  /** The tree of the policy that has allowed it last. */
  tree: number;
  /** Requests with it that are under way. */
  uses: number;
  /** It is given back when nothing uses it: what to do then. */
  over: (() => void) | undefined;
  /** A listing is under way: the descriptor's position is its own. The others wait. */
  readonly listings: Set<() => void>;
  isListing: boolean;
  readonly locks: LockRanges;
  /** Of a file of the host's: what the audit file is told of it. */
  readonly flow: Flow | undefined;
}

export class Handles {
  readonly #handles: Map<number, Handle> = new Map();
  #next = 1;

  /** One that no handle has; nor any that is asked for, as long as there are fewer than numbers. */
  take(): number {
    const id = this.#next;
    this.#next = (id % 0xffffffff) + 1;
    return this.#handles.has(id) ? this.take() : id;
  }

  add(handle: Handle): void {
    this.#handles.set(handle.id, handle);
  }

  /** The one with this number that is not given back. */
  get(id: number): Handle | undefined {
    const handle = this.#handles.get(id);
    return handle?.over === undefined ? handle : undefined;
  }

  delete(handle: Handle): void {
    this.#handles.delete(handle.id);
  }

  all(): Handle[] {
    return [...this.#handles.values()];
  }
}
