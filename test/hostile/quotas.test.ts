// Every quota: its error, its counter, and that it comes back; and that a guest which means well meets none.

import { statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  Accept,
  ErrorReply,
  FrameReader,
  FrameWriter,
  fileMessages,
  fsMessages,
  type GuestPipe,
  Log,
  type Message,
  Protocol,
  StatReply,
} from "@ringway/control";
import { Guest } from "@ringway/guest";
import { describe, expect, test } from "vitest";
import { heldForEach } from "../support/held.ts";
import { Incoming } from "../support/incoming.ts";
import { LOOPBACK, type LogLine, streamsAre } from "../support/monitor.ts";
import { RawGuest } from "../support/raw-guest.ts";
import { sharedMonitor } from "../support/shared-monitor.ts";
import { clientPorts, echoServer, silentServer } from "../support/tcp.ts";
import { temporaryFolder } from "../support/temporary.ts";
import { until } from "../support/wait.ts";

const Errno = { ENOMEM: 12, EMFILE: 24, ENOBUFS: 105, EDQUOT: 122 };
const files = temporaryFolder("quotas");
writeFileSync(join(files, "f"), "some bytes");
const policy = `${LOOPBACK}files: [{ id: all, guest: /, host: ${files}, access: rw }]\n`;

const host = sharedMonitor(policy);
const hold = heldForEach();
let guest: RawGuest;
/** What it is called in the log. */
let name: string;

/** The test's guest, with limits of its own. */
async function start(limits: string): Promise<void> {
  const own = host.own(`${policy}limits: ${limits}\n`);
  name = own.name;
  guest = hold(await RawGuest.attach(own.fd));
}

const counter = (what: keyof ReturnType<typeof host.counters>): number => host.counters()[what];
const guestLines = (): LogLine[] =>
  host.lines().filter((line) => line.from === "guest" && line.guest === name);

async function request<T>(pipe: GuestPipe, kind: Message<T>, value: T): Promise<number> {
  new FrameWriter(pipe.toHost).send(kind, 1, value, () => guest.signal(pipe));
  const reply = await guest.frame(pipe);
  return reply.type === ErrorReply.type ? ErrorReply.decode(reply.payload).errno : 0;
}

async function openFile(path: string, flags: number): Promise<GuestPipe> {
  const pipe = await guest.newStream(4096);
  guest.sendOpen(pipe, Protocol.FILE, fileMessages.FileOpen.encode({ path, flags, mode: 0o600 }));
  await guest.opened(pipe);
  return pipe;
}

