// The TypeScript guest as a program.

import { serveTestee } from "../testee-loop.ts";
import { TypeScriptGuest } from "./guest.ts";

await serveTestee(new TypeScriptGuest());
