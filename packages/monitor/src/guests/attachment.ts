// One guest of the monitor's: what holds its parts together, and joins them with its link and its thread.
//
//   life         where it is between its greeting and its end             life.ts
//   share        time on the thread                                       share.ts
//   budget       what it holds of the host                                budget.ts
//   reports      what is said of it                                       reports.ts, on observe/lines.ts
//   streams      its pipes, and who serves them                           streams.ts, stream.ts, relay.ts
//   control      the control pipe                                         control-pipe.ts
//   epochs       what it says of itself, and who uses its memory          epochs.ts
//   ending       why and how it ends                                      ending.ts, departure.ts
//
// How it is attached (memory, bell, liveness) is its GuestLink's. Here are its bells and its pauses.

import { performance } from "node:perf_hooks";
import {
  type BellReceiver,
  HostSession,
  HostState,
  type ProtocolError,
  type RegionMemory,
  regionMemory,
} from "@ringway/control";
import { Errno, errnoOf, type SharedMemory } from "@ringway/linux";
import type { Account } from "../accounts/accounts.ts";
import type { GuestLink, LinkedGuest } from "../links/link.ts";
import type { Followers } from "../observe/conversations/followers.ts";
import { GuestLines, type LinesHost } from "../observe/lines.ts";
import { type Trace, tracedBell } from "../observe/trace.ts";
import type { PolicyState } from "../policy/in-force.ts";
import { KnownNames } from "../policy/known-names.ts";
import type { Counters } from "../reactor/counters.ts";
import type { Reactor } from "../reactor/reactor.ts";
import type { TaskQueue } from "../reactor/tasks.ts";
import type { Timer } from "../reactor/timers.ts";
import { Budget, type BudgetHost } from "./budget.ts";
import { type ControlOwner, ControlPipe } from "./control-pipe.ts";
import { Ending, type EndingOwner } from "./ending.ts";
import { Epochs, type EpochsOwner } from "./epochs.ts";
import { Life, LifeState } from "./life.ts";
import type { Opener } from "./opener.ts";
import { Reports } from "./reports.ts";
import { type Sharer, ThreadShare } from "./share.ts";
import type { Stream } from "./stream.ts";
import { Streams, type StreamsOwner } from "./streams.ts";

/** What all guests of one reactor share. */
export interface AttachmentHost extends LinesHost, BudgetHost {
  readonly reactor: Reactor;
  readonly counters: Counters;
  readonly opener: Opener;
  /** How long what a guest has ended may take to reach its peers after it has left, in milliseconds. */
  readonly lingerMs: number;
  /** Undefined: not asked for, as nearly always. */
  readonly traceStreams: Trace | undefined;
  readonly traceBells: Trace | undefined;
  readonly followers: Followers;
  /** Are the invariants of a guest's session and budget checked after each look? */
  readonly invariants: boolean;
  /** For the ids of the streams that one guest's scan takes: bounds what it can take of a turn. */
  readonly pendingIds: Uint16Array;
  gone(guest: Attachment): void;
}

/** Who may come, and as what. */
export interface Admitted {
  /** No other of the monitor has it: 1, 2, ... */
  readonly serial: number;
  readonly name: string;
  readonly tenant: string | undefined;
  readonly policy: PolicyState;
  /** Of this guest alone: no reload is for it. */
  readonly ownPolicy: boolean;
}

/** A look at this many streams, as a power of two, costs about as much as a look. */
const IDS_PER_LOOK_LOG2 = 5;

export class Attachment implements LinkedGuest, Sharer, StreamsOwner, ControlOwner, EpochsOwner, EndingOwner {
  readonly serial: number;
  readonly name: string;
  /** Whose it is, where the host has named that one. */
  readonly tenant: string | undefined;
  readonly memory: SharedMemory;
  readonly region: RegionMemory;
  readonly session: HostSession;
  readonly account: Account;
  readonly counters: Counters;
  /** Of its streams. */
  readonly trace: Trace | undefined;
  readonly traceBells: Trace | undefined;
  readonly followers: Followers;
  readonly life: Life = new Life();
  readonly share: ThreadShare;
  readonly budget: Budget;
  readonly names: KnownNames = new KnownNames();
  readonly reports: Reports;
  readonly streams: Streams;
  readonly #control: ControlPipe;
  readonly #epochs: Epochs;
  readonly #ending: Ending;
  readonly #host: AttachmentHost;
  readonly #link: GuestLink;
  readonly #lines: GuestLines;
  #policy: PolicyState;
  /** This guest's own policy, which a reload of the monitor's leaves alone. */
  readonly #ownPolicy: boolean;
  readonly #cameMs: number = performance.now();
  #attachLimit: Timer | undefined;
  /** Streams are marked for it that it has not been rung for. */
  #bellDue = false;

