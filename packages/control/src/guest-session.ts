// The guest's side of one region, as far as it needs no I/O: attach, epochs, the control pipe, streams (PROTOCOL.md
// sections 8, 9 and 20). Waiting and promises belong to the SDK.
//
// The host is checked as well: what it wrote is loaded once, tested against the region's true size, and only then used.

import { BellReceiver, BellSender, type Doorbell } from "./doorbell.ts";
import { ProtocolError, Violation } from "./errors.ts";
import { type Frame, FrameReader, FrameWriter } from "./frame.ts";
import { invariant } from "./invariant.ts";
import * as layout from "./layout.ts";
import { Closed, GuestState, HostState, PAGE_BYTES } from "./layout.ts";
import { FRAME_HEADER_BYTES } from "./limits.ts";
import { loadWord, type RegionMemory, storeWord } from "./memory.ts";
import type { StreamInfo } from "./messages/control.ts";
import { GuestPipe } from "./pipe.ts";
import { badSuperblock, checkPlace, type RegionLayout, readLayout, requireVersion } from "./superblock.ts";
import type { Message } from "./wire.ts";

/**
 * A value for attach request that says "new": neither of the two that are found there, and not 0 (ATT-2). `largest` is
 * the largest value, 2^32 - 1 on the wire; tests go through all pairs of a smaller one.
 */
export function nextAttachRequest(request: number, reply: number, largest = 0xffffffff): number {
  let next = request;
  do next = next === largest ? 1 : next + 1;
  while (next === reply);
  return next;
}

/**
 * How the guest stands with the host.
 *   waiting    attach was asked for; the host has not answered
 *   attached   the epoch may be used
 *   lost       the epoch is over (a new one, or no host): every stream of it has ended with ECONNRESET; attach() again
 *   failed     the host says that this guest broke the protocol
 */
export type AttachState = "waiting" | "attached" | "lost" | "failed";

/**
 * The guest's end of a region. The caller maps the memory, rings and waits; it calls poll() after every bell and before
 * it touches anything else. Methods throw ProtocolError where the host breaks the protocol (ERR-5).
 */
export class GuestSession {
  readonly #memory: RegionMemory;
  readonly #doorbell: Doorbell;
  #layout: RegionLayout;
  #bell: BellSender;
  #pending: BellReceiver;
  readonly #pipes: Map<number, GuestPipe> = new Map();
  #state: AttachState = "lost";
  #request = 0;
  #epoch = 0;
  #heartbeat = 0;
  #nextRequestId = 1;
  #control: GuestPipe | undefined;
  #replies: FrameReader | undefined;
  #requests: FrameWriter | undefined;

