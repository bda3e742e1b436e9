// Cases asked of one monitor, each by a guest of its own, or by that of the case before where it is still good.

import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Sb, State } from "../../../packages/conformance/src/host/layout.ts";
import type { Check } from "../../../packages/conformance/src/world.ts";
import { LOOPBACK } from "../../support/monitor.ts";
import { until } from "../../support/wait.ts";
import { WireGuest } from "../wire-guest.ts";
import { type MonitorCase, MonitorWorld, type StartMonitor } from "./case.ts";

const MOST_USES = 40;
const UDP_CONNECT = "  - { id: udp, allow: 127.0.0.1, protocols: udp }\n";
const UDP_LISTEN = "  - { id: udp-listen, allow: 127.0.0.1, ports: [0, 1024-65535], protocols: udp }\n";

/** Until `goesOn` says no of a case's checks. */
export async function runMonitor(
  start: StartMonitor,
  cases: readonly MonitorCase[],
  goesOn: (made: readonly Check[]) => boolean = () => true,
): Promise<Check[]> {
  const folder = mkdtempSync(join(tmpdir(), "ringway-conformance-"));
  const data = join(folder, "data");
  mkdirSync(data);
  const checks: Check[] = [];
  try {
    await using host = await start(policyOf(folder, data));
    let guest: WireGuest | undefined;
    let uses = 0;
    for (const each of cases) {
      guest ??= await WireGuest.attached(host.path);
      const made = await runOne(each, new MonitorWorld(start, host, guest, data, each));
      checks.push(...made);
      if (!goesOn(made)) break;
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
  return checks;
}

function policyOf(folder: string, data: string): string {
  const socket = (name: string, access: string): string =>
    `  - { guest: /run/${name}, host: ${join(folder, name)}, access: ${access} }\n`;
  const sockets = socket("stream", "connect") + socket("records", "connect") + socket("app", "listen");
  const files = `files:\n  - { id: data, guest: /data, host: ${data}, access: rw }\n`;
  const rules = LOOPBACK.replace("listen:", `${UDP_CONNECT}listen:`) + UDP_LISTEN;
  return `${rules}${files}sockets:\n${sockets}`;
}

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
