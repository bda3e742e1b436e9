// Writes a manual page for each command of ringway.
//
//   npm run man [FOLDER]      default build/man

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { manualPages } from "../packages/cli/src/manual.ts";
import { programOf } from "../packages/cli/src/program.ts";

const folder = process.argv[2] ?? "build/man";
mkdirSync(folder, { recursive: true });
for (const [name, text] of manualPages(programOf())) writeFileSync(join(folder, name), text);
