// ringway completion bash, in bash.

import { expect, it } from "vitest";
import { FIND_RINGWAY, start } from "../../../test/support/ringway.ts";

it.each([
  [["mon"], ["monitor"]],
  [["policy", "che"], ["check"]],
  [["policy", "check", "--h"], ["--help"]],
  [["policy", "explain", "f", "c"], ["connect"]],
  [["monitor", "--max"], ["--max-guests"]],
  [["monitor", "--policy", "p.yaml", "--log-level", "d"], ["debug"]],
  [["run", "--", "--he"], []],
])("Tab behind ringway %j gives %j", async (words, expected) => {
  const line = ["ringway", ...words].map((word) => `'${word}'`).join(" ");
  const script = `${FIND_RINGWAY}; set -eu; eval "$(ringway completion bash)"
COMP_WORDS=(${line}); COMP_CWORD=${words.length}; _ringway; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { code, stdout, stderr } = await start(["bash", "-c", script]).ended;
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout.split("\n").filter((word) => word !== "")).toEqual(expected);
});
