// No wake-up is lost, wherever within one side's call the other side's runs: the Dekker pairs of RING-9 and BELL-5.

import { describe, expect, test } from "vitest";
import { BellReceiver, BellSender, layout, RingConsumer, RingProducer, regionMemory } from "../src/index.ts";
import { CountingBell } from "./helpers.ts";
import { atEveryAccess } from "./preempt.ts";

function fullRing(capacity = 8, used = capacity) {
  const memory = regionMemory(new ArrayBuffer(0x200));
  const place = { producer: 0, consumer: 0x80, data: 0x100, capacity };
  const position = 2 ** 32 - 3;
  Atomics.store(memory.words, 0, position | 0);
  Atomics.store(memory.words, 0x80 / 4, position | 0);
  const producer = new RingProducer(memory, place, position);
  const consumer = new RingConsumer(memory, place, position);
  producer.advance(used);
  consumer.readable();
  // waits: this side would sleep now. signalled: the other side would wake it.
  return { producer, consumer, waits: false, signalled: false };
}
type Made = ReturnType<typeof fullRing>;

/** A producer that wants `bytes` of space, and a consumer that does something about it. */
const wantSpace = (bytes: number) => (made: Made) => {
  made.waits = !made.producer.wantSpace(bytes);
};
const wantData = (made: Made) => {
  made.waits = !made.consumer.wantData();
};
const neverWaitsUnsignalled = (made: Made, at: number) => {
  expect({ at, lost: made.waits && !made.signalled }).toEqual({ at, lost: false });
};

describe("a producer that waits for space", () => {
  const take = (bytes: number) => (made: Made) => {
    made.signalled = made.consumer.advance(bytes) || made.signalled;
  };

  test.each([1, 4, 8])("is signalled by the take that makes it, for %i bytes", (bytes) => {
    const setUp = () => fullRing();
    expect(atEveryAccess(setUp, wantSpace(bytes), take(bytes), neverWaitsUnsignalled)).toBeGreaterThan(1);
    expect(atEveryAccess(setUp, take(bytes), wantSpace(bytes), neverWaitsUnsignalled)).toBeGreaterThan(1);
  });

  test("is signalled by the last of several takes, however they fall", () => {
    const first = take(3);
    const second = take(5);
    const both = (made: Made) => {
      first(made);
      second(made);
    };
    atEveryAccess(() => fullRing(), wantSpace(8), both, neverWaitsUnsignalled);
    atEveryAccess(() => fullRing(), both, wantSpace(8), neverWaitsUnsignalled);
  });

  test("is signalled although the consumer has an old view of what was written", () => {
    const setUp = () => {
      const made = fullRing(8, 4);
      made.producer.advance(4);
      return made;
    };
    atEveryAccess(setUp, wantSpace(4), take(4), neverWaitsUnsignalled);
    atEveryAccess(setUp, take(4), wantSpace(4), neverWaitsUnsignalled);
  });

  test("is not left waiting by a consumer that closes, which always signals", () => {
    const close = (made: Made) => {
      made.consumer.close();
      made.signalled = true;
    };
    atEveryAccess(() => fullRing(), wantSpace(1), close, neverWaitsUnsignalled);
    // Closed before: wantSpace itself says so.
    const made = fullRing();
    made.consumer.close();
    expect(made.producer.wantSpace(1)).toBe(true);
  });

  test("who raises or lowers its wish is judged by the latest", () => {
    const rewish = (made: Made) => {
      made.producer.wantSpace(8);
      wantSpace(2)(made);
    };
    atEveryAccess(() => fullRing(), rewish, take(2), neverWaitsUnsignalled);
    atEveryAccess(() => fullRing(), take(2), rewish, neverWaitsUnsignalled);
  });
});

describe("a consumer that waits for data", () => {
  const empty = () => fullRing(8, 0);
  const put = (made: Made) => {
    made.signalled = made.producer.advance(1);
  };

  test("is signalled by the put that brings it", () => {
    expect(atEveryAccess(empty, wantData, put, neverWaitsUnsignalled)).toBeGreaterThan(1);
    expect(atEveryAccess(empty, put, wantData, neverWaitsUnsignalled)).toBeGreaterThan(1);
  });

  test.each(["end", "reset"] as const)("learns of %s, which always signals", (how) => {
    const close = (made: Made) => {
      made.producer[how]();
      made.signalled = true;
    };
    atEveryAccess(empty, wantData, close, neverWaitsUnsignalled);
    const made = empty();
    made.producer[how]();
    expect(made.consumer.wantData()).toBe(true);
  });

  test("that withdraws and wants again is signalled as well", () => {
    const again = (made: Made) => {
      made.consumer.wantData();
      made.consumer.unwantData();
      wantData(made);
    };
    atEveryAccess(empty, again, put, neverWaitsUnsignalled);
  });
});

