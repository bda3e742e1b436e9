// The rows: those with a bar first, so that a run that is short of time has them.

import {
  channels,
  datagrams,
  fileReaders,
  followed,
  hubs,
  load,
  many,
  mountReaders,
  unixStreams,
} from "./contenders.ts";
import type { Bar, Contender, Peer, Row, Work } from "./rows.ts";
import { BUSY_POLL_US, type ServerName, type Setting, script } from "./setting.ts";

/** At once, in rows of new streams. */
const RATE_STREAMS = 16;
const ALL: readonly Peer[] = ["ringway", "c", "socat", "direct"];

export function rowsOf(setting: Setting, quick: boolean): Row[] {
  const bulkWork: Work = { kind: "bytes", seconds: quick ? 0.2 : 1 };
  const fileWork: Work = { kind: "passes", seconds: quick ? 0.2 : 1 };
  const shortTime: Work = { kind: "time", milliseconds: quick ? 120 : 700 };
  const rttWork: Work = { kind: "iterations", count: quick ? 1500 : 7000 };
  return [
    ...bulkRows(setting, bulkWork),
    ...roundTripRows(setting, rttWork),
    echoRow(setting, shortTime, 512, ["ringway", "c", "direct"], { least: 0.95 }),
    fileRow(setting, fileWork),
    sdkRow(setting, "out", "sink", bulkWork),
    sdkRow(setting, "in", "source", bulkWork),
    policyRow(shortTime),
    echoRow(setting, shortTime, 64, ALL),
    echoRow(setting, shortTime, 1, ALL, { least: 0.95 }),
    ...newStreamRows(setting, shortTime),
    ...datagramRows(setting, quick),
    ...followedRows(setting, { kind: "bytes", seconds: quick ? 0.1 : 0.5 }),
    ...catRows(setting, { kind: "bytes", seconds: quick ? 0.1 : 0.3 }),
    ...unixRows(setting, { kind: "bytes", seconds: quick ? 0.05 : 0.2 }),
    ...mountRows(setting, { kind: "time", milliseconds: quick ? 50 : 150 }),
  ];
}

function bulkRows(setting: Setting, work: Work): Row[] {
  return [
    {
      name: "bulk-out",
      title: "guest → TCP, 64 KiB writes",
      metric: "throughput",
      work,
      contenders: load(setting, "sink", "bulk-out", [], ALL),
      ratios: [
        { key: "bulkOutVsC", against: "c", bar: { least: 0.95 } },
        { key: "bulkOutVsSocat", against: "socat", bar: { least: 1.4 } },
      ],
    },
    {
      name: "bulk-in",
      title: "TCP → guest, 64 KiB writes",
      metric: "throughput",
      work,
      contenders: load(setting, "source", "bulk-in", [], ALL),
      ratios: [
        { key: "bulkInVsC", against: "c", bar: { least: 0.95 } },
        { key: "bulkInVsSocat", against: "socat", bar: { least: 1.4 } },
      ],
    },
  ];
}

function roundTripRows(setting: Setting, work: Work): Row[] {
  const poll = ["--busy-poll-us", String(BUSY_POLL_US)];
  return [
    {
      name: "rtt",
      title: "64-byte round trip, both asleep",
      metric: "latency",
      work,
      contenders: load(setting, "echo", "rtt", [], ALL, " asleep"),
      ratios: [{ key: "rttVsC", against: "c", bar: { most: 1.1 } }],
    },
    {
      name: "rtt-busy-poll",
      title: "64-byte round trip, both polling",
      metric: "latency",
      work,
      contenders: load(setting, "echo", "rtt", poll, ["ringway", "c", "socat"]),
      ratios: [
        { key: "rttBusyPollVsSocat", against: "socat", bar: { most: 0.45 } },
        { key: "rttBusyPollVsC", against: "c" },
      ],
    },
  ];
}

function echoRow(setting: Setting, work: Work, streams: number, peers: readonly Peer[], bar?: Bar): Row {
  return {
    name: `echo-${streams}`,
    title: `64-byte echo, ${streams} ${streams === 1 ? "stream" : "streams"}`,
    metric: "rate",
    work,
    contenders: load(setting, "echo", "echo", many(streams), peers),
    ratios: [{ key: `echo${streams}VsC`, against: "c", ...(bar === undefined ? {} : { bar }) }],
  };
}

function fileRow(setting: Setting, work: Work): Row {
  return {
    name: "file-read",
    title: "file-stream read, cached",
    metric: "throughput",
    work,
    contenders: fileReaders(setting),
    ratios: [{ key: "fileReadVsC", against: "c", bar: { least: 0.9 } }],
  };
}

function newStreamRows(setting: Setting, work: Work): Row[] {
  const streams = many(RATE_STREAMS);
  return [
    {
      name: "streams-tcp",
      title: "new streams, tcp-connect",
      metric: "rate",
      work,
      contenders: load(setting, "once", "rate", streams, ALL),
      ratios: [{ key: "streamsTcpVsC", against: "c", bar: { least: 0.85 } }],
    },
    {
      name: "streams-echo",
      title: "new streams, echo protocol",
      metric: "rate",
      work,
      contenders: load(setting, "once", "rate", [...streams, "--echo-protocol"], ["ringway", "c"]),
      ratios: [{ key: "streamsEchoVsC", against: "c", bar: { least: 0.3 } }],
    },
  ];
}

