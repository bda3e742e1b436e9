// The agent's own lines, when nobody reads them.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { closeFd, createPipe, fcntl, isNonBlocking, setNonBlocking, unixPair } from "@ringway/linux";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { noCompiler, titled } from "../native/toolchain.ts";
import { startMonitor, type TestMonitor } from "../support/monitor.ts";
import { echoServer } from "../support/tcp.ts";
import { until, within } from "../support/wait.ts";
import { BUILD_MS, buildAgent, Wire } from "./agent.ts";

const F_SETPIPE_SZ = 1031;
const PAGE_BYTES = 4096;

/** The host refuses what this would connect to: a line of the agent's. */
async function connectInVain(port: number): Promise<void> {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => {}).resume();
  await within("the end of a connection", new Promise((resolve) => socket.once("close", resolve)));
}

describe.skipIf(noCompiler !== undefined)(titled("the agent's stderr", noCompiler), () => {
  let program: string;
  let host: TestMonitor;
  let agent: ChildProcess;
  let fds: number[];
  let text = "";

  beforeAll(() => {
    program = buildAgent();
  }, BUILD_MS);
  afterEach(async () => {
    agent.kill("SIGKILL");
    for (const fd of fds) closeFd(fd);
    await host[Symbol.asyncDispose]();
  });

  /** What has come, without waiting for more. */
  function read(): string {
    const chunk = Buffer.alloc(64 * 1024);
    for (;;) {
      try {
        const count = readSync(fds[0]!, chunk);
        if (count === 0) return text;
        text += chunk.toString("utf8", 0, count);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
        return text;
      }
    }
  }

  /**
   * With a pipe of one page, or a socket, as its stderr; reads until it is attached. Resolves with the ports of its
   * forwards.
   */
  async function start(kind: string, to: number): Promise<{ refused: number; allowed: number }> {
    fds = kind === "socket" ? unixPair() : createPipe();
    const [from, stderr] = fds as [number, number];
    if (kind !== "socket") fcntl(stderr, F_SETPIPE_SZ, PAGE_BYTES);
    setNonBlocking(from, true);
    setNonBlocking(stderr, false);
    text = "";
    const forwards = ["--forward", "0:127.0.0.1:81", "--forward", `0:127.0.0.1:${to}`];
    const service = ["--service", join(host.folder, "service.sock")];
    agent = spawn(program, ["--socket", host.path, "--socks", "0", "--http", "0", ...service, ...forwards], {
      stdio: ["ignore", "ignore", stderr],
    });
    await until("the agent to be attached", () => /attached, epoch/.test(read()));
    const port = (there: number): number =>
      Number(new RegExp(`forward on \\S+:(\\d+) to 127.0.0.1:${there}\n`).exec(text)![1]);
    return { refused: port(81), allowed: port(to) };
  }

  test.each(["pipe", "socket"])(
    "a %s that nobody reads stops nobody, and what it lost is said",
    async (kind) => {
      host = await startMonitor("version: 1\nconnect: [{ allow: 127.0.0.1, ports: 1024-65535 }]\n");
      await using server = await echoServer();
      const { refused, allowed } = await start(kind, server.port);
      const lines = kind === "socket" ? 2000 : 200;
      for (let i = 0; i < lines; i++) await connectInVain(refused);
      using wire = await Wire.open(allowed);
      wire.socket.write("still here");
      expect((await wire.take(10)).toString()).toBe("still here");
      if (kind === "pipe") expect(isNonBlocking(fds[1]!)).toBe(0);

      expect(read().match(/ringway-agent: forward to 127.0.0.1:81: /g)!.length).toBeLessThan(lines);
      await connectInVain(refused);
      await until("what was lost", () => /^ringway-agent: \d+ lines were lost\n/m.test(read()));
      const said = text.match(/forward to 127.0.0.1:81: /g)!.length;
      const lost = Number(/^ringway-agent: (\d+) lines were lost$/m.exec(text)![1]);
      expect(said + lost).toBe(lines + 1);
      agent.kill("SIGTERM");
      expect(await within("its end", once(agent, "exit"))).toEqual([0, null]);
    },
  );

  test("a stderr that is full already when it is told to stop does not keep it", async () => {
    host = await startMonitor("version: 1\n");
    const { refused } = await start("pipe", 8080);
    for (let i = 0; i < 100; i++) await connectInVain(refused);
    agent.kill("SIGTERM");
    expect(await within("its end", once(agent, "exit"))).toEqual([0, null]);
  });
});
