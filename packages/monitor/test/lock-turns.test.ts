// Who waits for a lock asks again one at a time, a while after the one before; who is hurried asks in between.

import { beforeEach, expect, test } from "vitest";
import type { Timer } from "../src/reactor/timers.ts";
import { type Asker, LockTurns } from "../src/relays/files/mount/lock-turns.ts";

const LATE_MS = 1000;

let asked: string[];
let rests: Timer[];
let lates: Timer[];
let turns: LockTurns;

beforeEach(() => {
  asked = [];
  rests = [];
  lates = [];
  turns = new LockTurns({
    after(ms, callback) {
      const timer: Timer = { dueMs: ms, callback };
      (ms === LATE_MS ? lates : rests).push(timer);
      return timer;
    },
    cancel(timer) {
      if (timer !== undefined) timer.callback = undefined;
    },
  });
});

const asker = (name: string, perSecond = 10_000): Asker => ({ perSecond, ask: () => asked.push(name) });
const [a, b, c, d] = ["a", "b", "c", "d"].map((name) => asker(name)) as [Asker, Asker, Asker, Asker];
const fire = (timer: Timer | undefined): void => timer!.callback!();

test("one asks at a time, in turn, and not before the while is over", () => {
  for (const each of [a, b, c]) turns.enter(each);
  expect([asked, rests.length]).toEqual([["a"], 1]);
  turns.answered(a);
  expect(asked).toEqual(["a"]);
  fire(rests[0]);
  expect(asked).toEqual(["a", "b"]);
  fire(rests[1]);
  expect(asked).toEqual(["a", "b"]);
  turns.answered(b);
  expect(asked).toEqual(["a", "b", "c"]);
});

test("a tenth of the key's operations goes into it at the most", () => {
  const many = asker("many");
  turns.enter(many);
  turns.answered(many);
  fire(rests[0]);
  turns.enter(asker("few", 100));
  expect(rests.map(({ dueMs }) => dueMs)).toEqual([2, 100]);
});

test("who is hurried asks as soon as nobody else does, and keeps those who wait from no turn", () => {
  const late = asker("late");
  for (const each of [a, b, late]) turns.enter(each);
  turns.hurry(late);
  expect(asked).toEqual(["a"]);
  turns.answered(a);
  expect(asked).toEqual(["a", "late"]);
  turns.hurry(asker("next"));
  fire(rests[0]);
  turns.answered(late);
  expect(asked).toEqual(["a", "late", "b"]);
  turns.answered(b);
  expect(asked).toEqual(["a", "late", "b", "next"]);
});

test("who has left is not asked", () => {
  const gone = asker("gone");
  turns.enter(a);
  turns.enter(gone);
  turns.hurry(gone);
  turns.leave(gone);
  turns.answered(a);
  fire(rests[0]);
  expect(asked).toEqual(["a"]);
});

test("one that is not answered keeps the others waiting for a second, and two do for good", () => {
  for (const each of [a, b, c, d]) turns.enter(each);
  fire(rests[0]);
  expect(asked).toEqual(["a"]);
  fire(lates[0]);
  expect(asked).toEqual(["a", "b"]);
  // The second is not late: while it asks, no other does.
  fire(rests[1]);
  expect(asked).toEqual(["a", "b"]);
  turns.answered(b);
  expect(asked).toEqual(["a", "b", "c"]);
  fire(rests[2]);
  fire(lates[2]);
  expect(asked).toEqual(["a", "b", "c"]);
  turns.answered(a);
  expect(asked).toEqual(["a", "b", "c", "d"]);
  // Nothing is left of who was answered in time.
  expect(lates.map(({ callback }) => callback === undefined)).toEqual([false, true, false, false]);
});
