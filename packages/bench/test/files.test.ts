import { describe, expect, it } from "vitest";
import {
  type FilesReport,
  filesJson,
  formatFilesMarkdown,
  formatFilesTerminal,
} from "../src/files/report.ts";
import { FILES_RATIO_KEYS, FILES_ROWS } from "../src/files/rows.ts";
import { ratiosOf, summarize, type TurnSample } from "../src/turns.ts";

const sample = (value: number): TurnSample => ({ value, work: 1000, cpu: { guest: 0.25, host: 1 } });
const find = FILES_ROWS.find(({ name }) => name === "find")!;
const peers = [summarize("ringway", [sample(6000)], 1), summarize("virtiofs", [sample(10_000)], 1)];
const report: FilesReport = {
  ...{ machine: { CPU: "2 × one" }, quick: true, rounds: 3, seconds: 40, smallFiles: 2000 },
  ...{ leftOut: [], shortened: [], failures: [] },
  rows: [{ ...find, peers, ratios: ratiosOf(find, peers) }],
};

describe("the report of files in virtual machines", () => {
  it("tells what was missed, and by how much", () => {
    expect(formatFilesTerminal(report)).toMatch(/6\.00 k\/s.*10\.0 k\/s.*0\.600 virtiofs.*≥ 0\.7.*below/);
    expect(formatFilesMarkdown(report)).toContain("2000 small ones");
  });

  it("has each ratio once in its JSON, and null for what was not measured", () => {
    const { files } = filesJson(report) as { files: Record<string, number | null> };
    expect(Object.keys(files)).toEqual([...new Set(FILES_RATIO_KEYS)]);
    expect(files).toMatchObject({ findVsVirtiofs: 0.6, tarVsVirtiofs: null });
  });
});
