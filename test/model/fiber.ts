// A thread of the model: ordinary synchronous code that stops before each access to shared memory.
//
// It stops by replay. A thread is a program whose run() does one activation; within it, accesses that were done already
// are answered from a log, and the first that is not throws itself out of the code. Once the explorer has done it, the
// activation runs again, from a copy of the program as it was when the activation began, with one more answer.
//
// What a thread does next depends on nothing but its program's state and that log. So each thread is a finite automaton
// of such local states; they are found once and shared by all the global states in which the thread stands there.

import { BrokenInvariant, ProtocolError } from "@ringway/control";

/** One access to what threads share. A place is a word's index, or -1 - offset for a byte. */
export type Access =
  | { readonly kind: "load" | "read"; readonly place: number }
  | { readonly kind: "store" | "exchange" | "or" | "write"; readonly place: number; readonly value: number }
  | { readonly kind: "ring" | "wait"; readonly place: number }
  | { readonly kind: "choose"; readonly ways: number };

/** Where an activation stands: answers given so far, and those still to be used. */
interface Tape {
  readonly answers: readonly number[];
  used: number;
  /** Where the code stopped, for who asks for that; undefined: nobody does. */
  stack: string | undefined;
}
let tape: Tape | undefined;

/**
 * Thrown out of an activation at its first access without an answer. Nothing may catch it on the way. No Error: to take
 * its stack, which nobody reads, would be most of the work.
 */
class Stop {
  readonly access: Access;
  constructor(access: Access) {
    this.access = access;
  }
}

/** What a program throws when it sees what must never be. */
export class Wrong extends Error {}

function perform(access: Access): number {
  if (tape === undefined) throw new Error("an access outside of a thread");
  if (tape.used < tape.answers.length) return tape.answers[tape.used++]!;
  if (tape.stack !== undefined) tape.stack = new Error().stack;
  throw new Stop(access);
}

/** Objects that all copies of a program share. */
const shared: WeakSet<object> = new WeakSet();
function share<T extends object>(object: T): T {
  shared.add(object);
  return object;
}

const atomics = {
  load: (_: unknown, place: number): number => perform({ kind: "load", place }),
  store: (_: unknown, place: number, value: number): number =>
    perform({ kind: "store", place, value: value | 0 }),
  exchange: (_: unknown, place: number, value: number): number =>
    perform({ kind: "exchange", place, value: value | 0 }),
  or: (_: unknown, place: number, value: number): number => perform({ kind: "or", place, value: value | 0 }),
};

/** Atomics, and at once the Int32Array that they are given: its plain accesses are those of the four bytes. */
export const words = share(
  new Proxy(atomics, {
    get(target, key) {
      if (key in target) return target[key as keyof typeof target];
      let word = 0;
      for (let i = 0; i < 4; i++)
        word |= perform({ kind: "read", place: -1 - (4 * Number(key) + i) }) << (8 * i);
      return word;
    },
    set(_, key, value: number) {
      for (let i = 0; i < 4; i++) {
        perform({ kind: "write", place: -1 - (4 * Number(key) + i), value: (value >>> (8 * i)) & 0xff });
      }
      return true;
    },
  }),
);

const wholeBytes = {
  set(source: Uint8Array, at: number): void {
    for (const [i, value] of source.entries()) perform({ kind: "write", place: -1 - (at + i), value });
  },
  subarray: (from: number, to: number): Uint8Array =>
    Uint8Array.from({ length: to - from }, (_, i) => perform({ kind: "read", place: -1 - (from + i) })),
};

/** What the rings use of a Uint8Array. Every byte is an access of its own. */
export const bytes = share(
  new Proxy(wholeBytes, {
    get(target, key) {
      if (key === "set" || key === "subarray") return target[key];
      return perform({ kind: "read", place: -1 - Number(key) });
    },
    set(_, key, value: number) {
      perform({ kind: "write", place: -1 - Number(key), value: value & 0xff });
      return true;
    },
  }),
);

/** Any number from 0 to ways - 1: the explorer tries all. */
export function choose(ways: number): number {
  return ways === 1 ? 0 : perform({ kind: "choose", ways });
}

/** Waits for bell number `bell`, and takes all its rings at once, as a read of an eventfd does. */
export function waitFor(bell: number): void {
  perform({ kind: "wait", place: bell });
}

/** The doorbell that increments bell number `bell`. */
export function doorbell(bell: number): { ring(): void } {
  return share({ ring: (): void => void perform({ kind: "ring", place: bell }) });
}

/** The model's own words, for what a scenario counts. */
export function store(place: number, value: number): void {
  perform({ kind: "store", place, value });
}
export function load(place: number): number {
  return perform({ kind: "load", place });
}

