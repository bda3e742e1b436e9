// What a mount writes goes to a disk worker with its frame's memory: many at once each keep their own bytes, whether
// they are cut short, taken back, or left behind by their stream.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Done, fileMessages, mountMessages as m } from "@ringway/control";
import { expect, it } from "vitest";
import { Declined } from "../../support/declined.ts";
import { heldForEach } from "../../support/held.ts";
import { until } from "../../support/wait.ts";
import { startHost } from "../host.ts";
import { FileGuest } from "../wire.ts";
import { CREATE, RawMount, READ, WRITE } from "./wire.ts";

/** As many as may be under way. */
const WRITES = 64;
const BYTES = 3000;
const QUOTA = 40 * BYTES + 1000;

const hold = heldForEach();

const dataOf = (i: number): Buffer => Buffer.alloc(BYTES, i + 1);
const placed = (written: Buffer, i: number): Buffer => written.subarray(i * BYTES, (i + 1) * BYTES);

/** All at once; the one that is `takenBack` is so while others wait. */
function postAll({ stream }: RawMount, handle: number, takenBack?: number): { ids: number[]; back?: number } {
  return stream.together(() => {
    const write = (i: number) =>
      stream.post(m.MountWrite, { handle, flags: 0, offset: i * BYTES, data: dataOf(i) });
    const ids = Array.from({ length: WRITES }, (_, i) => write(i));
    if (takenBack === undefined) return { ids };
    return { ids, back: stream.post(m.MountCancel, { id: ids[takenBack]! }) };
  });
}

it(`${WRITES} writes at once, past the quota, one of them taken back: each has written what it says`, async () => {
  const host = hold(await startHost({ limits: { fileBytesWritten: QUOTA } }));
  const mount = await RawMount.open(hold(await FileGuest.attach(host.path)));
  const { ids, back } = postAll(mount, await mount.handle("cut", READ | WRITE | CREATE), 30);
  const counts = await Promise.all(
    ids.map(async (id) => {
      try {
        return (await mount.reply(fileMessages.Written, id)).bytes;
      } catch (error) {
        if (!(error instanceof Declined)) throw error;
        return 0;
      }
    }),
  );
  await mount.reply(Done, back!);
  const written = readFileSync(join(host.data, "cut"));
  for (const [i, count] of counts.entries()) {
    expect(placed(written, i).subarray(0, count).equals(dataOf(i).subarray(0, count))).toBe(true);
    expect(
      placed(written, i)
        .subarray(count)
        .every((byte) => byte === 0),
    ).toBe(true);
  }
  expect(counts.slice(0, 30)).toEqual(Array.from({ length: 30 }, () => BYTES));
  expect(counts.slice(31, 42)).toEqual([...Array.from({ length: 9 }, () => BYTES), 1000, 0]);
});

it("a RESET amid them leaves each written, or not at all", async () => {
  const host = hold(await startHost());
  const mount = await RawMount.open(hold(await FileGuest.attach(host.path)));
  const { ids } = postAll(mount, await mount.handle("reset", READ | WRITE | CREATE));
  await mount.reply(fileMessages.Written, ids[0]!);
  mount.stream.reset();
  await until("what a worker has begun to be written", () => {
    const written = readFileSync(join(host.data, "reset"));
    return ids.every((_, i) => {
      const part = placed(written, i);
      return part.every((byte) => byte === 0) || part.equals(dataOf(i));
    });
  });
});