  /** Throws ProtocolError where the superblock is not one that this version can use (VER-1, SB-2). */
  constructor(memory: RegionMemory, doorbell: Doorbell) {
    this.#memory = memory;
    this.#doorbell = doorbell;
    this.#layout = readLayout(memory);
    [this.#bell, this.#pending] = this.#bells();
  }

  /** Of the epoch that the guest is attached to, as is `pending`: another monitor may have other places. */
  get bell(): BellSender {
    return this.#bell;
  }

  /** The streams that the host has signalled, of the epoch that the guest is attached to. */
  get pending(): BellReceiver {
    return this.#pending;
  }

  /** As of the last attach(), poll() or detach(). */
  get state(): AttachState {
    return this.#state;
  }

  /** The number of the epoch that it is attached to, or was last. */
  get epoch(): number {
    return this.#epoch;
  }

  /** Bytes of the region that the session may touch. */
  get regionBytes(): number {
    return this.#layout.regionPages * PAGE_BYTES;
  }

  /** SB_VIOLATION, when state is "failed" (ERR-4). */
  get violation(): number {
    return loadWord(this.#memory, layout.SB_VIOLATION);
  }

  /** Asks the host for a fresh epoch (ATT-2). Every pipe of before is void from here on. */
  attach(): void {
    requireVersion(this.#memory);
    this.#end("waiting");
    const reply = loadWord(this.#memory, layout.SB_ATTACH_REPLY);
    this.#request = nextAttachRequest(loadWord(this.#memory, layout.SB_ATTACH_REQUEST), reply);
    storeWord(this.#memory, layout.SB_GUEST_STATE, GuestState.ATTACHING);
    storeWord(this.#memory, layout.SB_GUEST_VERSION_MINOR, layout.VERSION_MINOR);
    storeWord(this.#memory, layout.SB_FEATURES_ACCEPTED, 0);
    storeWord(this.#memory, layout.SB_ATTACH_REQUEST, this.#request);
    this.#doorbell.ring();
  }

  /** Looks at the host's words of the superblock: after every bell, before anything else of the region is touched. */
  poll(): AttachState {
    // The reply first: a host stores its state before it, so with the reply comes a state that is no older (ATT-3).
    const answered = loadWord(this.#memory, layout.SB_ATTACH_REPLY) === this.#request;
    const state = loadWord(this.#memory, layout.SB_HOST_STATE);
    if (state > HostState.FAILED) throw badSuperblock("SB-4", `host state ${state}`);
    if (this.#state === "waiting") {
      if (!answered) {
        // The monitor waits, and may not have heard the ring: a byte channel loses what is sent before it is connected
        // (ATT-4).
        if (state === HostState.RESETTING) this.#doorbell.ring();
        return this.#state;
      }
      if (state === HostState.READY || state === HostState.DRAINING) this.#beginEpoch();
      else if (state === HostState.FAILED) this.#end("failed");
      // The monitor that answered is gone, and its successor takes this request for an old one: ask it anew.
      else if (state === HostState.RESETTING) this.attach();
      return this.#state;
    }
    if (this.#state === "attached") {
      const sameEpoch = loadWord(this.#memory, layout.SB_EPOCH) === this.#epoch;
      if (sameEpoch && state === HostState.FAILED) this.#end("failed");
      else if (!sameEpoch || (state !== HostState.READY && state !== HostState.DRAINING)) this.#end("lost");
    }
    return this.#state;
  }

  /** Leaves: the host takes everything back (ATT-7). */
  detach(): void {
    this.#end("lost");
    storeWord(this.#memory, layout.SB_GUEST_STATE, GuestState.DETACHED);
    this.#doorbell.ring();
  }

  /** Counts a scan of the pending words (SB-6). */
  beat(): void {
    this.#heartbeat = (this.#heartbeat + 1) >>> 0;
    storeWord(this.#memory, layout.SB_GUEST_HEARTBEAT, this.#heartbeat);
  }

  /** The stream with this id, if it is open. */
  pipe(id: number): GuestPipe | undefined {
    return this.#pipes.get(id);
  }

  /** All streams that are open; none when the epoch is over. */
  pipes(): IterableIterator<GuestPipe> {
    return this.#pipes.values();
  }

  /**
   * Sends a control request; returns its id, or undefined while the ring is full: try again after stream 0 is
   * signalled. Messages without a reply may use the id all the same.
   */
  send<T>(kind: Message<T>, value: T): number | undefined {
    if (this.#control === undefined || this.#requests === undefined)
      throw new Error("the guest is not attached");
    const id = this.#nextRequestId;
    const payload = kind.encode(value);
    if (!this.#requests.write(kind.type, id, payload, this.#signalControl)) {
      if (!this.#control.toHost.wantSpace(FRAME_HEADER_BYTES + payload.length)) return undefined;
      if (!this.#requests.write(kind.type, id, payload, this.#signalControl)) return undefined;
    }
    this.#control.toHost.unwantSpace();
    this.#nextRequestId = (id + 1) >>> 0 || 1;
    return id;
  }

  /** The next reply on the control pipe, or undefined. Throws ProtocolError where the host closed the pipe (CTL-1). */
  nextReply(): Frame | undefined {
    const frame = this.#replies?.next(this.#signalControl);
    if (frame !== undefined || this.#control === undefined) return frame;
    if (this.#control.toGuest.peerClosed() !== Closed.OPEN || this.#control.toHost.abandoned()) {
      throw new ProtocolError(Violation.STREAM_STATE, "CTL-1", "the host closed the control pipe");
    }
    return undefined;
  }

  /**
   * Takes up the stream that a StreamInfo describes. Throws ProtocolError where it cannot be (CTL-3, PIPE-3, TRU-6).
   */
  openPipe(info: StreamInfo): GuestPipe {
    if (info.id === 0 || info.id > this.#layout.maxStreamId)
      throw badSuperblock("CTL-3", `stream id ${info.id}`);
    if (this.#pipes.has(info.id)) throw badSuperblock("CTL-3", `stream ${info.id} is open already`);
    const { page, toHostBytes, toGuestBytes } = info;
    const place = { page, toHostBytes, toGuestBytes };
    checkPlace(place, this.#layout.regionPages);
    const pipe = new GuestPipe(this.#memory, info.id, info.generation, place);
    this.#pipes.set(info.id, pipe);
    return pipe;
  }

  /** Forgets a pipe whose two ends this guest has closed; it must not be touched again (STR-7). */
  forget(pipe: GuestPipe): void {
    if (this.#pipes.get(pipe.id) === pipe) this.#pipes.delete(pipe.id);
  }

  /** Throws BrokenInvariant: a bug of the guest's, whatever the host does. Its cost is that of the streams. */
  invariants(): void {
    const { regionPages, maxStreamId } = this.#layout;
    invariant((this.#control !== undefined) === (this.#state === "attached"), "an epoch has a control pipe");
    invariant(this.#state === "attached" || this.#pipes.size === 0, "streams are open in an epoch alone");
    invariant(this.#nextRequestId > 0, "no request has the id 0");
    this.#control?.invariants();
    for (const [id, pipe] of this.#pipes) {
      invariant(pipe.id === id && id > 0 && id <= maxStreamId, "each stream stands at its id");
      const { page, toHostBytes, toGuestBytes } = pipe.place;
      const end = page + layout.pipePages(toHostBytes, toGuestBytes);
      invariant(page > 0 && end <= regionPages, "each stream lies in the region");
      pipe.invariants();
    }
  }

  readonly #signalControl = (): void => this.#bell.signal(0);

  #bells(): [BellSender, BellReceiver] {
    const area = this.#layout.bellPage * PAGE_BYTES;
    return [
      new BellSender(this.#memory, area + layout.BELL_TO_HOST, this.#doorbell),
      new BellReceiver(this.#memory, area + layout.BELL_TO_GUEST),
    ];
  }

  #beginEpoch(): void {
    this.#epoch = loadWord(this.#memory, layout.SB_EPOCH);
    try {
      // The monitor that answered may be another than the one whose words were read before (ATT-4).
      this.#layout = readLayout(this.#memory);
    } catch (error) {
      // Half of one monitor's words and half of its successor's are nobody's violation.
      if (loadWord(this.#memory, layout.SB_EPOCH) === this.#epoch) throw error;
      this.attach();
      return;
    }
    [this.#bell, this.#pending] = this.#bells();
    this.#control = new GuestPipe(this.#memory, 0, 0, this.#layout.control);
    this.#replies = new FrameReader(this.#control.toGuest);
    this.#requests = new FrameWriter(this.#control.toHost);
    // Set for good: whenever nextReply() finds nothing whole, the host already knows that it must signal.
    this.#control.toGuest.wantData();
    this.#state = "attached";
    storeWord(this.#memory, layout.SB_GUEST_STATE, GuestState.ATTACHED);
    this.#doorbell.ring();
  }

  #end(state: AttachState): void {
    this.#state = state;
    this.#pipes.clear();
    this.#control = undefined;
    this.#replies = undefined;
    this.#requests = undefined;
  }
}
