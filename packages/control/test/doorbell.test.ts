// Doorbells against a Set of ids; and a bitmap into which the other side writes what it likes.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { BellReceiver, BellSender, clearBells, layout, regionMemory } from "../src/index.ts";
import { CountingBell } from "./helpers.ts";

const AREA_BYTES = 2 * layout.PAGE_BYTES;

/** One direction, at an offset, with bytes around it that must stay as they are. */
function bells() {
  const area = layout.PAGE_BYTES;
  const memory = regionMemory(new ArrayBuffer(area + AREA_BYTES + layout.PAGE_BYTES));
  memory.bytes.fill(0xee, 0, area);
  memory.bytes.fill(0xee, area + AREA_BYTES);
  const bell = new CountingBell();
  const untouched = (): boolean =>
    memory.bytes.subarray(0, area).every((byte) => byte === 0xee) &&
    memory.bytes.subarray(area + AREA_BYTES).every((byte) => byte === 0xee);
  return {
    memory,
    area,
    bell,
    sender: new BellSender(memory, area, bell),
    receiver: new BellReceiver(memory, area),
    untouched,
    word: (offset: number): number => Atomics.load(memory.words, (area + offset) / 4) >>> 0,
    poke: (offset: number, value: number): number =>
      Atomics.store(memory.words, (area + offset) / 4, value | 0),
  };
}

function takeAll(receiver: BellReceiver, room = 32768): number[] {
  const ids = new Uint16Array(room);
  const all: number[] = [];
  while (receiver.pending()) all.push(...ids.subarray(0, receiver.take(ids)));
  return all;
}

const ascending = (ids: Iterable<number>): number[] => [...ids].sort((a, b) => a - b);
const anyId = fc.oneof(
  fc.nat(32767),
  fc.constantFrom(0, 1, 31, 32, 33, 1023, 1024, 1025, 31 * 1024, 32766, 32767),
);

describe("what was signalled is taken", () => {
  test("once each, for every one of the 32768 ids alone", () => {
    const { sender, receiver, untouched } = bells();
    const ids = new Uint16Array(64);
    for (let id = 0; id < 32768; id++) {
      sender.signal(id);
      if (!receiver.pending() || receiver.take(ids) !== 1 || ids[0] !== id || receiver.pending()) {
        throw new Error(`id ${id}: took ${ids[0]}`);
      }
    }
    expect(untouched()).toBe(true);
  });

  test("once each, all 32768 ids at once, whatever the room", () => {
    for (const room of [32768, 1000, 32, 7, 1]) {
      const { sender, receiver, untouched } = bells();
      for (let id = 32767; id >= 0; id--) sender.signal(id);
      expect(takeAll(receiver, room)).toEqual(Array.from({ length: 32768 }, (_, id) => id));
      expect(untouched()).toBe(true);
    }
  });

  test("as a set of ids would tell, in any mix of signals and takes with any room", () => {
    const step = fc.oneof(
      { weight: 3, arbitrary: fc.record({ signal: anyId }) },
      { weight: 1, arbitrary: fc.record({ room: fc.constantFrom(1, 2, 3, 31, 32, 33, 64, 200) }) },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200, size: "max" }), (steps) => {
        const { sender, receiver } = bells();
        // The oracle: what is pending, and what a scan with too little room has left for the next calls.
        const pending = new Set<number>();
        let kept: number[] = [];
        const take = (room: number): number[] => {
          if (kept.length === 0) {
            kept = ascending(pending);
            pending.clear();
          }
          return kept.splice(0, room);
        };
        for (const each of steps) {
          if ("signal" in each) {
            sender.signal(each.signal);
            pending.add(each.signal);
          } else {
            const ids = new Uint16Array(each.room);
            expect([...ids.subarray(0, receiver.take(ids))]).toEqual(take(each.room));
          }
          expect(receiver.pending()).toBe(pending.size + kept.length > 0);
        }
        expect(takeAll(receiver)).toEqual([...take(32768), ...take(32768)]);
      }),
      { numRuns: 200 },
    );
  });

  test("before anything that is signalled meanwhile: busy low ids starve no high one", () => {
    const { sender, receiver } = bells();
    const room = new Uint16Array(4);
    const busy = [0, 1, 2, 3, 4, 5];
    sender.signal(32767);
    let turns = 0;
    for (let taken: number[] = []; !taken.includes(32767); turns++) {
      for (const id of busy) sender.signal(id);
      taken = [...room.subarray(0, receiver.take(room))];
    }
    expect(turns).toBe(2);
  });

  test("however often there was too little room", () => {
    const { sender, receiver } = bells();
    const all = Array.from({ length: 1000 }, (_, id) => id);
    for (let round = 0; round < 60; round++) {
      for (const id of all) sender.signal(id);
      expect(takeAll(receiver, 100)).toEqual(all);
    }
  });

  test("also when the receiver would sleep with some of it kept", () => {
    const { sender, receiver } = bells();
    sender.signal(1);
    sender.signal(2);
    expect(receiver.take(new Uint16Array(1))).toBe(1);
    expect(receiver.prepareSleep()).toBe(false);
    expect(takeAll(receiver)).toEqual([2]);
    expect(receiver.prepareSleep()).toBe(true);
  });

  test("not at all into an array without room, and stays pending", () => {
    const { sender, receiver } = bells();
    sender.signal(9);
    expect(receiver.take(new Uint16Array(0))).toBe(0);
    expect(receiver.pending()).toBe(true);
    expect(takeAll(receiver)).toEqual([9]);
  });
});

