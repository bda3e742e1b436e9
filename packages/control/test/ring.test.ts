// Rings: every state of a tiny ring, every operation on it, against an oracle that is a plain array of bytes; and every
// word that the other side could write and must not.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  layout,
  type RegionMemory,
  RingConsumer,
  RingProducer,
  regionMemory,
  Violation,
} from "../src/index.ts";
import { expectViolation } from "./helpers.ts";

const { Closed } = layout;
const PRODUCER = 0x000;
const CONSUMER = 0x080;
const DATA = 0x100;
const TOP = 2 ** 32;

function word(memory: RegionMemory, offset: number): number {
  return Atomics.load(memory.words, offset / 4) >>> 0;
}

function poke(memory: RegionMemory, offset: number, value: number): void {
  Atomics.store(memory.words, offset / 4, value | 0);
}

function ring(capacity: number, position: number) {
  const memory = regionMemory(new ArrayBuffer(DATA + Math.max(4, capacity) + 16));
  // What lies around the data area must stay as it is.
  memory.bytes.fill(0xee, DATA);
  poke(memory, PRODUCER + layout.PRODUCER_POSITION, position);
  poke(memory, CONSUMER + layout.CONSUMER_POSITION, position);
  const place = { producer: PRODUCER, consumer: CONSUMER, data: DATA, capacity };
  return {
    memory,
    producer: new RingProducer(memory, place, position),
    consumer: new RingConsumer(memory, place, position),
  };
}
type Ring = ReturnType<typeof ring>;

/** The oracle: what a ring is, as naively as can be. */
interface State {
  capacity: number;
  /** Absolute, not wrapped. */
  read: number;
  bytes: number[];
  /** How many of `bytes` the consumer has seen. */
  seen: number;
  wantSpace: number;
  wantData: number;
  closed: number;
  abandoned: boolean;
}

const byteAt = (position: number): number => (position * 37 + 11) & 255;

/** A ring in exactly this state, reached by calls only. */
function build(state: State): Ring {
  const made = ring(state.capacity, state.read % TOP);
  const { producer, consumer } = made;
  producer.put(Uint8Array.from(state.bytes.slice(0, state.seen)));
  producer.advance(state.seen);
  consumer.readable();
  producer.put(Uint8Array.from(state.bytes.slice(state.seen)));
  producer.advance(state.bytes.length - state.seen);
  if (state.wantSpace > 0) producer.wantSpace(state.wantSpace);
  if (state.wantData > 0) consumer.wantData();
  // wantData looks; the state wanted is one in which it has not.
  if (state.wantData > 0 && state.seen < state.bytes.length) return buildUnseen(state);
  close(made, state);
  return made;
}

/** As build(), with want-data set before the bytes that the consumer has not seen. */
function buildUnseen(state: State): Ring {
  const made = ring(state.capacity, state.read % TOP);
  const { producer, consumer } = made;
  producer.put(Uint8Array.from(state.bytes.slice(0, state.seen)));
  producer.advance(state.seen);
  consumer.wantData();
  producer.put(Uint8Array.from(state.bytes.slice(state.seen)));
  producer.advance(state.bytes.length - state.seen);
  if (state.wantSpace > 0) producer.wantSpace(state.wantSpace);
  close(made, state);
  return made;
}

function close({ producer, consumer }: Ring, state: State): void {
  if (state.closed === Closed.END) producer.end();
  if (state.closed === Closed.RESET) producer.reset();
  if (state.abandoned) consumer.close();
}

/** Throws where the ring is not in the oracle's state, as far as words and bytes tell. */
function same({ memory }: Ring, state: State, what: () => string): void {
  const check = (part: string, actual: number, expected: number): void => {
    if (actual !== expected) throw new Error(`${what()}: ${part} is ${actual}, not ${expected}`);
  };
  check("write position", word(memory, PRODUCER), (state.read + state.bytes.length) % TOP);
  check("closed", word(memory, PRODUCER + layout.PRODUCER_CLOSED), state.closed);
  check("want-space", word(memory, PRODUCER + layout.PRODUCER_WANT_SPACE), state.wantSpace);
  check("read position", word(memory, CONSUMER), state.read % TOP);
  check("consumer closed", word(memory, CONSUMER + layout.CONSUMER_CLOSED), state.abandoned ? 1 : 0);
  check("want-data", word(memory, CONSUMER + layout.CONSUMER_WANT_DATA), state.wantData);
  for (let i = 0; i < state.bytes.length; i++) {
    const at = DATA + ((state.read + i) % state.capacity);
    check(`byte ${i}`, memory.bytes[at]!, state.bytes[i]!);
  }
  for (let at = DATA + state.capacity; at < memory.bytes.length; at++) {
    check(`what lies at ${at}, past the data area,`, memory.bytes[at]!, 0xee);
  }
}

