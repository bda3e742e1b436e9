// A lookup's time limit, and a main thread that looks late.

import { createSocket } from "node:dgram";
import { once } from "node:events";
import { expect, test } from "vitest";
import { type Answer, Resolver } from "../src/names/resolver.ts";

test("a lookup whose answer is there is no timeout, though its time is over", async () => {
  const socket = createSocket("udp4").bind(0, "127.0.0.1");
  await once(socket, "listening");
  const sender = createSocket("udp4");
  sender.connect(socket.address().port, "127.0.0.1");
  await once(sender, "connect");
  const resolver = new Resolver(async () => {
    await once(socket, "message");
    return ["127.0.0.1"];
  });
  const answered = new Promise<Answer>((resolve) =>
    resolver.resolve({ id: 1, guest: "guest-1", timeoutMs: 20 }, "name.test", resolve),
  );
  sender.send("x");
  // As a process that is stopped: the loop does not turn.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60);
  expect(await answered).toMatchObject({ addresses: ["127.0.0.1"], errno: 0 });
  socket.close();
  sender.close();
});
