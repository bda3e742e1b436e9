// Where the words of a region lie: PROTOCOL.md sections 4 and 6, from the text alone.

export const PAGE = 4096;

/** Offsets of section 4.2. */
export const Sb = {
  MAGIC_LOW: 0x000,
  MAGIC_HIGH: 0x004,
  MAJOR: 0x008,
  MINOR: 0x00c,
  PAGES: 0x010,
  FEATURES: 0x014,
  BELL: 0x018,
  CONTROL: 0x01c,
  TO_HOST: 0x020,
  TO_GUEST: 0x024,
  MAX_ID: 0x028,
  EPOCH: 0x080,
  HOST_STATE: 0x084,
  REPLY: 0x088,
  VIOLATION: 0x08c,
  REQUEST: 0x100,
  GUEST_STATE: 0x104,
  ACCEPTED: 0x108,
  GUEST_MINOR: 0x10c,
  HOST_BEAT: 0x180,
  GUEST_BEAT: 0x200,
} as const;

export const State = { ABSENT: 0, READY: 1, RESETTING: 2, DRAINING: 3, FAILED: 4 } as const;

/** Offsets of section 4.3. */
export const P = {
  TO_HOST_WRITTEN: 0x000,
  TO_HOST_END: 0x004,
  TO_HOST_WANT_SPACE: 0x008,
  TO_HOST_READ: 0x080,
  TO_HOST_STOPPED: 0x084,
  TO_HOST_WANT_DATA: 0x088,
  TO_GUEST_WRITTEN: 0x100,
  TO_GUEST_END: 0x104,
  TO_GUEST_WANT_SPACE: 0x108,
  TO_GUEST_READ: 0x180,
  TO_GUEST_STOPPED: 0x184,
  TO_GUEST_WANT_DATA: 0x188,
} as const;

/** Offsets of section 6, from the start of a direction's two pages. */
export const Bell = { ASLEEP: 0x0000, TOP: 0x0080, MIDDLE: 0x0100, LEAF: 0x1000, TO_GUEST: 0x2000 } as const;
