// The life of a guest: no state follows another but as its diagram says.

import { expect, test } from "vitest";
import { Life, LifeState } from "../src/guests/life.ts";

const { ATTACHING, ATTACHED, LEAVING, LINGERING, CLOSING, CLOSED } = LifeState;

/** A life that has come to `state` by the shortest way. */
function at(state: LifeState): Life {
  const life = new Life();
  const ways = [[], [ATTACHED], [ATTACHED, LEAVING], [LINGERING], [CLOSING], [CLOSING, CLOSED]];
  for (const next of ways[state]!) life.enter(next);
  return life;
}

test("each state is followed by those of the diagram, and by no other", () => {
  const arrows = Object.values(LifeState).flatMap((from) =>
    Object.values(LifeState).flatMap((to) => {
      const life = at(from);
      try {
        life.enter(to);
        return [[from, to]];
      } catch {
        expect(life.state).toBe(from);
        return [];
      }
    }),
  );
  expect(arrows).toEqual([
    [ATTACHING, ATTACHED],
    [ATTACHING, LINGERING],
    [ATTACHING, CLOSING],
    // Another epoch.
    [ATTACHED, ATTACHED],
    [ATTACHED, LEAVING],
    [ATTACHED, CLOSING],
    [LEAVING, LINGERING],
    [LEAVING, CLOSING],
    [LINGERING, CLOSING],
    [CLOSING, CLOSED],
  ]);
});

test("a wrong step is a bug, and says which", () => {
  expect(() => at(CLOSED).enter(ATTACHED)).toThrow("from CLOSED to ATTACHED");
});

test("its control pipe is served until it lingers; its streams are void from CLOSING on", () => {
  const all = Object.values(LifeState).map(at);
  expect(all.map(({ served }) => served)).toEqual([false, true, true, false, false, false]);
  expect(all.map(({ departed }) => departed)).toEqual([false, false, false, true, true, true]);
  expect(all.map(({ over }) => over)).toEqual([false, false, false, false, true, true]);
});
