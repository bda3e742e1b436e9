// A monitor that gives its guests three folders, and what of it the tests look at.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Denial, Limits, Policy } from "@ringway/monitor";
import { policyOf, startMonitor, type TestMonitor } from "../support/monitor.ts";
import { until } from "../support/wait.ts";

const POLICY = `version: 1
files:
  - { id: data, guest: /data, host: ./data, access: rw }
  - { id: other, guest: /other, host: ./other, access: rw }
  - { id: fixed, guest: /fixed, host: ./fixed, access: ro }
`;

export interface Host extends TestMonitor {
  /** What guests see as /data, /other and /fixed. */
  readonly data: string;
  readonly other: string;
  readonly fixed: string;
  readonly policy: Policy;
  readonly failures: readonly Error[];
}

export interface HostOptions {
  readonly limits?: Partial<Limits>;
  readonly refusals?: "explain" | "hide";
  /** Another folder for /data. */
  readonly data?: string;
  /** Rules in front of those that every host has, as lines of YAML; their folders are made. */
  readonly files?: string;
}

export function withLimits(policy: Policy, limits: Partial<Limits>): Policy {
  return { ...policy, limits: { ...policy.limits, ...limits } };
}

function filesPolicy(folder: string, { limits = {}, refusals, data, files: own = "" }: HostOptions): Policy {
  const yaml = POLICY.replace("files:\n", `files:\n${own}`);
  const policy = withLimits(policyOf(yaml, folder), limits);
  for (const { host } of policy.files) if (host.startsWith(folder)) mkdirSync(host, { recursive: true });
  const files = policy.files.map((rule) => (rule.id === "data" && data ? { ...rule, host: data } : rule));
  return { ...policy, files, ...(refusals === undefined ? {} : { refusals }) };
}

/** Its end fails where the monitor did. */
export async function startHost(options: HostOptions = {}): Promise<Host> {
  let policy!: Policy;
  const started = await startMonitor((folder) => {
    mkdirSync(join(folder, "outside"));
    policy = filesPolicy(folder, options);
    return policy;
  });
  const failures: Error[] = [];
  started.monitor.on("error", (error) => failures.push(error));
  return {
    ...started,
    data: options.data ?? join(started.folder, "data"),
    other: join(started.folder, "other"),
    fixed: join(started.folder, "fixed"),
    policy,
    failures,
    async [Symbol.asyncDispose]() {
      await started[Symbol.asyncDispose]();
      if (failures.length > 0) throw failures[0];
    },
  };
}

/** The audit line for `what`, taken off the list. Those of refusals before may still be coming. */
export async function audited({ refusals }: Host, what: string): Promise<Denial> {
  const index = (): number => refusals.findIndex((refusal) => refusal.what === what);
  await until(`the audit line for ${what}`, () => index() >= 0);
  return refusals.splice(index(), 1)[0]!;
}
