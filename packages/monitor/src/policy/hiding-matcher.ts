// The matcher of a policy that hides its rules (`refusals: hide`): a path whose folder cannot be had is refused as one
// that no rule covers. Else the folder's error would tell of the rule.

import { Errno } from "@ringway/control";
import type { CompiledPolicy } from "./compiled/compile.ts";
import { type FolderTree, foldersOf } from "./compiled/folders.ts";
import { PolicyMatcher } from "./matcher.ts";
import type { GuestName } from "./paths.ts";
import type { Surroundings } from "./surroundings.ts";
import { quoted } from "./text.ts";
import type { NamedFileDecision, SocketDecision, SocketsRule } from "./types.ts";

/** The hosts of a policy's files, and the folders of its sockets: as descriptors, or -errno, and why. */
export interface RuleFolders {
  /** That of files[i]. */
  root(index: number): { readonly fd: number; readonly reason: string };
  /** The folder of sockets[i]'s socket, as a root. */
  socketFolder(index: number): { readonly fd: number; readonly reason: string };
}

export class HidingMatcher extends PolicyMatcher {
  readonly #ruleFolders: RuleFolders;
  /** Those that can be had: known once, so that no question walks over the rules. */
  readonly #shown: FolderTree;

  constructor(compiled: CompiledPolicy, surroundings: Surroundings, folders: RuleFolders) {
    super(compiled, surroundings);
    this.#ruleFolders = folders;
    this.#shown = foldersOf(compiled.settings.files).leadingTo((rule) => folders.root(rule).fd >= 0);
  }

  override fileAt(names: readonly GuestName[], shown: string, write: boolean): NamedFileDecision {
    const decision = super.fileAt(names, shown, write);
    const { ruleIndex, depth, rule } = decision;
    if (ruleIndex < 0) return decision;
    const { fd, reason: why } = this.#ruleFolders.root(ruleIndex);
    if (fd >= 0) return decision;
    const reason = `${quoted(shown)} has no folder: the folder of rule ${quoted(rule)}: ${why}`;
    return { allowed: false, errno: Errno.EACCES, rule, reason, ruleIndex, depth };
  }

  override namesBelow(names: readonly GuestName[]): readonly string[] {
    return this.#shown.below(names);
  }

  override socket(guestPath: string, access: SocketsRule["access"]): SocketDecision {
    const decision = super.socket(guestPath, access);
    const { ruleIndex, rule } = decision;
    if (ruleIndex < 0) return decision;
    const { fd, reason: why } = this.#ruleFolders.socketFolder(ruleIndex);
    if (fd >= 0) return decision;
    const reason = `${quoted(guestPath)} has no folder: the folder of rule ${quoted(rule)}: ${why}`;
    return { allowed: false, errno: Errno.EACCES, rule, reason, ruleIndex };
  }
}