  /**
   * A guest on `link`, which is this object's from now on: greet() or turnAway() is next. Throws where its memory
   * cannot be used, after it has turned the guest away.
   */
  constructor(host: AttachmentHost, link: GuestLink, admitted: Admitted) {
    const { serial, name, tenant, policy, ownPolicy } = admitted;
    this.#host = host;
    this.serial = serial;
    this.name = name;
    this.tenant = tenant;
    this.counters = host.counters;
    this.trace = host.traceStreams;
    this.traceBells = host.traceBells;
    this.followers = host.followers;
    this.#policy = policy;
    this.#ownPolicy = ownPolicy;
    this.account = link.account;
    this.#lines = new GuestLines(
      host,
      this.account,
      () => this.#policy.policy,
      () => this.#goOn(),
    );
    this.share = new ThreadShare(host.reactor, host.counters, this);
    this.budget = new Budget(host, this);
    this.reports = new Reports(this, this.#lines, host.counters);
    this.streams = new Streams(this, host.opener);
    this.#control = new ControlPipe(this, host.opener);
    this.#epochs = new Epochs(this);
    this.#link = link;
    this.#ending = new Ending(this, link, this.#epochs, host.reactor, host.lingerMs);
    this.memory = link.memory;
    const { limits } = policy.policy;
    try {
      this.region = regionMemory(this.memory.buffer);
      const most = { streams: limits.streams, ringBytes: limits.streamBytes };
      const bell = host.traceBells === undefined ? link : tracedBell(host.traceBells, name, link);
      this.session = new HostSession(this.region, bell, most, (id) => this.signal(id));
    } catch (error) {
      link.close(errnoOf(error, Errno.EIO));
      throw error;
    }
    policy.retain();
  }