describe("a consumer that sees the end", () => {
  test("has every byte that came before it, although they come while it looks", () => {
    const setUp = () => ({ ...fullRing(8, 0), over: false });
    const accesses = atEveryAccess(
      setUp,
      (made) => {
        made.over = made.consumer.ended();
      },
      (made) => {
        made.producer.advance(5);
        made.producer.end();
      },
      (made, at) => {
        const tail = made.consumer.readable();
        expect({ at, tail, lost: made.over && tail > 0 }).toEqual({ at, tail: 5, lost: false });
        made.consumer.advance(tail);
        expect(made.consumer.ended()).toBe(true);
      },
    );
    expect(accesses).toBeGreaterThan(0);
    // And where it is empty and at its end when asked, it looks at both words.
    const ended = () => {
      const made = fullRing(8, 0);
      made.producer.end();
      return made;
    };
    expect(
      atEveryAccess(
        ended,
        (made) => expect(made.consumer.ended()).toBe(true),
        () => {},
        () => {},
      ),
    ).toBe(2);
  });
});

describe("a receiver that goes to sleep", () => {
  function bells() {
    const memory = regionMemory(new ArrayBuffer(2 * layout.PAGE_BYTES));
    const bell = new CountingBell();
    const sender = new BellSender(memory, 0, bell);
    const receiver = new BellReceiver(memory, 0);
    return { memory, bell, sender, receiver, asleep: false, got: new Set<number>() };
  }
  type Bells = ReturnType<typeof bells>;
  const take = (made: Bells, room = 64) => {
    const ids = new Uint16Array(room);
    for (let count = made.receiver.take(ids); count > 0; count = made.receiver.take(ids)) {
      for (const id of ids.subarray(0, count)) made.got.add(id);
    }
  };
  /** As every receiver does: take until nothing is there, then sleep. */
  const sleep = (room: number) => (made: Bells) => {
    do take(made, room);
    while (!made.receiver.prepareSleep());
    made.asleep = true;
  };
  /** Asleep and not rung: then everything that was signalled must have been taken. */
  const check = (expected: number[]) => (made: Bells, at: number) => {
    if (!made.asleep || made.bell.rings > 0) {
      made.receiver.awake();
      take(made);
    }
    expect({ at, got: [...made.got].sort((a, b) => a - b) }).toEqual({ at, got: expected });
  };

  test.each([
    ["the same stream", [5], [5]],
    ["the same leaf word", [5], [6]],
    ["the same middle word", [5], [1000]],
    ["another middle word", [5], [32767]],
    ["many", [1, 40, 1030, 2060, 32767], [2, 41, 1031, 2061, 32766]],
  ])("finds or is rung for a signal that comes at any moment: %s", (_, before, during) => {
    const setUp = () => {
      const made = bells();
      for (const id of before) made.sender.signal(id);
      return made;
    };
    const signal = (made: Bells) => {
      for (const id of during) made.sender.signal(id);
    };
    const all = [...new Set([...before, ...during])].sort((a, b) => a - b);
    for (const room of [1, 2, 64]) {
      expect(atEveryAccess(setUp, sleep(room), signal, check(all))).toBeGreaterThan(3);
      expect(atEveryAccess(setUp, signal, sleep(room), check(all))).toBeGreaterThan(0);
    }
  });

  test("is rung for streams that were marked one by one and woken for once", () => {
    const mark = (made: Bells) => {
      const due = [5, 6, 1000].map((id) => made.sender.mark(id));
      if (due.includes(true)) made.sender.wake();
    };
    for (const before of [[], [5], [5, 6, 1000]]) {
      const setUp = () => {
        const made = bells();
        for (const id of before) made.sender.signal(id);
        return made;
      };
      atEveryAccess(setUp, sleep(64), mark, check([5, 6, 1000]));
      atEveryAccess(setUp, mark, sleep(64), check([5, 6, 1000]));
    }
  });

  test("finds what two threads of the sender signal across each other", () => {
    for (const [one, two] of [
      [5, 5],
      [5, 6],
      [5, 1000],
      [5, 32767],
    ] as const) {
      const setUp = () => {
        const made = bells();
        sleep(64)(made);
        return made;
      };
      const all = [...new Set([one, two])];
      atEveryAccess(
        setUp,
        (made) => made.sender.signal(one),
        (made) => made.sender.signal(two),
        check(all),
      );
    }
  });
});
