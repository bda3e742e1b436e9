import { describe, expect, it } from "vitest";
import type { PeerResult, RowResult } from "../src/measure.ts";
import { formatTerminal } from "../src/report.ts";
import { rowsOf } from "../src/row-list.ts";
import { RATIO_KEYS, type Row } from "../src/rows.ts";
import { FOLLOWED, type Relay, SERVERS, type Setting, UNIX_SERVERS } from "../src/setting.ts";

/** Of cpuPerGiBRatio: two rows make it. */
const OF_NO_ROW = ["cpuPerGiBVsSocat"];
const PROGRAMS = [
  "relay",
  "guest",
  "plain",
  "server",
  "fileread",
  "udpplain",
  "udpserver",
  "preadv",
] as const;
const RELAYS = [
  ...["ringway", "ringway asleep", "c", "c asleep", "socat udp"],
  ...SERVERS.map((server) => `socat ${server}`),
  ...UNIX_SERVERS.map((server) => `socat unix ${server}`),
  ...FOLLOWED.map((followed) => `followed ${followed}`),
];

/** Where everything is there, but for `without`. */
function rows(...without: string[]): Row[] {
  const relay = (name: string): Relay => ({ pid: 1, socket: `/${name}`, forks: name.startsWith("socat") });
  const relays = RELAYS.filter((name) => !without.some((gone) => name.startsWith(gone)));
  const programs = Object.fromEntries(PROGRAMS.map((program) => [program, `/bin/${program}`]));
  const setting: Setting = {
    programs: without.includes("programs") ? undefined : (programs as NonNullable<Setting["programs"]>),
    ports: { sink: 1, source: 2, echo: 3, once: 4 },
    udpPort: without.includes("programs") ? undefined : 5,
    unixSockets: {
      sink: { host: "/s/sink", guest: "/g/sink" },
      source: { host: "/s/source", guest: "/g/source" },
    },
    relays: new Map(relays.map((name) => [name, relay(name)])),
    file: { host: "/f/file", guest: "/g/file", bytes: 1 },
    policy: "",
    leftOut: [],
    failures: [],
  };
  return rowsOf(setting, true);
}

const named = (name: string, all: readonly Row[] = rows()): Row => all.find((row) => row.name === name)!;

describe("the rows", () => {
  it("have each ratio of the JSON once, and no other", () => {
    const keys = rows().flatMap((row) => row.ratios.map((ratio) => ratio.key));
    // Of one that has no bar, and is not in the JSON's ratios.
    const inTable = ["rttBusyPollVsC", "echo64VsC"];
    expect([...keys, ...OF_NO_ROW].sort()).toEqual([...RATIO_KEYS, ...inTable].sort());
  });

  it("of datagrams have four peers, and a bar against two of them", () => {
    for (const name of ["udp-out-64", "udp-in-64", "udp-out-1400", "udp-in-1400"]) {
      const { contenders, ratios } = named(name);
      expect(contenders.map(({ peer }) => peer)).toEqual(["ringway", "c", "socat", "direct"]);
      expect(ratios.map(({ against, bar }) => [against, bar])).toEqual([
        ["c", { least: 0.8 }],
        ["socat", { least: 2 }],
      ]);
    }
    expect(named("udp-rtt").ratios.map(({ bar }) => bar)).toEqual([{ most: 1.15 }]);
  });

  it("of datagrams reach socat by its port, and the server straight or by the guest's stream", () => {
    const [ringway, , socat, direct] = named("udp-out-64").contenders;
    expect(ringway!.command.slice(0, 5)).toEqual(["/bin/guest", "--attach", "/ringway", "--port", "5"]);
    expect(socat!.command.slice(0, 3)).toEqual(["/bin/udpplain", "--port", "/socat udp"]);
    expect(direct!.command.slice(0, 3)).toEqual(["/bin/udpplain", "--port", "5"]);
  });

  it("of a mount give its peer as many threads as there are reads under way", () => {
    const { contenders } = named("mount-random-16");
    expect(contenders.map(({ peer }) => peer)).toEqual(["ringway", "direct"]);
    for (const { command } of contenders) expect(command.slice(-2)).toEqual(["--depth", "16"]);
  });

  it("of what is followed compare with the same monitor that nobody follows", () => {
    for (const whenSlow of ["drop", "backpressure"]) {
      const { contenders } = named(`followed-${whenSlow}`);
      expect(contenders.map(({ peer, relay }) => [peer, relay?.socket])).toEqual([
        ["ringway", `/followed ${whenSlow}`],
        ["direct", "/followed nobody"],
      ]);
    }
  });

  it("leave out a peer that is not there", () => {
    const without = rows("socat");
    for (const name of ["udp-in-64", "unix-out"]) {
      expect(named(name, without).contenders.map(({ peer }) => peer)).not.toContain("socat");
    }
    expect(named("udp-in-64", rows("programs")).contenders).toEqual([]);
    expect(named("mount-sequential", rows("programs")).contenders).toEqual([]);
  });
});

describe("the table", () => {
  it("tells beside a rate how many datagrams were lost", () => {
    const value = { median: 250_000, min: 200_000, max: 300_000 };
    const peer: PeerResult = { peer: "ringway", value, lost: 0.125, rounds: [] };
    const row: RowResult = {
      ...{ name: "udp-in-64", title: "in", metric: "rate", work: [], ratios: [] },
      peers: [peer, { peer: "direct", value, rounds: [] }],
    };
    const machine = { CPU: "one" };
    const rest = {
      cpu: undefined,
      idle: undefined,
      scraped: undefined,
      visitors: [],
      leftOut: [],
      shortened: [],
      failures: [],
    };
    const table = formatTerminal({ machine, quick: true, rounds: 1, seconds: 1, rows: [row], ...rest });
    expect(table).toContain("250 k/s");
    expect(table.match(/12\.5 % lost/g)).toHaveLength(1);
  });
});
