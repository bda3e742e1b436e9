// A monitor without descriptors: who asks for something that needs one is told EMFILE, what is open goes on, and so
// does all else once there are some.

import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ErrorReply, type GuestPipe } from "@ringway/control";
import { Guest } from "@ringway/guest";
import { Errno } from "@ringway/linux";
import type { CounterValues } from "@ringway/monitor";
import { describe, expect, test } from "vitest";
import { Declined } from "../support/declined.ts";
import { LOOPBACK } from "../support/monitor.ts";
import { MonitorProgram } from "../support/processes.ts";
import { RawGuest } from "../support/raw-guest.ts";
import { Home, ROOT } from "../support/ringway.ts";
import { echoServer, readAll, tcpClient, tcpServer } from "../support/tcp.ts";
import { temporaryFolder } from "../support/temporary.ts";
import { until } from "../support/wait.ts";
import { filesPolicy, HANG_MS } from "./lives.ts";

/** Enough for a monitor and some streams. */
const LIMIT = 256;
/** Enough for Node to load a monitor's main thread, and to say that there are too few for the others. */
const FEW = 100;
const withDescriptors = (limit: number): string[] => ["prlimit", `--nofile=${limit}:${limit}`];

async function declined(promise: Promise<unknown>): Promise<Declined> {
  const outcome = await promise.then(
    () => new Error("it was allowed"),
    (error: unknown) => error,
  );
  if (outcome instanceof Declined) return outcome;
  throw outcome;
}

describe("without descriptors", () => {
  test("connect, listen and attach say EMFILE, and work again when there are some", async () => {
    const at = join(temporaryFolder("starved"), "attach.sock");
    using monitor = await MonitorProgram.start(at, LOOPBACK, { descriptors: LIMIT });
    using guest = await RawGuest.attach(at);
    await using server = await echoServer();
    const pipes: GuestPipe[] = [];
    let refusal: Declined | undefined;
    while (refusal === undefined) {
      const outcome = await guest.connect("127.0.0.1", server.port, { ringBytes: 1 }).catch((error) => error);
      if (outcome instanceof Declined) refusal = outcome;
      else if (outcome instanceof Error) throw outcome;
      else pipes.push(outcome.pipe);
    }
    expect(refusal.errno).toBe(Errno.EMFILE);
    expect(pipes.length).toBeGreaterThan(5);
    expect((await declined(guest.listen())).errno).toBe(Errno.EMFILE);
    // What is open goes on.
    await guest.write(pipes[0]!, Buffer.from("still"));
    expect((await guest.readExactly(pipes[0]!, 5)).toString()).toBe("still");
    // Somebody else waits, or is turned away, until there is room.
    const late = RawGuest.attach(at).catch((error: unknown) => error);
    for (const pipe of pipes) guest.finish(pipe);
    await until(
      "sockets to be closed",
      async () => (await monitor.ask<CounterValues>("counters")).streams === 0,
    );
    guest.finish((await guest.connect("127.0.0.1", server.port)).pipe);
    const outcome = await late;
    if (outcome instanceof RawGuest) outcome.vanish();
    else expect(outcome).toMatchObject({ errno: Errno.EMFILE });
    using after = await RawGuest.attach(at);
    after.finish((await after.connect("127.0.0.1", server.port)).pipe);
  });

  test("a listener reports that accept failed (LSN-5), and goes on when it can", async () => {
    const at = join(temporaryFolder("starved"), "attach.sock");
    using monitor = await MonitorProgram.start(at, LOOPBACK, { descriptors: LIMIT });
    using guest = await RawGuest.attach(at);
    await using server = await tcpServer();
    const { pipe: listener, port } = await guest.listen();
    const posted = await guest.newStream(1);
    await guest.post(listener, posted, 5);
    const pipes: GuestPipe[] = [];
    for (;;) {
      const outcome = await guest.connect("127.0.0.1", server.port, { ringBytes: 1 }).catch((error) => error);
      if (outcome instanceof Declined) break;
      pipes.push((outcome as { pipe: GuestPipe }).pipe);
    }
    const client = await tcpClient(port);
    const frame = await guest.frame(listener);
    expect(frame.requestId).toBe(0);
    const report = ErrorReply.decode(frame.payload);
    expect(report.errno).toBe(Errno.EMFILE);
    expect(report.reason).toContain("accept");
    expect((await monitor.ask<CounterValues>("counters")).acceptFailures).toBeGreaterThan(0);
    for (const pipe of pipes) guest.finish(pipe);
    expect((await guest.incoming(posted)).peer.port).toBe(client.localPort);
    const received = readAll(client);
    await guest.write(posted, Buffer.from("recovered"));
    guest.end(posted);
    expect((await received).toString()).toBe("recovered");
    client.destroy();
  });
});