function equal<T>(actual: T, expected: T, what: string): void {
  if (actual !== expected) throw new Error(`${what}: ${actual}, not ${expected}`);
}

function* states(capacity: number): Generator<State> {
  for (let read = TOP - capacity - 1; read <= TOP + 1; read++) {
    for (let used = 0; used <= capacity; used++) {
      const bytes = Array.from({ length: used }, (_, i) => byteAt(read + i));
      for (let seen = 0; seen <= used; seen++) {
        for (let wantSpace = 0; wantSpace <= capacity; wantSpace++) {
          for (const wantData of [0, 1]) {
            for (const closed of [Closed.OPEN, Closed.END, Closed.RESET]) {
              for (const abandoned of [false, true]) {
                yield { capacity, read, bytes, seen, wantSpace, wantData, closed, abandoned };
              }
            }
          }
        }
      }
    }
  }
}

/** Every operation that is allowed in a state: does it to the ring, checks what comes back, returns the next state. */
function* operations(state: State): Generator<[string, (made: Ring) => State]> {
  const used = state.bytes.length;
  const free = state.capacity - used;
  yield [
    "look",
    ({ producer, consumer }) => {
      equal(producer.writable(), free, "writable");
      equal(producer.abandoned(), state.abandoned, "abandoned");
      equal(consumer.peerClosed(), state.closed as number, "peerClosed");
      equal(consumer.readable(), used, "readable");
      equal(consumer.ended(), state.closed === Closed.END && used === 0, "ended");
      equal(producer.closed, state.closed as number, "closed");
      equal(consumer.closed, state.abandoned, "consumer closed");
      equal(producer.position, (state.read + used) % TOP, "producer position");
      equal(consumer.position, state.read % TOP, "consumer position");
      return { ...state, seen: used };
    },
  ];
  for (let n = 0; n <= free; n++) {
    const fresh = Array.from({ length: n }, (_, i) => byteAt(state.read + used + i));
    const next = { ...state, bytes: [...state.bytes, ...fresh] };
    yield [
      `put ${n}`,
      ({ producer }) => {
        producer.put(Uint8Array.from(fresh));
        equal(producer.advance(n), state.wantData === 1, "signal for data");
        return next;
      },
    ];
    for (let first = 1; first < n; first++) {
      yield [
        `put ${first} and ${n - first}, one advance`,
        ({ producer }) => {
          producer.put(Uint8Array.from(fresh.slice(first)), first);
          producer.put(Uint8Array.from(fresh.slice(0, first)));
          equal(producer.advance(n), state.wantData === 1, "signal for data");
          return next;
        },
      ];
    }
    yield [
      `put ${n} by spans`,
      (made) => {
        const { producer, memory } = made;
        let put = 0;
        let signalled = false;
        while (put < n) {
          const span = Math.min(n - put, producer.spanBytes(producer.writable()));
          if (span === 0) throw new Error("an empty span although there is room");
          for (let i = 0; i < span; i++) memory.bytes[producer.spanOffset() + i] = fresh[put + i]!;
          signalled = producer.advance(span);
          put += span;
        }
        if (n > 0) equal(signalled, state.wantData === 1, "signal for data");
        return next;
      },
    ];
  }
  for (let at = 0; at <= state.seen; at++) {
    for (let n = 0; at + n <= state.seen; n++) {
      yield [
        `copy ${n} from ${at}`,
        ({ consumer }) => {
          const target = new Uint8Array(n);
          consumer.copy(target, at);
          for (let i = 0; i < n; i++) equal(target[i], state.bytes[at + i], "byte");
          return state;
        },
      ];
    }
  }
  for (let n = 0; n <= state.seen; n++) {
    const left = state.bytes.slice(n);
    const next = { ...state, read: state.read + n, bytes: left, seen: state.seen - n };
    yield [
      `take ${n} unseen`,
      ({ consumer }) => {
        const signalled = consumer.advance(n);
        const wanted = state.wantSpace > 0;
        // The space is there: no lost wake-up. It is not even there in the consumer's own view: no false hope.
        if (wanted && state.capacity - left.length >= state.wantSpace)
          equal(signalled, true, "signal for space");
        if (!wanted || state.capacity - (state.seen - n) < state.wantSpace)
          equal(signalled, false, "false hope");
        return next;
      },
    ];
  }
  for (let n = 0; n <= used; n++) {
    const left = state.bytes.slice(n);
    yield [
      `look, take ${n}`,
      (made) => {
        const { consumer, memory } = made;
        equal(consumer.readable(), used, "readable");
        const span = consumer.spanBytes(used);
        equal(
          memory.bytes[consumer.spanOffset()],
          used > 0 ? state.bytes[0]! : memory.bytes[consumer.spanOffset()],
          "span",
        );
        if (used > 0 && (span === 0 || span > used)) throw new Error(`span of ${span}`);
        const hope = state.wantSpace > 0 && state.capacity - left.length >= state.wantSpace;
        equal(consumer.advance(n), hope, "signal for space");
        return { ...state, read: state.read + n, bytes: left, seen: left.length };
      },
    ];
  }
  for (let n = 1; n <= state.capacity; n++) {
    yield [
      `want space ${n}`,
      ({ producer }) => {
        equal(producer.wantSpace(n), free >= n || state.abandoned, "wantSpace");
        return { ...state, wantSpace: n };
      },
    ];
  }
  yield [
    "want no space",
    ({ producer }) => {
      producer.unwantSpace();
      return { ...state, wantSpace: 0 };
    },
  ];
  yield [
    "want data",
    ({ consumer }) => {
      equal(consumer.wantData(), used > 0 || state.closed !== Closed.OPEN, "wantData");
      return { ...state, wantData: 1, seen: used };
    },
  ];
  yield [
    "want no data",
    ({ consumer }) => {
      consumer.unwantData();
      return { ...state, wantData: 0 };
    },
  ];
  yield [
    "end",
    ({ producer }) => {
      producer.end();
      return { ...state, closed: Math.max(state.closed, Closed.END) };
    },
  ];
  yield [
    "reset",
    ({ producer }) => {
      producer.reset();
      return { ...state, closed: Closed.RESET };
    },
  ];
  yield [
    "close",
    ({ consumer }) => {
      consumer.close();
      return { ...state, abandoned: true };
    },
  ];
}

