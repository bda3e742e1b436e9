// The metrics are read out in pieces, however many guests and streams there are, and however much is said of them.

import { expect, test } from "vitest";
import { Accounts } from "../src/accounts/accounts.ts";
import type { Attachment } from "../src/guests/attachment.ts";
import { type Stream, StreamState } from "../src/guests/stream.ts";
import { type Fields, METRIC_ROWS } from "../src/thread/census-rows.ts";
import { metricsWalk } from "../src/thread/metrics-walk.ts";

const RING = { capacity: 4096, readable: () => 1024, writable: () => 4096 };
const NONSENSE = {
  ...RING,
  readable: () => {
    throw new Error("nonsense");
  },
};

test("a thousand guests with a hundred streams each make no piece longer, and are all counted", () => {
  let looks = 0;
  const accounts = new Accounts();
  const stream = (toHost: object): Stream =>
    ({ state: StreamState.RUNNING, protocol: 2, pipe: { toHost, toGuest: RING } }) as unknown as Stream;
  const [good, bad] = [stream(RING), stream(NONSENSE)];
  const guest = (serial: number): Attachment => {
    const account = accounts.take(`uid:${serial % 500}`);
    for (let i = 0; i < 100; i++) account.tally.open(2);
    account.tally.refuse("file", "default");
    const open = (id: number): Stream => {
      looks++;
      return serial === 1 && id === 1 ? bad : good;
    };
    const streams = { idsEnd: 101, open };
    const reports = { tellTraffic: () => void looks++ };
    return { serial, account, streams, reports } as unknown as Attachment;
  };
  const guests = new Set(Array.from({ length: 1000 }, (_, serial) => guest(serial)));
  const disk = { running: 1, waiting: 2 };
  const walk = metricsWalk({ guests, tallies: accounts.tallies, disk, connectTimes: new Map() });
  const all: Fields = [];
  let isLast = false;
  for (let before = 0; !isLast; before = looks) {
    const fields: Fields = [];
    isLast = walk.piece(fields);
    expect(looks - before).toBeLessThanOrEqual(8 * 32);
    expect(fields.length).toBeLessThanOrEqual(5 * 32);
    all.push(...fields);
  }
  expect(looks).toBe(101_000);
  const rows = METRIC_ROWS.all(all);
  const sum = (metric: string, first?: string): number =>
    rows
      .filter((row) => row.metric === metric && (first === undefined || row.first === first))
      .reduce((total, { value }) => total + value, 0);
  expect([sum("guests"), sum("open"), sum("opened"), sum("refused")]).toEqual([1000, 100_000, 100_000, 1000]);
  expect(sum("ring-bytes", "to_host")).toBe(99_999 * 1024);
  expect(new Set(rows.map((row) => row.guest)).size).toBe(256 + 1 + 1);
  expect(rows).toContainEqual({ metric: "disk", guest: "", first: "waiting", second: "", value: 2 });
});
