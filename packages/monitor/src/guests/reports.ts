// What is said of one guest: to itself of a refusal, to the main thread of everything that becomes a line.

import type { ProtocolError, Refusal } from "@ringway/control";
import type { GuestLines } from "../observe/lines.ts";
import type { PolicyState } from "../policy/in-force.ts";
import { type AuditedDenial, isDenial, told } from "../policy/refusal.ts";
import { Counter, type Counters } from "../reactor/counters.ts";

/** Of whom. */
export interface Reported {
  readonly name: string;
  readonly policy: PolicyState;
}

export class Reports {
  readonly #guest: Reported;
  readonly #lines: GuestLines;
  readonly #counters: Counters;

  constructor(guest: Reported, lines: GuestLines, counters: Counters) {
    this.#guest = guest;
    this.#lines = lines;
    this.#counters = counters;
  }

  /**
   * What the guest is told of a refusal. A denial is in the audit log before that: there is no other way to tell it.
   */
  answer(refusal: Refusal): Refusal {
    if (isDenial(refusal)) this.audit(refusal);
    return told(refusal, this.#guest.policy.policy);
  }

  /** A line for the audit log alone: of an address that was left out, where others of its name serve. */
  audit(denial: AuditedDenial): void {
    this.#counters.add(Counter.refusals);
    this.#lines.post(denial);
  }

  warn(reason: string): void {
    this.#lines.post({ kind: "warning", guest: this.#guest.name, reason });
  }

  /** One line for a violation on a stream, or on the guest's own words (stream 0). */
  violation({ clause, message: reason }: ProtocolError, stream: number): void {
    this.#counters.add(Counter.violations);
    this.#lines.post({ kind: "violation", guest: this.#guest.name, stream, clause, reason });
  }

  /** A bug of ours. */
  bug(error: unknown): void {
    const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.#lines.post({ kind: "bug", guest: this.#guest.name, stack });
  }

  /** It has come: its account pays for the line as for all others. */
  came(pid: number): void {
    this.#lines.post({ kind: "guest", guest: this.#guest.name, pid });
  }

  attached(): void {
    this.#counters.add(Counter.guestsAttached);
    this.#lines.post({ kind: "attached", guest: this.#guest.name });
  }

  gone(reason: string): void {
    this.#lines.post({ kind: "detached", guest: this.#guest.name, reason });
  }

  log(level: number, text: string): void {
    this.#lines.post({ kind: "log", guest: this.#guest.name, level, text });
  }

  exit(code: number): void {
    this.#lines.post({ kind: "exit", guest: this.#guest.name, code });
  }
}
