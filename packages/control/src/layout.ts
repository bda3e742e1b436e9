// Where every shared word lies, and who writes it: PROTOCOL.md sections 4 to 7 as named offsets.
//
// All words are little-endian u32. Offsets are in bytes from the start of the structure that the constant's prefix
// names. A line is 128 bytes: two cache lines, because adjacent-line prefetchers pair them; words of different writers
// never share one.

/** Places in the region are counted in these. */
export const PAGE_BYTES = 4096;
/** Words of different writers stand at least so far apart. */
export const LINE_BYTES = 128;

// ── Superblock: page 0 (SB-1) ──────────────────────────────────────────────────────────────────────────────────────
//
//   0x000  what the region is          host, before the guest can see the region; constant after that
//   0x080  host's changing words       host
//   0x100  guest's changing words      guest
//   0x180  host's heartbeat            host
//   0x200  guest's heartbeat           guest

/** "RING", as the bytes stand in memory. */
export const MAGIC_LOW = 0x474e4952;
/** "WAY1", as the bytes stand in memory. */
export const MAGIC_HIGH = 0x31594157;
export const VERSION_MAJOR = 1;
export const VERSION_MINOR = 1;

export const SB_MAGIC_LOW = 0x000;
export const SB_MAGIC_HIGH = 0x004;
export const SB_VERSION_MAJOR = 0x008;
export const SB_VERSION_MINOR = 0x00c;
/** Size of the region, in pages. */
export const SB_REGION_PAGES = 0x010;
export const SB_FEATURES_OFFERED = 0x014;
/** Page number of the doorbell area. */
export const SB_BELL_PAGE = 0x018;
/** Page number of the control pipe's block. */
export const SB_CONTROL_PAGE = 0x01c;
/** Capacity, in bytes, of the control pipe's ring from guest to host. */
export const SB_CONTROL_TO_HOST_BYTES = 0x020;
/** Capacity, in bytes, of the control pipe's ring from host to guest. */
export const SB_CONTROL_TO_GUEST_BYTES = 0x024;
/** Largest stream id the host will ever give out. */
export const SB_MAX_STREAM_ID = 0x028;

export const SB_EPOCH = 0x080;
export const SB_HOST_STATE = 0x084;
/** The attach request that the host answered last (ATT-3). */
export const SB_ATTACH_REPLY = 0x088;
/** Why the host failed this guest: a Violation, 0 if it did not (ERR-4). */
export const SB_VIOLATION = 0x08c;

/** A number the guest changes to ask for a fresh epoch (ATT-2). */
export const SB_ATTACH_REQUEST = 0x100;
export const SB_GUEST_STATE = 0x104;
export const SB_FEATURES_ACCEPTED = 0x108;
export const SB_GUEST_VERSION_MINOR = 0x10c;

export const SB_HOST_HEARTBEAT = 0x180;
export const SB_GUEST_HEARTBEAT = 0x200;

/** Host states (SB-4). */
export const HostState = {
  /** No monitor serves this region. */
  ABSENT: 0,
  /** The epoch may be used. */
  READY: 1,
  /** A new epoch waits for the guest to attach; nothing but the superblock may be touched. */
  RESETTING: 2,
  /** Open streams go on, new ones are refused with ESHUTDOWN. */
  DRAINING: 3,
  /** The guest broke the protocol; SB_VIOLATION says how. */
  FAILED: 4,
} as const;
export type HostState = (typeof HostState)[keyof typeof HostState];

/** Guest states (SB-5). */
export const GuestState = { DETACHED: 0, ATTACHING: 1, ATTACHED: 2 } as const;
export type GuestState = (typeof GuestState)[keyof typeof GuestState];

// ── Doorbell area: four pages (BELL-1) ─────────────────────────────────────────────────────────────────────────────
//
// Two pages for each direction, host-bound first. Of the two, the first holds the sleep word, the top word and the
// 32 middle words; the second the 1024 leaf words, one bit for each stream id.

export const BELL_AREA_PAGES = 4;
export const BELL_TO_HOST = 0;
export const BELL_TO_GUEST: number = 2 * PAGE_BYTES;
/** Receiver sets it to 1; sender exchanges it to 0. */
export const BELL_ASLEEP = 0x000;
/** Bit m: some bit of middle word m may be set. Set by the sender, taken by the receiver, as are all pending words. */
export const BELL_TOP = 0x080;
/** Bit l of word m: some bit of leaf word 32m + l may be set. */
export const BELL_MIDDLE = 0x100;
/** Bit b of word w: stream 32w + b wants a look. */
export const BELL_LEAF: number = PAGE_BYTES;
/** Stream ids are 0 (control) to 32767: 32 top bits x 32 x 32. */
export const BELL_STREAM_IDS: number = 32 * 32 * 32;

// ── Pipe block: a header page and two data areas (PIPE-1) ──────────────────────────────────────────────────────────
//
//   0x000  toHost, producer part       guest
//   0x080  toHost, consumer part       host
//   0x100  toGuest, producer part      host
//   0x180  toGuest, consumer part      guest
//   0x200  id, generation              host, for people and debuggers; neither side reads them back
//   page 1            data of toHost
//   page 1 + toHost   data of toGuest

export const PIPE_TO_HOST_PRODUCER = 0x000;
export const PIPE_TO_HOST_CONSUMER = 0x080;
export const PIPE_TO_GUEST_PRODUCER = 0x100;
export const PIPE_TO_GUEST_CONSUMER = 0x180;
export const PIPE_ID = 0x200;
export const PIPE_GENERATION = 0x204;

/** Producer part of a ring (RING-1): write position, closed, want-space. */
export const PRODUCER_POSITION = 0x0;
export const PRODUCER_CLOSED = 0x4;
export const PRODUCER_WANT_SPACE = 0x8;

/** Consumer part of a ring (RING-1): read position, closed, want-data. */
export const CONSUMER_POSITION = 0x0;
export const CONSUMER_CLOSED = 0x4;
export const CONSUMER_WANT_DATA = 0x8;

/** Values of a producer's closed word (RING-6). They only ever grow. */
export const Closed = { OPEN: 0, END: 1, RESET: 2 } as const;
export type Closed = (typeof Closed)[keyof typeof Closed];

/** Pages of a block whose rings have these capacities, in bytes. */
export function pipePages(toHostBytes: number, toGuestBytes: number): number {
  return 1 + Math.ceil(toHostBytes / PAGE_BYTES) + Math.ceil(toGuestBytes / PAGE_BYTES);
}
