// ringway policy learn --from AUDIT: a policy out of what guests asked for, as audit lines have it (learn/lessons.ts).
//
// With --follow it goes on with what comes, and ends by a signal; what was learned is written each time that all there
// is has been read.

import { HostSurroundings, type Policy, PolicyLoader } from "@ringway/monitor";
import { plain } from "../admin/text.ts";
import { Exit, errorLine, Failure, UsageError } from "../errors.ts";
import { isOf } from "../guests/of.ts";
import { AuditLines } from "../learn/audit-lines.ts";
import { LearnedFile } from "../learn/learned-file.ts";
import { Lessons } from "../learn/lessons.ts";
import { realFolders } from "../learn/real-folders.ts";
import { followed } from "../log/follow.ts";
import { loadOnce, STDIN } from "./load.ts";

export interface LearnOptions {
  readonly from?: readonly string[];
  readonly guest?: string;
  readonly policy?: string;
  readonly follow?: boolean;
  readonly output?: string;
}

/** Of guests that there are, for one that there is not. */
const NAMES_TOLD = 5;
const NAME_TOLD = 64;

export async function learnPolicy(options: LearnOptions): Promise<number> {
  const { from = [], guest, policy: file, follow = false, output } = options;
  if (from.length === 0) throw new UsageError("expected --from FILE: audit lines, as --audit writes them");
  if ([...from, file].filter((each) => each === STDIN).length > 1) {
    throw new UsageError("- is standard input, which can be read once only");
  }
  if (follow && (from.length > 1 || from[0]!.endsWith(".gz"))) {
    throw new UsageError("--follow: expected one --from FILE, which is not compressed");
  }
  const policy = file === undefined ? undefined : await loadPolicy(file);
  using surroundings = new HostSurroundings();
  const lessons = new Lessons(policy, surroundings, await realFolders(policy));
  const lines = new AuditLines();
  const written = output === undefined ? undefined : new LearnedFile(output, [...from, file]);
  const others = new Set<string>();
  let isThere = guest === undefined;
  const read = async (each: string, all: AsyncIterable<Buffer> | undefined): Promise<void> => {
    try {
      for await (const line of all === undefined ? lines.of(each) : lines.from(all)) {
        if (guest !== undefined && !isOf(line.guest, guest)) {
          if (others.size < NAMES_TOLD) others.add(line.guest);
          continue;
        }
        isThere = true;
        lessons.take(line);
      }
    } catch (error) {
      if (error instanceof Failure) throw error;
      throw new Failure(`cannot read ${each}: ${errorLine(error)}`, { cause: error });
    }
  };
  const text = (): string => lessons.toString(lines.unreadable);
  if (follow) {
    const ended = endedBySignal();
    const idle = (hasMore: boolean): Promise<void> | undefined =>
      hasMore ? written?.write(text()) : undefined;
    await read(from[0]!, followed(from[0]!, ended, { idle }));
  } else for (const each of from) await read(each, undefined);
  if (!isThere) throw new Failure(noneOf(guest!, others));
  if (written === undefined) process.stdout.write(text());
  else await written.write(text());
  return Exit.OK;
}

function noneOf(guest: string, others: ReadonlySet<string>): string {
  const named = [...others].filter((name) => name !== "").map((name) => plain(name.slice(0, NAME_TOLD)));
  const has = named.length === 0 ? "" : `; there are lines of ${named.join(", ")}`;
  return `no line is of a guest ${plain(guest)}${has}`;
}

function endedBySignal(): AbortSignal {
  const ending = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => ending.abort());
  return ending.signal;
}

async function loadPolicy(file: string): Promise<Policy> {
  await using loader = new PolicyLoader();
  return await loadOnce(file, loader);
}
