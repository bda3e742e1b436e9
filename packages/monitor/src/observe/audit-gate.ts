// How far the audit lines of a key may be ahead of the log: for each key a gate of its own, so that one that causes
// more lines than the log takes waits for itself alone.
//
//   a line ──▶ AHEAD: with the main thread ── handed on to the log, as its mark says ──▶ (none)
//     └── AHEAD_BYTES are with it ──▶ KEPT here, in order ── some are handed on ──▶ AHEAD
//
//   open ── AHEAD_BYTES are with the main thread ──▶ shut ── fewer are ──▶ open
//
// The guests of a key wait behind their lines while its gate is shut. So what waits of a key is AHEAD_BYTES and a line
// of each of its guests, and where they end a line for each stream that they had open; past BYTES_WAITING_MAX, which
// only keys reach whose guests cause lines and go, no guest of it begins.
//
// A line that need not be written (no `audit: required`) is handed on as soon as the main thread has taken it. One that
// must be is handed on when it has its place in what the log's thread writes (audit.ts): of a file that takes little,
// each key has its part. Where the file takes nothing at all for a fault of its own, a full disk or one that fails, all
// gates are shut for guests that cause lines that must be written.

import type { FlowMessage } from "./flow-lines.ts";
import type { AuditMessage } from "./line-messages.ts";

/** Some 700 connections that begin and end. */
export const AHEAD_BYTES: number = 256 * 1024;
/**
 * The main thread is asked to say so when it has handed on so many bytes: seldom while it keeps up, and often where
 * guests may wait for that soon, so that they go on little by little.
 */
const MARK_BYTES = 16 * 1024;
const MARK_BYTES_NEAR = 4 * 1024;
/** Of one key; and of all keys together that nobody else can have, as those of attach(). */
const BYTES_WAITING_MAX = 1024 * 1024;
/**
 * Of these keys together, what is behind each one's last mark: past that all are marked. Most are of guests that cause
 * few lines and go: what they leave would be waited for without end.
 */
const BYTES_UNMARKED_MAX = BYTES_WAITING_MAX / 4;

/** Whose lines they are: an Account. */
export interface KeyOfLines {
  readonly key: string;
  /** Others may have the same key. */
  readonly isKnown: boolean;
}

/** A line on its way. `required`: it must be written. */
export type AuditLine = (AuditMessage | FlowMessage) & { readonly required?: boolean };

/** The way to the main thread: what is posted comes in its order. */
export interface AuditGatesHost {
  postAudit(key: string, line: AuditLine): void;
  /** Calls back once all lines of the key that were posted so far are handed on. */
  whenHandedOn(key: string, callback: () => void): void;
}

interface Kept {
  readonly line: AuditLine;
  readonly bytes: number;
}

/** The gates of a reactor's thread. */
export class AuditGates {
  readonly host: AuditGatesHost;
  readonly #gates: WeakMap<KeyOfLines, AuditGate> = new WeakMap();
  /** Those behind which something waits. */
  readonly active: Set<AuditGate> = new Set();
  /** Lines that wait for work on disk: what says each, once. */
  readonly late: Set<() => void> = new Set();
  /** The file takes lines, as far as is known. */
  isWritable = true;
  /** The end: nobody waits for the log any more. */
  isOver = false;
  #bytesOfUnknown = 0;
  /** Of keys that nobody else can have: those with lines behind their last mark, and all these lines' bytes. */
  readonly #unmarked: Set<AuditGate> = new Set();
  #bytesUnmarked = 0;
  #waiting: (() => void)[] = [];

  constructor(host: AuditGatesHost) {
    this.host = host;
  }

  of(key: KeyOfLines): AuditGate {
    let gate = this.#gates.get(key);
    if (gate === undefined) {
      gate = new AuditGate(this, key);
      this.#gates.set(key, gate);
    }
    return gate;
  }

  /** May a guest of this key begin? Undefined: of one of its own. */
  takesGuests(key: KeyOfLines | undefined): boolean {
    const bytes = key === undefined ? this.#bytesOfUnknown : (this.#gates.get(key)?.bytesWaiting ?? 0);
    return this.isOver || bytes < BYTES_WAITING_MAX;
  }

  /** Calls back when it may. */
  whenTakesGuests(key: KeyOfLines | undefined, callback: () => void): void {
    if (key === undefined) this.#waiting.push(callback);
    else this.of(key).whenTakesGuests(callback);
  }

