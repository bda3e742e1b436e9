// The guest leaves, by close(), while streams are open: none of them fails for it. An error that nobody listens for
// would end the process.

import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { Guest } from "@ringway/guest";
import { beforeAll, expect, it } from "vitest";
import { heldForAll } from "../../../test/support/held.ts";
import { type Host, startHost } from "./host.ts";

const MUCH = Buffer.alloc(3 * 1024 * 1024, "x");
const hold = heldForAll();
let host: Host;

beforeAll(async () => {
  host = hold(await startHost());
  writeFileSync(join(host.data, "file"), MUCH);
});

/** Both are over; what a stream without a listener for errors would have thrown. */
async function left(guest: Guest, stream: Readable | Writable): Promise<unknown[]> {
  const thrown: unknown[] = [];
  const emit = stream.emit.bind(stream);
  stream.emit = ((event: string, ...values: unknown[]) => {
    if (event !== "error") return emit(event as never, ...(values as []));
    thrown.push(values[0]);
    return true;
  }) as typeof stream.emit;
  const closed = stream.closed ? undefined : once(stream, "close");
  await guest.close();
  await closed;
  return thrown;
}

it.each([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])(
  "%i microtasks after the end of a stream over an open file",
  async (microtasks) => {
    writeFileSync(join(host.data, "small"), "content");
    const guest = await Guest.attach(host.path);
    const stream = (await guest.open("/data/small")).createReadStream().resume();
    const thrown = new Promise<unknown[]>((resolve) => {
      stream.on("end", async () => {
        for (let at = 0; at < microtasks; at++) await undefined;
        resolve(left(guest, stream));
      });
    });
    expect(await thrown).toEqual([]);
  },
);

it.each<[string, (guest: Guest) => Promise<Readable | Writable>]>([
  ["an open file is read", async (guest) => (await guest.open("/data/file")).createReadStream().resume()],
  [
    "an open file is written",
    async (guest) => {
      const stream = (await guest.open("/data/file", "r+")).createWriteStream();
      for (let at = 0; at < 3; at++) stream.write(MUCH);
      return stream;
    },
  ],
  [
    "an open file is brought to the disk",
    async (guest) => {
      const stream = (await guest.open("/data/file", "r+")).createWriteStream({ flush: true });
      stream.end("x");
      await once(stream, "finish");
      return stream;
    },
  ],
  ["a file is opened to be read", async (guest) => guest.createReadStream("/data/file").resume()],
  ["a file is opened to be written", async (guest) => guest.createWriteStream("/data/new")],
  [
    "a file is read",
    async (guest) => {
      const stream = guest.createReadStream("/data/file");
      await once(stream, "readable");
      return stream;
    },
  ],
  [
    "a file is written",
    async (guest) => {
      const stream = guest.createWriteStream("/data/new");
      await once(stream, "open");
      stream.write(MUCH);
      return stream;
    },
  ],
])("while %s", async (_title, begin) => {
  const guest = await Guest.attach(host.path);
  expect(await left(guest, await begin(guest))).toEqual([]);
});

it.each([0, 1, 2, 3, 4, 5])("%i turns after the end of a stream that flushes", async (turns) => {
  const guest = await Guest.attach(host.path);
  const stream = guest.createWriteStream("/data/new", { flush: true });
  await once(stream, "open");
  stream.end("x");
  for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
  expect(await left(guest, stream)).toEqual([]);
});

it("a stream that is destroyed before its file is open, is closed at once", async () => {
  await using guest = await Guest.attach(host.path);
  for (const stream of [guest.createWriteStream("/data/new"), guest.createReadStream("/data/file")]) {
    stream.destroy();
    if (!stream.closed) await once(stream, "close");
  }
});

it("a close() that is under way then has succeeded", async () => {
  for (const microtasks of [0, 1, 2, 4]) {
    const guest = await Guest.attach(host.path);
    const file = await guest.open("/data/file");
    const closed = file.close();
    for (let at = 0; at < microtasks; at++) await undefined;
    await guest.close();
    await expect(closed).resolves.toBeUndefined();
  }
});
