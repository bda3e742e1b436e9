// Calls that wait their turn behind others: an abort ends the wait at once, and the others keep theirs.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Guest } from "@ringway/guest";
import { beforeAll, expect, it } from "vitest";
import { heldForAll } from "../../../test/support/held.ts";
import { Turns } from "../src/files/turns.ts";
import { type Host, startHost } from "./host.ts";

const hold = heldForAll();
let host: Host;
let guest: Guest;

beforeAll(async () => {
  host = hold(await startHost("limits: { openFiles: 2 }\n"));
  guest = hold(await Guest.attach(host.path));
});

const ABORTED = { code: "ABORT_ERR" };

it("of work that waits, the aborted is left out; the next does not overtake what is under way", async () => {
  const turns = new Turns();
  const done: string[] = [];
  let endFirst: () => void = () => {};
  const first = turns.run(
    () =>
      new Promise<void>((resolve) => {
        endFirst = resolve;
      }),
  );
  const aborting = new AbortController();
  const second = turns.run(async () => void done.push("second"), aborting.signal);
  const third = turns.run(async () => void done.push("third"));
  aborting.abort();
  await expect(second).rejects.toMatchObject(ABORTED);
  await expect(turns.run(async () => {}, AbortSignal.abort())).rejects.toMatchObject(ABORTED);
  expect(done).toEqual([]);
  endFirst();
  await Promise.all([first, third]);
  expect(done).toEqual(["third"]);
});

it.each(["copyFile", "cp"] as const)("an aborted %s() does not wait for the one before it", async (call) => {
  writeFileSync(join(host.data, "file"), "content");
  const held = await Promise.all([guest.open("/data/file"), guest.open("/data/file")]);
  // No room for its files.
  let firstIsOver = false;
  const first = guest.copyFile("/data/file", "/data/one").finally(() => {
    firstIsOver = true;
  });
  const aborting = new AbortController();
  const options = { signal: aborting.signal };
  const second =
    call === "cp"
      ? guest.cp("/data/file", "/data/two", options)
      : guest.copyFile("/data/file", "/data/two", 0, options);
  setTimeout(() => aborting.abort(), 20);
  await expect(second).rejects.toMatchObject(ABORTED);
  expect(firstIsOver).toBe(false);
  for (const file of held) await file.close();
  await first;
  expect(readFileSync(join(host.data, "one"), "utf8")).toBe("content");
});

it("an aborted write does not wait for the one before it, at the file position", async () => {
  await using file = await guest.open("/data/file", "w");
  const much = Buffer.alloc(8 * 1024 * 1024, "x");
  let firstIsOver = false;
  const first = file.write(much).finally(() => {
    firstIsOver = true;
  });
  const aborting = new AbortController();
  const second = file.write("second", null, null, undefined, { signal: aborting.signal });
  const third = file.write("third");
  aborting.abort();
  await expect(second).rejects.toMatchObject(ABORTED);
  expect(firstIsOver).toBe(false);
  await Promise.all([first, third]);
  const written = readFileSync(join(host.data, "file"));
  expect([written.length, written.subarray(-6).toString()]).toEqual([much.length + 5, "xthird"]);
});
