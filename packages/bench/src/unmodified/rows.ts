// The rows of programs that know nothing of Ringway: what a program does in a network of its own, over which media, and
// the bars. --only takes names of rows.

import type { Bar } from "../rows.ts";
import type { TurnRatioRule, TurnRow } from "../turns.ts";

export const MEDIA = ["ringway", "pasta", "slirp4netns", "direct"] as const;
export type MediumName = (typeof MEDIA)[number];

export const MEDIUM_TITLES: Readonly<Record<MediumName, string>> = {
  ringway: "ringway run",
  pasta: "pasta",
  slirp4netns: "slirp4netns",
  direct: "direct",
};

/** Servers of native/bench, and one of iperf3's for each medium: it takes one client at a time. */
export const SERVERS = ["sink", "source", "echo", "once"] as const;
export type Server = (typeof SERVERS)[number];

/** Where the servers are, for a program over one medium. */
export interface Target {
  readonly host: string;
  readonly ports: Readonly<Record<Server, number>>;
  /** Undefined where there is no iperf3. */
  readonly iperfPort: number | undefined;
}

export interface UnmodifiedRow extends TurnRow<MediumName> {
  /** What a shell in that network runs for so many bytes, round trips or milliseconds. */
  command(amount: number, target: Target): string;
  readonly needsIperf?: boolean;
  /** The others resolve names by the host's name servers. */
  readonly ringwayAlone?: boolean;
}

/** Names that the policy gives an address, n0 and so on of this domain. */
export const NAMES = { domain: "many.test", count: 1000 } as const;
const MANY = 8;
/** Of eight connections, more than waits in buffers: iperf3 ends when all is sent, and tells what has arrived. */
const IPERF_BYTES = 64 * 1024 ** 2;

const TWICE: Bar = { least: 2 };
const OF_DIRECT: Bar = { least: 0.6 };

function against(what: string, peers: Bar, direct?: Bar): TurnRatioRule<MediumName>[] {
  return [
    { key: `${what}VsPasta`, against: "pasta", bar: peers },
    { key: `${what}VsSlirp4netns`, against: "slirp4netns", bar: peers },
    { key: `${what}VsDirect`, against: "direct", ...(direct === undefined ? {} : { bar: direct }) },
  ];
}

function cpuAgainst(what: string): TurnRatioRule<MediumName>[] {
  return [
    { key: `${what}CpuVsPasta`, against: "pasta", bar: { most: 1 }, ofCpu: true },
    { key: `${what}CpuVsSlirp4netns`, against: "slirp4netns", bar: { most: 1 }, ofCpu: true },
  ];
}

function bulk(way: "out" | "in", streams: number): UnmodifiedRow {
  const what = `${way}${streams}`;
  const server = way === "out" ? "sink" : "source";
  const mode = way === "out" ? "--confirmed bulk-out" : "bulk-in";
  const title = way === "out" ? "program → TCP, 64 KiB writes" : "TCP → program, 64 KiB reads";
  return {
    name: `bulk-${way}-${streams}`,
    title: streams === 1 ? title : `${title}, ${streams} connections`,
    metric: "throughput",
    command: (bytes, { host, ports }) =>
      `plain --host ${host} --port ${ports[server]} --streams ${streams} --bytes ${bytes} ${mode}`,
    ratios: [...against(what, TWICE, OF_DIRECT), ...cpuAgainst(what)],
  };
}

function iperf(way: "out" | "in", streams: number): UnmodifiedRow {
  const reverse = way === "in" ? " -R" : "";
  return {
    name: `iperf3-${way}-${streams}`,
    title: `iperf3${reverse}${streams === 1 ? "" : `, ${streams} connections`}`,
    metric: "throughput",
    needsIperf: true,
    leastBytes: IPERF_BYTES,
    command: (bytes, { host, iperfPort }) =>
      `iperf3 -c ${host} -p ${iperfPort} -P ${streams} -n ${bytes} -i 0 -J${reverse}`,
    ratios: against(`iperf3${way === "out" ? "Out" : "In"}${streams}`, TWICE, OF_DIRECT),
  };
}

/** One connection first: pasta of 2023 hangs with many, and is left out from there on. */
export const UNMODIFIED_ROWS: readonly UnmodifiedRow[] = [
  ...[bulk("out", 1), bulk("in", 1)],
  {
    name: "rtt",
    title: "64-byte round trip",
    metric: "latency",
    command: (count, { host, ports }) =>
      `plain --host ${host} --port ${ports.echo} --iterations ${count} rtt`,
    ratios: against("rtt", { most: 0.9 }),
  },
  {
    name: "connects",
    title: `new connections, ${MANY} at a time`,
    metric: "rate",
    command: (milliseconds, { host, ports }) =>
      `plain --host ${host} --port ${ports.once} --streams ${MANY} --milliseconds ${milliseconds} rate`,
    ratios: against("connects", TWICE),
  },
  {
    name: "names",
    title: `${NAMES.count} names looked up, then connected to`,
    metric: "rate",
    ringwayAlone: true,
    command: (_, { ports }) =>
      `plain --host ${NAMES.domain} --port ${ports.sink} --iterations ${NAMES.count} names`,
    ratios: [],
  },
  ...[
    iperf("out", 1),
    iperf("in", 1),
    bulk("out", MANY),
    bulk("in", MANY),
    iperf("out", MANY),
    iperf("in", MANY),
  ],
];

/** The ratios of the JSON, in its order; each is there in every run, null where it was not measured. */
export const UNMODIFIED_RATIO_KEYS: readonly string[] = UNMODIFIED_ROWS.flatMap(({ ratios }) =>
  ratios.map(({ key }) => key),
);
