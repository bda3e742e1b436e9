// The limits of this package, with their reasons.

/**
 * Buffers begin with this and shrink to this: a page. A thousand streams that wait have 4 MiB of send queues, and
 * messages of a few bytes still travel by the dozen.
 */
export const FLOOR_BYTES = 4096;

/** What a frame may have where nobody says otherwise: 8 MiB, as in tokio-util. */
export const DEFAULT_FRAME_BYTES: number = 8 * 1024 * 1024;
