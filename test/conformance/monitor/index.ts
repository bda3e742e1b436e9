// The monitor as the host side: a guest by hand asks, and its answers are checked clause by clause.

import type { MonitorCase } from "./case.ts";
import { controlCases } from "./control.ts";
import { fieldCases } from "./fields.ts";
import { filesCases } from "./files.ts";
import { limitCases } from "./limits.ts";
import { mountCases } from "./mount.ts";
import { regionCases } from "./region.ts";
import { resolveCases } from "./resolve.ts";
import { streamsCases } from "./streams.ts";
import { tcpCases } from "./tcp.ts";
import { udpCases } from "./udp.ts";
import { unixCases } from "./unix.ts";
import { vectorCases } from "./vectors.ts";
import { versionCases } from "./versions.ts";

/** All that is asked of a host. */
export function monitorCases(): MonitorCase[] {
  return [
    ...regionCases,
    ...controlCases,
    ...versionCases,
    ...streamsCases,
    ...tcpCases,
    ...udpCases,
    ...unixCases,
    ...filesCases,
    ...mountCases,
    ...resolveCases,
    ...limitCases,
    ...fieldCases,
    ...vectorCases(),
  ];
}
