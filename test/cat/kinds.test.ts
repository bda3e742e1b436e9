// What ringway cat sends and shows, the programs it runs, TLS, what a bad network is like, figures, and a guest's
// network.

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { LOADED_MS } from "../support/processes.ts";
import { Home, RINGWAY } from "../support/ringway.ts";
import { echoServer, readAll, tcpClient, tcpServer } from "../support/tcp.ts";
import { temporaryFolder } from "../support/temporary.ts";
import { until, within } from "../support/wait.ts";
import { cat, ended, missing, portsOf, printed, program, said } from "./cats.ts";

/** What ends with "clear to the end of the line". */
const LIVE = new RegExp(`^\\d connected, in \\d B .*${String.fromCharCode(27)}\\[K$`);

describe("input and output", () => {
  test("random bytes are the same for one seed, and of the sizes and letters that are asked for", async () => {
    const heard: Buffer[] = [];
    for (const seed of ["5", "5", "6"]) {
      const bytes = new Promise<Buffer>((resolve) => {
        const server = tcpServer((socket) => {
          const chunks: Buffer[] = [];
          socket.on("data", (chunk: Buffer) => {
            chunks.push(chunk);
            const all = Buffer.concat(chunks);
            if (all.length >= 10_000) resolve(all.subarray(0, 10_000));
          });
        });
        void server.then(({ port }) => {
          cat(["-i", "random", "--ascii", "--sizes", "10-20", "--seed", seed, `127.0.0.1:${port}`]);
        });
        onTestFinished(async () => (await server)[Symbol.asyncDispose]());
      });
      heard.push(await within("10,000 bytes", bytes));
    }
    expect(heard[0]!.equals(heard[1]!)).toBe(true);
    expect(heard[0]!.equals(heard[2]!)).toBe(false);
    expect(String(heard[0])).toMatch(/^[ -~]+$/);
  });

  test("echo, labels, a dump in hex and a file are what they are called", async () => {
    const file = join(temporaryFolder("cat"), "out");
    const server = cat(["-i", "echo", "-o", "hex", "--label", "-l", "127.0.0.1:0"]);
    const [port] = await portsOf(server);
    const client = cat(["-N", "-o", file, `127.0.0.1:${port}`], "0123456789abcdef\n\u0001");
    expect((await ended(client)).code).toBe(0);
    expect((await ended(server)).code).toBe(0);
    expect(readFileSync(file, "utf8")).toBe("0123456789abcdef\n\u0001");
    expect(server.output.replace(/:\d+:\n/, ":\n")).toBe(
      "127.0.0.1:\n" +
        "00000000  30 31 32 33 34 35 36 37 38 39 61 62 63 64 65 66  0123456789abcdef\n" +
        `00000010  0a 01${" ".repeat(42)}  ..\n`,
    );
  });

  test("a slow reader of its output paces its peers", async () => {
    const server = cat(["-L", "127.0.0.1:0"]);
    server.child.stdout!.pause();
    const [port] = await portsOf(server);
    const client = await tcpClient(port!);
    const bytes = Buffer.alloc(8 * 1024 * 1024, `${"x".repeat(1023)}\n`);
    client.end(bytes);
    await until("it to have filled what there is", () => client.writableLength > 0);
    server.child.stdout!.resume();
    await until("all of it", () => server.output.length === bytes.length, 30_000);
  });

  test("-e has a program for each connection, and tells its exit code", async () => {
    const server = cat(["-e", "read name; echo hello $name; cat; exit 3", "-L", "127.0.0.1:0"], "");
    const [port] = await portsOf(server);
    const clients = await Promise.all([1, 2].map(() => tcpClient(port!)));
    for (const [i, client] of clients.entries()) client.end(`client ${i}\nand more`);
    const texts = await Promise.all(clients.map((client) => readAll(client)));
    expect(texts.map(String)).toEqual(["hello client 0\nand more", "hello client 1\nand more"]);
    await said(server, /(127\.0\.0\.1:\d+: read .*: exit code 3\n[\s\S]*){2}/);
  });

  test("statistics are JSON lines, and count every byte", async () => {
    await using server = await echoServer();
    const client = cat(["-N", "--json", "-o", "none", `127.0.0.1:${server.port}x2`], "x".repeat(1000));
    expect((await ended(client)).code).toBe(0);
    const lines = client.errors.trim().split("\n");
    expect(JSON.parse(lines.at(-1)!)).toMatchObject({ peers: 0, bytesIn: 2000, bytesOut: 2000, dropped: 0 });
  });

  test.skipIf(missing("python3") !== undefined)("statistics are a live line on a terminal", async () => {
    await using server = await echoServer();
    // Copies what the command says to its terminal.
    const terminal = ["python3", "-c", "import pty, sys; pty.spawn(sys.argv[1:])"];
    const args = ["cat", "-i", "none", "--stats", `127.0.0.1:${server.port}`];
    const live = program([...terminal, process.execPath, RINGWAY, ...args]);
    await until("a connection", () => server.sockets.length === 1, LOADED_MS);
    server.sockets[0]!.write("hello");
    await until("a line that knows of it", () => live.output.includes("in 5 B"), LOADED_MS);
    server.sockets[0]!.end();
    await ended(live);
    const lines = live.output
      .replaceAll("hello", "")
      .split("\r")
      .filter((line) => line !== "");
    expect(lines.length).toBeGreaterThan(2);
    expect(lines.pop()).toBe("\n");
    // Each over the one before it: what is left of that is cleared.
    for (const line of lines) expect(line).toMatch(LIVE);
    expect(lines.some((line) => /round trip \d/.test(line))).toBe(true);
  });

  test.skipIf(missing("ss") !== undefined)("the kernel's buffers are as large as is asked for", async () => {
    await using server = await tcpServer();
    const sizes = ["--send-buffer", "20000", "--receive-buffer", "30000"];
    const both = cat([...sizes, "-L", "127.0.0.1:0", `127.0.0.1:${server.port}`]);
    const [port] = await portsOf(both);
    await tcpClient(port!);
    for (const which of [`dport = :${server.port}`, `sport = :${port}`]) {
      // The kernel doubles what it is told.
      await until(`the buffers of ${which}`, () =>
        /rb60000,.*tb40000,/.test(String(execFileSync("ss", ["-Htnm", "state", "established", which]))),
      );
    }
  });

  test("delays wait, each way, and keep the order", async () => {
    await using server = await echoServer();
    const args = ["-N", "-i", "lines", "--send-delay", "20-60", "--receive-delay", "50"];
    const start = performance.now();
    const client = cat([...args, `127.0.0.1:${server.port}`], "1\n2\n3\n4\n5\n");
    expect((await ended(client)).code).toBe(0);
    expect(client.output).toBe("1\n2\n3\n4\n5\n");
    expect(performance.now() - start).toBeGreaterThan(70);
  });
});

