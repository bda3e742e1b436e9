// The rows of the table: what is done, by whom, and the bar that DESIGN sets for it. Names of rows are what --only takes.

import { BUSY_POLL_US, type Relay, type ServerName, type Setting, script } from "./setting.ts";

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
] as const;

export const CPU_BAR: Bar = { most: 0.75 };
export const IDLE_BARS = { cpuPercent: { most: 0.5 }, heapBytesPerStream: { most: 1024 } } as const;
export const VISITORS_BARS = { perSecond: { least: 200 }, p99Ratio: { most: 2 } } as const;
/** Rows that measure.ts does not run: idle.ts and visitors.ts do. */
export const IDLE = "idle";
export const VISITORS = "visitors";
export const IDLE_STREAMS = 10_000;

/** Rings of rows with many streams: the messages are small. */
const SMALL_RINGS = ["--ring-bytes", "4096"];
const RATE_STREAMS = 16;

/** All rows, those with a bar first, so that a run that is short of time has them. */
export function rowsOf(setting: Setting, quick: boolean): Row[] {
  const bulkWork: Work = { kind: "bytes", seconds: quick ? 0.2 : 1 };
  const shortTime: Work = { kind: "time", milliseconds: quick ? 120 : 700 };
  const rttWork: Work = { kind: "iterations", count: quick ? 1500 : 7000 };
  const poll = ["--busy-poll-us", String(BUSY_POLL_US)];
  return [
    {
      name: "bulk-out",
      title: "guest → TCP, 64 KiB writes",
      metric: "throughput",
      work: bulkWork,
      contenders: load(setting, "sink", "bulk-out", [], ["ringway", "c", "socat", "direct"]),
      ratios: [
        { key: "bulkOutVsC", against: "c", bar: { least: 0.95 } },
        { key: "bulkOutVsSocat", against: "socat", bar: { least: 1.4 } },
      ],
    },
    {
      name: "bulk-in",
      title: "TCP → guest, 64 KiB writes",
      metric: "throughput",
      work: bulkWork,
      contenders: load(setting, "source", "bulk-in", [], ["ringway", "c", "socat", "direct"]),
      ratios: [
        { key: "bulkInVsC", against: "c", bar: { least: 0.95 } },
        { key: "bulkInVsSocat", against: "socat", bar: { least: 1.4 } },
      ],
    },
    {
      name: "rtt",
      title: "64-byte round trip, both asleep",
      metric: "latency",
      work: rttWork,
      contenders: load(setting, "echo", "rtt", [], ["ringway", "c", "socat", "direct"], " asleep"),
      ratios: [{ key: "rttVsC", against: "c", bar: { most: 1.1 } }],
    },
    {
      name: "rtt-busy-poll",
      title: "64-byte round trip, both polling",
      metric: "latency",
      work: rttWork,
      contenders: load(setting, "echo", "rtt", poll, ["ringway", "c", "socat"]),
      ratios: [
        { key: "rttBusyPollVsSocat", against: "socat", bar: { most: 0.45 } },
        { key: "rttBusyPollVsC", against: "c" },
      ],
    },
    {
      name: "echo-512",
      title: "64-byte echo, 512 streams",
      metric: "rate",
      work: shortTime,
      contenders: load(setting, "echo", "echo", many(512), ["ringway", "c", "direct"]),
      ratios: [{ key: "echo512VsC", against: "c", bar: { least: 0.95 } }],
    },
    {
      name: "file-read",
      title: "file-stream read, cached",
      metric: "throughput",
      work: { kind: "passes", seconds: quick ? 0.2 : 1 },
      contenders: fileReaders(setting),
      ratios: [{ key: "fileReadVsC", against: "c", bar: { least: 0.9 } }],
    },
    sdkRow(setting, "out", "sink", quick),
    sdkRow(setting, "in", "source", quick),
    policyRow(shortTime),
    {
      name: "echo-64",
      title: "64-byte echo, 64 streams",
      metric: "rate",
      work: shortTime,
      contenders: load(setting, "echo", "echo", many(64), ["ringway", "c", "socat", "direct"]),
      ratios: [{ key: "echo64VsC", against: "c" }],
    },
    {
      name: "echo-1",
      title: "64-byte echo, 1 stream",
      metric: "rate",
      work: shortTime,
      contenders: load(setting, "echo", "echo", many(1), ["ringway", "c", "socat", "direct"]),
      ratios: [{ key: "echo1VsC", against: "c", bar: { least: 0.95 } }],
    },
    {
      name: "streams-tcp",
      title: "new streams, tcp-connect",
      metric: "rate",
      work: shortTime,
      contenders: load(setting, "once", "rate", many(RATE_STREAMS), ["ringway", "c", "socat", "direct"]),
      ratios: [{ key: "streamsTcpVsC", against: "c", bar: { least: 0.85 } }],
    },
    {
      name: "streams-echo",
      title: "new streams, echo protocol",
      metric: "rate",
      work: shortTime,
      contenders: load(setting, "once", "rate", [...many(RATE_STREAMS), "--echo-protocol"], ["ringway", "c"]),
      ratios: [{ key: "streamsEchoVsC", against: "c", bar: { least: 0.3 } }],
    },
  ];
}

