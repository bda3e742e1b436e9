// Guests that the host has named: those of an attach socket of their own, and virtual machines. Each has its budgets
// under its name (an Account), may have a policy of its own, and labels, which are the main thread's: here is only how
// much longer they make a line.
//
//   common policy ── no policy of its own ──▶ judged by the common one, and by what a reload puts in its place
//   own policy    ── set(), again and again ──▶ judged by the last; a reload of the common one is nothing to it

import type { PolicyState } from "../policy/in-force.ts";

export class Tenants {
  readonly #own: Map<string, PolicyState> = new Map();
  readonly #labelBytes: Map<string, number> = new Map();

  /** Nothing of another that had its name is left. `labelBytes`: each line of its guests is so much longer. */
  begin(tenant: string, labelBytes: number): void {
    this.delete(tenant);
    if (labelBytes > 0) this.#labelBytes.set(tenant, labelBytes);
  }

  labelBytes(tenant: string): number {
    return this.#labelBytes.get(tenant) ?? 0;
  }

  /** From now on its own, which is held for it. */
  setPolicy(tenant: string, policy: PolicyState): void {
    this.#own.get(tenant)?.release();
    this.#own.set(tenant, policy);
  }

  /** Undefined: it has none of its own. */
  policyOf(tenant: string | undefined): PolicyState | undefined {
    return tenant === undefined ? undefined : this.#own.get(tenant);
  }

  /** It is served no more. Its guests hold what they are judged by. */
  delete(tenant: string): void {
    this.#own.get(tenant)?.release();
    this.#own.delete(tenant);
    this.#labelBytes.delete(tenant);
  }

  clear(): void {
    for (const policy of this.#own.values()) policy.release();
    this.#own.clear();
  }
}
