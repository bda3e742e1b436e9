// The examples of docs/agent.md run as they stand, but for the port of the server.

import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { Monitor, parsePolicy } from "@ringway/monitor";
import { describe, expect, onTestFinished, test } from "vitest";
import { start } from "../native/rwcat-process.ts";
import { noCompiler, ROOT, run, titled } from "../native/toolchain.ts";
import { temporaryFolder } from "../support/temporary.ts";
import { BUILD_MS, buildAgent, missing } from "./agent.ts";

const noNamespace =
  run("unshare", ["--user", "--map-root-user", "--net", "true"]).status === 0
    ? undefined
    : "no namespaces for this user";
const reason = noCompiler ?? noNamespace ?? missing("curl");

/** The blocks of sh: each starts the agent in its way, fetches a page and lists a folder. */
const EXAMPLES = [
  ...readFileSync(join(ROOT, "docs/agent.md"), "utf8").matchAll(/^```sh\n([\s\S]*?)^```$/gm),
].map(([, text]) => text!);
const noBubblewrap =
  run("bwrap", ["--unshare-all", "--ro-bind", "/", "/", "true"]).status === 0
    ? undefined
    : "no bwrap, or not allowed";

describe.skipIf(reason !== undefined)(titled("docs/agent.md", reason), () => {
  test.skipIf(noBubblewrap !== undefined)(
    titled("starts the agent for processes in bubblewrap", noBubblewrap),
    () => starts("bwrap"),
    BUILD_MS,
  );

  test("starts the agent for processes in an empty network namespace", () => starts("unshare"), BUILD_MS);
});

async function starts(command: string): Promise<void> {
  const example = EXAMPLES.find((text) => text.startsWith(command))!;
  const program = buildAgent();
  const folder = temporaryFolder("docs");
  const server = createServer((_request, response) => response.end("from the host\n")).listen(0, "127.0.0.1");
  onTestFinished(() => void server.close());
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as AddressInfo;
  mkdirSync(join(folder, "data"));
  writeFileSync(join(folder, "data/greeting"), "");
  for (const name of ["ringway-agent", "rwfs"]) symlinkSync(program, join(folder, name));
  const text = `version: 1
connect: [{ allow: 127.0.0.1, ports: ${port} }]
files: [{ guest: /data, host: ./data, access: ro }]
`;
  const policy = parsePolicy(text, { file: join(folder, "policy.yaml") });
  await using _monitor = await Monitor.start({ policy, listen: join(folder, "ringway.sock") });
  const script = `cd ${folder}; ${example.replace(":8000/", `:${port}/`)}`;
  const env = { PATH: `${folder}:${process.env.PATH}` };
  const { stdout, stderr } = await start("sh", ["-c", script], "", env).done;
  expect(stdout.toString(), stderr).toBe("from the host\ngreeting\n");
}
