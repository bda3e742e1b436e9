// A policy's text to a Policy, or to every problem that it has: YAML (source.ts), then structure (schema.ts), then
// meaning (build.ts). A text that is not YAML goes no further; wrong structure keeps only its own place from the last
// step.
import { dirname, resolve } from "node:path";
import { invalidType, requireFunction } from "@ringway/linux";
import { type BuiltPolicy, buildPolicy } from "./build.ts";
import { PolicyError, type PolicyProblem } from "./errors.ts";
import type { RawPolicy } from "./raw.ts";
import { formatPath, isMap, structureProblems } from "./schema.ts";
import { type Path, readSource, type Source } from "./source.ts";
import type { Policy } from "./types.ts";

export type Warn = (warning: PolicyProblem) => void;

/** Where there are problems, its policy is of no use to a monitor. */
export interface ParsedPolicy extends BuiltPolicy {
  readonly source: Source;
  readonly problems: readonly PolicyProblem[];
  /** What may be meant, and seldom is. */
  readonly warnings: readonly PolicyProblem[];
}

/**
 * file is for messages, and its folder for relative hosts of files; nothing is read from the disk. `warn` is told what
 * may be meant, and seldom is.
 */
export function parsePolicy(text: string, options: { readonly file: string; readonly warn?: Warn }): Policy {
  if (typeof text !== "string") throw invalidType("text", "of type string", text);
  if (typeof options?.file !== "string") throw invalidType("options.file", "of type string", options?.file);
  const { file, warn } = options;
  if (warn !== undefined) requireFunction(warn, "options.warn");
  const { policy, problems, warnings } = parseWithSource(text, file);
  if (problems.length > 0) throw new PolicyError(file, problems);
  for (const warning of warnings) warn?.(warning);
  return policy;
}

/** Throws PolicyError where there is nothing to look further at: for what is not YAML, or no map. */
export function parseWithSource(text: string, file: string): ParsedPolicy {
  const result = readSource(text);
  if ("problems" in result) throw new PolicyError(file, result.problems);
  const { source } = result;

  const structure = structureProblems(source);
  if (!isMap(source.value)) throw new PolicyError(file, structure);
  const wrong = new Set(structure.map(({ steps }) => formatPath(steps)));
  const problems: PolicyProblem[] = structure.map(({ steps: _, ...problem }) => problem);
  const warnings: PolicyProblem[] = [];
  const built = buildPolicy(source.value as RawPolicy, {
    folder: dirname(resolve(file)),
    isBroken: (path) => wrong.has(formatPath(path)),
    complain: (path, message) => problems.push(problemAt(source, path, message)),
    warn: (path, message) => warnings.push(problemAt(source, path, message)),
    lineOf: (path) => source.locate(path).line,
  });
  return { ...built, source, problems, warnings };
}

export function problemAt(source: Source, path: Path, message: string): PolicyProblem {
  return { ...source.locate(path), path: formatPath(path), message };
}
