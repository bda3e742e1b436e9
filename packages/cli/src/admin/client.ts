// The admin API of a running monitor, for a command: where it is, and what becomes of its errors.

import { statSync } from "node:fs";
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

const NO_ANSWER = "who listens there ends the connection without an answer";
const ADVICE: Readonly<Record<string, string>> = {
  ENOENT: "there is no such socket: is there a monitor with --admin?",
  ECONNREFUSED: "nobody listens there any more: its monitor has ended",
  ENOTDIR: "a part of that path is no folder",
  EPROTOTYPE: "that is where guests attach; the admin socket is the one of the monitor's --admin",
  EACCES: "it is another user's",
  ETIMEDOUT: "who listens there does not answer",
  ECONNRESET: NO_ANSWER,
  EPIPE: NO_ANSWER,
};
const NO_SOCKET = "that is no socket; the admin socket is the one of the monitor's --admin";
const NO_HTTP = "who listens there does not speak HTTP; the admin socket is the one of the monitor's --admin";

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
  if (code === undefined) return error;
  // Node's parser of HTTP.
  const isHttp = code.startsWith("HPE_");
  if (syscall !== "connect" && !isHttp && !["ECONNRESET", "EPIPE", "ETIMEDOUT"].includes(code)) return error;
  const why = isHttp ? NO_HTTP : isNoSocket(path) ? NO_SOCKET : (ADVICE[code] ?? errorLine(error));
  return new Failure(`no monitor at ${path}: ${why}`, { cause: error });
}

/** The kernel refuses a connection there as to a socket on which nobody listens. */
function isNoSocket(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false, bigint: true })?.isSocket() === false;
  } catch {
    return false;
  }
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

/**
 * The guest with this id or name; or those of the attach socket with this name, of which there may be none. Rejects
 * with the API's error for what is no name of any.
 */
export async function guestsOf(client: AdminClient, guest: string): Promise<Listed<GuestStatus>> {
  try {
    return { items: [await client.guest(guest)], isCut: false };
  } catch (error) {
    if (!(error instanceof AdminError) || error.status !== 404) throw error;
    if (!(await client.tenants()).some(({ name }) => name === guest)) throw error;
    const { items, isCut } = await allGuests(client);
    return { items: items.filter(({ tenant }) => tenant === guest), isCut };
  }
}

/** What is asked of somebody who was listed a moment ago: undefined where nobody is there any more. */
export async function unlessGone<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof AdminError && error.status === 404) return undefined;
    throw error;
  }
}

/** Of one guest, as guestsOf() has it, or of all. */
export async function allStreams(
  client: AdminClient,
  guest: string | undefined,
): Promise<Listed<StreamStatus>> {
  if (guest === undefined) return await all((after) => client.streams({ limit: PAGE, ...after }));
  const { items, isCut } = await guestsOf(client, guest);
  const lists: Listed<StreamStatus>[] = [];
  for (const { id } of items) {
    const list = await unlessGone(all((after) => client.streams({ limit: PAGE, guest: id, ...after })));
    if (list !== undefined) lists.push(list);
  }
  return { items: lists.flatMap((list) => list.items), isCut: isCut || lists.some((list) => list.isCut) };
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
