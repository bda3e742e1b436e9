// Locks that wait do not count (MNT-3): however many do, the other requests of their user's guests are answered.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Done, mountMessages as m } from "@ringway/control";
import { expect, it } from "vitest";
import { errnoOf } from "../../support/declined.ts";
import { until } from "../../support/wait.ts";
import { startHost } from "../host.ts";
import { FileGuest } from "../wire.ts";
import { bytes, RawMount, READ, WRITE } from "./wire.ts";

const { EXCLUSIVE, NONE, SHARED } = m.MountLockKind;
const REQUESTS = 20;
const WAITING = 40;

it("locks that wait take none of the requests that others may have", async () => {
  await using host = await startHost({ limits: { requests: REQUESTS, diskOperations: 200 } });
  writeFileSync(join(host.data, "file"), "");
  using guest = await FileGuest.attach(host.path);
  using other = await FileGuest.attach(host.path);
  const mount = await RawMount.open(guest);
  const beside = await RawMount.open(other);
  const lock = (handle: number, kind: number, wait = false) => ({ handle, kind, wait, start: 0, bytes: 0 });
  const [a, b] = [await mount.handle("file", READ | WRITE), await mount.handle("file", READ | WRITE)];
  await mount.call(m.MountLock, lock(a, EXCLUSIVE), Done);
  /** Are as many requests answered as may be under way? None else counts then. */
  const noneCounts = async (): Promise<boolean> => {
    const request = { at: 0, follow: true, path: bytes("file") };
    const ids = beside.stream.together(() =>
      Array.from({ length: REQUESTS }, () => beside.stream.post(m.MountStat, request)),
    );
    let answered = 0;
    for (const id of ids) if ((await errnoOf(beside.reply(m.MountAttributes, id))) === 0) answered++;
    return answered === REQUESTS;
  };
  const waiting: number[] = [];
  while (waiting.length < WAITING) {
    for (let i = 0; i < 10; i++) {
      waiting.push(await mount.stream.send(m.MountLock, lock(b, SHARED, true)));
    }
    // It is behind them in the ring.
    await mount.stat("file");
    await until("all of them wait", noneCounts);
  }
  for (let i = 0; i < 3; i++) expect(await noneCounts()).toBe(true);
  expect(waiting.filter((id) => mount.hasReply(id))).toEqual([]);
  await mount.call(m.MountLock, lock(a, NONE), Done);
  for (const id of waiting) await mount.reply(Done, id);
}, 60_000);
