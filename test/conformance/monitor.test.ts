// The monitor as the host side of everything that a guest may do, right or wrong.

import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Sb, State } from "../../packages/conformance/src/host/layout.ts";
import { makeReport } from "../../packages/conformance/src/report.ts";
import type { Check } from "../../packages/conformance/src/world.ts";
import { LOOPBACK, startMonitor } from "../support/monitor.ts";
import { until } from "../support/wait.ts";
import { type MonitorCase, MonitorWorld } from "./monitor/case.ts";
import { monitorCases } from "./monitor/index.ts";
import { WireGuest } from "./wire-guest.ts";

const MOST_USES = 40;
const UDP_CONNECT = "  - { id: udp, allow: 127.0.0.1, protocols: udp }\n";
const UDP_LISTEN = "  - { id: udp-listen, allow: 127.0.0.1, ports: [0, 1024-65535], protocols: udp }\n";

test("the monitor keeps every clause that a guest can see", { timeout: 180_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), "ringway-conformance-"));
  const data = join(folder, "data");
  mkdirSync(data);
  const socket = (name: string, access: string): string =>
    `  - { guest: /run/${name}, host: ${join(folder, name)}, access: ${access} }\n`;
  const sockets = socket("stream", "connect") + socket("records", "connect") + socket("app", "listen");
  const files = `files:\n  - { id: data, guest: /data, host: ${data}, access: rw }\n`;
  const rules = LOOPBACK.replace("listen:", `${UDP_CONNECT}listen:`) + UDP_LISTEN;
  const policy = `${rules}${files}sockets:\n${sockets}`;
  const checks: Check[] = [];
  try {
    await using host = await startMonitor(policy);
    let guest: WireGuest | undefined;
    let uses = 0;
    for (const each of monitorCases()) {
      guest ??= await WireGuest.attached(host.path);
      const made = await runOne(each, new MonitorWorld(host, guest, data, each));
      checks.push(...made);
      const failed = made.some(({ outcome }) => outcome === "failed");
      // A guest with many violations on streams is ended (ERR-3).
      const usable = each.shared && !failed && ++uses < MOST_USES && guest.get(Sb.HOST_STATE) === State.READY;
      if (usable) continue;
      uses = 0;
      guest.vanish();
      guest = undefined;
      await until("no guest", () => host.monitor.counters().guests === 0);
    }
    guest?.vanish();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  const report = makeReport("the monitor", checks);
  expect(report.failures).toEqual([]);
  for (const { name, clauses } of monitorCases()) {
    const checked = new Set(checks.filter((check) => check.case === name).map(({ clause }) => clause));
    expect([name, clauses.filter((clause) => !checked.has(clause))]).toEqual([name, []]);
  }
  expect(report.passed).toBeGreaterThan(500);
});

async function runOne(each: MonitorCase, world: MonitorWorld): Promise<readonly Check[]> {
  try {
    await each.run(world);
    return world.checks;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return [
      ...world.checks,
      ...each.clauses.map((clause) => ({ clause, case: each.name, outcome: "failed" as const, why })),
    ];
  }
}
