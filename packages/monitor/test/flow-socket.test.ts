// Flow records to a Unix socket whose listener stands still, or dies: each that the kernel did not take is counted.

import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import type { Logger } from "pino";
import { afterEach, beforeEach, expect, test } from "vitest";
import { temporaryFolder } from "../../../test/support/temporary.ts";
import { until } from "../../../test/support/wait.ts";
import { openFlows } from "../src/observe/flow-file.ts";

/** Less than what may wait, and several times what the kernel takes. */
const RECORDS = 3000;
const record = (i: number): string => `${JSON.stringify({ i, pad: "x".repeat(280) })}\n`;

let path: string;
let server: Server;
let connections: Socket[];
let lost: number;
const log = {
  error: (what: { records?: number } | string) => {
    lost += typeof what === "string" ? 0 : (what.records ?? 0);
  },
  info: () => {},
} as unknown as Logger;

beforeEach(async () => {
  path = join(temporaryFolder("flow-socket"), "sock");
  connections = [];
  lost = 0;
  server = createServer((socket) => connections.push(socket.pause())).listen(path);
  await once(server, "listening");
});

afterEach(() => {
  for (const connection of connections) connection.destroy();
  server.close();
});

/** With a record before it is connected, and RECORDS for a listener that reads nothing, and does not take them. */
async function stalled(): Promise<Awaited<ReturnType<typeof openFlows>>> {
  const flows = await openFlows(`unix:${path}`, log);
  flows.write(record(0), 1);
  await until("the connection", () => connections.length === 1);
  // The other end knows it a turn later.
  await new Promise((resolve) => setImmediate(resolve));
  for (let i = 0; i < RECORDS; i++) flows.write(record(i), 1);
  return flows;
}

/** Lines of what comes from now on. */
function reading(socket: Socket): { readonly i?: number; readonly lost?: number }[] {
  const lines: { i?: number; lost?: number }[] = [];
  let rest = "";
  socket.setEncoding("utf8").on("data", (text: string) => {
    const parts = (rest + text).split("\n");
    rest = parts.pop()!;
    lines.push(...parts.map((line) => JSON.parse(line) as { i?: number; lost?: number }));
  });
  socket.resume();
  return lines;
}

test("what waits when the listener dies is counted, and said to the next", async () => {
  const flows = await stalled();
  connections[0]!.destroy();
  await flows.reopen();
  await until("another connection", () => connections.length === 2);
  const lines = reading(connections[1]!);
  const said = await until("a line of what was lost", () => {
    flows.write(record(0), 1);
    const sum = lines.reduce((total, line) => total + (line.lost ?? 0), 0);
    return sum > RECORDS / 2 && sum;
  });
  expect(said).toBeLessThanOrEqual(RECORDS + 1 + lines.length);
  await flows.close();
});

test("the end waits for a listener that reads: it has all of them", async () => {
  const flows = await stalled();
  let isClosed = false;
  const closing = flows.close().then(() => {
    isClosed = true;
  });
  await new Promise((resolve) => setImmediate(resolve));
  expect(isClosed).toBe(false);
  const lines = reading(connections[0]!);
  await Promise.all([closing, once(connections[0]!, "end")]);
  const count = lines.reduce((total, line) => total + (line.lost ?? 1), 0);
  expect([count, lost]).toEqual([RECORDS + 1, 0]);
  expect(lines[0]).toMatchObject({ lost: expect.any(Number) });
});

test("and for one that does not, a moment, also where it was left before: then they are counted", async () => {
  const flows = await stalled();
  await flows.reopen();
  await flows.close();
  expect(lost).toBeGreaterThan(RECORDS / 2);
  expect(lost).toBeLessThanOrEqual(RECORDS + 1);
});
