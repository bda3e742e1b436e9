// Memory that is larger than an ArrayBuffer may be.

import { constants } from "node:buffer";
import { truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { AT_FDCWD, OpenFlags, openat2, SharedMemory } from "../src/index.ts";
import { temporaryDirectory } from "./helpers.ts";

const TOO_LARGE = 2 * constants.MAX_LENGTH;

test("memory that Node cannot view is an error, made here or elsewhere, and not the end of the process", () => {
  expect(() => SharedMemory.create("large", TOO_LARGE)).toThrow(RangeError);
  const path = join(temporaryDirectory(), "large");
  writeFileSync(path, "");
  truncateSync(path, TOO_LARGE);
  const fd = openat2(AT_FDCWD, path, OpenFlags.READ_WRITE, 0, 0);
  expect(() => SharedMemory.fromFd(fd, { requireSeals: false })).toThrow("this Node's limit is");
});
