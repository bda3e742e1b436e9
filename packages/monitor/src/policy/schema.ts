// The structure of a policy, from policy.schema.json: the file that editors read is the file that decides. Ajv has made
// code of it (policy.validator.js, which scripts/policy-validator.ts writes); here its errors become sentences at
// places in the file. What a place expects is said in the schema itself, under the annotation "x-expected".

import { nearest } from "@ringway/linux";
import { type SchemaError, validate } from "../../policy.validator.js";
import type { PolicyProblem } from "./errors.ts";
import type { Path, Source } from "./source.ts";
import { expectedFound, quoted, shown } from "./text.ts";
import { unexpandedPart } from "./unexpanded.ts";

/** steps lead to the wrong value or key, so that later checks can stay away from it. */
export interface StructureProblem extends PolicyProblem {
  readonly steps: Path;
}

export function structureProblems(source: Source): StructureProblem[] {
  if (validate(source.value)) return [];

  const problems = new Map<string, StructureProblem>();
  for (const error of validate.errors ?? []) {
    const problem = toProblem(error, source);
    // Two keywords of one place often say the same.
    if (problem !== undefined) problems.set(`${problem.path}: ${problem.message}`, problem);
  }
  return [...problems.values()];
}

/** `connect[1].ports`; keys that would not read so are quoted. */
export function formatPath(path: Path): string {
  let text = "";
  for (const step of path) {
    if (typeof step === "number") text += `[${step}]`;
    else if (/^[A-Za-z_][\w-]*$/.test(step)) text += text === "" ? step : `.${step}`;
    else text += `[${quoted(step)}]`;
  }
  return text;
}

function toProblem(error: SchemaError, source: Source): StructureProblem | undefined {
  // The branches of allow-or-deny and the rule for a key's text come again as an error of the whole.
  if (/\/oneOf\/\d+\//.test(error.schemaPath) || error.propertyName !== undefined) return undefined;
  const at = stepsOf(error.instancePath, source.value);
  const problem = (message: string): StructureProblem => ({
    ...source.locate(at),
    path: formatPath(at),
    message,
    steps: at,
  });
  const keyProblem = (key: string, message: string): StructureProblem => ({
    ...problem(message),
    ...source.locate([...at, key], "key"),
    steps: [...at, key],
  });
  const expected = error.parentSchema?.["x-expected"];
  const { params } = error;

  switch (error.keyword) {
    case "additionalProperties": {
      const key = String(params.additionalProperty);
      return keyProblem(key, unknownKey(key, Object.keys(error.parentSchema?.properties ?? {})));
    }
    case "propertyNames": {
      const key = String(params.propertyName);
      const name = (error.schema as { "x-expected"?: string })["x-expected"];
      return keyProblem(key, expectedFound(String(name), quoted(key)));
    }
    case "required":
      return problem(`expected the key ${quoted(String(params.missingProperty))}, which is missing`);
    case "dependentRequired":
      return keyProblem(
        String(params.property),
        `${quoted(String(params.property))} goes only with ${quoted(String(params.missingProperty))}`,
      );
    case "oneOf": {
      if (!isMap(error.data)) return undefined; // said already, as a wrong type
      const found = params.passingSchemas === null ? "neither" : "both";
      return problem(`expected either "allow" or "deny", found ${found}`);
    }
    case "enum": {
      const values = (params.allowedValues as unknown[]).join(", ");
      return problem(expectedFound(`one of ${values}`, shown(error.data)));
    }
    case "const":
      return problem(expectedFound(String(params.allowedValue), shown(error.data)));
    default: {
      const part = typeof error.data === "string" ? unexpandedPart(error.data) : undefined;
      const hint = part === undefined ? "" : ` (${quoted(part)} is not expanded)`;
      return problem(expectedFound(expected ?? String(error.message), shown(error.data)) + hint);
    }
  }
}

export function isMap(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** With what was meant. */
export function unknownKey(key: string, known: readonly string[]): string {
  const meant = nearest(key, known);
  const hint = meant === undefined ? `expected one of ${known.join(", ")}` : `did you mean ${quoted(meant)}?`;
  return `unknown key ${quoted(key)}; ${hint}`;
}

/** A JSON pointer as steps: a number only where the value there is a list. */
function stepsOf(pointer: string, root: unknown): Path {
  let value = root;
  return pointer
    .split("/")
    .slice(1)
    .map((part) => {
      const key = part.replaceAll("~1", "/").replaceAll("~0", "~");
      const step = Array.isArray(value) ? Number(key) : key;
      value = (value as Record<string | number, unknown> | undefined)?.[step];
      return step;
    });
}
