// What the command alone knows of that no guest may reach. Monitor adds what it is given: sockets, policies, the audit
// file, the token, and the places of machines as long as it serves them.

import { fstatSync, readlinkSync } from "node:fs";
import type { KeptPlace } from "@ringway/monitor";

/** `config`: the file of --config. */
export function keptFiles(config: string | undefined): KeptPlace[] {
  const kept = config === undefined ? [] : [{ what: "the monitor's configuration", path: config }];
  try {
    if (fstatSync(2, { bigint: true }).isFile())
      kept.push({ what: "the log", path: readlinkSync("/proc/self/fd/2") });
  } catch {
    // Closed, or no procfs to tell where it is.
  }
  return kept;
}
