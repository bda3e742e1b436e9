// The host's side of one region, as far as it needs no I/O: format, epochs, the guest's words of the superblock,
// streams and the control pipe (PROTOCOL.md sections 4, 9 and 20). Relays, sockets, clocks and waiting belong to the
// monitor.
//
//   host state   RESETTING ── a guest asks to attach ──> READY ── drain() ──> DRAINING, also for guests to come
//                any ── fail() ──> FAILED ── a guest asks to attach ──> READY
//                any but FAILED ── leave() ──> ABSENT, for good
//
//   epoch        (none) ── request ≠ reply ──> ended ── letGo() ──> awaited ──> attached ──> left
//                                                ▲                     │            │         │
//                                                └── request ≠ reply ──┴────────────┴─────────┘
//
// Everything that decides anything here is private: the region holds published copies (TRU-1). Between `ended` and
// `begun` nothing beyond the superblock is used, whatever the guest does to its words meanwhile.

import { type ControlHandler, ControlServer, type StreamOpener } from "./control-server.ts";
import { BellReceiver, BellSender, clearBells, type Doorbell } from "./doorbell.ts";
import { Errno, ProtocolError, Violation } from "./errors.ts";
import { invariant } from "./invariant.ts";
import * as layout from "./layout.ts";
import { GuestState, HostState, PAGE_BYTES } from "./layout.ts";
import { CONTROL_RING_BYTES, MAX_STREAM_ID, MIN_RING_BYTES } from "./limits.ts";
import { loadWord, type RegionMemory, storeWord } from "./memory.ts";
import { type HostPipe, initialisePipe, type PipePlace } from "./pipe.ts";
import { type HostLimits, StreamTable } from "./stream-table.ts";

/** What changed in the guest's words of the superblock. */
export type GuestEvent = "attached" | "detached" | "reset" | undefined;

/** How the guest stands in this epoch. */
type GuestPhase = "awaited" | "attached" | "left";

const BELL_PAGE = 1;
const CONTROL_PAGE: number = BELL_PAGE + layout.BELL_AREA_PAGES;
const CONTROL_PLACE: PipePlace = {
  page: CONTROL_PAGE,
  toHostBytes: CONTROL_RING_BYTES,
  toGuestBytes: CONTROL_RING_BYTES,
};
const HEAP_PAGE: number = CONTROL_PAGE + layout.pipePages(CONTROL_RING_BYTES, CONTROL_RING_BYTES);

/** The smallest region that holds one stream of the smallest rings. */
export const MIN_REGION_BYTES: number =
  (HEAP_PAGE + layout.pipePages(MIN_RING_BYTES, MIN_RING_BYTES)) * PAGE_BYTES;

/**
 * The host's end of a region. The caller owns the memory and looks at every event; it calls checkGuest() after every
 * ring.
 */
export class HostSession implements StreamOpener {
  /** Signals streams to the guest. */
  readonly bell: BellSender;
  /** The streams that the guest has signalled. */
  readonly pending: BellReceiver;
  readonly #memory: RegionMemory;
  readonly #regionPages: number;
  #limits: HostLimits;
  #state: HostState = HostState.ABSENT;
  #epoch = 0;
  #attachReply = 0;
  #guest: GuestPhase = "awaited";
  /** The guest has asked for a fresh epoch: this one is over, and the next has not begun. */
  #ended = false;
  #heartbeat = 0;
  readonly #streams: StreamTable;
  readonly #signalControl: () => void;
  /** Of this epoch; undefined before the first. */
  #control: ControlServer | undefined;

  /**
   * Serves the region in `memory`, fresh (all zero) or used by a monitor before. Gives nothing out until the guest has
   * attached: it may still be writing into blocks of an old epoch (ATT-6). `doorbell` wakes the guest. `signal` signals
   * stream 0 for the control pipe's replies; the wake may follow later, with that for other streams. By default it is
   * at once. Throws RangeError for memory that is not whole pages, or less than MIN_REGION_BYTES.
   */
  constructor(memory: RegionMemory, doorbell: Doorbell, limits: HostLimits, signal?: (id: number) => void) {
    if (memory.bytes.length < MIN_REGION_BYTES || memory.bytes.length % PAGE_BYTES !== 0) {
      throw new RangeError(
        `a region has whole pages, at least ${MIN_REGION_BYTES} bytes; got ${memory.bytes.length}`,
      );
    }
    this.#memory = memory;
    this.#regionPages = memory.bytes.length / PAGE_BYTES;
    this.#limits = limits;
    const bellArea = BELL_PAGE * PAGE_BYTES;
    this.bell = new BellSender(memory, bellArea + layout.BELL_TO_GUEST, doorbell);
    this.pending = new BellReceiver(memory, bellArea + layout.BELL_TO_HOST);
    this.#signalControl = (): void => (signal === undefined ? this.bell.signal(0) : signal(0));
    // What another monitor left only says where epochs go on; any value is safe, so the guest may scribble on it.
    this.#epoch = loadWord(memory, layout.SB_EPOCH);
    this.#attachReply = loadWord(memory, layout.SB_ATTACH_REPLY);
    this.#streams = new StreamTable(memory, HEAP_PAGE, this.#regionPages - HEAP_PAGE);
    this.#writeConstants();
    this.#nextEpoch();
    this.#setState(HostState.RESETTING);
  }

