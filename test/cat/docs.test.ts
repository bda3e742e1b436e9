// The examples of docs/cat.md run as they stand, one after the other in one shell, in a
// network of their own. Those of machines A, B and C are left out.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { FIND_RINGWAY, ROOT, start } from "../support/ringway.ts";
import { temporaryFolder } from "../support/temporary.ts";
import { missing } from "./cats.ts";

const BLOCK = /^```(sh|text)(?: ([abc]))?\n([\s\S]*?)^```$/gm;
const blocks = [...readFileSync(join(ROOT, "docs/cat.md"), "utf8").matchAll(BLOCK)].map(
  ([, language, machine, text]) => ({ language: language!, machine, text: text! }),
);
const absent = ["unshare", "ip"].map(missing).find((why) => why !== undefined);

/** Of what is in no machine's, or in one's. */
const scriptOf = (machine: string | undefined): string =>
  blocks
    .filter((block) => block.language === "sh" && block.machine === machine)
    .map(({ text }) => text)
    .join("\n");
const printedBy = (isRelay: boolean): string =>
  blocks
    .filter(({ language, machine }) => language === "text" && (machine !== undefined) === isRelay)
    .map(({ text }) => text)
    .join("");

async function run(
  script: string,
): Promise<{ readonly code: number | string; readonly stdout: string; readonly stderr: string }> {
  const folder = temporaryFolder("cat-docs");
  const whole = [
    "set -eu",
    "trap 'kill $(jobs -p) 2> /dev/null || :' EXIT",
    "ip link set lo up",
    FIND_RINGWAY,
    `cd ${folder}`,
    script,
  ].join("\n");
  const user = process.getuid!() === 0 ? [] : ["--user", "--map-root-user"];
  return await start(["unshare", ...user, "--net", "bash", "-c", whole]).ended;
}

describe.skipIf(absent !== undefined)("docs/cat.md", () => {
  test("has examples that run, and print what it says", async () => {
    const { code, stdout, stderr } = await run(scriptOf(undefined));
    expect({ code, stdout }, stderr).toEqual({ code: 0, stdout: printedBy(false) });
  });
});
