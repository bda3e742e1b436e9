// Runs one side of a shared-memory exchange with the other side's code slipped in at each of its atomic accesses: every
// interleaving in which one side's call runs inside the other's.

type AtomicsMethods = "load" | "store" | "exchange" | "or";
const methods: readonly AtomicsMethods[] = ["load", "store", "exchange", "or"];

/**
 * Calls `action` with `intruder` run once just before its atomic access number `at`, or after it where it made fewer.
 */
export function runWithIntruder(action: () => void, intruder: () => void, at: number): void {
  const originals = methods.map((name) => Atomics[name]);
  const target = Atomics as unknown as Record<string, (...args: number[]) => number>;
  let accesses = 0;
  let intruded = false;
  const restore = (): void => {
    for (const [i, name] of methods.entries()) target[name] = originals[i] as never;
  };
  for (const [i, name] of methods.entries()) {
    target[name] = (...args: number[]): number => {
      if (accesses++ === at) {
        intruded = true;
        restore();
        intruder();
      }
      return (originals[i] as unknown as (...args: number[]) => number)(...args);
    };
  }
  try {
    action();
  } finally {
    restore();
  }
  if (!intruded) intruder();
}

/** How many atomic accesses `action` makes. */
function countAccesses(action: () => void): number {
  const originals = methods.map((name) => Atomics[name]);
  const target = Atomics as unknown as Record<string, (...args: number[]) => number>;
  let accesses = 0;
  for (const [i, name] of methods.entries()) {
    target[name] = (...args: number[]): number => {
      accesses++;
      return (originals[i] as unknown as (...args: number[]) => number)(...args);
    };
  }
  try {
    action();
  } finally {
    for (const [i, name] of methods.entries()) target[name] = originals[i] as never;
  }
  return accesses;
}

/**
 * For each access: `setUp`, then the two sides interleaved there, then `check`; and once with the intruder after the
 * action. Returns how many accesses there were. Of a loop over hundreds of words only the first and last are tried, and
 * some between.
 */
export function atEveryAccess<T>(
  setUp: () => T,
  action: (made: T) => void,
  intruder: (made: T) => void,
  check: (made: T, at: number) => void,
): number {
  const counted = setUp();
  const accesses = countAccesses(() => action(counted));
  for (let at = 0; at <= accesses; at++) {
    if (at > 60 && at < accesses - 60 && at % 61 !== 0) continue;
    const made = setUp();
    runWithIntruder(
      () => action(made),
      () => intruder(made),
      at,
    );
    check(made, at);
  }
  return accesses;
}
