// Writes packages/monitor/policy.validator.js: policy.schema.json as code. Ajv compiles a schema at run time otherwise,
// which takes longer than all else that `ringway policy check` does. A test says when it is no longer what the schema
// says.
//
//   npm run build:policy

import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import type * as Ajv from "ajv/dist/2020.js";
import type * as Standalone from "ajv/dist/standalone/index.js";

// Both are CommonJS: by require() they are the same under every loader.
const require = createRequire(import.meta.url);
const { Ajv2020 } = require("ajv/dist/2020.js") as typeof Ajv;
const { default: standaloneCode } = require("ajv/dist/standalone/index.js") as typeof Standalone.default;
const { version } = require("ajv/package.json") as { version: string };

const MONITOR = new URL("../packages/monitor/", import.meta.url);
const WRITTEN = "Written by scripts/policy-validator.ts from policy.schema.json";
const HEAD = `// ${WRITTEN}, with Ajv ${version} (MIT, Evgeny Poberezkin).\n`;
/** Ajv's own helpers come with the code: it needs nothing at run time. */
const HELPER = /const (\w+) = require\("(ajv\/dist\/runtime\/\w+)"\)\.default;/g;

/** Ajv copies all errors so far for each place that has some: 100,000 wrong rules would take minutes. */
const JOINED = /vErrors = vErrors === null \? (\w+)\.errors : vErrors\.concat\(\1\.errors\)/g;
const JOIN = `
function joined(all, more) {
  if (all === null) return more;
  for (const error of more) all.push(error);
  return all;
}
`;

export function generateValidator(): string {
  const ajv = new Ajv2020({
    allErrors: true,
    verbose: true,
    strict: true,
    strictRequired: false, // "required" stands in a oneOf, away from its "properties"
    allowUnionTypes: true,
    keywords: ["x-expected"],
    code: { source: true, esm: true, lines: true },
  });
  const schema = JSON.parse(readFileSync(new URL("policy.schema.json", MONITOR), "utf8"));
  const code = standaloneCode(ajv, ajv.compile(schema)).replace("export default validate20;\n", "");
  const whole = code.replaceAll(HELPER, (_, name: string, helper: string) => {
    const { default: body } = require(helper) as { default: (...args: unknown[]) => unknown };
    return `const ${name} = ${body.toString()};`;
  });
  const joined = whole.replaceAll(JOINED, "vErrors = joined(vErrors, $1.errors)");
  if (joined.includes("vErrors.concat("))
    throw new Error("the validator joins errors as this script does not know");
  if (joined.includes("require(")) throw new Error("the validator needs more of Ajv than this script knows");
  return `${HEAD}${joined}\n${JOIN}`;
}

const file = new URL("policy.validator.js", MONITOR);
if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(file, generateValidator());
