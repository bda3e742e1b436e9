// Time limits: what has come in time counts, however late it is looked at, and standing still uses no time up.

import { createSocket } from "node:dgram";
import { once } from "node:events";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Deadline, waitWithin, within } from "../src/deadline.ts";

const server = () => createSocket("udp4");
let socket: ReturnType<typeof server>;
let sender: ReturnType<typeof server>;

beforeEach(async () => {
  socket = server().bind(0, "127.0.0.1");
  await once(socket, "listening");
  sender = server();
  sender.connect(socket.address().port, "127.0.0.1");
  await once(sender, "connect");
});
afterEach(() => {
  socket.close();
  sender.close();
});

/** As a process that is stopped: the loop does not turn. */
function stop(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

test("a deadline that is over while the loop stands still comes after what has come meanwhile", async () => {
  const order: string[] = [];
  socket.on("message", () => order.push("message"));
  const over = new Promise<void>((resolve) => {
    new Deadline(20, () => {
      order.push("deadline");
      resolve();
    });
  });
  sender.send("x");
  stop(60);
  await over;
  expect(order).toEqual(["message", "deadline"]);
});

test("a loop that stands still for longer than a deadline uses up a step: who answers then is in time", async () => {
  const order: string[] = [];
  const over = new Promise<void>((resolve) => {
    new Deadline(400, () => {
      order.push("deadline");
      resolve();
    });
  });
  stop(800);
  // As another thread, which stood still as well: its answer takes two turns of the loop from now on.
  setImmediate(() => setImmediate(() => order.push("answer")));
  await over;
  expect(order).toEqual(["answer", "deadline"]);
});

test("a deadline whose last step was late gives one more", async () => {
  let over = false;
  let turns = 0;
  new Deadline(8, () => {
    over = true;
  });
  // Every step is late here.
  while (!over) {
    stop(10);
    turns++;
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(turns).toBeGreaterThanOrEqual(9);
});

test("a deadline that is cancelled never comes, at no time of its last turn", async () => {
  let over = false;
  const deadline = new Deadline(10, () => {
    over = true;
  });
  setTimeout(() => deadline.cancel(), 10);
  await new Promise((resolve) => setTimeout(resolve, 60));
  expect(over).toBe(false);
});

test("within() gives what a promise resolves with, and undefined for one that does not settle", async () => {
  expect(await within(Promise.resolve(7), 1000)).toBe(7);
  await expect(within(Promise.reject(new Error("no")), 1000)).rejects.toThrow("no");
  expect(await within(new Promise<number>(() => {}), 20)).toBe(undefined);
});

test("waitWithin() tells a word that has changed from one that stays", () => {
  const words = new Int32Array(new SharedArrayBuffer(4));
  expect(waitWithin(words, 0, 0, 16)).toBe(false);
  expect(waitWithin(words, 0, 1, 10_000)).toBe(true);
});
