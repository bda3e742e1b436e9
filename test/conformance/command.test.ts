// `ringway conformance`: its report and exit code, and that a guest with a mistake does not pass.

import { fileURLToPath } from "node:url";
import type { SharedMemory } from "@ringway/linux";
import { describe, expect, test } from "vitest";
import type { Command, Reply } from "../../packages/cli/src/conformance/contract.ts";
import { makeReport, type Report } from "../../packages/cli/src/conformance/report.ts";
import { runGuest } from "../../packages/cli/src/conformance/suite.ts";
import { TypeScriptGuest } from "../../packages/cli/src/conformance/typescript-guest.ts";
import { ringway } from "../../packages/cli/test/helpers.ts";

const testee = (name: string): string[] => [
  "--",
  process.execPath,
  fileURLToPath(new URL(`testees/${name}`, import.meta.url)),
];

describe("ringway conformance", () => {
  test("reports by clause, and exits 0 where nothing failed", async () => {
    const { code, stdout } = await ringway("conformance", "--only", "ATT-2", "CTL-6");
    expect(code).toBe(0);
    expect(stdout).toMatch(/^16 Attach, epochs, crash and restart$/m);
    expect(stdout).toMatch(/^ {2}ATT-2 +passed +\d+ passed$/m);
    expect(stdout).toMatch(/ 0 failed, 0 unsupported\n$/);
  });

  test("exit 127 is unsupported, all of it, and no failure", async () => {
    const { code, stdout } = await ringway("conformance", "--json", ...testee("absent.mjs"));
    expect(code).toBe(0);
    const report = JSON.parse(stdout) as Report;
    expect([report.passed, report.failed]).toEqual([0, 0]);
    expect(report.unsupported).toBeGreaterThan(500);
    expect(report.missing[0]!.why).toContain("is unsupported here");
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
    const { code, stdout } = await ringway("conformance", "--only", "LSN-2", ...testee("broken.mjs"), how);
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

type Before = (command: Command) => Command;
type After = (command: Command, reply: Reply, words: Int32Array | undefined) => Reply;
interface Mistake {
  readonly before?: Before;
  readonly after?: After;
}

/** A guest with one mistake: what it would have done is changed before, or what it says after. */
class Mistaken extends TypeScriptGuest {
  readonly #before: Before;
  readonly #after: After;
  #words: Int32Array | undefined;

  constructor(mistake: Mistake) {
    super();
    this.#before = mistake.before ?? ((command) => command);
    this.#after = mistake.after ?? ((_, reply) => reply);
  }

  override answer(command: Command, memory?: SharedMemory): Reply {
    if (memory !== undefined) this.#words = new Int32Array(memory.buffer);
    const reply = super.answer(this.#before(command), memory);
    return this.#after(command, reply, this.#words);
  }
}

describe("a guest with a mistake is found out", () => {
  const MISTAKES: [what: string, clause: string, Mistake][] = [
    [
      "takes a reset for the end",
      "RING-8",
      { after: (_, reply) => (reply.status === "reset" ? { ...reply, status: "end" } : reply) },
    ],
    [
      "does not ring when it attaches",
      "ATT-2",
      { after: (command, reply) => (command.do === "attach" ? { ...reply, rings: 0 } : reply) },
    ],
    [
      "rings always",
      "BELL-3",
      {
        after: (command, reply) =>
          command.do === "send" ? { ...reply, rings: (reply.rings ?? 0) + 1 } : reply,
      },
    ],
    [
      "closes where it should reset",
      "RING-8",
      { before: (command) => (command.do === "reset" ? { ...command, do: "close" } : command) },
    ],
    [
      "takes a violation for an empty ring",
      "RING-4",
      { after: (_, reply) => (reply.status === "violation" ? { status: "again" } : reply) },
    ],
    [
      "loses the last byte",
      "RING-3",
      { after: (_, reply) => (reply.data === undefined ? reply : { ...reply, data: reply.data.slice(2) }) },
    ],
    [
      "writes a word of the host's",
      "SB-3",
      {
        after: (command, reply, words) => {
          if (command.do === "poll") words![0x180 / 4]!++;
          return reply;
        },
      },
    ],
    [
      "touches the control pipe before it is attached",
      "ATT-1",
      {
        after: (command, reply, words) => {
          if (command.do === "attach") words![(7 * 4096 + 0x188) / 4] = 1;
          return reply;
        },
      },
    ],
    [
      "accepts features",
      "VER-3",
      {
        after: (command, reply, words) => {
          if (command.do === "attach") words![0x108 / 4] = words![0x14 / 4]!;
          return reply;
        },
      },
    ],
    [
      "stays on an epoch that is over",
      "ATT-8",
      { after: (_, reply) => (reply.status === "lost" ? { status: "attached" } : reply) },
    ],
  ];

  test.each(MISTAKES)("%s: %s", async (_, clause, mistake) => {
    const report = makeReport("mistaken", await runGuest(() => new Mistaken(mistake), { only: [clause] }));
    expect(report.clauses.find((each) => each.clause === clause)!.failed).toBeGreaterThan(0);
  });
});
