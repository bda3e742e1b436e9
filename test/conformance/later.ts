// Of version 1.1, what is described and not served yet: each list shrinks with the code, and this file goes with the
// last of them. A test holds that nothing stands here that is there already.

/** Files of vectors whose messages the monitor does not take yet. */
export const NOT_IN_MONITOR: readonly string[] = ["udp", "resolve", "mount"];

/** Files of vectors whose messages the C library does not have yet. */
export const NOT_IN_C: readonly string[] = ["udp", "resolve", "unix", "mount"];

/** Clauses that no vector and no scenario covers yet. */
export const NOT_COVERED: readonly string[] = [
  ...["UDP-1", "UDP-3", "UDP-6", "UDP-7", "UDP-11", "UDP-14", "UDP-15"],
  ...["RSL-1", "RSL-4", "RSL-5", "RSL-6", "RSL-7"],
  ...["MNT-3", "MNT-4", "MNT-6", "MNT-22"],
  ...["LIM-2", "LIM-3"],
];

/** Is a case one of a vector in these files? */
export function isIn(files: readonly string[], name: string): boolean {
  return files.some((file) => name.startsWith(`${file}: `));
}
