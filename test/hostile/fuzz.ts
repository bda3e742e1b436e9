// npm run fuzz -- [--minutes N] [--mutations N] [--seed S] [--from STEP] [--steps N] [--pairs N] [--regression FILE]
//
// One long run against the hostile guest. What fails is written as a regression, to be done again with --regression, and to be
// kept in test/hostile/regressions.

import { readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { run } from "./supervisor.ts";

const option = { type: "string" } as const;
const { values } = parseArgs({
  options: {
    minutes: option,
    mutations: option,
    seed: option,
    from: option,
    steps: option,
    pairs: option,
    regression: option,
    json: option,
  },
});
const kept = values.regression === undefined ? {} : JSON.parse(readFileSync(values.regression, "utf8"));
const number = (
  name: "minutes" | "mutations" | "seed" | "from" | "steps" | "pairs",
  otherwise: number,
): number => Number(values[name] ?? kept[name] ?? otherwise);

const seed = number("seed", Math.floor(Math.random() * 2 ** 31));
const steps = number("steps", 0);
const mutations = number("mutations", 0);
const minutes = number("minutes", steps > 0 || mutations > 0 ? 0 : 10);
const from = number("from", 0);
process.stdout.write(`seed ${seed}\n`);
const report = await run({
  seed,
  steps,
  mutations,
  minutes,
  from,
  pairs: number("pairs", steps > 0 ? 0 : 15),
  windowMs: 1000,
  say: (line) => void process.stdout.write(`${line}\n`),
});
const { last, ...rest } = report;
process.stdout.write(`${JSON.stringify(rest, undefined, 1)}\n`);
if (values.json !== undefined) writeFileSync(values.json, JSON.stringify(rest));
if (report.failures.length > 0) {
  const file = join(tmpdir(), `ringway-regression-${seed}-${report.tally.steps}.json`);
  const back = Math.max(0, report.tally.steps - 20_000);
  const what = {
    what: report.failures[0],
    seed,
    from: from + back,
    steps: report.tally.steps - back + 2000,
    last,
  };
  writeFileSync(file, JSON.stringify(what, undefined, 1));
  process.stdout.write(`FAILED: ${report.failures.join("\n")}\nwritten: ${file}\n`);
  process.exit(1);
}
process.exit(0);
