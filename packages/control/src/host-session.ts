// The host's side of one region, as far as it needs no I/O: format and epochs, the heap, stream slots, the control pipe
// (PROTOCOL.md sections 4, 8, 9 and 16). Relays, sockets, clocks and waiting belong to the monitor.
//
// Everything that decides anything here is private: the region holds published copies (TRU-1).

import { PageAllocator } from "./allocator.ts";
import { BellReceiver, BellSender, clearBells, type Doorbell } from "./doorbell.ts";
import { Errno, ProtocolError, Violation } from "./errors.ts";
import { type Frame, FrameReader, FrameWriter, maxPayload } from "./frame.ts";
import * as layout from "./layout.ts";
import { Closed, GuestState, HostState, PAGE_BYTES } from "./layout.ts";
import {
  CONTROL_RING_BYTES,
  DEFAULT_RING_BYTES,
  FRAME_HEADER_BYTES,
  MAX_RING_BYTES,
  MAX_STREAM_ID,
  MIN_RING_BYTES,
} from "./limits.ts";
import { loadWord, type RegionMemory, storeWord } from "./memory.ts";
import { ErrorReply } from "./messages/common.ts";
import {
  type Args,
  Args as ArgsMessage,
  Exit,
  Explain,
  GetArgs,
  Log,
  NewStream,
  Ping,
  Pong,
  StreamInfo,
  type Verdict,
  Verdict as VerdictMessage,
} from "./messages/control.ts";
import { HostPipe, initialisePipe, type PipePlace } from "./pipe.ts";
import type { Message } from "./wire.ts";

/** What a host holds this guest to. */
export interface HostLimits {
  /** Streams at once, at most MAX_STREAM_ID. */
  readonly streams: number;
  /** Largest capacity of one ring, in bytes. */
  readonly ringBytes: number;
}

/** What the control pipe asks of the host program. */
export interface ControlHandler {
  /** Encoded once for each object: one that was given is not changed. */
  getArgs(): Args;
  log(level: number, text: string): void;
  exit(code: number): void;
  explain(protocol: number, body: Uint8Array): Verdict;
  /**
   * A NewStream found no room: looks at every stream that is pending, because what the guest closed before it asked makes
   * room (CTL-3). False: some of them must wait for their turn; the request is served anew by the next stepControl(), which is
   * not called before that.
   */
  makeRoom(): boolean;
  /** Asked before each request: may it be served now? Where not, stepControl() is to be called again. */
  mayServe?(): boolean;
  /** A stream was refused, with this errno (CTL-3): for who counts it. */
  refusedStream?(errno: number): void;
}

/** What changed in the guest's words of the superblock. */
export type GuestEvent = "attached" | "detached" | "reset" | undefined;

/** In the place of a reply: serve it anew when all that was pending has been looked at. */
const LATER: unique symbol = Symbol("later");

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

export class HostSession {
  readonly bell: BellSender;
  readonly pending: BellReceiver;
  readonly #memory: RegionMemory;
  readonly #regionPages: number;
  #limits: HostLimits;
  #state: HostState = HostState.ABSENT;
  #epoch = 0;
  #attachReply = 0;
  #attached = false;
  /** It has detached from this epoch. */
  #left = false;
  /** The guest has asked for a fresh epoch: this one is over, and the next has not begun. */
  #ended = false;
  #heartbeat = 0;

  #heap!: PageAllocator;
  /** Slot 0 is the control pipe's and never free. */
  #pipes: (HostPipe | undefined)[] = [];
  #freeIds: number[] = [];
  /** Of the ids that were ever used: most guests use few, and a host may have many guests. */
  readonly #generations: number[] = [0];
  #open = 0;

  #control!: HostPipe;
  readonly #signalControl: () => void;
  #requests!: FrameReader;
  #replies!: FrameWriter;
  /** A reply that waits for room: at most one, because no request is taken while it waits. */
  #reply: Frame | undefined;
  /** A NewStream that waits for streams to be looked at. */
  #again: Frame | undefined;

