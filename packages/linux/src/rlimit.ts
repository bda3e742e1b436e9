// The limit on open descriptors: each stream of the monitor takes at least one.

import { libcCall, outcome, putI64, scratch, u64At } from "./libc.ts";
import { check } from "./system-error.ts";

const getrlimitCall = libcCall("getrlimit", "int", ["int", "uintptr_t"]);
const setrlimitCall = libcCall("setrlimit", "int", ["int", "uintptr_t"]);

const RLIMIT_NOFILE = 7;
const limit = scratch(16);

/** Limits in descriptors; Infinity where there is none. */
export interface DescriptorLimit {
  /** What holds now. */
  readonly soft: number;
  /** What the soft limit may be raised to. */
  readonly hard: number;
}

/** How many descriptors this process may have open. Throws SystemError. */
export function fileDescriptorLimit(): DescriptorLimit {
  check(outcome(getrlimitCall(RLIMIT_NOFILE, limit.address)), "getrlimit");
  return { soft: atOffset(0), hard: atOffset(8) };
}

/**
 * Raises the soft limit to `wanted`, or to the hard limit where that is lower; never lowers it. Returns the limits that
 * then hold. Throws SystemError. Programs started afterwards inherit it: those that use select() need 1024 at most.
 */
export function raiseFileDescriptorLimit(wanted: number = Number.POSITIVE_INFINITY): DescriptorLimit {
  const { soft, hard } = fileDescriptorLimit();
  const target = Math.min(wanted, hard);
  if (target <= soft || target === Number.POSITIVE_INFINITY) return { soft, hard };
  // The hard limit stays in the scratch memory as the kernel gave it.
  putI64(limit.view, 0, target);
  check(outcome(setrlimitCall(RLIMIT_NOFILE, limit.address)), "setrlimit");
  return fileDescriptorLimit();
}

function atOffset(offset: number): number {
  const value = u64At(limit.view, offset);
  return value > Number.MAX_SAFE_INTEGER ? Number.POSITIVE_INFINITY : value;
}
