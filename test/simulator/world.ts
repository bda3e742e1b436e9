// The simulated world: two sides on one region, time in turns, and everything that may go wrong.
//
// Each step gives one side one turn. Within a turn, at any atomic access, the other side may have turns of its own, or
// this side may crash. Bells come late, merged, or from nowhere. Either side stalls, crashes and starts anew over the
// same memory, leaves and comes back. Now and then all faults stop; then everything must come to its end, in bounded
// time, and nothing may be left over.
//
// Every so often somebody looks on, in the middle of a turn, and must find nothing wrong with what both sides have
// written.
//
// Invariant at all times: while there is work, somebody is able to go on, or something is under way that makes him so.

import {
  GuestState,
  HostState,
  inspectRegion,
  layout,
  loadWord,
  memorySource,
  PAGE_BYTES,
  ProtocolError,
  regionMemory,
} from "@ringway/control";
import { SimulatedBell } from "./bell.ts";
import { Wrong } from "./ends.ts";
import { OUTCOMES, type Outcome, SimulatedGuest } from "./guest.ts";
import { SimulatedHost } from "./host.ts";
import { Crash, Interleaver } from "./interleave.ts";
import { Random } from "./random.ts";
import type { Side, Surroundings } from "./side.ts";

export interface Options {
  readonly seed: number;
  readonly steps: number;
  /** A fault that the protocol does not stand: the simulator must notice. */
  readonly sabotage?: "drops bells" | "flips bytes" | "forgets to take back";
}

export type Report = Record<Outcome | Fault | "epochs" | "settled" | "steps" | "looks", number>;

const FAULTS = [
  "guest crashes",
  "host crashes",
  "host leaves",
  "host drains",
  "guest detaches",
  "stalls",
  "spurious bells",
  "interleavings",
] as const;
type Fault = (typeof FAULTS)[number];

const REGION_BYTES = 640 * 1024;
/** Interleavings for each look of an onlooker, which takes some milliseconds. */
const LOOKS_EVERY = 200;
/** Turns in which everything must be through, once faults have stopped. */
const SETTLE_TURNS_MAX = 100_000;
const EVENTS_KEPT = 40;

export class World implements Surroundings {
  readonly random: Random;
  readonly report: Report;
  readonly #options: Options;
  readonly #memory = regionMemory(new SharedArrayBuffer(REGION_BYTES));
  readonly #interleaver: Interleaver = new Interleaver();
  readonly #toHost: SimulatedBell;
  readonly #toGuest: SimulatedBell;
  #host: SimulatedHost | undefined;
  #guest: SimulatedGuest | undefined;
  /** When a side that has crashed starts anew. */
  #hostAt = 0;
  #guestAt = 0;
  /** Turns, and the time that passed while nobody was able to have one. */
  #now = 0;
  #turns = 0;
  #serial = 0;
  readonly #epochs = { host: 0, guest: 0 };
  #settling = false;
  #events: string[] = [];
  /** The side within whose turn the other has some. */
  #outer: Side | undefined;

  constructor(options: Options) {
    this.#options = options;
    this.random = new Random(options.seed);
    const counts = [...OUTCOMES, ...FAULTS, "epochs", "settled", "steps", "looks"] as const;
    this.report = Object.fromEntries(counts.map((name) => [name, 0])) as Report;
    this.#toHost = new SimulatedBell(this.random, () => this.#now);
    this.#toGuest = new SimulatedBell(this.random, () => this.#now);
  }

  now(): number {
    return this.#now;
  }

  note(event: string): void {
    this.#events.push(`turn ${this.#turns}: ${event}`);
    if (this.#events.length > EVENTS_KEPT) this.#events.shift();
  }

  newEpoch(side: "host" | "guest", epoch: number): void {
    // Apart: a guest may still be learning of an epoch when a new host has ended it.
    const last = this.#epochs[side];
    if (epoch <= last) throw new Wrong(`the ${side} is in epoch ${epoch} after epoch ${last}`);
    this.#epochs[side] = epoch;
  }

  /** Runs to the end. Throws what is wrong, with the seed and the last events. */
  run(): Report {
    const restore = this.#interleaver.install();
    try {
      while (this.#turns < this.#options.steps) {
        this.#step();
        if (this.random.once(10_000)) this.#settle();
      }
      this.#settle();
    } catch (error) {
      throw this.#failure(error);
    } finally {
      restore();
    }
    this.report.steps = this.#turns;
    this.report.epochs = loadWord(this.#memory, layout.SB_EPOCH);
    return this.report;
  }

  // ── Time ──────────────────────────────────────────────────────────────────────────────────────────────────────

  #step(): void {
    this.#faults();
    this.#restart();
    this.#toHost.turn();
    this.#toGuest.turn();
    const able = [this.#host, this.#guest].filter((side) => side?.able) as Side[];
    if (able.length > 0) {
      this.#now++;
      this.#turn(this.random.pick(able));
    } else this.#passTime();
  }

  /** Nobody can go on now: on to the next moment at which somebody can. */
  #passTime(): void {
    const times = [
      this.#toHost.dueAt,
      this.#toGuest.dueAt,
      this.#host === undefined ? this.#hostAt : this.#host.nextAt,
      this.#guest === undefined ? this.#guestAt : this.#guest.nextAt,
    ].filter((at) => at !== undefined);
    if (times.length > 0) {
      this.#now = Math.max(this.#now + 1, Math.min(...times));
      return;
    }
    if (this.#guest?.busy) {
      throw new Wrong(`a bell is lost: there is work, and both sides sleep. ${this.#guest.describe()}`);
    }
    // At rest: only the program in the guest can bring life.
    this.#now++;
    if (!this.#settling) this.#guest?.act();
  }

  #turn(side: Side): void {
    this.#turns++;
    this.#guard(side, () => {
      if (!this.#settling && this.random.once(4)) this.#armInterleaving(side);
      side.turn();
    });
    this.#interleaver.disarm();
  }

