// A policy in force: its matcher, and a descriptor for each root it names. Kept for as long as a guest is judged by it
// or a file operation is under way below one of its roots.

import { closeFd, openDirectory } from "@ringway/linux";
import { PolicyMatcher } from "./policy/matcher.ts";
import type { Policy } from "./policy/types.ts";

export class PolicyState {
  readonly policy: Policy;
  readonly matcher: PolicyMatcher;
  /** Descriptors of files[i].host, or -errno where it cannot be opened. */
  readonly roots: readonly number[];
  #holders = 1;

  constructor(policy: Policy) {
    this.policy = policy;
    this.matcher = new PolicyMatcher(policy);
    this.roots = policy.files.map((rule) => openDirectory(rule.host));
  }

  retain(): void {
    this.#holders++;
  }

  release(): void {
    if (--this.#holders > 0) return;
    for (const fd of this.roots) if (fd >= 0) closeFd(fd);
  }
}
