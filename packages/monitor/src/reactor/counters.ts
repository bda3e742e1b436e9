// Counters in shared memory: the reactor adds, any thread reads, no message and no lock.
//
// Each is a double that only the reactor's thread writes: exact up to 2^53, and one aligned store.

/** Where each counter stands. */
export const Counter = {
  guests: 0,
  guestsAttached: 1,
  violations: 2,
  refusals: 3,
  streams: 4,
  streamsOpened: 5,
  bytesToHost: 6,
  bytesToGuest: 7,
  connections: 8,
  accepted: 9,
  acceptFailures: 10,
  fileBytesRead: 11,
  fileBytesWritten: 12,
  fileOperations: 13,
  quotaStreams: 14,
  quotaPages: 15,
  quotaAccepts: 16,
  quotaOpenFiles: 17,
  quotaFileBytes: 18,
  quotaRequests: 19,
  quotaDiskOperations: 20,
  quotaBells: 21,
  quotaLines: 22,
  bells: 23,
  sleeps: 24,
  polls: 25,
  pollHits: 26,
  udpSockets: 27,
  datagramsToHost: 28,
  datagramsToGuest: 29,
  datagramsLost: 30,
  quotaLocks: 31,
  quotaWatches: 32,
  quotaNetworkBytes: 33,
  rateBytesToHost: 34,
  rateBytesToGuest: 35,
  rateConnections: 36,
  rateDatagrams: 37,
  rateLookups: 38,
  lookups: 39,
  addressesLeftOut: 40,
  quotaLookups: 41,
} as const;

export type CounterName = keyof typeof Counter;
export type CounterValues = Readonly<Record<CounterName, number>>;

/** One of Counter. */
export type Counter = (typeof Counter)[CounterName];

/** In the order in which they stand. */
export const COUNTERS: readonly CounterName[] = Object.keys(Counter) as CounterName[];

export class Counters {
  readonly buffer: SharedArrayBuffer;
  readonly #values: Float64Array;

  constructor(buffer: SharedArrayBuffer = new SharedArrayBuffer(COUNTERS.length * 8)) {
    this.buffer = buffer;
    this.#values = new Float64Array(buffer);
  }

  add(counter: Counter, amount = 1): void {
    this.#values[counter]! += amount;
  }

  read(): CounterValues {
    const read: Partial<Record<CounterName, number>> = {};
    for (const [index, name] of COUNTERS.entries()) read[name] = this.#values[index]!;
    return read as CounterValues;
  }
}
