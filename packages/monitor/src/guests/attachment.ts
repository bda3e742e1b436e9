// One guest as the monitor sees it: its epochs, its streams, and what it holds and costs of the host. How it is attached
// (memory, bell, liveness) is its GuestLink's; what is said of it to the main thread, observe/lines.ts's.
//
//   ATTACHING -- guest event --> ATTACHED -- hang-up, detach --> LINGERING -- all flushed, or time over --> gone
//                                   └────── violation on stream 0, stop ──────────────────────────────────> gone
//
// LINGERING: what the guest has ended in order may still reach its peers; everything else is reset at once.

import {
  type Args,
  Closed,
  type ControlHandler,
  HostSession,
  HostState,
  ProtocolError,
  type Refusal,
  type RegionMemory,
  regionMemory,
  type Verdict,
  Violation,
} from "@ringway/control";
import { Errno, errnoOf, type SharedMemory } from "@ringway/linux";
import type { Account } from "../accounts/accounts.ts";
import { ATTACH_LOOKS, type LookQuota, TimeSlice, VIOLATION_LOOKS } from "../accounts/quotas.ts";
import type { GuestLink, LinkListener } from "../links/link.ts";
import { Counter } from "../observe/counters.ts";
import { GuestLines } from "../observe/lines.ts";
import { explain } from "../policy/explain.ts";
import type { PolicyState } from "../policy/in-force.ts";
import { type Denial, isDenial, shorten, told } from "../policy/refusal.ts";
import { type BellSource, type Reactor, type Task, TaskQueue } from "../reactor/reactor.ts";
import type { Timer } from "../reactor/timers.ts";
import { OpeningRelay } from "../relays/opening.ts";
import { type Dropper, Dropping } from "./dropping.ts";
import type { Host } from "./host.ts";
import { Stream } from "./stream.ts";

/** Streams looked at in one scan: bounds what one guest can take of a turn. */
const SCAN_STREAMS = 1024;
/** A look at this many streams, as a power of two, costs about as much as a look. */
const IDS_PER_LOOK_LOG2 = 5;
/** Control requests served in one step. */
const CONTROL_BUDGET = 64;
/** How long what a guest did before it left is looked at, with all the time that it was held. */
const LEAVING_MS_MAX = 10_000;
/** Violations on streams of one epoch before the guest itself is ended (ERR-3). */
const STREAM_VIOLATIONS_MAX = 64;

const pendingIds = new Uint16Array(SCAN_STREAMS);

export class Attachment implements BellSource, ControlHandler, Dropper, LinkListener {
  readonly name: string;
  readonly reactor: Reactor;
  readonly host: Host;
  readonly memory: SharedMemory;
  readonly region: RegionMemory;
  readonly session: HostSession;
  /** What the guest holds, against its policy's limits. */
  postedAccepts = 0;
  #openFiles = 0;
  readonly account: Account;
  #policy: PolicyState;
  /** This guest's own policy, which a reload of the monitor's leaves alone. */
  readonly #ownPolicy: boolean;
  readonly #link: GuestLink;
  #streams: (Stream | undefined)[] = [];
  #state: "attaching" | "attached" | "lingering" | "gone" = "attaching";
  #streamViolations = 0;
  readonly #looks: LookQuota;
  readonly #slice: TimeSlice = new TimeSlice();
  readonly #lines: GuestLines;
  readonly ready: TaskQueue = new TaskQueue();
  #parked = false;
  #bellDue = false;

  /**
   * Greets the guest on `link`, which is this object's from now on. Throws SystemError (EMFILE, ENOMEM), after it has
   * turned the guest away.
   */
  constructor(host: Host, name: string, link: GuestLink, policy: PolicyState, ownPolicy: boolean) {
    this.host = host;
    this.name = name;
    this.reactor = host.reactor;
    this.#policy = policy;
    this.#ownPolicy = ownPolicy;
    this.account = link.account;
    this.#looks = this.account.looks;
    this.#lines = new GuestLines(
      host,
      this.account.lines,
      () => this.#policy.policy,
      () => this.#goOn(),
    );
    const { limits } = policy.policy;
    this.#link = link;
    this.memory = link.memory;
    try {
      this.region = regionMemory(this.memory.buffer);
      const most = { streams: limits.streams, ringBytes: limits.streamBytes };
      this.session = new HostSession(this.region, this.#link, most, (id) => this.signal(id));
      this.#link.greet(this);
    } catch (error) {
      this.#link.close(errnoOf(error, Errno.EIO));
      throw error;
    }
    policy.retain();
    this.account.enter();
    this.reactor.addGuest(this);
  }

