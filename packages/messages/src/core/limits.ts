// The limits of this package, with their reasons.

/**
 * Buffers begin with this and shrink to this: a page. A thousand streams that wait have 4 MiB of send queues, and
 * messages of a few bytes still travel by the dozen.
 */
export const FLOOR_BYTES = 4096;

/** What a frame may have where nobody says otherwise: 8 MiB, as in tokio-util. */
export const DEFAULT_FRAME_BYTES: number = 8 * 1024 * 1024;

/**
 * A receive buffer is at most so many times as large as what has come of its frame: a header that claims 8 MiB costs a
 * peer's bytes, and not ours. 4: a frame of 64 KiB whose first 16 KiB are there is copied once.
 */
export const GROWTH = 4;

/** What is copied of a chunk before a codec that cannot say how much it needs is asked again; then as much again. */
export const STEP_BYTES = 64;

/** How much of the stream around a malformed byte is told, each way: a line of a hex dump. */
export const AROUND_BYTES = 16;

/** Written in one turn: what Linux takes from a socket at once by default, some 200 KiB, and a little more. */
export const WRITE_BUDGET_BYTES: number = 256 * 1024;

/** A message that waits for longer has a peer that does not read. */
export const TX_TIMEOUT_MS = 30_000;

/** Linux alone would try for two minutes. */
export const CONNECT_TIMEOUT_MS = 5000;

/** How often a stream looks at its times, and gives a quarter of its idle memory back: 8 MiB are 4 KiB in 27 s. */
export const TICK_MS = 1000;
