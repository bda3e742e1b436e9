import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { BusyPoll } from "../src/stream/busy-poll.ts";

let nowMs = 0;
beforeEach(() => {
  nowMs = 1000;
  vi.spyOn(performance, "now").mockImplementation(() => nowMs);
});
afterEach(() => void vi.restoreAllMocks());

it("looks until its window is over, and then sleeps", () => {
  const poll = new BusyPoll(50);
  expect(poll.look()).toBe(true);
  nowMs += 0.04;
  poll.yielded();
  expect(poll.look()).toBe(true);
  nowMs += 0.02;
  expect(poll.look()).toBe(false);
});

it("stops looking, but for every 16th time, where nothing is ever found, and begins again where something is", () => {
  const poll = new BusyPoll(50);
  const windows = (sleeps: number, find: boolean): number => {
    let opened = 0;
    for (let i = 0; i < sleeps; i++) {
      if (!poll.look()) continue;
      opened++;
      nowMs += 0.06;
      if (find) poll.found();
      else poll.look();
    }
    return opened;
  };
  windows(100, false);
  expect(windows(160, false)).toBe(10);
  windows(160, true);
  expect(windows(5, true)).toBe(5);
});

it("does not look for 256 sleeps after the processor came back late, even if there was something then", () => {
  const poll = new BusyPoll(50);
  expect(poll.look()).toBe(true);
  nowMs += 4;
  poll.yielded();
  poll.found();
  for (let sleeps = 0; sleeps < 256; sleeps++) expect(poll.look()).toBe(false);
  expect(poll.look()).toBe(true);
});

it("never looks with no window", () => {
  const poll = new BusyPoll(0);
  expect([poll.look(), poll.restart()]).toEqual([false, false]);
});
