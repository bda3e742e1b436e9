// An agent that is killed leaves nobody with half an answer that looks whole: who was promised more gets a reset.

import { readFileSync } from "node:fs";
import { localAddress } from "@ringway/linux";
import { beforeAll, describe, expect, test } from "vitest";
import { noCompiler, titled } from "../native/toolchain.ts";
import { KiB, pattern, sha256 } from "../support/bytes.ts";
import { FdServer, FdSocket } from "../support/fd-tcp.ts";
import { heldForAll } from "../support/held.ts";
import { startMonitor, type TestMonitor } from "../support/monitor.ts";
import { type TestServer, tcpClient, tcpServer } from "../support/tcp.ts";
import { until } from "../support/wait.ts";
import { type Agent, attachedAgent, BUILD_MS, buildAgent } from "./agent.ts";

/** Does the kernel have the FIN of its peer? */
function hasEnd({ fd }: FdSocket): boolean {
  const port = localAddress(fd).port.toString(16).toUpperCase().padStart(4, "0");
  return new RegExp(`^ *\\d+: \\S+:${port} \\S+ 08 `, "m").test(readFileSync("/proc/net/tcp", "utf8"));
}

const HALF = pattern(64 * KiB);

describe.skipIf(noCompiler !== undefined)(titled("an agent that is killed", noCompiler), () => {
  let program: string;
  let host: TestMonitor;
  /** It sends half of its answer. */
  let server: TestServer;

  const hold = heldForAll();
  beforeAll(async () => {
    program = buildAgent();
    host = hold(await startMonitor());
    server = hold(await tcpServer((socket) => void socket.write(HALF)));
  }, BUILD_MS);

  const agentFor = (...options: readonly string[]): Promise<Agent> =>
    attachedAgent(program, host.path, options);

  async function kill(agent: Agent): Promise<void> {
    process.kill(agent.pid, "SIGKILL");
    await expect(agent[Symbol.asyncDispose]()).rejects.toThrow(/^agent: null\n/);
  }

  const request = (method: string, path = ""): string =>
    `${method} ${path}127.0.0.1:${server.port}${path === "" ? "" : "/"} HTTP/1.1\r\n\r\n`;

  test.each([
    ["--forward", (agent: Agent) => agent.forwards[0]!, "", 0],
    ["SOCKS5", (agent: Agent) => agent.socks, "socks", 12],
    ["CONNECT", (agent: Agent) => agent.http, "CONNECT", 39],
    ["HTTP", (agent: Agent) => agent.http, "GET", 0],
  ] as const)(
    "%s: a program gets a reset after what was sent to it",
    async (_kind, port, what, answerBytes) => {
      const agent = await agentFor("--forward", `0:127.0.0.1:${server.port}`);
      const near = await FdSocket.connect(port(agent));
      const { port: to } = server;
      if (what === "socks")
        await near.send(Uint8Array.of(5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1, to >> 8, to & 255));
      else if (what !== "") await near.send(Buffer.from(request(what, what === "GET" ? "http://" : "")));
      await near.readExactly(answerBytes + HALF.length);
      await kill(agent);
      expect((await near.hear()).how).toBe("reset");
      near.close();
    },
  );

  test("--publish: so does a server of the guest's", async () => {
    using inside = new FdServer();
    const agent = await agentFor("--publish", `0:${inside.port}`);
    const [, port] = await agent.said(/publish: the host's \S+:(\d+) to/);
    const client = await tcpClient(Number(port));
    client.write(HALF);
    const far = await inside.accept();
    await far.readExactly(HALF.length);
    const closed = new Promise((resolve) => client.once("close", resolve));
    await kill(agent);
    expect((await far.hear()).how).toBe("reset");
    await closed;
    far.close();
  });

  test("an answer that had ended before is whole, also for a program that reads it afterwards", async () => {
    await using whole = await tcpServer((socket) => void socket.end(HALF));
    const agent = await agentFor("--forward", `0:127.0.0.1:${whole.port}`);
    const near = await FdSocket.connect(agent.forwards[0]!);
    await near.readExactly(1);
    await until("the end behind the bytes", () => hasEnd(near));
    await kill(agent);
    const { bytes, how } = await near.hear();
    expect({ how, sum: sha256(bytes) }).toEqual({ how: "end", sum: sha256(HALF.subarray(1)) });
    near.close();
  });

  test.each(["open", "ended"])("rwcat, its stdin %s, exits 1", async (stdin) => {
    const agent = await agentFor();
    const cat = agent.startTool(
      ["rwcat", "127.0.0.1", String(server.port)],
      stdin === "open" ? undefined : "question",
    );
    let got = 0;
    await new Promise<void>((resolve) =>
      cat.child.stdout.on("data", (chunk: Buffer) => {
        got += chunk.length;
        if (got === HALF.length) resolve();
      }),
    );
    await kill(agent);
    const { code, stderr } = await cat.done;
    expect({ code, stderr }).toEqual({ code: 1, stderr: "rwcat: receiving: connection reset\n" });
  });
});
