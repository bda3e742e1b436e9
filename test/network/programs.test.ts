// Programs that know nothing of Ringway on the other side of a guest of the SDK: curl, socat, python3, iperf3. What
// they got is compared by its checksum.

import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer as createHttpServer, get, type IncomingMessage } from "node:http";
import { type AddressInfo, createServer, type Server } from "node:net";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { Guest, type GuestServer, type GuestSocket } from "@ringway/guest";
import { beforeAll, describe, expect, test } from "vitest";
import { MiB, pattern, sha256 } from "../support/bytes.ts";
import { heldForAll } from "../support/held.ts";
import { startMonitor, type TestMonitor } from "../support/monitor.ts";
import { Program } from "../support/processes.ts";
import { freePort, readAll } from "../support/tcp.ts";
import { until, within } from "../support/wait.ts";

const SENT = pattern(5 * MiB + 321, 61);
const SUM = sha256(SENT);

let host: TestMonitor;
let guest: Guest;
let file: string;

const hold = heldForAll();
beforeAll(async () => {
  host = hold(await startMonitor());
  guest = hold(await Guest.attach(host.path));
  mkdirSync(join(host.folder, "www"));
  file = join(host.folder, "www", "data.bin");
  writeFileSync(file, SENT);
});

async function listening(
  onConnection: (socket: GuestSocket) => void,
  allowHalfOpen = true,
): Promise<GuestServer> {
  return await guest.listen({ host: "127.0.0.1", allowHalfOpen }, onConnection);
}

