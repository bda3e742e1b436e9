// A build leaves no output of a source that is gone: an import by its old path would still find it.

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";

const STALE = fileURLToPath(new URL("../../scripts/stale.mjs", import.meta.url));

/** A checkout with these files, empty. */
function checkoutOf(...files: readonly string[]): string {
  const root = mkdtempSync(join(tmpdir(), "ringway-stale-"));
  onTestFinished(() => rmSync(root, { recursive: true }));
  for (const file of files) {
    mkdirSync(join(root, dirname(file)), { recursive: true });
    writeFileSync(join(root, file), "");
  }
  return root;
}

const run = (root: string): string => execFileSync(process.execPath, [STALE, root], { encoding: "utf8" });
const made = (name: string): string[] =>
  [".js", ".js.map", ".d.ts", ".d.ts.map"].map((end) => `${name}${end}`);

test("what is made of a source that is gone goes, with its folders; all else stays", () => {
  const kept = [
    "packages/a/package.json",
    "packages/a/src/x.ts",
    ...made("packages/a/dist/x"),
    "packages/a/dist/.tsbuildinfo",
    "packages/a/src/deep/y.ts",
    ...made("packages/a/dist/deep/y"),
    // No package of this checkout, or not built.
    ...made("packages/b/dist/z"),
    "packages/c/package.json",
    "packages/c/src/z.ts",
  ];
  const stale = [
    ...made("packages/a/dist/moved"),
    ...made("packages/a/dist/deep/moved"),
    ...made("packages/a/dist/old/y"),
  ];
  const root = checkoutOf(...kept, ...stale);
  expect(run(root).trim().split("\n")).toHaveLength(9);
  expect(kept.filter((file) => !existsSync(join(root, file)))).toEqual([]);
  expect([...stale, "packages/a/dist/old"].filter((file) => existsSync(join(root, file)))).toEqual([]);
  expect(run(root)).toBe("");
});
