// One stream of one guest: its pipe, and the relay that serves it. The stream knows the life of the pipe (PROTOCOL.md
// section 10), the relay what the bytes mean.
//
//   FRESH ── Open ──▶ OPENING ── Opened ──▶ RUNNING ── both ways over ──▶ CLOSING ── the guest closed it too ──▶ OVER
//     │                  └─ Refused, reset ───────────────────────────────▶ ▲
//     ├── Accept ──▶ POSTED ── Incoming ──▶ RUNNING                          │
//     └── closed, violation ─────────────────────────────────────────────────┘
//   any ── the guest is gone, or began anew ──▶ OVER
//
// Invariant: a pipe is touched only while its stream is not OVER and of the guest's present epoch; after that its block
// is another stream's, or nobody's.

import {
  Closed,
  FrameReader,
  FrameWriter,
  type HostPipe,
  type InetAddress,
  type Message,
  Opened,
  ProtocolError,
  protocolName,
  type Refusal,
  Refused,
} from "@ringway/control";
import { Price } from "../accounts/prices.ts";
import type { Follower } from "../observe/conversations/follower.ts";
import type { Followers } from "../observe/conversations/followers.ts";
import type { ConversationEnd, ConversationOpened } from "../observe/conversations/records.ts";
import type { Tap } from "../observe/conversations/tap.ts";
import { isConversation } from "../observe/conversations/wanted.ts";
import { FlowEnd } from "../observe/flow-lines.ts";
import type { Trace } from "../observe/trace.ts";
import { Counter, type Counters } from "../reactor/counters.ts";
import type { Task } from "../reactor/tasks.ts";
import { CONVERSATION_END, conversationOf, refusedConversation } from "./conversation.ts";
import type { Flow } from "./flow.ts";
import { type Life, stateName } from "./life.ts";
import type { Relay, RelayGuest } from "./relay.ts";
import type { Reports } from "./reports.ts";
import type { ThreadShare } from "./share.ts";

export const StreamState = { FRESH: 0, POSTED: 1, OPENING: 2, RUNNING: 3, CLOSING: 4, OVER: 5 } as const;
export type StreamState = (typeof StreamState)[keyof typeof StreamState];

const { FRESH, POSTED, OPENING, RUNNING, CLOSING, OVER } = StreamState;

/** Which way bytes go. */
export const Direction = { TO_HOST: 0, TO_GUEST: 1 } as const;
export type Direction = (typeof Direction)[keyof typeof Direction];

/** What was allowed, to be judged again: the body of its Open, and as what (Judged.as in relays/protocol.ts). */
export interface Granted {
  readonly body: Uint8Array;
  readonly as: string | undefined;
}

/** Where a stream stands among its guest's others. */
export interface StreamTable {
  /** Counts what was given up as a whole: a stream of an earlier one is void at once, before its relay has let go. */
  readonly epoch: number;
  /** The stream with this id and generation, if it is open. */
  find(id: number, generation: number): Stream | undefined;
  /** Its pipe is through: its slot and its pages are free. */
  release(stream: Stream): void;
}

/** Its guest, as a stream sees it. */
export interface StreamOwner extends RelayGuest {
  /** No other guest of the monitor has it. */
  readonly serial: number;
  readonly life: Life;
  readonly share: ThreadShare;
  readonly reports: Reports;
  readonly streams: StreamTable;
  readonly counters: Counters;
  /** Has a line for each state of a stream; undefined: not asked for. */
  readonly trace: Trace | undefined;
  readonly followers: Followers;
  /** It must wait for the main thread: nothing of it is stepped, and everything once it may go on. */
  readonly held: boolean;
  /** Marks a stream for the guest, which is rung before this thread waits. */
  signal(id: number): void;
  /** Rings for what was marked, now. */
  flushBell(): void;
  /** So many more, or fewer, have addresses inside the region. */
  pinned(change: number): void;
  /** It broke a clause on a stream. */
  violated(error: ProtocolError, stream: number): void;
  /** Something went wrong while it was served. */
  fail(error: unknown): void;
  /** A relay has let go of its stream. */
  streamEnded(stream: Stream): void;
}

