// What the reactor's thread is given when it starts, of the options and the parts of a monitor.

import { labelBytes } from "../observe/labels.ts";
import { debugSettings } from "./debug.ts";
import { forReactor } from "./for-reactor.ts";
import {
  DEFAULT_BUSY_POLL_US,
  DEFAULT_LINGER_MS,
  DEFAULT_MAX_GUESTS,
  type MonitorOptions,
} from "./options.ts";
import type { Parts } from "./parts.ts";
import { publicationOf } from "./publish-options.ts";
import type { ReactorSettings } from "./reactor-handle.ts";

export function reactorSettings(
  options: MonitorOptions,
  { policy, disk, regions, descriptors, listening, tenants, admin, audit, flows }: Parts,
  ownPorts: readonly number[],
  counters: SharedArrayBuffer,
): ReactorSettings {
  return {
    policy: forReactor(policy),
    disk: disk.ports,
    regions: regions.port,
    descriptors,
    ownPorts,
    publications: (options.publishes ?? []).map(publicationOf),
    counters,
    busyPollUs: options.busyPollUs ?? DEFAULT_BUSY_POLL_US,
    maxGuests: options.maxGuests ?? DEFAULT_MAX_GUESTS,
    lingerMs: options.lingerMs ?? DEFAULT_LINGER_MS,
    ...debugSettings(),
    listenFd: listening?.fd ?? -1,
    tenants: tenants.map(({ options: { name, labels }, policy: own, listening: socket }) => ({
      name,
      socket,
      policy: own && forReactor(own),
      labelBytes: labelBytes(labels),
    })),
    hasAuditFile: audit !== undefined,
    hasFlowRecords: flows !== undefined,
    adminSocket: admin && { path: admin.path, file: admin.file },
    showsFlows: admin !== undefined,
    attachSocket: listening && { path: listening.path, file: listening.file },
  };
}
