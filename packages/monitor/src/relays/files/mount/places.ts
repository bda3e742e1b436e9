// What a mount's request names: `at` and a path, judged by the text that they make together (MNT-2), and then sought
// from what `at` stands for on the host.

import { Errno, type mountMessages, Protocol, type Refusal } from "@ringway/control";
import type { Place } from "../../../disk/judgement.ts";
import { joined } from "../../../disk/paths.ts";
import type { RelayGuest } from "../../../guests/relay.ts";
import type { PolicyMatcher } from "../../../policy/matcher.ts";
import { type GuestName, shownPath, splitBytes } from "../../../policy/paths.ts";
import { denial, refusal } from "../../../policy/refusal.ts";
import type { NamedFileDecision } from "../../../policy/types.ts";
import type { Handle, Handles } from "./handles.ts";

/** Where it is: below a root, or a folder that is in the guest's tree alone. */
export interface Target {
  readonly names: readonly GuestName[];
  /** For people. */
  readonly shown: string;
  readonly place: Place | undefined;
  /** The handle that it is sought from. */
  readonly handle: Handle | undefined;
  /** It names no more than what `at` stands for. */
  readonly isItself: boolean;
  /** That which has allowed it. */
  readonly rule: string;
}

const SLASH = 0x2f;
/** Folders by their handles may lie as deep as a guest makes them; but their paths are kept, and looked at. */
const NAMES_MAX = 2048;
const NAMES_BYTES_MAX = 64 * 1024;

function isTooLong(names: readonly GuestName[]): boolean {
  let total = names.length;
  for (const name of names) total += name.length;
  return names.length > NAMES_MAX || total > NAMES_BYTES_MAX;
}

export const shownNames = (names: readonly GuestName[]): string => `/${shownPath(names)}`;

/** May these names be used, or do they at least lead to some that may? */
export function decide(
  matcher: PolicyMatcher,
  names: readonly GuestName[],
  write: boolean,
): NamedFileDecision & { readonly leadsOn: boolean } {
  const shown = shownNames(names);
  const decision = matcher.fileAt(names, shown, write);
  const leadsOn = decision.ruleIndex < 0 && matcher.namesBelow(names).length > 0;
  if (!leadsOn) return { ...decision, leadsOn };
  const reason = `${shown} leads to folders of the policy, and is none itself`;
  if (!write) return { ...decision, allowed: true, rule: "default", reason, leadsOn };
  return { ...decision, allowed: false, errno: Errno.EROFS, rule: "default", reason, leadsOn };
}

export class Places {
  readonly #guest: RelayGuest;
  readonly #root: readonly GuestName[];
  readonly #handles: Handles;

  constructor(guest: RelayGuest, root: readonly GuestName[], handles: Handles) {
    this.#guest = guest;
    this.#root = root;
    this.#handles = handles;
  }

  find(at: number, path: Uint8Array, write: boolean): Target | Refusal {
    const handle = at === 0 ? undefined : this.#handles.get(at);
    if (at !== 0 && handle === undefined) return refusal(Errno.EBADF, `${at} is no open handle`);
    const base = handle?.names ?? this.#root;
    if (path[0] === SLASH) return refusal(Errno.EINVAL, "a path from a folder begins with a slash");
    const split = splitBytes(path);
    if ("problem" in split) return this.#mistake(split.problem, split.errno);
    const isItself = split.names.length === 0;
    if (handle !== undefined && !handle.isFolder && (!isItself || split.asFolder)) {
      return refusal(Errno.ENOTDIR, `handle ${at} is no folder's`);
    }
    const names = [...base, ...split.names];
    if (isTooLong(names)) return refusal(Errno.ENAMETOOLONG, "a path from the guest's / is too long");
    const found = this.named(names, write, split.asFolder);
    if ("errno" in found) return found;
    const { place } = found;
    if (handle?.held === undefined || place === undefined || found.depth > base.length) {
      return { ...found, handle, isItself };
    }
    const fromHandle = { ...place, path: joined(split.names), from: handle.held };
    return { ...found, handle, isItself, place: fromHandle };
  }

  /** What a guest path names, by its text alone. */
  named(
    names: readonly GuestName[],
    write: boolean,
    asFolder: boolean,
  ): (Target & { readonly depth: number }) | Refusal {
    const shown = shownNames(names);
    const decision = decide(this.#guest.policy.matcher, names, write);
    if (!decision.allowed) return denial(this.#guest, Protocol.MOUNT, shown, decision);
    const { ruleIndex: root, depth, rule } = decision;
    const target = { names, shown, depth, handle: undefined, isItself: false, rule };
    if (decision.leadsOn) return { ...target, place: undefined };
    const { folders } = this.#guest.policy;
    const { tree } = folders;
    const { fd, reason } = folders.root(root);
    if (fd < 0) return refusal(-fd, `the folder of rule "${decision.rule}": ${reason}`);
    return { ...target, place: { tree, root, path: joined(names.slice(depth)), asFolder } };
  }

  /** What was found, to be read, before it could be begun: the policy may have changed since. */
  anew(target: Target): Target | Refusal {
    const { names, place, handle, isItself } = target;
    if (place === undefined || place.tree === this.#guest.policy.folders.tree) return target;
    const found = this.named(names, false, place.asFolder);
    if ("errno" in found) return found;
    const { from, path } = place;
    const isBelow = from !== undefined && handle !== undefined && found.depth <= handle.names.length;
    if (found.place === undefined || !isBelow) return { ...found, handle, isItself };
    return { ...found, handle, isItself, place: { ...found.place, path, from } };
  }

  /** May what is open still be used, after a change of the policy? */
  stillAllowed(handle: Handle): Refusal | undefined {
    const { matcher, folders } = this.#guest.policy;
    if (handle.tree === folders.tree) return undefined;
    const decision = decide(matcher, handle.names, handle.mayWrite);
    if (!decision.allowed) {
      return denial(this.#guest, Protocol.MOUNT, shownNames(handle.names), decision);
    }
    handle.tree = folders.tree;
    return undefined;
  }

  #mistake(reason: string, errno: number): Refusal {
    if (errno !== Errno.EACCES) return refusal(errno, reason);
    return denial(this.#guest, Protocol.MOUNT, "..", { errno, rule: "path", reason });
  }
}

const NO_TIME = { seconds: 0, nanoseconds: 0 };

/** What a folder of the guest's tree alone is (MNT-4). Its inode is made of its names. */
export function folderAttributes(names: readonly GuestName[]): mountMessages.Attributes {
  let inode = 0x811c9dc5;
  for (const byte of Buffer.from(shownNames(names))) inode = Math.imul(inode ^ byte, 0x01000193);
  return {
    ...{
      kind: 2,
      mode: 0o555,
      links: 2,
      uid: 0,
      gid: 0,
      device: 0,
      inodeLow: (inode | 1) >>> 0,
      inodeHigh: 0,
    },
    ...{ size: 0, blocks: 0, accessed: NO_TIME, modified: NO_TIME, changed: NO_TIME, created: NO_TIME },
  };
}