  /** Runs a side's code; it may crash within. */
  #guard(side: Side, code: () => void): void {
    try {
      code();
      side.session.invariants();
    } catch (error) {
      if (!(error instanceof Crash)) throw error;
      this.#bury(side);
    }
  }

  /** At some access of this turn the other side comes in between, or this side crashes. */
  #armInterleaving(side: Side): void {
    const { random } = this;
    const accesses = 1 + random.skewed(random.once(16) ? 3000 : 20);
    if (random.once(500)) {
      this.#interleaver.arm(accesses, () => {
        throw new Crash();
      });
      return;
    }
    this.#interleaver.arm(accesses, () => {
      if (++this.report.interleavings % LOOKS_EVERY === 0) this.#lookOn();
      this.#outer = side;
      for (let turns = 1 + random.skewed(12); turns > 0; turns--) {
        this.#faults();
        this.#restart();
        this.#toHost.turn();
        this.#toGuest.turn();
        const other = side === this.#host ? this.#guest : this.#host;
        if (!other?.able) break;
        this.#now++;
        this.#turns++;
        this.#guard(other, () => {
          if (random.once(200)) {
            this.#interleaver.arm(1 + random.below(20), () => {
              throw new Crash();
            });
          }
          other.turn();
        });
        this.#interleaver.disarm();
      }
      this.#outer = undefined;
    });
  }

  /** Both sides keep to the protocol, at every moment: an onlooker finds nothing (ringway inspect). */
  #lookOn(): void {
    // Between a host's first words and its last there is no region yet.
    if (loadWord(this.#memory, layout.SB_MAGIC_LOW) !== layout.MAGIC_LOW) return;
    const { findings } = inspectRegion(memorySource(this.#memory.bytes));
    this.report.looks++;
    for (const { clause, where, what } of findings) throw new Wrong(`${where}: ${what} (${clause})`);
  }

  // ── Faults ────────────────────────────────────────────────────────────────────────────────────────────────────

  #faults(): void {
    if (this.#settling) return;
    const { random, report } = this;
    if (random.once(100)) this.#guest?.act();
    // An attach under way is what a crash may hurt most.
    const attaching = this.#guest?.session.state === "waiting";
    if (!random.once(attaching ? 10 : 50)) return;
    if (random.once(4)) {
      report["spurious bells"]++;
      random.pick([this.#toHost, this.#toGuest]).arrived = true;
    }
    if (random.once(8)) this.#sabotage();
    // Not the side that stands within its turn now: it crashes by itself only.
    const host = this.#host === this.#outer ? undefined : this.#host;
    const guest = this.#guest === this.#outer ? undefined : this.#guest;
    const side = random.pick<Side | undefined>([host, guest]);
    if (side !== undefined && random.once(4)) {
      report.stalls++;
      side.stalledUntil = this.#now + random.skewed(2000);
    }
    switch (random.below(attaching ? 20 : 400)) {
      case 0:
      case 1:
        if (side !== undefined) this.#bury(side);
        break;
      case 2:
        if (host === undefined) break;
        report["host leaves"]++;
        this.note("the host leaves");
        host.session.leave();
        this.#bury(host);
        break;
      case 3:
        if (host?.session.state !== HostState.READY) break;
        report["host drains"]++;
        this.note("the host drains");
        host.session.drain();
        break;
      case 4:
      case 5:
        if (guest?.session.state !== "attached") break;
        report["guest detaches"]++;
        guest.detach();
    }
    // Who drains goes for good before long.
    if (host?.session.state === HostState.DRAINING && random.once(60)) this.#bury(host);
  }

  /** What the protocol does not stand. */
  #sabotage(): void {
    const { random } = this;
    if (this.#options.sabotage === "drops bells") random.pick([this.#toHost, this.#toGuest]).lose();
    // Somewhere in the data of the first streams.
    if (this.#options.sabotage === "flips bytes" && this.#host !== undefined) {
      const first = (REGION_BYTES / PAGE_BYTES - this.#host.allPages) * PAGE_BYTES;
      this.#memory.bytes[first + PAGE_BYTES + random.below(4 * PAGE_BYTES)]! ^= 1;
    }
  }

  /** A side is gone, in the middle of whatever it did; so is what was under way to it. */
  #bury(side: Side): void {
    const startsAt = this.#now + this.random.skewed(500);
    if (side === this.#host) {
      this.report["host crashes"]++;
      this.note("the host is gone");
      this.#host = undefined;
      this.#hostAt = startsAt;
      this.#toHost.lose();
    } else {
      this.report["guest crashes"]++;
      this.note("the guest is gone");
      this.#guest = undefined;
      this.#guestAt = startsAt;
      this.#toGuest.lose();
    }
  }

  #restart(): void {
    if (this.#host === undefined && this.#hostAt <= this.#now) {
      this.#host = new SimulatedHost(this, this.#memory, this.#toHost, this.#toGuest);
      if (this.#options.sabotage === "forgets to take back") this.#host.session.release = (): void => {};
    }
    // The region is the guest's once a host has made it.
    const made = loadWord(this.#memory, layout.SB_MAGIC_LOW) === layout.MAGIC_LOW;
    if (this.#guest === undefined && this.#guestAt <= this.#now && made) {
      this.#guest = new SimulatedGuest(
        this,
        this.#memory,
        this.#toGuest,
        this.#toHost,
        (outcome) => this.report[outcome]++,
        () => ++this.#serial,
      );
    }
  }

  // ── Quiet ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** No more faults and nothing new: all that was begun comes to its end, and leaves nothing. */
  #settle(): void {
    this.#settling = true;
    const before = this.#turns;
    for (let quiet = false; !quiet; ) {
      if (this.#turns - before > SETTLE_TURNS_MAX) {
        throw new Wrong(`no end after ${SETTLE_TURNS_MAX} turns without faults. ${this.#guest?.describe()}`);
      }
      if (this.#guest !== undefined) this.#guest.resting = true;
      this.#step();
      quiet = this.#quiet();
    }
    this.#checkQuiet();
    if (this.#guest !== undefined) this.#guest.resting = false;
    this.#settling = false;
    this.report.settled++;
  }

  #quiet(): boolean {
    const { asleep: hostAsleep, nextAt: hostNext } = this.#host ?? {};
    const { asleep: guestAsleep, nextAt: guestNext } = this.#guest ?? {};
    if (!hostAsleep || !guestAsleep || this.#toHost.arrived || this.#toGuest.arrived) return false;
    if (this.#toHost.dueAt !== undefined || this.#toGuest.dueAt !== undefined) return false;
    return hostNext === undefined && guestNext === undefined;
  }

  #checkQuiet(): void {
    const host = this.#host!;
    const guest = this.#guest!;
    const demand = (claim: boolean, what: string): void => {
      if (!claim) throw new Wrong(`all is quiet, but ${what}. ${guest.describe()}`);
    };
    demand(!guest.busy, "the guest waits for something");
    demand(guest.session.state === "attached" && host.session.attached, "the sides are not attached");
    demand(guest.session.epoch === host.session.epoch, "the sides are in different epochs");
    demand(loadWord(this.#memory, layout.SB_GUEST_STATE) === GuestState.ATTACHED, "the guest's state is not");
    demand(host.session.openStreams === 0, `${host.session.openStreams} streams are open at the host`);
    demand(
      host.session.freePages === host.allPages,
      `${host.allPages - host.session.freePages} pages are taken`,
    );
    for (const [area, name] of [
      [layout.BELL_TO_HOST, "host"],
      [layout.BELL_TO_GUEST, "guest"],
    ] as const) {
      const at = PAGE_BYTES + area;
      const word = (offset: number): number => loadWord(this.#memory, at + offset);
      demand(word(layout.BELL_ASLEEP) === 1, `the ${name} sleeps and does not say so`);
      demand(word(layout.BELL_TOP) === 0, `top for the ${name} is set`);
      for (let i = 0; i < 32; i++)
        demand(word(layout.BELL_MIDDLE + 4 * i) === 0, `a middle bit for the ${name} is set`);
      for (let i = 0; i < 1024; i++)
        demand(word(layout.BELL_LEAF + 4 * i) === 0, `a leaf bit for the ${name} is set`);
    }
  }

  #failure(error: unknown): Error {
    const { seed, steps } = this.#options;
    const known = error instanceof Wrong || error instanceof ProtocolError;
    const what = known ? error.message : error instanceof Error ? error.stack : String(error);
    const again = `again with RINGWAY_SEED=${seed} RINGWAY_STEPS=${steps}`;
    return new Error(`turn ${this.#turns}: ${what}\n${again}\n${this.#events.join("\n")}`, { cause: error });
  }
}
