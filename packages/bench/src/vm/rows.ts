// The rows of the VM benchmark: what is done in the guest, over which media, and the bars. --only takes
// names of rows.

import type { Bar } from "../rows.ts";
import type { TurnRow } from "../turns.ts";

export const MEDIA = ["ringway", "slirp", "passt", "agent"] as const;
export type MediumName = (typeof MEDIA)[number];

export const MEDIUM_TITLES: Readonly<Record<MediumName, string>> = {
  ringway: "Ringway",
  slirp: "QEMU user",
  passt: "passt",
  agent: "ringway-agent",
};

export const SERVERS = ["sink", "source", "echo"] as const;
export type Server = (typeof SERVERS)[number];

export interface VmRow extends TurnRow<MediumName> {
  readonly metric: "throughput" | "latency";
  /** The word that asks vmload for it, and the server that it talks to. */
  readonly command: "out" | "in" | "rtt";
  readonly server: Server;
}

/** Under TCG: all processors are one thread of the host's, translating. */
const BULK_BARS = { slirp: { least: 3 }, passt: { least: 2 } } as const;
const RTT_BAR: Bar = { most: 0.7 };

export const VM_ROWS: readonly VmRow[] = [
  {
    name: "bulk-out",
    title: "guest → TCP, 64 KiB writes",
    metric: "throughput",
    command: "out",
    server: "sink",
    ratios: [
      { key: "bulkOutVsSlirp", against: "slirp", bar: BULK_BARS.slirp },
      { key: "bulkOutVsPasst", against: "passt", bar: BULK_BARS.passt },
    ],
  },
  {
    name: "bulk-in",
    title: "TCP → guest, 64 KiB reads",
    metric: "throughput",
    command: "in",
    server: "source",
    ratios: [
      { key: "bulkInVsSlirp", against: "slirp", bar: BULK_BARS.slirp },
      { key: "bulkInVsPasst", against: "passt", bar: BULK_BARS.passt },
    ],
  },
  {
    name: "rtt",
    title: "64-byte round trip",
    metric: "latency",
    command: "rtt",
    server: "echo",
    ratios: [
      { key: "rttVsSlirp", against: "slirp", bar: RTT_BAR },
      { key: "rttVsPasst", against: "passt", bar: RTT_BAR },
    ],
  },
];

/** The ratios of the JSON, in its order; each is there in every run, null where it was not measured. */
export const VM_RATIO_KEYS = [
  "bulkOutVsSlirp",
  "bulkInVsSlirp",
  "bulkOutVsPasst",
  "bulkInVsPasst",
  "rttVsSlirp",
  "rttVsPasst",
] as const;
