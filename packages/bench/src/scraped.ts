// What it costs the reactor that somebody scrapes the monitor's metrics, with a thousand streams open: in each second,
// as often as they are read out at all.
//
// Counted is the CPU time of the threads that the monitor has started, with what they have without a scrape taken off:
// the reactor, and others that do nothing meanwhile. The main thread, and Node's own that compile and collect for it,
// are none of them.

import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { AdminClient } from "@ringway/monitor";
import { type Children, until } from "./children.ts";
import { openIdleStreams } from "./idle.ts";
import { cpuSecondsAside } from "./proc.ts";
import { type Setting, script } from "./setting.ts";
import { median } from "./statistics.ts";

export interface ScrapedResult {
  readonly streams: number;
  /** Of the reactor's time, for a scrape in each second. */
  readonly percent: number;
}

const STREAMS = 1000;
const EVERY_MS = 1000;
/** Before anything is measured: code is compiled. */
const WARM_UP_SCRAPES = 3;
const SECONDS = { full: 20, quick: 3 } as const;

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
  const ofNode = JSON.parse(await child.line()) as string[];
  using admin = new AdminClient({ socket: adminSocket });
  const seconds = SECONDS[quick ? "quick" : "full"];
  /** CPU seconds of a second: the median, since what V8 collects when a thread has been idle comes once. */
  const watched = async (each: () => Promise<unknown>): Promise<number> => {
    const found: number[] = [];
    for (let i = 0; i < seconds; i++) {
      const before = cpuSecondsAside(child.pid, ofNode);
      const start = performance.now();
      await each();
      await sleep(EVERY_MS);
      found.push(((cpuSecondsAside(child.pid, ofNode) - before) * 1000) / (performance.now() - start));
    }
    return median(found);
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
