// What a row of the table is: what is done, by whom, and the bars set for it. Names of rows are what --only takes.

import type { Relay } from "./setting.ts";

export const PEERS = ["ringway", "c", "socat", "direct"] as const;
export type Peer = (typeof PEERS)[number];

/** How a row's peers are called where that differs from their column. */
export const COLUMNS: Readonly<Record<Peer, string>> = {
  ringway: "Ringway",
  c: "C reference",
  socat: "socat",
  direct: "direct",
};

/** How much to do in one measurement. */
export type Work =
  /** As many bytes, the same for all, as the slowest moves in about this time. */
  | { readonly kind: "bytes"; readonly seconds: number }
  /** As many passes over the file, likewise. */
  | { readonly kind: "passes"; readonly seconds: number }
  | { readonly kind: "time"; readonly milliseconds: number }
  | { readonly kind: "iterations"; readonly count: number };

/** One peer of a row: the program that makes the load, and the relay between it and the server. */
export interface Contender {
  readonly peer: Peer;
  readonly command: readonly string[];
  readonly mode: string;
  readonly relay: Relay | undefined;
}

export interface Bar {
  readonly least?: number;
  readonly most?: number;
}

export interface RatioRule {
  /** Its name in `ratios`, or, of those that only the table has, a name of its own. */
  readonly key: string;
  readonly against: Peer;
  readonly bar?: Bar;
}

export type Metric = "throughput" | "latency" | "rate";

export interface Row {
  readonly name: string;
  readonly title: string;
  readonly metric: Metric;
  readonly work: Work;
  readonly contenders: readonly Contender[];
  readonly ratios: readonly RatioRule[];
}

/** The ratios of the JSON, in its order; each is there in every run, null where it was not measured. */
export const RATIO_KEYS = [
  "bulkOutVsC",
  "bulkInVsC",
  "bulkOutVsSocat",
  "bulkInVsSocat",
  "cpuPerGiBVsSocat",
  "rttVsC",
  "rttBusyPollVsSocat",
  "echo512VsC",
  "echo1VsC",
  "fileReadVsC",
  "sdkOutVsNodeSocket",
  "sdkInVsNodeSocket",
  "policyManyVsFew",
  "streamsTcpVsC",
  "streamsEchoVsC",
  "udpOut64VsC",
  "udpOut64VsSocat",
  "udpIn64VsC",
  "udpIn64VsSocat",
  "udpOut1400VsC",
  "udpOut1400VsSocat",
  "udpIn1400VsC",
  "udpIn1400VsSocat",
  "udpRttVsC",
  "unixOutVsSocat",
  "unixInVsSocat",
  "followedDropVsNobody",
  "followedBackpressureVsNobody",
  "catOutVsSocat",
  "catInVsSocat",
  "catHubVsNcat",
  "mountRandom1VsPreadv",
  "mountRandom16VsPreadv",
  "mountSequentialVsPreadv",
] as const;

export const CPU_BAR: Bar = { most: 0.75 };
export const IDLE_BARS = { cpuPercent: { most: 0.5 }, heapBytesPerStream: { most: 1024 } } as const;
export const VISITORS_BARS = { perSecond: { least: 200 }, p99Ratio: { most: 2 } } as const;
export const SCRAPED_BAR: Bar = { most: 1 };
/** Rows that measure.ts does not run: idle.ts, scraped.ts and visitors.ts do. */
export const IDLE = "idle";
export const SCRAPED = "scraped";
export const VISITORS = "visitors";
export const IDLE_STREAMS = 10_000;
