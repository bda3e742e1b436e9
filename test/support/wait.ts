// Waiting for something that another thread or process does: bounded, and with a message that says what did not come.

/** Only a test that fails waits for as long: generous, for a machine whose processor others have. */
const LIMIT_MS = 15_000;

/** So long until() looks without a pause: what is waited for may need this processor. */
const SPIN_MS = 1;

/** Resolves with the first result of `probe` that is neither undefined nor false; looks often at first. */
export async function until<T>(
  what: string,
  probe: () => T | undefined | false | Promise<T | undefined | false>,
  timeoutMs = LIMIT_MS,
): Promise<T> {
  const start = performance.now();
  for (;;) {
    const result = await probe();
    if (result !== undefined && result !== false) return result;
    const waitedMs = performance.now() - start;
    if (waitedMs > timeoutMs) throw new Error(`waited ${timeoutMs} ms in vain for ${what}`);
    if (waitedMs < SPIN_MS) await new Promise((resolve) => setImmediate(resolve));
    else await new Promise((resolve) => setTimeout(resolve, waitedMs < 200 ? 1 : 5));
  }
}

const STILL = { looks: 8, everyMs: 50 };

/** Resolves with what `look` gives once it has given the same for a while: nothing moves any more. */
export async function standsStill<T>(
  what: string,
  look: () => T | Promise<T>,
  timeoutMs = 20_000,
): Promise<T> {
  let last: T | undefined;
  let same = 0;
  await until(
    `${what} to stand still`,
    async () => {
      const now = await look();
      same = JSON.stringify(now) === JSON.stringify(last) ? same + 1 : 0;
      last = now;
      if (same === STILL.looks) return true;
      await new Promise((resolve) => setTimeout(resolve, STILL.everyMs));
      return false;
    },
    timeoutMs,
  );
  return last!;
}

/** `promise`, or an error that names what it did not do in time. */
export function within<T>(what: string, promise: Promise<T>, timeoutMs = LIMIT_MS): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${timeoutMs} ms in vain for ${what}`)), timeoutMs);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
