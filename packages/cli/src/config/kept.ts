// What the command knows of that no guest may reach: Monitor adds its own (sockets, policies, the audit file).

import { fstatSync, readlinkSync } from "node:fs";
import { type KeptPlace, placesOfVm } from "@ringway/monitor";
import type { MonitorCommandOptions } from "./options.ts";

export function keptFiles({ config, policy, listen, admin, vms }: MonitorCommandOptions): KeptPlace[] {
  const kept = [{ what: "the policy", path: policy }, ...vms.flatMap(placesOfVm)];
  if (config !== undefined) kept.push({ what: "the monitor's configuration", path: config });
  if (listen !== undefined) kept.push({ what: "the attach socket", path: listen });
  if (admin !== undefined) kept.push({ what: "the admin socket", path: admin.socket });
  if (admin?.http !== undefined) kept.push({ what: "the admin token", path: admin.http.tokenFile });
  try {
    if (fstatSync(2, { bigint: true }).isFile())
      kept.push({ what: "the log", path: readlinkSync("/proc/self/fd/2") });
  } catch {
    // Closed, or no procfs to tell where it is.
  }
  return kept;
}
