// Before each file, and after each test: what was last asked of by numbers is a folder. Node 20's module loader takes
// the kind of what statSync() was last asked of for the kind of a folder that it knows, and follows no link below one
// that was a socket (nodejs/node#51142): "Cannot find module" in whatever is loaded next. Packages ask by bigint, which
// test/network/resets.test.ts holds them to; tests may ask as they like.

import { statSync } from "node:fs";
import { afterEach, beforeEach } from "vitest";

const forget = (): void => void statSync("/");
forget();
beforeEach(forget);
afterEach(forget);
