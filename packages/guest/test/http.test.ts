// http, https, undici and fetch through a real monitor; and a listener whose connections an http.Server takes.

import { execFileSync } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { readFileSync } from "node:fs";
import * as http from "node:http";
import * as http2 from "node:http2";
import * as https from "node:https";
import * as net from "node:net";
import { join } from "node:path";
import * as tls from "node:tls";
import { Guest, type GuestSocket } from "@ringway/guest";
import { Agent, request, fetch as undiciFetch } from "undici";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { heldForAll } from "../../../test/support/held.ts";
import { freePort } from "../../../test/support/tcp.ts";
import { temporaryFolder } from "../../../test/support/temporary.ts";
import { type Host, startHost } from "./host.ts";

const hold = heldForAll();
let host: Host;
let guest: Guest;
let plain: http.Server;
let secure: https.Server;
let certificate: Buffer;
const folder = temporaryFolder("http");
const body = Buffer.alloc(1_000_000, "0123456789");

async function respond(incoming: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
  let bytes = 0;
  for await (const chunk of incoming) bytes += chunk.length;
  if (incoming.url === "/large") response.end(body);
  else response.end(JSON.stringify({ method: incoming.method, url: incoming.url, bytes }));
}

function portOf(server: net.Server): number {
  return (server.address() as net.AddressInfo).port;
}

beforeAll(async () => {
  const [key, cert] = [join(folder, "key.pem"), join(folder, "cert.pem")];
  execFileSync(
    "openssl",
    `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout ${key} -out ${cert}`.split(
      " ",
    ),
    { stdio: "ignore" },
  );
  certificate = readFileSync(cert);
  plain = http.createServer(respond).listen(0, "127.0.0.1");
  secure = https.createServer({ key: readFileSync(key), cert: certificate }, respond).listen(0, "127.0.0.1");
  hold({ [Symbol.dispose]: closeServers });
  await Promise.all([once(plain, "listening"), once(secure, "listening")]);
  host = hold(await startHost());
  guest = hold(await Guest.attach(host.path));
});

function closeServers(): void {
  for (const server of [plain, secure]) {
    server.closeAllConnections();
    server.close();
  }
}

async function get(request: http.ClientRequest): Promise<{ text: string; reused: boolean }> {
  const [response] = (await once(request, "response")) as [http.IncomingMessage];
  let text = "";
  response.setEncoding("utf8");
  for await (const chunk of response) text += chunk;
  return { text, reused: request.reusedSocket };
}

describe("node:http", () => {
  it("gets, posts and reuses connections", async () => {
    const agent = guest.httpAgent({ keepAlive: true, maxSockets: 1 });
    const options = { agent, host: "127.0.0.1", port: portOf(plain) };
    const first = await get(http.get({ ...options, path: "/a" }));
    expect(JSON.parse(first.text)).toEqual({ method: "GET", url: "/a", bytes: 0 });
    const post = http.request({ ...options, path: "/b", method: "POST" });
    post.write(body);
    post.end("tail");
    const second = await get(post);
    expect(JSON.parse(second.text)).toEqual({ method: "POST", url: "/b", bytes: 1_000_004 });
    expect([first.reused, second.reused]).toEqual([false, true]);
    expect((await get(http.get({ ...options, path: "/large" }))).text).toBe(body.toString());
    agent.destroy();
  });

  it("gives a refusal as the request's error", async () => {
    const request = http.get({ agent: guest.httpAgent(), host: "10.1.2.3", port: 80 });
    const [error] = await once(request, "error");
    expect(error).toMatchObject({ code: "EACCES", rule: "default" });
  });

  it("is aborted and timed out", async () => {
    const silent = net.createServer().listen(0, "127.0.0.1");
    await once(silent, "listening");
    const options = { agent: guest.httpAgent(), host: "127.0.0.1", port: portOf(silent) };
    const aborted = http.get({ ...options, signal: AbortSignal.timeout(50) });
    expect((await once(aborted, "error"))[0]).toMatchObject({ code: "ABORT_ERR" });
    const slow = http.get({ ...options, timeout: 50 });
    await once(slow, "timeout");
    slow.destroy();
    expect((await once(slow, "error"))[0].message).toBe("socket hang up");
    silent.close();
  });
});