/** Node programs on both sides of the comparison: the SDK through the monitor, and net.Socket straight. */
function sdkRow(setting: Setting, direction: "in" | "out", server: ServerName, work: Work): Row {
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
    work,
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

/** Short rounds: there are many of these rows, and what a second would show, a tenth of one does. */
function datagramRows(setting: Setting, quick: boolean): Row[] {
  const work: Work = { kind: "time", milliseconds: quick ? 50 : 150 };
  const rows = [64, 1400].flatMap((bytes) =>
    (["out", "in"] as const).map((way): Row => {
      const title =
        way === "out" ? `guest → UDP, datagrams of ${bytes} bytes` : `UDP → guest, of ${bytes} bytes`;
      const key = `udp${way === "out" ? "Out" : "In"}${bytes}`;
      return {
        name: `udp-${way}-${bytes}`,
        title,
        metric: "rate",
        work,
        contenders: datagrams(setting, `udp-${way}`, bytes),
        ratios: [
          { key: `${key}VsC`, against: "c", bar: { least: 0.8 } },
          { key: `${key}VsSocat`, against: "socat", bar: { least: 2 } },
        ],
      };
    }),
  );
  return [
    ...rows,
    {
      name: "udp-rtt",
      title: "64-byte datagram there and back, both asleep",
      metric: "latency",
      work: { kind: "iterations", count: quick ? 500 : 2000 },
      contenders: datagrams(setting, "udp-rtt", 64, " asleep"),
      ratios: [{ key: "udpRttVsC", against: "c", bar: { most: 1.15 } }],
    },
  ];
}

function unixRows(setting: Setting, work: Work): Row[] {
  return [
    {
      name: "unix-out",
      title: "guest → Unix socket, 64 KiB writes",
      metric: "throughput",
      work,
      contenders: unixStreams(setting, "sink", "bulk-out"),
      ratios: [{ key: "unixOutVsSocat", against: "socat", bar: { least: 1.4 } }],
    },
    {
      name: "unix-in",
      title: "Unix socket → guest, 64 KiB writes",
      metric: "throughput",
      work,
      contenders: unixStreams(setting, "source", "bulk-in"),
      ratios: [{ key: "unixInVsSocat", against: "socat", bar: { least: 1.4 } }],
    },
  ];
}

/** Bulk through a monitor that follows its conversations and, as what is direct, through the same where nobody does. */
function followedRows(setting: Setting, work: Work): Row[] {
  return (["drop", "backpressure"] as const).map((whenSlow): Row => {
    const key = `followed${whenSlow === "drop" ? "Drop" : "Backpressure"}VsNobody`;
    return {
      name: `followed-${whenSlow}`,
      title: `guest → TCP, followed with ${whenSlow}; direct: by nobody`,
      metric: "throughput",
      work,
      contenders: followed(setting, whenSlow),
      ratios: [{ key, against: "direct", bar: { least: 0.75 } }],
    };
  });
}

function catRows(setting: Setting, work: Work): Row[] {
  return [
    {
      name: "cat-out",
      title: "ringway cat: a channel, Unix socket → TCP",
      metric: "throughput",
      work,
      contenders: channels(setting, "sink", "bulk-out"),
      ratios: [{ key: "catOutVsSocat", against: "socat", bar: { least: 1 } }],
    },
    {
      name: "cat-in",
      title: "ringway cat: a channel, TCP → Unix socket",
      metric: "throughput",
      work,
      contenders: channels(setting, "source", "bulk-in"),
      ratios: [{ key: "catInVsSocat", against: "socat", bar: { least: 1 } }],
    },
    {
      name: "cat-hub",
      title: "ringway cat: a hub of ten, what nine hear; direct: ncat --broker",
      metric: "throughput",
      work,
      contenders: hubs(setting),
      ratios: [{ key: "catHubVsNcat", against: "direct", bar: { least: 2 } }],
    },
  ];
}

function mountRows(setting: Setting, work: Work): Row[] {
  const row = (name: string, key: string, what: string, options: readonly string[], bar?: Bar): Row => ({
    name: `mount-${name}`,
    title: `mount, ${what}; direct: preadv()`,
    metric: "throughput",
    work,
    contenders: mountReaders(setting, options),
    ratios: [{ key: `mount${key}VsPreadv`, against: "direct", ...(bar === undefined ? {} : { bar }) }],
  });
  const random = (depth: number): string[] => ["--read-bytes", "4096", "--depth", String(depth)];
  const sequential = ["--read-bytes", String(1024 * 1024), "--sequential"];
  return [
    row("random-16", "Random16", "4 KiB at random, 16 at a time", random(16), { least: 0.5 }),
    row("random-1", "Random1", "4 KiB at random", random(1)),
    row("sequential", "Sequential", "1 MiB at a time, in order", sequential),
  ];
}
