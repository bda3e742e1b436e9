// One virtual machine: memory that it shares with the host, and the byte channel that is its bell, on a socket that its
// hypervisor serves. Guests come and go on it: with each boot, each agent, each hang-up (PROTOCOL.md section 20).
//
//   CALLING ── connected ──> SERVED ── the guest is gone, its disk work over ──> RESTING ── a while later ──> SERVED
//      ↑                                                                                │
//      └────────────────────────────── the channel has hung up ─────────────────────────┘
//
// Invariant: at most one Attachment works on the memory, so nothing of an old epoch is touched in a new one.

import { layout, loadWord, type RegionMemory, regionMemory } from "@ringway/control";
import {
  closeFd,
  drainChannel,
  EPOLLIN,
  EPOLLRDHUP,
  Errno,
  errnoName,
  type MappingPlace,
  peerCredentials,
  ringChannel,
  SharedMemory,
} from "@ringway/linux";
import type { Account, Accounts } from "../accounts/accounts.ts";
import type { Reactor } from "../reactor/reactor.ts";
import type { GuestLink, LinkedGuest, LinkListener } from "./link.ts";

/** Pauses between two calls where nobody answers, in milliseconds: the first; each is twice the one before. */
const CALL_MS_MIN = 10;
const CALL_MS_MAX = 1000;
/**
 * From one guest's beginning to the next one's on the same VM: what a guest can make the reactor begin anew, it pays
 * for. A VM that rings while it has no guest is not listened to for the same time.
 */
const GUEST_MS_MIN = 200;
/** After a guest could not be begun for want of memory or the like. */
const BEGIN_AGAIN_MS = 10_000;
/** Calls that fail so say that the hypervisor is not there yet; anything else is said once. */
const NOT_THERE: readonly number[] = [Errno.ENOENT, Errno.ECONNREFUSED, Errno.EAGAIN];

export interface VmHost {
  readonly reactor: Reactor;
  readonly accounts: Accounts;
  /** A guest on this VM; undefined where it could not be served, which was said already. */
  begin(vm: Vm): LinkedGuest | undefined;
  warn(vm: Vm, reason: string): void;
  /**
   * Connects to a doorbell in a later turn: to look for it may wait for a file system. `done` gets a descriptor, or
   * -errno. Returns what takes it back; that gives false where it has begun, and `done` is still to be called.
   */
  call(path: string, done: (fd: number) => void): () => boolean;
  /** It was removed, and nothing of this thread uses its memory any more. */
  ended(vm: Vm): void;
}

export class Vm implements GuestLink {
  readonly name: string;
  readonly memory: SharedMemory;
  readonly account: Account;
  readonly #region: RegionMemory;
  readonly #host: VmHost;
  readonly #doorbell: string;
  #channel = -1;
  #slot = -1;
  #callMs = CALL_MS_MIN;
  /** Why the last call failed, a negative errno. */
  #callError = 0;
  /** Serving it, or its disk work is still in the memory. */
  #guest: LinkedGuest | undefined;
  #listener: LinkListener | undefined;
  #suspended = false;
  #beganMs = Number.NEGATIVE_INFINITY;
  /** The last guest broke the protocol; its successor is the one that asks to attach (ATT-8). */
  #failed = false;
  #timer = false;
  /** The doorbell is being called; this takes it back. */
  #cancelCall: (() => boolean) | undefined;
  #closed = false;
  #over = false;

  /** The main thread keeps the memory mapped until ended(). Calls `doorbell` from now on, until it answers. */
  constructor(host: VmHost, name: string, memory: MappingPlace, doorbell: string) {
    this.#host = host;
    this.name = name;
    this.#doorbell = doorbell;
    this.account = host.accounts.take(`vm:${name}`);
    this.memory = SharedMemory.attachExisting(memory);
    this.#region = regionMemory(this.memory.buffer);
    this.#goOn();
  }

  get hasGuest(): boolean {
    return this.#guest !== undefined;
  }

