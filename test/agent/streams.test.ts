// Forwards and published ports: bytes, half-closes, resets and backpressure go through the agent as through a cable.

import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { beforeAll, describe, expect, test } from "vitest";
import { start } from "../native/rwcat-process.ts";
import { noCompiler, titled } from "../native/toolchain.ts";
import { KiB, MiB, pattern, sha256 } from "../support/bytes.ts";
import { heldForAll } from "../support/held.ts";
import { startMonitor, streamsAre, type TestMonitor } from "../support/monitor.ts";
import {
  clientPorts,
  freePort,
  howItEnds,
  readAll,
  type TestServer,
  tcpClient,
  tcpServer,
} from "../support/tcp.ts";
import { standsStill, until } from "../support/wait.ts";
import { type Agent, attachedAgent, BUILD_MS, buildAgent, missing } from "./agent.ts";

const noPython: string | undefined = missing("python3");

const POLICY = `version: 1
connect: [{ allow: 127.0.0.0/8 }]
listen:
  - { id: no-8000, deny: 127.0.0.0/8, ports: 8000 }
  - { allow: 127.0.0.0/8, ports: [0, 1024-65535] }
limits: { regionBytes: 64MiB }
`;

/** Resident memory of a process, in KiB. */
const residentKiB = (pid: number): number =>
  Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))![1]);

