// One attached guest at work: takes what is pending, steps those streams, sleeps; and ends everything when the
// monitor goes.
//
// The host is told that this side sleeps only while it does (BellReceiver.prepareSleep), so a bell comes only then.
// After activity the engine may look again for a while before it sleeps (busyPollUs).
//
// Invariant: once #ended is set, no stream is open, no call is pending, and the region is not touched again.

import { GuestSession, PAGE_BYTES, ProtocolError, type RegionMemory, violationName } from "@ringway/control";
import { yieldProcessor } from "@ringway/linux";
import type { GuestBell } from "../attach/bell.ts";
import { detachedError, RingwayError, resetError } from "../errors.ts";
import { BusyPoll } from "./busy-poll.ts";
import { ControlClient, type ControlEngine } from "./control-client.ts";
import { type Resource, Room } from "./room.ts";
import type { Stream } from "./stream.ts";

/** RINGWAY_DEBUG=invariants: what heads of files promise of private state is checked after each look at the region. */
const CHECKS_INVARIANTS: boolean = (process.env.RINGWAY_DEBUG ?? "").split(",").includes("invariants");
/** Rounds of take-and-step before Node's loop has its turn. */
const ROUNDS = 8;

export class Engine implements ControlEngine {
  readonly session: GuestSession;
  readonly control: ControlClient;
  readonly room: Room;
  /** Those that listen. */
  readonly servers: Set<{ close(): void }> = new Set();
  readonly #bell: GuestBell;
  readonly #busy: BusyPoll;
  readonly #streams: (Stream | undefined)[] = [];
  readonly #ids: Uint16Array = new Uint16Array(1024);
  /** Streams that used up their budget. */
  readonly #again: Set<Stream> = new Set();
  #asleep = false;
  #scheduled = false;
  #holds = 0;
  #ended: Error | undefined;
  #onEnd: (error: Error | undefined) => void = () => {};
  #onAttached: (() => void) | undefined;
  #lingering = 0;
  #onQuiet: (() => void)[] = [];

  /** `waitMs` is for the room. */
  constructor(memory: RegionMemory, bell: GuestBell, busyPollUs: number, waitMs: number) {
    this.session = new GuestSession(memory, bell);
    this.control = new ControlClient(this);
    this.room = new Room({
      waitMs,
      regionPages: () => this.session.regionBytes / PAGE_BYTES,
      hold: () => this.hold(),
      unhold: () => this.unhold(),
    });
    this.#bell = bell;
    this.#busy = new BusyPoll(busyPollUs);
  }

  /** Starts to attach; `onAttached` and `onEnd` are called once each at most. */
  start(onAttached: () => void, onEnd: (error: Error | undefined) => void): void {
    this.#onAttached = onAttached;
    this.#onEnd = onEnd;
    this.#bell.listen({ bell: () => this.run(), gone: (reason) => this.#gone(reason) });
    this.session.attach();
  }

  /** Why the guest is not attached any more; undefined while it is. */
  get ended(): Error | undefined {
    return this.#ended;
  }