  /** For a gate alone. */
  count(bytes: number): void {
    this.#bytesOfUnknown += bytes;
    if (this.#waiting.length > 0 && this.takesGuests(undefined)) {
      for (const callback of this.#waiting.splice(0)) callback();
    }
  }

  /** For a gate alone: it has so many bytes more behind its last mark. */
  unmarked(gate: AuditGate, bytes: number): void {
    this.#unmarked.add(gate);
    this.#bytesUnmarked += bytes;
    if (this.#bytesUnmarked >= BYTES_UNMARKED_MAX) for (const each of [...this.#unmarked]) each.mark();
  }

  /** For a gate alone: it has none any more, and had so many. */
  marked(gate: AuditGate, bytes: number): void {
    if (this.#unmarked.delete(gate)) this.#bytesUnmarked -= bytes;
  }

  /** As the main thread says. */
  setWritable(isWritable: boolean): void {
    this.isWritable = isWritable;
    if (isWritable) for (const gate of [...this.active]) gate.look();
  }

  /** Work on disk is waited for no longer. */
  sayLate(): void {
    for (const say of [...this.late]) say();
  }

  /** What is kept is posted, and so is what comes; who waits is closed next. */
  end(): void {
    this.isOver = true;
    for (const gate of this.active) gate.postKept();
  }
}

export class AuditGate {
  readonly #gates: AuditGates;
  readonly #key: KeyOfLines;
  readonly #isUnknown: boolean;
  /** With the main thread; and of these, behind the last mark. */
  #ahead = 0;
  #unmarked = 0;
  #kept: Kept[] = [];
  /** Of #kept, those that are posted already: what is taken from its front by ones would be moved each time. */
  #posted = 0;
  #bytesKept = 0;
  #waiting: (() => void)[] = [];
  #beginners: (() => void)[] = [];

  /** For AuditGates alone. */
  constructor(gates: AuditGates, key: KeyOfLines) {
    this.#gates = gates;
    this.#key = key;
    this.#isUnknown = !key.isKnown;
  }

  /** May a guest go on that has caused a line? `required`: one that must be written. */
  isOpen(required: boolean): boolean {
    if (this.#gates.isOver) return true;
    return this.#ahead < AHEAD_BYTES && (this.#gates.isWritable || !required);
  }

  get bytesWaiting(): number {
    return this.#ahead + this.#bytesKept;
  }

  post(line: AuditLine, bytes: number): void {
    this.#count(bytes);
    if (this.#kept.length === 0 && this.#mayPost()) {
      this.#post(line, bytes);
      return;
    }
    this.#kept.push({ line, bytes });
    this.#bytesKept += bytes;
    this.#gates.active.add(this);
  }

  /** Calls back when it may be open. */
  wait(callback: () => void): void {
    this.#waiting.push(callback);
    this.#gates.active.add(this);
  }

  whenTakesGuests(callback: () => void): void {
    this.#beginners.push(callback);
    this.#gates.active.add(this);
  }

  /** Posts what may be, and lets those go on that may. */
  look(): void {
    this.postKept();
    if (this.isOpen(false)) for (const callback of this.#waiting.splice(0)) callback();
    if (this.#gates.takesGuests(this.#key)) for (const callback of this.#beginners.splice(0)) callback();
    const isIdle = this.#waiting.length + this.#beginners.length + this.#kept.length === 0;
    if (isIdle) this.#gates.active.delete(this);
  }

  postKept(): void {
    while (this.#posted < this.#kept.length && this.#mayPost()) {
      const { line, bytes } = this.#kept[this.#posted++]!;
      this.#bytesKept -= bytes;
      this.#post(line, bytes);
    }
    if (this.#posted === this.#kept.length) {
      this.#kept = [];
      this.#posted = 0;
    }
  }

  #mayPost(): boolean {
    return this.#ahead < AHEAD_BYTES || this.#gates.isOver;
  }

  #post(line: AuditLine, bytes: number): void {
    const { host } = this.#gates;
    host.postAudit(this.#key.key, line);
    this.#ahead += bytes;
    this.#unmarked += bytes;
    if (this.#isUnknown) this.#gates.unmarked(this, bytes);
    if (this.#unmarked >= (this.#ahead < AHEAD_BYTES / 2 ? MARK_BYTES : MARK_BYTES_NEAR)) this.mark();
  }

  /** The main thread is asked to say when it has handed on what was posted. */
  mark(): void {
    const marked = this.#unmarked;
    if (marked === 0) return;
    this.#unmarked = 0;
    this.#gates.marked(this, marked);
    this.#gates.host.whenHandedOn(this.#key.key, () => {
      this.#ahead -= marked;
      this.#count(-marked);
      this.look();
    });
  }

  #count(bytes: number): void {
    if (this.#isUnknown) this.#gates.count(bytes);
  }
}
