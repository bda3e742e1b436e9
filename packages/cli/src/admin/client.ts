// The admin API of a running monitor, for a command: where it is, and what becomes of its errors.

import {
  AdminClient,
  AdminError,
  formatProblem,
  type GuestStatus,
  type StreamStatus,
} from "@ringway/monitor";
import { errorLine, Failure, UsageError } from "../errors.ts";
import { defaultAdminSocket } from "./socket.ts";
import { plain } from "./text.ts";

/** As many as a page may have. */
const PAGE = 1000;
/** Nobody reads more, and what is asked of a monitor has an end. */
const ITEMS_MAX = 20_000;
/** A monitor that is busy, or opens the folders of a policy, has answered by then. */
const SILENCE_MS = 30_000;

const ADVICE: Readonly<Record<string, string>> = {
  ENOENT: "there is no such socket: is there a monitor with --admin?",
  ECONNREFUSED: "nobody listens there",
  EACCES: "it is another user's",
  ETIMEDOUT: "who listens there does not answer",
};

/** `socket`: --admin, where it was given; `timeoutMs`: how long nothing may come. Throws Failure, UsageError. */
export async function withAdmin<T>(
  socket: string | undefined,
  work: (client: AdminClient) => Promise<T>,
  timeoutMs: number = SILENCE_MS,
): Promise<T> {
  const path = socket ?? defaultAdminSocket();
  if (path === undefined) {
    throw new UsageError(
      "XDG_RUNTIME_DIR is no absolute path, so say where the monitor's is: --admin SOCKET",
    );
  }
  using client = new AdminClient({ socket: path, timeoutMs });
  try {
    return await work(client);
  } catch (error) {
    throw failureOf(error, path);
  }
}

function failureOf(error: unknown, path: string): unknown {
  if (error instanceof AdminError) return new Failure(plain(error.message), { cause: error });
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (code === undefined || (syscall !== "connect" && !["ECONNRESET", "EPIPE", "ETIMEDOUT"].includes(code)))
    return error;
  const why = ADVICE[code] ?? errorLine(error);
  return new Failure(`no monitor at ${path}: ${why}`, { cause: error });
}

/** What is wrong with a policy's text, a line for each; undefined where the error is another. */
export function problemsOf(error: unknown, file: string): string | undefined {
  if (!(error instanceof AdminError) || error.problems.length === 0) return undefined;
  return error.problems.map((problem) => formatProblem(file, problem)).join("\n");
}

/** All, or as many of them as anybody reads. */
export interface Listed<T> {
  readonly items: readonly T[];
  readonly isCut: boolean;
}

export async function allGuests(client: AdminClient): Promise<Listed<GuestStatus>> {
  return await all((after) => client.guests({ limit: PAGE, ...after }));
}

/** Of one guest, by its id or its name, or of all. */
export async function allStreams(
  client: AdminClient,
  guest: string | undefined,
): Promise<Listed<StreamStatus>> {
  const of = guest === undefined ? {} : { guest };
  return await all((after) => client.streams({ limit: PAGE, ...of, ...after }));
}

async function all<T>(
  page: (after: { after?: string }) => Promise<{ readonly items: readonly T[]; readonly next?: string }>,
): Promise<Listed<T>> {
  const found: T[] = [];
  let after: { after?: string } = {};
  while (found.length < ITEMS_MAX) {
    const { items, next } = await page(after);
    found.push(...items);
    if (next === undefined) return { items: found, isCut: false };
    after = { after: next };
  }
  return { items: found, isCut: true };
}
