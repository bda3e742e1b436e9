// What host and guest have in common: a queue of streams to look at, a bell, sleep, and times at which something goes
// on by itself. A turn does one thing; any number of the other side's turns may come between two, and within one.

import type { BellReceiver } from "@ringway/control";
import type { SimulatedBell } from "./bell.ts";
import type { Random } from "./random.ts";

/** What a side knows of the world. */
export interface Surroundings {
  readonly random: Random;
  now(): number;
  note(event: string): void;
  /** A host has begun this epoch, or the guest attached to it: it is later than any that this side has known. */
  newEpoch(side: "host" | "guest", epoch: number): void;
}

export abstract class Side {
  /** Turns before this one are lost to a stall. */
  stalledUntil = 0;
  asleep = false;
  /** The production code under test. */
  abstract readonly session: { invariants(): void };
  protected readonly world: Surroundings;
  protected readonly bell: SimulatedBell;
  protected ready: Set<number> = new Set();
  #timers: { readonly at: number; readonly then: () => void }[] = [];
  readonly #ids: Uint16Array = new Uint16Array(64);

  constructor(world: Surroundings, bell: SimulatedBell) {
    this.world = world;
    this.bell = bell;
    // Who starts looks once, whatever was rung before.
    bell.arrived = true;
  }

  /** Would a turn do anything now? */
  get able(): boolean {
    const now = this.world.now();
    if (this.stalledUntil > now) return false;
    return !this.asleep || this.bell.arrived || this.#timers.some(({ at }) => at <= now);
  }

  /** The next moment at which something happens here by itself. */
  get nextAt(): number | undefined {
    const times = this.#timers.map(({ at }) => at);
    if (this.stalledUntil > this.world.now()) times.push(this.stalledUntil);
    return times.length === 0 ? undefined : Math.min(...times);
  }

  after(turns: number, then: () => void): void {
    this.#timers.push({ at: this.world.now() + turns, then });
  }

  turn(): void {
    if (this.asleep) {
      this.asleep = false;
      if (this.mayTouch) this.receiver.awake();
      if (this.bell.take()) this.onBell();
    }
    this.#runTimers();
    // A side that is awake looks at its bell from time to time only (BELL-9).
    if (this.bell.arrived && this.world.random.once(4)) {
      this.bell.take();
      this.onBell();
    } else if (!this.mayTouch) this.asleep = true;
    else if (this.ready.size > 0) this.#stepOne();
    else this.#takeOrSleep();
  }

  /** May the region beyond the superblock be touched? */
  protected abstract get mayTouch(): boolean;
  protected abstract get receiver(): BellReceiver;
  /** Looks at the superblock. */
  protected abstract onBell(): void;
  /** Goes on with a stream. True: there is more to do. */
  protected abstract step(id: number): boolean;
  /** Before it looks for more. */
  protected abstract flush(): void;

  protected forgetWork(): void {
    this.ready.clear();
    this.#timers = [];
  }

  #runTimers(): void {
    if (this.#timers.length === 0) return;
    const now = this.world.now();
    const due = this.#timers.filter(({ at }) => at <= now);
    if (due.length === 0) return;
    this.#timers = this.#timers.filter(({ at }) => at > now);
    for (const { then } of due) then();
  }

  #stepOne(): void {
    const { random } = this.world;
    let id = this.ready.values().next().value!;
    if (this.ready.size > 1 && random.once(3)) id = random.pick([...this.ready]);
    this.ready.delete(id);
    if (this.step(id)) this.ready.add(id);
  }

  #takeOrSleep(): void {
    this.flush();
    const room = this.world.random.pick([1, 2, 64]);
    const count = this.receiver.take(this.#ids.subarray(0, room));
    for (const id of this.#ids.subarray(0, count)) this.ready.add(id);
    if (count === 0 && this.ready.size === 0) this.asleep = this.receiver.prepareSleep();
  }
}
