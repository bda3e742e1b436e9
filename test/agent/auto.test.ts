// ringway-agent --publish auto: what programs of the guest listen on is the host's too, where the policy lets it be.

import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, test } from "vitest";
import { start } from "../native/rwcat-process.ts";
import { noCompiler, titled } from "../native/toolchain.ts";
import { heldForAll } from "../support/held.ts";
import { MonitorProgram, Program } from "../support/processes.ts";
import { temporaryFolder } from "../support/temporary.ts";
import { until } from "../support/wait.ts";
import { type Agent, attachedAgent, BUILD_MS, buildAgent, missing } from "./agent.ts";
import { Network, noNetworks } from "./networks.ts";

const reason = noCompiler ?? noNetworks ?? missing("python3") ?? missing("curl");
const limits = missing("prlimit");
const fixture = (name: string): string => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));
const POLICY = `version: 1
listen: [{ allow: 127.0.0.1, ports: 8000-8999 }]
`;

describe.skipIf(reason !== undefined)(titled("ringway-agent --publish auto", reason), () => {
  let host: Network;
  let guest: Network;
  let agent: Agent;

  const hold = heldForAll();
  beforeAll(async () => {
    const program = buildAgent();
    host = hold(await Network.make("ip link set lo up"));
    guest = hold(await Network.make("ip link set lo up", host));
    const path = join(temporaryFolder("auto"), "attach.sock");
    hold(await MonitorProgram.start(path, POLICY, { under: host.under }));
    agent = hold(await attachedAgent(program, path, ["--publish", "auto"], guest.under));
  }, BUILD_MS);

  /** A server of the guest's, which is there. */
  async function serve(at: string, port: number): Promise<Program> {
    const [command, ...words] = [...guest.under, "python3", fixture("greeter.py"), at, String(port)];
    const server = new Program(command!, words);
    await server.line("listening");
    return server;
  }

  /** What the host's curl says of its own port: the body, or its exit code. */
  async function asked(port: number): Promise<string | number | null> {
    const args = [...host.under, "curl", "-sS", "-m", "10", "--noproxy", "*", `http://127.0.0.1:${port}/`];
    const { code, stdout } = await start(args[0]!, args.slice(1), "").done;
    return code === 0 ? stdout.toString() : code;
  }
  const published = async (port: number, is: string | number): Promise<void> => {
    await until(`port ${port} of the host`, async () => (await asked(port)) === is);
  };

  test.each(["127.0.0.1", "::1", "0.0.0.0", "::"])(
    "a port at %s is the same on the host while a program listens on it",
    async (at) => {
      {
        using server = await serve(at, 8080);
        await published(8080, `hello from ${at}`);
        expect(server.isOver).toBe(false);
      }
      await published(8080, 7); // refused
    },
  );

  test("where one port goes the others stay", async () => {
    using first = await serve("127.0.0.1", 8100);
    using second = await serve("::1", 8101);
    await published(8100, "hello from 127.0.0.1");
    await published(8101, "hello from ::1");
    first[Symbol.dispose]();
    await published(8100, 7);
    expect(await asked(8101)).toBe("hello from ::1");
    expect(second.isOver).toBe(false);
  });

  test("a port that the policy does not let it have is in the log, once", async () => {
    using server = await serve("127.0.0.1", 9000);
    const [line] = await agent.said(/^.*publish 127\.0\.0\.1:9000 to 9000: .*$/m);
    expect(line).toMatch(/Permission denied: .*\(rule default\)/);
    expect(await asked(9000)).toBe(7);
    expect(server.isOver).toBe(false);
  });

  test.skipIf(limits !== undefined)(
    titled("a look that fails withdraws nothing, and others follow", limits),
    async () => {
      using first = await serve("127.0.0.1", 8300);
      await published(8300, "hello from 127.0.0.1");
      const descriptors = (most: string) =>
        start("prlimit", ["--pid", String(agent.pid), `--nofile=${most}:`], "").done;
      expect((await descriptors("3")).code).toBe(0);
      // Two looks; if there were none, the test proves less.
      await sleep(1200);
      expect((await descriptors("1024")).code).toBe(0);
      expect(await asked(8300)).toBe("hello from 127.0.0.1");
      using second = await serve("127.0.0.1", 8301);
      await published(8301, "hello from 127.0.0.1");
      for (const server of [first, second]) expect(server.isOver).toBe(false);
    },
  );

  test("the agent's own ports are not published", async () => {
    using server = await serve("127.0.0.1", 8200);
    // They listened before it did, and are past what the policy allows: it would have refused them in the log.
    const [log] = await agent.said(/^[\s\S]*publish: the host's 127\.0\.0\.1:8200 to 8200\n/);
    for (const port of [agent.socks, agent.http]) expect(log).not.toContain(` to ${port}:`);
    expect(server.isOver).toBe(false);
  });
});