/** A TCP port on this side that leads through the guest to a port of the host's. */
async function forwarder(port: number): Promise<{ port: number } & AsyncDisposable> {
  const server: Server = createServer({ allowHalfOpen: true, noDelay: true }, (inner) => {
    inner.on("error", () => {});
    guest.connect({ port, host: "127.0.0.1", allowHalfOpen: true }).then(
      (outer) => {
        pipeline(inner, outer).catch(() => inner.destroy());
        pipeline(outer, inner).catch(() => outer.destroy());
      },
      () => inner.destroy(),
    );
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: () => new Promise((resolve) => void server.close(() => resolve())),
  };
}

describe("curl", () => {
  test("downloads from and uploads to a guest's HTTP server", async () => {
    const uploads: string[] = [];
    const http = createHttpServer((request, response) => {
      if (request.method === "GET") return void response.end(SENT);
      void readAll(request).then((body) => {
        uploads.push(sha256(body));
        response.end("stored");
      });
    });
    await using server = await listening((socket) => http.emit("connection", socket));
    const url = `http://127.0.0.1:${server.address()!.port}/`;
    const output = join(host.folder, "curl.out");
    using download = new Program("curl", ["-sS", "-f", "-o", output, url]);
    await download.succeeds();
    expect(sha256(readFileSync(output))).toBe(SUM);
    using upload = new Program("curl", ["-sS", "-f", "-T", file, `${url}up`]);
    await upload.succeeds();
    expect(uploads).toEqual([SUM]);
    // Many at once, over connections that are kept.
    using many = new Program("curl", [
      "-sS",
      "-f",
      "-Z",
      ...Array.from({ length: 20 }, () => ["-o", "/dev/null", url]).flat(),
    ]);
    await many.succeeds();
  });
});

describe("python3 -m http.server", () => {
  test("serves a guest's HTTP client", async () => {
    const args = [
      "-u",
      "-m",
      "http.server",
      "0",
      "--bind",
      "127.0.0.1",
      "--directory",
      join(host.folder, "www"),
    ];
    using python = new Program("python3", args);
    const port = Number(/port (\d+)/.exec(await python.line("Serving"))![1]);
    const agent = guest.httpAgent({ keepAlive: true });
    const fetchOnce = async (): Promise<Buffer> => {
      const request = get({ host: "127.0.0.1", port, path: "/data.bin", agent });
      const [response] = (await once(request, "response")) as [IncomingMessage];
      expect(response.statusCode).toBe(200);
      return await readAll(response);
    };
    const bodies = await Promise.all([fetchOnce(), fetchOnce(), fetchOnce()]);
    expect(bodies.map((body) => sha256(body))).toEqual([SUM, SUM, SUM]);
    agent.destroy();
  });
});

describe("socat", () => {
  test("-u sends a file to a guest's listener", async () => {
    const received: Promise<Buffer>[] = [];
    await using server = await listening((socket) => {
      received.push(readAll(socket));
      socket.end();
    });
    using socat = new Program("socat", ["-u", `OPEN:${file}`, `TCP:127.0.0.1:${server.address()!.port}`]);
    await socat.succeeds();
    await until("the connection", () => received.length === 1);
    expect(sha256(await received[0]!)).toBe(SUM);
  });

  test("-u takes what a guest's connection sends", async () => {
    const output = join(host.folder, "socat.out");
    const port = await freePort();
    using socat = new Program("socat", [
      "-u",
      `TCP-LISTEN:${port},bind=127.0.0.1`,
      `OPEN:${output},creat,trunc`,
    ]);
    const socket = await until("socat to listen", () =>
      guest.connect(port, "127.0.0.1").catch(() => undefined),
    );
    socket.end(SENT);
    await socat.succeeds();
    expect(sha256(readFileSync(output))).toBe(SUM);
    socket.destroy();
  });

  test("half-closes, and gets an answer that depends on all it has sent", async () => {
    await using server = await listening((socket) => {
      void readAll(socket).then((all) => socket.end(sha256(all)));
    });
    const args = ["-t", "10", "-", `TCP:127.0.0.1:${server.address()!.port}`];
    using socat = new Program("socat", args, { input: SENT });
    await socat.succeeds();
    expect(socat.output).toBe(SUM);
  });

  test("is half-closed by a guest, and answers after the guest's end", async () => {
    const port = await freePort();
    using _socat = new Program("socat", ["-t", "10", `TCP-LISTEN:${port},bind=127.0.0.1`, "EXEC:sha256sum"]);
    const connect = (): Promise<GuestSocket | undefined> =>
      guest.connect({ port, host: "127.0.0.1", allowHalfOpen: true }).catch(() => undefined);
    const socket = await until("socat to listen", connect);
    socket.end(SENT);
    expect((await readAll(socket)).toString()).toContain(SUM);
  });
});

describe("iperf3", () => {
  test.each([
    ["through a guest's connections", []],
    ["through a guest's connections, in reverse", ["-R"]],
    ["through four of them at once", ["-P", "4"]],
  ])("%s: every byte counted on both sides", async (_how, extra) => {
    const port = await freePort();
    using server = new Program("iperf3", ["-s", "-1", "-B", "127.0.0.1", "-p", String(port), "--forceflush"]);
    await server.line("Server listening");
    await using forward = await forwarder(port);
    const bytes = 64 * MiB;
    const args = ["-c", "127.0.0.1", "-p", String(forward.port), "-n", String(bytes), "-J", ...extra];
    using client = new Program("iperf3", args);
    await client.succeeds(20_000);
    const report = JSON.parse(client.output) as {
      error?: string;
      end: { sum_sent: { bytes: number }; sum_received: { bytes: number } };
    };
    expect(report.error).toBeUndefined();
    expect(report.end.sum_sent.bytes).toBeGreaterThanOrEqual(bytes);
    // The server stops counting when the client says that it is done: what is in buffers then is not in its sum.
    expect(report.end.sum_received.bytes).toBeGreaterThan(0.4 * bytes);
    await server.succeeds();
  });
});

test("everything at once through one guest: a download, an upload and an echo each come out whole", async () => {
  await using server = await listening((socket) => void socket.pipe(socket));
  const port = server.address()!.port;
  const one = async (seed: number): Promise<void> => {
    const socket = await guest.connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    const bytes = pattern(1 * MiB, seed);
    const all = readAll(socket, 20_000);
    socket.end(bytes);
    expect(sha256(await all)).toBe(sha256(bytes));
  };
  await within("all of them", Promise.all(Array.from({ length: 16 }, (_, i) => one(i + 100))), 20_000);
});
