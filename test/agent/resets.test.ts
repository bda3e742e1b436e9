// Who breaks a connection takes back nothing of what it has said: through the agent, too, its peer reads all of that
// and then finds ECONNRESET, whichever end breaks it. Each claim is made of a direct connection first, and ROUNDS times
// of one through the agent.

import { setLingerZero } from "@ringway/linux";
import { beforeAll, describe, expect, test } from "vitest";
import { noCompiler, titled } from "../native/toolchain.ts";
import { sha256 } from "../support/bytes.ts";
import {
  acknowledged,
  answerEarly,
  FdServer,
  FdSocket,
  type Heard,
  heardDirectly,
  REPLY,
  ROUNDS,
  UPLOAD,
} from "../support/fd-tcp.ts";
import { heldForAll } from "../support/held.ts";
import { startMonitor, streamsAre, type TestMonitor } from "../support/monitor.ts";
import { freePort } from "../support/tcp.ts";
import { until } from "../support/wait.ts";
import { type Agent, attachedAgent, BUILD_MS, buildAgent } from "./agent.ts";

const POLICY = `version: 1
connect: [{ allow: 127.0.0.0/8 }]
listen: [{ allow: 127.0.0.0/8, ports: [0, 1024-65535] }]
limits: { regionBytes: 64MiB }
`;

const summary = ({ bytes, how }: Heard): unknown => ({ bytes: bytes.length, sum: sha256(bytes), how });
const ALL_THEN_RESET = summary({ bytes: REPLY, how: "reset" });