export class Stream implements Task {
  readonly #owner: StreamOwner;
  readonly pipe: HostPipe;
  queued = false;
  /** What it carries goes here, too; undefined where nobody follows it, as nearly always. */
  tap: Tap | undefined;
  /** Why it ends, where that is known before it does. */
  reason: ConversationEnd | undefined;
  /** A connection has come for it. */
  #isAccepted = false;
  #state: StreamState = FRESH;
  #relay: Relay | undefined;
  /** A Protocol, once it is known. */
  #protocol = 0;
  /** Of the guest's epochs. */
  readonly #epoch: number;
  #violated = false;
  /** A disk worker has an address inside the pipe: its pages must not be given to another stream. */
  #pinned = false;
  /** What the audit file is told of it, and the admin API; undefined where neither is told anything. */
  #flow: Flow | undefined;
  /** What a rule has allowed it, and which; where it leads, or what is listened on: for who begins to follow it. */
  #what = "";
  #rule = "";
  #to: InetAddress | undefined;
  /**
   * What it was opened as, or its listener, until it closes; undefined where nobody judges it again. A path's length at
   * most, of an open stream: limits.streams bounds them.
   */
  #granted: Granted | undefined;
  /** Disk workers that work for it. */
  #works = 0;
  /** It has ended before they have: says so when they are through. */
  #sayEnd: (() => void) | undefined;

  /** become() is called next. */
  constructor(owner: StreamOwner, pipe: HostPipe) {
    this.#owner = owner;
    this.pipe = pipe;
    this.#epoch = owner.streams.epoch;
    if (owner.trace !== undefined) this.#note(owner.trace, "(none)", FRESH);
  }

  get guest(): RelayGuest {
    return this.#owner;
  }

  get id(): number {
    return this.pipe.id;
  }

  get state(): StreamState {
    return this.#state;
  }

  get relay(): Relay | undefined {
    return this.#relay;
  }

  /** Of Protocol; 0 while it is not known. */
  get protocol(): number {
    return this.#protocol;
  }

  get flow(): Readonly<Flow> | undefined {
    return this.#flow;
  }

  /** Another of the same guest, if it is open. */
  find(id: number, generation: number): Stream | undefined {
    return this.#owner.streams.find(id, generation);
  }

