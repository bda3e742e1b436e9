import { expect, test } from "vitest";
import { TaskQueue } from "../src/reactor/tasks.ts";

test("tasks run in the order in which they were put, each once, however many wait and come again", () => {
  const queue = new TaskQueue();
  const ran: number[] = [];
  const expected: number[] = [];
  const waiting: number[] = [];
  const tasks = Array.from({ length: 10_000 }, (_, id) => ({ queued: false, run: () => ran.push(id) }));
  let seed = 1;
  const random = (below: number): number => {
    seed = (seed * 48271) % 0x7fffffff;
    return seed % below;
  };
  // Bursts up and down, through the place where the array is made shorter, and to the end of each.
  for (let burst = 0; burst < 40; burst++) {
    for (let left = random(9000); left > 0; left--) {
      const id = random(tasks.length);
      if (!tasks[id]!.queued) waiting.push(id);
      queue.put(tasks[id]!);
    }
    expect(queue.length).toBe(waiting.length);
    for (let left = burst % 4 === 0 ? waiting.length : random(waiting.length); left > 0; left--) {
      queue.runFirst();
      expected.push(waiting.shift()!);
    }
    expect(queue.length).toBe(waiting.length);
  }
  expect(ran).toEqual(expected);
});

test("a task that is put while it runs runs again, behind those that waited", () => {
  const queue = new TaskQueue();
  const ran: string[] = [];
  const first = {
    queued: false,
    run: () => {
      ran.push("first");
      if (ran.length < 3) queue.put(first);
    },
  };
  queue.put(first);
  queue.put({ queued: false, run: () => ran.push("second") });
  while (queue.length > 0) queue.runFirst();
  queue.runFirst();
  expect(ran).toEqual(["first", "second", "first"]);
});
