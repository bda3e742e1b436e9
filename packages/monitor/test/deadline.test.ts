// Time limits of the main thread: what has come in time counts, however late it is looked at.

import { createSocket } from "node:dgram";
import { once } from "node:events";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Deadline } from "../src/names/deadline.ts";
import { type Answer, Resolver } from "../src/names/resolver.ts";

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

test("a deadline that is cancelled never comes, also between the timer and its end", async () => {
  let over = false;
  const deadline = new Deadline(10, () => {
    over = true;
  });
  setTimeout(() => deadline.cancel(), 10);
  await new Promise((resolve) => setTimeout(resolve, 40));
  expect(over).toBe(false);
});

test("a lookup whose answer is there is no timeout, though its time is over", async () => {
  const resolver = new Resolver(async () => {
    await once(socket, "message");
    return ["127.0.0.1"];
  });
  const answered = new Promise<Answer>((resolve) => resolver.resolve(1, "key", "name.test", 20, resolve));
  sender.send("x");
  stop(60);
  expect(await answered).toMatchObject({ addresses: ["127.0.0.1"], errno: 0 });
});
