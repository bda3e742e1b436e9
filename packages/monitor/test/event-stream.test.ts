// Events of the admin API over a real connection: a reader that stops reading costs nothing, and learns what it missed.

import { once } from "node:events";
import { createServer, get, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { EventLog } from "../src/admin/event-log.ts";
import { type AdminEvent, eventsIn } from "../src/admin/event-reader.ts";
import { EventStream } from "../src/admin/event-stream.ts";

let log: EventLog;
let server: Server;

beforeEach(async () => {
  log = new EventLog();
  server = createServer((request, response) => {
    const { searchParams } = new URL(request.url!, "http://ringway");
    const kinds = searchParams.get("kinds");
    const after = searchParams.get("after") ?? undefined;
    const follow = searchParams.get("follow") !== "false";
    new EventStream(log, response, { after, kinds: kinds === null ? undefined : new Set([kinds]), follow });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
});
afterEach(() => {
  server.close();
  server.closeAllConnections();
});

async function follow(query = ""): Promise<IncomingMessage> {
  const { port } = server.address() as AddressInfo;
  const [response] = (await once(get({ port, host: "127.0.0.1", path: `/?${query}` }), "response")) as [
    IncomingMessage,
  ];
  return response.setEncoding("utf8");
}

/** Until `isLast`. */
async function read(
  response: IncomingMessage,
  isLast: (event: AdminEvent) => boolean,
): Promise<AdminEvent[]> {
  const events: AdminEvent[] = [];
  for await (const event of eventsIn(response)) {
    events.push(event);
    if (isLast(event)) break;
  }
  return events;
}

const add = (count: number, first = 0): void => {
  for (let i = first; i < first + count; i++) log.add("log", { i, text: "x".repeat(200) });
};
const numbers = (events: readonly AdminEvent[]): unknown[] => events.map(({ data }) => data.i);

test("who does not follow has what was kept when it asked, however slowly it reads, and then the end", async () => {
  add(4000);
  const response = await follow("after=0&follow=false");
  add(4000, 4000);
  const events = await read(response, () => false);
  const last = events.at(-1)!;
  expect(last.kind === "gap" ? last.data.lost : last.data.i).toBeLessThan(4000);
  expect(log.readers).toBe(0);
});

test("a reader has each event once, and goes on behind the last that it had", async () => {
  const first = await follow();
  add(5);
  const had = await read(first, ({ data }) => data.i === 2);
  expect(numbers(had)).toEqual([0, 1, 2]);
  add(5, 5);
  const rest = await read(await follow(`after=${had.at(-1)!.id}`), ({ data }) => data.i === 9);
  expect(numbers(rest)).toEqual([3, 4, 5, 6, 7, 8, 9]);
});

test("one that reads nothing is told how many it has lost, and has all others in order", async () => {
  const COUNT = 100_000;
  const slow = await follow();
  slow.pause();
  add(COUNT);
  expect(log.end - log.first).toBeLessThanOrEqual(4096);
  const events = await read(slow, ({ data }) => data.i === COUNT - 1);
  const gaps = events.filter(({ kind }) => kind === "gap");
  const lost = gaps.reduce((sum, { data }) => sum + data.lost!, 0);
  const seen = numbers(events.filter(({ kind }) => kind === "log")) as number[];
  expect(gaps.length).toBeGreaterThan(0);
  expect(seen.length + lost).toBe(COUNT);
  expect(seen).toEqual(seen.toSorted((a, b) => a - b));
});

test("an id of another monitor is a gap, and all that is kept", async () => {
  add(3);
  const events = await read(await follow("after=lastyear-7"), ({ data }) => data.i === 2);
  expect(events[0]).toEqual({ kind: "gap", data: {} });
  expect(numbers(events.slice(1))).toEqual([0, 1, 2]);
});

test("only the kinds that were asked for come", async () => {
  const response = await follow("kinds=exit");
  add(3);
  log.add("exit", { code: 7 });
  expect(await read(response, () => true)).toMatchObject([{ kind: "exit", data: { code: 7 } }]);
});

test("one that asked for a kind is told of none of the others that it has not read", async () => {
  const slow = await follow("kinds=exit");
  slow.pause();
  log.add("exit", { code: 1 });
  // It has nothing to write for long, and then far more than its connection takes.
  add(5000);
  for (let i = 0; i < 50_000; i++) log.add(i % 10 === 0 ? "exit" : "log", { code: i, text: "x".repeat(200) });
  log.add("exit", { code: -1 });
  const events = await read(slow, ({ data }) => data.code === -1);
  const lost = events.reduce((sum, { data }) => sum + (data.lost ?? 0), 0);
  expect(lost).toBeGreaterThan(0);
  expect(events.filter(({ kind }) => kind === "exit").length + lost).toBe(5002);
  const { id } = events.at(-1)!;
  add(5000);
  log.add("exit", { code: 0 });
  expect(await read(await follow(`kinds=exit&after=${id}`), ({ data }) => data.code === 0)).toMatchObject([
    { kind: "exit", data: { code: 0 } },
  ]);
  for (let i = 0; i < 5000; i++) log.add("exit", { code: 1 });
  const [gap] = await read(await follow(`kinds=exit&after=${id}&follow=false`), () => true);
  expect(gap).toEqual({ kind: "gap", data: {} });
});
