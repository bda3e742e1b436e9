import { expect, test } from "vitest";
import { Polling } from "../src/reactor/polling.ts";

/** How many sleeps come before the next poll. */
function skipped(polling: Polling): number {
  for (let sleeps = 0; ; sleeps++) if (polling.begin()) return sleeps;
}

test("a few polls that find nothing, one after the other, pause polling for some sleeps", () => {
  const polling = new Polling();
  for (let i = 0; i < 7; i++) polling.miss(0);
  expect(skipped(polling)).toBe(0);
  polling.miss(0);
  expect(skipped(polling)).toBe(32);
  expect(skipped(polling)).toBe(0);
});

test("one that finds something begins the count anew", () => {
  const polling = new Polling();
  for (let i = 0; i < 7; i++) polling.miss(0);
  polling.hit();
  for (let i = 0; i < 7; i++) polling.miss(0);
  expect(skipped(polling)).toBe(0);
});

test("one poll in which the processor went to somebody who kept it pauses polling for long", () => {
  const polling = new Polling();
  polling.miss(0.1);
  expect(skipped(polling)).toBe(0);
  polling.miss(3);
  expect(skipped(polling)).toBe(256);
  expect(skipped(polling)).toBe(0);
});
