// What Biome and tsc do not check, for `npm run lint`: the rules of the house (rules.ts), the length of lines
// (columns.ts) and the API reports (api.ts), which `--update` writes. After `tsc -b`: the reports are made from what it
// writes.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { apiOf, firstDifference } from "./api.ts";
import { COLUMNS, longLines } from "./columns.ts";
import { projectFiles, ROOT } from "./files.ts";
import { graphOf } from "./graph.ts";
import { published, RULES } from "./rules.ts";

const files = projectFiles();
const graph = graphOf(files);
let failures = 0;

function fail(what: string, lines: readonly string[]): void {
  if (lines.length === 0) return;
  failures += lines.length;
  console.error([what, ...lines.map((line) => `  ${line}`)].join("\n"));
}

for (const { name, why, check } of RULES) fail(`${name}: ${why}`, check(graph, files));

fail(`longer than ${COLUMNS} columns:`, longLines(files));

for (const folder of published(files)) {
  const file = `etc/api/${folder}.md`;
  const { text, hidden } = apiOf(join(ROOT, "packages", folder));
  fail(`packages/${folder}/src/index.ts does not export what its exports name:`, hidden);
  if (process.argv.includes("--update")) writeFileSync(join(ROOT, file), text);
  else
    fail(
      `${file} is not what the package exports; \`npm run api\` writes it:`,
      firstDifference(join(ROOT, file), text),
    );
}

process.exit(failures === 0 ? 0 : 1);
