// Answers that nobody reads wait in the monitor's memory: the requests that they answer are under way, and count as
// such for their key, until the answer is in the ring (LIM-1).

import { symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Errno, fileMessages, mountMessages as m } from "@ringway/control";
import { beforeAll, expect, it } from "vitest";
import { errnoOf } from "../support/declined.ts";
import { until } from "../support/wait.ts";
import { type Host, startHost } from "./host.ts";
import { bytes, RawMount } from "./mount/wire.ts";
import { FileGuest } from "./wire.ts";

const REQUESTS = 20;
const RING_BYTES = 8192;
const ANSWER_BYTES = 4000;
/** Of them, those that a ring of this size holds are answered. */
const IN_THE_RING = 2;

let host: Host;
beforeAll(async () => {
  host = await startHost({ limits: { requests: REQUESTS } });
  symlinkSync("x".repeat(ANSWER_BYTES), join(host.data, "link"));
  writeFileSync(join(host.data, "file"), Buffer.alloc(ANSWER_BYTES));
  return () => host[Symbol.asyncDispose]();
});

/** How many of `count` requests that the host finds at once it takes. */
async function taken(mount: RawMount, count: number): Promise<number> {
  const request = { at: 0, follow: true, path: bytes("file") };
  const ids = mount.stream.together(() =>
    Array.from({ length: count }, () => mount.stream.post(m.MountStat, request)),
  );
  let answered = 0;
  for (const id of ids) {
    const errno = await errnoOf(mount.reply(m.MountAttributes, id));
    expect([0, Errno.ENOBUFS]).toContain(errno);
    if (errno === 0) answered++;
  }
  return answered;
}

/** Whatever was submitted before is through: workers take it in order, and there are two of them. */
async function settle(mount: RawMount): Promise<void> {
  for (let i = 0; i < 3; i++) expect(await taken(mount, 1)).toBe(1);
}

it("a mount's requests count until their answers are in the ring", async () => {
  using guest = await FileGuest.attach(host.path);
  const beside = await RawMount.open(guest);
  const unread = await RawMount.open(guest, "/data", RING_BYTES);
  const asked = Array.from({ length: REQUESTS - 2 }, () =>
    unread.stream.post(m.MountReadlink, { at: 0, path: bytes("link") }),
  );
  await settle(beside);
  const held = asked.length - IN_THE_RING;
  expect(await taken(beside, 10)).toBe(REQUESTS - held);
  for (const id of asked) expect((await unread.reply(fileMessages.Data, id)).data.length).toBe(ANSWER_BYTES);
  expect(await taken(beside, 10)).toBe(10);
});

it("a file's count until its answer is in the ring, and no longer than its stream", async () => {
  using guest = await FileGuest.attach(host.path);
  const beside = await RawMount.open(guest);
  const files = await Promise.all(
    Array.from({ length: 5 }, () => guest.openFile("/data/file", fileMessages.FileFlags.READ, 0, RING_BYTES)),
  );
  const ids = files.map((file) =>
    [0, 1, 2].map(() => file.post(fileMessages.ReadAt, { offset: 0, bytes: ANSWER_BYTES })),
  );
  await settle(beside);
  expect(await taken(beside, REQUESTS)).toBe(REQUESTS - files.length);
  for (const file of files.slice(1)) file.reset();
  await until(
    "those that are over count no more",
    async () => (await taken(beside, REQUESTS)) === REQUESTS - 1,
  );
  for (const id of ids[0]!) await files[0]!.reply(fileMessages.Data, id);
  expect(await taken(beside, REQUESTS)).toBe(REQUESTS);
});