describe("a tiny ring agrees with an array of bytes", () => {
  test.each([1, 2, 4])(
    "after every operation in every state, capacity %i, through the wrap-around",
    (capacity) => {
      let steps = 0;
      for (const state of states(capacity)) {
        for (const [name, run] of operations(state)) {
          const made = build(state);
          const next = run(made);
          same(made, next, () => `${name} in ${JSON.stringify(state)}`);
          steps++;
        }
      }
      expect(steps).toBeGreaterThan(1000);
    },
  );

  test("after every operation in every state of capacity 8 that the flags allow to tell apart", () => {
    for (const state of states(8)) {
      // Flags and wants were crossed with everything at the smaller capacities.
      if (state.wantData === 1 && (state.closed !== 0 || state.abandoned)) continue;
      if (state.closed === Closed.RESET || (state.abandoned && state.wantSpace % 3 !== 1)) continue;
      for (const [name, run] of operations(state)) {
        const made = build(state);
        same(made, run(made), () => `${name} in ${JSON.stringify(state)}`);
      }
    }
  });

  test.each([
    [1, 5],
    [2, 4],
  ])("after every sequence of operations, capacity %i, up to %i of them", (capacity, depth) => {
    const start: State = {
      capacity,
      read: TOP - 2,
      bytes: [],
      seen: 0,
      wantSpace: 0,
      wantData: 0,
      closed: 0,
      abandoned: false,
    };
    let paths = 0;
    // Each path is run on a ring of its own; its prefixes were checked as shorter paths.
    const walk = (steps: ((made: Ring) => State)[], names: string[], state: State): void => {
      const made = ring(capacity, start.read);
      for (const run of steps) run(made);
      same(made, state, () => names.join());
      paths++;
      if (steps.length === depth) return;
      for (const [name, run] of operations(state)) {
        // Copies, spans and steps of nothing change nothing that the others do not.
        if (name.startsWith("copy") || name.includes("spans") || name.endsWith(" 0")) continue;
        if (name.startsWith("take 0")) continue;
        walk([...steps, run], [...names, name], run(replay(steps)));
      }
    };
    const replay = (steps: ((made: Ring) => State)[]): Ring => {
      const made = ring(capacity, start.read);
      for (const run of steps) run(made);
      return made;
    };
    walk([], [], start);
    expect(paths).toBeGreaterThan(5_000);
  });

  test("after long random sequences, capacities to 64, from any position", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(1, 2, 4, 8, 16, 64),
        fc.oneof(fc.integer({ min: TOP - 200, max: TOP - 1 }), fc.integer({ min: 0, max: TOP - 1 })),
        fc.array(fc.nat(), { maxLength: 150, size: "max" }),
        (capacity, read, choices) => {
          const made = ring(capacity, read);
          let state: State = {
            capacity,
            read,
            bytes: [],
            seen: 0,
            wantSpace: 0,
            wantData: 0,
            closed: 0,
            abandoned: false,
          };
          for (const choice of choices) {
            const possible = [...operations(state)];
            const [name, run] = possible[choice % possible.length]!;
            state = run(made);
            same(made, state, () => name);
          }
        },
      ),
      { numRuns: 150 },
    );
  });
});

