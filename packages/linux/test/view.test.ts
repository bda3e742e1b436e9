// Memory that is larger than an ArrayBuffer may be, or, from Node 22 on, where that is more than can be mapped.

import { constants } from "node:buffer";
import { expect, test } from "vitest";
import { SharedMemory, truncate } from "../src/index.ts";
import { unsealedMemfd } from "./helpers.ts";

/** What a process of x86-64 has; of arm64 twice as much, of which no more is free either. */
const ADDRESS_SPACE_BYTES = 2 ** 47;
const TOO_LARGE = Math.min(2 * constants.MAX_LENGTH, ADDRESS_SPACE_BYTES);
const refusal = constants.MAX_LENGTH < TOO_LARGE ? "this Node's limit is" : "ENOMEM";

test("memory that Node cannot view is an error, made here or elsewhere, and not the end of the process", () => {
  expect(() => SharedMemory.create("large", TOO_LARGE)).toThrow(refusal);
  const fd = unsealedMemfd();
  expect(truncate(fd, TOO_LARGE)).toBe(0);
  expect(() => SharedMemory.fromFd(fd, { requireSeals: false })).toThrow(refusal);
});
