// Of version 1.1, what the C library does not have yet: this file goes with the last of it. A test holds that nothing
// stands here that is there already.

/** Files of vectors whose messages the C library does not have yet. */
export const NOT_IN_C: readonly string[] = ["mount"];

/** Is a case one of a vector in these files? */
export function isIn(files: readonly string[], name: string): boolean {
  return files.some((file) => name.startsWith(`${file}: `));
}
