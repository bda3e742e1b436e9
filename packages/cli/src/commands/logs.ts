// ringway logs: lines of a monitor's log and of its audit, for people or as JSON, from files or standard input.

import { once } from "node:events";
import { jsonText } from "../admin/text.ts";
import { Exit, errorLine, Failure, UsageError } from "../errors.ts";
import { isOf } from "../guests/of.ts";
import { followed } from "../log/follow.ts";
import { linesOf, streamOf } from "../log/lines.ts";
import { prettyLine } from "../log/pretty.ts";
import { STDIN } from "./load.ts";

export interface LogsOptions {
  readonly pretty?: boolean;
  readonly follow?: boolean;
  readonly guest?: string;
}

export async function logs(files: readonly string[], options: LogsOptions): Promise<number> {
  const { follow = false } = options;
  const from = files.length === 0 ? [STDIN] : files;
  if (follow && (from.length > 1 || from[0]!.endsWith(".gz"))) {
    throw new UsageError("--follow: expected one file, which is not compressed");
  }
  for (const file of from) {
    try {
      await print(follow ? followed(file, NEVER) : streamOf(file), options);
    } catch (error) {
      throw new Failure(`cannot read ${file}: ${errorLine(error)}`, { cause: error });
    }
  }
  return Exit.OK;
}

/** A signal ends the process. */
const NEVER = new AbortController().signal;

async function print(bytes: AsyncIterable<Buffer>, { pretty = false, guest }: LogsOptions): Promise<void> {
  const hasColours = process.stdout.isTTY === true && !process.env.NO_COLOR;
  for await (const line of linesOf(bytes)) {
    if (line === "" || (guest !== undefined && !isAbout(line ?? "", guest))) continue;
    const text = line === undefined ? "(a line that is too long)" : shown(line, pretty, hasColours);
    if (!process.stdout.write(`${text}\n`)) await once(process.stdout, "drain");
  }
}

function shown(line: string, pretty: boolean, hasColours: boolean): string {
  if (pretty) return prettyLine(line, hasColours);
  try {
    return jsonText(JSON.parse(line));
  } catch {
    return jsonText({ msg: line });
  }
}

function isAbout(line: string, wanted: string): boolean {
  try {
    const { guest } = JSON.parse(line) as { readonly guest?: unknown };
    return typeof guest === "string" && isOf(guest, wanted);
  } catch {
    return false;
  }
}
