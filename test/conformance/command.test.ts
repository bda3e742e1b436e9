// `ringway conformance`: its report and exit code.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type Check, formatReport, makeReport, runGuest, type Testee } from "@ringway/conformance";
import { describe, expect, test } from "vitest";
import type { Report } from "../../packages/conformance/src/report.ts";
import { RINGWAY, ROOT, ringway, start } from "../support/ringway.ts";
import { buildLibrary } from "./c-library.ts";

const noLibrary = buildLibrary();

const testee = (name: string): string[] => [
  "--",
  process.execPath,
  fileURLToPath(new URL(`testees/${name}`, import.meta.url)),
];

describe("ringway conformance", () => {
  test("reports by clause, and exits 0 where nothing failed", async () => {
    const { code, stdout } = await ringway("conformance", "--only", "ATT-8", "CTL-6", "UdpLost");
    expect(code).toBe(0);
    expect(stdout).toMatch(/^16 udp-connect and udp-bind$/m);
    expect(stdout).toMatch(/^ {2}UDP-10 +passed +\d+ passed$/m);
    expect(stdout).toMatch(/^20 Attach, epochs, crash and restart$/m);
    expect(stdout).toMatch(/^ {2}ATT-8 +passed +\d+ passed$/m);
    expect(stdout).toMatch(/ 0 failed, 0 unsupported\n$/);
  });

  test("a clause of which a part cannot be seen is reported as partly, with what that is, and never as passed", async () => {
    const { code, stdout } = await ringway("conformance", "--only", "RING-9");
    expect(code).toBe(0);
    expect(stdout).toMatch(/^ {2}RING-9 +partly +\d+ passed$/m);
    expect(stdout).toMatch(
      /^Partly: .*\n(?: {2}.*\n)* {2}RING-9 +whether it looks again after it has set the word/m,
    );
    const json = await ringway("conformance", "--only", "RING-9", "--json");
    const { clauses, failed } = JSON.parse(json.stdout) as Report;
    expect(failed).toBe(0);
    const ring9 = clauses.find(({ clause }) => clause === "RING-9");
    expect(ring9).toMatchObject({
      verdict: "partly",
      unseen: expect.stringMatching(/^whether it looks again/),
    });
  });

  test("tells each reason once, and failures last, before the totals", () => {
    const check = (outcome: "failed" | "unsupported", clause: string, name: string, why: string): Check => {
      return { clause, case: name, outcome, why };
    };
    const lacks = ["a", "b", "c", "d", "e"].map((name) => check("unsupported", "FS-3", name, "no files"));
    const checks: Check[] = [
      check("failed", "RING-6", "an end", "the tail is lost"),
      check("failed", "RING-7", "an end", "the tail is lost"),
      ...lacks,
      check("failed", "BELL-5", "sleep", "it did not look again"),
      check("failed", "BELL-5", "sleep, later", "it did not look again"),
      { clause: "UDP-2", case: "bind", outcome: "passed" },
    ];
    expect(formatReport(makeReport("mine", checks)).split("\n")).toEqual([
      "Testee: mine",
      "",
      "5 Rings",
      "  RING-6   FAILED       0 passed, 1 failed",
      "  RING-7   FAILED       0 passed, 1 failed",
      "6 Doorbells",
      "  BELL-5   FAILED       0 passed, 2 failed",
      "15 fs",
      "  FS-3     unsupported  0 passed, 5 unsupported",
      "16 udp-connect and udp-bind",
      "  UDP-2    passed       1 passed",
      "",
      "Unsupported:",
      "  no files: 5 cases",
      "    FS-3  a",
      "    FS-3  b",
      "    FS-3  c",
      "    and 2 more: see --json",
      "",
      "Failures:",
      "  RING-6, RING-7  an end: the tail is lost",
      "  it did not look again: 2 cases",
      "    BELL-5  sleep",
      "    BELL-5  sleep, later",
      "",
      "5 clauses, 10 checks: 1 passed, 4 failed, 5 unsupported",
    ]);
  });

  test("exit 127 is unsupported, all of it; nothing was checked, as one line says, so the exit code is 1", async () => {
    const command = testee("absent.mjs");
    const { code, stdout, stderr } = await ringway("conformance", "--json", ...command);
    const line = `ringway: ${command.slice(1).join(" ")}: nothing was checked, all is unsupported\n`;
    expect([code, stderr]).toEqual([1, line]);
    const report = JSON.parse(stdout) as Report;
    expect([report.passed, report.failed]).toEqual([0, 0]);
    expect(report.unsupported).toBeGreaterThan(500);
    expect(report.missing[0]!.why).toContain("is unsupported here");
  });

  test("a long report comes whole, also where its reader is slow", async () => {
    const command = [RINGWAY, "conformance", "--json", ...testee("absent.mjs")];
    const child = spawn(process.execPath, command, { stdio: ["ignore", "pipe", "ignore"] });
    const exited = once(child, "close");
    // Nobody reads until the pipe is full and the command would like to end.
    await sleep(1500);
    let text = "";
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
    });
    expect((await exited)[0]).toBe(1);
    expect(text.length).toBeGreaterThan(128 * 1024);
    expect((JSON.parse(text) as Report).failed).toBe(0);
  });

  test("a testee that supports nothing of what was asked is no success", async () => {
    const command = testee("partial.mjs");
    const { code, stdout, stderr } = await ringway("conformance", "--only", "RING-6", ...command);
    expect(stdout).toMatch(/^ {2}RING-6 +unsupported /m);
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/: nothing was checked, all is unsupported\n$/),
    ]);
  });

  test("a testee that knows little passes that, and lacks the rest", async () => {
    const { code, stdout } = await ringway("conformance", "--json", ...testee("partial.mjs"));
    expect(code).toBe(0);
    const report = JSON.parse(stdout) as Report;
    expect(report.failed).toBe(0);
    expect(report.clauses.find(({ clause }) => clause === "LSN-2")!.passed).toBeGreaterThan(2);
  });

  test.each([
    ["garbage", "no JSON: hello?"],
    ["dies", "the testee ended (exit code 3)"],
    ["empty", "neither status nor unsupported: {}"],
  ])("a testee that breaks the contract (%s) fails", async (how, why) => {
    const command = [...testee("broken.mjs"), how, "later"];
    const { code, stdout } = await ringway("conformance", "--only", "LSN-2", ...command);
    expect(code).toBe(1);
    expect(stdout).toContain(why);
    expect(stdout).toMatch(/^ {2}LSN-2 +FAILED/m);
  });

  test("a testee that says nothing fails in time", async () => {
    const args = ["--only", "StreamInfo: one byte", "--timeout-ms", "300"];
    const { code, stdout } = await ringway("conformance", ...args, ...testee("broken.mjs"), "silent");
    expect(code).toBe(1);
    expect(stdout).toContain("no answer to decode within 300 ms");
  });

  test.each([
    ["garbage", "no JSON: hello?"],
    ["dies", "the testee ended (exit code 3)"],
    ["silent", "no answer to attach within 300 ms"],
  ])("a program that never answers (%s) is one line, soon, and not a thousand failures", async (how, why) => {
    const command = [...testee("broken.mjs"), how];
    // Only one that says nothing is given up in time; the others may take theirs to start.
    const limit = how === "silent" ? ["--timeout-ms", "300"] : [];
    const { code, stdout, stderr } = await ringway("conformance", ...limit, ...command);
    const line =
      `ringway: ${command.slice(1).join(" ")}: it never answered, in 3 starts: ${why}; ` +
      "docs/conformance.md says what a testee is\n";
    expect({ code, stdout, stderr }).toEqual({ code: 1, stdout: "", stderr: line });
  });

  test("what each start of a testee says on stderr again is shown once", async () => {
    const { code, stderr } = await ringway("conformance", ...testee("broken.mjs"), "throws");
    expect(code).toBe(1);
    expect(stderr.split("Error: the guest's own mistake").length - 1).toBe(1);
    expect(stderr).toMatch(/ at file:.*broken\.mjs/);
    expect(stderr).toMatch(/\nringway: .*: it never answered, in 3 starts: .*\n$/);
  });

  test("a program that does not stand behind -- is hinted at", async () => {
    const option = await ringway("conformance", "./my-guest", "--testee");
    expect([option.code, option.stderr.split("\n", 1)[0]]).toEqual([
      2,
      "ringway: unknown option '--testee'; the program and its options stand behind --: " +
        "ringway conformance -- COMMAND [ARGS...]",
    ]);
    const only = await ringway("conformance", "--only", "ATT-2", "./my-guest");
    expect(only.code).toBe(2);
    expect(only.stderr).toMatch(/is called "\.\/my-guest"; .*; a program to check stands behind --, as in: /);
    const machine = await ringway("vm", "qemu-system-x86_64", "-m", "512");
    expect([machine.code, machine.stderr.split("\n", 1)[0]]).toEqual([
      2,
      "ringway: unknown option '-m'; the program and its options stand behind --: " +
        "ringway vm -- qemu-system-x86_64 [ARGS...]",
    ]);
  });

  test("where a guest wrote what it must not is told: the word's place, and both values", async () => {
    const scribbler: Testee = {
      name: "scribbler",
      ask: async (_, memory) => {
        if (memory !== undefined) new Int32Array(memory.buffer)[0x104 / 4] = 1;
        return { status: "violation" };
      },
      [Symbol.asyncDispose]: async () => {},
    };
    const checks = await runGuest(() => scribbler, { only: ["VER-1", "SB-2"] });
    const whys = checks.flatMap(({ outcome, why }) => (outcome === "failed" ? [why] : []));
    const change = "the word at 0x104 of the region was 0x0 and is 0x1";
    expect(whys).toContain(`touched the region of another version: ${change}`);
    expect(whys).toContain(`the region is as it was: ${change}`);
  });

  test.skipIf(noLibrary !== undefined)(
    "the C guest is a program: the command of docs/conformance.md",
    async () => {
      const text = readFileSync(join(ROOT, "docs/conformance.md"), "utf8");
      const command = /^ {4}ringway conformance -- (.*c-testee\.ts)$/m.exec(text)![1]!.split(" ");
      const program = [
        process.execPath,
        RINGWAY,
        "conformance",
        "--json",
        "--only",
        "RING-6",
        "--",
        ...command,
      ];
      const { code, stdout } = await start(program, { cwd: ROOT }).ended;
      const { passed, failed, unsupported } = JSON.parse(stdout) as Report;
      expect({ code, failed, unsupported }).toEqual({ code: 0, failed: 0, unsupported: 0 });
      expect(passed).toBeGreaterThan(10);
    },
  );

  test("a program that is not there is one line, and wrong usage", async () => {
    const { code, stdout, stderr } = await ringway("conformance", "--", "./not-there");
    expect([code, stdout, stderr]).toEqual([2, "", "ringway: cannot start ./not-there: ENOENT\n"]);
  });

  test("--only with what there is not says what there is, and is wrong usage", async () => {
    const { code, stdout, stderr } = await ringway("conformance", "--only", "ATT-2", "NOPE", "RING-99");
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toMatch(/^ringway: no case and no clause is called "NOPE" or "RING-99"; there are .*\n$/);
    expect(stderr).toMatch(/clauses ATT-n, BELL-n, .* cases accept, attach, bell, /);
  });
});
