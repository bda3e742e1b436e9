// The limits of a policy: sizes parsed, and held to what the others allow.

import { MAX_RING_BYTES, MIN_RING_BYTES, PAGE_BYTES } from "@ringway/control";
import * as defaults from "./defaults.ts";
import type { BuildContext, RawPolicy } from "./raw.ts";
import { formatSize, parseSize } from "./sizes.ts";
import { expectedFound, shown } from "./text.ts";
import { type Limits, UNLIMITED } from "./types.ts";

type SizeKey = "regionBytes" | "regionBytesTotal" | "streamBytes" | "socketBytes" | AmountKey | LineKey;
type AmountKey = "fileBytesWritten" | "networkBytes";
type LineKey = "logBytes" | "auditBytes";

export function buildLimits(raw: NonNullable<RawPolicy["limits"]>, context: BuildContext): Limits {
  const size = (key: SizeKey, least: number, most: number): number => {
    const value = raw[key];
    if (value === undefined || context.isBroken(["limits", key])) return defaults.DEFAULT_LIMITS[key];
    const bytes = parseSize(value);
    if (bytes !== undefined && bytes >= least && bytes <= most) return bytes;
    context.complain(
      ["limits", key],
      expectedFound(`a size from ${formatSize(least)} to ${formatSize(most)}`, shown(value)),
    );
    return defaults.DEFAULT_LIMITS[key];
  };

  const regionBytes = size("regionBytes", defaults.REGION_BYTES_MIN, defaults.REGION_BYTES_MAX);
  if (regionBytes % PAGE_BYTES !== 0) {
    context.complain(["limits", "regionBytes"], expectedFound("whole pages of 4KiB", shown(raw.regionBytes)));
  }
  // A power of two, since capacities are; a quarter, so that a stream's two rings leave half of the region.
  const quarter = 2 ** Math.floor(Math.log2(regionBytes / 4));
  let streamBytes = Math.min(defaults.DEFAULT_LIMITS.streamBytes, quarter);
  if (raw.streamBytes !== undefined) {
    streamBytes = size("streamBytes", MIN_RING_BYTES, MAX_RING_BYTES);
    if (!Number.isInteger(Math.log2(streamBytes))) {
      context.complain(["limits", "streamBytes"], expectedFound("a power of two", shown(raw.streamBytes)));
    } else if (streamBytes > quarter) {
      context.complain(
        ["limits", "streamBytes"],
        expectedFound(`at most a quarter of regionBytes (${formatSize(quarter)})`, shown(raw.streamBytes)),
      );
    }
  }
  const amount = (key: AmountKey): number =>
    raw[key] === "unlimited" ? UNLIMITED : size(key, 0, Number.MAX_SAFE_INTEGER);
  const guests = Number(raw.guests ?? defaults.DEFAULT_LIMITS.guests);
  const regionBytesTotal =
    raw.regionBytesTotal === undefined
      ? guests * regionBytes
      : size("regionBytesTotal", regionBytes, defaults.REGION_BYTES_TOTAL_MAX);
  return {
    guests,
    regionBytesTotal,
    streams: Number(raw.streams ?? defaults.DEFAULT_LIMITS.streams),
    regionBytes,
    streamBytes,
    socketBytes: size("socketBytes", defaults.SOCKET_BYTES_MIN, defaults.SOCKET_BYTES_MAX),
    accepts: Number(raw.accepts ?? defaults.DEFAULT_LIMITS.accepts),
    openFiles: Number(raw.openFiles ?? defaults.DEFAULT_LIMITS.openFiles),
    fileBytesWritten: amount("fileBytesWritten"),
    networkBytes: amount("networkBytes"),
    requests: Number(raw.requests ?? defaults.DEFAULT_LIMITS.requests),
    diskOperations: Number(raw.diskOperations ?? defaults.DEFAULT_LIMITS.diskOperations),
    bells: Number(raw.bells ?? defaults.DEFAULT_LIMITS.bells),
    logLines: Number(raw.logLines ?? defaults.DEFAULT_LIMITS.logLines),
    logBytes: size("logBytes", defaults.LOG_BYTES_MIN, defaults.LOG_BYTES_MAX),
    auditBytes: size("auditBytes", defaults.LOG_BYTES_MIN, defaults.LOG_BYTES_MAX),
  };
}
