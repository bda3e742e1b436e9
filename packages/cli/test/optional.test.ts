import { cpSync, mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import type { Ended } from "../../../test/support/processes.ts";
import { ROOT, start } from "../../../test/support/ringway.ts";
import { temporaryFolder } from "../../../test/support/temporary.ts";

const CLI = join(ROOT, "packages/cli");

describe("ringway installed alone, without the packages that some commands are in", () => {
  let app: string;
  beforeAll(() => {
    app = temporaryFolder();
    const installed = join(app, "node_modules/ringway");
    for (const each of ["bin", "lib", "package.json"]) {
      cpSync(join(CLI, each), join(installed, each), { recursive: true });
    }
    const { dependencies } = JSON.parse(readFileSync(join(CLI, "package.json"), "utf8")) as {
      dependencies: Record<string, string>;
    };
    for (const name of Object.keys(dependencies)) {
      const link = join(app, "node_modules", name);
      mkdirSync(dirname(link), { recursive: true });
      symlinkSync(join(CLI, "node_modules", name), link);
    }
  });
  const run = (...args: string[]): Promise<Ended> =>
    start([process.execPath, join(app, "node_modules/ringway/bin/ringway.js"), ...args]).ended;

  test.each([
    [
      "bench",
      "it is in the repository: git clone https://github.com/ringway/ringway, and there npm run bench",
    ],
    ["conformance", "install it beside ringway: npm install @ringway/conformance"],
    ["demo", "it is in the repository: git clone https://github.com/ringway/ringway, and there npm start"],
  ])("%s says in one line how to get it, and exits 2", async (command, hint) => {
    const stderr = `ringway: ${command} is not installed here; ${hint}\n`;
    expect(await run(command)).toEqual({ code: 2, stdout: "", stderr });
  });

  test("help of these commands is there all the same, and the others work", async () => {
    expect(await run("conformance", "--help")).toMatchObject({ code: 0, stderr: "" });
    expect(await run("policy", "check", join(ROOT, "packages/demo/host/policy.yaml"))).toMatchObject({
      code: 0,
    });
  });
});
