// Before each file of those that share a process (vitest.config.ts): what they import is loaded once, so that a hook of
// its own would be the first file's alone.

import { afterAll } from "vitest";
import { removeFolders } from "./temporary.ts";

afterAll(removeFolders);
