// Counters in shared memory: the reactor adds, any thread reads, no message and no lock.
//
// Each is a double that only the reactor's thread writes: exact up to 2^53, and one aligned store.

export const COUNTERS = [
  "guests",
  "guestsAttached",
  "violations",
  "refusals",
  "streams",
  "streamsOpened",
  "bytesToHost",
  "bytesToGuest",
  "connections",
  "accepted",
  "acceptFailures",
  "fileBytesRead",
  "fileBytesWritten",
  "fileOperations",
  "quotaStreams",
  "quotaPages",
  "quotaAccepts",
  "quotaOpenFiles",
  "quotaFileBytes",
  "quotaRequests",
  "quotaDiskOperations",
  "quotaBells",
  "quotaLines",
  "bells",
  "sleeps",
  "polls",
  "pollHits",
] as const;

export type CounterName = (typeof COUNTERS)[number];
export type CounterValues = Readonly<Record<CounterName, number>>;

export class Counters {
  readonly buffer: SharedArrayBuffer;
  readonly #values: Float64Array;
  readonly #index: ReadonlyMap<CounterName, number>;

  constructor(buffer: SharedArrayBuffer = new SharedArrayBuffer(COUNTERS.length * 8)) {
    this.buffer = buffer;
    this.#values = new Float64Array(buffer);
    this.#index = new Map(COUNTERS.map((name, index) => [name, index]));
  }

  /** Where a counter stands in `values`: for the reactor's hot path. */
  index(name: CounterName): number {
    return this.#index.get(name)!;
  }

  get values(): Float64Array {
    return this.#values;
  }

  add(name: CounterName, amount = 1): void {
    this.#values[this.index(name)]! += amount;
  }

  read(): CounterValues {
    const read: Partial<Record<CounterName, number>> = {};
    for (const [index, name] of COUNTERS.entries()) read[name] = this.#values[index]!;
    return read as CounterValues;
  }
}
