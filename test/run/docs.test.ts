// The examples of docs/run.md run as they stand, one after the other in one shell. In a network of their own, since the
// document names the server's port.

import { mkdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { BUILD_MS, missing } from "../agent/agent.ts";
import { start } from "../native/rwcat-process.ts";
import { ROOT, titled } from "../native/toolchain.ts";
import { FIND_RINGWAY } from "../support/ringway.ts";
import { temporaryFolder } from "../support/temporary.ts";
import { buildStaticAgent, noRun } from "./inside.ts";

const reason = noRun ?? missing("curl") ?? missing("ip");
const BLOCK = /^```(sh|text)\n([\s\S]*?)^```$/gm;

describe.skipIf(reason !== undefined)(titled("docs/run.md", reason), () => {
  test(
    "has examples that run, and print what it says",
    async () => {
      const blocks = [...readFileSync(join(ROOT, "docs/run.md"), "utf8").matchAll(BLOCK)];
      const agent = buildStaticAgent();
      const here = join(temporaryFolder("docs"), "empty");
      mkdirSync(here);
      const script = [
        "set -eu",
        "trap 'kill $(jobs -p) 2> /dev/null || :' EXIT",
        "ip link set lo up",
        FIND_RINGWAY,
        `cd ${here}`,
        ...blocks.flatMap(([, language, text]) => (language === "sh" ? [`exec 2>&1\n${text}`] : [])),
      ].join("\n");
      const user = process.getuid!() === 0 ? [] : ["--user", "--map-root-user"];
      const env = { PATH: `${dirname(agent)}:${process.env.PATH}`, NODE_OPTIONS: "" };
      const { stdout } = await start("unshare", [...user, "--net", "bash", "-c", script], "", env).done;
      expect(stdout.toString()).toBe(
        blocks.map(([, language, text]) => (language === "text" ? text : "")).join(""),
      );
    },
    BUILD_MS,
  );
});
