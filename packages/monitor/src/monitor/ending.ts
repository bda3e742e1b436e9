// The end of a monitor, step by step: the reactor first, since it uses all the others; the audit last, since each of
// them may cause a line. A step that fails keeps none from running, and what is not known to be over is taken to go on.

import type { Logger } from "pino";
import type { DiskThreads } from "../disk/threads.ts";
import type { Loader } from "../loading/loader.ts";
import type { Audit } from "../observe/audit.ts";
import type { FlowDestination } from "../observe/flow-file.ts";
import type { RegionThread } from "../regions/thread.ts";
import type { Follows } from "./follows.ts";
import type { GuestNames } from "./names.ts";
import { THREAD_END_MS } from "./parts.ts";
import { REACTOR_STOP_MS, type ReactorHandle, type Stopped } from "./reactor-handle.ts";
import { runAll } from "./run-all.ts";
import type { SocketFiles } from "./socket-file.ts";
import type { ServedVms } from "./vms.ts";

/** What ends. */
export interface Ending {
  readonly log: Logger;
  readonly socketFiles: Pick<SocketFiles, "remove"> | undefined;
  readonly reactor: Pick<ReactorHandle, "stop" | "end" | "settle">;
  readonly follows: Pick<Follows, "end">;
  /** Serves nobody any more. */
  readonly admin: () => void;
  readonly names: Pick<GuestNames, "end">;
  readonly disk: Pick<DiskThreads, "stop">;
  readonly regions: Pick<RegionThread, "stop">;
  readonly loader: Pick<Loader, "close">;
  readonly vms: Pick<ServedVms, "settle">;
  readonly audit: Pick<Audit, "close">;
  readonly flows: Pick<FlowDestination, "close"> | undefined;
  /** A part is gone for good already, and that was said. */
  readonly hasFailed: () => boolean;
}

/** Rejects as the first step that failed; all have run. */
export async function end(ending: Ending, drainMs: number): Promise<void> {
  const { log, reactor, disk } = ending;
  let stopped: Stopped | undefined;
  let isReactorOver = false;
  /** Disk workers that are in a call; undefined: nobody knows. */
  let stuck: number | undefined;
  await runAll([
    () => ending.socketFiles?.remove(log),
    async () => {
      stopped = await reactor.stop(drainMs);
    },
    () => ending.follows.end(),
    () => ending.admin(),
    () => ending.names.end(),
    async () => {
      isReactorOver = await reactor.end(THREAD_END_MS);
    },
    async () => {
      stuck = await disk.stop(THREAD_END_MS);
    },
    () => ending.regions.stop(THREAD_END_MS),
    () => ending.loader.close(),
    () => sayLeft(log, stopped, stuck ?? 0),
    () => ending.vms.settle(isReactorOver && stuck === 0),
    () => reactor.settle(),
    () => ending.flows?.close(),
    () => ending.audit.close(),
    () => {
      if (stopped === undefined && !ending.hasFailed()) throw neverStopped(log, drainMs);
      log.info("monitor has stopped");
    },
  ]);
}

/** What was cut off, and what could not be. */
function sayLeft(log: Logger, stopped: Stopped | undefined, stuck: number): void {
  const cut = stopped?.aborted ?? 0;
  if (cut > 0) log.warn({ streams: cut }, "streams were cut off by the time limit");
  if (stuck === 0) return;
  const operations = stopped?.stuck ?? stuck;
  const what = "a disk does not answer: its operations keep their memory until the process ends";
  log.warn({ operations }, what);
}

function neverStopped(log: Logger, drainMs: number): Error {
  const error = new Error(`the reactor did not stop within ${drainMs + REACTOR_STOP_MS} ms`);
  log.fatal({ err: error }, "the reactor failed");
  return error;
}
