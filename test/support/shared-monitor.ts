// One monitor for all tests of a file, each of which has guests of its own, with their own policies and budgets. A test
// begins when those of the last are gone, and sees what has happened since.

import type { AttachedGuest, CounterValues, Monitor } from "@ringway/monitor";
import { beforeAll, beforeEach } from "vitest";
import { heldForAll } from "./held.ts";
import { guestsAre, LOOPBACK, type LogLine, policyOf, startMonitor, type TestMonitor } from "./monitor.ts";

export interface SharedMonitor {
  readonly monitor: Monitor;
  /** Its attach socket, for guests that have the monitor's policy, and share a user's budgets. */
  readonly path: string;
  /** Makes room for a guest with a policy, in YAML, and with budgets of its own. */
  own(policy: string): AttachedGuest;
  /** Since the test began. */
  counters(): CounterValues;
  lines(): LogLine[];
}

export function sharedMonitor(policy: string = LOOPBACK): SharedMonitor {
  const hold = heldForAll();
  let host: TestMonitor;
  let before: CounterValues;
  let lines: number;
  beforeAll(async () => {
    host = hold(await startMonitor(policy));
  });
  beforeEach(async () => {
    await guestsAre(host.monitor, 0);
    before = host.monitor.counters();
    lines = host.lines.length;
  });
  return {
    get monitor() {
      return host.monitor;
    },
    get path() {
      return host.path;
    },
    own: (own) => host.monitor.attach({ policy: policyOf(own, host.folder) }),
    counters() {
      const now = host.monitor.counters();
      const names = Object.keys(now) as (keyof CounterValues)[];
      return Object.fromEntries(names.map((name) => [name, now[name] - before[name]])) as CounterValues;
    },
    lines: () => host.lines.slice(lines),
  };
}