describe.skipIf(noCompiler !== undefined)(
  titled("a connection through the agent that breaks", noCompiler),
  () => {
    let host: TestMonitor;
    let program: string;
    let agent: Agent;
    /** The agent's forward leads there, and its published port. */
    let forwarded: number;
    let served: number;
    let published: number;

    const hold = heldForAll();
    beforeAll(async () => {
      program = buildAgent();
      host = hold(await startMonitor(POLICY));
      forwarded = await freePort();
      served = await freePort();
      agent = hold(
        await attachedAgent(program, host.path, [
          ...["--forward", `0:127.0.0.1:${forwarded}`],
          ...["--publish", `0:${served}`],
        ]),
      );
      const [, port] = await agent.said(/publish: the host's \S+:(\d+) to/);
      published = Number(port);
    }, BUILD_MS);

    type Cable = () => Promise<{ server: FdServer; near: FdSocket; far: Promise<FdSocket> }>;

    async function laid(serverPort: number, clientPort?: number): Promise<Awaited<ReturnType<Cable>>> {
      const server = new FdServer(serverPort);
      return { server, near: await FdSocket.connect(clientPort ?? server.port), far: server.accept() };
    }
    const forward: Cable = () => laid(forwarded, agent.forwards[0]!);
    const publish: Cable = () => laid(served, published);

    /** Through one of the proxies: `ask` makes a connection to the agent one to this port. */
    async function proxied(
      at: number,
      ask: (near: FdSocket, port: number) => Promise<void>,
    ): ReturnType<Cable> {
      const server = new FdServer();
      const near = await FdSocket.connect(at);
      const far = server.accept();
      await ask(near, server.port);
      return { server, near, far };
    }
    const socks: Cable = () =>
      proxied(agent.socks, async (near, port) => {
        await near.send(Uint8Array.of(5, 1, 0));
        await near.readExactly(2);
        await near.send(Uint8Array.of(5, 1, 0, 1, 127, 0, 0, 1, port >> 8, port & 255));
        await near.readExactly(10);
      });
    const tunnel: Cable = () =>
      proxied(agent.http, async (near, port) => {
        await near.send(Buffer.from(`CONNECT 127.0.0.1:${port} HTTP/1.1\r\n\r\n`));
        await near.readExactly("HTTP/1.1 200 Connection established\r\n\r\n".length);
      });
    const http: Cable = () =>
      proxied(agent.http, async (near, port) => {
        const head = `POST http://127.0.0.1:${port}/ HTTP/1.1\r\nContent-Length: ${UPLOAD.length}\r\n\r\n`;
        await near.send(Buffer.from(head));
      });

    /** `one` uploads and then listens; `other` answers early. What the first heard. */
    async function heard(one: FdSocket, other: FdSocket): Promise<unknown> {
      const answered = answerEarly(other);
      await one.send(UPLOAD);
      const all = await one.hear();
      await answered;
      one.close();
      return summary(all);
    }

    test.each([
      ["--forward", forward],
      ["SOCKS5", socks],
      ["CONNECT", tunnel],
      ["HTTP", http],
      ["--publish", publish],
    ] as const)(
      "%s: a server that answers early and closes is heard in full, then ECONNRESET",
      async (_kind, lay) => {
        expect(summary(await heardDirectly())).toEqual(ALL_THEN_RESET);
        for (let i = 0; i < ROUNDS; i++) {
          const { server, near, far } = await lay();
          expect(await heard(near, await far)).toEqual(ALL_THEN_RESET);
          server[Symbol.dispose]();
        }
        await streamsAre(host.monitor, host.monitor.counters().streams);
      },
    );

    test.each([
      ["--forward", forward],
      ["SOCKS5", socks],
      ["CONNECT", tunnel],
      ["--publish", publish],
    ] as const)(
      "%s: a client that says something and closes is heard in full, then ECONNRESET",
      async (_kind, lay) => {
        for (let i = 0; i < ROUNDS; i++) {
          const { server, near, far } = await lay();
          expect(await heard(await far, near)).toEqual(ALL_THEN_RESET);
          server[Symbol.dispose]();
        }
      },
    );

    test.each([
      ["directly", () => laid(0)],
      ["--forward", forward],
      ["--publish", publish],
    ] as const)(
      "%s: a RST behind full buffers comes after all that was acknowledged to whoever broke it",
      async (_kind, lay) => {
        for (const breaks of ["far", "near"] as const) {
          const cable = await lay();
          const far = await cable.far;
          const [one, other] = breaks === "far" ? [far, cable.near] : [cable.near, far];
          const sent = await one.sendUntilFull();
          const taken = acknowledged(one, sent);
          setLingerZero(one.fd);
          one.close();
          const { bytes, how } = await other.hear();
          expect({ how, all: bytes.length >= taken, sum: sha256(bytes) }).toEqual({
            how: "reset",
            all: true,
            sum: sha256(sent.subarray(0, bytes.length)),
          });
          other.close();
          cable.server[Symbol.dispose]();
        }
      },
    );

    test("a program that writes on while it has not read: its writes fail as soon as it has, and it gets all", async () => {
      const { server, near, far } = await forward();
      const peer = await far;
      const answered = answerEarly(peer);
      // Nothing of it blocks, though nobody reads.
      for (let i = 0; i < 20; i++) if (!(await near.send(UPLOAD))) break;
      await answered;
      expect(summary(await near.hear())).toEqual(ALL_THEN_RESET);
      await until("its writes to fail", async () => !(await near.send(UPLOAD)));
      near.close();
      server[Symbol.dispose]();
    });

    test("rwcat writes all of the answer to its stdout, and exits 1", async () => {
      for (let i = 0; i < ROUNDS; i++) {
        using server = new FdServer();
        const answered = server.accept().then((socket) => answerEarly(socket));
        const { code, stdout, stderr } = await agent.tool(
          ["rwcat", "127.0.0.1", String(server.port)],
          UPLOAD,
        );
        await answered;
        expect({ code, stderr, bytes: stdout.length, sum: sha256(stdout) }).toEqual({
          code: 1,
          stderr: "rwcat: receiving: connection reset\n",
          bytes: REPLY.length,
          sum: sha256(REPLY),
        });
      }
    });
  },
);
