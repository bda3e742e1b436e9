// A policy from a file. Everything here may wait for a file system, so it is the loader's thread that does it
// (loading/).

import { type BigIntStats, closeSync, constants, fstatSync, openSync, readSync, statSync } from "node:fs";
import { decode } from "../policy/decode.ts";
import { POLICY_FILE_BYTES_MAX } from "../policy/defaults.ts";
import { PolicyError, type PolicyProblem, unreadable } from "../policy/errors.ts";
import { parseWithSource, problemAt } from "../policy/parse.ts";
import { quoted } from "../policy/text.ts";
import type { Policy } from "../policy/types.ts";
import { type KeptPlace, rootProblems } from "./root-problems.ts";

/** A policy that may be used, and what was said of it all the same. */
export interface JudgedPolicy {
  readonly policy: Policy;
  readonly warnings: readonly PolicyProblem[];
  /** As it is written. */
  readonly text?: string;
}

/** Told each path before it is looked at; undefined, before what is no look at a disk and may take its time. */
export type LooksAt = (path: string | undefined) => void;

/** A policy whose hosts of files are folders that exist, and hold neither the file nor what is `kept`. */
export function readPolicy(path: string, kept: readonly KeptPlace[], at: LooksAt): JudgedPolicy {
  return judgePolicy(readBytes(path, at), path, [{ what: "the policy", path }, ...kept], at);
}

/** Of a policy, or of a file like it: with one byte more than it may have, where it has more. Throws PolicyError. */
export function readBytes(path: string, at: LooksAt): Uint8Array {
  at(path);
  try {
    return readStart(path, POLICY_FILE_BYTES_MAX + 1);
  } catch (error) {
    throw unreadable(path, systemMessage(error), error);
  }
}

/**
 * The same of a policy that came some other way than by a file. Every problem of text and folders is in one
 * PolicyError.
 */
export function judgePolicy(
  bytes: Uint8Array,
  file: string,
  kept: readonly KeptPlace[],
  at: LooksAt,
): JudgedPolicy {
  at(undefined);
  const text = decode(bytes, file);
  const parsed = parseWithSource(text, file);
  const { policy, source, warnings } = parsed;
  const problems = [...parsed.problems];
  const complain = (list: "files" | "sockets", index: number, message: string): void => {
    problems.push(problemAt(source, [list, index, "host"], message));
  };
  const lookAt = (list: "files" | "sockets", index: number, folder: string): void => {
    at(folder);
    const problem = folderProblem(folder);
    if (problem !== undefined) complain(list, index, problem);
  };
  const looked = { files: parsed.folders, sockets: parsed.sockets };
  for (const { index, rule } of looked.files) lookAt("files", index, rule.host);
  for (const { index, rule } of looked.sockets) lookAt("sockets", index, rule.folder);
  const rules = {
    files: looked.files.map(({ rule }) => rule),
    sockets: looked.sockets.map(({ rule }) => rule),
    vms: policy.vms,
  };
  for (const { list, index, message } of rootProblems(rules, kept, at)) {
    complain(list, looked[list][index]!.index, message);
  }
  if (problems.length > 0) throw new PolicyError(file, problems);
  return { policy, warnings, text };
}

/** The first bytes of a regular file: to open, or to read, a pipe or a device could wait for whoever is behind it. */
function readStart(path: string, bytesMax: number): Buffer {
  const { O_RDONLY, O_NONBLOCK, O_NOCTTY } = constants;
  const fd = openSync(path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  try {
    if (!fstatSync(fd, { bigint: true }).isFile())
      throw new Error("it is not a regular file; `ringway policy` reads a pipe as -");
    const bytes = Buffer.alloc(bytesMax);
    let length = 0;
    for (let count = -1; count !== 0 && length < bytesMax; length += count) {
      count = readSync(fd, bytes, length, bytesMax - length, null);
    }
    return bytes.subarray(0, length);
  } finally {
    closeSync(fd);
  }
}

function folderProblem(host: string): string | undefined {
  let stats: BigIntStats;
  try {
    stats = statSync(host, { bigint: true });
  } catch (error) {
    return `expected a folder that exists; ${quoted(host)}: ${systemMessage(error)}`;
  }
  return stats.isDirectory() ? undefined : `expected a folder; ${quoted(host)} is not one`;
}

/** "ENOENT: no such file or directory" of "ENOENT: no such file or directory, open 'x'". */
function systemMessage(error: unknown): string {
  return (error as Error).message.split(",", 1)[0]!;
}
