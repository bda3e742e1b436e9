// One thing that a guest does wrong: what, the clause whose checks find it, and where in the code it is put.

import type { Patch } from "./load.ts";

export interface Mistake {
  /** "It ..." */
  readonly what: string;
  /** Its cases are run, and at least one check of it fails. */
  readonly clause: string;
  readonly patches: readonly Patch[];
}

/** A mistake in one module, beside others of it. */
export function of(
  module: string,
): (what: string, clause: string, replace: string, by: string, ...more: readonly string[]) => Mistake {
  return (what, clause, ...texts) => {
    const patches: Patch[] = [];
    for (let i = 0; i + 1 < texts.length; i += 2)
      patches.push({ module, replace: texts[i]!, by: texts[i + 1]! });
    return { what, clause, patches };
  };
}
