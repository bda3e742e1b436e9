// Runs one side of a shared-memory exchange with the other side's code slipped in at each of its atomic accesses: every
// interleaving in which one side's call runs inside the other's.

type AtomicsMethods = "load" | "store" | "exchange" | "or";
const methods: readonly AtomicsMethods[] = ["load", "store", "exchange", "or"];

/**
 * Calls `action` with `intruder` run once just before its atomic access number `at`. Returns false where the action made
 * no such access (then the intruder ran after it).
 */
function runWithIntruder(action: () => void, intruder: () => void, at: number): boolean {
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
  return intruded;
}

/** For each access: `setUp`, then the two sides interleaved there, then `check`. Returns how many there were. */
export function atEveryAccess<T>(
  setUp: () => T,
  action: (made: T) => void,
  intruder: (made: T) => void,
  check: (made: T, at: number) => void,
): number {
  for (let at = 0; ; at++) {
    const made = setUp();
    const intruded = runWithIntruder(
      () => action(made),
      () => intruder(made),
      at,
    );
    check(made, at);
    if (!intruded) return at;
  }
}