  get bells(): HostSession["pending"] {
    return this.session.pending;
  }

  get policy(): PolicyState {
    return this.#policy;
  }

  get openFiles(): number {
    return this.#openFiles;
  }

  /** It asks for a file. Its descriptor counts from now on. */
  fileAsked(): void {
    this.#openFiles++;
    this.account.openFiles++;
  }

  /** The file is open no more, as the guest sees it; its descriptor may have to wait for a worker that closes it. */
  fileClosing(): void {
    this.#openFiles--;
  }

  /** There is no descriptor, or none any more. */
  fileClosed(): void {
    this.account.openFiles--;
  }

  /** May it have another socket or file? Of its key, and of all guests, there are only so many. */
  get mayHaveDescriptor(): boolean {
    return this.host.descriptors.leftFor(this.account.descriptors);
  }

  /** `make`s another, where it may have it: a descriptor, or -errno. */
  makeDescriptor(make: () => number): number {
    return this.host.descriptors.makeFor(this.account.descriptors, make);
  }

  /** Did it break the protocol? Then its memory says so until it attaches anew (ERR-4). */
  get failed(): boolean {
    return this.session.state === HostState.FAILED;
  }

  get gone(): boolean {
    return this.#state === "gone";
  }

  /** It has so long to ask to be attached; then it is hung up, and that is said. */
  mustAskWithin(attachMs: number): void {
    this.#attachLimit = this.reactor.after(attachMs, () => {
      const { state, attachRequested } = this.session;
      if (this.#state !== "attaching" || state !== HostState.RESETTING || attachRequested) return;
      this.warn(`hung up: it did not ask to attach within ${attachMs} ms`);
      this.close("did not ask to attach in time");
    });
  }

  #attachLimit: Timer | undefined;

  /** Nobody reads what comes for this guest any more. */
  get departed(): boolean {
    return this.#state === "lingering" || this.#state === "gone";
  }

  get openStreams(): number {
    return this.session.openStreams;
  }

  /** Process id of whoever connected, 0 where it cannot be seen. */
  get pid(): number {
    return this.#link.pid;
  }

  /** The monitor's policy was reloaded: new streams and requests are judged by it. */
  setPolicy(policy: PolicyState): void {
    if (this.#ownPolicy) return;
    policy.retain();
    this.#policy.release();
    this.#policy = policy;
    const { limits } = policy.policy;
    this.session.setLimits({ streams: limits.streams, ringBytes: limits.streamBytes });
  }

  /** The line for its coming: its account pays for it as for all others. */
  announce(): void {
    this.#lines.post({ kind: "guest", guest: this.name, pid: this.pid });
  }

  /** Must this guest wait for the main thread? Then nothing of it is stepped, and everything once it may go on. */
  get held(): boolean {
    return this.#lines.held;
  }

  #goOn(): void {
    if (this.gone) return;
    if (this.#leaving !== undefined) {
      // Having been held is no fault of what it left behind; but there is an end to it.
      this.#limitLeaving(LEAVING_MS_MAX - (performance.now() - this.#leftMs));
      this.#leave();
      return;
    }
    this.#checkGuest();
    for (let id = 1, left = this.session.openStreams; left > 0; id++) {
      if (this.session.pipe(id) === undefined) continue;
      left--;
      this.ready.put(this.#stream(id)!);
    }
    // Behind the streams (CTL-3).
    this.ready.put(this);
  }

  // ── What the guest may cost ─────────────────────────────────────────────────────────────────────────────────────

  get parked(): boolean {
    return this.#parked || this.gone;
  }

  get mayRun(): boolean {
    return !this.reactor.shared || this.#slice.open(this.reactor.turn, this.account.sliceMs);
  }

  spend(ms: number): void {
    this.#slice.spend(ms);
  }

  mayGoOn(): boolean {
    this.reactor.charge(this);
    return this.mayRun;
  }

  /** After work for the guest; `useful`: it moved something. */
  worked(useful: boolean): void {
    if (useful) this.#looks.useful();
    this.reactor.charge(this);
  }

  /**
   * Work that somebody else calls for: an event, a timer, an answer. At once where the guest has the time, or else in its turn and
   * in order, behind what waits already. Nothing that was asked for is left out, also when the guest ends meanwhile.
   */
  perform(work: () => void): void {
    if (!this.#closed && this.reactor.shared && (this.ready.length > 0 || !this.mayRun)) {
      const run = (): void => this.#performNow(work);
      this.ready.put({ queued: false, run });
    } else this.#performNow(work);
  }

  #performNow(work: () => void): void {
    work();
    this.reactor.charge(this);
  }

  /** The guest made this thread look at it. Past its quota of looks in vain it is not looked at for a while. */
  #looked(looks: number): void {
    if (this.#parked || this.#state === "gone") return;
    const nowMs = performance.now();
    if (this.#looks.take(looks, this.#policy.policy.limits.bells, nowMs)) return;
    this.#parked = true;
    this.host.counters.add(Counter.quotaBells);
    this.#link.suspendBell();
    this.reactor.after(this.#looks.restMs(nowMs), () => this.#unpark());
  }

  #unpark(): void {
    if (this.#state === "gone") return;
    const nowMs = performance.now();
    if (!this.#looks.take(0, this.#policy.policy.limits.bells, nowMs)) {
      this.reactor.after(this.#looks.restMs(nowMs), () => this.#unpark());
      return;
    }
    this.#parked = false;
    try {
      this.#link.resumeBell();
    } catch (error) {
      this.fail(error);
      return;
    }
    this.#checkGuest();
    this.ready.put(this);
  }

  /** May another request be taken from the guest? */
  get mayRequest(): boolean {
    if (this.account.requests < this.#policy.policy.limits.requests) return true;
    this.host.counters.add(Counter.quotaRequests);
    return false;
  }

  beginRequest(): boolean {
    if (!this.mayRequest) return false;
    this.account.requests++;
    return true;
  }

  /** Work for a request that mayRequest let in, or that must go on whatever the limit says. */
  beginWork(): void {
    this.account.requests++;
  }

  endRequest(): void {
    this.account.requests--;
  }

  refusedStream(errno: number): void {
    if (errno === Errno.EMFILE) this.host.counters.add(Counter.quotaStreams);
    else if (errno === Errno.ENOMEM) this.host.counters.add(Counter.quotaPages);
  }

  scan(): void {
    // Last: what was closed makes room for what is asked for (CTL-3). Where it is queued, streams before it still are.
    if (this.#runPending() && !this.queued) this.run();
  }

  /** Takes pending streams, SCAN_STREAMS at the most, and steps them. True: the control pipe is one of them. */
  #runPending(): boolean {
    const count = this.session.pending.take(pendingIds);
    this.#looked(1 + (count >>> IDS_PER_LOOK_LOG2));
    this.session.beat();
    this.reactor.charge(this);
    let control = false;
    for (let i = 0; i < count && this.#state !== "gone"; i++) {
      const id = pendingIds[i]!;
      if (id === 0) control = true;
      else this.#stream(id)?.run();
    }
    return control;
  }

  /** Marks a stream for the guest; the reactor rings before it waits, or flushBell() does at once. */
  signal(id: number): void {
    if (!this.session.bell.mark(id) || this.#bellDue) return;
    this.#bellDue = true;
    this.reactor.bellDue(this);
  }

  flushBell(): void {
    if (!this.#bellDue) return;
    this.#bellDue = false;
    if (this.#state !== "gone") this.session.bell.wake();
  }

  // ── The control pipe, as a task of the reactor ─────────────────────────────────────────────────────────────────

  queued = false;

  run(): void {
    if (this.#state !== "attached" || this.#lines.held || this.#parked) return;
    if (!this.mayRun) {
      this.ready.put(this);
      return;
    }
    const before = this.session.controlMoved;
    try {
      if (this.session.stepControl(this, CONTROL_BUDGET)) this.ready.put(this);
    } catch (error) {
      this.fail(error);
    }
    this.worked(this.session.controlMoved !== before);
  }

  /**
   * Looks at all that is pending. Streams that could not run in this slice, or have more to do, are in the ready queue, as
   * those are that waited there before: then the request goes behind them, and is not refused before their turn was (CTL-3).
   */
  makeRoom(): boolean {
    const { pending } = this.session;
    // What was taken before, then what is marked by now, and no more: the guest may mark without end. Bit 0 is about requests
    // that are read next, before the control pipe comes to rest.
    while (pending.kept) this.#runPending();
    this.#runPending();
    while (pending.kept) this.#runPending();
    if (this.#state !== "attached") return false;
    return this.ready.length === 0 && !this.#lines.held;
  }

  /** A line that a request caused may have been one too many for now, or the slice may be used up. */
  mayServe(): boolean {
    return !this.#lines.held && this.mayGoOn();
  }

  getArgs(): Args {
    return this.#policy.args;
  }

  log(level: number, text: string): void {
    this.#lines.post({ kind: "log", guest: this.name, level, text });
  }

  exit(code: number): void {
    this.#lines.post({ kind: "exit", guest: this.name, code });
  }

  explain(protocol: number, body: Uint8Array): Verdict {
    const { allowed, rule, reason } = explain(this.#policy.matcher, this.host.ownPorts, protocol, body);
    if (allowed || this.#policy.policy.refusals === "explain") {
      return { allowed, rule, reason: shorten(reason) };
    }
    return { allowed: false, rule: "", reason: "" };
  }

  // ── Streams ───────────────────────────────────────────────────────────────────────────────────────────────────

  /** The stream with this id and generation, if it is open. */
  find(id: number, generation: number): Stream | undefined {
    const stream = this.#stream(id);
    return stream !== undefined && stream.pipe.generation === generation ? stream : undefined;
  }

  /** The pipe is through; its slot and its pages are free. */
  release(stream: Stream): void {
    if (this.#streams[stream.id] !== stream) return;
    this.#streams[stream.id] = undefined;
    this.session.release(stream.pipe);
    this.host.counters.add(Counter.streams, -1);
  }

  /** A relay has let go of its stream. */
  streamEnded(stream: Stream): void {
    if (this.#state === "lingering" && this.#lingering.delete(stream)) this.#closeWhenFlushed();
  }

  countToHost(bytes: number): void {
    this.host.counters.add(Counter.bytesToHost, bytes);
  }

  countToGuest(bytes: number): void {
    this.host.counters.add(Counter.bytesToGuest, bytes);
  }

  /** What the guest is told of a refusal. A denial is in the audit log before that: there is no other way to tell it. */
  answer(refusal: Refusal): Refusal {
    if (isDenial(refusal)) this.audit(refusal);
    return told(refusal, this.#policy.policy);
  }

  /** A line for the audit log alone: of an address that was left out, where others of its name serve. */
  audit(denial: Denial): void {
    this.host.counters.add(Counter.refusals);
    this.#lines.post({ kind: "refused", ...denial });
  }

  warn(reason: string): void {
    this.#lines.post({ kind: "warning", guest: this.name, reason });
  }

  /** One line for a violation on a stream, or on the guest's own words (stream 0). */
  reportViolation(error: ProtocolError, stream: number): void {
    this.host.counters.add(Counter.violations);
    const { clause, message: reason } = error;
    this.#lines.post({ kind: "violation", guest: this.name, stream, clause, reason });
    if (stream === 0) return;
    this.#looked(VIOLATION_LOOKS);
    if (++this.#streamViolations === STREAM_VIOLATIONS_MAX) {
      this.#end(Violation.QUOTA, `${STREAM_VIOLATIONS_MAX} violations on streams`);
    }
  }

  /** Something went wrong while this guest was served: its own violation, or a bug of ours that must not hurt others. */
  fail(error: unknown): void {
    if (this.#state === "gone") return;
    if (error instanceof ProtocolError) {
      this.reportViolation(error, 0);
      this.#end(error.violation, error.message);
    } else {
      const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
      this.#lines.post({ kind: "bug", guest: this.name, stack });
      this.close("internal error");
    }
  }

  /** The stream's host side, made when the guest's first signal for it is taken. */
  #stream(id: number): Stream | undefined {
    const pipe = this.session.pipe(id);
    const known = this.#streams[id];
    if (pipe === undefined || known?.pipe === pipe) return known;
    const stream = new Stream(this, pipe);
    this.#streams[id] = stream;
    stream.become(new OpeningRelay(stream));
    this.host.counters.add(Counter.streams);
    this.host.counters.add(Counter.streamsOpened);
    return stream;
  }

  // ── Life ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Disk workers that have addresses inside the region. */
  #pins = 0;

  pinned(change: number): void {
    this.#pins += change;
    // A new epoch waited for them: it gives the same pages out anew.
    if (this.#pins === 0 && this.gone) this.#link.settled?.();
    if (this.#pins === 0 && !this.departed && this.session.attachRequested) this.#checkGuest();
  }

  onBell(): void {
    this.host.counters.add(Counter.bells);
    this.#looked(1);
    this.#checkGuest();
    this.reactor.charge(this);
  }

  #checkGuest(): void {
    if (this.departed || this.#lines.held || this.#leaving !== undefined) return;
    try {
      // A guest that is quick has rung once for several changes: at most these three.
      for (let changes = 0; changes < 3; changes++) {
        switch (this.session.checkGuest(this.#letGo)) {
          case "reset":
            this.#looked(ATTACH_LOOKS);
            this.#streamViolations = 0;
            continue;
          case "attached":
            this.#attached();
            continue;
          case "detached":
            this.#depart("the guest detached");
            return;
          case undefined:
            return;
        }
      }
    } catch (error) {
      this.fail(error);
    }
  }

  /** What an epoch holds goes before the next begins, and all of it: the new one may want the same ports and files. */
  readonly #letGo = (): boolean => {
    this.#abandonStreams();
    return this.#pins === 0;
  };

  #attached(): void {
    this.#state = "attached";
    this.reactor.cancel(this.#attachLimit);
    this.host.counters.add(Counter.guestsAttached);
    this.#lines.post({ kind: "attached", guest: this.name });
    this.ready.put(this);
  }

  onHangup(): void {
    // Its last bell may still be in the same batch of events.
    this.#checkGuest();
    this.#depart("the guest hung up");
    this.reactor.charge(this);
  }

  onGarbage(): void {
    this.fail(new ProtocolError(Violation.SUPERBLOCK, "HEL-3", "the guest wrote to the attach socket"));
  }

  /** Ends the guest for what it did (ERR-4). */
  #end(violation: Violation, reason: string): void {
    if (this.#state === "gone") return;
    this.session.fail(violation);
    this.close(`protocol violation: ${reason}`);
  }

  /** The guest left. What it ended in order may still flow for a while; the rest is reset now. */
  #depart(reason: string): void {
    if (this.departed || this.#leaving !== undefined) return;
    this.#link.hangUp();
    this.#departure = reason;
    if (this.#state !== "attached") {
      this.#linger();
      return;
    }
    this.#leaving = {
      queued: false,
      run: () => this.#leave(),
    };
    this.#leftMs = performance.now();
    this.#limitLeaving(LEAVING_MS_MAX);
    this.#leave();
  }

  /** From now on, for lingerMs and no longer than `mostMs`. */
  #limitLeaving(mostMs: number): void {
    this.reactor.cancel(this.#leavingLimit);
    this.#leavingOver = false;
    this.#leavingLimit = this.reactor.after(Math.min(this.host.lingerMs, mostMs), () => {
      this.#leavingOver = true;
    });
  }

  /**
   * What the guest did before it left may not have been looked at. For a limited time: it may have shared its memory with
   * somebody who goes on ringing.
   */
  #leave(): void {
    if (this.#state !== "attached" || this.#lines.held) return;
    this.run();
    this.scan();
    if (this.gone || this.#lines.held) return;
    const more = this.ready.length > 0 || this.session.pending.pending();
    if (more && !this.#leavingOver) this.ready.put(this.#leaving!);
    else this.#linger();
  }

  #linger(): void {
    this.#state = "lingering";
    this.reactor.cancel(this.#leavingLimit);
    this.reactor.after(this.host.lingerMs, () => this.perform(() => this.close(this.#departure)));
    this.#sorting = true;
    const sort = (stream: Stream): void => {
      if (stream.relay === undefined || this.gone) return;
      if (this.#endedInOrder(stream)) this.#lingering.add(stream);
      else stream.abandon();
    };
    new Dropping(this, [...this.#streams], sort, () => {
      this.#sorting = false;
      this.#closeWhenFlushed();
    }).run();
  }

  /** Streams that it has ended in order, and that still flow. */
  readonly #lingering: Set<Stream> = new Set();
  /** Not all of its streams have been looked at for that. */
  #sorting = false;

  #closeWhenFlushed(): void {
    if (!this.#sorting && this.#lingering.size === 0) this.close(this.#departure);
  }

  #departure = "";
  /** It has left, and what it did before is being looked at: in a later turn, or once it is held no more. */
  #leaving: Task | undefined;
  #leftMs = 0;
  #leavingLimit: Timer | undefined;
  #leavingOver = false;

  #endedInOrder(stream: Stream): boolean {
    try {
      return stream.pipe.toHost.peerClosed() === Closed.END;
    } catch {
      return false;
    }
  }

  /** Counts what was given up as a whole: a stream of an earlier one is void at once, before its relay has let go. */
  get epoch(): number {
    return this.#epoch;
  }

  #epoch = 0;
  /** Under way. */
  readonly #droppings: Set<Dropping> = new Set();

  /**
   * Lets go of all streams, in slices; their memory is in use until that is done. They are void before the first lets go: one
   * relay may end another's stream, as a listener does with those that are posted to it.
   */
  #abandonStreams(): void {
    const streams = this.#streams;
    if (streams.length === 0) return;
    this.#streams = [];
    this.#epoch++;
    this.pinned(1);
    const drop = (stream: Stream): void => {
      this.host.counters.add(Counter.streams, -1);
      stream.abandon();
    };
    const dropping = new Dropping(this, streams, drop, () => {
      this.#droppings.delete(dropping);
      this.pinned(-1);
      this.#closeWhenDropped();
    });
    this.#droppings.add(dropping);
    dropping.run();
  }

  /** The monitor is stopping: what is open may finish, nothing new begins. */
  drain(): void {
    if (this.departed) return;
    this.session.drain();
    for (const stream of this.#streams) stream?.relay?.drain?.();
  }

  /** Streams whose bytes are under way. */
  get transfers(): number {
    let count = 0;
    for (const stream of this.#streams) if (stream?.relay?.transfers) count++;
    return count;
  }

  /** All is let go of, and the reactor serves it no more. */
  #closed = false;
  #reason = "";

  /** Ends the guest: every socket and file of it is closed, its memory goes when no disk work is left in it. */
  close(reason: string): void {
    if (this.#state === "gone") return;
    this.#state = "gone";
    this.#reason = reason;
    // Settled at the end, whatever disk work is given up on the way.
    this.pinned(1);
    this.#abandonStreams();
    this.#closeWhenDropped();
  }

  /** The same where this thread fails, and there are no later turns: all of its streams are let go of. */
  closeNow(reason: string): void {
    try {
      this.close(reason);
    } finally {
      for (const dropping of [...this.#droppings]) dropping.finish();
    }
  }

  #closeWhenDropped(): void {
    if (this.#state !== "gone" || this.#droppings.size > 0 || this.#closed) return;
    this.#closed = true;
    this.reactor.cancel(this.#attachLimit);
    // Answers that wait for their turn: what they hold is given back.
    while (this.ready.length > 0) this.ready.runFirst();
    this.reactor.removeGuest(this);
    this.account.leave();
    this.session.leave();
    this.#link.close();
    this.#policy.release();
    this.host.guestGone(this);
    this.#lines.post({ kind: "detached", guest: this.name, reason: this.#reason });
    this.pinned(-1);
  }
}
