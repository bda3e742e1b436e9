// A real monitor on an attach socket of its own, with what it said kept for the test.

import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type Denial,
  Monitor,
  type MonitorOptions,
  type Policy,
  parsePolicy,
  type Violated,
} from "@ringway/monitor";
import { until } from "./wait.ts";

// pino is the monitor's dependency, not the workspace's.
const { pino } = createRequire(new URL("../../packages/monitor/package.json", import.meta.url))("pino") as {
  pino: (options: object, stream: { write(line: string): void }) => NonNullable<MonitorOptions["logger"]>;
};

/** Loopback, by address and by every name of the tests. */
export const LOOPBACK = `version: 1
connect:
  - { id: local, allow: [127.0.0.0/8, "::1/128"] }
  - { id: by-name, allow: [localhost, "*.test"], resolvesTo: [127.0.0.0/8, "::1/128", "fe80::/10"] }
listen:
  - { id: local-listen, allow: [127.0.0.0/8, "::1/128"], ports: [0, 1024-65535] }
`;

/** Paths of the host in it are seen from `folder`. */
export function policyOf(yaml: string, folder: string = tmpdir()): Policy {
  return parsePolicy(yaml, { file: join(folder, "policy.yaml") });
}

export interface LogLine {
  readonly level: number;
  readonly msg: string;
  readonly audit?: string;
  readonly guest?: string;
  readonly [key: string]: unknown;
}

export interface TestMonitor extends AsyncDisposable {
  readonly monitor: Monitor;
  readonly path: string;
  readonly folder: string;
  readonly lines: LogLine[];
  readonly refusals: Denial[];
  readonly violations: Violated[];
  readonly gone: { guest: string; reason: string }[];
}

/** `policy`: in YAML, or made for the folder that is the monitor's own. `Of`: another build of it. */
export async function startMonitor(
  policy: string | ((folder: string) => Policy) = LOOPBACK,
  options: Omit<Partial<MonitorOptions>, "policy" | "listen"> = {},
  Of: typeof Monitor = Monitor,
): Promise<TestMonitor> {
  const folder = mkdtempSync(join(tmpdir(), "ringway-e2e-"));
  const path = join(folder, "attach.sock");
  const lines: LogLine[] = [];
  const logger = pino({ level: "debug" }, { write: (line) => void lines.push(JSON.parse(line) as LogLine) });
  const parsed = typeof policy === "string" ? policyOf(policy, folder) : policy(folder);
  const monitor = await Of.start({ policy: parsed, listen: path, logger, ...options });
  const refusals: Denial[] = [];
  const violations: Violated[] = [];
  const gone: { guest: string; reason: string }[] = [];
  monitor.on("refused", (refusal) => void refusals.push(refusal));
  monitor.on("violation", (violated) => void violations.push(violated));
  monitor.on("detached", (detached) => void gone.push(detached));
  return {
    monitor,
    path,
    folder,
    lines,
    refusals,
    violations,
    gone,
    async [Symbol.asyncDispose]() {
      await monitor[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Waits until the monitor serves this many guests. */
export async function guestsAre(monitor: Monitor, guests: number, timeoutMs?: number): Promise<void> {
  await until(`${guests} guests`, () => monitor.counters().guests === guests, timeoutMs);
}

export async function streamsAre(monitor: Monitor, streams: number, timeoutMs?: number): Promise<void> {
  await until(`${streams} open streams`, () => monitor.counters().streams === streams, timeoutMs);
}
