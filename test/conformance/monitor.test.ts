// The monitor as the host side of everything that a guest may do, right or wrong; one with a mistake is found.

import { expect, test } from "vitest";
import { makeReport } from "../../packages/conformance/src/report.ts";
import type { Check } from "../../packages/conformance/src/world.ts";
import { startMonitor } from "../support/monitor.ts";
import { mistakenMonitor } from "./mistakes/load-monitor.ts";
import { MONITOR_MISTAKES } from "./mistakes/monitor.ts";
import { monitorCases } from "./monitor/index.ts";
import { limitCases } from "./monitor/limits.ts";
import { runMonitor } from "./monitor/run.ts";

test("the monitor keeps every clause that a guest can see", { timeout: 180_000 }, async () => {
  const checks = await runMonitor(startMonitor, monitorCases());
  const report = makeReport("the monitor", checks);
  expect(report.failures).toEqual([]);
  for (const { name, clauses } of monitorCases()) {
    const checked = new Set(checks.filter((check) => check.case === name).map(({ clause }) => clause));
    expect([name, clauses.filter((clause) => !checked.has(clause))]).toEqual([name, []]);
  }
  expect(report.passed).toBeGreaterThan(500);
});

// Most of each is waiting: for a rate, or in vain for what the mistake leaves out.
test.concurrent.each(MONITOR_MISTAKES)(
  "a monitor that $what is found: $clause",
  { timeout: 60_000 },
  async (mistake) => {
    const { clause, patches } = mistake;
    const cases = limitCases.filter(({ clauses }) => clauses.includes(clause));
    const isFound = (checks: readonly Check[]): boolean =>
      checks.some((check) => check.clause === clause && check.outcome === "failed");
    const checks = await runMonitor(await mistakenMonitor(patches), cases, (made) => !isFound(made));
    expect(isFound(checks)).toBe(true);
  },
);
