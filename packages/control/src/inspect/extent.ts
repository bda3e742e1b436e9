// Runs of pages, as places in a region are.

import { pipePages } from "../layout.ts";
import type { PipePicture } from "./report.ts";

export interface Extent {
  readonly first: number;
  readonly pages: number;
}

/** The block of a pipe; of one whose capacities are not known, its header. */
export function extentOf({ page, toHost, toGuest }: PipePicture): Extent {
  return { first: page, pages: pipePages(toHost.capacity ?? 0, toGuest.capacity ?? 0) };
}

/** Have they a page in common? */
export function overlap(one: Extent, other: Extent): boolean {
  return one.first < other.first + other.pages && other.first < one.first + one.pages;
}