describe.skipIf(missing("openssl") !== undefined)("TLS", () => {
  const folder = temporaryFolder("cat-tls");
  const [key, certificate] = [join(folder, "key.pem"), join(folder, "cert.pem")];
  const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
  const keys = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  execFileSync("openssl", ["req", "-x509", ...keys, "-keyout", key, "-out", certificate, ...subject], {
    stdio: "ignore",
  });
  const print = execFileSync("openssl", ["x509", "-in", certificate, "-noout", "-fingerprint", "-sha256"]);
  const pin = String(print).trim().split("=")[1]!;
  const server = ["-N", "--tls-cert", certificate, "--tls-key", key];

  test("has a client that checks the certificate, or a pin, and no other", async () => {
    const listening = cat([...server, "-L", "tls:127.0.0.1:0"], "of the server");
    const [port] = await portsOf(listening);
    const pinned = cat(["-N", "--tls", "--tls-pin", pin, `127.0.0.1:${port}`], "of the client");
    expect((await ended(pinned)).code).toBe(0);
    expect(pinned.output).toBe("of the server");
    await printed(listening, "of the client");
    const wrongs = [
      [["--tls-pin", "0".repeat(64)], "not the one of --tls-pin"],
      [[], "self-signed certificate"],
    ] as const;
    for (const [args, why] of wrongs) {
      const wrong = cat(["--tls", ...args, `127.0.0.1:${port}`], "");
      expect((await ended(wrong)).code).toBe(1);
      expect(wrong.errors).toContain(why);
    }
    const trusted = cat(["-z", "--tls-ca", certificate, `tls:localhost:${port}`], "");
    expect((await ended(trusted)).code).toBe(0);
  });

  test.skipIf(missing("ncat") !== undefined)("is that of ncat, both ways, half-closes and all", async () => {
    const listening = cat([...server, "--tls", "-l", "127.0.0.1:0"], "of the server");
    const [port] = await portsOf(listening);
    const client = program(["ncat", "--ssl", "127.0.0.1", String(port)], "of ncat");
    await printed(listening, "of ncat");
    await printed(client, "of the server");
  });

  test("who says nothing in the handshake keeps nobody waiting", async () => {
    const listening = cat([...server, "--tls", "-L", "127.0.0.1:0"], "");
    const [port] = await portsOf(listening);
    await tcpClient(port!);
    const babbles = await tcpClient(port!);
    babbles.write("no TLS at all, and long enough to be told apart\n");
    const good = cat(["-z", "--tls", "--tls-pin", pin, `127.0.0.1:${port}`], "");
    expect((await ended(good)).code).toBe(0);
    expect(listening.isOver).toBe(false);
  });

  test("-l waits for one that gets through the handshake: junk, and who ends in it, are none", async () => {
    const listening = cat([...server, "--tls", "-l", "127.0.0.1:0"], "of the server");
    const [port] = await portsOf(listening);
    const babbles = await tcpClient(port!);
    babbles.resume().write("no TLS at all, and long enough to be told apart\n");
    await until("its end", () => babbles.closed || babbles.readableEnded);
    const leaves = await tcpClient(port!);
    leaves.resume().end();
    await said(listening, "it closed before TLS was there");
    const good = cat(["-N", "--tls", "--tls-pin", pin, `127.0.0.1:${port}`], "");
    expect((await ended(good)).code, good.errors).toBe(0);
    expect(good.output).toBe("of the server");
  });

  test("--timeout reaches the handshake", async () => {
    await using deaf = await tcpServer();
    const start = performance.now();
    const waits = cat(["--timeout", "300ms", `tls:127.0.0.1:${deaf.port}`], "");
    expect((await ended(waits)).code).toBe(124);
    expect(performance.now() - start).toBeLessThan(9_000);
  });
});

describe("over a guest", () => {
  test("all of it is the same: streams and channels, as far as the policy goes", async () => {
    await using server = await echoServer();
    await using home = new Home(`version: 1
connect: [{ allow: 127.0.0.1, ports: ${server.port} }]
listen: [{ allow: 127.0.0.1, ports: 0 }]
`);
    await home.ready();
    const client = cat(["-N", "--attach", home.path, `127.0.0.1:${server.port}x2`], "hello");
    expect((await ended(client)).code, client.errors).toBe(0);
    expect(client.output).toBe("hellohello");
    const refused = cat(["--attach", home.path, "127.0.0.1:1"], "");
    expect((await ended(refused)).code).toBe(1);
    const relays = cat(
      [
        "--attach",
        home.path,
        "-f",
        "channels",
        "--pair",
        "listen:connect",
        "-L",
        "127.0.0.1:0",
        `127.0.0.1:${server.port}`,
      ],
      "",
    );
    const [port] = await portsOf(relays);
    const one = await tcpClient(port!);
    const bytes = Buffer.alloc(1_000_000, "through a guest");
    one.end(bytes);
    expect((await readAll(one)).equals(bytes)).toBe(true);
  });
});