  /** It may begin. Throws SystemError (EMFILE, ENOMEM), after it has turned the guest away. */
  greet(): void {
    try {
      this.#link.greet(this.#epochs);
    } catch (error) {
      this.turnAway(errnoOf(error, Errno.EIO));
      throw error;
    }
    this.account.enter();
    this.#host.reactor.add(this);
    this.reports.came(this.#link.pid);
  }

  /** In place of greet(). */
  turnAway(errno?: number): void {
    this.#link.close(errno ?? Errno.ESHUTDOWN);
    this.#policy.release();
  }

  get policy(): PolicyState {
    return this.#policy;
  }

  /** The monitor's policy was reloaded: new streams and requests are judged by it. */
  setPolicy(policy: PolicyState): void {
    if (this.#ownPolicy) return;
    policy.retain();
    this.#policy.release();
    this.#policy = policy;
    const { limits } = policy.policy;
    this.session.setLimits({ streams: limits.streams, ringBytes: limits.streamBytes });
    this.budget.network.policyChanged();
  }

  /** Process id of the guest, or of its hypervisor; 0 where it cannot be seen. */
  get pid(): number {
    return this.#link.pid;
  }

  get ageMs(): number {
    return Math.round(performance.now() - this.#cameMs);
  }

  get departed(): boolean {
    return this.life.departed;
  }

  get failed(): boolean {
    return this.session.state === HostState.FAILED;
  }

  mustAskWithin(attachMs: number): void {
    this.#attachLimit = this.#host.reactor.after(attachMs, () => {
      const { state, attachRequested } = this.session;
      if (this.life.state !== LifeState.ATTACHING || state !== HostState.RESETTING || attachRequested) return;
      this.reports.warn(`hung up: it did not ask to attach within ${attachMs} ms`);
      this.close("did not ask to attach in time");
    });
  }

  // ── As the thread's tenant ────────────────────────────────────────────────────────────────────────────────────

  get bells(): BellReceiver {
    return this.session.pending;
  }

  get parked(): boolean {
    return this.share.parked || this.life.over;
  }

  get ready(): TaskQueue {
    return this.share.ready;
  }

  get mayRun(): boolean {
    return this.share.mayRun;
  }

  spend(ms: number): void {
    this.share.spend(ms);
  }

  scan(): void {
    // Last: what was closed makes room for what is asked for (CTL-3). Where it is queued, streams before it still are.
    if (this.runPending() && !this.#control.queued) this.#control.run();
    if (this.#host.invariants) this.#requireInvariants();
  }

  #requireInvariants(): void {
    if (this.life.over) return;
    try {
      this.session.invariants();
      this.budget.invariants();
    } catch (error) {
      this.fail(error);
    }
  }

  /** Takes pending streams, as many as there is room for, and steps them. True: the control pipe is one of them. */
  runPending(): boolean {
    const { pendingIds } = this.#host;
    const count = this.session.pending.take(pendingIds);
    let control = false;
    for (let i = 0; i < count && !this.life.over; i++) {
      const id = pendingIds[i]!;
      if (id === 0) control = true;
      else this.streams.at(id)?.run();
    }
    // Its key pays also where the guest has ended by what was found.
    this.share.looked(1 + (count >>> IDS_PER_LOOK_LOG2));
    this.share.charge();
    if (this.life.over) return false;
    // Last: whoever waits for what was sent waits for nothing else.
    this.session.beat();
    return control;
  }

  signal(id: number): void {
    if (!this.session.bell.mark(id) || this.#bellDue) return;
    this.#bellDue = true;
    this.#host.reactor.bellDue(this);
  }

  flushBell(): void {
    if (!this.#bellDue) return;
    this.#bellDue = false;
    if (this.life.over) return;
    if (this.session.bell.wake()) this.account.tally.rung++;
    else this.account.tally.spared++;
  }

  // ── Pauses ────────────────────────────────────────────────────────────────────────────────────────────────────

  suspend(): void {
    this.#link.suspendBell();
  }

  resume(): void {
    try {
      this.#link.resumeBell();
    } catch (error) {
      this.fail(error);
      return;
    }
    this.#epochs.look();
    this.ready.put(this.#control);
  }

  get held(): boolean {
    return this.#lines.held;
  }

  /** It was held, and is no more. */
  #goOn(): void {
    if (this.life.over) return;
    const { departure } = this.#ending;
    if (departure !== undefined) {
      departure.goOn();
      return;
    }
    this.#epochs.look();
    this.streams.queueAll();
    // Behind the streams (CTL-3).
    this.ready.put(this.#control);
  }

  // ── Epochs ────────────────────────────────────────────────────────────────────────────────────────────────────

  attached(): void {
    this.life.enter(LifeState.ATTACHED);
    this.#host.reactor.cancel(this.#attachLimit);
    this.reports.attached();
    this.ready.put(this.#control);
  }

  pinned(change: number): void {
    this.#epochs.pinned(change);
  }

  settled(): void {
    this.#link.settled?.();
  }

  // ── Its end ───────────────────────────────────────────────────────────────────────────────────────────────────

  violated(error: ProtocolError, stream: number): void {
    this.#ending.violated(error, stream);
  }

  fail(error: unknown): void {
    this.#ending.fail(error);
  }

  depart(reason: string): void {
    this.#ending.depart(reason);
  }

  lookAgain(): void {
    this.#control.run();
    this.scan();
  }

  streamEnded(stream: Stream): void {
    this.#ending.streamEnded(stream);
  }

  dropped(): void {
    this.#ending.dropped();
  }

  /** The monitor is stopping: what is open may finish, nothing new begins. */
  drain(): void {
    if (this.departed) return;
    this.session.drain();
    this.streams.drain();
  }

  close(reason: string): void {
    this.#ending.close(reason);
  }

  /** close(), where this thread fails, and there are no later turns. */
  closeNow(reason: string): void {
    this.#ending.closeNow(reason);
  }

  closed(reason: string): void {
    const { reactor } = this.#host;
    reactor.cancel(this.#attachLimit);
    // Answers that wait for their turn: what they hold is given back.
    this.share.finish();
    reactor.remove(this);
    this.account.leave();
    this.session.leave();
    this.#link.close();
    this.#policy.release();
    this.#host.gone(this);
    this.reports.gone(reason);
  }
}