describe("end of stream", () => {
  test("is told only after the unread tail was taken", () => {
    const { producer, consumer } = ring(8, TOP - 3);
    producer.put(Uint8Array.of(1, 2, 3, 4, 5));
    producer.advance(5);
    producer.end();
    expect(consumer.peerClosed()).toBe(Closed.END);
    expect(consumer.ended()).toBe(false);
    consumer.advance(3);
    expect(consumer.ended()).toBe(false);
    const tail = new Uint8Array(2);
    consumer.copy(tail);
    expect([...tail]).toEqual([4, 5]);
    consumer.advance(2);
    expect(consumer.ended()).toBe(true);
  });

  test("is told at once on a ring that never carried a byte", () => {
    const { producer, consumer } = ring(4, 0);
    expect(consumer.wantData()).toBe(false);
    producer.end();
    expect(consumer.wantData()).toBe(true);
    expect(consumer.ended()).toBe(true);
  });

  test("is not what a reset is, even on an empty ring", () => {
    const { producer, consumer } = ring(4, 0);
    producer.reset();
    expect(consumer.ended()).toBe(false);
    expect(consumer.peerClosed()).toBe(Closed.RESET);
    expect(consumer.wantData()).toBe(true);
  });

  test("may turn into a reset, and never back", () => {
    const { producer, consumer } = ring(4, 0);
    producer.end();
    producer.reset();
    producer.end();
    expect(producer.closed).toBe(Closed.RESET);
    expect(consumer.peerClosed()).toBe(Closed.RESET);
  });

  test("of the reader wakes a writer that waits for space", () => {
    const { producer, consumer } = ring(1, TOP - 1);
    producer.put(Uint8Array.of(7));
    producer.advance(1);
    expect(producer.wantSpace(1)).toBe(false);
    consumer.close();
    expect(producer.wantSpace(1)).toBe(true);
    expect(producer.abandoned()).toBe(true);
    expect(producer.writable()).toBe(0);
  });
});

