// An answer that comes in pieces is whole, also where they come in one tick.

import { EventEmitter } from "node:events";
import { expect, test } from "vitest";
import { Incoming } from "./incoming.ts";

test("chunks that come in one tick are all there, before they are waited for and meanwhile", async () => {
  const stream = new EventEmitter();
  const incoming = new Incoming(stream);
  const say = (...chunks: string[]): void => {
    for (const chunk of chunks) stream.emit("data", Buffer.from(chunk));
  };
  const first = incoming.take(4);
  say("a", "bc", "d");
  expect(String(await first)).toBe("abcd");
  say("e", "fgh");
  expect(String(await incoming.take(4))).toBe("efgh");
});
