// The examples of docs/agent.md run as they stand: the block that starts a monitor and a server, then each way to start
// the agent for processes, and what it answers to a request that the policy refuses. In a network of their own, since
// the document names the server's port.

import { mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { start } from "../native/rwcat-process.ts";
import { noCompiler, ROOT, run, titled } from "../native/toolchain.ts";
import { FIND_RINGWAY } from "../support/ringway.ts";
import { temporaryFolder } from "../support/temporary.ts";
import { BUILD_MS, buildAgent, missing } from "./agent.ts";
import { noFuse } from "./fuse.ts";

const noNamespace =
  run("unshare", ["--user", "--map-root-user", "--net", "true"]).status === 0
    ? undefined
    : "no namespaces for this user";
const reason = noCompiler ?? noNamespace ?? missing("curl") ?? missing("ip");
const noBubblewrap =
  run("bwrap", ["--unshare-all", "--ro-bind", "/", "/", "true"]).status === 0
    ? undefined
    : "no bwrap, or not allowed";

/** The blocks of sh, each with what it prints. */
const EXAMPLES = [
  ...readFileSync(join(ROOT, "docs/agent.md"), "utf8").matchAll(
    /^```sh\n([\s\S]*?)^```\n\n```text\n([\s\S]*?)^```$/gm,
  ),
].map(([, text, prints]) => ({ text: text!, prints: prints! }));

describe.skipIf(reason !== undefined)(titled("docs/agent.md", reason), () => {
  test.skipIf(noBubblewrap !== undefined)(
    titled("starts the agent for processes in bubblewrap", noBubblewrap),
    () => starts("bwrap"),
    BUILD_MS,
  );

  test("starts the agent for processes in an empty network namespace", () => starts("unshare"), BUILD_MS);

  test("lets programs connect anywhere, by name", () => starts("unshare", "--transparent"), BUILD_MS);

  test.skipIf(noFuse !== undefined)(
    titled("mounts a folder", noFuse),
    () => starts("mkdir mounted"),
    BUILD_MS,
  );

  test("has the body of a 403", () => starts("unshare", "http://intranet/"), BUILD_MS);
});

async function starts(command: string, words = ""): Promise<void> {
  const setUp = EXAMPLES.find(({ text }) => text.includes("ringway monitor"))!;
  const example = EXAMPLES.find(({ text }) => text.startsWith(command) && text.includes(words))!;
  const program = buildAgent();
  const folder = temporaryFolder("docs");
  const here = join(folder, "empty");
  mkdirSync(here);
  for (const name of ["ringway-agent", "rwfs"]) symlinkSync(program, join(folder, name));
  const script = [
    "set -eu",
    "trap 'kill $(jobs -p) 2> /dev/null || :' EXIT",
    "ip link set lo up",
    FIND_RINGWAY,
    `cd ${here}`,
    setUp.text,
    // As a reader may have it who has read on.
    "export no_proxy=localhost,127.0.0.1",
    example.text,
  ].join("\n");
  const user = process.getuid!() === 0 ? [] : ["--user", "--map-root-user"];
  const env = { PATH: `${folder}:${process.env.PATH}`, NODE_OPTIONS: "" };
  const { stdout, stderr } = await start("unshare", [...user, "--net", "bash", "-c", script], "", env).done;
  expect(stdout.toString(), stderr).toBe(setUp.prints + example.prints);
}
