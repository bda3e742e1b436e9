// Memory that a caller brings.

import { SharedMemory } from "@ringway/linux";
import { expect, test } from "vitest";
import { attachmentOf } from "../src/attach.ts";

const GiB = 2 ** 30;
const silent = { ring: () => {}, listen: () => {}, close: () => {} };

test.each([2, 3, 4])("a Uint8Array of %i GiB is seen whole", (count) => {
  using shared = SharedMemory.create("large", count * GiB);
  const { memory } = attachmentOf({ memory: new Uint8Array(shared.buffer), doorbell: silent });
  expect(memory.words.length).toBe((count * GiB) / 4);
  expect(memory.bytes.length).toBe(count * GiB);
});
