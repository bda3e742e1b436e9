// net's calls with a path, on node:net and on the guest, through a real monitor, with the same sockets of the host:
// results, errors and events are the same.

import { once } from "node:events";
import { existsSync, lstatSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import * as http from "node:http";
import * as net from "node:net";
import { join } from "node:path";
import { Guest, type GuestServer } from "@ringway/guest";
import { closeFd, listenUnix } from "@ringway/linux";
import { beforeAll, expect, it } from "vitest";
import { heldForAll } from "../../../test/support/held.ts";
import { temporaryFolder } from "../../../test/support/temporary.ts";
import { until } from "../../../test/support/wait.ts";
import { type Host, startHost } from "./host.ts";
import { type Api, closed, guestApi, type Loose, nodeApi, outcome, told, trace } from "./net-api.ts";

const NODE_MAJOR = Number(process.versions.node.split(".")[0]);

const hold = heldForAll();
let folder: string;
let host: Host;
let guest: Guest;

/** Under the same path for the guest as on the host. */
const at = (name: string): string => join(folder, name);
const CONNECT = ["echo", "none", "dead", "file", "hangs", "web"];
const LISTEN = ["app", "taken", "served", "modes"];

beforeAll(async () => {
  folder = temporaryFolder("net-path");
  const rule = (access: string) => (name: string) =>
    `  - { id: ${access}-${name}, guest: ${at(name)}, host: ${at(name)}, access: ${access} }\n`;
  const rules = [
    ...CONNECT.map(rule("connect")),
    ...LISTEN.map(rule("listen")),
    ...LISTEN.map(rule("connect")),
  ];
  host = hold(await startHost(`sockets:\n${rules.join("")}`));
  guest = hold(await Guest.attach(host.path));
  const echo = net.createServer({ allowHalfOpen: true }, (socket) => void socket.pipe(socket));
  echo.listen(at("echo"));
  const hangs = net.createServer((socket) => void socket.once("data", () => socket.destroy()));
  hangs.listen(at("hangs"));
  await once(echo, "listening");
  // As one that was killed leaves it.
  closeFd(listenUnix(at("dead")));
  writeFileSync(at("file"), "");
  hold({
    [Symbol.asyncDispose]: async () => {
      for (const server of [echo, hangs]) server.close();
    },
  });
});

type Row = [name: string, run: (api: Api) => unknown];

function same(rows: Row[]): void {
  it.each(rows)("%s", async (_name, run) => {
    const [mine, nodes] = [await run(guestApi(guest)), await run(nodeApi)];
    expect(mine).toEqual(nodes);
  });
}

const quiet = (socket: Loose): Loose => socket.on("error", () => {});

async function text(socket: Loose): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of socket) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString();
}

/** The error of a connect, as it is told, with its message and address. */
async function failure(api: Api, ...args: unknown[]): Promise<unknown> {
  const socket = api.connect(...args);
  const events = trace(socket);
  const [error] = await once(socket, "error");
  await closed(socket);
  return [told(error), error.message, error.address, error.port, events, socket.connecting, socket.destroyed];
}

same([
  ["connect(path) echoes", async (api) => text(api.connect(at("echo")).end("one"))],
  ["connect({ path }) echoes", async (api) => text(api.connect({ path: at("echo") }).end("two"))],
  ["a path goes before a port", async (api) => text(api.connect({ path: at("echo"), port: 1 }).end("three"))],
  [
    "socket.connect(path, listener)",
    async (api) => {
      let called = 0;
      const socket = api.socket();
      socket.connect(at("echo"), () => called++);
      const answer = await text(socket.end("four"));
      return [called, answer];
    },
  ],
  [
    "a socket that connects again",
    async (api) => {
      const socket = api.socket();
      const answers: string[] = [];
      for (const word of ["first", "second"]) {
        socket.connect({ path: at("echo") });
        answers.push(
          await new Promise(
            (resolve) => socket.once("data", (data: Buffer) => resolve(String(data))) && socket.write(word),
          ),
        );
        socket.end();
        await closed(socket);
      }
      return answers;
    },
  ],
  [
    "the addresses of a socket by path",
    async (api) => {
      const socket = api.connect(at("echo"));
      await once(socket, "connect");
      const { remoteAddress, remotePort, remoteFamily, localAddress, localPort, localFamily } = socket;
      const all = [
        remoteAddress,
        remotePort,
        remoteFamily,
        localAddress,
        localPort,
        localFamily,
        socket.address(),
      ];
      socket.destroy();
      return all;
    },
  ],
  [
    "the events of a whole connection",
    async (api) => {
      const socket = api.connect({ path: at("echo") });
      const events = trace(socket);
      socket.end("bytes");
      await text(socket);
      await closed(socket);
      return events;
    },
  ],
  [
    "half of a connection: end() first, then what comes",
    async (api) => {
      const socket = api.connect({ path: at("echo"), allowHalfOpen: true });
      socket.end("x".repeat(300_000));
      return (await text(socket)).length;
    },
  ],
  ["nobody has the name: ENOENT", (api) => failure(api, at("none"))],
  ["nobody has the name, given as an option", (api) => failure(api, { path: at("none") })],
  [
    "a file that is no socket",
    async (api) => {
      // The kernel says ECONNREFUSED, the policy EACCES: rule "kind".
      const [first] = (await failure(api, at("file"))) as [{ code: string; syscall: string }];
      return [first.syscall, ["ECONNREFUSED", "EACCES"].includes(first.code)];
    },
  ],
  [
    "a server that hangs up with bytes unread",
    async (api) => {
      const socket = api.connect(at("hangs"));
      const events = trace(socket);
      socket.write("once");
      await closed(quiet(socket).resume());
      return events;
    },
  ],
  [
    "what is no path",
    (api) => [7n, {}, [], true].map((path) => outcome(() => quiet(api.socket()).connect({ path } as Loose))),
  ],
  [
    "no path at all",
    (api) =>
      [{ path: null }, { path: undefined }].map((options) =>
        outcome(() => quiet(api.socket()).connect(options as Loose)),
      ),
  ],
]);

