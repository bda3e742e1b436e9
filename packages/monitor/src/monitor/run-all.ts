// Letting go of several things, each of which may fail.

/** One step after the other; one that fails keeps no other from running. Rejects as the first that failed. */
export async function runAll(steps: Iterable<() => unknown>): Promise<void> {
  let failed: { readonly error: unknown } | undefined;
  for (const step of steps) {
    try {
      await step();
    } catch (error) {
      failed ??= { error };
    }
  }
  if (failed !== undefined) throw failed.error;
}
