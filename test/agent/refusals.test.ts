// A refusal that people see: in what curl, wget and Python show, in Proxy-Status (RFC 9209), and in the agent's log.

import { beforeAll, describe, expect, test } from "vitest";
import { start } from "../native/rwcat-process.ts";
import { noCompiler, titled } from "../native/toolchain.ts";
import { heldForAll } from "../support/held.ts";
import { startMonitor, type TestMonitor } from "../support/monitor.ts";
import { freePort, silentServer, tcpServer } from "../support/tcp.ts";
import { until } from "../support/wait.ts";
import { type Agent, attachedAgent, BUILD_MS, buildAgent, curl, missing, startAgent, Wire } from "./agent.ts";

const noCurl = missing("curl");
const noPython = missing("python3");
const noWget = missing("wget");

const POLICY = `version: 1
connect:
  - { id: no-web, deny: 127.0.0.0/8, ports: 81 }
  - { id: local, allow: 127.0.0.0/8 }
  - { id: by-name, allow: "*.test" }
timeouts: { connectMs: 300 }
`;
const NO_WEB = `127.0.0.1:81: Permission denied: connecting to 127.0.0.1:81 is denied by rule "no-web" (127.0.0.0/8)`;

describe.skipIf(noCompiler !== undefined)(titled("a refusal", noCompiler), () => {
  let program: string;
  let host: TestMonitor;
  let agent: Agent;

  const hold = heldForAll();
  beforeAll(async () => {
    program = buildAgent();
    host = hold(
      await startMonitor(POLICY, {
        lookup: async (name) => {
          if (name === "private.test") return ["10.0.0.1"];
          throw Object.assign(new Error(name), { code: name === "broken.test" ? "ESERVFAIL" : "ENOTFOUND" });
        },
      }),
    );
    agent = hold(await attachedAgent(program, host.path));
  }, BUILD_MS);

  /** The head of the answer: its line and its Proxy-Status; and the body. */
  async function told(
    head: string,
    port = agent.http,
  ): Promise<{ line: string; proxy: string; body: string }> {
    using wire = await Wire.open(port);
    wire.socket.write(Buffer.from(`${head} HTTP/1.1\r\nHost: x\r\n\r\n`, "latin1"));
    const text = (await wire.rest()).bytes.toString("latin1");
    return {
      line: text.slice(0, text.indexOf("\r\n")),
      proxy: /^Proxy-Status: (.*)\r$/m.exec(text)?.[1] ?? "",
      body: text.slice(text.indexOf("\r\n\r\n") + 4),
    };
  }

  test.each([
    ["of a rule", "127.0.0.1:81", "403 Forbidden", "http_request_denied", 'rule "no-web"'],
    ["of no rule", "example.com:80", "403 Forbidden", "http_request_denied", "rule default"],
    [
      "of an address that is not public",
      "private.test:80",
      "403 Forbidden",
      "destination_ip_prohibited",
      "rule not-public",
    ],
    [
      "of a name that does not exist",
      "none.test:80",
      "502 Bad Gateway",
      "dns_error",
      "none.test:80: none.test: the name does not exist",
    ],
    [
      "of a name that no server answers for",
      "broken.test:80",
      "502 Bad Gateway",
      "dns_error",
      "could not be resolved",
    ],
    ["of what is no name", "a..test:80", "400 Bad Request", "http_request_error", "a..test"],
    [
      "of a port where nobody listens",
      "127.0.0.1:NOBODY",
      "502 Bad Gateway",
      "connection_refused",
      "Connection refused",
    ],
    [
      "of a server that does not answer",
      "127.0.0.1:SILENT",
      "504 Gateway Timeout",
      "connection_timeout",
      "did not answer",
    ],
  ])(
    "%s says so in the reason phrase, in Proxy-Status and in the body",
    async (_what, where, line, type, words) => {
      using silent = silentServer();
      const to = where.replace("NOBODY", String(await freePort())).replace("SILENT", String(silent.port));
      for (const request of [`CONNECT ${to}`, `GET http://${to}/`]) {
        const answer = await told(request);
        const sentence = answer.body.trimEnd();
        expect(sentence).toContain(words);
        expect(answer.line).toBe(`HTTP/1.1 ${line}: ${sentence}`);
        const details = sentence.replaceAll(/["\\]/g, "\\$&");
        expect(answer.proxy).toBe(`ringway; error=${type}; details="${details}"`);
      }
    },
  );

  test("where no monitor is attached is a destination that is unavailable", async () => {
    await using alone = await startAgent(program, ["--socket", "/nonexistent.sock"], ["--hold-ms", "0"]);
    expect(await told("CONNECT 127.0.0.1:80", alone.http)).toMatchObject({
      line: "HTTP/1.1 503 Service Unavailable: 127.0.0.1:80: Network is down: no monitor is attached",
      proxy:
        'ringway; error=destination_unavailable; details="127.0.0.1:80: Network is down: no monitor is attached"',
    });
  });

  test("of a malformed request has both as well", async () => {
    const { line, proxy } = await told("GET /");
    expect(line).toMatch(/^HTTP\/1\.1 400 Bad Request: This is a proxy: CONNECT host:port, or /);
    expect(proxy).toMatch(/^ringway; error=http_request_error; details="This is a proxy: .*"$/);
  });

  test("has no byte in its head that is not plain, and is cut off there, whatever the program asked for", async () => {
    const name = `\xc3\xbc"\\${"\xc3\xbc".repeat(20)}.${"a".repeat(60)}.${"b".repeat(60)}.test`;
    const { line, proxy, body } = await told(`CONNECT ${name}:443`);
    expect(body).toContain(`${name}:443: `);
    expect(line).toMatch(/^HTTP\/1\.1 400 Bad Request: \?"\\\?{20}\.a+\.b+\.test:443: [ -~]*\.\.\.$/);
    expect(line.length).toBeLessThan(300);
    expect(proxy).toMatch(
      /^ringway; error=http_request_error; details="\?\\"\\\\\?{20}\.a+\.b+\.test:443: [ -~]*\.\.\."$/,
    );
  });

  test("that the policy keeps for itself tells no rule", async () => {
    await using quiet = await startMonitor(`${POLICY}refusals: hide\n`);
    await using other = await attachedAgent(program, quiet.path);
    expect((await told("CONNECT 127.0.0.1:81", other.http)).proxy).toBe(
      'ringway; error=http_request_denied; details="127.0.0.1:81: Permission denied"',
    );
  });

  test("of the server's own has no Proxy-Status of ours, and its own Proxy-Status stays as it is", async () => {
    const answers = ["", "Proxy-Status: cdn; error=http_request_denied\r\n"].map(
      (header) => `HTTP/1.1 403 Forbidden\r\n${header}Content-Length: 0\r\nConnection: close\r\n\r\n`,
    );
    for (const answer of answers) {
      await using server = await tcpServer((socket) => void socket.once("data", () => socket.end(answer)));
      using wire = await Wire.open(agent.http);
      wire.socket.write(`GET http://127.0.0.1:${server.port}/ HTTP/1.1\r\n\r\n`);
      expect((await wire.rest()).bytes.toString()).toBe(answer);
    }
  });

  describe.skipIf(noCurl !== undefined)(titled("curl", noCurl), () => {
    test("shows the reason with -v where it tunnels, and as the answer where it does not", async () => {
      const tunnel = await curl("-v", "-p", "-x", `127.0.0.1:${agent.http}`, "http://127.0.0.1:81/");
      expect(tunnel.stderr).toContain(`< HTTP/1.1 403 Forbidden: ${NO_WEB}`);
      expect(tunnel.stderr).toMatch(/CONNECT tunnel failed, response 403/);
      const plain = await curl("-D", "-", "-x", `127.0.0.1:${agent.http}`, "http://127.0.0.1:81/");
      expect(plain.stdout.toString()).toMatch(/^Proxy-Status: ringway; error=http_request_denied; /m);
      expect(plain.stdout.toString()).toContain(`\r\n\r\n${NO_WEB}\n`);
    });

    test.each([
      ["SOCKS5", "socks", ["--socks5-hostname"], 97],
      ["HTTP", "http", ["-p", "-x"], 56],
    ] as const)(
      "by %s: the log has the rule, and which program asked",
      async (front, port, options, code) => {
        await using own = await attachedAgent(program, host.path); // the lines of a second are few
        const running = start(
          "curl",
          ["-sS", ...options, `127.0.0.1:${own[port]}`, "http://127.0.0.1:81/"],
          "",
        );
        const [line] = await own.said(new RegExp(`^.*${front} to .*\\(pid ${running.child.pid}\\).*$`, "m"));
        const sentence = NO_WEB.replace("127.0.0.1:81: ", "");
        expect(line).toBe(
          `ringway-agent: ${front} to 127.0.0.1:81, for curl (pid ${running.child.pid}): ${sentence}`,
        );
        expect((await running.done).code).toBe(code);
      },
    );
  });

  test.skipIf(noPython !== undefined)(
    titled("Python's urllib shows the reason of a tunnel", noPython),
    async () => {
      const script = `import urllib.request as u; u.urlopen("https://127.0.0.1:81/", timeout=10)`;
      const env = { https_proxy: `http://127.0.0.1:${agent.http}` };
      const { stderr } = await start("python3", ["-c", script], "", env).done;
      expect(stderr).toContain(`Tunnel connection failed: 403 Forbidden: ${NO_WEB}`);
    },
  );

  test.skipIf(noWget !== undefined)(titled("wget shows the reason", noWget), async () => {
    const env = { http_proxy: `http://127.0.0.1:${agent.http}/` };
    const { stderr } = await start("wget", ["-nv", "-t", "1", "-O", "-", "http://127.0.0.1:81/"], "", env)
      .done;
    expect(stderr).toContain(`ERROR 403: Forbidden: ${NO_WEB}`);
  });

  test("by SOCKS5 is told with the name that the program asked for, also over IPv6", async () => {
    await using six = await attachedAgent(program, host.path, ["--socks", "[::1]:0"]);
    using wire = await Wire.open(six.socks, "::1");
    const name = [...Buffer.from("private.test")];
    wire.socket.write(Uint8Array.of(5, 1, 0, 5, 1, 0, 3, name.length, ...name, 0, 80));
    expect((await wire.take(12))[3]).toBe(2);
    const [line] = await six.said(/^.*SOCKS5 to .*$/m);
    expect(line).toMatch(
      new RegExp(
        `SOCKS5 to private\\.test:80, for .+ \\(pid ${process.pid}\\): Permission denied: .* \\(rule not-public\\)$`,
      ),
    );
  });

  test("of a program that asks for ever is told a few times each second, and all are counted", async () => {
    const other = await attachedAgent(program, host.path);
    let asked = 0;
    const refused = async (): Promise<void> => {
      asked++;
      using wire = await Wire.open(other.socks);
      wire.socket.write(Uint8Array.of(5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1, 0, 81));
      expect((await wire.take(12))[3]).toBe(2);
    };
    await Promise.all(Array.from({ length: 100 }, refused));
    let said: RegExpExecArray | undefined;
    void other.said(/refusals? w(?:as|ere) not told\n/).then((line) => {
      said = line;
    });
    await until("a line that counts them", async () => {
      await refused();
      return said;
    });
    const { stderr } = await other.stop();
    await other[Symbol.asyncDispose]();
    const lines = stderr.match(/SOCKS5 to /g)!.length;
    const untold = [...stderr.matchAll(/(\d+) refusals? w(?:as|ere) not told/g)].reduce(
      (sum, [, n]) => sum + Number(n),
      0,
    );
    expect(untold).toBeGreaterThan(50);
    expect(lines).toBeLessThan(50);
    expect(lines + untold).toBeLessThanOrEqual(asked);
  });
});
