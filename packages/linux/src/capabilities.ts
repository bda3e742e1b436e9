// What a thread may do beyond its user's rights, and how it gives some of that up. Capabilities are a thread's own: the
// calls go to the kernel directly, since libc would have nothing to say about the other threads.

import { isX64, outcome, scratch, syscall } from "./libc.ts";

const SYS = { capget: isX64 ? 125 : 90, capset: isX64 ? 126 : 91 };
const capabilityCall = syscall(["uintptr_t", "uintptr_t"]);

/** _LINUX_CAPABILITY_VERSION_3: two words of each set. */
const VERSION = 0x20080522;

/** Numbers of capabilities (capabilities(7)). */
export const Capability = {
  /** Whoever writes to a file with set-id bits, or cuts it, leaves them on it. */
  KEEP_SET_ID: 4,
} as const;

// struct { u32 version; int pid; } | struct { u32 effective, permitted, inheritable; } [2]
const header = scratch(8);
const data = scratch(24);

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