/** The C load generators, each against its peer; peers that are not there are left out. */
function load(
  setting: Setting,
  server: ServerName,
  mode: string,
  options: readonly string[],
  peers: readonly Peer[],
  suffix = "",
): Contender[] {
  const { programs, relays, ports } = setting;
  if (programs === undefined) return [];
  return peers.flatMap((peer): Contender[] => {
    if (peer === "direct") {
      const command = [programs.plain, "--port", String(ports[server]), ...options];
      return [{ peer, mode, command, relay: undefined }];
    }
    const relay = relays.get(peer === "socat" ? `socat ${server}` : `${peer}${suffix}`);
    if (relay === undefined) return [];
    const where =
      peer === "socat"
        ? [programs.plain, "--unix", relay.socket]
        : [programs.guest, "--attach", relay.socket, "--port", String(ports[server])];
    return [{ peer, mode, command: [...where, ...options], relay }];
  });
}

function many(streams: number): string[] {
  return ["--streams", String(streams), ...SMALL_RINGS];
}

function fileReaders(setting: Setting): Contender[] {
  const { programs, relays, file } = setting;
  if (programs === undefined) return [];
  const relay = relays.get("ringway");
  const contenders: Contender[] = [];
  if (relay !== undefined) {
    const poll = ["--busy-poll-us", String(BUSY_POLL_US)];
    const command = [programs.guest, "--attach", relay.socket, "--path", file.guest, ...poll];
    contenders.push({ peer: "ringway", mode: "file", command, relay });
  }
  const command = [programs.fileread, "--path", file.host];
  contenders.push({ peer: "c", mode: "file", command, relay: undefined });
  return contenders;
}

/** Node programs on both sides of the comparison: the SDK through the monitor, and net.Socket straight. */
function sdkRow(setting: Setting, direction: "in" | "out", server: ServerName, quick: boolean): Row {
  const node = [process.execPath, script("sdk-child"), "--port", String(setting.ports[server])];
  const relay = setting.relays.get("ringway");
  const contenders: Contender[] = [];
  if (relay !== undefined) {
    contenders.push({
      peer: "ringway",
      mode: direction,
      command: [...node, "--attach", relay.socket],
      relay,
    });
  }
  contenders.push({ peer: "direct", mode: direction, command: node, relay: undefined });
  return {
    name: `sdk-${direction}`,
    title: direction === "out" ? "Node SDK → TCP; direct: net.Socket" : "TCP → Node SDK; direct: net.Socket",
    metric: "throughput",
    work: { kind: "bytes", seconds: quick ? 0.2 : 1 },
    contenders,
    ratios: [
      {
        key: direction === "out" ? "sdkOutVsNodeSocket" : "sdkInVsNodeSocket",
        against: "direct",
        bar: { least: 1 },
      },
    ],
  };
}

/** No relay: the matcher alone, with many rules and, as what is direct, with few. */
function policyRow(work: Work): Row {
  const contender = (peer: Peer, rules: number): Contender => {
    const command = [process.execPath, script("policy-child"), "--rules", String(rules)];
    return { peer, mode: "decide", command, relay: undefined };
  };
  return {
    name: "policy",
    title: "policy decisions, 20,000 rules; direct: 20",
    metric: "rate",
    work,
    contenders: [contender("ringway", 20_000), contender("direct", 20)],
    ratios: [{ key: "policyManyVsFew", against: "direct", bar: { least: 0.5 } }],
  };
}
