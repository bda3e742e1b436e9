import { expect, test } from "vitest";
import { COUNTERS, Counter, Counters } from "../src/reactor/counters.ts";

test("every counter has a place of its own, and none is left over", () => {
  expect(Object.values(Counter)).toEqual(COUNTERS.map((_, place) => place));
});

test("what is added in one thread is read by its name in any other that has the buffer", () => {
  const counters = new Counters();
  counters.add(Counter.streams, 3);
  counters.add(Counter.streams, -1);
  counters.add(Counter.pollHits);
  const read = new Counters(counters.buffer).read();
  expect(read).toMatchObject({ streams: 2, pollHits: 1, guests: 0 });
});
