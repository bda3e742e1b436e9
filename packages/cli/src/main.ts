// What bin/ringway.js starts.

import { run } from "./run.ts";

for (const stream of [process.stdout, process.stderr]) {
  // `ringway ... | head` has read enough: as if by SIGPIPE, since not all was done.
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    process.exit(141);
  });
}
process.exitCode = await run(process.argv.slice(2));