  /** The number of the epoch that waits for a guest, or has one. */
  get epoch(): number {
    return this.#epoch;
  }

  /** As the guest sees it in the superblock. */
  get state(): HostState {
    return this.#state;
  }

  /** Has the guest attached to this epoch? */
  get attached(): boolean {
    return this.#guest === "attached";
  }

  /** Does the guest ask for a fresh epoch, or wait for one? */
  get attachRequested(): boolean {
    return this.#ended || loadWord(this.#memory, layout.SB_ATTACH_REQUEST) !== this.#attachReply;
  }

  /** How many streams are open, beside the control pipe. */
  get openStreams(): number {
    return this.#streams.open;
  }

  /** Pages of the heap that no stream has. */
  get freePages(): number {
    return this.#streams.freePages;
  }

  /** Moves whenever the control pipe does: both of its positions, as one number. Only of an epoch that has begun. */
  get controlMoved(): number {
    return this.#control!.moved;
  }

  /** The stream with this id, if it is open. */
  pipe(id: number): HostPipe | undefined {
    return this.#streams.pipe(id);
  }

  /** For streams to come. */
  setLimits(limits: HostLimits): void {
    this.#limits = limits;
  }

  /** Counts a scan of the pending words (SB-6). */
  beat(): void {
    this.#heartbeat = (this.#heartbeat + 1) >>> 0;
    storeWord(this.#memory, layout.SB_HOST_HEARTBEAT, this.#heartbeat);
  }

  /**
   * Looks at the guest's words of the superblock: after every ring. "reset": the guest began anew, all its pipes of
   * before are void and a new epoch is ready. Throws ProtocolError for a state or feature that cannot be.
   *
   * `letGo` is called where the guest asks for a fresh epoch, when the old one is over: nothing of it is served any
   * more, whatever bits are pending. It ends the host's own work on the old one's memory (ATT-3). False: some goes on,
   * and the new epoch begins at a later call, whatever the guest has done to its request meanwhile.
   */
  checkGuest(letGo: () => boolean = () => true): GuestEvent {
    if (this.#state === HostState.ABSENT) return undefined;
    const request = loadWord(this.#memory, layout.SB_ATTACH_REQUEST);
    const state = loadWord(this.#memory, layout.SB_GUEST_STATE);
    if (this.#ended || request !== this.#attachReply) {
      if (!this.#ended) this.#streams.clear();
      this.#ended = true;
      // It may have looked here itself, and begun the next one.
      if (!letGo() || !this.#ended) return undefined;
      this.#beginEpoch(request);
      return "reset";
    }
    if (this.#state !== HostState.READY && this.#state !== HostState.DRAINING) return undefined;
    // A host drains also before its first epoch: then there is nothing that a guest could be attached to (ATT-2).
    if (this.#control === undefined) return undefined;
    if (state > GuestState.ATTACHED) {
      throw new ProtocolError(Violation.SUPERBLOCK, "SB-5", `guest state ${state}`);
    }
    // One that has left before anybody looked was attached all the same (ATT-7).
    const arrived =
      (state === GuestState.ATTACHED && this.#guest !== "attached") ||
      (state === GuestState.DETACHED && this.#guest === "awaited");
    if (arrived) {
      const accepted = loadWord(this.#memory, layout.SB_FEATURES_ACCEPTED);
      if (accepted !== 0) {
        throw new ProtocolError(Violation.SUPERBLOCK, "VER-3", `features ${accepted} were not offered`);
      }
      this.#guest = "attached";
      return "attached";
    }
    if (this.#guest === "attached" && state === GuestState.DETACHED) {
      this.#guest = "left";
      return "detached";
    }
    return undefined;
  }

  /** A stream of about these capacities (0: the default), or the errno that refuses it (CTL-2, CTL-3). */
  openStream(toHostBytes: number, toGuestBytes: number): HostPipe | number {
    // In RESETTING the guest may still be writing into blocks of the old epoch (ATT-6).
    if (this.#state !== HostState.READY || this.#ended) return Errno.ESHUTDOWN;
    const pipe = this.#streams.add(toHostBytes, toGuestBytes, this.#limits);
    if (typeof pipe === "number") return pipe;
    // The host waits for the first frame from the start, so that the guest signals it (STR-1).
    pipe.toHost.wantData();
    return pipe;
  }

  /** Takes back a pipe whose two sides are through: pipe.through() was true (STR-7). */
  release(pipe: HostPipe): void {
    this.#streams.release(pipe);
  }

  /** Serves control requests of an epoch that has begun: ControlServer.step(). True: there is more to do. */
  stepControl(handler: ControlHandler, budget: number): boolean {
    // Between epochs there is no control pipe, whatever bit a guest sets.
    if (this.#control === undefined || this.#ended) return false;
    if (this.#state !== HostState.READY && this.#state !== HostState.DRAINING) return false;
    return this.#control.step(handler, budget);
  }

  /** Open streams go on, new ones are refused (SB-4). */
  drain(): void {
    this.#setState(HostState.DRAINING);
  }

  /** The guest broke the protocol; it learns why, and that nothing more will come (ERR-4). */
  fail(violation: Violation): void {
    storeWord(this.#memory, layout.SB_VIOLATION, violation);
    this.#setState(HostState.FAILED);
  }

  /** The monitor leaves the region (SB-4); a guest that was failed goes on seeing that. */
  leave(): void {
    if (this.#state === HostState.FAILED) return;
    this.#setState(HostState.ABSENT);
  }

  /** Throws BrokenInvariant: a bug of the host's, whatever the guest does. Its cost is that of the streams. */
  invariants(): void {
    this.#streams.invariants();
    this.#control?.invariants();
    const hasBegun = this.#control !== undefined && !this.#ended;
    invariant(hasBegun || this.#streams.open === 0, "streams are open only in an epoch that has begun");
    invariant(
      hasBegun || this.#ended || this.#guest === "awaited",
      "a guest attaches to an epoch that has begun",
    );
    // DRAINING may come before any guest has.
    invariant(this.#state !== HostState.READY || this.#control !== undefined, "an epoch has a control pipe");
  }

  #setState(state: HostState): void {
    this.#state = state;
    storeWord(this.#memory, layout.SB_HOST_STATE, state);
    this.bell.ring();
  }

  #writeConstants(): void {
    const memory = this.#memory;
    storeWord(memory, layout.SB_VERSION_MAJOR, layout.VERSION_MAJOR);
    storeWord(memory, layout.SB_VERSION_MINOR, layout.VERSION_MINOR);
    storeWord(memory, layout.SB_REGION_PAGES, this.#regionPages);
    storeWord(memory, layout.SB_FEATURES_OFFERED, 0);
    storeWord(memory, layout.SB_BELL_PAGE, BELL_PAGE);
    storeWord(memory, layout.SB_CONTROL_PAGE, CONTROL_PAGE);
    storeWord(memory, layout.SB_CONTROL_TO_HOST_BYTES, CONTROL_RING_BYTES);
    storeWord(memory, layout.SB_CONTROL_TO_GUEST_BYTES, CONTROL_RING_BYTES);
    storeWord(memory, layout.SB_MAX_STREAM_ID, MAX_STREAM_ID);
    storeWord(memory, layout.SB_MAGIC_HIGH, layout.MAGIC_HIGH);
    storeWord(memory, layout.SB_MAGIC_LOW, layout.MAGIC_LOW);
  }

  #nextEpoch(): void {
    this.#epoch = (this.#epoch + 1) >>> 0;
    storeWord(this.#memory, layout.SB_EPOCH, this.#epoch);
  }

  /** The guest touches nothing but the superblock now: a clean epoch, published by its attach reply (ATT-5). */
  #beginEpoch(attachRequest: number): void {
    this.#guest = "awaited";
    this.#ended = false;
    const bellArea = BELL_PAGE * PAGE_BYTES;
    clearBells(this.#memory, bellArea + layout.BELL_TO_HOST);
    clearBells(this.#memory, bellArea + layout.BELL_TO_GUEST);
    initialisePipe(this.#memory, CONTROL_PAGE, 0, 0);
    this.#control = new ControlServer(this.#memory, CONTROL_PLACE, this, this.#signalControl);
    this.#nextEpoch();
    storeWord(this.#memory, layout.SB_VIOLATION, 0);
    // The state before the reply: a guest that finds its reply beside RESETTING knows that another monitor gave it.
    this.#state = this.#state === HostState.DRAINING ? HostState.DRAINING : HostState.READY;
    storeWord(this.#memory, layout.SB_HOST_STATE, this.#state);
    this.#attachReply = attachRequest;
    storeWord(this.#memory, layout.SB_ATTACH_REPLY, attachRequest);
    this.bell.ring();
  }
}
