// Of version 1.1, what is described and not served yet: each list shrinks with the code, and this file goes with the
// last of them. A test holds that nothing stands here that is there already.

/** Files of vectors whose messages the monitor does not take yet. */
export const NOT_IN_MONITOR: readonly string[] = ["udp", "resolve", "unix", "mount"];

/** Files of vectors whose messages the C library does not have yet. */
export const NOT_IN_C: readonly string[] = ["udp", "resolve", "unix", "mount"];

/** Clauses that no vector and no scenario covers yet; vectors of NOT_IN_MONITOR do not count. */
export const NOT_COVERED: readonly string[] = [
  ...upTo("UDP", 15),
  ...upTo("RSL", 7),
  ...upTo("UNX", 8),
  ...upTo("MNT", 22),
  ...["LIM-2", "LIM-3"],
];

function upTo(prefix: string, last: number): string[] {
  return Array.from({ length: last }, (_, i) => `${prefix}-${i + 1}`);
}

/** Is a case one of a vector in these files? */
export function isIn(files: readonly string[], name: string): boolean {
  return files.some((file) => name.startsWith(`${file}: `));
}
