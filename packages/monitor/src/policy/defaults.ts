import { CONTROL_RING_BYTES } from "@ringway/control";
import { KiB, MiB } from "./sizes.ts";
import {
  type Limits,
  type PortRange,
  type RateLimit,
  type Rates,
  type Timeouts,
  UNLIMITED,
} from "./types.ts";

/**
 * Limits of a policy that names none. 4096 streams of two 4 KiB rings and a header page each take 48 MiB of the region.
 */
export const DEFAULT_LIMITS: Limits = {
  // A quarter of the 256 places of a monitor: no user alone keeps others out, nor do three.
  guests: 64,
  // As many regions as guests. They cost memory only where they are touched, and of that the most by the guest's own
  // hand.
  regionBytesTotal: 64 * 256 * MiB,
  streams: 4096,
  regionBytes: 256 * MiB,
  streamBytes: 1 * MiB,
  // Bulk on seven streams at once with all that the kernel would give them (6 MiB each); more streams share.
  socketBytes: 64 * MiB,
  accepts: 1024,
  openFiles: 256,
  fileBytesWritten: UNLIMITED,
  networkBytes: UNLIMITED,
  // One for each file that may be open, and as many connections in the making three times over.
  requests: 1024,
  // Some 50 us of the reactor's thread each, to hand it to a worker, take the answer and reply: half of it at the most.
  diskOperations: 10_000,
  // In vain: about 3 us each, so 6 % of a core for a guest that means ill. One that means well has far fewer.
  bells: 20_000,
  logLines: 1000,
  // 256 for each of these lines; at this rate a guest that means ill fills some 20 GB of a disk in a day.
  logBytes: 256 * KiB,
  // Some 1500 streams that begin and end; at this rate a guest that means ill fills some 90 GB of a disk in a day.
  auditBytes: 1 * MiB,
};

const NO_RATE: RateLimit = { perSecond: UNLIMITED, burst: UNLIMITED };
/** Rates of a policy that names none. */
export const DEFAULT_RATES: Rates = {
  bytesToHost: NO_RATE,
  bytesToGuest: NO_RATE,
  connections: NO_RATE,
  datagrams: NO_RATE,
  lookups: NO_RATE,
};

/** Less in a second, or at once, is less than one packet. */
export const RATE_BYTES_MIN: number = 2 * KiB;
export const RATE_BYTES_MAX: number = 1024 * 1024 * MiB;

/** A quarter of it is what a stream of bulk needs on a short way. */
export const SOCKET_BYTES_MIN: number = 1 * MiB;
export const SOCKET_BYTES_MAX: number = 1024 * 1024 * MiB;

/** More than the longest line takes. */
export const LOG_BYTES_MIN: number = 64 * KiB;
export const LOG_BYTES_MAX: number = 1024 * MiB;

/** Of a VM's memory that does not exist yet. */
export const DEFAULT_VM_MEMORY_BYTES: number = 64 * MiB;

export const DEFAULT_TIMEOUTS: Timeouts = {
  connectMs: 30_000,
  resolveMs: 10_000,
  attachMs: 10_000,
  // What RFC 4787 asks of a NAT at the least.
  udpIdleMs: 120_000,
};

/** The same for a name server's port, at the most: a question has its answer long before. */
export const DNS_IDLE_MS = 30_000;
export const DNS_PORT = 53;

export const ALL_PORTS: readonly PortRange[] = [{ first: 1, last: 65535 }];

/** A region smaller than this has no room for the control pipe and a useful heap. */
export const REGION_BYTES_MIN: number = 1 * MiB;
/** What a buffer of Node 20 can view; u32 page numbers reach 16 TiB. */
export const REGION_BYTES_MAX: number = 4096 * MiB;

/** What the page numbers of one region reach; no machine has as much memory. */
export const REGION_BYTES_TOTAL_MAX: number = 16 * 1024 * 1024 * MiB;

/** Whether a region of a VM may have this size: a PCI bar is a power of two. */
export function isVmMemorySize(bytes: number): boolean {
  return bytes >= REGION_BYTES_MIN && bytes <= REGION_BYTES_MAX && Number.isInteger(Math.log2(bytes));
}
export const VM_MEMORY_EXPECTED: string = "a power of two from 1MiB to 4GiB";

/**
 * Arguments and environment go to the guest in one frame, which must fit the control ring whole: all texts, with
 * GUEST_TEXT_OVERHEAD_BYTES for the length and padding of each, and room to spare for the frame's own fields.
 */
export const GUEST_TEXTS_BYTES_MAX: number = CONTROL_RING_BYTES - 1 * KiB;
export const GUEST_TEXT_OVERHEAD_BYTES = 8;

/** A policy is written by hand; a file past this is something else. */
export const POLICY_FILE_BYTES_MAX: number = 1 * MiB;
