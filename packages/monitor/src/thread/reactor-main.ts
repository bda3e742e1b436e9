// The reactor's Worker. Its thread is an object (reactor-thread.ts); what a process has once is here.

import { parentPort, workerData } from "node:worker_threads";
import { holdIfStopping, inCalls, threadLoaded } from "@ringway/linux";
import type { ReactorOptions } from "./messages.ts";
import { ReactorThread } from "./reactor-thread.ts";

threadLoaded();
const thread = new ReactorThread(workerData as ReactorOptions, parentPort!, holdIfStopping);

/**
 * An error that nobody caught, wherever it came from, ends this thread: no peer and no guest is left waiting, or told
 * of an end.
 */
process.on("uncaughtExceptionMonitor", () => thread.fail());

function turn(): void {
  inCalls(() => thread.run());
  if (!thread.stopped) setImmediate(turn);
}
setImmediate(turn);