describe("node:https", () => {
  it("checks the certificate in the guest, and keeps sessions", async () => {
    const agent = guest.httpsAgent({ ca: certificate });
    for (const path of ["/a", "/b"]) {
      const { text } = await get(https.get({ agent, host: "localhost", port: portOf(secure), path }));
      expect(JSON.parse(text).url).toBe(path);
    }
    const untrusted = https.get({ agent: guest.httpsAgent(), host: "localhost", port: portOf(secure) });
    const [error] = await once(untrusted, "error");
    expect(error.code).toBe("DEPTH_ZERO_SELF_SIGNED_CERT");
    const refused = https.get({ agent, host: "10.1.2.3", port: 443 });
    expect((await once(refused, "error"))[0]).toMatchObject({ code: "EACCES" });
  });
});

describe("a stream under TLS", () => {
  it.each([
    ["https.Agent", (port: number) => https.get({ agent: guest.httpsAgent(), host: "localhost", port })],
    [
      "a connector",
      (port: number) => {
        const events = new EventEmitter();
        const options = { hostname: "localhost", protocol: "https:", port: String(port) };
        guest.connector()(options, (error, _socket) => void events.emit("error", error));
        return events;
      },
    ],
  ])("may break after a handshake that failed: by %s", async (_name, begin) => {
    using connections = vi.spyOn(guest, "createConnection");
    const [error] = await once(begin(portOf(secure)), "error");
    expect(error.code).toBe("DEPTH_ZERO_SELF_SIGNED_CERT");
    const stream = connections.mock.results[0]!.value as GuestSocket;
    // Unheard, this would throw here, and end a process.
    stream.emit("error", Object.assign(new Error("reset by the peer"), { code: "ECONNRESET" }));
  });

  it("may be reset by the peer once the request is over and the connection ended", async () => {
    using connections = vi.spyOn(guest, "createConnection");
    const agent = guest.httpsAgent({ ca: certificate });
    const over = https.get({ agent, host: "localhost", port: portOf(secure), path: "/a" });
    const [response] = (await once(over, "response")) as [http.IncomingMessage];
    const stream = connections.mock.results[0]!.value as GuestSocket;
    const ended = new Promise<void>((resolve, reject) => {
      // Now the request's own listener has ended the connection, and nothing is closed yet.
      response.once("end", () => {
        try {
          stream.emit("error", Object.assign(new Error("reset by the peer"), { code: "ECONNRESET" }));
          resolve();
        } catch (error) {
          reject(error);
        }
      });
    });
    response.resume();
    await ended;
  });

  it("tells of a reset while the request is under way", async () => {
    const server = net.createServer((socket) => socket.once("data", () => socket.resetAndDestroy()));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const over = https.get({ agent: guest.httpsAgent(), host: "localhost", port: portOf(server) });
    expect((await once(over, "error"))[0].code).toBe("ECONNRESET");
    server.close();
  });
});

/** What the servers say of a request. */
interface Described {
  readonly url: string;
}

describe("undici and fetch", () => {
  it("get and post", async () => {
    const dispatcher = new Agent({ connect: guest.connector() });
    const url = `http://127.0.0.1:${portOf(plain)}`;
    const { body: answer } = await request(`${url}/r`, { dispatcher, method: "POST", body: body });
    expect(await answer.json()).toEqual({ method: "POST", url: "/r", bytes: body.length });
    expect(await (await undiciFetch(`${url}/large`, { dispatcher })).text()).toBe(body.toString());
    const init = { dispatcher } as unknown as RequestInit;
    expect(await (await fetch(`${url}/large`, init)).text()).toBe(body.toString());
    const all = await Promise.all(
      Array.from(
        { length: 50 },
        async (_, i) => ((await (await fetch(`${url}/${i}`, init)).json()) as Described).url,
      ),
    );
    expect(all).toEqual(Array.from({ length: 50 }, (_, i) => `/${i}`));
    await dispatcher.close();
  });

  it("over TLS, by name", async () => {
    const dispatcher = new Agent({ connect: guest.connector({ tls: { ca: certificate } }) });
    const init = { dispatcher } as unknown as RequestInit;
    const response = await fetch(`https://localhost:${portOf(secure)}/x`, init);
    expect(((await response.json()) as Described).url).toBe("/x");
    const byAddress = await fetch(`https://127.0.0.1:${portOf(secure)}/y`, init);
    expect(((await byAddress.json()) as Described).url).toBe("/y");
    await dispatcher.close();
  });

  it("fail with the refusal as the cause", async () => {
    const dispatcher = new Agent({ connect: guest.connector() });
    const init = { dispatcher } as unknown as RequestInit;
    await expect(fetch("http://10.1.2.3/", init)).rejects.toMatchObject({ cause: { code: "EACCES" } });
    await expect(fetch("https://10.1.2.3/", init)).rejects.toMatchObject({ cause: { code: "EACCES" } });
    await dispatcher.destroy();
  });
});

