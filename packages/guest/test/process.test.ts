// What the SDK does to its process: it must end when it should, live while it should, and notice a monitor that dies.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { heldForAll } from "../../../test/support/held.ts";
import { temporaryFolder } from "../../../test/support/temporary.ts";
import { type Host, startHost } from "./host.ts";

const hold = heldForAll();
let host: Host;
const children: ChildProcess[] = [];
const here = fileURLToPath(new URL(".", import.meta.url));

beforeAll(async () => {
  host = hold(await startHost());
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
});

function run(script: string): ChildProcess {
  // As bin/ringway.js: with Node's newer versions one of some 800 processes hangs at its end (nodejs/node#54918).
  const options = ["--no-concurrent-sparkplug", "--input-type=module"];
  const child = spawn(process.execPath, [...options, "-e", script], {
    cwd: here,
    env: { ...process.env, RINGWAY_SOCKET: host.path, NODE_OPTIONS: "" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  children.push(child);
  return child;
}

async function ended(child: ChildProcess): Promise<{ code: number | null; out: string; ms: number }> {
  const start = performance.now();
  let out = "";
  child.stdout!.on("data", (chunk) => (out += chunk));
  child.stderr!.on("data", (chunk) => (out += chunk));
  const [code] = await once(child, "close");
  return { code, out, ms: performance.now() - start };
}

const ATTACH = `import { Guest } from "@ringway/guest";
const guest = await Guest.attach(process.env.RINGWAY_SOCKET);
`;

describe("a process with an attached guest", () => {
  it.each([
    ["just ends", "", 0],
    ["calls process.exit", "process.exit(7);", 7],
    [
      "calls process.exit while a stream is open",
      "await guest.echo(); setImmediate(() => process.exit(8));",
      8,
    ],
    ["throws", "throw new Error('on purpose');", 1],
    [
      "throws later, with a server and a stream open",
      "await guest.listen({}); await guest.echo(); setTimeout(() => { throw new Error('on purpose'); }, 20);",
      1,
    ],
    [
      "has only unreferenced things open",
      "(await guest.listen({})).unref(); (await guest.echo()).unref();",
      0,
    ],
    ["closed the guest", "await guest.echo(); await guest.close();", 0],
    ["is done with a stream", "const s = await guest.echo(); s.end('x'); s.resume();", 0],
    ["read a file and keeps the fs stream", "await guest.readdir('/data');", 0],
  ])("that %s, exits", async (_name, script, code) => {
    const result = await ended(run(ATTACH + script));
    expect(result.code, result.out).toBe(code);
    expect(result.ms).toBeLessThan(20_000);
  });

  it("inside a worker thread that is terminated, exits", async () => {
    const script = `import { Worker } from "node:worker_threads";
const code = \`import("@ringway/guest").then(async ({ Guest }) => {
  const guest = await Guest.attach(process.env.RINGWAY_SOCKET);
  await guest.echo();
  (await import("node:worker_threads")).parentPort.postMessage("up");
});\`;
const worker = new Worker(code, { eval: true });
worker.on("error", (error) => { throw error; });
worker.once("message", async () => { await worker.terminate(); console.log("terminated"); });`;
    const result = await ended(run(script));
    expect(result.out).toContain("terminated");
    expect(result.code).toBe(0);
  });

  it.each([
    ["a stream", "await guest.echo();"],
    ["a server", "await guest.listen({});"],
  ])("stays alive for %s", async (_name, script) => {
    const child = run(`${ATTACH}${script} console.log("open");`);
    await once(child.stdout!, "data");
    const alive = await Promise.race([
      once(child, "exit").then(() => false),
      new Promise((resolve) => setTimeout(resolve, 400, true)),
    ]);
    expect(alive).toBe(true);
  });

  it("sends what it wrote, though it exits right after", async () => {
    const server: Server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    let bytes = 0;
    const over = once(server, "connection").then(async ([socket]) => {
      for await (const chunk of socket) bytes += chunk.length;
    });
    const script = `const s = await guest.connect(${port}, "127.0.0.1"); s.end(Buffer.alloc(3_000_000)); s.resume();`;
    const result = await ended(run(ATTACH + script));
    expect(result.code, result.out).toBe(0);
    await over;
    expect(bytes).toBe(3_000_000);
    server.close();
  });

  it("takes over a descriptor that it inherits", async () => {
    const { fd } = host.monitor.attach({ name: "inherits" });
    const script = `import { Guest } from "@ringway/guest";
const guest = await Guest.attach({ fd: 3 });
console.log(typeof await guest.ping());`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
      cwd: here,
      stdio: ["ignore", "pipe", "pipe", fd],
    });
    children.push(child);
    closeSync(fd);
    const result = await ended(child);
    expect(result.out).toBe("number\n");
    expect(result.code).toBe(0);
  });
});

describe("a monitor that is killed", () => {
  it("fails every pending call and stream within a second, and every later call", async () => {
    const base = temporaryFolder("killed");
    const socketPath = join(base, "attach.sock");
    // As CommonJS: not every Worker of another package stands an inherited --input-type.
    const monitorScript = `import("@ringway/monitor").then(async ({ Monitor, parsePolicy }) => {
const policy = parsePolicy("version: 1\\nconnect: [{ allow: 127.0.0.1 }]\\nlisten: [{ allow: 127.0.0.1, ports: 0 }]\\n", { file: "/policy.yaml" });
await Monitor.start({ policy, listen: ${JSON.stringify(socketPath)} });
console.log("ready");
});`;
    const monitor = spawn(process.execPath, ["-e", monitorScript], {
      cwd: here,
      stdio: ["ignore", "pipe", "inherit"],
    });
    children.push(monitor);
    await once(monitor.stdout!, "data");
    expect(existsSync(socketPath)).toBe(true);
    const script = `import { Guest } from "@ringway/guest";
import { once } from "node:events";
import { finished } from "node:stream/promises";
const guest = await Guest.attach(${JSON.stringify(socketPath)});
const streams = await Promise.all(Array.from({ length: 50 }, () => guest.echo()));
const server = await guest.listen({});
const code = (promise) => promise.then(() => "none", (error) => error.code);
const pending = [
  ...streams.map((stream) => code(once(stream, "data"))),
  code(finished(streams[0])),
  once(server, "error").then(([error]) => error.code),
  once(guest, "detach").then(([error]) => error.code),
];
console.log("ready");
const start = new Promise((resolve) => guest.once("detach", () => resolve(Date.now())));
const codes = new Set(await Promise.all(pending));
const at = await start;
console.log(JSON.stringify({ codes: [...codes], at, done: Date.now(), later: [
  await code(guest.ping()), await code(guest.connect(1)), await code(guest.stat("/")), await code(guest.readFile("/x")),
  await code(guest.echo()), await code(guest.open("/x")), await code((async () => guest.listen({}))()),
  await code(guest.writeFile("/x", "")),
] , attached: guest.attached }));`;
    const child = run(script);
    const over = ended(child);
    await once(child.stdout!, "data");
    monitor.kill("SIGKILL");
    const { code, out } = await over;
    expect(code, out).toBe(0);
    const result = JSON.parse(out.split("\n")[1]!);
    expect(result.codes).toEqual(["ECONNRESET"]);
    expect(result.done - result.at).toBeLessThan(1000);
    expect(new Set(result.later)).toEqual(new Set(["ERR_RINGWAY_DETACHED"]));
    expect(result.attached).toBe(false);
  });
});
