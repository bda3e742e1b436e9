// RINGWAY_TRACE and RINGWAY_DEBUG=invariants, as whoever looks for a mistake has them.

import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { Guest } from "@ringway/guest";
import { expect, it, onTestFinished } from "vitest";
import type { LogLine, Program } from "../../../test/support/processes.ts";
import { Home, start } from "../../../test/support/ringway.ts";
import { temporaryFolder } from "../../../test/support/temporary.ts";
import { POLICY } from "./ready-monitor.ts";

async function startWith(env: NodeJS.ProcessEnv): Promise<{ monitor: Program; socket: string }> {
  const home = new Home(POLICY);
  onTestFinished(() => home[Symbol.asyncDispose]());
  return { monitor: home.start([], { env: { NODE_OPTIONS: "", ...env } }), socket: home.path };
}

/** A server that sends back what it gets. */
async function echoPort(): Promise<number> {
  const server = createServer((socket) => socket.on("error", () => {}).pipe(socket));
  onTestFinished(() => void server.close());
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as { port: number }).port;
}

/** One connection that is answered, and one that is refused. */
async function useOnce(socket: string): Promise<void> {
  const guest = await Guest.attach(socket);
  const stream = await guest.connect(await echoPort(), "127.0.0.1");
  stream.end("hello");
  for await (const chunk of stream) expect(String(chunk)).toBe("hello");
  await guest.connect(80, "192.0.2.1").catch(() => {});
  await guest.close();
}

async function ended(monitor: Program): Promise<LogLine[]> {
  monitor.kill("SIGTERM");
  expect((await monitor.ended).code).toBe(0);
  return monitor.log;
}

it("RINGWAY_TRACE=streams has a line for each state change of a stream, in order", async () => {
  const { monitor, socket } = await startWith({ RINGWAY_TRACE: "streams" });
  await monitor.logged("monitor is ready");
  await useOnce(socket);
  const lines = (await ended(monitor)).filter(({ trace }) => trace !== undefined);
  const ofGeneration = (generation: number): string[] =>
    lines.filter((each) => each.stream === 1 && each.generation === generation).map(({ msg }) => msg);
  expect(ofGeneration(1)).toEqual([
    "stream 1 (none) -> FRESH",
    "stream 1 FRESH -> OPENING",
    "stream 1 OPENING -> RUNNING",
    "stream 1 RUNNING -> CLOSING",
    "stream 1 CLOSING -> OVER",
  ]);
  expect(lines[0]).toMatchObject({
    level: "info",
    trace: "streams",
    guest: "guest-1",
    toHost: 0,
    toGuest: 0,
  });
  expect(lines[0]).not.toHaveProperty("protocol");
  for (const line of lines.slice(1)) {
    if (!line.msg.endsWith("-> FRESH")) expect(line).toMatchObject({ protocol: "tcp-connect" });
  }
  const closing = lines.find(({ msg }) => msg === "stream 1 RUNNING -> CLOSING")!;
  expect(closing.toHost).toBeGreaterThan("hello".length);
  const refused = lines.filter(({ msg }) => / OPENING -> CLOSING$/.test(msg));
  expect(refused).toHaveLength(1);
  expect(new Set(lines.map(({ trace }) => trace))).toEqual(new Set(["streams"]));
});

it("RINGWAY_TRACE=bells has a line for each ring and each waking; without it there is none of either", async () => {
  const { monitor, socket } = await startWith({ RINGWAY_TRACE: "bells" });
  await monitor.logged("monitor is ready");
  await useOnce(socket);
  const lines = (await ended(monitor)).filter(({ trace }) => trace !== undefined);
  expect(new Set(lines.map(({ msg }) => msg))).toEqual(new Set(["the host rings", "the guest rang"]));
  const without = await startWith({ RINGWAY_TRACE: "" });
  await without.monitor.logged("monitor is ready");
  await useOnce(without.socket);
  expect((await ended(without.monitor)).filter(({ trace }) => trace !== undefined)).toEqual([]);
});

it("a word that RINGWAY_TRACE does not know is wrong usage, and those that it knows are named", async () => {
  const { monitor } = await startWith({ RINGWAY_TRACE: "streams,rings" });
  const { code, stderr } = await monitor.ended;
  expect(code).toBe(2);
  expect(stderr).toContain('RINGWAY_TRACE: unknown word "rings"; known are streams, bells');
});

