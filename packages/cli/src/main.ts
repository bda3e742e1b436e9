// What bin/ringway.js starts.

import { run } from "./run.ts";
import type { Signals } from "./signals.ts";

/** Ends the process when the command is through, whatever is left of it: a thread that a dead disk holds, for one. */
export async function main(args: readonly string[], signals: Signals): Promise<never> {
  for (const stream of [process.stdout, process.stderr]) {
    // `ringway ... | head` has read enough: as if by SIGPIPE, since not all was done.
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") throw error;
      process.exit(141);
    });
  }
  process.exit(await run(args, signals));
}