export abstract class Program {
  /** Nothing more to do, for good. */
  done = false;
  /** Where it stands, for people who read a trace. */
  abstract get doing(): string;
  abstract run(): void;
  /** Throws BrokenInvariant. Called after every activation. */
  invariants(): void {}
}

/** A thread between two accesses. */
export interface Local {
  /** As it was when the activation began; never changed. */
  readonly program: Program;
  readonly log: readonly number[];
  /** The next access; undefined where the thread is done, or has seen what must never be. */
  readonly access: Access | undefined;
  readonly wrong: string | undefined;
  /** Local states by answer. */
  readonly next: Map<number, number>;
}

/** Activations without an access in a row: more is a loop of the program's own. */
const SILENT_MAX = 100;

/** All local states of one thread. */
export class Fiber {
  readonly locals: Local[] = [];
  readonly #ids: Map<string, number> = new Map();
  readonly #programs: Map<string, Program> = new Map();

  constructor(program: Program) {
    this.#enter(program, []);
  }

  /** The local state after `answer` to the access of local state `id`. */
  after(id: number, answer: number): number {
    const { program, log, next } = this.locals[id]!;
    let to = next.get(answer);
    if (to === undefined) {
      to = this.#enter(program, [...log, answer]);
      next.set(answer, to);
    }
    return to;
  }

  /** Which call of the production code makes the access of a local state: done once more, to be looked at. */
  where(id: number): string {
    const { program, log } = this.locals[id]!;
    const looked: Tape = { answers: log, used: 0, stack: "" };
    activate(copy(program), looked);
    return callOf(looked.stack ?? "");
  }

  #enter(from: Program, answers: readonly number[]): number {
    let program = from;
    let log = answers;
    for (let silent = 0; silent < SILENT_MAX; silent++) {
      const running = copy(program);
      const outcome = activate(running, { answers: log, used: 0, stack: undefined });
      if (outcome instanceof Stop) return this.#intern(program, log, outcome.access, undefined);
      if (outcome !== undefined) return this.#intern(program, log, undefined, outcome);
      program = running;
      log = [];
      if (program.done) return this.#intern(program, log, undefined, undefined);
    }
    throw new Error(`a program goes on without an access: ${describe(program)}`);
  }

  #intern(
    from: Program,
    log: readonly number[],
    access: Access | undefined,
    wrong: string | undefined,
  ): number {
    const state = describe(from);
    const key = `${state}|${log.join()}|${wrong ?? ""}`;
    const known = this.#ids.get(key);
    if (known !== undefined) return known;
    let program = this.#programs.get(state);
    if (program === undefined) {
      program = from;
      this.#programs.set(state, program);
    }
    const id = this.locals.length;
    this.locals.push({ program, log, access, wrong, next: new Map() });
    this.#ids.set(key, id);
    return id;
  }
}

/** Goes on to the first access without an answer, and returns it; or what was found to be wrong; or to the end. */
function activate(program: Program, answers: Tape): Stop | string | undefined {
  tape = answers;
  try {
    if (!program.done) program.run();
    program.invariants();
    return undefined;
  } catch (error) {
    if (error instanceof Stop) return error;
    const isFound =
      error instanceof Wrong || error instanceof ProtocolError || error instanceof BrokenInvariant;
    if (!isFound) throw error;
    return error.message;
  } finally {
    tape = undefined;
  }
}

/** The outermost call of control's in a stack: "RingConsumer.wantData". */
function callOf(stack: string): string {
  const calls = [...stack.matchAll(/at (?:get )?((?:Ring|Bell)\w+)\.\$?(\w+)/g)];
  const last = calls.at(-1);
  return last === undefined ? "" : `${last[1]}.${last[2]}`;
}

function copy<T>(value: T, copies: Map<object, object> = new Map()): T {
  if (typeof value !== "object" || value === null || shared.has(value)) return value;
  const known = copies.get(value);
  if (known !== undefined) return known as T;
  if (ArrayBuffer.isView(value)) return (value as unknown as Uint8Array).slice() as T;
  const made: Record<string, unknown> = Array.isArray(value)
    ? []
    : Object.create(Object.getPrototypeOf(value));
  copies.set(value, made);
  for (const [key, item] of Object.entries(value)) made[key] = copy(item, copies);
  return made as T;
}

/** The whole state as text: equal texts, equal states. */
function describe(value: unknown, seen: Map<object, number> = new Map()): string {
  if (typeof value !== "object" || value === null) return String(value);
  if (shared.has(value)) return "*";
  const known = seen.get(value);
  if (known !== undefined) return `@${known}`;
  seen.set(value, seen.size);
  if (ArrayBuffer.isView(value)) return `[${(value as Uint8Array).join()}]`;
  return `{${Object.values(value)
    .map((item) => describe(item, seen))
    .join()}}`;
}
