// --attach: for whom `ringway run` waits, and for how long.

import { createServer } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryFolder } from "../../../test/support/temporary.ts";
import { untilListening } from "../src/run/attach-wait.ts";

/** Nobody gives up. */
const waited = new AbortController().signal;

test("nobody comes to a socket that is not there: it is said once, and is a failure when the time is over", async () => {
  const socket = join(temporaryFolder("attach"), "none.sock");
  const said: string[] = [];
  await expect(untilListening(socket, (what) => said.push(what), waited, 50)).rejects.toThrow(
    `no monitor at ${socket} (--attach) within 0.05 s: there is no such socket`,
  );
  expect(said).toEqual([`a monitor at ${socket}: there is no such socket`]);
});

test("where somebody listens nothing is said", async () => {
  const socket = join(temporaryFolder("attach"), "some.sock");
  const server = createServer().listen(socket);
  try {
    await untilListening(socket, () => expect.unreachable(), waited);
  } finally {
    server.close();
  }
});

test("who gives up waits no longer", async () => {
  const socket = join(temporaryFolder("attach"), "none.sock");
  const giving = new AbortController();
  await expect(untilListening(socket, () => giving.abort(), giving.signal)).rejects.toThrow("aborted");
});