describe("a monitor whose descriptors its guests have taken", () => {
  test("serves names and files of others, tells EMFILE, reads its policy again, and ends at SIGTERM", async () => {
    await using home = new Home();
    const data = join(home.folder, "data");
    mkdirSync(data);
    writeFileSync(join(data, "f"), "content");
    home.policy = filesPolicy(data);
    using monitor = await home.ready([], { under: withDescriptors(LIMIT) });
    await using server = await echoServer();
    using greedy = await RawGuest.attach(home.path);
    const other = await Guest.attach(home.path, { roomTimeoutMs: 0 });
    const pipes: GuestPipe[] = [];
    for (;;) {
      const outcome = await greedy
        .connect("127.0.0.1", server.port, { ringBytes: 1 })
        .catch((error) => error);
      if (outcome instanceof Error) {
        expect(outcome).toMatchObject({ errno: Errno.EMFILE });
        break;
      }
      pipes.push((outcome as { pipe: GuestPipe }).pipe);
    }
    expect(pipes.length).toBeGreaterThan(10);
    expect(readdirSync(`/proc/${monitor.pid}/fd`).length).toBeLessThan(LIMIT - 25);
    // The first file operation of all, and the first name.
    expect((await other.stat("/data/f")).size).toBe(7);
    await expect(other.readFile("/data/f")).rejects.toMatchObject({ code: "EMFILE" });
    await expect(other.connect(server.port, "localhost")).rejects.toMatchObject({ code: "EMFILE" });
    await expect(RawGuest.attach(home.path)).rejects.toMatchObject({ errno: Errno.EMFILE });
    await greedy.write(pipes[0]!, Buffer.from("still"));
    expect((await greedy.readExactly(pipes[0]!, 5)).toString()).toBe("still");
    home.policy = `${filesPolicy(data)}guest: { argv: [again] }\n`;
    monitor.child.kill("SIGHUP");
    await until("the policy to be read again", () => monitor.errors.includes("policy reloaded"), HANG_MS);
    expect((await other.args()).argv).toEqual(["again"]);
    for (const pipe of pipes) greedy.finish(pipe);
    const read = (): Promise<string | undefined> => other.readFile("/data/f").then(String, () => undefined);
    expect(await until("a descriptor", read)).toBe("content");
    other.on("detach", () => {});
    monitor.child.kill("SIGTERM");
    await monitor.succeeds(HANG_MS);
    await other.close().catch(() => {});
  });

  test("has the threads for their files before the first of them comes", async () => {
    await using home = new Home();
    const data = join(home.folder, "data");
    mkdirSync(data);
    home.policy = filesPolicy(data);
    using monitor = await home.ready();
    const threads = readdirSync(`/proc/${monitor.pid}/task`).length;
    await using guest = await Guest.attach(home.path);
    await guest.writeFile("/data/f", "written");
    await guest.close();
    expect(readdirSync(`/proc/${monitor.pid}/task`).length).toBe(threads);
    monitor.child.kill("SIGTERM");
    await monitor.succeeds(HANG_MS);
  });
});

describe("the least limit on descriptors", () => {
  /** What a monitor says that it needs, which has fewer and does not start. */
  async function neededBy(limit: number): Promise<number> {
    await using home = new Home("version: 1\n");
    using monitor = home.start([], { under: withDescriptors(limit) });
    expect((await monitor.exit(HANG_MS)).code).toBe(1);
    expect(existsSync(home.path)).toBe(false);
    const said = new RegExp(`RLIMIT_NOFILE, is ${limit}; at least (\\d+) are needed`).exec(monitor.errors);
    if (said === null) throw new Error(monitor.errors);
    return Number(said[1]);
  }

  test("is what a monitor says that has fewer, and docs/monitor.md", async () => {
    const needed = await neededBy(FEW);
    expect(await neededBy(needed - 1)).toBe(needed);
    expect(readFileSync(join(ROOT, "docs/monitor.md"), "utf8")).toContain(`It needs at least ${needed}.`);
  });

  test("is enough each time, also where several start at once", async () => {
    const needed = await neededBy(FEW);
    const start = async (): Promise<void> => {
      await using home = new Home("version: 1\n");
      using monitor = home.start([], { under: withDescriptors(needed) });
      await monitor.logged("monitor is ready");
      monitor.child.kill("SIGTERM");
      await monitor.succeeds(HANG_MS);
    };
    for (let round = 0; round < 3; round++) await Promise.all([start(), start(), start(), start()]);
  });
});