describe.skipIf(noCompiler !== undefined)(titled("streams of the agent", noCompiler), () => {
  let host: TestMonitor;
  let program: string;

  const hold = heldForAll();
  beforeAll(async () => {
    program = buildAgent();
    host = hold(await startMonitor(POLICY));
  }, BUILD_MS);

  interface Cable extends AsyncDisposable {
    readonly agent: Agent;
    readonly server: TestServer;
    /** Connects the near end; both ends. */
    ends(): Promise<{ near: Socket; far: Socket }>;
  }

  /** --forward: near is a program in the guest, far a server of the host's. */
  async function forward(onConnection: (socket: Socket) => void = () => {}): Promise<Cable> {
    const server = await tcpServer(onConnection);
    const agent = await attachedAgent(program, host.path, ["--forward", `0:127.0.0.1:${server.port}`]);
    return cable(agent, server, agent.forwards[0]!);
  }

  /** --publish: near is a client of the host's, far a server in the guest. */
  async function publish(onConnection: (socket: Socket) => void = () => {}): Promise<Cable> {
    const server = await tcpServer(onConnection);
    const agent = await attachedAgent(program, host.path, ["--publish", `0:${server.port}`]);
    const [, port] = await agent.said(/publish: the host's \S+:(\d+) to/);
    return cable(agent, server, Number(port));
  }

  function cable(agent: Agent, server: TestServer, port: number): Cable {
    return {
      agent,
      server,
      async ends() {
        const at = server.sockets.length;
        const near = await tcpClient(port);
        return { near, far: await until("the far end", () => server.sockets[at]) };
      },
      async [Symbol.asyncDispose]() {
        await agent[Symbol.asyncDispose]();
        await server[Symbol.asyncDispose]();
      },
    };
  }

  const standstill = (): Promise<unknown> =>
    standsStill("everything", () => {
      const { bytesToHost, bytesToGuest } = host.monitor.counters();
      return [bytesToHost, bytesToGuest];
    });

  describe.each([
    ["--forward", forward],
    ["--publish", publish],
  ] as const)("%s", (_kind, laid) => {
    test("16 MiB each way at once", async () => {
      await using cable = await laid();
      const { near, far } = await cable.ends();
      const out = pattern(16 * MiB, 1);
      const back = pattern(16 * MiB, 2);
      const received = [readAll(near), readAll(far)];
      near.end(out);
      far.end(back);
      expect((await Promise.all(received)).map((bytes) => sha256(bytes))).toEqual([
        sha256(back),
        sha256(out),
      ]);
    });

    test.each(["near", "far"] as const)(
      "the %s end ends, and still gets what the other says",
      async (first) => {
        await using cable = await laid();
        const ends = await cable.ends();
        const [one, other] = first === "near" ? [ends.near, ends.far] : [ends.far, ends.near];
        const heard = readAll(other);
        one.end("question");
        expect((await heard).toString()).toBe("question");
        const answer = readAll(one);
        other.write(pattern(3 * MiB));
        other.end();
        expect(sha256(await answer)).toBe(sha256(pattern(3 * MiB)));
      },
    );

    test.each(["near", "far"] as const)("the %s end resets, and the other hears of it", async (first) => {
      await using cable = await laid();
      const ends = await cable.ends();
      const [one, other] = first === "near" ? [ends.near, ends.far] : [ends.far, ends.near];
      one.write("some");
      await once(other, "data");
      const how = howItEnds(other);
      one.resetAndDestroy();
      expect(await how).toBe("ECONNRESET");
    });

    test.each(["near", "far"] as const)(
      "the %s end never reads: what it keeps waiting is bounded",
      async (slow) => {
        await using cable = await laid((far) => far.pause());
        const ends = await cable.ends();
        const [writer, reader] = slow === "far" ? [ends.near, ends.far] : [ends.far, ends.near];
        reader.pause();
        const before = residentKiB(cable.agent.pid);
        const total = 64 * MiB;
        const bytes = pattern(total, 3);
        writer.end(bytes);
        await standstill();
        // Socket buffers of the kernel, twice, and a ring.
        expect(reader.bytesRead).toBeLessThan(32 * MiB);
        expect(residentKiB(cable.agent.pid) - before).toBeLessThan(8 * KiB);
        const all = await readAll(reader, 20_000);
        expect(sha256(all)).toBe(sha256(bytes));
      },
    );
  });

  test("a reset goes through also where nobody reads", async () => {
    await using cable = await forward((far) => far.pause());
    const { near, far } = await cable.ends();
    near.write(pattern(16 * MiB));
    await standstill();
    const { localPort, remotePort } = far;
    expect(clientPorts(remotePort!)).toContain(localPort);
    near.resetAndDestroy();
    // Its kernel hears of it all the same, and forgets the connection; after a FIN it would wait for this end's.
    await until("the far end to be reset", () => !clientPorts(remotePort!).includes(localPort!));
  });

  test("a reset goes through also after the end", async () => {
    await using cable = await forward();
    const { near, far } = await cable.ends();
    const { localPort, remotePort } = near;
    far.end("all");
    expect((await readAll(near)).toString()).toBe("all");
    expect(clientPorts(remotePort!)).toContain(localPort);
    far.resetAndDestroy();
    await until("the near end to be reset", () => !clientPorts(remotePort!).includes(localPort!));
    await streamsAre(host.monitor, 0);
  });

  // Sent while the agent stands still, so that it finds all of it at once, and hears of it once.
  const URGENT = `
import os, signal, socket, sys
port, pid = int(sys.argv[1]), int(sys.argv[2])
os.kill(pid, signal.SIGSTOP)
wire = socket.create_connection(("127.0.0.1", port))
wire.send(b"before")
wire.send(b"!", socket.MSG_OOB)
wire.send(b"behind")
os.kill(pid, signal.SIGCONT)
wire.settimeout(10)
got = b""
while len(got) < 12: got += wire.recv(100)
print(got.decode())
`;
  test.skipIf(noPython !== undefined)(
    titled("bytes behind an urgent mark go through as well", noPython),
    async () => {
      await using cable = await forward((far) => void far.pipe(far));
      const args = ["-c", URGENT, String(cable.agent.forwards[0]!), String(cable.agent.pid)];
      const { code, stdout, stderr } = await start("python3", args, "").done;
      expect({ code, stdout: stdout.toString(), stderr }).toEqual({
        code: 0,
        stdout: "beforebehind\n",
        stderr: "",
      });
    },
  );

  test("a thousand at once, each with bytes of its own", async () => {
    const STREAMS = 1000;
    await using cable = await forward((far) => void far.pipe(far));
    const opened = host.monitor.counters().streamsOpened;
    const sockets = await Promise.all(
      Array.from({ length: STREAMS }, () => tcpClient(cable.agent.forwards[0]!)),
    );
    await until("all of them on the host", () => cable.server.sockets.length === STREAMS, 15_000);
    expect(host.monitor.counters().streamsOpened - opened).toBe(STREAMS);
    const answers = await Promise.all(
      sockets.map((socket, i) => {
        const answer = readAll(socket, 20_000);
        socket.end(pattern(20 * KiB, i + 1));
        return answer;
      }),
    );
    const wrong = answers.filter((answer, i) => sha256(answer) !== sha256(pattern(20 * KiB, i + 1)));
    expect(wrong.length).toBe(0);
    await streamsAre(host.monitor, 0);
  }, 60_000);

  test("thirty at once in a region of a megabyte: their rings are as small as need be", async () => {
    await using small = await startMonitor(
      `version: 1\nconnect: [{ allow: 127.0.0.0/8 }]\nlimits: { regionBytes: 1MiB }\n`,
    );
    await using server = await tcpServer((far) => void far.pipe(far));
    await using agent = await attachedAgent(program, small.path, ["--forward", `0:127.0.0.1:${server.port}`]);
    const sockets = await Promise.all(Array.from({ length: 30 }, () => tcpClient(agent.forwards[0]!)));
    await until("all of them on the host", () => server.sockets.length === 30);
    const answers = sockets.map((socket, i) => {
      const answer = readAll(socket);
      socket.end(pattern(100 * KiB, i + 1));
      return answer;
    });
    expect((await Promise.all(answers)).map((bytes) => sha256(bytes))).toEqual(
      sockets.map((_, i) => sha256(pattern(100 * KiB, i + 1))),
    );
  });

  test("more programs than connections wait for their turn", async () => {
    await using server = await tcpServer((socket) => void socket.end("hello"));
    await using agent = await attachedAgent(program, host.path, [
      "--streams",
      "4",
      "--forward",
      `0:127.0.0.1:${server.port}`,
    ]);
    const greetings = await Promise.all(
      Array.from({ length: 40 }, async () => {
        const socket = await tcpClient(agent.forwards[0]!);
        const greeting = readAll(socket);
        socket.end();
        return (await greeting).toString();
      }),
    );
    expect(greetings).toEqual(Array(40).fill("hello"));
  });

  test("published: two hundred clients, more than are posted ahead", async () => {
    await using cable = await publish((far) => void far.pipe(far));
    const [, port] = await cable.agent.said(/publish: the host's \S+:(\d+) to/);
    const answers = await Promise.all(
      Array.from({ length: 200 }, async (_, i) => {
        const socket = await tcpClient(Number(port));
        const answer = readAll(socket);
        socket.end(`client ${i}`);
        return (await answer).toString();
      }),
    );
    expect(answers).toEqual(Array.from({ length: 200 }, (_, i) => `client ${i}`));
  });

  test("published: what is posted leaves room for others", async () => {
    await using server = await tcpServer((socket) => void socket.end("hello"));
    await using agent = await attachedAgent(program, host.path, [
      "--streams",
      "2",
      "--publish",
      `0:${server.port}`,
      "--forward",
      `0:127.0.0.1:${server.port}`,
    ]);
    const [, port] = await agent.said(/publish: the host's \S+:(\d+) to/);
    for (const at of [Number(port), agent.forwards[0]!, Number(port), agent.forwards[0]!]) {
      const socket = await tcpClient(at);
      expect((await readAll(socket)).toString()).toBe("hello");
      socket.destroy();
    }
  });

  test("published: a host without streams to spare is asked now and then, until it has one", async () => {
    await using few = await startMonitor(
      "version: 1\nlisten: [{ allow: 127.0.0.0/8, ports: [0, 1024-65535] }]\nlimits: { streams: 4 }\n",
    );
    await using server = await tcpServer((socket) => {
      socket.write("hello");
      socket.on("end", () => socket.end()).resume();
    });
    await using agent = await attachedAgent(program, few.path, ["--publish", `0:${server.port}`]);
    const [, port] = await agent.said(/publish: the host's \S+:(\d+) to/);
    const held: Socket[] = [];
    for (let i = 0; i < 3; i++) {
      const socket = await tcpClient(Number(port));
      expect((await once(socket, "data")).toString()).toBe("hello");
      held.push(socket);
    }
    const late = await tcpClient(Number(port));
    const greeting = once(late, "data");
    const refused = few.monitor.counters().quotaStreams;
    await new Promise((resolve) => setTimeout(resolve, 1000));
    expect(few.monitor.counters().quotaStreams - refused).toBeLessThan(20);
    held[0]!.destroy();
    expect((await greeting).toString()).toBe("hello");
    for (const socket of [late, ...held]) socket.destroy();
  });

  test("published: a port of the guest on which nobody listens is a reset", async () => {
    await using agent = await attachedAgent(program, host.path, ["--publish", `0:${await freePort()}`]);
    const [, port] = await agent.said(/publish: the host's \S+:(\d+) to/);
    expect(await howItEnds(connect(Number(port), "127.0.0.1"))).toBe("ECONNRESET");
  });

  test("published: a server on ::1 alone is reached, on 127.0.0.1 alone, and of both the latter", async () => {
    const port = await freePort();
    await using agent = await attachedAgent(program, host.path, ["--publish", `0:${port}`]);
    const published = Number((await agent.said(/publish: the host's \S+:(\d+) to/))[1]);
    const serve = async (at: string): Promise<Server> => {
      const server = createServer((socket) => void socket.on("error", () => {}).end(at)).listen(port, at);
      await once(server, "listening");
      return server;
    };
    const clients = (count: number): Promise<string[]> =>
      Promise.all(
        Array.from({ length: count }, async () => String(await readAll(await tcpClient(published)))),
      );

    const six = await serve("::1");
    expect(await clients(1)).toEqual(["::1"]);
    expect(new Set(await clients(50))).toEqual(new Set(["::1"]));
    const four = await serve("127.0.0.1");
    expect(await clients(1)).toEqual(["127.0.0.1"]);
    six.close();
    expect(await clients(1)).toEqual(["127.0.0.1"]);
    four.close();
    expect(await howItEnds(connect(published, "127.0.0.1"))).toBe("ECONNRESET");
  });

  test("published: says which rule refused", async () => {
    await using agent = await attachedAgent(program, host.path, ["--publish", "8000:80"]);
    const [line] = await agent.said(/publish 127\.0\.0\.1:8000 .*\n/);
    expect(line).toMatch(
      /^publish 127\.0\.0\.1:8000 to 80: Permission denied: .+ is denied by rule "no-8000" \(\S+\): trying again\n$/,
    );
  });

  test("published: waits for a port that is in use", async () => {
    await using server = await tcpServer((socket) => void socket.end("here"));
    const other = await tcpServer();
    await using agent = await attachedAgent(program, host.path, [
      "--publish",
      `${other.port}:${server.port}`,
    ]);
    await agent.said(
      new RegExp(`publish 127.0.0.1:${other.port} .*: Address already in use: trying again\n`),
    );
    await other[Symbol.asyncDispose]();
    await agent.said(new RegExp(`publish: the host's 127.0.0.1:${other.port} to`));
    expect((await readAll(await tcpClient(other.port))).toString()).toBe("here");
  });

  test("forward: who is refused is reset, and the log says why", async () => {
    const port = await freePort();
    await using agent = await attachedAgent(program, host.path, [
      "--forward",
      `0:127.0.0.1:${port}`,
      "--forward",
      "0:10.1.2.3:80",
    ]);
    for (const [forward, why] of [
      [agent.forwards[0]!, `127.0.0.1:${port}: Connection refused`],
      [agent.forwards[1]!, "10.1.2.3:80: Permission denied"],
    ] as const) {
      expect(await howItEnds(connect(forward, "127.0.0.1"))).toBe("ECONNRESET");
      await agent.said(new RegExp(`forward to ${why}`));
    }
  });
});
