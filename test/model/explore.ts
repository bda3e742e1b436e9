// Every interleaving of some threads' accesses to shared memory, breadth first: so the first thing found to be wrong
// comes with a shortest way to it.
//
// A global state is: where each thread stands, how often each bell has rung, which spurious rings are left, what the
// memory holds. Memory is sequentially consistent, as Atomics are; plain bytes are stepped one by one like any other
// access.
//
// What is proved, for all states that can be reached:
//   - no program sees what must never be (a wrong byte, a false end, an impossible position);
//   - where nobody can go on, everybody is done: no deadlock, no lost wake-up;
//   - the graph has no cycle: every schedule comes to its end, fair or not.

import { type Access, Fiber, type Program } from "./fiber.ts";

export interface System {
  readonly threads: readonly { readonly name: string; readonly program: Program }[];
  readonly bells: readonly string[];
  /** Rings that come from nowhere, at any moment: how many, for each bell. */
  readonly spurious: number;
  /** What memory holds that is not 0 at first, by place. */
  readonly memory: ReadonlyMap<number, number>;
  /**
   * Bytes that a thread accesses one after the other are one step. Right where nothing but a position that was loaded
   * or is yet to be stored says whose they are: that the production's rings keep to this, scenarios without it prove.
   */
  readonly bytesAtOnce?: boolean;
  /** Every place that the threads may access, and its name for traces. */
  readonly places: ReadonlyMap<number, string>;
  /** Everybody is done: what is wrong with the outcome, if anything? */
  check(programs: readonly Program[]): string | undefined;
}

export interface Exploration {
  readonly states: number;
  readonly edges: number;
  /** Accesses in the longest of all schedules. */
  readonly longest: number;
  readonly locals: number;
  /** What is wrong, with the schedule that leads to it. */
  readonly failure: string | undefined;
}

/** More states than a test should take: a scenario's bounds are too large. */
const STATES_MAX = 4_000_000;

export function explore(system: System): Exploration {
  return new Explorer(system).run();
}

class Explorer {
  readonly #system: System;
  readonly #fibers: readonly Fiber[];
  readonly #slots: Map<number, number>;
  readonly #bells: number;
  readonly #spurious: number;
  readonly #memory: number;
  readonly #width: number;
  readonly #states: States;
  /** The state after a move, until it is added: one array for all of them. */
  readonly #next: Int32Array;
  /** How each state was first reached. */
  readonly #parents: Numbers = new Numbers();
  readonly #moves: Numbers = new Numbers();
  /** Edges, grouped by the state that they leave: states are expanded in the order of their numbers. */
  readonly #targets: Numbers = new Numbers();
  readonly #firstEdge: Numbers = new Numbers();

  constructor(system: System) {
    this.#system = system;
    this.#fibers = system.threads.map(({ program }) => new Fiber(program));
    this.#slots = new Map([...system.places.keys()].map((place, slot) => [place, slot]));
    this.#bells = this.#fibers.length;
    this.#spurious = this.#bells + system.bells.length;
    this.#memory = this.#spurious + system.bells.length;
    this.#width = this.#memory + system.places.size;
    this.#states = new States(this.#width);
    this.#next = new Int32Array(this.#width);
  }