it("an agent's time limit is its connections', and what a guest cannot have is refused", async () => {
  const silent = net.createServer((socket) => socket.on("error", () => {})).listen(0, "127.0.0.1");
  await once(silent, "listening");
  for (const [ask, agent] of [
    [http.get, guest.httpAgent({ timeout: 50 })],
    [https.get, guest.httpsAgent({ timeout: 50 })],
  ] as const) {
    const request = ask({ agent, host: "127.0.0.1", port: portOf(silent) }).on("error", () => {});
    await once(request, "timeout");
    request.destroy();
    agent.destroy();
  }
  silent.close();
  const agent = guest.httpAgent();
  const [error] = await once(http.get({ agent, socketPath: "/run/x.sock" }), "error");
  expect(error).toMatchObject({ code: "EACCES", rule: "default", address: "/run/x.sock" });
  expect(() => http.get({ agent, localAddress: "127.0.0.1" })).toThrow("leave out options.localAddress");
});

it("TLS begins over a socket that is connected, as pg begins it", async () => {
  const tlsOptions = { isServer: true, key: readFileSync(join(folder, "key.pem")), cert: certificate };
  const server = net.createServer((socket) => {
    socket.once("data", () => {
      socket.write("S");
      const secure = new tls.TLSSocket(socket, tlsOptions);
      secure.pipe(secure);
    });
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  // Call by call what the constructor, connect() and end() of pg's lib/connection.js do.
  let stream: GuestSocket | tls.TLSSocket = guest.createConnection();
  const raw = stream;
  raw.setNoDelay(true);
  raw.connect(portOf(server), "127.0.0.1");
  raw.once("connect", () => {
    raw.setKeepAlive(true, 0);
    raw.write(Buffer.of(0, 0, 0, 8, 4, 210, 22, 47));
  });
  const closed = once(raw, "close");
  const [code] = (await once(raw, "data")) as [Buffer];
  expect(code.toString("utf8")).toBe("S");
  stream = tls.connect({
    socket: raw,
    host: "127.0.0.1",
    ca: certificate,
    servername: "localhost",
  } as object);
  expect(stream.write("question", () => stream.end())).toBe(true);
  expect(Buffer.concat(await stream.toArray()).toString()).toBe("question");
  expect(await closed).toEqual([false]);
  server.close();
});

describe("a listener on the host", () => {
  it("serves http to the host's network", async () => {
    // A connection that rests is kept for as long as this machine takes to ask again.
    const web = http.createServer({ keepAliveTimeout: 0 }, respond);
    const server = await guest.listen({ port: 0 }, (socket) => void web.emit("connection", socket));
    const { port } = server.address()!;
    const agent = new http.Agent({ keepAlive: true });
    for (const path of ["/1", "/2", "/large"]) {
      const { text } = await get(http.get({ agent, host: "127.0.0.1", port, path }));
      expect(text).toContain(path === "/large" ? body.toString() : path);
    }
    agent.destroy();
    await server[Symbol.asyncDispose]();
    const after = net.connect(port, "127.0.0.1");
    const outcome = Promise.race([once(after, "error"), once(after, "connect")]);
    expect((await outcome)[0]).toMatchObject({ code: "ECONNREFUSED" });
  });

  it.each(["http", "https", "http2"])("serves a server of node:%s", async (kind) => {
    const keys = { key: readFileSync(join(folder, "key.pem")), cert: certificate };
    const answer = (_request: unknown, response: http2.Http2ServerResponse | http.ServerResponse): void => {
      (response as http.ServerResponse).end("served");
    };
    const web =
      kind === "http"
        ? http.createServer(answer)
        : kind === "https"
          ? https.createServer(keys, answer)
          : http2.createServer(answer);
    const server = await guest.serve(web, { port: 0 });
    const { port } = server.address()!;
    const place = `${kind === "https" ? "https" : "http"}://127.0.0.1:${port}/`;
    if (kind === "http2") {
      const session = http2.connect(place);
      const stream = session.request({ ":path": "/" }).setEncoding("utf8");
      expect((await stream.toArray()).join("")).toBe("served");
      session.close();
    } else {
      const agents = { http: http.Agent, https: https.Agent };
      const agent = new agents[kind as "http" | "https"]({
        keepAlive: true,
        ca: certificate,
      } as https.AgentOptions);
      const { get: ask } = kind === "https" ? https : http;
      expect((await get(ask(place, { agent }))).text).toBe("served");
      // A connection that is kept alive, between two requests: closing does not wait for it.
      const closed = once(server, "close");
      web.close();
      await closed;
      agent.destroy();
    }
    server.close();
    await expect.poll(() => server.listening).toBe(false);
  });

  it("has no listeners on what it serves with but the one for connections", async () => {
    const web = http.createServer();
    const listener = await guest.serve(web, 0);
    expect(listener.eventNames()).toEqual(["connection"]);
    const closed = once(listener, "close");
    listener.close();
    await closed;
    expect([listener.eventNames(), web.listening]).toEqual([["connection"], false]);
  });

  it("serves on a port that is told as listen() is told it, and says what it takes where it is told nothing", async () => {
    const port = await freePort();
    for (const args of [[port], [String(port)], [port, "127.0.0.1"], [{ port }]] as unknown as [number][]) {
      const web = http.createServer((_request, response) => response.end("served"));
      let told = 0;
      const server = await guest.serve(web, ...args, () => told++);
      expect(server.address()).toMatchObject({ port, address: "127.0.0.1" });
      expect((await get(http.get({ port, host: "127.0.0.1", agent: false }))).text).toBe("served");
      expect(told).toBe(1);
      await server[Symbol.asyncDispose]();
    }
    const web = http.createServer();
    for (const args of [[], [null], [() => {}]] as unknown as [number][]) {
      await expect(guest.serve(web, ...args)).rejects.toMatchObject({ code: "ERR_INVALID_ARG_TYPE" });
    }
    const nobody = guest.serve(undefined as unknown as http.Server, 0);
    await expect(nobody).rejects.toMatchObject({ code: "ERR_INVALID_ARG_TYPE" });
    await expect(guest.serve(web, 99999)).rejects.toMatchObject({ code: "ERR_SOCKET_BAD_PORT" });
    await expect(guest.serve(web, "/a/path")).rejects.toMatchObject({ code: "EACCES", rule: "default" });
    await expect(guest.listen("/a/path")).rejects.toMatchObject({ code: "EACCES", rule: "default" });
  });

  it("closes the idle connections of the server that serves it, and is refused as listen() is", async () => {
    const web = http.createServer((_request, response) => response.end("served"));
    const server = await guest.serve(web, { port: 0 });
    const agent = new http.Agent({ keepAlive: true });
    const { port } = server.address()!;
    expect((await get(http.get({ agent, port, host: "127.0.0.1" }))).text).toBe("served");
    await server[Symbol.asyncDispose]();
    agent.destroy();
    await expect(guest.serve(web, { port: 80 })).rejects.toMatchObject({ code: "EACCES" });
    expect(web.listenerCount("close")).toBeLessThan(3);
  });

  it("closes as node:http does while a response is under way: 'close' and its callback, without an error, after that", async () => {
    for (const how of ["web", "listener", "dispose"]) {
      const order: string[] = [];
      let answer: http.ServerResponse | undefined;
      const web = http.createServer((_request, response) => {
        answer = response;
      });
      const listener = await guest.serve(web, { port: 0 });
      expect(web.listening).toBe(true);
      expect(web.address()).toEqual(listener.address());
      web.on("close", () => order.push("web"));
      listener.on("close", () => order.push("listener"));
      const { port } = listener.address()!;
      const asked = get(http.get({ port, host: "127.0.0.1", agent: false })).then(({ text }) =>
        order.push(text),
      );
      await expect.poll(() => answer).toBeDefined();
      expect(await new Promise((resolve) => web.getConnections((_error, count) => resolve(count)))).toBe(1);
      const over =
        how === "dispose"
          ? web[Symbol.asyncDispose]()
          : new Promise<unknown>((resolve) => (how === "web" ? web : listener).close(resolve));
      await expect.poll(() => listener.listening || web.listening).toBe(false);
      expect(order).toEqual([]);
      answer!.end("answer");
      expect(await over).toBeUndefined();
      await asked;
      await expect.poll(() => order.length).toBe(3);
      expect(order.filter((each) => each !== "answer")).toEqual(["listener", "web"]);
      expect(await new Promise((resolve) => web.close(resolve))).toMatchObject({
        code: "ERR_SERVER_NOT_RUNNING",
      });
    }
  });

  it("serves one server at two addresses: it closes with both, and is served again afterwards", async () => {
    const web = http.createServer((_request, response) => response.end("served"));
    for (let round = 0; round < 2; round++) {
      const listeners = [await guest.serve(web, { port: 0 }), await guest.serve(web, { port: 0 })];
      for (const listener of listeners) {
        const ask = http.get({ port: listener.address()!.port, host: "127.0.0.1", agent: false });
        expect((await get(ask)).text).toBe("served");
      }
      let closes = 0;
      web.on("close", () => closes++);
      listeners[round]!.close();
      await expect.poll(() => closes).toBe(1);
      expect(listeners.map(({ listening }) => listening)).toEqual([false, false]);
      web.removeAllListeners("close");
    }
  });

  it("takes hundreds of connections at once, and is refused where the policy says so", async () => {
    const server = await guest.listen({ port: 0 }, (socket: GuestSocket) => socket.pipe(socket));
    const { port } = server.address()!;
    const answers = await Promise.all(
      Array.from({ length: 300 }, async (_, i) => {
        const socket = net.connect(port, "127.0.0.1");
        socket.end(`hello ${i}`);
        return Buffer.concat(await socket.toArray()).toString();
      }),
    );
    expect(answers).toEqual(Array.from({ length: 300 }, (_, i) => `hello ${i}`));
    await expect(guest.listen({ port })).rejects.toMatchObject({ code: "EADDRINUSE", syscall: "listen" });
    await expect(guest.listen({ port: 80 })).rejects.toMatchObject({
      code: "EACCES",
      rule: expect.any(String),
    });
    await server[Symbol.asyncDispose]();
  });
});

describe("TCP through the monitor", () => {
  it("passes resets on, both ways", async () => {
    const accepted: net.Socket[] = [];
    const server = net.createServer((socket) => accepted.push(socket)).listen(0, "127.0.0.1");
    await once(server, "listening");
    const toReset = await guest.connect(portOf(server), "127.0.0.1");
    await expect.poll(() => accepted.length).toBe(1);
    accepted[0]!.resetAndDestroy();
    expect((await once(toReset, "error"))[0]).toMatchObject({ code: "ECONNRESET" });
    const resetting = await guest.connect(portOf(server), "127.0.0.1");
    await expect.poll(() => accepted.length).toBe(2);
    const reset = once(accepted[1]!, "error");
    resetting.resetAndDestroy();
    expect((await reset)[0]).toMatchObject({ code: "ECONNRESET" });
    server.close();
  });

  it("half-closes, both ways", async () => {
    const server = net
      .createServer({ allowHalfOpen: true }, (socket) => {
        let bytes = 0;
        socket.on("data", (chunk) => (bytes += chunk.length));
        socket.on("end", () => socket.end(`got ${bytes}`));
      })
      .listen(0, "127.0.0.1");
    await once(server, "listening");
    const socket = await guest.connect({ port: portOf(server), host: "127.0.0.1", allowHalfOpen: true });
    socket.end(Buffer.alloc(700_000));
    expect(Buffer.concat(await socket.toArray()).toString()).toBe("got 700000");
    server.close();
  });
});
