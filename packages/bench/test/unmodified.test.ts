import { describe, expect, it } from "vitest";
import { runInTurns, summarize, type TurnSample } from "../src/turns.ts";
import { formatUnmodifiedTerminal, type UnmodifiedReport, unmodifiedJson } from "../src/unmodified/report.ts";
import { type MediumName, UNMODIFIED_RATIO_KEYS, UNMODIFIED_ROWS } from "../src/unmodified/rows.ts";

const PORTS = { sink: 1, source: 2, echo: 3, once: 4 };
const target = { host: "a.host", ports: PORTS, iperfPort: 5 };
const named = (name: string) => UNMODIFIED_ROWS.find((row) => row.name === name)!;

describe("the rows of programs that know nothing of Ringway", () => {
  it("have each ratio of the JSON once", () => {
    expect(new Set(UNMODIFIED_RATIO_KEYS).size).toBe(UNMODIFIED_RATIO_KEYS.length);
    expect(UNMODIFIED_RATIO_KEYS).toContain("out1VsPasta");
    expect(UNMODIFIED_RATIO_KEYS).toContain("in8CpuVsSlirp4netns");
  });

  it("ask a program for its server by the name that the medium has for the host", () => {
    expect(named("bulk-out-8").command(64, target)).toBe(
      "plain --host a.host --port 1 --streams 8 --bytes 64 --confirmed bulk-out",
    );
    expect(named("iperf3-in-1").command(64, target)).toBe("iperf3 -c a.host -p 5 -P 1 -n 64 -i 0 -J -R");
  });
});

const sample = (value: number, guest: number, host: number): TurnSample => ({
  value,
  work: 1,
  cpu: { guest, host },
});

describe("media that take turns", () => {
  it("have a ratio of CPU time that counts both sides", async () => {
    const at = (name: MediumName, step: number, bytes: number) => {
      let seconds = 0;
      return {
        name,
        cpu: () => ({ guest: seconds, host: seconds }),
        request: async () => {
          seconds += step;
          return { bytes, microseconds: 1e6 };
        },
      };
    };
    const media = [at("ringway", 1, 1024 ** 3), at("pasta", 4, 2 * 1024 ** 3)];
    const { ratios } = await runInTurns(named("bulk-out-1"), media, () => "", {
      ...{ rounds: 1, seconds: 1, roundTrips: 1, deadline: Number.POSITIVE_INFINITY },
      ...{ failures: [], leftOut: [], shortened: [], onRound: () => {} },
    });
    const values = Object.fromEntries(ratios.map(({ key, value }) => [key, value]));
    expect(values).toEqual({ out1VsPasta: 0.5, out1CpuVsPasta: 0.5 });
  });

  it("leave out somebody else's that fails, which is no failure of the run", async () => {
    const cpu = () => ({ guest: 0, host: 0 });
    const good = { name: "ringway" as const, cpu, request: async () => ({ p50Us: 1, p99Us: 1 }) };
    const request = async (): Promise<unknown> => {
      throw new Error("it hangs");
    };
    const said = { failures: [], leftOut: [], shortened: [], onRound: () => {} };
    const media = [good, { name: "pasta" as const, isForeign: true, cpu, request }];
    const amounts = { rounds: 1, seconds: 1, roundTrips: 1, deadline: Number.POSITIVE_INFINITY };
    await runInTurns(named("rtt"), media, () => "", { ...amounts, ...said });
    expect(said).toMatchObject({ failures: [], leftOut: ["rtt: pasta: it hangs; so it is from here on"] });
    expect(media).toEqual([good]);
  });
});

describe("the report", () => {
  it("has a column for each way, the rate of names, and null for what was not measured", () => {
    const peers = [summarize<MediumName>("ringway", [sample(2500, 0.5, 0.5)], 1000)];
    const report: UnmodifiedReport = {
      ...{
        machine: { CPU: "one" },
        quick: true,
        rounds: 1,
        seconds: 1,
        leftOut: [],
        shortened: [],
        failures: [],
      },
      rows: [{ ...named("names"), peers, ratios: [] }],
    };
    const { unmodified } = unmodifiedJson(report) as { unmodified: Record<string, number | null> };
    expect(unmodified.namesPerSecond).toBe(2500);
    expect(unmodified.rttVsPasta).toBeNull();
    expect(formatUnmodifiedTerminal(report)).toMatch(/ringway run.*pasta.*slirp4netns.*direct/);
    expect(formatUnmodifiedTerminal(report)).toContain("2.50 k/s");
  });
});
