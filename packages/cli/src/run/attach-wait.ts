// --attach: until somebody listens at the socket. The agent is started after that, since it keeps the socket that it
// has at its start, and a monitor that starts makes a new one.
//
//   connect ── done, EPROTOTYPE ──> somebody listens
//     ▲  │──── ENOENT, ECONNREFUSED: said once ── LOOK_MS ──╮── ATTACH_MS over ──> the start fails
//     ╰─────────────────────────────────────────────────────╯
//        ├──── no socket, no folder, another error ──> the start fails
//        ╰──── given up: something else has failed

import { statSync } from "node:fs";
import { connect } from "node:net";
import { dirname } from "node:path";
import { setTimeout } from "node:timers/promises";
import { errorLine, UsageError } from "../errors.ts";
import { cannot } from "./bubblewrap.ts";

/** For a monitor that does not answer, and for one that loads: only a machine at its limits takes so long. */
export const ATTACH_MS = 20_000;
const LOOK_MS = 20;
/** Somebody has it open. */
const OTHER_KIND = "EPROTOTYPE";

/** Why nobody is there yet, by the errno. */
const NOBODY: Readonly<Record<string, string>> = {
  ENOENT: "there is no such socket",
  ECONNREFUSED: "nobody listens there",
  EAGAIN: "whoever listens there is busy",
};

/**
 * Rejects with Failure where nobody comes, with UsageError where nobody ever will, and soon after `givenUp`. `waits`
 * is told once, at once, what is waited for.
 */
export async function untilListening(
  socket: string,
  waits: (what: string) => void,
  givenUp: AbortSignal,
  limitMs: number = ATTACH_MS,
): Promise<void> {
  const endMs = performance.now() + limitMs;
  for (let look = 0; ; look++) {
    const error = await tryConnect(socket);
    if (error === undefined) return;
    const why = whyNobody(error, socket);
    if (why === undefined) throw new UsageError(`--attach: no monitor at ${socket}: ${wordsOf(error)}`);
    if (performance.now() > endMs) {
      const late = `no monitor at ${socket} within ${limitMs / 1000} s: ${why}`;
      throw error.code === "ENOENT" ? new UsageError(`--attach: ${late}`) : cannot(`--attach: ${late}`);
    }
    if (look === 0) waits(`a monitor at ${socket}: ${why}`);
    await setTimeout(LOOK_MS, undefined, { signal: givenUp });
  }
}

/** Undefined where nobody will ever be. */
function whyNobody({ code = "" }: NodeJS.ErrnoException, socket: string): string | undefined {
  const isWrong = code === "ECONNREFUSED" ? isOther(socket) : code === "ENOENT" && !isThere(dirname(socket));
  return isWrong ? undefined : NOBODY[code];
}

function isThere(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false, bigint: true }) !== undefined;
}

/** No socket. By bigint: else Node, which loads more of this command just now, follows no links (nodejs/node#51142). */
function isOther(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false, bigint: true })?.isSocket() === false;
}

function wordsOf(error: NodeJS.ErrnoException): string {
  if (error.code === "ENOENT") return "there is no such folder";
  return error.code === "ECONNREFUSED" || error.code === "ENOTDIR" ? "it is no socket" : errorLine(error);
}

/** Why it failed. A monitor's socket is of another kind (SOCK_SEQPACKET): it sees nothing of this. */
function tryConnect(path: string): Promise<NodeJS.ErrnoException | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ path }, () => {
      socket.destroy();
      resolve(undefined);
    });
    socket.once("error", (error: NodeJS.ErrnoException) => {
      socket.destroy();
      resolve(error.code === OTHER_KIND ? undefined : error);
    });
  });
}
