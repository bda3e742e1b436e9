// What it costs the reactor that somebody scrapes the monitor's metrics, with a thousand streams open: in each second,
// as often as they are read out at all.
//
// Counted is the CPU time of all threads but the main one, with what they have without a scrape taken off. The reactor
// is one of them; what V8 collects of the main thread's garbage on others counts as well.

import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { AdminClient } from "@ringway/monitor";
import { type Children, until } from "./children.ts";
import { openIdleStreams } from "./idle.ts";
import { cpuSecondsAside } from "./proc.ts";
import { type Setting, script } from "./setting.ts";

export interface ScrapedResult {
  readonly streams: number;
  /** Of the reactor's time, for a scrape in each second. */
  readonly percent: number;
}

const STREAMS = 1000;
const EVERY_MS = 1000;
/** Before anything is measured: code is compiled. */
const WARM_UP_SCRAPES = 3;
const SECONDS = { full: 20, quick: 2 } as const;

export async function measureScraped(
  children: Children,
  setting: Setting,
  quick: boolean,
): Promise<ScrapedResult> {
  const socket = join(children.folder, "scraped.sock");
  const adminSocket = join(children.folder, "scraped-admin.sock");
  const child = children.start(
    [process.execPath, "--expose-gc", script("idle-child"), setting.policy, socket, adminSocket],
    "scraped",
  );
  await child.line();
  using admin = new AdminClient({ socket: adminSocket });
  const seconds = SECONDS[quick ? "quick" : "full"];
  /** CPU seconds of a second. */
  const watched = async (each: () => Promise<unknown>): Promise<number> => {
    const before = cpuSecondsAside(child.pid);
    const start = performance.now();
    for (let i = 0; i < seconds; i++) {
      await each();
      await sleep(Math.max(0, start + (i + 1) * EVERY_MS - performance.now()));
    }
    return ((cpuSecondsAside(child.pid) - before) * 1000) / (performance.now() - start);
  };
  try {
    const { guest } = await openIdleStreams(children, setting, socket, STREAMS);
    await sleep(EVERY_MS);
    const idle = await watched(async () => {});
    for (let i = 0; i < WARM_UP_SCRAPES; i++) {
      await admin.metrics();
      await sleep(EVERY_MS);
    }
    const scraped = await watched(async () => {
      const text = await admin.metrics();
      if (!text.includes("ringway_streams_open{")) throw new Error("no streams are in the metrics");
    });
    guest.process.stdin!.end();
    await guest.ended;
    return { streams: STREAMS, percent: 100 * Math.max(0, scraped - idle) };
  } finally {
    child.process.stdin!.end();
    await until(() => !child.running, "ending the scraped monitor").catch(() => child.kill());
  }
}
