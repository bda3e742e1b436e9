// Delays and drops of chunks, as they are asked for: what a bad network does, the same each time for one seed.

import type { Random, Range } from "./random.ts";

export interface Shape {
  readonly delayMs: Range | undefined;
  /** 0 to 100. */
  readonly dropPercent: number;
}

export const NO_SHAPE: Shape = { delayMs: undefined, dropPercent: 0 };

/** What happens to one chunk: it is dropped, or waits for so long. */
export function fate({ delayMs, dropPercent }: Shape, random: Random): "drop" | number {
  if (dropPercent > 0 && random.fraction() * 100 < dropPercent) return "drop";
  return delayMs === undefined ? 0 : random.within(delayMs);
}