/** A server's error of listen(), as it is told. */
async function refused(api: Api, ...args: unknown[]): Promise<unknown> {
  const server = api.server();
  const events = trace(server);
  server.listen(...args);
  const [error] = await once(server, "error");
  // Its address() is the path all the same, in Node: an oversight.
  return [told(error), error.address, events, server.listening];
}

async function serving(api: Api, args: unknown[], run: (server: Loose) => unknown): Promise<unknown> {
  const server = api.server((socket: Loose) => void socket.pipe(socket));
  server.listen(...args);
  await once(server, "listening");
  const result = await run(server);
  await new Promise((resolve) => server.close(resolve));
  return [result, existsSync(at("app"))];
}

same([
  [
    "listen(path): address() is the path, and clients of the host come",
    async (api) =>
      serving(api, [at("app")], async (server) => [
        server.address(),
        server.listening,
        await text(net.connect(at("app")).end("hello")),
      ]),
  ],
  [
    "listen({ path, backlog })",
    async (api) => serving(api, [{ path: at("app"), backlog: 3 }], (server) => server.address()),
  ],
  [
    "listen(path, backlog, listener)",
    async (api) => {
      let called = 0;
      const result = await serving(api, [at("app"), 3, () => called++], () =>
        lstatSync(at("app"), { bigint: true }).isSocket(),
      );
      return [result, called];
    },
  ],
  [
    "listens again, at once, where it has listened",
    async (api) => {
      const results: unknown[] = [];
      for (let i = 0; i < 5; i++) results.push(await serving(api, [at("app")], (server) => server.address()));
      return results;
    },
  ],
  [
    "a port goes before a path",
    async (api) =>
      serving(
        api,
        [{ port: 0, host: "127.0.0.1", path: at("app") }],
        (server) => typeof server.address().port,
      ),
  ],
  [
    "readableAll and writableAll",
    async (api) => {
      const modes: unknown[] = [];
      for (const [options, bits] of [
        [{}, 0o700],
        [{ readableAll: true }, 0o444],
        [{ writableAll: true }, 0o222],
        [{ readableAll: true, writableAll: true }, 0o666],
      ] as const) {
        // From Node 24 on its own takes all other bits away.
        const compared = NODE_MAJOR >= 24 ? bits : 0o777;
        await serving(api, [{ path: at("app"), ...options }], () =>
          modes.push(Number(lstatSync(at("app"), { bigint: true }).mode) & compared),
        );
      }
      return modes;
    },
  ],
  [
    "a name that is taken: EADDRINUSE",
    async (api) => {
      writeFileSync(at("taken"), "");
      const result = await refused(api, at("taken"));
      rmSync(at("taken"));
      return result;
    },
  ],
  [
    "the addresses of a connection that came",
    async (api) => {
      const server = api.server();
      server.listen(at("app"));
      await once(server, "listening");
      const [[socket]] = await Promise.all([
        once(server, "connection"),
        once(net.connect(at("app")), "connect"),
      ]);
      const all = [
        socket.remoteAddress,
        socket.remotePort,
        socket.localAddress,
        socket.localPort,
        socket.address(),
      ];
      socket.destroy();
      await new Promise((resolve) => server.close(resolve));
      return all;
    },
  ],
  [
    "maxConnections drops the second",
    async (api) => {
      const server = api.server((socket: Loose) => void socket.resume());
      server.maxConnections = 1;
      server.listen(at("app"));
      await once(server, "listening");
      const first = net.connect(at("app"));
      await once(first, "connect");
      const drop = once(server, "drop");
      const second = net.connect(at("app")).on("error", () => {});
      const [about] = await drop;
      first.destroy();
      second.destroy();
      await new Promise((resolve) => server.close(resolve));
      return Object.values(about ?? {}).filter((value) => value !== undefined);
    },
  ],
  [
    "what is no path",
    (api) =>
      [{ path: "" }, { path: 7 }, { path: null }, {}].map((options) =>
        outcome(() => api.server().listen(options as Loose)),
      ),
  ],
]);

