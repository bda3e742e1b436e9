import { parsePolicy } from "@ringway/monitor";
import { expect, test } from "vitest";
import { NOTHING } from "../src/run/start.ts";

test("a program that starts before the monitor is loaded sees what a policy that says nothing lets it see", () => {
  const { files, sockets, run } = parsePolicy("version: 1\n", { file: "none.yaml" });
  expect(NOTHING).toEqual({ files, sockets, run });
});
