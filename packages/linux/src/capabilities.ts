// What a thread may do beyond its user's rights, and how it gives some of that up. Capabilities are a thread's own: the
// calls go to the kernel directly, since libc would have nothing to say about the other threads.

import { isX64, outcome, scratch, syscall } from "./libc.ts";

const SYS = { capget: isX64 ? 125 : 90, capset: isX64 ? 126 : 91 };
const capabilityCall = syscall(["uintptr_t", "uintptr_t"]);

/** _LINUX_CAPABILITY_VERSION_3: two words of each set. */
const VERSION = 0x20080522;

/** Numbers of capabilities (capabilities(7)). */
export const Capability = {
  /** Gives files to others. */
  CHANGE_OWNER: 0,
  /** Reads and writes whatever a file's mode says. */
  PASS_MODES: 1,
  /** Does what else only the owner of a file may. */
  ACT_AS_OWNER: 3,
  /** Whoever writes to a file with set-id bits, or cuts it, leaves them on it. */
  KEEP_SET_ID: 4,
} as const;

// struct { u32 version; int pid; } | struct { u32 effective, permitted, inheritable; } [2]
const header = scratch(8);
const data = scratch(24);

/** What this thread may do, for restoreCapabilities(); or -errno. */
export function savedCapabilities(): Uint8Array | number {
  header.view.setUint32(0, VERSION, true);
  const found = outcome(capabilityCall(SYS.capget, header.address, data.address));
  return found < 0 ? found : data.bytes.slice();
}

/** Takes up again what a change of the thread's users has put aside: 0 or -errno. */
export function restoreCapabilities(saved: Uint8Array): number {
  header.view.setUint32(0, VERSION, true);
  data.bytes.set(saved);
  return outcome(capabilityCall(SYS.capset, header.address, data.address));
}

/** Has this thread all of these capabilities, each below 32, in force? */
export function holdsCapabilities(...capabilities: readonly number[]): boolean {
  const saved = savedCapabilities();
  if (typeof saved === "number") return false;
  const effective = new DataView(saved.buffer).getUint32(0, true);
  return capabilities.every((capability) => ((effective >>> capability) & 1) === 1);
}

/**
 * Takes a capability below 32 from the calling thread, for good (its effective, permitted and inheritable sets): 0 or
 * -errno.
 */
export function dropCapability(capability: number): number {
  header.view.setUint32(0, VERSION, true);
  const found = outcome(capabilityCall(SYS.capget, header.address, data.address));
  if (found < 0) return found;
  const keep = ~(1 << capability) >>> 0;
  for (let at = 0; at < 12; at += 4)
    data.view.setUint32(at, (data.view.getUint32(at, true) & keep) >>> 0, true);
  return outcome(capabilityCall(SYS.capset, header.address, data.address));
}
