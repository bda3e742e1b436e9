// The table of docs/agent.md: real clients, each with the setting that the document names, through the agent to a
// server over TLS.

import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer as createPlain, type RequestListener } from "node:http";
import { createServer } from "node:https";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { start } from "../native/rwcat-process.ts";
import { noCompiler, ROOT, run, titled } from "../native/toolchain.ts";
import { startMonitor, type TestMonitor } from "../support/monitor.ts";
import { tcpServer } from "../support/tcp.ts";
import { temporaryFolder } from "../support/temporary.ts";
import { type Agent, attachedAgent, BUILD_MS, buildAgent, missing } from "./agent.ts";

const DOCUMENT = readFileSync(join(ROOT, "docs/agent.md"), "utf8");
const reason = noCompiler ?? missing("openssl");
const HELLO = "from the host\n";
const undici = createRequire(import.meta.url).resolve("undici");
const nodeKnowsProxies = Number.parseInt(process.versions.node, 10) >= 24;

/**
 * A client of the document's table. In its command, `{http}` is the proxy's port, `{url}` the server, `{plain}` that
 * without TLS.
 */
interface Client {
  /** As in the table. */
  readonly name: string;
  /** What of the setting the table has to name. */
  readonly setting: string;
  readonly command: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** What it prints. */
  readonly says: string;
  /** Without the two variables. */
  readonly bare?: boolean;
  readonly absent?: string | undefined;
}

const FETCH = "fetch(process.argv[1]).then((it) => it.text()).then((it) => process.stdout.write(it));";
const GET = `require("https").get(process.argv[1], (it) => it.pipe(process.stdout));`;
const variables = "the variables";

const CLIENTS: readonly Client[] = [
  { name: "curl", setting: variables, command: ["curl", "-sS", "{url}/hello"], says: HELLO },
  {
    name: "curl",
    setting: "`curl -x http://127.0.0.1:3128`",
    command: ["curl", "-x", "http://127.0.0.1:{http}", "-sS", "{url}/hello"],
    says: HELLO,
    bare: true,
  },
  {
    name: "wget",
    setting: variables,
    command: ["wget", "-q", "--ca-certificate={ca}", "-O", "-", "{url}/hello"],
    says: HELLO,
  },
  { name: "git", setting: variables, command: ["git", "ls-remote", "{url}/r.git"], says: "refs/heads/main" },
  {
    name: "git",
    setting: "`git config --global http.proxy http://127.0.0.1:3128`",
    command: ["git", "-c", "http.proxy=http://127.0.0.1:{http}", "ls-remote", "{url}/r.git"],
    says: "refs/heads/main",
    bare: true,
  },
  {
    name: "npm, pnpm",
    setting: variables,
    command: ["npm", "view", "thing", "version", "--registry={url}/npm/"],
    env: { npm_config_update_notifier: "false", npm_config_cafile: "{ca}" },
    says: "1.2.3",
  },
  {
    name: "pip",
    setting: variables,
    command: ["pip", "index", "versions", "--index-url={url}/simple", "thing"],
    says: "thing (1.2.3)",
  },
  {
    name: "Python: urllib, requests",
    setting: variables,
    command: [
      "python3",
      "-c",
      `import sys,urllib.request as r; print(r.urlopen(sys.argv[1]).read())`,
      "{url}/hello",
    ],
    says: "from the host",
  },
  {
    name: "Python: urllib, requests",
    setting: variables,
    command: ["python3", "-c", `import sys,requests as r; print(r.get(sys.argv[1]).text)`, "{url}/hello"],
    says: HELLO,
    absent: run("python3", ["-c", "import requests"]).status === 0 ? undefined : "no module requests",
  },
  {
    name: "apt",
    setting: '`Acquire::http::Proxy "http://127.0.0.1:3128";`',
    command: [
      "apt-get",
      ...["Acquire::http::Proxy=http://127.0.0.1:{http}", "Acquire::https::CaInfo={ca}"].flatMap((it) => [
        "-o",
        it,
      ]),
      ...["Dir::Etc::SourceList={folder}/sources.list", "Dir::Etc::SourceParts=-"].flatMap((it) => [
        "-o",
        it,
      ]),
      ...["Dir::State::Lists={folder}/lists", "Dir::Cache={folder}"].flatMap((it) => ["-o", it]),
      ...["APT::Sandbox::User=root", "Debug::NoLocking=1"].flatMap((it) => ["-o", it]),
      "update",
    ],
    says: "Packages",
    bare: true,
  },
  {
    name: "Node 24 and later: fetch, http, https",
    setting: "`NODE_USE_ENV_PROXY=1`",
    command: [process.execPath, "-e", FETCH, "{url}/hello"],
    env: { NODE_USE_ENV_PROXY: "1" },
    says: HELLO,
    absent: nodeKnowsProxies ? undefined : "this Node is older",
  },
  {
    name: "Node 24 and later: fetch, http, https",
    setting: "`NODE_USE_ENV_PROXY=1`",
    command: [process.execPath, "-e", GET, "{url}/hello"],
    env: { NODE_USE_ENV_PROXY: "1" },
    says: HELLO,
    absent: nodeKnowsProxies ? undefined : "this Node is older",
  },
  {
    name: "Node before 24: fetch",
    setting: "`setGlobalDispatcher(new EnvHttpProxyAgent())`",
    command: [
      process.execPath,
      "-e",
      `const { setGlobalDispatcher, EnvHttpProxyAgent, fetch } = require(${JSON.stringify(undici)});
      setGlobalDispatcher(new EnvHttpProxyAgent()); ${FETCH}`,
      "{url}/hello",
    ],
    says: HELLO,
  },
  {
    name: "Java",
    setting: "`JAVA_TOOL_OPTIONS=",
    command: ["java", "{folder}/Hello.java", "{plain}/hello"],
    env: { JAVA_TOOL_OPTIONS: "-Dhttp.proxyHost=127.0.0.1 -Dhttp.proxyPort={http}" },
    says: HELLO,
    bare: true,
  },
];

