// Bytes for a process that has other work: what it does with one part is followed by a pause that is as long, so that
// reading takes half of its thread at most, and nobody waits for more than one part.

import { setTimeout as sleep } from "node:timers/promises";

/** A few milliseconds of work, where they are lines of JSON. */
const PART_BYTES = 16 * 1024;

/** Without pauses once the signal came. */
export async function* paced(bytes: AsyncIterable<Buffer>, signal: AbortSignal): AsyncGenerator<Buffer> {
  for await (const chunk of bytes) {
    for (let from = 0; from < chunk.length; from += PART_BYTES) {
      const startMs = performance.now();
      yield chunk.subarray(from, from + PART_BYTES);
      const took = performance.now() - startMs;
      if (!signal.aborted) await sleep(took, undefined, { signal }).catch(() => {});
    }
  }
}
