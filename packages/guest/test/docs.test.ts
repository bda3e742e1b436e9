// Every program in docs/guest.md runs as it stands.

import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { beforeAll, describe, expect, it } from "vitest";
import { heldForAll } from "../../../test/support/held.ts";
import { type Host, startHost } from "./host.ts";

const text = readFileSync(new URL("../../../docs/guest.md", import.meta.url), "utf8");
const programs = [...text.matchAll(/^## (.+?)$[\s\S]*?^```js\n([\s\S]*?)^```$/gm)].map(
  (match): [string, string] => [match[1]!, match[2]!],
);
const here = fileURLToPath(new URL(".", import.meta.url));
const hold = heldForAll();
let host: Host;

beforeAll(async () => {
  host = hold(await startHost());
});

describe("docs/guest.md", () => {
  it("has programs", () => expect(programs.length).toBeGreaterThanOrEqual(6));

  it.each(programs)("%s", async (_title, program) => {
    const env = { ...process.env, RINGWAY_SOCKET: host.path, NODE_OPTIONS: "" };
    const options = { cwd: here, env, timeout: 10_000 };
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ["--input-type=module", "-e", program],
      options,
    );
    expect(stdout).not.toBe("");
  });
});