describe("past its quota of", () => {
  test("streams a guest gets EMFILE", async () => {
    await start("{ streams: 3 }");
    const pipes = [await guest.newStream(1), await guest.newStream(1), await guest.newStream(1)];
    await expect(guest.newStream(1)).rejects.toMatchObject({ errno: Errno.EMFILE });
    expect(counter("quotaStreams")).toBe(1);
    guest.finish(pipes[0]!);
    await until("a free one", () => guest.newStream(1).catch(() => undefined));
  });

  test("pages, ENOMEM", async () => {
    await start("{ regionBytes: 1MiB, streamBytes: 256KiB }");
    const pipe = await guest.newStream(256 * 1024);
    await expect(guest.newStream(256 * 1024)).rejects.toMatchObject({ errno: Errno.ENOMEM });
    expect(counter("quotaPages")).toBe(1);
    guest.finish(pipe);
    await until("free pages", () => guest.newStream(256 * 1024).catch(() => undefined));
  });

  test("posted accepts, ENOBUFS", async () => {
    await start("{ accepts: 2 }");
    const { pipe: listener } = await guest.listen();
    const posted = [await guest.newStream(1), await guest.newStream(1)];
    for (const [i, pipe] of posted.entries()) await guest.post(listener, pipe, i);
    const third = await guest.newStream(1);
    const { id, generation } = third;
    expect(await request(listener, Accept, { id, generation })).toBe(Errno.ENOBUFS);
    expect(counter("quotaAccepts")).toBe(1);
    guest.finish(posted[0]!);
    await streamsAre(host.monitor, 3);
    await guest.post(listener, third, 3);
    guest.finish(listener);
  });

  test("open files, EMFILE", async () => {
    await start("{ openFiles: 1 }");
    const first = await openFile("/f", 1);
    await expect(openFile("/f", 1)).rejects.toMatchObject({ errno: Errno.EMFILE });
    expect(counter("quotaOpenFiles")).toBe(1);
    expect(await request(first, fileMessages.Close, {})).toBe(0);
    await openFile("/f", 1);
  });

  test("bytes written to files, EDQUOT", async () => {
    await start("{ fileBytesWritten: 10 }");
    const file = await openFile("/new", 6);
    expect(await request(file, fileMessages.Write, { data: new Uint8Array(10) })).toBe(0);
    expect(await request(file, fileMessages.Write, { data: new Uint8Array(1) })).toBe(Errno.EDQUOT);
    expect(counter("quotaFileBytes")).toBe(1);
  });

  test("bytes written to files, EDQUOT; a write that was given up before a worker began it has taken none", async () => {
    const limit = 4000;
    // One in each tenth of a second: a write that follows an open waits.
    await start(`{ fileBytesWritten: ${limit}, diskOperations: 10 }`);
    const paths = Array.from({ length: 8 }, (_, i) => `/new${i}`);
    for (const path of paths) {
      const file = await openFile(path, 6);
      const empty = file.toHost.writable();
      new FrameWriter(file.toHost).send(fileMessages.Write, 1, { data: new Uint8Array(400) }, () =>
        guest.signal(file),
      );
      await until("the request to be taken", () => file.toHost.writable() === empty);
      guest.finish(file, "reset");
      await streamsAre(host.monitor, 0);
    }
    const file = await openFile("/last", 6);
    let [taken, all] = [-1, 0];
    for (const path of paths) all += statSync(join(files, path)).size;
    // Some may have been written: a tenth of a second is not for ever.
    expect(all).toBeLessThan(paths.length * 400);
    new FrameWriter(file.toHost).send(fileMessages.Write, 1, { data: new Uint8Array(limit - all) }, () =>
      guest.signal(file),
    );
    const reply = await guest.frame(file);
    if (reply.type === fileMessages.Written.type) taken = fileMessages.Written.decode(reply.payload).bytes;
    expect(taken).toBe(limit - all);
    expect(await request(file, fileMessages.Write, { data: new Uint8Array(1) })).toBe(Errno.EDQUOT);
  });

  test("requests under way, ENOBUFS, of whatever kind", async () => {
    await start("{ requests: 1 }");
    using silent = silentServer();
    const file = await openFile("/f", 1);
    const fs = await guest.newStream(4096);
    guest.sendOpen(fs, Protocol.FS, new Uint8Array(0));
    await guest.opened(fs);
    // For long enough that what follows comes before its end, also where the machine has others to serve.
    const slow = guest.connect("127.0.0.1", silent.port, { timeoutMs: 3000 });
    await until("it to be under way", () =>
      clientPorts(silent.port).some((port) => !silent.fillers.has(port)),
    );
    await expect(guest.connect("127.0.0.1", silent.port)).rejects.toMatchObject({ errno: Errno.ENOBUFS });
    expect(await request(fs, fsMessages.Stat, { path: "/f" })).toBe(Errno.ENOBUFS);
    expect(await request(file, fileMessages.FileStat, {})).toBe(Errno.ENOBUFS);
    expect(counter("quotaRequests")).toBe(3);
    // What gives something back is served.
    expect(await request(file, fileMessages.Close, {})).toBe(0);
    await expect(slow).rejects.toMatchObject({ errno: 110 });
    expect(await request(fs, fsMessages.Stat, { path: "/f" })).toBe(0);
    await openFile("/f", 1);
  });

  test("operations on disk, they wait for their turn, and all are done", async () => {
    await start("{ diskOperations: 100 }");
    const fs = await guest.newStream(4096);
    guest.sendOpen(fs, Protocol.FS, new Uint8Array(0));
    await guest.opened(fs);
    const startMs = performance.now();
    // All at once: it is not this side that takes its time.
    const requests = new FrameWriter(fs.toHost);
    for (let i = 0; i < 35; i++) {
      expect(requests.send(fsMessages.Stat, i, { path: "/f" }, () => guest.signal(fs))).toBe(true);
    }
    const replies = new FrameReader(fs.toGuest);
    for (let i = 0; i < 35; ) {
      const reply = await until("a reply", () => replies.next(() => guest.signal(fs)));
      expect([reply.type, reply.requestId]).toEqual([StatReply.type, i++]);
    }
    // Ten in each tenth of a second.
    expect(performance.now() - startMs).toBeGreaterThan(250);
    expect(counter("quotaDiskOperations")).toBeGreaterThan(0);
  });

  test("bells in vain, it waits, and is served again", async () => {
    guest = hold(await RawGuest.attach(host.path));
    // Of two in a tenth of a second the third is one too many, however slow this machine is. Fewer than a policy may
    // say: an attach alone costs 50.
    const { limits, ...rest } = host.monitor.policy;
    await host.monitor.reload({ ...rest, limits: { ...limits, bells: 20 } });
    const ring = (): boolean => {
      guest.ring();
      return counter("quotaBells") > 0;
    };
    await until("the quota", ring, 20_000);
    const [heard, startMs] = [counter("bells"), performance.now()];
    for (let i = 0; i < 1000; i++) {
      ring();
      await new Promise((resolve) => setImmediate(resolve));
    }
    // Whatever begins or ends within the time counts as a whole tenth, and the third bell is heard before it waits.
    const tenths = Math.ceil((performance.now() - startMs) / 100) + 1;
    expect(counter("bells") - heard).toBeLessThanOrEqual(3 * tenths);
    // Within the time that an answer is waited for.
    await guest.echo(4096);
    await host.monitor.reload({ ...rest, limits });
  });

  test("lines, it waits for the next second; all of them come", async () => {
    await start("{ logLines: 5 }");
    for (let i = 0; i < 12; i++) await guest.send(Log, { level: 30, text: `line ${i}` });
    guest.session.bell.signal(0);
    await until("all lines", () => guestLines().length === 12);
    expect(counter("quotaLines")).toBeGreaterThan(0);
  });

  test.each([
    ["control characters", "\u0001".repeat(8192)],
    ["quotes", '"'.repeat(8192)],
    ["line separators", "\u2028".repeat(2730)],
  ])("bytes of lines, it waits, also where they are %s that take more room in the log", async (_, text) => {
    await start("{ logBytes: 64KiB }");
    const startMs = performance.now();
    const sent = (async () => {
      for (let i = 0; i < 60; i++) await guest.send(Log, { level: 30, text });
    })();
    sent.catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, 2200));
    const lines = guestLines();
    const bytes = lines.map((line) => Buffer.byteLength(JSON.stringify(line)));
    const seconds = Math.ceil((performance.now() - startMs) / 1000) + 1;
    expect(lines.length).toBeGreaterThan(2);
    expect(Math.max(...bytes)).toBeLessThan(17 * 1024);
    // One line may be over the quota, and what the guest is held at: the next second pays for it.
    expect(bytes.reduce((sum, some) => sum + some)).toBeLessThan((seconds + 1) * 64 * 1024);
    expect(counter("quotaLines")).toBeGreaterThan(0);
  });
});

test("a guest that means well meets none of them", async () => {
  await using server = await echoServer();
  await using sane = await Guest.attach(host.path);
  const talk = async (): Promise<void> => {
    const socket = await sane.connect({ host: "127.0.0.1", port: server.port });
    let left = 300_000;
    const all = new Promise<void>((resolve) =>
      socket.on("data", (chunk: Uint8Array) => {
        left -= chunk.length;
        if (left === 0) resolve();
      }),
    );
    socket.write(new Uint8Array(left));
    await all;
    socket.destroy();
  };
  for (let i = 0; i < 4; i++) await Promise.all(Array.from({ length: 25 }, talk));
  for (let i = 0; i < 50; i++) {
    await sane.writeFile(`/w${i % 5}`, "x".repeat(10_000));
    await sane.readFile("/f");
    await sane.stat("/f");
    await sane.ping();
  }
  const echo = await sane.echo();
  const answers = new Incoming(echo);
  for (let i = 0; i < 2000; i++) {
    echo.write("ping");
    await answers.take(4);
  }
  await sane.close();
  const counters = Object.entries(host.counters());
  expect(counters.filter(([what, value]) => what.startsWith("quota") && value > 0)).toEqual([]);
});
