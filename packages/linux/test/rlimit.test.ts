import { expect, test } from "vitest";
import { runChild } from "./helpers.ts";

test("the limit on descriptors is raised as far as it goes, and never lowered", () => {
  // In a process of its own: limits are for good.
  const code = `
    const first = linux.fileDescriptorLimit();
    const same = linux.raiseFileDescriptorLimit(10);
    const most = linux.raiseFileDescriptorLimit();
    console.log(first.soft >= 10, same.soft === first.soft, most.soft === most.hard, most.hard === first.hard);
  `;
  expect(runChild(code)).toEqual({ status: 0, output: "true true true true\n" });
});
