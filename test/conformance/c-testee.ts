// The C guest as a program: ringway conformance -- node --import tsx test/conformance/c-testee.ts

import { UNSUPPORTED_EXIT } from "../../packages/conformance/src/process-testee.ts";
import { serveTestee } from "../../packages/conformance/src/testee-loop.ts";
import { CGuest } from "./c-guest.ts";
import { buildLibrary } from "./c-library.ts";

const reason = buildLibrary();
if (reason !== undefined) {
  console.error(reason);
  process.exit(UNSUPPORTED_EXIT);
}
await serveTestee(new CGuest());