  /** The hypervisor's. */
  get pid(): number {
    if (this.#channel < 0) return 0;
    try {
      return peerCredentials(this.#channel).pid;
    } catch {
      return 0;
    }
  }

  greet(listener: LinkListener): void {
    this.#listener = listener;
  }

  ring(): void {
    // A channel that broke says so by its events.
    if (this.#channel >= 0) ringChannel(this.#channel);
  }

  suspendBell(): void {
    this.#suspended = true;
    if (this.#channel >= 0) this.#host.reactor.suspend(this.#channel);
  }

  resumeBell(): void {
    if (this.#channel >= 0) this.#host.reactor.resume(this.#channel, EPOLLIN | EPOLLRDHUP, this.#slot);
    this.#suspended = false;
  }

  hangUp(): void {
    this.#listener = undefined;
  }

  close(): void {
    this.#listener = undefined;
    this.#listenAgain();
  }

  settled(): void {
    const guest = this.#guest;
    if (guest !== undefined && this.#channel >= 0) this.#failed = guest.failed;
    this.#guest = undefined;
    if (this.#closed) this.#end();
    else this.#goOn();
  }

  /** Nobody begins on it any more; it ends with the guest that is there, and with the call that is under way. */
  retire(): void {
    this.#closed = true;
    this.#end();
  }

  remove(): void {
    this.retire();
    this.#guest?.close("the VM was removed");
  }

  /** Takes the next step that there is to take; called whenever one may have become possible. */
  #goOn(): void {
    if (this.#closed || this.#guest !== undefined || this.#timer || this.#cancelCall !== undefined) return;
    if (this.#channel < 0) {
      this.#cancelCall = this.#host.call(this.#doorbell, (fd) => this.#called(fd));
      return;
    }
    const restMs = this.#beganMs + GUEST_MS_MIN - performance.now();
    if (restMs > 0) {
      this.#later(restMs);
      return;
    }
    // It sees FAILED until it asks for another epoch.
    if (this.#failed && !this.#attachRequested()) return;
    this.#beganMs = performance.now();
    this.#failed = false;
    this.#guest = this.#host.begin(this);
    if (this.#guest === undefined) {
      this.#later(BEGIN_AGAIN_MS);
      return;
    }
    // The ring for its attach request may have gone to nobody (ATT-6).
    this.#listener?.onBell();
  }

  #later(ms: number): void {
    this.#timer = true;
    this.#host.reactor.after(ms, () => {
      this.#timer = false;
      if (this.#guest === undefined) this.#listenAgain();
      this.#goOn();
    });
  }

  /** A channel, or a negative errno. */
  #called(fd: number): void {
    this.#cancelCall = undefined;
    if (this.#closed) {
      if (fd >= 0) closeFd(fd);
      this.#end();
      return;
    }
    if (fd < 0) {
      if (fd !== this.#callError && !NOT_THERE.includes(-fd)) {
        this.#host.warn(this, `cannot reach the doorbell ${this.#doorbell}, trying again: ${errnoName(-fd)}`);
      }
      this.#callError = fd;
      this.#later(this.#callMs);
      this.#callMs = Math.min(2 * this.#callMs, CALL_MS_MAX);
      return;
    }
    try {
      this.#slot = this.#host.reactor.watch(fd, EPOLLIN | EPOLLRDHUP, { onEvents: () => this.#onEvents() });
    } catch {
      closeFd(fd);
      this.#later(CALL_MS_MAX);
      return;
    }
    this.#channel = fd;
    this.#callError = 0;
    this.#callMs = CALL_MS_MIN;
    // Another life of the machine, which is its host's to begin.
    this.account.written = { bytes: 0 };
    this.account.network.beginAnew();
    this.#goOn();
  }

  #onEvents(): void {
    const isRing = drainChannel(this.#channel) >= 0;
    if (!isRing) this.#hungUp();
    const listener = this.#listener;
    if (listener !== undefined) {
      if (isRing) listener.onBell();
      else listener.onHangup();
      return;
    }
    if (isRing) this.#rest();
    else this.#goOn();
    this.#host.reactor.pass();
  }

  /** It rings, and nobody listens: not a look for a while, or until its last guest is over. */
  #rest(): void {
    if (this.#closed || this.#suspended) return;
    this.suspendBell();
    if (this.#guest === undefined && !this.#timer) this.#later(GUEST_MS_MIN);
  }

  #listenAgain(): void {
    if (!this.#suspended) return;
    try {
      this.resumeBell();
    } catch {
      this.#hungUp();
    }
  }

  #hungUp(): void {
    this.#host.reactor.unwatch(this.#slot);
    closeFd(this.#channel);
    this.#channel = -1;
    this.#suspended = false;
    this.#failed = false;
  }

  #attachRequested(): boolean {
    return (
      loadWord(this.#region, layout.SB_ATTACH_REQUEST) !== loadWord(this.#region, layout.SB_ATTACH_REPLY)
    );
  }

  /**
   * A call that has begun is waited for: its channel would be its hypervisor's only one, taken and closed at once, when
   * whoever removed this VM may have given its doorbell to the next. One that waits behind other doorbells, whose file
   * systems may be dead, is taken back.
   */
  #end(): void {
    if (this.#over || this.#guest !== undefined) return;
    if (this.#cancelCall !== undefined && !this.#cancelCall()) return;
    this.#cancelCall = undefined;
    this.#over = true;
    if (this.#channel >= 0) this.#hungUp();
    this.memory[Symbol.dispose]();
    this.account.release();
    this.#host.ended(this);
  }
}
