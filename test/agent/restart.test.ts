// The monitor stops, is killed, and starts again while the agent runs: connections of the old epoch are reset, new ones
// work.

import { existsSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { noCompiler, titled } from "../native/toolchain.ts";
import { MiB, pattern, sha256 } from "../support/bytes.ts";
import { FdSocket } from "../support/fd-tcp.ts";
import { type Place, place } from "../support/hypervisor.ts";
import { MonitorProgram, Program } from "../support/processes.ts";
import { echoServer, freePort, howItEnds, readAll, tcpClient, tcpServer } from "../support/tcp.ts";
import { temporaryFolder } from "../support/temporary.ts";
import { until } from "../support/wait.ts";
import { type Agent, attachedAgent, BUILD_MS, buildAgent, missing, startAgent, Wire } from "./agent.ts";

const POLICY = `version: 1
connect: [{ allow: 127.0.0.0/8 }]
listen: [{ allow: 127.0.0.0/8, ports: [0, 1024-65535] }]
`;

/** Between the monitor's socket and the guest's, what a hypervisor is to a doorbell; either may come and go. */
class Doorbell implements AsyncDisposable {
  readonly channel: string;
  readonly #servers: Server[];
  #host: Socket | undefined;
  #guest: Socket | undefined;

  /** `hangsUp`: the guest hears of it when its host goes, as on a virtio port. */
  constructor(doorbell: string, channel: string, hangsUp = true) {
    this.channel = channel;
    this.#servers = [
      createServer((socket) => {
        this.#host = socket;
        this.#join(socket, () => this.#guest);
        if (hangsUp) socket.on("close", () => this.#guest?.destroy());
      }).listen(doorbell),
      createServer((socket) => {
        this.#guest = socket;
        this.#join(socket, () => this.#host);
      }).listen(channel),
    ];
  }

  #join(socket: Socket, other: () => Socket | undefined): void {
    socket.on("error", () => {});
    socket.on("data", (bytes: Buffer) => other()?.write(bytes));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#host?.destroy();
    this.#guest?.destroy();
    await Promise.all(this.#servers.map((server) => new Promise((resolve) => server.close(resolve))));
  }
}

describe.skipIf(noCompiler !== undefined)(titled("the agent, when its monitor", noCompiler), () => {
  let program: string;
  let folder: string;
  let path: string;

  beforeAll(() => {
    program = buildAgent();
    folder = temporaryFolder("restart");
    path = join(folder, "attach.sock");
  }, BUILD_MS);

  const socksTo = (port: number): Buffer =>
    Buffer.from([5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1, port >> 8, port & 255]);

  /** Everything that the agent offers, once. */
  async function works(agent: Agent, published?: number): Promise<void> {
    await using server = await echoServer();
    using wire = await Wire.open(agent.socks);
    const bytes = pattern(MiB, server.port);
    wire.socket.end(Buffer.concat([socksTo(server.port), bytes]));
    const { bytes: all, how } = await wire.rest(10_000);
    expect({ how, sha: sha256(all.subarray(12)) }).toEqual({ how: "end", sha: sha256(bytes) });
    const { code, stdout } = await agent.tool(["rwcat", "127.0.0.1", String(server.port)], "through rwcat");
    expect({ code, text: stdout.toString() }).toEqual({ code: 0, text: "through rwcat" });
    if (published === undefined) return;
    const client = await tcpClient(published);
    const answer = readAll(client);
    client.end("published");
    expect((await answer).toString()).toBe("published");
  }

  /**
   * A transfer without end, and how it ends. Read by descriptor: where bytes and a RST come together, node:net may tell
   * of an end (libuv takes EPOLLHUP after a short read for one).
   */
  async function underWay(agent: Agent): Promise<{ ends(): Promise<string> }> {
    const server = await tcpServer((socket) => {
      const more = (): void => {
        while (!socket.destroyed && socket.write(pattern(65536)));
      };
      socket.on("drain", more).resume();
      more();
    });
    const wire = await FdSocket.connect(agent.socks);
    await wire.send(socksTo(server.port));
    await wire.readExactly(4 * MiB);
    return {
      async ends() {
        const { how } = await wire.hear(10_000);
        wire.close();
        await server[Symbol.asyncDispose]();
        return how;
      },
    };
  }

  test("is killed in mid-transfer, twice, and started again on the same socket", async () => {
    await using guestServer = await echoServer();
    await using agent = await startAgent(program, ["--socket", path], ["--publish", `0:${guestServer.port}`]);
    await agent.said(/No such file or directory: no monitor listens there: waiting\n/);
    for (let round = 0; round < 3; round++) {
      using monitor = await MonitorProgram.start(path, POLICY);
      await agent.said(new RegExp(`(attached, epoch \\d+\n[\\s\\S]*){${round + 1}}`));
      await agent.said(new RegExp(`(publish: the host's [\\s\\S]*){${round + 1}}`));
      await works(agent);
      const transfer = await underWay(agent);
      const cat = agent.startTool(["rwcat", "-v", "127.0.0.1", String(guestServer.port)]);
      await cat.said(/connected/);
      monitor.child.kill("SIGKILL");
      await monitor.exited;
      expect(await transfer.ends()).toBe("reset");
      expect(await cat.done).toMatchObject({ code: 1, stderr: expect.stringContaining("connection reset") });
      await agent.said(new RegExp(`(the monitor hung up: 2 connections reset\n[\\s\\S]*){${round + 1}}`));
    }
  }, 60_000);

  test("is gone: who comes meanwhile waits for it, but not for ever", async () => {
    const agent = await startAgent(program, ["--socket", path], ["--hold-ms", "500"]);
    await using _ = agent;
    using socks = await Wire.open(agent.socks);
    socks.socket.write(socksTo(80));
    using http = await Wire.open(agent.http);
    http.socket.write("GET http://127.0.0.1/ HTTP/1.1\r\n\r\n");
    expect([...(await socks.rest()).bytes]).toEqual([5, 0, 5, 3, 0, 1, 0, 0, 0, 0, 0, 0]);
    expect((await http.rest()).bytes.toString()).toMatch(
      /^HTTP\/1\.1 503 [\s\S]*\r\n\r\n127\.0\.0\.1: Network is down: no monitor is attached\n$/,
    );
    expect(await agent.tool(["rwcat", "127.0.0.1", "80"])).toMatchObject({
      code: 1,
      stderr: "rwcat: connect to 127.0.0.1:80: Network is down: no monitor is attached\n",
    });
  });

  test("starts while a program waits for it", async () => {
    await using server = await echoServer();
    await using agent = await startAgent(program, ["--socket", path], ["--hold-ms", "20000"]);
    using wire = await Wire.open(agent.socks);
    wire.socket.end(Buffer.concat([socksTo(server.port), Buffer.from("patient")]));
    await wire.take(2);
    using monitor = await MonitorProgram.start(path, POLICY);
    const { bytes } = await wire.rest(20_000);
    expect(bytes.subarray(10).toString()).toBe("patient");
    monitor.child.kill("SIGKILL");
  });

  test("stops in good order: what is under way is finished", async () => {
    using monitor = await MonitorProgram.start(path, POLICY);
    let peer: Socket | undefined;
    await using server = await tcpServer((socket) => {
      peer ??= socket;
    });
    await using agent = await attachedAgent(program, path);
    using wire = await Wire.open(agent.socks);
    wire.socket.write(socksTo(server.port));
    await wire.take(12);
    await until("the connection", () => peer);
    // All the time that a busy machine needs: nothing is cut off.
    monitor.child.stdin!.write("close 20000\n");
    // New ones are refused while it drains.
    await until("a refusal", async () => {
      using late = await Wire.open(agent.socks);
      late.socket.write(socksTo(server.port));
      return (await late.take(12))[3] !== 0;
    });
    peer!.end(pattern(MiB, 8));
    wire.socket.end();
    expect(sha256((await wire.rest()).bytes)).toBe(sha256(pattern(MiB, 8)));
    peer!.resume();
    expect((await monitor.exit()).code).toBe(0);
  });

  test("lives on when the agent is told to stop: SIGTERM resets what is under way and exits 0", async () => {
    using monitor = await MonitorProgram.start(path, POLICY);
    await using agent = await attachedAgent(program, path);
    await using server = await tcpServer();
    using near = await Wire.open(agent.socks);
    near.socket.write(socksTo(server.port));
    await near.take(12);
    const peer = await until("the connection", () => server.sockets[0]);
    const ends = Promise.all([howItEnds(peer), near.rest().then(({ how }) => how)]);
    const { code, stderr } = await agent.stop();
    expect({ code, stderr: /Sanitizer/.test(stderr) }).toEqual({ code: 0, stderr: false });
    expect(await ends).toEqual(["ECONNRESET", "ECONNRESET"]);
    await until(
      "the guest to be gone",
      async () => (await monitor.ask<{ guests: number }>("counters")).guests === 0,
    );
    await using again = await attachedAgent(program, path);
    await works(again);
  });

  describe("serves a virtual machine", () => {
    /** Kills it in mid-transfer and starts the next, again and again. */
    async function survives(agent: Agent, spot: Place, published: number): Promise<void> {
      const monitors: MonitorProgram[] = [];
      try {
        for (let round = 1; round <= 3; round++) {
          const socket = join(folder, `vm-${round}.sock`);
          const transfer = monitors.length === 0 ? undefined : await underWay(agent);
          monitors.at(-1)?.child.kill("SIGKILL");
          await monitors.at(-1)?.exited;
          monitors.push(await MonitorProgram.start(socket, POLICY, { options: { vms: [spot.vm] } }));
          if (transfer !== undefined) expect(await transfer.ends()).toBe("reset");
          await agent.said(
            new RegExp(`(attached, epoch \\d+\n[\\s\\S]*publish: the host's [\\s\\S]*){${round}}`),
          );
          await works(agent, published);
        }
      } finally {
        for (const monitor of monitors) monitor[Symbol.dispose]();
      }
    }

    test("over a channel that hangs up", async () => {
      using spot = place("vm", 64 * MiB);
      await using bell = new Doorbell(spot.doorbell, join(folder, "channel.sock"));
      await using guestServer = await echoServer();
      const published = await freePort();
      await using agent = await startAgent(
        program,
        ["--memory", spot.memory, "--channel", bell.channel],
        ["--publish", `${published}:${guestServer.port}`],
      );
      await agent.said(/: waiting\n/);
      await survives(agent, spot, published);
    }, 60_000);

    const noSocat = missing("socat");
    test.skipIf(noSocat !== undefined)(
      titled("over a serial line", noSocat),
      async () => {
        using spot = place("vm", 64 * MiB);
        await using bell = new Doorbell(spot.doorbell, join(folder, "line.sock"), false);
        const tty = join(folder, "ttyS1");
        using line = new Program("socat", [`PTY,link=${tty},wait-slave`, `UNIX-CONNECT:${bell.channel}`]);
        await until("the line", () => existsSync(tty));
        await using guestServer = await echoServer();
        const published = await freePort();
        await using agent = await startAgent(
          program,
          ["--memory", spot.memory, "--tty", tty],
          ["--publish", `${published}:${guestServer.port}`],
        );
        await survives(agent, spot, published);
        expect(line.child.exitCode).toBe(null);
      },
      60_000,
    );
  });
});
