// A port that the operator publishes, and a guest's program that knows nothing of Ringway: curl, the host's port, the
// agent, the program. It comes and goes, and so does the agent.

import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, test } from "vitest";
import { noCompiler, titled } from "../native/toolchain.ts";
import { heldForAll } from "../support/held.ts";
import { startMonitor, type TestMonitor } from "../support/monitor.ts";
import { Program } from "../support/processes.ts";
import { freePort } from "../support/tcp.ts";
import { temporaryFolder } from "../support/temporary.ts";
import { until } from "../support/wait.ts";
import { type Agent, attachedAgent, BUILD_MS, buildAgent, curl, missing } from "./agent.ts";

const reason = noCompiler ?? missing("python3") ?? missing("curl");
const GREETER = fileURLToPath(new URL("../fixtures/greeter.py", import.meta.url));

describe.skipIf(reason !== undefined)(titled("a published port of a program's", reason), () => {
  const hold = heldForAll();
  let program: string;
  let host: TestMonitor;
  let web: string;
  let [port, inside] = [0, 0];

  beforeAll(async () => {
    program = buildAgent();
    web = join(temporaryFolder("published"), "web.sock");
    [port, inside] = [await freePort(), await freePort()];
    const publishes = [{ port, guest: "web", guestPort: 80 }];
    host = hold(await startMonitor("version: 1\n", { guests: [{ name: "web", listen: web }], publishes }));
  }, BUILD_MS);

  test("leads to it by each agent that comes", async () => {
    const asked = async (): Promise<string | number | null> => {
      const { code, stdout } = await curl("--noproxy", "*", `http://127.0.0.1:${port}/`);
      return code === 0 ? String(stdout) : code;
    };
    expect(await asked()).toBe(7);
    using server = new Program("python3", [GREETER, "127.0.0.1", String(inside)]);
    await server.line("listening");
    const agentOf = (): Promise<Agent> => attachedAgent(program, web, ["--publish", `80:${inside}`]);
    for (let life = 0; life < 2; life++) {
      const agent = await agentOf();
      await agent.said(new RegExp(`publish: the host's 127.0.0.1:${port} to ${inside}`));
      expect(await asked()).toBe("hello from 127.0.0.1");
      await agent.stop();
      await until("it to be refused", async () => (await asked()) === 7);
    }
    await host.monitor.steering.unpublish(`127.0.0.1:${port}`);
  });

  test("leads to it by an agent that was there before it was published, and before it is again", async () => {
    const { steering } = host.monitor;
    using server = new Program("python3", [GREETER, "127.0.0.1", String(inside)]);
    await server.line("listening");
    const agent = await attachedAgent(program, web, ["--publish", `80:${inside}`]);
    await agent.said(/publish 127\.0\.0\.1:80 to \d+: Permission denied: .*: trying again/);
    for (let time = 0; time < 2; time++) {
      await steering.publish({ port, guest: "web", guestPort: 80 });
      await until("it to be reached", async () => {
        const { code } = await curl("--noproxy", "*", `http://127.0.0.1:${port}/`);
        return code === 0;
      });
      await steering.unpublish(`127.0.0.1:${port}`);
    }
    await agent.stop();
  });
});