describe("the bell", () => {
  test("stays still while the receiver is awake", () => {
    const { sender, bell } = bells();
    for (let id = 0; id < 100; id++) sender.signal(id);
    expect(bell.rings).toBe(0);
  });

  test("rings once for each sleep, however many signals", () => {
    const { sender, receiver, bell } = bells();
    for (let sleep = 1; sleep <= 5; sleep++) {
      expect(receiver.prepareSleep()).toBe(true);
      for (let id = 0; id < 100; id++) sender.signal(id);
      expect(bell.rings).toBe(sleep);
      receiver.awake();
      expect(takeAll(receiver)).toHaveLength(100);
    }
  });

  test("is not waited for when something is pending already, and then does not ring either", () => {
    const { sender, receiver, bell, word } = bells();
    sender.signal(77);
    expect(receiver.prepareSleep()).toBe(false);
    expect(word(layout.BELL_ASLEEP)).toBe(0);
    sender.signal(78);
    expect(bell.rings).toBe(0);
    expect(takeAll(receiver)).toEqual([77, 78]);
    expect(receiver.prepareSleep()).toBe(true);
  });

  test("is not rung for a receiver that woke by itself", () => {
    const { sender, receiver, bell } = bells();
    expect(receiver.prepareSleep()).toBe(true);
    receiver.awake();
    sender.signal(1);
    sender.wake();
    expect(bell.rings).toBe(0);
  });

  test("rings whatever the sleep word says where it is asked to", () => {
    const { sender, bell, word } = bells();
    sender.ring();
    expect(bell.rings).toBe(1);
    expect(word(layout.BELL_ASLEEP)).toBe(0);
  });
});

describe("a bitmap full of anything", () => {
  test("never throws, ends, and gives each id at most once a call", () => {
    const words = fc.array(
      fc.tuple(
        fc.oneof(
          fc.constant(layout.BELL_TOP),
          fc.nat(31).map((m) => layout.BELL_MIDDLE + 4 * m),
          fc.nat(1023).map((w) => layout.BELL_LEAF + 4 * w),
          fc.nat(AREA_BYTES / 4 - 1).map((w) => 4 * w),
        ),
        fc.oneof(fc.constantFrom(0xffffffff, 0x80000000, 1, 0), fc.integer()),
      ),
      { maxLength: 60, size: "max" },
    );
    fc.assert(
      fc.property(words, fc.constantFrom(1, 5, 32, 100, 32768), (garbage, room) => {
        const { receiver, poke, untouched } = bells();
        for (const [offset, value] of garbage) poke(offset, value);
        const ids = new Uint16Array(room);
        const all: number[] = [];
        // A call that gives nothing has emptied the top word: so this ends.
        for (let calls = 0; receiver.pending(); calls++) {
          const count = receiver.take(ids);
          if (count === 0) expect(receiver.pending()).toBe(false);
          all.push(...ids.subarray(0, count));
          expect(calls).toBeLessThanOrEqual(32768);
        }
        expect(new Set(all).size).toBe(all.length);
        expect(untouched()).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  test("costs a call no more than one exchange of each word", () => {
    const { receiver, memory, area } = bells();
    memory.words.fill(-1, area / 4, (area + AREA_BYTES) / 4);
    for (let w = 0; w < 1024; w++) memory.words[(area + layout.BELL_LEAF) / 4 + w] = 0;
    const exchange = Atomics.exchange;
    let exchanges = 0;
    // A hostile sender that sets everything above the leaves again at each exchange.
    Atomics.exchange = ((words: Int32Array, index: number, value: number) => {
      exchanges++;
      const before = exchange(words, index, value);
      Atomics.store(memory.words, (area + layout.BELL_TOP) / 4, -1);
      for (let m = 0; m < 32; m++) Atomics.store(memory.words, (area + layout.BELL_MIDDLE) / 4 + m, -1);
      return before;
    }) as typeof Atomics.exchange;
    try {
      expect(receiver.take(new Uint16Array(8))).toBe(0);
    } finally {
      Atomics.exchange = exchange;
    }
    expect(exchanges).toBe(1 + 32 + 1024);
  });

  test("in the sleep word makes the sender ring once, and no more than that", () => {
    for (const value of [1, 2, 0x80000000, 0xffffffff]) {
      const { sender, bell, poke, word } = bells();
      poke(layout.BELL_ASLEEP, value);
      sender.signal(1);
      sender.signal(2);
      expect(bell.rings).toBe(1);
      expect(word(layout.BELL_ASLEEP)).toBe(0);
    }
  });

  test("is gone after the host cleared it, and nothing beside it", () => {
    const { memory, area, receiver, untouched } = bells();
    memory.bytes.fill(0xff, area, area + AREA_BYTES);
    clearBells(memory, area);
    expect(receiver.pending()).toBe(false);
    for (let id = 0; id < 32768; id += 1) {
      const leaf = Atomics.load(memory.words, (area + layout.BELL_LEAF) / 4 + (id >>> 5));
      if (leaf !== 0) throw new Error(`leaf of ${id}`);
    }
    expect(receiver.prepareSleep()).toBe(true);
    expect(untouched()).toBe(true);
  });
});