  /** Throws where the guest is detached. */
  check(): void {
    if (this.#ended === undefined) return;
    if (this.#ended instanceof ProtocolError) throw this.#ended;
    throw detachedError(this.#ended);
  }

  /** Something is in progress that should keep the process alive. */
  hold(): void {
    if (this.#holds++ === 0) this.#bell.ref?.();
  }

  unhold(): void {
    if (--this.#holds === 0) this.#bell.unref?.();
  }

  addStream(stream: Stream): void {
    this.room.take(stream.rings);
    this.#streams[stream.id] = stream;
  }

  /** `held`: as for Room.give(). */
  removeStream(stream: Stream, held: Resource | undefined): void {
    this.#again.delete(stream);
    this.session.forget(stream.pipe);
    if (this.#streams[stream.id] !== stream) return;
    this.#streams[stream.id] = undefined;
    this.room.give(stream.rings, held);
  }

  /** Counts streams whose last bytes the host has not taken yet: close() waits for them. */
  linger(by: 1 | -1): void {
    this.#lingering += by;
    if (this.#lingering > 0) return;
    for (const resolve of this.#onQuiet.splice(0)) resolve();
  }

  /** Resolves when no stream lingers. */
  quiet(): Promise<void> {
    if (this.#lingering === 0) return Promise.resolve();
    return new Promise((resolve) => this.#onQuiet.push(resolve));
  }

  /** This side has just given the host something to do, and an answer may come soon. */
  signal(id: number): void {
    this.session.bell.signal(id);
    this.#stayAwake();
  }

  /** Steps the stream again, after others had their turn. */
  stepAgain(stream: Stream): void {
    this.#again.add(stream);
    this.#schedule();
  }

  /** Takes and steps until nothing is pending, then sleeps. */
  run(): void {
    if (this.#ended !== undefined) return;
    this.#guard(() => {
      this.#rounds();
      if (CHECKS_INVARIANTS) this.session.invariants();
    });
  }

  #rounds(): void {
    if (!this.#pollSuperblock()) return;
    const { pending } = this.session;
    if (this.#asleep) {
      this.#asleep = false;
      pending.awake();
    }
    for (let round = 0; round < ROUNDS; round++) {
      const count = pending.take(this.#ids);
      if (count === 0 && this.#again.size === 0) {
        if (this.#busy.look()) {
          // What is waited for may need this processor.
          yieldProcessor();
          this.#busy.yielded();
          break;
        }
        this.#asleep = true;
        if (pending.prepareSleep()) return;
        this.#asleep = false;
        continue;
      }
      this.session.beat();
      this.#busy.found();
      for (let i = 0; i < count; i++) this.#step(this.#ids[i]!);
      if (this.#ended !== undefined) return;
      if (this.#again.size > 0) {
        const again = [...this.#again];
        this.#again.clear();
        for (const stream of again) this.#step(stream.id);
        if (this.#ended !== undefined) return;
        break;
      }
      if (!this.#pollSuperblock()) return;
    }
    this.#schedule();
  }

  /** False: nothing of the region may be touched (yet, or any more). */
  #pollSuperblock(): boolean {
    const { session } = this;
    const before = session.state;
    const state = session.poll();
    if (state === "attached") {
      if (before === "attached") return true;
      const onAttached = this.#onAttached;
      this.#onAttached = undefined;
      onAttached?.();
      return true;
    }
    if (state === "lost") this.#end(resetError("read", new Error("the monitor ended this epoch")));
    else if (state === "failed") this.#blamed();
    return false;
  }

  #step(id: number): void {
    if (this.#ended !== undefined) return;
    this.#guard(() => {
      if (id === 0) this.control.step();
      else this.#streams[id]?.step();
    });
  }

  /**
   * A violation by the host ends the guest; what a listener of the program throws is the program's, and is thrown to
   * it.
   */
  #guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      if (error instanceof ProtocolError) this.fail(error);
      else {
        process.nextTick(() => {
          throw error;
        });
      }
    }
  }

  /** Runs what touches the region outside of run(): a violation found there ends the guest too. */
  touch(work: () => void): void {
    if (this.#ended === undefined) this.#guard(work);
  }

  #stayAwake(): void {
    if (this.#ended !== undefined || !this.#busy.restart()) return;
    this.#schedule();
    if (this.#asleep) {
      this.#asleep = false;
      this.session.pending.awake();
    }
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.run();
    });
  }

  /** The bell hung up. The superblock first: a monitor that ended this guest for a violation says so there (ATT-9). */
  #gone(reason: Error): void {
    const { session } = this;
    if (this.#ended === undefined && session.state === "attached") {
      this.#guard(() => {
        if (session.poll() === "failed") this.#blamed();
      });
    }
    this.#end(reason);
  }

  /** The monitor says that this guest broke the protocol (ERR-4). */
  #blamed(): void {
    const violation = violationName(this.session.violation);
    this.#end(
      new RingwayError("ERR_RINGWAY_VIOLATION", `the monitor ended this guest for a violation: ${violation}`),
    );
  }

  /** The monitor is gone, or broke the protocol: every stream and call fails with `error` or because of it. */
  fail(error: Error): void {
    this.#end(error);
  }

  /** Leaves on the guest's own wish. */
  detach(): void {
    if (this.#ended !== undefined) return;
    this.session.detach();
    this.#end(undefined);
  }

  #end(error: Error | undefined): void {
    if (this.#ended !== undefined) return;
    this.#ended = error ?? detachedError();
    this.#onAttached = undefined;
    // What was under way: a violation as it is; ECONNRESET when the monitor went; a plain end when this guest leaves.
    const lost =
      error === undefined || error instanceof ProtocolError ? this.#ended : resetError("read", this.#ended);
    const streams = this.#streams.splice(0);
    this.#again.clear();
    for (const stream of streams) {
      if (stream !== undefined) this.#each(() => stream.lost(lost));
    }
    this.#each(() => this.control.lost(lost));
    this.#each(() => this.room.lost(lost));
    this.#bell.close();
    for (const resolve of this.#onQuiet.splice(0)) resolve();
    this.#each(() => this.#onEnd(error));
  }

  #each(work: () => void): void {
    try {
      work();
    } catch (error) {
      process.nextTick(() => {
        throw error;
      });
    }
  }
}
