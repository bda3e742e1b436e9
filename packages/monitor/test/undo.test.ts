import { expect, test } from "vitest";
import { Undo } from "../src/monitor/undo.ts";

test("steps are run from the last to the first, and one that fails keeps no other from running", async () => {
  const undo = new Undo();
  const run: string[] = [];
  undo.add(async () => run.push("threads"));
  undo.add(() => {
    run.push("audit");
    throw new Error("the first that was added, the second that fails");
  });
  undo.add(async () => {
    run.push("socket");
    throw new Error("the first that fails");
  });
  await expect(undo.run()).rejects.toThrow("the first that fails");
  expect(run).toEqual(["socket", "audit", "threads"]);
});

test("where nothing fails, it resolves", async () => {
  const undo = new Undo();
  undo.add(() => {});
  await undo.run();
});
