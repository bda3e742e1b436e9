// A policy in force: its matcher, and the folders that it names. Kept for as long as a guest is judged by it or a file
// operation is under way below one of its folders; what those are on the disk, disk/policy-folders.ts knows.

import { type Args, Errno } from "@ringway/control";
import type { CompiledPolicy, PolicySettings } from "./compiled/compile.ts";
import { PolicyMatcher } from "./matcher.ts";
import type { GuestName } from "./paths.ts";
import type { Surroundings } from "./surroundings.ts";
import { quoted } from "./text.ts";
import type { NamedFileDecision, SocketDecision, SocketsRule } from "./types.ts";

/** The hosts of a policy's files, and the folders of its sockets, opened. */
export interface OpenFolders {
  /** The disk workers' name for them. */
  readonly tree: number;
  /** That of files[i]: its descriptor, or -errno where it cannot be had, and why. */
  root(index: number): { readonly fd: number; readonly reason: string };
  /** The folder of sockets[i]'s socket, as a root. */
  socketFolder(index: number): { readonly fd: number; readonly reason: string };
  close(): void;
}

/**
 * Where the policy hides its rules: a path whose folder cannot be had is refused as one that no rule covers. Else the
 * folder's error would tell of the rule.
 */
class HidingMatcher extends PolicyMatcher {
  readonly #folders: OpenFolders;

  constructor(compiled: CompiledPolicy, surroundings: Surroundings, folders: OpenFolders) {
    super(compiled, surroundings);
    this.#folders = folders;
  }

  override fileAt(names: readonly GuestName[], shown: string, write: boolean): NamedFileDecision {
    const decision = super.fileAt(names, shown, write);
    const { ruleIndex, depth, rule } = decision;
    if (ruleIndex < 0) return decision;
    const { fd, reason: why } = this.#folders.root(ruleIndex);
    if (fd >= 0) return decision;
    const reason = `${quoted(shown)} has no folder: the folder of rule ${quoted(rule)}: ${why}`;
    return { allowed: false, errno: Errno.EACCES, rule, reason, ruleIndex, depth };
  }

  override namesBelow(names: readonly GuestName[]): readonly string[] {
    return super.namesBelow(names).filter((name) => {
      const next = [...names, name];
      return this.fileAt(next, name, false).allowed || this.namesBelow(next).length > 0;
    });
  }

  override socket(guestPath: string, access: SocketsRule["access"]): SocketDecision {
    const decision = super.socket(guestPath, access);
    const { ruleIndex, rule } = decision;
    if (ruleIndex < 0) return decision;
    const { fd, reason: why } = this.#folders.socketFolder(ruleIndex);
    if (fd >= 0) return decision;
    const reason = `${quoted(guestPath)} has no folder: the folder of rule ${quoted(rule)}: ${why}`;
    return { allowed: false, errno: Errno.EACCES, rule, reason, ruleIndex };
  }
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
