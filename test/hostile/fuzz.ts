// npm run fuzz -- [--minutes N] [--mutations N] [--seed S] [--from STEP] [--steps N] [--pairs N] [--regression FILE]
// [--mixes PATTERN]
//
// One long run against the hostile guest, and then a flood of each kind (mixes.ts), with a line for what it did and how
// the guest beside it fared; --mixes chooses among these, by a regular expression, and leaves the long run out. What
// fails in the long run is written as a regression, to be done again with --regression, and to be kept in
// test/hostile/regressions.

import { readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { broken, Floods, told } from "./floods.ts";
import { MIXES } from "./mixes.ts";
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
    mixes: option,
  },
});
const kept = values.regression === undefined ? {} : JSON.parse(readFileSync(values.regression, "utf8"));
const number = (
  name: "minutes" | "mutations" | "seed" | "from" | "steps" | "pairs",
  otherwise: number,
): number => {
  const value = Number(values[name] ?? kept[name] ?? otherwise);
  // Not a number compares with nothing: the run would have no end, or none of its checks.
  if (value >= 0 && Number.isFinite(value)) return value;
  process.stderr.write(`npm run fuzz: --${name}: expected a number from 0, found "${values[name]}"\n`);
  return process.exit(2);
};

const say = (line: string): void => void process.stdout.write(`${line}\n`);

/** The floods whose names match; what broke promise 8. */
async function flood(pattern: RegExp, pairs: number): Promise<string[]> {
  const failures: string[] = [];
  for (const audited of [false, true]) {
    const mixes = MIXES.filter((mix) => pattern.test(mix.name) && (mix.audited ?? false) === audited);
    if (mixes.length === 0) continue;
    await using floods = await Floods.begin({ audited });
    for (const mix of mixes) {
      const flooded = await floods.run(mix, {
        pairs,
        unconfinedPairs: Math.ceil(pairs / 3),
        windowMs: 1000,
      });
      say(told(flooded));
      failures.push(...broken(flooded));
    }
  }
  return failures;
}

const steps = number("steps", 0);
const pairs = number("pairs", steps > 0 ? 0 : 15);
/** For a mix: some of what the long run has. */
const floodPairs = Math.ceil(pairs / 3);
if (values.mixes !== undefined) {
  const failures = await flood(new RegExp(values.mixes), floodPairs);
  for (const failure of failures) say(`FAILED: ${failure}`);
  process.exit(failures.length > 0 ? 1 : 0);
}

const seed = number("seed", Math.floor(Math.random() * 2 ** 31));
const mutations = number("mutations", 0);
const minutes = number("minutes", steps > 0 || mutations > 0 ? 0 : 10);
const from = number("from", 0);
say(`seed ${seed}`);
const unconfinedPairs = Math.floor(pairs / 3);
const bounds = { seed, steps, mutations, minutes, from };
const report = await run({ ...bounds, pairs, unconfinedPairs, windowMs: 1000, say });
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
const failures = pairs > 0 ? await flood(/./, floodPairs) : [];
for (const failure of failures) say(`FAILED: ${failure}`);
process.exit(failures.length > 0 ? 1 : 0);
