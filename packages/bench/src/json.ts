// A run as JSON: the ratios that bars are set for first, then everything, each round included.

import type { IdleResult } from "./idle.ts";
import type { RatioResult } from "./measure.ts";
import type { Report } from "./report.ts";
import { RATIO_KEYS } from "./rows.ts";
import { BUSY_POLL_US } from "./setting.ts";

export function jsonOf(report: Report, fileBytes: number): object {
  const all: RatioResult[] = report.rows.flatMap((row) => row.ratios);
  if (report.cpu !== undefined) all.push(report.cpu);
  const ratios = Object.fromEntries(
    RATIO_KEYS.map((key) => [key, all.find((ratio) => ratio.key === key)?.value ?? null]),
  );
  const idle: Record<keyof IdleResult, number | null> = {
    streams: report.idle?.streams ?? null,
    cpuPercent: report.idle?.cpuPercent ?? null,
    heapBytesPerStream: report.idle?.heapBytesPerStream ?? null,
  };
  return {
    ratios,
    idle,
    scraped: report.scraped ?? null,
    visitors: report.visitors,
    date: new Date().toISOString(),
    quick: report.quick,
    rounds: report.rounds,
    seconds: report.seconds,
    machine: report.machine,
    busyPollUs: BUSY_POLL_US,
    fileBytes,
    leftOut: report.leftOut,
    shortened: report.shortened,
    failures: report.failures,
    rows: report.rows,
    cpuPerGiB: report.cpu ?? null,
    idleDetails: report.idle ?? null,
  };
}
