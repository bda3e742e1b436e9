// The TypeScript guest as a program.

import { serveTestee } from "./testee-loop.ts";
import { TypeScriptGuest } from "./typescript/guest.ts";

await serveTestee(new TypeScriptGuest());
