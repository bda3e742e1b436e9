// Which policies were in force, since when, and who has put them there: the last of them, for whoever wants to know, or
// wants one back.
//
// Invariant: at most KEPT changes, and TEXT_BYTES_MAX of text; of older ones the text goes first.

import type { Policy } from "../policy/types.ts";

/** Who has changed something. */
export interface Changer {
  /** start: the monitor's options; program: a call of reload(); signal: the same for a SIGHUP; admin: the admin API. */
  readonly via: "start" | "program" | "signal" | "admin";
  /** Of the admin API's client, as the kernel knows it. */
  readonly uid?: number;
  readonly gid?: number;
  readonly pid?: number;
  /** Over TCP. */
  readonly address?: string;
}

export const START: Changer = { via: "start" };
export const PROGRAM: Changer = { via: "program" };

export interface PolicyChange {
  /** 1, 2, ... */
  readonly revision: number;
  /** ISO 8601. */
  readonly time: string;
  /** Whose own policy it is; absent: the monitor's. */
  readonly guest?: string;
  readonly by: Changer;
  /** Path of its file, where it came from one. */
  readonly file?: string;
  /** As it was written, where it came as a text. Old ones, and long ones, are without. */
  readonly text?: string;
}

export interface NewPolicy extends Omit<PolicyChange, "revision" | "time"> {
  readonly policy: Policy;
}

const KEPT = 32;
/** All that may ask have the whole list made for them, on the main thread. */
const TEXT_BYTES_MAX = 256 * 1024;

export class PolicyHistory {
  /** The newest last. */
  #changes: PolicyChange[] = [];
  #next = 1;
  /** In force, by the name of whom, "" for the monitor's. */
  readonly #inForce: Map<string, { readonly change: PolicyChange; readonly policy: Policy }> = new Map();

  add({ policy, ...said }: NewPolicy): PolicyChange {
    const change = { revision: this.#next++, time: new Date().toISOString(), ...said };
    this.#inForce.set(change.guest ?? "", { change, policy });
    this.#changes = [...this.#changes, change].slice(-KEPT);
    this.#shorten();
    return change;
  }

  #shorten(): void {
    let left = TEXT_BYTES_MAX;
    this.#changes = this.#changes
      .toReversed()
      .map((change) => {
        left -= change.text === undefined ? 0 : Buffer.byteLength(change.text);
        if (left >= 0) return change;
        const { text: _, ...rest } = change;
        return rest;
      })
      .reverse();
  }

  /** A machine is served no more. */
  delete(guest: string): void {
    this.#inForce.delete(guest);
  }

  /** Undefined: it has none of its own. */
  of(guest: string | undefined): { readonly change: PolicyChange; readonly policy: Policy } | undefined {
    return this.#inForce.get(guest ?? "");
  }

  /** The newest first. */
  list(): readonly PolicyChange[] {
    return this.#changes.toReversed();
  }
}
