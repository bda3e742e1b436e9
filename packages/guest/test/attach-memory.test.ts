// Memory that a caller brings; and what is no place to attach to.

import { Guest } from "@ringway/guest";
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

test.each([
  [undefined],
  [null],
  [""],
  [{}],
  [5],
  [{ memory: new SharedArrayBuffer(4096) }],
  [{ doorbell: silent }],
])("Guest.attach(%o) says what to pass", async (to) => {
  const error = (await Guest.attach(to as unknown as string).catch((error: unknown) => error)) as Error;
  expect(error).toBeInstanceOf(TypeError);
  expect(error).toMatchObject({ code: "ERR_INVALID_ARG_TYPE" });
  expect(error.message).toContain("the path of the monitor's attach socket, { fd }, { ivshmem: true }");
  expect(error.message).toContain("RINGWAY_SOCKET");
});