describe("a word that the other side cannot have written", () => {
  const positions = [0, 1, 2, 2 ** 31 - 1, 2 ** 31, 2 ** 31 + 1, TOP - 9, TOP - 2, TOP - 1];

  test.each([1, 2, 8, 4096])(
    "as read position is refused, and every possible one taken, capacity %i",
    (capacity) => {
      for (const start of positions) {
        for (const used of new Set([0, 1, capacity - 1, capacity].filter((n) => n >= 0 && n <= capacity))) {
          for (const delta of [
            -(2 ** 31),
            -capacity - 1,
            -2,
            -1,
            0,
            1,
            used - 1,
            used,
            used + 1,
            capacity + 1,
            2 ** 31,
          ]) {
            const { memory, producer } = ring(capacity, start);
            producer.advance(used);
            poke(memory, CONSUMER, (start + delta) >>> 0);
            const possible = delta >= 0 && delta <= used;
            if (possible) expect(producer.writable()).toBe(capacity - used + delta);
            else expectViolation(Violation.RING_POSITION, "RING-4", () => producer.writable());
          }
        }
      }
    },
  );

  test.each([1, 2, 8, 4096])(
    "as write position is refused, and every possible one taken, capacity %i",
    (capacity) => {
      for (const start of positions) {
        for (const delta of [
          -(2 ** 31),
          -capacity,
          -1,
          0,
          1,
          capacity - 1,
          capacity,
          capacity + 1,
          2 ** 31 - 1,
          2 ** 31,
        ]) {
          const { memory, consumer } = ring(capacity, start);
          poke(memory, PRODUCER, (start + delta) >>> 0);
          const possible = delta >= 0 && delta <= capacity;
          if (possible) expect(consumer.readable()).toBe(delta);
          else expectViolation(Violation.RING_POSITION, "RING-4", () => consumer.readable());
        }
      }
    },
  );

  test("as position is refused when it goes back behind one that was seen", () => {
    const { memory, producer, consumer } = ring(8, TOP - 2);
    poke(memory, PRODUCER, 3);
    expect(consumer.readable()).toBe(5);
    poke(memory, PRODUCER, 2);
    expectViolation(Violation.RING_POSITION, "RING-4", () => consumer.readable());
    expectViolation(Violation.RING_POSITION, "RING-4", () => consumer.wantData());
    producer.advance(5);
    poke(memory, CONSUMER, 1);
    expect(producer.writable()).toBe(6);
    poke(memory, CONSUMER, 0);
    expectViolation(Violation.RING_POSITION, "RING-4", () => producer.writable());
    expectViolation(Violation.RING_POSITION, "RING-4", () => producer.wantSpace(8));
  });

  test.each([3, 4, 2 ** 31, TOP - 1])("as the producer's closed flag is refused: %i", (value) => {
    const { memory, consumer } = ring(4, 0);
    poke(memory, PRODUCER + layout.PRODUCER_CLOSED, value);
    expectViolation(Violation.RING_FLAG, "RING-10", () => consumer.peerClosed());
    expectViolation(Violation.RING_FLAG, "RING-10", () => consumer.ended());
    expectViolation(Violation.RING_FLAG, "RING-10", () => consumer.wantData());
  });

  test.each([2, 3, 2 ** 31, TOP - 1])("as the consumer's closed flag is refused: %i", (value) => {
    const { memory, producer } = ring(4, 0);
    poke(memory, CONSUMER + layout.CONSUMER_CLOSED, value);
    expectViolation(Violation.RING_FLAG, "RING-10", () => producer.abandoned());
    producer.advance(4);
    expectViolation(Violation.RING_FLAG, "RING-10", () => producer.wantSpace(1));
  });

  test.each([
    [Closed.END, Closed.OPEN],
    [Closed.RESET, Closed.OPEN],
    [Closed.RESET, Closed.END],
  ])("as the producer's closed flag is refused when it shrinks: %i to %i", (before, after) => {
    const { memory, consumer } = ring(4, 0);
    poke(memory, PRODUCER + layout.PRODUCER_CLOSED, before);
    expect(consumer.peerClosed()).toBe(before);
    poke(memory, PRODUCER + layout.PRODUCER_CLOSED, after);
    expectViolation(Violation.RING_FLAG, "RING-10", () => consumer.peerClosed());
  });

  test("as the consumer's closed flag is refused when it shrinks", () => {
    const { memory, producer } = ring(4, 0);
    poke(memory, CONSUMER + layout.CONSUMER_CLOSED, 1);
    expect(producer.abandoned()).toBe(true);
    poke(memory, CONSUMER + layout.CONSUMER_CLOSED, 0);
    expectViolation(Violation.RING_FLAG, "RING-10", () => producer.abandoned());
  });

  test("as a want word costs the other side nothing but signals", () => {
    for (const value of [5, 2 ** 31, TOP - 1]) {
      const { memory, producer, consumer } = ring(4, TOP - 2);
      poke(memory, CONSUMER + layout.CONSUMER_WANT_DATA, value);
      expect(producer.advance(4)).toBe(true);
      poke(memory, PRODUCER + layout.PRODUCER_WANT_SPACE, value);
      expect(consumer.readable()).toBe(4);
      expect(consumer.advance(4)).toBe(false);
    }
  });

  test("in this side's own part changes nothing: it is never read back", () => {
    const { memory, producer, consumer } = ring(8, 5);
    producer.advance(3);
    expect(consumer.readable()).toBe(3);
    consumer.advance(1);
    poke(memory, CONSUMER, 7);
    expect(consumer.position).toBe(6);
    consumer.advance(1);
    expect(word(memory, CONSUMER)).toBe(7);
    poke(memory, PRODUCER, 99);
    expect(producer.writable()).toBe(7);
    producer.advance(1);
    expect(word(memory, PRODUCER)).toBe(9);
  });
});
