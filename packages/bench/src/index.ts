// ringway bench: everything that docs/performance.md speaks of, in one run.

import { writeFileSync } from "node:fs";
import { Children } from "./children.ts";
import { jsonOf } from "./json.ts";
import type { BenchOptions } from "./options.ts";
import { checkMarkers, type Markers, replaceBetween } from "./output.ts";
import { formatMarkdown, formatTerminal } from "./report.ts";
import { measure, planRun } from "./run.ts";

export type { BenchOptions } from "./options.ts";

const MARKERS: Markers = { begin: "<!-- bench:begin -->", end: "<!-- bench:end -->" };

/** Runs the benchmarks and prints the tables. 0 when everything ran, whatever the bars say; 1 when something failed. */
export async function runBench(options: BenchOptions): Promise<number> {
  if (options.vm) {
    const { runVmBench } = await import("./vm/index.ts");
    return await runVmBench(options);
  }
  if (options.run) {
    const { runUnmodifiedBench } = await import("./unmodified/index.ts");
    return await runUnmodifiedBench(options);
  }
  if (options.files) {
    const { runFilesBench } = await import("./files/index.ts");
    return await runFilesBench(options);
  }
  if (options.markdown !== undefined) checkMarkers(options.markdown, MARKERS);
  using children = new Children();
  const plan = await planRun(children, options);
  if (typeof plan === "string") {
    console.error(`ringway bench: ${plan}`);
    return 1;
  }
  const report = await measure(children, plan);
  console.log(formatTerminal(report));
  if (options.json !== undefined) {
    const json = jsonOf(report, plan.setting.file.bytes);
    writeFileSync(options.json, `${JSON.stringify(json, null, 2)}\n`);
  }
  if (options.markdown !== undefined) replaceBetween(options.markdown, MARKERS, formatMarkdown(report));
  return report.failures.length === 0 ? 0 : 1;
}