it("RINGWAY_DEBUG=invariants finds nothing wrong with a monitor and a guest", async () => {
  const { monitor, socket } = await startWith({ RINGWAY_DEBUG: "invariants" });
  await monitor.logged("monitor is ready");
  const port = await echoPort();
  const guest = start(guestProgram(socket, port), { env: { RINGWAY_DEBUG: "invariants" } });
  expect(await guest.ended).toMatchObject({ code: 0, stdout: "hello\n", stderr: "" });
  const lines = await ended(monitor);
  expect(lines.filter(({ level }) => level !== "info")).toEqual([]);
});

/** For the guest's program: its session's books are wrong from the beginning. */
const BREAK_BOOKS = `
import { BrokenInvariant, GuestSession } from "@ringway/control";
GuestSession.prototype.invariants = () => {
  throw new BrokenInvariant("the books are wrong");
};
`;

function guestProgram(socket: string, port: number, before = ""): string[] {
  const program = `${before}
import { Guest } from "@ringway/guest";
const guest = await Guest.attach(${JSON.stringify(socket)});
const stream = await guest.connect(${port}, "127.0.0.1");
stream.end("hello");
for await (const chunk of stream) console.log(String(chunk));
await guest.close();
`;
  return [process.execPath, "--input-type=module", "-e", program];
}

it("RINGWAY_DEBUG=invariants stops a guest whose books are wrong; without it nobody looks", async () => {
  const { monitor, socket } = await startWith({});
  await monitor.logged("monitor is ready");
  const port = await echoPort();
  const broken = guestProgram(socket, port, BREAK_BOOKS);
  const checked = await start(broken, { env: { RINGWAY_DEBUG: "invariants" } }).ended;
  expect(checked.code).not.toBe(0);
  expect(checked.stderr).toContain("BrokenInvariant");
  expect((await start(broken).ended).code).toBe(0);
});

/** For the reactor's thread, which has all of its code to itself: what becomes of that as it is loaded. */
const breaking = (change: string): string => `
const Module = require("node:module");
const compile = Module.prototype._compile;
Module.prototype._compile = function (source, path, ...rest) {
  return compile.call(this, path.endsWith("/reactor-main.cjs") ? ${change} : source, path, ...rest);
};
`;
/** Its sessions' books are wrong from the beginning. */
const BREAK_SESSION = breaking(
  `source + '\\nHostSession.prototype.invariants = () => { throw new BrokenInvariant("the books are wrong"); };'`,
);
/** A request is given back twice. */
const BREAK_BUDGET = breaking(
  `source.replace("giveRequest() {", "giveRequest() { this.giveOnce(); this.giveOnce(); } giveOnce() {")`,
);

it.each([
  ["session", BREAK_SESSION, "BrokenInvariant: the books are wrong"],
  ["budget", BREAK_BUDGET, "BrokenInvariant: a guest has -1 + 0 requests, and its key -1"],
])(
  "RINGWAY_DEBUG=invariants ends a guest for which the monitor's books are wrong, with the stack in the log: %s",
  async (_which, broken, stack) => {
    const preload = join(temporaryFolder(), "preload.cjs");
    writeFileSync(preload, broken);
    for (const RINGWAY_DEBUG of ["invariants", "1"]) {
      const { monitor, socket } = await startWith({ NODE_OPTIONS: `--require ${preload}`, RINGWAY_DEBUG });
      await monitor.logged("monitor is ready");
      const guest = await Guest.attach(socket);
      // Refused, or the first to find that the guest is ended.
      await expect(guest.connect(80, "192.0.2.1")).rejects.toThrow();
      const args = await guest.args().catch((error: { code: string }) => error.code);
      await guest.close().catch(() => {});
      const bugs = (await ended(monitor)).filter(({ level }) => level === "error");
      if (RINGWAY_DEBUG === "invariants") {
        // By which of the two calls it found out.
        expect(["ECONNRESET", "ERR_RINGWAY_DETACHED"]).toContain(args);
        expect(bugs).toEqual([expect.objectContaining({ guest: "guest-1" })]);
        expect(bugs[0]!.stack).toContain(stack);
      } else expect([(args as { argv: string[] }).argv, bugs]).toEqual([["before"], []]);
    }
  },
);
