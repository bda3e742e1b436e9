// What a test says of a program that ended too early is all that the program said.

import { once } from "node:events";
import { expect, test } from "vitest";
import { Program } from "./processes.ts";

/** Ends at once. Its child says why when the input is closed, which Node does at the end. */
const ENDS_BEFORE_IT_SAYS_WHY = ["-c", "(read _; echo why >&2) <&0 &"];

test("a line that never comes is told with what the program said last", async () => {
  using program = new Program("sh", ENDS_BEFORE_IT_SAYS_WHY);
  await once(program.child, "exit");
  await expect(program.line("ready")).rejects.toThrow('sh ended without "ready": why');
});
