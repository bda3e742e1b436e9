// The words that options of cat take, for those who declare them and those who obey.

export const INPUTS = ["stdin", "lines", "none", "echo", "random", "fixed"] as const;
export type Input = (typeof INPUTS)[number];

export const FORWARDS = ["none", "hub", "channels", "linger"] as const;
/** What peers hear of each other. */
export type Forward = (typeof FORWARDS)[number];

export const PAIRS = ["apart", "listen:connect", "any"] as const;
/** Who is paired with whom. */
export type Pair = (typeof PAIRS)[number];

export const SLOW = ["pace", "drop"] as const;
/** What becomes of a chunk for an outlet that is not clear: its giver waits, or the outlet goes without. */
export type Slow = (typeof SLOW)[number];
