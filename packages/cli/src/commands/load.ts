// A policy file for a command: its report is what people get to see.

import { createReadStream } from "node:fs";
import {
  type KeptPlace,
  loadPolicy,
  type Policy,
  PolicyError,
  type PolicyLoader,
  type Warn,
} from "@ringway/monitor";
import { errorLine, Failure } from "../errors.ts";
import { policyFailure } from "../policy-failure.ts";

/** Names standard input, where a command reads a policy once. */
export const STDIN = "-";
/** What that is called in reports. */
const STDIN_NAME = "<stdin>";
/** More than a policy may have: what comes after that need not be read to say so. */
const BYTES_MAX = 2 * 1024 * 1024;

/** `kept`: what no folder of the policy may hold, beside what the policy itself names. */
export async function loadForCommand(
  file: string,
  kept: readonly KeptPlace[] = [],
  warn?: Warn,
): Promise<Policy> {
  try {
    return await loadPolicy(file, kept, warn);
  } catch (error) {
    if (error instanceof PolicyError) throw policyFailure(error);
    throw error;
  }
}

/** The same for a command that looks at policies and ends; `file` may be STDIN. */
export async function loadOnce(
  file: string,
  loader: PolicyLoader,
  { kept = [], warn }: { readonly kept?: readonly KeptPlace[]; readonly warn?: Warn } = {},
): Promise<Policy> {
  const bytes = file === STDIN ? await readStdin() : undefined;
  try {
    if (bytes === undefined) return await loader.load(file, kept, warn);
    return await loader.loadText(bytes, { file: STDIN_NAME, kept, warn });
  } catch (error) {
    if (error instanceof PolicyError) throw policyFailure(error);
    throw error;
  }
}

/** What a file is called in what is printed. */
export function nameOf(file: string): string {
  return file === STDIN ? STDIN_NAME : file;
}

/** The text of a policy, for whoever checks it; `file` may be STDIN. Throws Failure. */
export async function textOf(file: string): Promise<string> {
  try {
    const bytes = file === STDIN ? await readStdin() : await readBytes(createReadStream(file));
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    throw new Failure(`cannot read ${nameOf(file)}: ${errorLine(error)}`, { cause: error });
  }
}

function readStdin(): Promise<Uint8Array> {
  return readBytes(process.stdin as AsyncIterable<Buffer>);
}

async function readBytes(from: AsyncIterable<Buffer>): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of from) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > BYTES_MAX) break;
  }
  return Buffer.concat(chunks);
}
