// A policy in force: its matcher, and its roots, which the disk workers know as a tree. Kept for as long as a guest is
// judged by it or a file operation is under way below one of its roots.

import type { Args } from "@ringway/control";
import type { DiskPool } from "../disk/pool.ts";
import { closeRoots, type Root, type Roots } from "../disk/roots.ts";
import type { CompiledPolicy, PolicySettings } from "./compiled/compile.ts";
import { PolicyMatcher } from "./matcher.ts";
import type { Surroundings } from "./surroundings.ts";

/** What guests are judged by: the rules, compiled, and the roots that they name, opened. */
export interface PolicyInForce {
  readonly compiled: CompiledPolicy;
  readonly roots: Roots;
}

export class PolicyState {
  readonly policy: PolicySettings;
  readonly matcher: PolicyMatcher;
  /** What GetArgs is answered with. */
  readonly args: Args;
  /** The disk workers' name for its roots. */
  readonly tree: number;
  readonly #roots: Roots;
  readonly #disk: DiskPool;
  #holders = 1;

  /** Takes the roots over: the loader has opened them, since that may wait for a file system. */
  constructor({ compiled, roots }: PolicyInForce, disk: DiskPool, surroundings: Surroundings) {
    this.policy = compiled.settings;
    this.matcher = new PolicyMatcher(compiled, surroundings);
    const { argv, env } = compiled.settings.guest;
    this.args = { argv, env: Object.entries(env).map(([name, value]) => `${name}=${value}`) };
    this.#disk = disk;
    this.#roots = roots;
    this.tree = disk.addTree(roots);
  }

  /** That of files[i]. */
  root(index: number): Root {
    return this.#roots.roots[index]!;
  }

  retain(): void {
    this.#holders++;
  }

  release(): void {
    if (--this.#holders > 0) return;
    this.#disk.removeTree(this.tree);
    closeRoots(this.#roots);
  }
}
