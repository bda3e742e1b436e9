// Who may have the process's last descriptors: not guests. What they ask for is refused with EMFILE while a reserve is
// left, from which the monitor takes what it needs later: a connection that is turned away, the policy and its folders
// read again, a name server's socket, a VM's doorbell, a file that is looked at on the way to another.
//
// The kernel always gives the lowest number that is free. So one that is above the limit says that all below are taken,
// whoever has them: the program that embeds the monitor counts as well, and nothing is counted here.

import { closeFd, duplicateFd, Errno, fileDescriptorLimit, SystemError } from "@ringway/linux";
import type { Policy } from "../policy/types.ts";

/**
 * 16 lookups of names, each with four sockets at the most: A and AAAA at once, each by UDP and then by TCP. Beside them
 * the question for NAT64's prefixes, with 2. 4 disk workers with 4 each, on the way: a walk has 2 folders open and a
 * third that is looked at (disk/walk.ts); renaming has a folder beside that, from its first walk, or 2 folders and 2 on
 * the way up from a root. And 8 more: the policy, the folder and the socket's file of a reload, hosts file and
 * resolv.conf, a log that is opened again, a connection that is turned away, a module.
 */
const RESERVE = 16 * 4 + 2 + 4 * 4 + 8;
/**
 * Guests that the limit must leave room for at the start: a process takes four descriptors, and a connection of its own
 * one.
 */
const ROOM_MIN = 8;

/**
 * Its threads and sockets take some 57. While the threads load, each has a few modules open at once, before it has all
 * of its own: few, since a thread's modules are a few files (scripts/bundle.mjs).
 */
const OWN = 64;
const LIMIT_MIN = OWN + RESERVE + ROOM_MIN;

/**
 * Throws SystemError (EMFILE) where no monitor can work with the limit on descriptors. `more`: those of its admin API.
 */
export function requireDescriptors(more = 0): void {
  const { soft } = fileDescriptorLimit();
  if (soft < LIMIT_MIN + more) throw tooFew(soft, String(LIMIT_MIN + more));
}

function tooFew(soft: number, needed: string): SystemError {
  const detail = `the limit on open descriptors, RLIMIT_NOFILE, is ${soft}; at least ${needed} are needed`;
  return new SystemError(Errno.EMFILE, "start", undefined, detail);
}

/** Of the descriptors for guests, those that one key may have. */
const KEY_SHARE = 3 / 4;

/** The number below which descriptors are guests': one word, which the main thread writes and the others read. */
export type GuestDescriptors = Int32Array;

/** None, until the policy is known. */
export function guestDescriptors(): GuestDescriptors {
  return new Int32Array(new SharedArrayBuffer(4));
}

/**
 * Each root, and each VM's doorbell, may have to be opened anew beside those that are open. `own`: policies that guests
 * have of their own. `more`: what the admin API may have.
 */
export function setGuestDescriptors(
  limit: GuestDescriptors,
  policy: Policy,
  vms: number,
  own: readonly Policy[] = [],
  more = 0,
): void {
  const { soft } = fileDescriptorLimit();
  let folders = 0;
  for (const { files, sockets } of [policy, ...own]) folders += files.length + sockets.length;
  Atomics.store(limit, 0, Math.min(soft, 0x7fffffff) - RESERVE - folders - vms - more);
}

export class DescriptorRoom {
  readonly #limit: GuestDescriptors;
  readonly #fd: number;
  /** The first that guests may have. */
  readonly #first: number;

  /** `fd` is any that stays open. */
  constructor(limit: GuestDescriptors, fd: number) {
    this.#limit = limit;
    this.#fd = fd;
    this.#first = this.#next();
  }

  /** May a guest have another descriptor? */
  get left(): boolean {
    return this.#next() < Atomics.load(this.#limit, 0);
  }

  /** May a key that has `held` have another? A quarter of those for guests is left to others, whatever one key does. */
  leftFor(held: number): boolean {
    return this.withinShare(held) && this.left;
  }

  /** The same of the key alone, where it is make() that makes the descriptor. */
  withinShare(held: number): boolean {
    return held < (Atomics.load(this.#limit, 0) - this.#first) * KEY_SHARE;
  }

  /** `make`s another: it, or -errno. Its own number says whether any was left. */
  make(make: () => number): number {
    const fd = make();
    if (fd < Atomics.load(this.#limit, 0)) return fd;
    closeFd(fd);
    return -Errno.EMFILE;
  }

  /** Throws SystemError (EMFILE) where there is next to no room for guests at all. */
  requireSome(): void {
    const limit = Atomics.load(this.#limit, 0);
    const next = this.#next();
    if (next + ROOM_MIN <= limit) return;
    const { soft } = fileDescriptorLimit();
    const needed = next === Number.POSITIVE_INFINITY ? "more" : String(next + ROOM_MIN + soft - limit);
    throw tooFew(soft, needed);
  }

  /** The number that the next descriptor would have. */
  #next(): number {
    const fd = duplicateFd(this.#fd);
    if (fd < 0) return Number.POSITIVE_INFINITY;
    closeFd(fd);
    return fd;
  }
}
