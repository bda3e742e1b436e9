import { readFileSync, type Stats, statSync } from "node:fs";
import { POLICY_FILE_BYTES_MAX } from "./defaults.ts";
import { PolicyError, type PolicyProblem } from "./errors.ts";
import { parseWithSource, problemAt } from "./parse.ts";
import { type KeptPlace, rootProblems } from "./roots.ts";
import { formatSize } from "./sizes.ts";
import { quoted } from "./text.ts";
import type { Policy } from "./types.ts";

/**
 * A policy from a file, whose hosts of files are folders that exist, and hold neither the file nor what is `kept`. For the start and
 * for SIGHUP alike.
 */
export function loadPolicy(path: string, kept: readonly KeptPlace[] = []): Policy {
  const { policy, source } = parseWithSource(readText(path), path);
  const problems = policy.files.flatMap((rule, index): PolicyProblem[] => {
    const problem = folderProblem(rule.host);
    return problem === undefined ? [] : [problemAt(source, ["files", index, "host"], problem)];
  });
  for (const { index, message } of rootProblems(policy, [{ what: "the policy", path }, ...kept])) {
    problems.push(problemAt(source, ["files", index, "host"], message));
  }
  if (problems.length > 0) throw new PolicyError(path, problems);
  return policy;
}

/** The policy of a file, or one that is there already, whose folders are looked at in the same way. */
export function policyOf(policy: Policy | string, kept: readonly KeptPlace[]): Policy {
  if (typeof policy === "string") return loadPolicy(policy, kept);
  const problems = rootProblems(policy, kept).map(({ index, message }) => ({
    line: 1,
    column: 1,
    path: `files[${index}].host`,
    message,
  }));
  if (problems.length > 0) throw new PolicyError("policy", problems);
  return policy;
}

function readText(path: string): string {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw wholeFile(path, `cannot be read: ${systemMessage(error)}`, { cause: error });
  }
  if (bytes.length > POLICY_FILE_BYTES_MAX) {
    throw wholeFile(path, `is longer than ${formatSize(POLICY_FILE_BYTES_MAX)}`);
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    const before = bytes.toString("utf8").split("\u{fffd}", 1)[0]!.split("\n");
    const place = { line: before.length, column: before.at(-1)!.length + 1 };
    throw new PolicyError(path, [{ ...place, path: "", message: "expected UTF-8 text" }], { cause: error });
  }
}

function folderProblem(host: string): string | undefined {
  let stats: Stats;
  try {
    stats = statSync(host);
  } catch (error) {
    return `expected a folder that exists; ${quoted(host)}: ${systemMessage(error)}`;
  }
  return stats.isDirectory() ? undefined : `expected a folder; ${quoted(host)} is not one`;
}

function wholeFile(path: string, message: string, options?: ErrorOptions): PolicyError {
  return new PolicyError(path, [{ line: 1, column: 1, path: "", message }], options);
}

/** "ENOENT: no such file or directory" of "ENOENT: no such file or directory, open 'x'". */
function systemMessage(error: unknown): string {
  return (error as Error).message.split(",", 1)[0]!;
}
