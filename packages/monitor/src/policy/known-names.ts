// Names that a guest was told addresses of: for a while these addresses count as those names (RSL-5), so that a program
// which resolves first and connects then is judged as one that connects to the name. What is known here allows nothing:
// the rules judge the name and the address again, each time.
//
// Invariant: at most ADDRESSES_MAX addresses with NAMES_MAX names each; past that, the one told longest ago is
// forgotten.

import { Errno, formatIp } from "@ringway/control";
import type { PolicyMatcher } from "./matcher.ts";
import type { Decision, Transport } from "./types.ts";

const ADDRESSES_MAX = 1024;
const NAMES_MAX = 4;

/** `as`: the name by which the address is allowed, where it is not by itself. */
export type AddressDecision = Decision & { readonly as?: string };

export class KnownNames {
  /** By address, in canonical form: names, and until when each counts. In the order in which they were told. */
  readonly #addresses: Map<string, Map<string, number>> = new Map();

  /** Counts what was told: who was judged before may be judged otherwise. */
  told = 0;

  /** The guest was told that the name has the address. */
  tell(name: string, address: string, untilMs: number): void {
    this.told++;
    const names = this.#addresses.get(address) ?? new Map<string, number>();
    const before = names.get(name) ?? 0;
    names.delete(name);
    names.set(name, Math.max(before, untilMs));
    if (names.size > NAMES_MAX) names.delete(names.keys().next().value!);
    this.#addresses.delete(address);
    this.#addresses.set(address, names);
    if (this.#addresses.size > ADDRESSES_MAX) this.#addresses.delete(this.#addresses.keys().next().value!);
  }

  /** Names that the address counts as. */
  of(address: string, nowMs: number): string[] {
    const names = this.#addresses.get(address);
    if (names === undefined) return [];
    for (const [name, untilMs] of names) if (untilMs < nowMs) names.delete(name);
    if (names.size === 0) this.#addresses.delete(address);
    return [...names.keys()];
  }

  /**
   * Connecting to the address, of 4 or 16 bytes: as such, or as one of the names that it counts as. What is open counts
   * as the name that it was allowed by, `as`, however long ago that was told.
   */
  connect(
    matcher: PolicyMatcher,
    address: Uint8Array,
    port: number,
    transport: Transport = "tcp",
    as?: string,
  ): AddressDecision {
    const decision = matcher.connectAddress(address, port, transport);
    const knowsNone = this.#addresses.size === 0 && as === undefined;
    if (decision.allowed || knowsNone || decision.errno !== Errno.EACCES) return decision;
    const text = formatIp(address);
    const names = this.of(text, performance.now());
    for (const name of as === undefined ? names : [as, ...names]) {
      const named = matcher.connectName(name, port, transport);
      if (!named.allowed) continue;
      const resolved = matcher.connectResolved(name, named.ruleIndex, text, port, transport);
      if (resolved.allowed) return { allowed: true, rule: resolved.rule, reason: resolved.reason, as: name };
    }
    return decision;
  }
}