  run(): Exploration {
    const first = new Int32Array(this.#width);
    first.fill(this.#system.spurious, this.#spurious, this.#memory);
    for (const [place, slot] of this.#slots) first[this.#memory + slot] = this.#system.memory.get(place) ?? 0;
    this.#states.add(first);
    this.#parents.push(-1);
    this.#moves.push(0);
    let failure: string | undefined;
    for (let state = 0; state < this.#states.count; state++) {
      if (state > STATES_MAX) throw new Error(`more than ${STATES_MAX} states: the bounds are too large`);
      this.#firstEdge.push(this.#targets.count);
      failure = this.#expand(state);
      if (failure !== undefined) break;
    }
    this.#firstEdge.push(this.#targets.count);
    const longest = failure === undefined ? this.#longest() : 0;
    if (longest < 0) failure = "the threads can go on for ever: some schedule comes back to where it was";
    return {
      states: this.#states.count,
      edges: this.#targets.count,
      longest,
      locals: this.#fibers.reduce((sum, fiber) => sum + fiber.locals.length, 0),
      failure,
    };
  }

  #expand(state: number): string | undefined {
    const from = this.#states.get(state);
    let able = false;
    let done = true;
    for (let thread = 0; thread < this.#fibers.length; thread++) {
      const local = this.#fibers[thread]!.locals[from[thread]!]!;
      if (local.wrong !== undefined) return this.#trace(state, local.wrong);
      if (local.access === undefined) continue;
      done = false;
      if (this.#move(state, from, thread, local.access)) able = true;
    }
    if (done) {
      const programs = this.#fibers.map((fiber, thread) => fiber.locals[from[thread]!]!.program);
      const wrong = this.#system.check(programs);
      if (wrong !== undefined) return this.#trace(state, wrong);
    } else if (!able) return this.#trace(state, this.#stuck(from));
    for (let bell = 0; bell < this.#system.bells.length && !done; bell++) {
      if (from[this.#spurious + bell]! === 0) continue;
      const to = this.#after(from);
      to[this.#spurious + bell]!--;
      to[this.#bells + bell] = 1;
      this.#reach(state, to, this.#fibers.length + bell);
    }
    return undefined;
  }

  /** Adds the states after a thread's next access. False: it waits for a bell. */
  #move(state: number, from: Int32Array, thread: number, access: Access): boolean {
    const fiber = this.#fibers[thread]!;
    const local = from[thread]!;
    if (access.kind === "choose") {
      for (let way = 0; way < access.ways; way++) {
        const to = this.#after(from);
        to[thread] = fiber.after(local, way);
        this.#reach(state, to, thread);
      }
      return true;
    }
    if (access.kind === "wait" && from[this.#bells + access.place] === 0) return false;
    const to = this.#after(from);
    to[thread] = fiber.after(local, this.#perform(to, access));
    while (this.#system.bytesAtOnce && isByte(access)) {
      const next = fiber.locals[to[thread]!]!.access;
      if (next === undefined || !isByte(next)) break;
      to[thread] = fiber.after(to[thread]!, this.#perform(to, next));
    }
    this.#reach(state, to, thread);
    return true;
  }

  /** A copy of a state, to be changed. */
  #after(from: Int32Array): Int32Array {
    this.#next.set(from);
    return this.#next;
  }

  /** Changes the state as the access does; what it answers. */
  #perform(to: Int32Array, access: Shared): number {
    if (access.kind === "wait" || access.kind === "ring") {
      // Rings that were not yet taken merge.
      to[this.#bells + access.place] = access.kind === "ring" ? 1 : 0;
      return 0;
    }
    const slot = this.#slots.get(access.place);
    if (slot === undefined) throw new Error(`the scenario names no place ${access.place}`);
    const before = to[this.#memory + slot]!;
    if (access.kind === "or") to[this.#memory + slot] = before | access.value;
    else if ("value" in access) to[this.#memory + slot] = access.value;
    // What a store answers is its value in JavaScript, and nothing that matters.
    return access.kind === "store" || access.kind === "write" ? 0 : before;
  }

  #reach(from: number, to: Int32Array, move: number): void {
    const id = this.#states.add(to);
    if (id === this.#parents.count) {
      this.#parents.push(from);
      this.#moves.push(move);
    }
    this.#targets.push(id);
  }

  /** Length of the longest path; -1 where there is a cycle. */
  #longest(): number {
    const { count } = this.#states;
    const incoming = new Int32Array(count);
    for (let edge = 0; edge < this.#targets.count; edge++) incoming[this.#targets.get(edge)]!++;
    const depth = new Int32Array(count);
    const queue = new Int32Array(count);
    let end = 1;
    for (let at = 0; at < end; at++) {
      const from = queue[at]!;
      for (let edge = this.#firstEdge.get(from); edge < this.#firstEdge.get(from + 1); edge++) {
        const to = this.#targets.get(edge);
        depth[to] = Math.max(depth[to]!, depth[from]! + 1);
        if (--incoming[to]! === 0) queue[end++] = to;
      }
    }
    return end === count ? depth.reduce((longest, each) => Math.max(longest, each), 0) : -1;
  }

  #stuck(state: Int32Array): string {
    const asleep = this.#system.threads.flatMap(({ name }, thread) => {
      const { access, program } = this.#fibers[thread]!.locals[state[thread]!]!;
      return access === undefined ? [] : [`${name} sleeps: ${program.doing}`];
    });
    return `lost wake-up: nobody can go on (${asleep.join("; ")})`;
  }

  /** The schedule that leads to a state, one access a line. */
  #trace(last: number, wrong: string): string {
    const path: number[] = [];
    for (let state = last; state >= 0; state = this.#parents.get(state)) path.unshift(state);
    const lines = path.slice(1).map((state, i) => {
      const before = this.#states.get(path[i]!);
      const move = this.#moves.get(state);
      return `${String(i + 1).padStart(4)}  ${this.#line(before, this.#states.get(state), move)}`;
    });
    const memory = [...this.#system.places.values()].map(
      (name, slot) => `${name}=${this.#states.get(last)[this.#memory + slot]! >>> 0}`,
    );
    return [wrong, ...lines, `      then ${memory.join(" ")}`].join("\n");
  }

  #line(before: Int32Array, after: Int32Array, move: number): string {
    const bell = this.#system.bells[move - this.#fibers.length];
    if (bell !== undefined) return `${"(nobody)".padEnd(10)}${"".padEnd(26)}a spurious ring of ${bell}`;
    const fiber = this.#fibers[move]!;
    const { access } = fiber.locals[before[move]!]!;
    const name = this.#system.threads[move]!.name;
    const where = fiber.where(before[move]!);
    return `${name.padEnd(10)}${where.padEnd(26)}${this.#what(access!, before, after, move)}`;
  }

  #what(access: Access, before: Int32Array, after: Int32Array, thread: number): string {
    if (access.kind === "choose") {
      const { next } = this.#fibers[thread]!.locals[before[thread]!]!;
      const way = [...next].find(([, to]) => to === after[thread])?.[0];
      return `chooses ${way} of 0..${access.ways - 1}`;
    }
    if (access.kind === "ring") return `rings ${this.#system.bells[access.place]}`;
    if (access.kind === "wait") return `is woken by ${this.#system.bells[access.place]}`;
    const name = this.#system.places.get(access.place);
    const was = before[this.#memory + this.#slots.get(access.place)!]! >>> 0;
    const verb = access.kind.padEnd(8);
    if (!("value" in access)) return `${verb} ${name} is ${was}`;
    const value = access.value >>> 0;
    return access.kind === "store" || access.kind === "write"
      ? `${verb} ${name} = ${value}`
      : `${verb} ${name} ${access.kind === "or" ? "|" : ""}= ${value}, was ${was}`;
  }
}

/** An access to what threads share. */
type Shared = Exclude<Access, { readonly kind: "choose" }>;

function isByte(access: Access): access is Shared {
  return access.kind === "read" || access.kind === "write";
}

/** Numbers in one growing typed array. */
class Numbers {
  count = 0;
  #items: Int32Array = new Int32Array(1024);

  push(item: number): void {
    if (this.count === this.#items.length) this.#items = grown(this.#items);
    this.#items[this.count++] = item;
  }

  get(index: number): number {
    return this.#items[index]!;
  }
}

/** Distinct vectors of one width, numbered as they come: an open-addressing table over one flat array. */
class States {
  count = 0;
  readonly #width: number;
  #items: Int32Array;
  #table: Int32Array = new Int32Array(4096);
  /** By number: what differs in it need not be looked at, which lies far apart. */
  readonly #hashes: Numbers = new Numbers();

  constructor(width: number) {
    this.#width = width;
    this.#items = new Int32Array(1024 * width);
  }

  get(id: number): Int32Array {
    return this.#items.subarray(id * this.#width, (id + 1) * this.#width);
  }

  /** The number of an equal vector, or of this one from now on. */
  add(state: Int32Array): number {
    if (this.count * 2 > this.#table.length) this.#rehash();
    const mask = this.#table.length - 1;
    const hash = this.#hash(state);
    for (let at = hash & mask; ; at = (at + 1) & mask) {
      const id = this.#table[at]! - 1;
      if (id < 0) {
        if ((this.count + 1) * this.#width > this.#items.length) this.#items = grown(this.#items);
        this.#items.set(state, this.count * this.#width);
        this.#hashes.push(hash);
        this.#table[at] = ++this.count;
        return this.count - 1;
      }
      if (this.#hashes.get(id) === hash && this.#equal(id, state)) return id;
    }
  }

  #equal(id: number, state: Int32Array): boolean {
    const base = id * this.#width;
    for (let i = 0; i < this.#width; i++) if (this.#items[base + i] !== state[i]) return false;
    return true;
  }

  #hash(state: Int32Array): number {
    let hash = 0x811c9dc5;
    for (let i = 0; i < this.#width; i++) {
      hash = Math.imul(hash ^ state[i]!, 0x01000193);
      hash ^= hash >>> 15;
    }
    return hash;
  }

  #rehash(): void {
    this.#table = new Int32Array(this.#table.length * 2);
    const mask = this.#table.length - 1;
    for (let id = 0; id < this.count; id++) {
      let at = this.#hashes.get(id) & mask;
      while (this.#table[at] !== 0) at = (at + 1) & mask;
      this.#table[at] = id + 1;
    }
  }
}

function grown(items: Int32Array): Int32Array {
  const larger = new Int32Array(items.length * 2);
  larger.set(items);
  return larger;
}
