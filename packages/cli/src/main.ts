// What bin/ringway.js starts.

import { run } from "./program.ts";
import type { Signals } from "./signals.ts";
import { stdoutWritten } from "./standard.ts";

/** Ends the process when the command is through, whatever is left of it: a thread that a dead disk holds, for one. */
export async function main(args: readonly string[], signals: Signals): Promise<never> {
  const code = await run(args, signals);
  await stdoutWritten();
  process.exit(code);
}
