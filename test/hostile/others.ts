// How busy others keep this machine: figures of throughput that are taken meanwhile are theirs as much as ours.

import { cpus } from "node:os";
import { setTimeout as delay } from "node:timers/promises";

function ticks(): { idle: number; all: number } {
  let [idle, all] = [0, 0];
  for (const { times } of cpus()) {
    idle += times.idle;
    all += times.idle + times.user + times.nice + times.sys + times.irq;
  }
  return { idle, all };
}

/** Share of all processors that is used within `ms`, while this process and those that it measures rest: 0 to 1. */
export async function usedByOthers(ms: number): Promise<number> {
  const before = ticks();
  await delay(ms);
  const after = ticks();
  return 1 - (after.idle - before.idle) / Math.max(1, after.all - before.all);
}
