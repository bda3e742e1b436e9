// --attach: for whom `ringway run` waits, and for how long.

import { once } from "node:events";
import { linkSync, mkdirSync, realpathSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryFolder } from "../../../test/support/temporary.ts";
import { UsageError } from "../src/errors.ts";
import { untilListening } from "../src/run/attach-wait.ts";

/** Nobody gives up. */
const waited = new AbortController().signal;

test("nobody comes to a socket that is not there: it is said once, and is a failure when the time is over", async () => {
  const socket = join(temporaryFolder("attach"), "none.sock");
  const said: string[] = [];
  await expect(untilListening(socket, (what) => said.push(what), waited, 50)).rejects.toThrow(
    new UsageError(`--attach: no monitor at ${socket} within 0.05 s: there is no such socket`),
  );
  expect(said).toEqual([`a monitor at ${socket}: there is no such socket`]);
});

test("nobody is waited for where nobody can come: what is no socket, and what has no folder", async () => {
  const folder = temporaryFolder("attach");
  const file = join(folder, "file");
  writeFileSync(file, "");
  const wrong = (path: string): Promise<void> => untilListening(path, () => expect.unreachable(), waited);
  await expect(wrong(file)).rejects.toThrow(
    new UsageError(`--attach: no monitor at ${file}: it is no socket`),
  );
  const lost = join(folder, "none/attach.sock");
  const why = "there is no such folder";
  await expect(wrong(lost)).rejects.toThrow(new UsageError(`--attach: no monitor at ${lost}: ${why}`));
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

test("Node loads modules by symbolic links as before, once a socket that is left over has been looked at", async () => {
  const folder = realpathSync(temporaryFolder("attach"));
  const [socket, left] = [join(folder, "some.sock"), join(folder, "left.sock")];
  const server = createServer().listen(socket);
  await once(server, "listening");
  linkSync(socket, left);
  server.close();
  mkdirSync(join(folder, "one"));
  symlinkSync(join(folder, "one"), join(folder, "to-one"));
  for (const name of ["known.cjs", "one/module.cjs"]) writeFileSync(join(folder, name), "");
  const { resolve } = createRequire(import.meta.url);
  resolve(join(folder, "known.cjs"));
  const giving = new AbortController();
  const saw: string[] = [];
  const look = (what: string): void => {
    // At once: it does again, when any other file has been looked at.
    saw.push(what, resolve(join(folder, "to-one/module.cjs")));
    giving.abort();
  };
  await expect(untilListening(left, look, giving.signal)).rejects.toThrow("aborted");
  expect(saw).toEqual([`a monitor at ${left}: nobody listens there`, join(folder, "one/module.cjs")]);
});

test("who gives up waits no longer", async () => {
  const socket = join(temporaryFolder("attach"), "none.sock");
  const giving = new AbortController();
  await expect(untilListening(socket, () => giving.abort(), giving.signal)).rejects.toThrow("aborted");
});