const JAVA = `public class Hello {
  public static void main(String[] to) throws Exception {
    System.out.print(new String(new java.net.URL(to[0]).openStream().readAllBytes()));
  }
}`;

/** What the server has at a path: a folder of git's, and one entry of each registry. */
function contentOf(path: string, folder: string): string | Buffer | undefined {
  if (path === "/hello") return HELLO;
  if (path === "/npm/thing") {
    const versions = {
      "1.2.3": { name: "thing", version: "1.2.3", dist: { tarball: "http://web.test/none" } },
    };
    return JSON.stringify({ name: "thing", "dist-tags": { latest: "1.2.3" }, versions });
  }
  if (path === "/simple/thing/")
    return `<a href="/files/thing-1.2.3-py3-none-any.whl">thing-1.2.3-py3-none-any.whl</a>`;
  if (path === "/debian/./Packages")
    return "Package: thing\nVersion: 1\nArchitecture: all\nFilename: ./thing.deb\nSize: 1\n";
  const file = join(folder, path);
  return path.startsWith("/r.git/") && existsSync(file) ? readFileSync(file) : undefined;
}

describe.skipIf(reason !== undefined)(titled("clients, as docs/agent.md sets them up,", reason), () => {
  const folder = temporaryFolder("clients");
  const [ca, key] = [join(folder, "cert.pem"), join(folder, "key.pem")];
  let host: TestMonitor;
  let agent: Agent;
  let url: string;
  /** Without TLS. */
  let plain: string;
  const asked: string[] = [];
  const web = { close(): void {} };

  beforeAll(async () => {
    const program = buildAgent();
    run("openssl", [
      ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"],
      ...["-keyout", key, "-out", ca, "-subj", "/CN=web.test", "-addext", "subjectAltName=DNS:web.test"],
    ]);
    const git = (...args: string[]) =>
      run("git", ["-C", folder, "-c", "user.name=a", "-c", "user.email=a@b", ...args]);
    git("init", "-q", "-b", "main", "work");
    git("-C", "work", "commit", "-q", "--allow-empty", "-m", "first");
    git("clone", "-q", "--bare", "work", "r.git");
    git("-C", "r.git", "update-server-info");
    const answer: RequestListener = (request, response) => {
      asked.push(request.url!);
      const [path] = request.url!.split("?");
      const found = contentOf(path!, folder);
      response.statusCode = found === undefined ? 404 : 200;
      if (path!.startsWith("/simple/")) response.setHeader("Content-Type", "text/html");
      response.end(found);
    };
    const servers = [
      createServer({ key: readFileSync(key), cert: readFileSync(ca) }, answer),
      createPlain(answer),
    ];
    const ports: number[] = [];
    for (const server of servers) {
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
      ports.push((server.address() as AddressInfo).port);
    }
    web.close = () => {
      for (const server of servers) {
        server.closeAllConnections();
        server.close();
      }
    };
    url = `https://web.test:${ports[0]}`;
    plain = `http://web.test:${ports[1]}`;
    writeFileSync(join(folder, "sources.list"), `deb [trusted=yes] ${url}/debian ./\n`);
    writeFileSync(join(folder, "Hello.java"), JAVA);
    mkdirSync(join(folder, "lists/partial"), { recursive: true });
    mkdirSync(join(folder, "archives/partial"), { recursive: true });
    host = await startMonitor('version: 1\nconnect: [{ allow: "*.test", resolvesTo: 127.0.0.0/8 }]\n', {
      lookup: async () => ["127.0.0.1"],
    });
    agent = await attachedAgent(program, host.path);
  }, BUILD_MS);
  afterAll(async () => {
    web.close();
    await agent?.[Symbol.asyncDispose]();
    await host?.[Symbol.asyncDispose]();
  });

  test("are in the document's table with the setting that is used here", () => {
    for (const { name, setting } of CLIENTS) {
      const rows = DOCUMENT.split("\n").filter((line) => line.startsWith(`| ${name} |`));
      expect(rows).toEqual([expect.stringContaining(setting)]);
    }
  });

  for (const client of CLIENTS) {
    const absent = client.absent ?? missing(client.command[0]!);
    test.skipIf(absent !== undefined)(titled(`${client.name}: ${client.setting}`, absent), () =>
      reaches(client),
    );
  }

  async function reaches({ command, env = {}, says, bare = false }: Client): Promise<void> {
    const proxy = `http://127.0.0.1:${agent.http}`;
    const filled = (text: string): string =>
      text
        .replaceAll("{url}", url)
        .replaceAll("{plain}", plain)
        .replaceAll("{http}", `${agent.http}`)
        .replaceAll("{ca}", ca)
        .replaceAll("{folder}", folder);
    const words = command.map(filled);
    const trust = {
      CURL_CA_BUNDLE: ca,
      GIT_SSL_CAINFO: ca,
      NODE_EXTRA_CA_CERTS: ca,
      PIP_CERT: ca,
      REQUESTS_CA_BUNDLE: ca,
      SSL_CERT_FILE: ca,
    };
    const before = asked.length;
    const { code, stdout, stderr } = await start(words[0]!, words.slice(1), "", {
      HOME: folder,
      LC_ALL: "C",
      ...trust,
      ...(bare ? {} : { http_proxy: proxy, https_proxy: proxy }),
      ...Object.fromEntries(Object.entries(env).map(([key, value]) => [key, filled(value)])),
    }).done;
    expect({ code, text: `${stdout}` }, stderr).toEqual({ code: 0, text: expect.stringContaining(says) });
    expect(asked.length).toBeGreaterThan(before);
  }

  for (const [setting, program, command] of [
    ["`ProxyCommand rwcat %h %p`", "ssh", "{agent} rwcat --service {service} %h %p"],
    [
      "`ProxyCommand socat - PROXY:127.0.0.1:%h:%p,proxyport=3128`",
      "socat",
      "socat - PROXY:127.0.0.1:%h:%p,proxyport={http}",
    ],
  ] as const) {
    const absent = missing("ssh") ?? missing(program);
    test.skipIf(absent !== undefined)(titled(`ssh: ${setting}`, absent), async () => {
      expect(DOCUMENT.split("\n").find((line) => line.startsWith("| ssh |"))).toContain(setting);
      let heard = "";
      // Says what it is, and leaves when it knows what the client is.
      await using server = await tcpServer((socket) => {
        socket.write("SSH-2.0-test\r\n");
        socket.once("data", (bytes: Buffer) => {
          heard += bytes;
          socket.destroy();
        });
      });
      const proxy = command
        .replace("{agent}", agent.program)
        .replace("{service}", agent.service)
        .replace("{http}", `${agent.http}`);
      const options = ["-F", "none", "-o", `ProxyCommand=${proxy}`, "-o", "BatchMode=yes"];
      // It ends when it hears that there is no more: rwcat has to end its output, while its input is still open.
      const { code } = await start("ssh", [...options, "-p", `${server.port}`, "user@web.test"], "").done;
      expect(code).toBe(255);
      expect(heard).toMatch(/^SSH-2\.0-OpenSSH/);
    });
  }
});
