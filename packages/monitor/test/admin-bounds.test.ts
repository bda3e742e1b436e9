// What one client of the admin API may take: connections, requests, the memory of events, guesses at the token.

import { once } from "node:events";
import { linkSync, writeFileSync } from "node:fs";
import { createServer, request } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { temporaryFolder } from "../../../test/support/temporary.ts";
import { until } from "../../../test/support/wait.ts";
import { Callers } from "../src/admin/callers.ts";
import { Connections } from "../src/admin/connections.ts";
import { EventLog } from "../src/admin/event-log.ts";
import { failureOf } from "../src/admin/failures.ts";
import { readToken, TokenGuard } from "../src/admin/token.ts";
import { originProblem } from "../src/admin/web-origin.ts";
import { ratesFrom } from "../src/monitor/guest-rates.ts";

const TOKEN = "0123456789abcdef0123456789abcdef";

/** A server that answers once a request's body has come; `parsed` counts requests. */
async function serve() {
  const connections = new Connections(new Callers(), "tcp");
  const counts = { parsed: 0, handled: 0 };
  const guarded = connections.guard((asked, response) => {
    counts.handled++;
    asked.resume().on("end", () => response.end("ok"));
  });
  const server = createServer((asked, response) => {
    counts.parsed++;
    guarded(asked, response);
  });
  connections.serve(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    port,
    counts,
    [Symbol.dispose]() {
      server.close();
      connections.closeAll();
    },
  };
}

async function attack(port: number, bytes: string): Promise<Socket> {
  const socket = connect(port, "127.0.0.1").on("error", () => {});
  await once(socket, "connect");
  await new Promise((resolve) => socket.write(bytes, resolve));
  return socket;
}

test("bodies that never come keep nobody out", async () => {
  using server = await serve();
  const half = "PUT / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\nhalf";
  for (let i = 0; i < 64; i++) await attack(server.port, half);
  await until("all headers", () => server.counts.parsed === 64);
  const sent = request({ host: "127.0.0.1", port: server.port, agent: false, method: "PUT" });
  sent.end("whole");
  const [{ statusCode }] = await once(sent, "response");
  expect(statusCode).toBe(200);
});

test("of requests that come all at once, one is served, and nothing is made of the rest", async () => {
  using server = await serve();
  const socket = await attack(server.port, "GET / HTTP/1.1\r\nhost: x\r\n\r\n".repeat(1000));
  await once(socket.resume(), "close");
  expect(server.counts).toEqual({ parsed: 2, handled: 1 });
});

test("events that were dropped are held no longer", () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const log = new EventLog();
  collect();
  const before = process.memoryUsage().heapUsed;
  for (let i = 0; i < 2000; i++) log.add("log", { i, text: "x".repeat(49_000) });
  collect();
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(20 * 1024 * 1024);
});

test("what is kept of events is counted in bytes", () => {
  const log = new EventLog();
  for (let i = 0; i < 1000; i++) log.add("log", { text: "\u20ac".repeat(1000) });
  expect((log.end - log.first) * 3000).toBeLessThan(1024 * 1024);
});

test("the right token is good, however often others have guessed", () => {
  const guard = new TokenGuard(TOKEN, () => 0);
  const wrong = (address: string) => guard.judge(address, "Bearer wrong");
  for (let i = 0; i < 20; i++) expect(guard.judge("127.0.0.1", undefined)).toBe("bad");
  for (let i = 0; i < 10; i++) expect(wrong("127.0.0.1")).toBe("bad");
  expect(wrong("127.0.0.1")).toBe("later");
  expect(guard.judge("127.0.0.1", `Bearer ${TOKEN}`)).toBe("good");
  for (let i = 0; i < 10; i++) expect(wrong(`2001:db8::${i + 1}`)).toBe("bad");
  expect(wrong("2001:db8:0:0:ffff::1")).toBe("later");
  expect(wrong("2001:db8:0:1::1")).toBe("bad");
});

test("a token's file has one name: another may be in a folder that a guest has", async () => {
  const folder = temporaryFolder();
  const path = join(folder, "token");
  writeFileSync(path, TOKEN, { mode: 0o600 });
  expect(await readToken(path)).toBe(TOKEN);
  linkSync(path, join(folder, "other"));
  await expect(readToken(path)).rejects.toMatchObject({ code: "EACCES" });
});

test("a Host header is an address however that is written, and no other", () => {
  const is = (address: string, host: string): boolean =>
    originProblem({ address, port: 9000 }, host, undefined) === undefined;
  for (const host of ["[::1]:9000", "[0:0::1]:9000", "[0:0:0:0:0:0:0:1]:9000", "localhost:9000"]) {
    expect(is("::1", host)).toBe(true);
    expect(is("0:0::1", host)).toBe(true);
  }
  expect(is("::", "[2001:DB8:0::1]:9000")).toBe(true);
  expect(is("127.0.0.1", "[::ffff:7f00:1]:9000")).toBe(true);
  for (const host of ["[::2]:9000", "[::1]", "::1:9000", "[::1%lo]:9000", "evil.test:9000", "127.1:9000"]) {
    expect(is("::1", host)).toBe(false);
  }
});

test("a mistake of the monitor's own is no bad request, whatever code Node gives it", () => {
  const thrown = (work: () => unknown): unknown => {
    try {
      return work();
    } catch (error) {
      return error;
    }
  };
  const ours = thrown(() => Buffer.byteLength(undefined as never));
  expect(ours).toMatchObject({ code: "ERR_INVALID_ARG_TYPE" });
  expect(failureOf(ours)).toMatchObject({ status: 500, isOurs: true });
  const theirs = thrown(() => ratesFrom({ bytesToHost: 1 }));
  expect(failureOf(theirs)).toMatchObject({ status: 400, isOurs: false });
});
