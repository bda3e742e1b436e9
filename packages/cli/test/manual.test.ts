// Manual pages, as groff reads them.

import { spawnSync } from "node:child_process";
import { expect, it } from "vitest";
import { manualPages } from "../src/manual.ts";
import { programOf } from "../src/program.ts";

const noGroff = spawnSync("groff", ["--version"]).status !== 0;

it("each command has a page with its options and exit codes", () => {
  const pages = manualPages(programOf());
  expect([...pages.keys()]).toEqual(
    expect.arrayContaining(["ringway.1", "ringway-monitor.1", "ringway-policy-check.1", "ringway-top.1"]),
  );
  expect(pages.get("ringway-monitor.1")).toContain(".TP\n.B \\-\\-config <file>\n");
  expect(pages.get("ringway-monitor.1")).toContain("Exit codes: 0 stopped by a signal");
});

it.skipIf(noGroff)(`groff has nothing to say of them${noGroff ? " (skipped: no groff)" : ""}`, () => {
  const all = [...manualPages(programOf()).values()].join("");
  const { status, stdout, stderr } = spawnSync("groff", ["-man", "-ww", "-Tascii", "-P-c"], {
    input: all,
    encoding: "utf8",
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  // Bold is each letter twice on a printer.
  const plain = stdout.replaceAll(/.[\b]/g, "");
  expect(plain).toContain("--busy-poll-us <n>");
  expect(plain).toContain("ringway policy check policy.yaml");
});
