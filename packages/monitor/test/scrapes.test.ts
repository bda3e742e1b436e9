// However many scrape at once, the monitor is asked once; and who reads slowly is cut off, with what was kept for it.

import { once } from "node:events";
import { request } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import fastify from "fastify";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { temporaryFolder } from "../../../test/support/temporary.ts";
import type { Administered } from "../src/admin/routes.ts";
import { serveMetrics } from "../src/admin/scrapes.ts";
import { GuestLabels } from "../src/observe/labels.ts";
import { Counters } from "../src/reactor/counters.ts";
import { metricRow } from "../src/thread/census-rows.ts";

/** Some 350 KB of text: more than a socket takes. */
const ROWS = Array.from({ length: 5000 }, (_, i) => metricRow("refused", `guest-${i}`, "file", "a rule", i));
const READ_MS = 10_000;

let asked = 0;
/** Until which the reactor does not answer. */
let answers: Promise<void> | undefined;
let app: ReturnType<typeof fastify>;
let socketPath: string;

beforeEach(async () => {
  asked = 0;
  answers = undefined;
  app = fastify();
  socketPath = join(temporaryFolder("scrapes"), "socket");
  const metrics = async () => {
    if (++asked === 2) throw new Error("it failed");
    await answers;
    return ROWS;
  };
  const monitor = { steering: { metrics }, counters: () => new Counters().read() };
  serveMetrics(app, monitor as unknown as Administered, new GuestLabels());
  await app.listen({ path: socketPath });
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
});
afterEach(async () => {
  vi.useRealTimers();
  await app.close();
});

function scrape(): Promise<{ status: number | undefined; bytes: number }> {
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath, path: "/metrics", agent: false }, (response) => {
      let bytes = 0;
      response.on("data", (chunk: Buffer) => (bytes += chunk.length));
      response.on("end", () => resolve({ status: response.statusCode, bytes }));
    });
    sent.on("error", reject);
    sent.end();
  });
}

test("fifty at once have one reading, whose failure is theirs alone, and a second later there is another", async () => {
  const all = await Promise.all(Array.from({ length: 50 }, scrape));
  expect(asked).toBe(1);
  expect(new Set(all.map(({ bytes }) => bytes)).size).toBe(1);
  expect(all[0]!.bytes).toBeGreaterThan(250_000);
  vi.advanceTimersByTime(1000);
  expect(await scrape()).toMatchObject({ status: 500 });
  expect(await scrape()).toMatchObject({ status: 200 });
  expect(asked).toBe(3);
});

test("while the reactor has not answered it is not asked again, however long that takes", async () => {
  let answer = (): void => {};
  answers = new Promise((resolve) => {
    answer = resolve;
  });
  const all: Promise<unknown>[] = [];
  for (let i = 1; i <= 5; i++) {
    const came = once(app.server, "request");
    all.push(scrape());
    await came;
    vi.advanceTimersByTime(1000);
  }
  answer();
  expect(await Promise.all(all)).toHaveLength(5);
  expect(asked).toBe(1);
});

test("one that does not read is cut off after ten seconds", async () => {
  const slow = connect(socketPath);
  slow.write("GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n");
  await once(slow, "readable");
  vi.advanceTimersByTime(READ_MS);
  let bytes = 0;
  slow.on("data", (chunk: Buffer) => (bytes += chunk.length));
  slow.on("error", () => {});
  await once(slow, "close");
  expect(bytes).toBeLessThan(250_000);
});
