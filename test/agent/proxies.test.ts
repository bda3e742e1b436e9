// The SOCKS5 and HTTP proxies: programs that know nothing of Ringway, and what they must be told.

import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { start } from "../native/rwcat-process.ts";
import { noCompiler, titled } from "../native/toolchain.ts";
import { MiB, pattern, sha256 } from "../support/bytes.ts";
import { startMonitor, streamsAre, type TestMonitor } from "../support/monitor.ts";
import { echoServer, freePort, silentServer, tcpServer } from "../support/tcp.ts";
import { until } from "../support/wait.ts";
import { type Agent, attachedAgent, BUILD_MS, buildAgent, curl, missing, Wire } from "./agent.ts";
import { origin } from "./origin.ts";

const BULK = pattern(16 * MiB);
const noCurl = missing("curl");
const noWget = missing("wget");

describe.skipIf(noCompiler !== undefined)(titled("the proxies of the agent", noCompiler), () => {
  let host: TestMonitor;
  let program: string;
  let agent: Agent;
  let web: Server;
  let webPort: number;
  const requests: IncomingMessage[] = [];

  beforeAll(async () => {
    program = buildAgent();
    host = await startMonitor(
      `version: 1
connect:
  - { id: no-web, deny: 127.0.0.0/8, ports: 81 }
  - { id: local, allow: [127.0.0.0/8, "::1/128"] }
  - { id: by-name, allow: "*.test" }
`,
      {
        lookup: async (name) => {
          if (name === "web.test") return ["127.0.0.1"];
          throw Object.assign(new Error(`no ${name}`), { code: "ENOTFOUND" });
        },
      },
    );
    agent = await attachedAgent(program, host.path, ["--handshake-ms", "3000"]);
    web = createServer((request, response) => {
      requests.push(request);
      if (request.method !== "POST") {
        response.end(BULK);
        return;
      }
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => response.end(sha256(...chunks)));
    }).listen(0, "127.0.0.1");
    await new Promise((resolve) => web.once("listening", resolve));
    webPort = (web.address() as AddressInfo).port;
  }, BUILD_MS);
  afterAll(async () => {
    web?.closeAllConnections();
    web?.close();
    await agent?.[Symbol.asyncDispose]();
    await host?.[Symbol.asyncDispose]();
  });

  describe.skipIf(noCurl !== undefined)(titled("curl", noCurl), () => {
    test.each([
      ["SOCKS5, a name that the host resolves", ["--socks5-hostname"], "socks", "web.test"],
      ["SOCKS5, with user and password", ["-U", "user:secret", "--socks5-hostname"], "socks", "web.test"],
      ["SOCKS5, an address", ["--socks5"], "socks", "127.0.0.1"],
      ["HTTP, CONNECT", ["-p", "-x"], "http", "web.test"],
      ["HTTP, a request in absolute form", ["-x"], "http", "web.test"],
    ] as const)("%s: 16 MiB", async (_what, options, proxy, name) => {
      const { code, stdout, stderr } = await curl(
        ...options,
        `127.0.0.1:${agent[proxy]}`,
        `http://${name}:${webPort}/bulk`,
      );
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      expect(sha256(stdout)).toBe(sha256(BULK));
      await streamsAre(host.monitor, 0);
    });

    test("posts 16 MiB", async () => {
      const { stdout } = await start(
        "curl",
        [
          "-sS",
          "-m",
          "20",
          "-x",
          `127.0.0.1:${agent.http}`,
          "--data-binary",
          "@-",
          `http://web.test:${webPort}/`,
        ],
        BULK,
      ).done;
      expect(stdout.toString()).toBe(sha256(BULK));
    });

    test("is told by whom and why it was refused, and the host's audit has it", async () => {
      const before = host.refusals.length;
      const { code, stdout } = await curl(
        "-w",
        "%{http_code}",
        "-x",
        `127.0.0.1:${agent.http}`,
        "http://127.0.0.1:81/",
      );
      expect(code).toBe(0);
      expect(stdout.toString()).toBe(
        `127.0.0.1:81: Permission denied: connecting to 127.0.0.1:81 is denied by rule "no-web" (127.0.0.0/8)\n403`,
      );
      await until("the audit", () => host.refusals.length > before);
      expect(host.refusals[before]).toMatchObject({ rule: "no-web", what: "127.0.0.1:81", errno: 13 });
      const tunnel = await curl("-p", "-x", `127.0.0.1:${agent.http}`, "http://127.0.0.1:81/");
      expect(tunnel.stderr).toMatch(/403/);
    });
  });

  test.skipIf(noWget !== undefined)(titled("wget, by http_proxy", noWget), async () => {
    const { code, stdout } = await start("wget", ["-q", "-O", "-", `http://web.test:${webPort}/bulk`], "", {
      http_proxy: `http://127.0.0.1:${agent.http}/`,
    }).done;
    expect(code).toBe(0);
    expect(sha256(stdout)).toBe(sha256(BULK));
  });

  test("both tell of a host that does not answer in time", async () => {
    await using hasty = await startMonitor(
      "version: 1\nconnect: [{ allow: 127.0.0.0/8 }]\ntimeouts: { connectMs: 200 }\n",
    );
    await using other = await attachedAgent(program, hasty.path);
    using silent = silentServer();
    using socks = await Wire.open(other.socks);
    using http = await Wire.open(other.http);
    const { port } = silent;
    socks.socket.write(Uint8Array.of(5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1, port >> 8, port & 255));
    http.socket.write(`CONNECT 127.0.0.1:${port} HTTP/1.1\r\n\r\n`);
    expect((await socks.take(12))[3]).toBe(6);
    expect((await http.rest()).bytes.toString()).toMatch(/^HTTP\/1\.1 504 Gateway Timeout: /);
  });

  describe("SOCKS5", () => {
    const GREETING = Uint8Array.of(5, 1, 0);
    const request = (type: number, address: readonly number[], port: number, command = 1): Uint8Array =>
      Uint8Array.of(5, command, 0, type, ...address, port >> 8, port & 255);
    const name = (text: string): number[] => [text.length, ...Buffer.from(text)];
    const LOOPBACK = [127, 0, 0, 1];

    test("says from where the host has connected", async () => {
      await using server = await echoServer();
      using wire = await Wire.open(agent.socks);
      wire.socket.write(GREETING);
      expect([...(await wire.take(2))]).toEqual([5, 0]);
      wire.socket.write(request(1, LOOPBACK, server.port));
      const reply = await wire.take(10);
      expect([...reply.subarray(0, 8)]).toEqual([5, 0, 0, 1, ...LOOPBACK]);
      expect(reply.readUInt16BE(8)).toBe(server.sockets[0]!.remotePort);
    });

    test("to an IPv6 address", async () => {
      await using server = await echoServer("::1");
      using wire = await Wire.open(agent.socks);
      wire.socket.write(Buffer.concat([GREETING, request(4, [...Array(15).fill(0), 1], server.port)]));
      const reply = (await wire.take(2 + 22)).subarray(2);
      expect([...reply.subarray(0, 4)]).toEqual([5, 0, 0, 4]);
      wire.socket.end("six");
      expect((await wire.rest()).bytes.toString()).toBe("six");
    });

    test("byte by byte", async () => {
      await using server = await echoServer();
      using wire = await Wire.open(agent.socks);
      const question = Buffer.from("slowly");
      await wire.dribble(Buffer.concat([GREETING, request(3, name("web.test"), server.port), question]));
      expect([...(await wire.take(2 + 4))]).toEqual([5, 0, 5, 0, 0, 1]);
      await wire.take(6);
      expect((await wire.take(question.length)).toString()).toBe("slowly");
    });

    test("all at once, with a megabyte of what comes after it, and the end", async () => {
      await using server = await echoServer();
      using wire = await Wire.open(agent.socks);
      const bytes = pattern(MiB, 9);
      wire.socket.write(Buffer.concat([GREETING, request(3, name("127.0.0.1"), server.port), bytes]));
      wire.socket.end();
      const { bytes: all, how } = await wire.rest(10_000);
      expect({ how, length: all.length }).toEqual({ how: "end", length: 12 + MiB });
      expect(sha256(all.subarray(12))).toBe(sha256(bytes));
    });

    test.each([
      ["what a rule denies", () => request(1, LOOPBACK, 81), 2],
      ["what no rule allows", () => request(3, name("example.com"), 443), 2],
      ["a name that does not exist", () => request(3, name("none.test"), 80), 4],
      ["a name that is none", () => request(3, name("a..test"), 80), 1],
      ["an empty name", () => request(3, [0], 80), 1],
      ["a name with a NUL", () => request(3, name("web\0test"), 80), 1],
      ["port 0", () => request(1, LOOPBACK, 0), 1],
      ["BIND", () => request(1, LOOPBACK, 80, 2), 7],
      ["an unknown kind of address", () => request(9, LOOPBACK, 80), 8],
      ["another version in the request", () => Uint8Array.of(4, 1, 0, 1, ...LOOPBACK, 0, 80), 1],
    ])("refuses %s", async (_what, bytes, reply) => {
      using wire = await Wire.open(agent.socks);
      wire.socket.write(Buffer.concat([GREETING, bytes()]));
      expect([...(await wire.take(12))]).toEqual([5, 0, 5, reply, 0, 1, 0, 0, 0, 0, 0, 0]);
      expect(await wire.rest()).toEqual({ bytes: Buffer.alloc(0), how: "end" });
    });

    test("says that nobody listens", async () => {
      using wire = await Wire.open(agent.socks);
      wire.socket.write(Buffer.concat([GREETING, request(1, LOOPBACK, await freePort())]));
      expect((await wire.take(12))[3]).toBe(5);
    });

    test.each([
      ["some", "user", "secret"],
      ["long ones", "u".repeat(255), "p".repeat(255)],
      ["empty ones", "", ""],
    ])("whoever insists on a user and a password is let in, with %s", async (_what, user, password) => {
      await using server = await echoServer();
      const insists = Uint8Array.of(5, 2, 1, 2);
      const who = Uint8Array.of(1, ...name(user), ...name(password));
      const asked = request(1, LOOPBACK, server.port);
      using slow = await Wire.open(agent.socks);
      slow.socket.write(insists);
      expect([...(await slow.take(2))]).toEqual([5, 2]);
      await slow.dribble(who);
      expect([...(await slow.take(2))]).toEqual([1, 0]);
      slow.socket.write(asked);
      expect((await slow.take(10))[1]).toBe(0);
      using hasty = await Wire.open(agent.socks);
      hasty.socket.end(Buffer.concat([insists, who, asked, Buffer.from("behind")]));
      const { bytes } = await hasty.rest();
      expect([...bytes.subarray(0, 6)]).toEqual([5, 2, 1, 0, 5, 0]);
      expect(bytes.subarray(-6).toString()).toBe("behind");
    });

    test("none is asked of whoever offers both, whatever the order", async () => {
      for (const methods of [
        [0, 2],
        [2, 0],
        [1, 2, 0],
      ]) {
        using wire = await Wire.open(agent.socks);
        wire.socket.write(Uint8Array.of(5, methods.length, ...methods));
        expect([...(await wire.take(2))]).toEqual([5, 0]);
      }
    });

    test.each([
      ["GSSAPI alone", [5, 1, 1], [5, 0xff]],
      ["no method at all", [5, 0], [5, 0xff]],
      ["another version of RFC 1929's", [5, 1, 2, 5, 1, 65, 1, 66], [5, 2, 1, 1]],
    ])("refuses %s", async (_what, said, answer) => {
      using wire = await Wire.open(agent.socks);
      wire.socket.write(Uint8Array.from(said));
      const { bytes, how } = await wire.rest();
      expect({ how, bytes: [...bytes] }).toEqual({ how: "end", bytes: answer });
    });

    test("resets who speaks something else", async () => {
      using wire = await Wire.open(agent.socks);
      wire.socket.write("GET / HTTP/1.1\r\n\r\n");
      expect(await wire.rest()).toEqual({ bytes: Buffer.alloc(0), how: "ECONNRESET" });
    });

    test("gives up on who says nothing, and on who stops in the middle", async () => {
      using silent = await Wire.open(agent.socks);
      using halfway = await Wire.open(agent.socks);
      using gone = await Wire.open(agent.socks);
      halfway.socket.write(GREETING);
      gone.socket.end(GREETING);
      expect((await gone.rest()).bytes.length).toBe(2);
      expect((await silent.rest(6000)).how).toBe("ECONNRESET");
      expect((await halfway.rest(6000)).how).toBe("ECONNRESET");
    });

    test("who gives up while the host connects leaves nothing behind", async () => {
      using silent = silentServer();
      using wire = await Wire.open(agent.socks);
      wire.socket.write(Buffer.concat([GREETING, request(1, LOOPBACK, silent.port)]));
      await streamsAre(host.monitor, 1);
      wire.socket.resetAndDestroy();
      await streamsAre(host.monitor, 0);
    });
  });

  describe("HTTP", () => {
    /** What the server gets of a request, up to its end. */
    async function forwarded(
      head: string,
      send: (wire: Wire, bytes: Buffer) => Promise<void> = async (wire, bytes) => {
        wire.socket.write(bytes);
      },
    ): Promise<string> {
      let got = "";
      await using server = await tcpServer((socket) => {
        socket.setEncoding("latin1").on("data", (text: string) => {
          got += text;
          if (got.includes("\r\n\r\nbody")) socket.end("HTTP/1.1 204 No Content\r\n\r\n");
        });
      });
      using wire = await Wire.open(agent.http);
      await send(wire, Buffer.from(head.replaceAll("PORT", String(server.port)), "latin1"));
      const { bytes } = await wire.rest();
      expect(bytes.toString()).toBe("HTTP/1.1 204 No Content\r\n\r\n");
      return got.replaceAll(String(server.port), "PORT");
    }
    const HEAD =
      "GET http://web.test:PORT/a%20b?c=d HTTP/1.1\r\nHost: elsewhere\r\nProxy-Connection: keep-alive\r\n" +
      "Proxy-Authorization: Basic x\r\nConnection: keep-alive\r\nKeep-Alive: 5\r\nAccept: */*\r\nContent-Length: 4\r\nX-Long:  a b \r\n\r\nbody";
    const FORWARDED =
      "GET /a%20b?c=d HTTP/1.1\r\nHost: web.test:PORT\r\nConnection: close\r\nAccept: */*\r\nContent-Length: 4\r\nX-Long:  a b \r\n\r\nbody";

    test("makes a request of absolute form one of origin form, without the headers of this hop", async () => {
      expect(await forwarded(HEAD)).toBe(FORWARDED);
    });

    test("byte by byte", async () => {
      expect(await forwarded(HEAD, (wire, bytes) => wire.dribble(bytes))).toBe(FORWARDED);
    });

    test.each([
      [
        "GET http://web.test:PORT HTTP/1.0\nContent-Length: 4\n\nbody",
        "GET / HTTP/1.0\r\nHost: web.test:PORT\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbody",
      ],
      [
        "GET http://web.test:PORT?q HTTP/1.1\r\nContent-Length: 4\r\n\r\nbody",
        "GET /?q HTTP/1.1\r\nHost: web.test:PORT\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbody",
      ],
      [
        "OPTIONS http://web.test:PORT HTTP/1.1\r\nContent-Length: 4\r\n\r\nbody",
        "OPTIONS * HTTP/1.1\r\nHost: web.test:PORT\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbody",
      ],
      [
        "GET http://web.test:PORT/ HTTP/1.1\r\nconnection: X-Hop,, x-other\r\nX-Hop: 1\r\nConnection: TE\r\nX-Other: 2\r\nX-Hops: 3\r\nContent-Length: 4\r\nContent-Length: 4\r\n\r\nbody",
        "GET / HTTP/1.1\r\nHost: web.test:PORT\r\nConnection: close\r\nX-Hops: 3\r\nContent-Length: 4\r\n\r\nbody",
      ],
    ])("%j", async (head, expected) => {
      expect(await forwarded(head)).toBe(expected);
    });

    test("a head that is larger than the ring", async () => {
      await using small = await startMonitor(
        `version: 1\nconnect: [{ allow: 127.0.0.0/8 }]\nlimits: { streamBytes: 4KiB }\n`,
      );
      await using narrow = await attachedAgent(program, small.path);
      const cookie = pattern(6000, 4).toString("hex");
      let got = "";
      await using server = await tcpServer((socket) => {
        socket.setEncoding("latin1").on("data", (text: string) => {
          got += text;
          if (got.endsWith("\r\n\r\n")) socket.end("HTTP/1.1 204 No Content\r\n\r\n");
        });
      });
      using wire = await Wire.open(narrow.http);
      wire.socket.write(`GET http://127.0.0.1:${server.port}/ HTTP/1.1\r\nCookie: ${cookie}\r\n\r\n`);
      await wire.rest();
      expect(got).toBe(
        `GET / HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\nConnection: close\r\nCookie: ${cookie}\r\n\r\n`,
      );
    });

    test("CONNECT to an IPv6 address, with data right behind it", async () => {
      await using server = await echoServer("::1");
      using wire = await Wire.open(agent.http);
      wire.socket.write(`CONNECT [::1]:${server.port} HTTP/1.1\r\nHost: x\r\n\r\nearly`);
      wire.socket.end();
      const { bytes, how } = await wire.rest();
      expect({ how, text: bytes.toString() }).toEqual({
        how: "end",
        text: "HTTP/1.1 200 Connection established\r\n\r\nearly",
      });
    });

    test.each<readonly [string, number]>([
      ["CONNECT 127.0.0.1:81 HTTP/1.1\r\n\r\n", 403],
      ["GET http://example.com/ HTTP/1.1\r\n\r\n", 403],
      ["CONNECT none.test:443 HTTP/1.1\r\n\r\n", 502],
      ["CONNECT a..test:443 HTTP/1.1\r\n\r\n", 400],
      ["CONNECT 127.0.0.1 HTTP/1.1\r\n\r\n", 400],
      ["CONNECT 127.0.0.1:0 HTTP/1.1\r\n\r\n", 400],
      ["CONNECT 127.0.0.1:65536 HTTP/1.1\r\n\r\n", 400],
      ["CONNECT [::1:80 HTTP/1.1\r\n\r\n", 400],
      ["CONNECT [::1]80 HTTP/1.1\r\n\r\n", 400],
      ["CONNECT  HTTP/1.1\r\n\r\n", 400],
      ["GET / HTTP/1.1\r\nHost: web.test\r\n\r\n", 400],
      ["GET https://web.test/ HTTP/1.1\r\n\r\n", 400],
      ["GET http://user@web.test/ HTTP/1.1\r\n\r\n", 400],
      ["GET http:// HTTP/1.1\r\n\r\n", 400],
      ["GET http://web.test/\r\n\r\n", 400],
      ["GET http://web.test/ HTTP/2.0\r\n\r\n", 505],
      ["GET http://web.test/ HTTP/1.2\r\n\r\n", 505],
      ["GET http://web.test/ HTTP/1.10\r\n\r\n", 400],
      ["GET http://web.test/ http/1.1\r\n\r\n", 400],
      ["G(T http://web.test/ HTTP/1.1\r\n\r\n", 400],
      ["\x16\x03\x01", 400],
      [`GET http://web.test/${"a".repeat(20_000)} HTTP/1.1\r\n\r\n`, 431],
      [`GET http://web.test/ HTTP/1.1\r\n${"A: b\r\n".repeat(4000)}`, 431],
    ])("answers %j with %i", async (head, status) => {
      using wire = await Wire.open(agent.http);
      wire.socket.write(Buffer.from(head, "latin1"));
      const { bytes, how } = await wire.rest();
      const [, code, length, body] =
        /^HTTP\/1\.1 (\d+) [^\r]+\r\n[\s\S]*Content-Length: (\d+)\r\n\r\n([\s\S]*)$/.exec(bytes.toString()) ??
        [];
      expect({ code, how, length: body?.length }).toEqual({
        code: String(status),
        how: "end",
        length: Number(length),
      });
      expect(body).toMatch(/^[^\n]+\n$/);
    });

    describe("one request for each connection", () => {
      const ANSWER = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
      const CHUNKS =
        '4\r\nbody\r\n00A;name="a;b" ; x\r\n\r\n0\r\n\r\nGET\r\n1 \t\r\n!\r\n000;last\r\nX-Sum: 1\r\nX-None:\r\n\r\n';

      const SECOND = "GET http://other.test/ HTTP/1.1\r\nAuthorization: secret\r\n\r\n";

      test.each([
        ["no body", "", ""],
        ["a length of 0", "Content-Length: 0\r\n", ""],
        ["a length", "Content-Length: 4\r\n", "body"],
        ["chunks", "Transfer-Encoding: Chunked\r\n", CHUNKS],
      ])("the next request after one with %s does not reach its server", async (_what, header, body) => {
        await using server = await origin((got) => got.endsWith(`\r\n\r\n${body}`), ANSWER);
        using wire = await Wire.open(agent.http);
        wire.socket.write(`POST http://web.test:${server.port}/ HTTP/1.1\r\n${header}\r\n${body}`);
        expect((await wire.take(ANSWER.length)).toString()).toBe(ANSWER);
        wire.socket.write(SECOND);
        expect((await wire.rest()).how).toBe("ECONNRESET");
        await server.over();
        expect(server.body).toBe(body);
        await streamsAre(host.monitor, 0);
      });

      test.each([
        ["no body", "", ""],
        ["a length", "Content-Length: 4\r\n", "body"],
        ["chunks", "Transfer-Encoding: chunked\r\n", CHUNKS],
      ])("nor does one in the same segment, after %s", async (_what, header, body) => {
        await using server = await origin(() => false, ANSWER);
        using wire = await Wire.open(agent.http);
        wire.socket.write(`POST http://web.test:${server.port}/ HTTP/1.1\r\n${header}\r\n${body}${SECOND}`);
        expect((await wire.rest()).how).toBe("ECONNRESET");
        await server.over();
        expect(server.body).toBe(body);
      });

      test("megabytes of a length arrive whole, what is behind them does not", async () => {
        const body = pattern(5 * MiB + 1, 7);
        await using server = await origin(() => false, ANSWER);
        using wire = await Wire.open(agent.http);
        wire.socket.write(
          `PUT http://web.test:${server.port}/ HTTP/1.1\r\nContent-Length: ${body.length}\r\n\r\n`,
        );
        wire.socket.write(Buffer.concat([body, Buffer.from(SECOND.repeat(1000))]));
        expect((await wire.rest(10_000)).how).toBe("ECONNRESET");
        await server.over();
        const got = Buffer.from(server.body, "latin1");
        expect(got.length).toBe(body.length);
        expect(sha256(got)).toBe(sha256(body));
      });

      test("chunks in chaotic pieces arrive as they are", async () => {
        const pieces: string[] = [];
        for (let i = 0; i < 400; i++) {
          const size = i % 7 === 0 ? 20_000 + i : (i * 37) % 50 || 1;
          const extension = i % 3 === 0 ? `;n${i}="${"v".repeat((i * 11) % 300)}"` : "";
          const data = pattern(size, i).toString("latin1");
          pieces.push(`${"0".repeat(i % 4)}${size.toString(16)}${extension}\r\n${data}\r\n`);
        }
        const body = Buffer.from(
          `${pieces.join("")}0\r\nX-Trailer: a\r\nX-Long: ${"t".repeat(9000)}\r\n\r\n`,
          "latin1",
        );
        await using server = await origin((got) => got.endsWith("ttt\r\n\r\n"), ANSWER);
        using wire = await Wire.open(agent.http);
        wire.socket.write(
          `POST http://web.test:${server.port}/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n`,
        );
        let seed = 1;
        for (let at = 0; at < body.length; ) {
          seed = (seed * 48_271) % 2_147_483_647;
          const bytes = seed % 5 === 0 ? (seed % 70_000) + 1 : (seed % 13) + 1;
          await new Promise((resolve) => wire.socket.write(body.subarray(at, at + bytes), resolve));
          at += bytes;
        }
        expect((await wire.take(ANSWER.length)).toString()).toBe(ANSWER);
        expect(sha256(Buffer.from(server.body, "latin1"))).toBe(sha256(body));
        wire.socket.end();
        expect((await wire.rest()).how).toBe("end");
      });

      test("chunks byte by byte", async () => {
        await using server = await origin((got) => got.endsWith("X-None:\r\n\r\n"), ANSWER);
        using wire = await Wire.open(agent.http);
        await wire.dribble(
          Buffer.from(
            `POST http://web.test:${server.port}/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n${CHUNKS}`,
          ),
        );
        expect((await wire.take(ANSWER.length)).toString()).toBe(ANSWER);
        expect(server.body).toBe(CHUNKS);
      });

      test("who waits gets an answer of many bytes whole, also late, and its end", async () => {
        const large = pattern(3 * MiB, 3);
        await using server = await tcpServer((socket) => {
          socket.once("data", () => {
            socket.write(large.subarray(0, MiB));
            setTimeout(() => socket.end(large.subarray(MiB)), 200);
          });
        });
        using wire = await Wire.open(agent.http);
        wire.socket.write(`GET http://web.test:${server.port}/ HTTP/1.1\r\n\r\n`);
        const { bytes, how } = await wire.rest(10_000);
        expect({ how, sum: sha256(bytes) }).toEqual({ how: "end", sum: sha256(large) });
        // The answer has ended: what is said now is for nobody, and takes nothing from it.
        wire.socket.write(SECOND);
        wire.socket.end();
        await streamsAre(host.monitor, 0);
      });

      test.skipIf(noCurl !== undefined)(titled("curl: -d, -T -, Expect", noCurl), async () => {
        const proxy = ["-sS", "-m", "20", "-x", `127.0.0.1:${agent.http}`];
        const url = `http://web.test:${webPort}/`;
        const post = async (args: readonly string[], input: Uint8Array): Promise<string> => {
          const { stdout, stderr } = await start("curl", [...proxy, ...args, url], input).done;
          expect(stderr).toBe("");
          return stdout.toString();
        };
        const small = Buffer.from("a=b");
        expect(await post(["-d", "a=b"], Buffer.alloc(0))).toBe(sha256(small));
        expect(await post(["-X", "POST", "-T", "-"], BULK)).toBe(sha256(BULK));
        expect(requests.at(-1)!.headers["transfer-encoding"]).toBe("chunked");
        expect(await post(["-H", "Expect: 100-continue", "-d", "a=b"], Buffer.alloc(0))).toBe(sha256(small));
        expect(requests.at(-1)!.headers.expect).toBe("100-continue");
        // Its pool: two requests, and each arrives.
        const { stdout } = await curl("-x", `127.0.0.1:${agent.http}`, "-d", "a=b", url, url);
        expect(stdout.toString()).toBe(sha256(small).repeat(2));
      });
    });

    test("says that nobody listens", async () => {
      const port = await freePort();
      using wire = await Wire.open(agent.http);
      wire.socket.write(`CONNECT 127.0.0.1:${port} HTTP/1.1\r\n\r\n`);
      expect((await wire.rest()).bytes.toString()).toMatch(
        new RegExp(`^HTTP/1.1 502 Bad Gateway: [\\s\\S]*\r\n\r\n127.0.0.1:${port}: Connection refused`),
      );
    });
  });
});