  /**
   * Serves the region in `memory`, fresh (all zero) or used by a monitor before. Gives nothing out until the guest has
   * attached: it may still be writing into blocks of an old epoch (ATT-6). `doorbell` wakes the guest. `signal` signals a stream, the
   * control pipe's replies for one; its wake may follow later, with that for other streams. By default it is at once.
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
    this.#writeConstants();
    this.#forgetStreams();
    this.#nextEpoch();
    this.#setState(HostState.RESETTING);
  }

  get epoch(): number {
    return this.#epoch;
  }

  get state(): HostState {
    return this.#state;
  }

  /** Has the guest attached to this epoch? */
  get attached(): boolean {
    return this.#attached;
  }

  /** Does the guest ask for a fresh epoch, or wait for one? */
  get attachRequested(): boolean {
    return this.#ended || loadWord(this.#memory, layout.SB_ATTACH_REQUEST) !== this.#attachReply;
  }

  get openStreams(): number {
    return this.#open;
  }

  get freePages(): number {
    return this.#heap.freePages;
  }

  /** Moves whenever the control pipe does: both of its positions, as one number. */
  get controlMoved(): number {
    return this.#control.toHost.position + this.#control.toGuest.position;
  }

  /** The stream with this id, if it is open. */
  pipe(id: number): HostPipe | undefined {
    return this.#pipes[id];
  }

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
   * `letGo` is called where the guest asks for a fresh epoch, when the old one is over: nothing of it is served any more, whatever bits
   * are pending. It ends the host's own work on the old one's memory (ATT-3). False: some goes on, and the new epoch begins at a later
   * call, whatever the guest has done to its request meanwhile.
   */
  checkGuest(letGo: () => boolean = () => true): GuestEvent {
    if (this.#state === HostState.ABSENT) return undefined;
    const request = loadWord(this.#memory, layout.SB_ATTACH_REQUEST);
    const state = loadWord(this.#memory, layout.SB_GUEST_STATE);
    if (this.#ended || request !== this.#attachReply) {
      if (!this.#ended) this.#forgetStreams();
      this.#ended = true;
      // It may have looked here itself, and begun the next one.
      if (!letGo() || !this.#ended) return undefined;
      this.#beginEpoch(request);
      return "reset";
    }
    if (this.#state !== HostState.READY && this.#state !== HostState.DRAINING) return undefined;
    // One that has left already was attached before (ATT-7).
    const attached = state === GuestState.ATTACHED || (state === GuestState.DETACHED && !this.#left);
    if (attached && !this.#attached) {
      const accepted = loadWord(this.#memory, layout.SB_FEATURES_ACCEPTED);
      if (accepted !== 0) {
        throw new ProtocolError(Violation.SUPERBLOCK, "VER-3", `features ${accepted} were not offered`);
      }
      this.#attached = true;
      return "attached";
    }
    if (state === GuestState.DETACHED && this.#attached) {
      this.#attached = false;
      this.#left = true;
      return "detached";
    }
    if (state > GuestState.ATTACHED) {
      throw new ProtocolError(Violation.SUPERBLOCK, "SB-5", `guest state ${state}`);
    }
    return undefined;
  }

  /** A stream of about these capacities (0: the default), or the errno that refuses it (CTL-2, CTL-3). */
  openStream(toHostBytes: number, toGuestBytes: number): HostPipe | number {
    // In RESETTING the guest may still be writing into blocks of the old epoch (ATT-6).
    if (this.#state !== HostState.READY || this.#ended) return Errno.ESHUTDOWN;
    if (this.#open >= Math.min(this.#limits.streams, MAX_STREAM_ID)) return Errno.EMFILE;
    const place = this.#place(toHostBytes, toGuestBytes);
    if (place === undefined) return Errno.ENOMEM;
    const id = this.#freeIds.pop() ?? this.#pipes.length;
    const generation = ((this.#generations[id] ?? 0) + 1) >>> 0;
    this.#generations[id] = generation;
    initialisePipe(this.#memory, place.page, id, generation);
    const pipe = new HostPipe(this.#memory, id, generation, place);
    // The host waits for the first frame from the start, so that the guest signals it (STR-1).
    pipe.toHost.wantData();
    this.#pipes[id] = pipe;
    this.#open++;
    return pipe;
  }

  /** Takes back a pipe whose two sides are through: pipe.through() was true (STR-7). */
  release(pipe: HostPipe): void {
    if (this.#pipes[pipe.id] !== pipe) throw new Error(`stream ${pipe.id} is not open`);
    this.#pipes[pipe.id] = undefined;
    this.#freeIds.push(pipe.id);
    this.#open--;
    const { page, toHostBytes, toGuestBytes } = pipe.place;
    this.#heap.release(page, layout.pipePages(toHostBytes, toGuestBytes));
  }

  /**
   * Serves control requests until there are none, `budget` is used, mayServe() says no, a reply waits for room, or makeRoom() says
   * that a request must. True: there is more to do. Throws ProtocolError for what no guest may send (FRM-7); that ends the guest.
   */
  stepControl(handler: ControlHandler, budget: number): boolean {
    // Between epochs there is no control pipe, whatever bit a guest sets.
    if (this.#ended || (this.#state !== HostState.READY && this.#state !== HostState.DRAINING)) return false;
    for (;;) {
      if (!this.#sendReply()) {
        if (!this.#control.toGuest.wantSpace(FRAME_HEADER_BYTES + this.#reply!.payload.length)) return false;
        // A guest that reads no more would never give the space.
        if (this.#control.toGuest.abandoned()) throw controlClosed();
        continue;
      }
      this.#control.toGuest.unwantSpace();
      if (budget-- === 0 || handler.mayServe?.() === false) return true;
      const again = this.#again;
      this.#again = undefined;
      const frame = again ?? this.#requests.next(this.#signalControl);
      if (frame === undefined) break;
      const reply = this.#serve(frame, handler, again === undefined);
      if (reply === LATER) {
        this.#again = frame;
        return true;
      }
      this.#reply = reply;
    }
    if (this.#control.toHost.peerClosed() !== Closed.OPEN || this.#control.toGuest.abandoned()) {
      throw controlClosed();
    }
    return false;
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

  #setState(state: HostState): void {
    this.#state = state;
    storeWord(this.#memory, layout.SB_HOST_STATE, state);
    this.bell.ring();
  }

  #sendReply(): boolean {
    const reply = this.#reply;
    if (reply === undefined) return true;
    if (!this.#replies.write(reply.type, reply.requestId, reply.payload, this.#signalControl)) return false;
    this.#reply = undefined;
    return true;
  }

  /** The reply, if there is one; or, where it `mayWait`, LATER. */
  #serve(
    { type, requestId, payload }: Frame,
    handler: ControlHandler,
    mayWait: boolean,
  ): Frame | typeof LATER | undefined {
    switch (type) {
      case NewStream.type: {
        const { toHostBytes, toGuestBytes } = NewStream.decode(payload);
        let pipe = this.openStream(toHostBytes, toGuestBytes);
        if (mayWait && (pipe === Errno.EMFILE || pipe === Errno.ENOMEM)) {
          if (!handler.makeRoom()) return LATER;
          pipe = this.openStream(toHostBytes, toGuestBytes);
        }
        if (typeof pipe === "number") {
          handler.refusedStream?.(pipe);
          return errorFrame(requestId, pipe, newStreamReason(pipe));
        }
        const { id, generation, place } = pipe;
        return { type: StreamInfo.type, requestId, payload: StreamInfo.encode({ id, generation, ...place }) };
      }
      case GetArgs.type: {
        GetArgs.decode(payload);
        return replyFrame(ArgsMessage, requestId, argsPayload(handler.getArgs()));
      }
      case Log.type: {
        const { level, text } = Log.decode(payload);
        handler.log(level, text);
        return undefined;
      }
      case Exit.type: {
        const { code } = Exit.decode(payload);
        if (code > 255) throw new ProtocolError(Violation.FRAME_MALFORMED, "CTL-5", `exit code ${code}`);
        handler.exit(code);
        return undefined;
      }
      case Ping.type: {
        const { data } = Ping.decode(payload);
        if (data.length > 64)
          throw new ProtocolError(Violation.FRAME_MALFORMED, "CTL-6", `${data.length} bytes`);
        return { type: Pong.type, requestId, payload: data };
      }
      case Explain.type: {
        const { protocol, body } = Explain.decode(payload);
        const verdict = payloadOf(VerdictMessage, handler.explain(protocol, body));
        return replyFrame(VerdictMessage, requestId, verdict);
      }
      default:
        if ((type & 0x8000) !== 0) {
          throw new ProtocolError(Violation.FRAME_TYPE, "FRM-4", `a guest sent type ${type}`);
        }
        return errorFrame(requestId, Errno.ENOSYS, `the host does not know message type ${type}`);
    }
  }

  #place(toHostWanted: number, toGuestWanted: number): PipePlace | undefined {
    const toHostBytes = this.#capacity(toHostWanted);
    const toGuestBytes = this.#capacity(toGuestWanted);
    const page = this.#heap.allocate(layout.pipePages(toHostBytes, toGuestBytes));
    return page === undefined ? undefined : { page, toHostBytes, toGuestBytes };
  }

  /** A power of two within the limits that is at least what was asked, where the limits allow. */
  #capacity(wanted: number): number {
    const largest = Math.min(MAX_RING_BYTES, this.#limits.ringBytes);
    const asked = wanted === 0 ? DEFAULT_RING_BYTES : wanted;
    let capacity: number = MIN_RING_BYTES;
    while (capacity < asked && capacity * 2 <= largest) capacity *= 2;
    return capacity;
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
    this.#attached = false;
    this.#left = false;
    this.#ended = false;
    this.#reply = undefined;
    this.#again = undefined;
    const bellArea = BELL_PAGE * PAGE_BYTES;
    clearBells(this.#memory, bellArea + layout.BELL_TO_HOST);
    clearBells(this.#memory, bellArea + layout.BELL_TO_GUEST);
    initialisePipe(this.#memory, CONTROL_PAGE, 0, 0);
    this.#control = new HostPipe(this.#memory, 0, 0, CONTROL_PLACE);
    this.#requests = new FrameReader(this.#control.toHost);
    this.#replies = new FrameWriter(this.#control.toGuest);
    // Set for good: whenever requests.next() finds no whole frame, the guest already knows that it must signal.
    this.#control.toHost.wantData();
    this.#nextEpoch();
    storeWord(this.#memory, layout.SB_VIOLATION, 0);
    // The state before the reply: a guest that finds its reply beside RESETTING knows that another monitor gave it.
    this.#state = this.#state === HostState.DRAINING ? HostState.DRAINING : HostState.READY;
    storeWord(this.#memory, layout.SB_HOST_STATE, this.#state);
    this.#attachReply = attachRequest;
    storeWord(this.#memory, layout.SB_ATTACH_REPLY, attachRequest);
    this.bell.ring();
  }

  #forgetStreams(): void {
    // Nothing was given out since.
    if (this.#pipes.length === 1) return;
    this.#heap = new PageAllocator(HEAP_PAGE, this.#regionPages - HEAP_PAGE);
    this.#pipes = [undefined];
    this.#freeIds = [];
    this.#open = 0;
  }
}

function newStreamReason(errno: number): string {
  if (errno === Errno.EMFILE) return "the limit of streams is reached";
  if (errno === Errno.ESHUTDOWN) return "the monitor is stopping";
  return "the region has no room for a stream of this size";
}

function controlClosed(): ProtocolError {
  return new ProtocolError(Violation.STREAM_STATE, "CTL-1", "the control pipe was closed");
}

/** A reply whose contents come from the host program: what no frame of this ring can carry is told as an error. */
function replyFrame<T>(kind: Message<T>, requestId: number, payload: Uint8Array | undefined): Frame {
  if (payload !== undefined) return { type: kind.type, requestId, payload };
  return errorFrame(requestId, Errno.EOVERFLOW, `the host's ${kind.name} does not fit a frame`);
}

/** Undefined: it does not fit. */
function payloadOf<T>(kind: Message<T>, value: T): Uint8Array | undefined {
  try {
    const payload = kind.encode(value);
    return payload.length <= maxPayload(CONTROL_RING_BYTES) ? payload : undefined;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return undefined;
  }
}

/** Of the same Args, the same payload: it may be long, and a guest may ask for it again and again. */
const argsPayloads: WeakMap<Args, Uint8Array | undefined> = new WeakMap();

function argsPayload(args: Args): Uint8Array | undefined {
  if (!argsPayloads.has(args)) argsPayloads.set(args, payloadOf(ArgsMessage, args));
  return argsPayloads.get(args);
}

function errorFrame(requestId: number, errno: number, reason: string): Frame {
  return { type: ErrorReply.type, requestId, payload: ErrorReply.encode({ errno, rule: "", reason }) };
}