it("tells who is at the other end, as the host's kernel knows it", async () => {
  const socket = await guest.connect({ path: at("echo") });
  const { pid } = process;
  const [uid, gid] = [process.getuid!(), process.getgid!()];
  expect(socket.peerCredentials).toEqual({ pid, uid, gid });
  socket.destroy();
  await using server = await guest.listen({ path: at("app") });
  const [[accepted]] = await Promise.all([
    once(server, "connection"),
    once(net.connect(at("app")), "connect"),
  ]);
  expect(accepted.peerCredentials).toEqual({ pid, uid, gid });
  accepted.destroy();
  const tcp = await guest.echo();
  expect(tcp.peerCredentials).toBeUndefined();
  tcp.destroy();
});

it("refuses what no rule has, with the rule: EACCES, as a kernel does, and says what it is about", async () => {
  await expect(guest.connect({ path: "/run/nothing" })).rejects.toMatchObject({
    name: "RefusedError",
    code: "EACCES",
    syscall: "connect",
    address: "/run/nothing",
    rule: "default",
  });
  await expect(guest.connect("/run/nothing")).rejects.toMatchObject({ code: "EACCES" });
  await expect(guest.listen("/run/nothing")).rejects.toMatchObject({ code: "EACCES", syscall: "listen" });
  await expect(guest.connect({ path: "/nul\0" })).rejects.toMatchObject({ code: "EINVAL" });
  await expect(guest.connect({ path: `/${"long/".repeat(900)}` })).rejects.toMatchObject({
    code: "ENAMETOOLONG",
  });
});

it("explains a path for either use", async () => {
  expect(await guest.explain({ connect: { path: at("echo") } })).toMatchObject({
    allowed: true,
    rule: "connect-echo",
  });
  expect(await guest.explain({ listen: { path: at("app") } })).toMatchObject({
    allowed: true,
    rule: "listen-app",
  });
  expect(await guest.explain({ listen: { path: at("echo") } })).toMatchObject({
    allowed: false,
    rule: "default",
  });
  expect(await guest.explain({ connect: { path: "echo" } })).toMatchObject({ allowed: false, rule: "path" });
});

it("node:http goes by a socketPath through an agent, and serve() listens at a path", async () => {
  const web = http.createServer((request, response) => response.end(`you asked for ${request.url}`));
  web.listen(at("web"));
  await once(web, "listening");
  const ask = (options: http.RequestOptions): Promise<string> =>
    new Promise((resolve, reject) => {
      http.get(options, (response) => text(response).then(resolve)).on("error", reject);
    });
  const agent = guest.httpAgent();
  expect(await ask({ agent, socketPath: at("web"), path: "/a" })).toBe("you asked for /a");
  agent.destroy();
  web.close();
  const own = http.createServer((_request, response) => response.end("from the guest"));
  const server: GuestServer = await guest.serve(own, at("served"));
  expect(own.address()).toBe(at("served"));
  expect(server.address<string>()).toBe(at("served"));
  expect(await ask({ agent: false, socketPath: at("served"), path: "/" })).toBe("from the guest");
  await server[Symbol.asyncDispose]();
  expect(existsSync(at("served"))).toBe(false);
});

it("closes by its signal, and leaves no name", async () => {
  const controller = new AbortController();
  const server = await guest.listen({ path: at("app"), signal: controller.signal });
  controller.abort();
  await once(server, "close");
  expect(existsSync(at("app"))).toBe(false);
  const late = guest.listen({ path: at("app") });
  await (await late)[Symbol.asyncDispose]();
  await until("the name is gone", () => !existsSync(at("app")));
  mkdirSync(at("app"));
  await expect(guest.listen({ path: at("app") })).rejects.toMatchObject({ code: "EADDRINUSE" });
  rmSync(at("app"), { recursive: true });
});
