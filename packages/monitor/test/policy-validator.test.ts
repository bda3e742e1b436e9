// The code that decides is the schema's.

import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { generateValidator } from "../../../scripts/policy-validator.ts";

it("policy.validator.js is what policy.schema.json says; `npm run build:policy` writes it", () => {
  const written = readFileSync(new URL("../policy.validator.js", import.meta.url), "utf8");
  expect(written === generateValidator()).toBe(true);
});

it("the validator needs no module at run time", () => {
  const written = readFileSync(new URL("../policy.validator.js", import.meta.url), "utf8");
  expect(written).not.toMatch(/\b(?:require|import)\b\s*\(|^import /m);
});
