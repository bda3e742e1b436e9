// docs/guest.md as it stands: its policy, its monitor, started by its block of sh, and every program on that.

import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { LOADED_MS, Program } from "../../../test/support/processes.ts";
import { FIND_RINGWAY } from "../../../test/support/ringway.ts";
import { temporaryFolder } from "../../../test/support/temporary.ts";

const text = readFileSync(new URL("../../../docs/guest.md", import.meta.url), "utf8");
/** By section: some have several. */
const programs = text.split(/^## /m).flatMap((section): [string, string][] => {
  const title = section.split("\n", 1)[0]!;
  return [...section.matchAll(/^```js\n([\s\S]*?)^```$/gm)].map(([, program]) => [title, program!]);
});
const policy = /^```yaml\n(# policy.yaml\n[\s\S]*?)^```$/m.exec(text)![1]!;
const setUp = /^```sh\n([\s\S]*?)^```$/m.exec(text)![1]!;
const here = fileURLToPath(new URL(".", import.meta.url));
let shell: Program;
let path: string;

beforeAll(async () => {
  const folder = temporaryFolder("docs");
  writeFileSync(join(folder, "policy.yaml"), policy);
  // Until its input ends.
  const rest = 'echo "at $RINGWAY_SOCKET"; cat; kill $!; wait $!';
  const script = ["set -eu", FIND_RINGWAY, setUp, rest].join("\n");
  shell = new Program("bash", ["-c", script], { cwd: folder, env: { NODE_OPTIONS: "" } });
  path = (await shell.line("at /", LOADED_MS)).slice("at ".length);
}, LOADED_MS);

afterAll(async () => {
  shell.child.stdin!.end();
  await shell.succeeds();
});

describe("docs/guest.md", () => {
  it("has programs", () => expect(programs.length).toBeGreaterThanOrEqual(8));

  it.each(programs)("%s", async (_title, program) => {
    const env = { ...process.env, RINGWAY_SOCKET: path, NODE_OPTIONS: "" };
    const options = { cwd: here, env, timeout: 10_000 };
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ["--input-type=module", "-e", program],
      options,
    );
    expect(stdout).not.toBe("");
  });
});
