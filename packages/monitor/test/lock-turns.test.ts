// Who waits for a lock asks again one at a time, a while after the one before; who is hurried asks in between.

import { beforeEach, expect, test } from "vitest";
import { type Asker, LockTurns } from "../src/relays/files/mount/lock-turns.ts";

let asked: string[];
let rests: { ms: number; over: () => void }[];
let turns: LockTurns;

beforeEach(() => {
  asked = [];
  rests = [];
  turns = new LockTurns({
    after(ms, over) {
      rests.push({ ms, over });
      return { dueMs: ms, callback: over };
    },
  });
});

const asker = (name: string, perSecond = 10_000): Asker => ({ perSecond, ask: () => asked.push(name) });

test("one asks at a time, in turn, and not before the while is over", () => {
  for (const name of ["a", "b", "c"]) turns.enter(asker(name));
  expect([asked, rests.length]).toEqual([["a"], 1]);
  turns.answered();
  expect(asked).toEqual(["a"]);
  rests[0]!.over();
  expect(asked).toEqual(["a", "b"]);
  rests[1]!.over();
  expect(asked).toEqual(["a", "b"]);
  turns.answered();
  expect(asked).toEqual(["a", "b", "c"]);
});

test("a tenth of the key's operations goes into it at the most", () => {
  turns.enter(asker("many"));
  turns.answered();
  rests[0]!.over();
  turns.enter(asker("few", 100));
  expect(rests.map(({ ms }) => ms)).toEqual([2, 100]);
});

test("who is hurried asks as soon as nobody else does, and keeps those who wait from no turn", () => {
  const late = asker("late");
  for (const each of [asker("a"), asker("b"), late]) turns.enter(each);
  turns.hurry(late);
  expect(asked).toEqual(["a"]);
  turns.answered();
  expect(asked).toEqual(["a", "late"]);
  turns.hurry(asker("next"));
  rests[0]!.over();
  turns.answered();
  expect(asked).toEqual(["a", "late", "b"]);
  turns.answered();
  expect(asked).toEqual(["a", "late", "b", "next"]);
});

test("who has left is not asked", () => {
  const gone = asker("gone");
  turns.enter(asker("a"));
  turns.enter(gone);
  turns.hurry(gone);
  turns.leave(gone);
  turns.answered();
  rests[0]!.over();
  expect(asked).toEqual(["a"]);
});