  #released(): boolean {
    return this.#state === OVER || this.#epoch !== this.#owner.streams.epoch;
  }

  /** The one place where its state changes. */
  #enter(next: StreamState): void {
    if (next === this.#state) return;
    // An Open that waited for its answer has it, or nobody waits any more.
    if (this.#state === OPENING) this.#owner.budget.giveRequest();
    const { trace } = this.#owner;
    if (trace !== undefined) this.#note(trace, stateName(StreamState, this.#state), next);
    this.#state = next;
  }

  #note(trace: Trace, before: string, next: StreamState): void {
    const { id, generation, toHost, toGuest } = this.pipe;
    trace.note({
      trace: "streams",
      guest: this.#owner.name,
      text: `stream ${id} ${before} -> ${stateName(StreamState, next)}`,
      stream: id,
      generation,
      ...(this.#protocol !== 0 && { protocol: protocolName(this.#protocol) }),
      toHost: toHost.position,
      toGuest: toGuest.position,
    });
  }

  // ── Turns ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Look at the stream: its rings, its relay. Queues itself again when the relay's budget is used. */
  run(): void {
    const owner = this.#owner;
    const { pipe } = this;
    if (this.#released() || owner.held) return;
    if (!owner.share.mayRun) {
      this.later();
      return;
    }
    const before = this.#relay;
    const state = this.#state;
    const moved = pipe.toHost.position + pipe.toGuest.position;
    try {
      if (before === undefined) this.#releaseWhenThrough();
      else if (before.step() && this.#relay !== undefined) this.later();
    } catch (error) {
      this.failed(error);
    }
    const lived = this.#relay !== before || this.#state !== state || this.#released();
    const useful = lived || pipe.toHost.position + pipe.toGuest.position !== moved;
    owner.share.worked(useful, lived ? Price.LIFE : before?.price);
  }

  /** run(), in the guest's turn. */
  later(): void {
    this.#owner.share.ready.put(this);
  }

  /** Work on this stream that an event, a timer or an answer calls for: now, or in the guest's turn. */
  perform(work: () => void): void {
    const { share } = this.#owner;
    share.perform(() => {
      const state = this.#state;
      this.guard(work);
      if (this.#state !== state) share.charge(Price.LIFE);
    });
  }

  /** Runs what touches the rings outside of run(): a violation found there is this stream's. */
  guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.failed(error);
    }
  }

  /** Wakes the guest for this stream, before this thread waits. */
  signal(): void {
    this.#owner.signal(this.pipe.id);
  }

  /**
   * signal(), to be handed to what reads and writes frames. A relay of frames keeps one; a stream of raw bytes, of
   * which there may be many that are idle, has none.
   */
  signaller(): () => void {
    return () => this.signal();
  }

  /** The same, now: the guest gets to work while this thread goes on. */
  signalNow(): void {
    this.signal();
    this.#owner.flushBell();
  }

  /**
   * `bytes` go on their way from `offset` in the region, where they still are or are by now; past the ring's end, they
   * go on at its beginning. The one hook for whoever counts what relays carry (raw bytes, datagrams, records). Who
   * follows what they are has `tap`. Requests and replies do not pass it.
   */
  moved(direction: Direction, _offset: number, bytes: number): void {
    this.#owner.counters.add(
      direction === Direction.TO_HOST ? Counter.bytesToHost : Counter.bytesToGuest,
      bytes,
    );
    if (this.#flow !== undefined) this.carried(direction, bytes);
  }

  /** moved(), of `count` pieces with so many bytes each, which begin `stride` bytes after one another: datagrams. */
  movedEach(direction: Direction, offset: number, bytes: number, _stride: number, count: number): void {
    this.moved(direction, offset, bytes * count);
  }

  /**
   * Of a file, by requests and replies: what moved() is not told of. What a worker has done counts also when the stream
   * has ended meanwhile.
   */
  carried(direction: Direction, bytes: number): void {
    const flow = this.#flow;
    if (flow === undefined) return;
    if (direction === Direction.TO_HOST) flow.toHost(bytes);
    else flow.toGuest(bytes);
  }

  // ── Frames ────────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Every request comes from here: as a private copy, or word by word, each loaded once (FrameReader.nextIs()). Every
   * reply goes through writer().
   */
  frames(): FrameReader {
    return new FrameReader(this.pipe.toHost);
  }

  writer(): FrameWriter {
    return new FrameWriter(this.pipe.toGuest);
  }

  /** Sends a frame that the caller knows to fit: the first on a ring. */
  send<T>(kind: Message<T>, requestId: number, value: T): boolean {
    return this.writer().send(kind, requestId, value, this.signaller());
  }

  // ── Life ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Hands the stream to another relay, without ending the one before: that one has let go by itself. */
  become(relay: Relay): void {
    this.#relay = relay;
  }

  /** The guest's Open was taken and will be answered. Or why it is not served: too many requests are under way. */
  beginOpen(protocol: number): Refusal | undefined {
    this.#protocol = protocol;
    const tooMany = this.#owner.budget.takeRequest();
    if (tooMany === undefined) this.#enter(OPENING);
    return tooMany;
  }

  /** Its Open is allowed. */
  keepOpen(body: Uint8Array, as: string | undefined): void {
    if (this.#owner.reports.keepsOpens) this.#granted = { body: body.slice(), as };
  }

  get granted(): Granted | undefined {
    return this.#granted;
  }

  /** A rule allows what it asks for, by this name. */
  allowed(what: string, rule: string): void {
    this.#what = what;
    this.#rule = rule;
    this.#flow = this.#owner.reports.flow(this.#protocol, what, rule);
  }

  /** `address`: where it leads, or what is listened on. */
  opened(requestId: number, body: Uint8Array, address?: InetAddress): void {
    this.#enter(RUNNING);
    this.#to = address;
    this.#owner.account.tally.open(this.#protocol);
    if (this.#flow !== undefined) this.#owner.reports.opened(this.#flow, address);
    if (this.#owner.followers.some) this.#begunFollowed();
    // Opened is its body and nothing else.
    this.writer().write(Opened.type, requestId, body, this.signaller());
  }

  /**
   * Refused, and the end of the stream (STR-2). A denial is in the audit log, also where nobody is there to be told.
   */
  refuse(requestId: number, refusal: Refusal): void {
    const answer = this.#owner.reports.answer(refusal);
    if (this.#owner.followers.some) this.#refusedFollowed(refusal);
    this.reason = "Refused";
    if (!this.#released()) this.send(Refused, requestId, answer);
    this.#recordEnd(FlowEnd.RESET);
    this.end();
  }

  /** A listener has it, in the hands of `relay`, until a connection comes (LSN-2). */
  posted(relay: Relay, listener: Stream): void {
    this.#protocol = listener.#protocol;
    this.#what = listener.#what;
    this.#rule = listener.#rule;
    this.#flow = this.#owner.reports.flowOf(listener.#flow);
    this.#granted = listener.#granted;
    this.#enter(POSTED);
    this.become(relay);
  }

  /** A connection has come for it. `address`: the peer's, where it has one. */
  incoming<T>(kind: Message<T>, requestId: number, said: T, address?: InetAddress): void {
    this.#enter(RUNNING);
    this.#isAccepted = true;
    this.#to = address;
    this.#owner.account.tally.open(this.#protocol);
    if (this.#flow !== undefined) this.#owner.reports.opened(this.#flow, address, "accepted");
    if (this.#owner.followers.some) this.#begunFollowed();
    this.guard(() => void this.send(kind, requestId, said));
  }

  /** The relay is through, in order: no more bytes either way. */
  end(): void {
    if (this.#released()) {
      this.abandon();
      return;
    }
    this.pipe.toGuest.end();
    this.#recordEnd(FlowEnd.END);
    this.#close();
  }

  /** The relay is through because something broke: the guest gets ECONNRESET. */
  reset(): void {
    if (this.#released()) {
      this.abandon();
      return;
    }
    this.pipe.toGuest.reset();
    if (this.#flow !== undefined || this.tap !== undefined) this.#recordEnd(this.#howReset());
    this.#close();
  }

  /** The operator ends it, whatever it does, or a policy that does not allow it. False: it has ended before. */
  cut(byPolicy: boolean): boolean {
    if (this.#released() || this.#relay === undefined) return false;
    if (byPolicy) this.reason = "PolicyChanged";
    this.#recordEnd(FlowEnd.OPERATOR);
    this.reset();
    return true;
  }

  /** The guest broke a clause on this stream (STR-8), or serving it failed for a reason that is ours. */
  failed(error: unknown): void {
    if (!(error instanceof ProtocolError)) {
      this.#owner.fail(error);
      return;
    }
    // One line for a stream, however often the same word is looked at.
    if (!this.#violated) this.#owner.violated(error, this.id);
    this.#violated = true;
    // Closed already, and yet not to be seen through: the pipe goes with the guest.
    if (this.#relay === undefined) this.#enter(OVER);
    else if (!this.#owner.life.over) this.reset();
  }

  /** Keeps the pipe's pages from being given out again, whatever becomes of the stream, until unpin(). */
  pin(): void {
    this.#pinned = true;
    this.#owner.pinned(1);
  }

  unpin(): void {
    this.#pinned = false;
    this.#owner.pinned(-1);
    if (this.#relay === undefined && !this.#owner.departed) this.run();
  }

  /** A disk worker works for it until worked(), or it is taken back. */
  working(): void {
    this.#works++;
  }

  worked(): void {
    this.#works--;
    if (this.#works > 0 || this.#sayEnd === undefined) return;
    this.#flow = undefined;
    this.#sayEnd();
  }

  /** A worker has opened what it was asked for, and the stream has ended meanwhile, or ends: it cannot have it. */
  openedLate(): void {
    if (this.#flow !== undefined) this.#owner.reports.opened(this.#flow, undefined);
  }

  /** The guest is gone: the relay lets go, the pipe is void. */
  abandon(): void {
    const relay = this.#relay;
    this.#relay = undefined;
    this.#granted = undefined;
    this.#enter(OVER);
    this.#recordEnd(FlowEnd.CUT);
    this.#waitsNoMore();
    relay?.dispose();
  }

  // ── Followed ──────────────────────────────────────────────────────────────────────────────────────────────────

  #conversation(isWhole: boolean): ConversationOpened {
    const { id, protocol, pipe } = this;
    const asked = { what: this.#what, rule: this.#rule, to: this.#to };
    return conversationOf(this.#owner, { id, protocol, pipe, asked }, this.#isAccepted, isWhole);
  }

  #begunFollowed(): void {
    if (!isConversation(this.#protocol, this.#isAccepted)) return;
    this.tap = this.#owner.followers.tap(this.#protocol, this.#conversation(true), this);
  }

  #refusedFollowed(refusal: Refusal): void {
    if (this.#isAccepted || !isConversation(this.#protocol, false)) return;
    const opened = refusedConversation(this.#conversation(true), refusal);
    this.#owner.followers.tap(this.#protocol, opened, this)?.close("Refused");
  }

  /** It is under way, and somebody begins to follow. */
  follow(only: Follower): void {
    if (this.#state !== RUNNING || !isConversation(this.#protocol, this.#isAccepted)) return;
    const { tap } = this;
    this.tap = this.#owner.followers.tap(this.#protocol, this.#conversation(false), this, { tap, only });
  }

  untapped(): void {
    if (this.tap?.keep() === false) this.tap = undefined;
  }

  // ── Its end ───────────────────────────────────────────────────────────────────────────────────────────────────

  /** Before its relay lets go: what is told of the rest of its bytes is the same. */
  #recordEnd(end: FlowEnd): void {
    const reason = this.reason ?? CONVERSATION_END[end];
    this.tap?.close(reason);
    this.tap = undefined;
    const flow = this.#flow;
    if (flow === undefined || this.#sayEnd !== undefined) return;
    const { reports } = this.#owner;
    if (this.#works > 0) {
      this.#sayEnd = reports.closesLater(flow, () => end, reason);
      return;
    }
    this.#flow = undefined;
    reports.closed(flow, end, reason);
  }

  #howReset(): FlowEnd {
    if (this.#violated) return FlowEnd.VIOLATION;
    return guestEndedIt(this.pipe) ? FlowEnd.GUEST_RESET : FlowEnd.RESET;
  }

  /** For a rate. */
  #waitsNoMore(): void {
    const { network } = this.#owner.budget;
    if (network.limited) network.forget(this);
  }

  #close(): void {
    this.#enter(CLOSING);
    this.#waitsNoMore();
    this.pipe.toHost.close();
    const relay = this.#relay;
    this.#relay = undefined;
    this.#granted = undefined;
    relay?.dispose();
    this.signal();
    this.#owner.streamEnded(this);
    try {
      this.#releaseWhenThrough();
    } catch (error) {
      this.failed(error);
    }
  }

  #releaseWhenThrough(): void {
    // Its guest may have gone with it, and the memory with the guest.
    if (this.#released() || this.#pinned || !this.pipe.through()) return;
    this.#enter(OVER);
    this.#owner.streams.release(this);
  }
}

/** Has the guest given this stream up: reset it, or both ended it and stopped reading? */
export function guestGaveUp(pipe: HostPipe): boolean {
  const closed = pipe.toHost.peerClosed();
  return closed === Closed.RESET || (closed === Closed.END && pipe.toGuest.abandoned());
}

/** guestGaveUp(); false where the guest has written nonsense since. */
function guestEndedIt(pipe: HostPipe): boolean {
  try {
    return guestGaveUp(pipe);
  } catch {
    return false;
  }
}
