// A policy in force: its matcher, and the folders that it names. Kept for as long as a guest is judged by it or a file
// operation is under way below one of its folders; what those are on the disk, disk/policy-folders.ts knows.

import type { Args } from "@ringway/control";
import type { CompiledPolicy, PolicySettings } from "./compiled/compile.ts";
import { HidingMatcher, type RuleFolders } from "./hiding-matcher.ts";
import { PolicyMatcher } from "./matcher.ts";
import type { Surroundings } from "./surroundings.ts";

/** The folders of a policy, opened. */
export interface OpenFolders extends RuleFolders {
  /** The disk workers' name for them. */
  readonly tree: number;
  close(): void;
}

export class PolicyState {
  readonly policy: PolicySettings;
  readonly matcher: PolicyMatcher;
  /** What GetArgs is answered with. */
  readonly args: Args;
  readonly folders: OpenFolders;
  #holders = 1;

  /** Takes the folders over. */
  constructor(compiled: CompiledPolicy, folders: OpenFolders, surroundings: Surroundings) {
    this.policy = compiled.settings;
    const hides = compiled.settings.refusals === "hide";
    this.matcher = hides
      ? new HidingMatcher(compiled, surroundings, folders)
      : new PolicyMatcher(compiled, surroundings);
    const { argv, env } = compiled.settings.guest;
    this.args = { argv, env: Object.entries(env).map(([name, value]) => `${name}=${value}`) };
    this.folders = folders;
  }

  retain(): void {
    this.#holders++;
  }

  release(): void {
    if (--this.#holders === 0) this.folders.close();
  }
}
