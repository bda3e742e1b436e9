// Guests that break the protocol: each is stopped with a reason, and a guest beside them notices nothing.

import {
  Closed,
  ConnectRequest,
  ErrorReply,
  Exit,
  FrameWriter,
  type GuestPipe,
  HostState,
  ListenRequest,
  Log,
  layout,
  Open,
  Protocol,
} from "@ringway/control";
import { ringEventfd, sendWithFds } from "@ringway/linux";
import { beforeEach, describe, expect, test } from "vitest";
import { KiB, MiB, pattern, sha256 } from "../support/bytes.ts";
import { heldForAll, heldForEach } from "../support/held.ts";
import { guestsAre, startMonitor, streamsAre, type TestMonitor } from "../support/monitor.ts";
import { descriptors } from "../support/processes.ts";
import { RawGuest } from "../support/raw-guest.ts";
import { echoServer, howItEnds, silentServer, tcpClient, tcpServer } from "../support/tcp.ts";
import { until } from "../support/wait.ts";

let host: TestMonitor;
let wicked: RawGuest;
let good: RawGuest;

let shared: TestMonitor | undefined;
/** Guests of the shared monitor of which it has not yet told that they are gone. */
let guests = 0;

const holdForAll = heldForAll();
const hold = heldForEach();

/** The one monitor for all guests that break nothing but what is theirs; all that it told of those before is taken. */
async function shareHost(): Promise<void> {
  shared ??= holdForAll(await startMonitor());
  host = shared;
  await until("the guests before to be gone", () => host.gone.length === guests);
  for (const told of [host.lines, host.violations, host.gone]) told.length = 0;
  await attach();
  guests = 2;
}

/** A monitor of its own. */
async function ownHost(): Promise<void> {
  host = hold(await startMonitor());
  await attach();
}

async function attach(): Promise<void> {
  wicked = hold(await RawGuest.attach(host.path));
  good = hold(await RawGuest.attach(host.path));
}

/** What the monitor calls the wicked guest: it came first. */
const wickedName = (): string | undefined => host.lines.find(({ msg }) => msg === "guest connected")?.guest;

/** The guest beside the wicked one sends 1 MiB through a server and gets it back. */
async function goodIsServed(): Promise<void> {
  await using server = await echoServer();
  const { pipe } = await good.connect("127.0.0.1", server.port, { ringBytes: 64 * KiB });
  const sent = pattern(1 * MiB, 5);
  const received = good.readAll(pipe);
  await good.write(pipe, sent);
  good.end(pipe);
  expect(sha256((await received).bytes)).toBe(sha256(sent));
  good.finish(pipe);
}

async function streamViolation(pipe: GuestPipe, clause: string): Promise<void> {
  await until("the violation", () => host.violations.length > 0);
  expect(host.violations).toEqual([
    { guest: wickedName(), stream: pipe.id, clause, reason: expect.stringContaining(clause) },
  ]);
  await until("the reset", () => layoutWord(pipe, layout.PIPE_TO_GUEST_PRODUCER + 4) === Closed.RESET);
  expect(host.lines.filter(({ audit }) => audit === "violation")).toMatchObject([
    { guest: wickedName(), stream: pipe.id, clause },
  ]);
  // The guest itself goes on.
  const echo = await wicked.echo(1);
  await wicked.write(echo, Buffer.from("ok"));
  expect((await wicked.readExactly(echo, 2)).toString()).toBe("ok");
  await goodIsServed();
}

function layoutWord(pipe: GuestPipe, offset: number): number {
  return wicked.region.words[(pipe.place.page * layout.PAGE_BYTES + offset) / 4]!;
}

async function guestViolation(clause: string, number: number): Promise<void> {
  await until("the guest to be gone", () => host.gone.length > 0);
  expect(host.violations).toEqual([
    { guest: wickedName(), stream: 0, clause, reason: expect.stringContaining(clause) },
  ]);
  expect(host.gone[0]!.reason).toMatch(/^protocol violation: /);
  expect(wicked.region.words[layout.SB_HOST_STATE / 4]).toBe(HostState.FAILED);
  expect(wicked.session.violation).toBe(number);
  await until("the hang-up", () => wicked.hungUp());
  await goodIsServed();
}

describe("a word of a stream that cannot be resets that stream", () => {
  beforeEach(shareHost);

  const WORDS = [
    ["write position past the ring", 0x000, 8 * KiB, "RING-4"],
    ["write position that goes back", 0x000, 0xffff_fff0, "RING-4"],
    ["producer closed with 3", 0x004, 3, "RING-10"],
    ["read position ahead of what was written", 0x180, 1, "RING-4"],
    ["consumer closed with 2", 0x184, 2, "RING-10"],
  ] as const;

  test.each(WORDS)("%s, on an echo", async (_what, offset, value, clause) => {
    const pipe = await wicked.echo(4 * KiB);
    if (offset >= 0x180) {
      // Bytes that the host must put make it look at this word; want-data at 0 keeps the guest's own side out of it.
      await wicked.write(pipe, Buffer.from("look"));
      await wicked.readExactly(pipe, 4);
      wicked.scribble(pipe, offset, offset === 0x180 ? 1000 : value);
      pipe.toHost.put(Buffer.from("again"));
      pipe.toHost.advance(5);
      wicked.signal(pipe);
    } else wicked.scribble(pipe, offset, value);
    await streamViolation(pipe, clause);
  });

  test.each(WORDS)("%s, on a connection: its peer gets a reset", async (_what, offset, value, clause) => {
    await using server = await tcpServer();
    const { pipe } = await wicked.connect("127.0.0.1", server.port, { ringBytes: 4 * KiB });
    const peer = await until("the server's end", () => server.sockets[0]);
    const ends = howItEnds(peer);
    wicked.scribble(pipe, offset, offset === 0x180 ? 1000 : value);
    peer.write("look at your ring");
    await streamViolation(pipe, clause);
    expect(["ECONNRESET", "close"]).toContain(await ends);
  });

  test.each(["refused", "connected", "timed out"])(
    "before it was opened: a connection that is %s",
    async (how) => {
      // The answer is written from a socket's event or from a timer, not from a look at the rings.
      const ends: Promise<string>[] = [];
      await using server = await tcpServer((socket) => void ends.push(howItEnds(socket)));
      using silent = silentServer();
      const { port } = how === "connected" ? server : how === "refused" ? { port: 1 } : silent;
      const before = descriptors();
      const pipe = await wicked.newStream(4 * KiB);
      wicked.scribble(pipe, 0x180, 7777);
      const body = ConnectRequest.encode({ host: "127.0.0.1", port, timeoutMs: 100 });
      wicked.sendOpen(pipe, Protocol.TCP_CONNECT, body);
      await streamViolation(pipe, "RING-4");
      if (how === "connected") {
        await until("the server's end", () => ends.length === 1);
        expect(await ends[0]).toBe("ECONNRESET");
      }
      await until("its socket to be closed", () => descriptors() <= before + 3);
    },
  );

  test("before it was opened: a listener, whose port is free again", async () => {
    const { pipe: probe, port } = await wicked.listen();
    wicked.finish(probe);
    await streamsAre(host.monitor, 0);
    const pipe = await wicked.newStream(4 * KiB);
    wicked.scribble(pipe, 0x180, 7777);
    const address = { family: 4, port, address: Uint8Array.of(127, 0, 0, 1) } as const;
    wicked.sendOpen(pipe, Protocol.TCP_LISTEN, ListenRequest.encode({ backlog: 0, address }));
    await streamViolation(pipe, "RING-4");
    await expect(tcpClient(port)).rejects.toThrow();
  });

  test("while it waits for a connection: the listener goes on with the next", async () => {
    const { pipe: listener, port } = await wicked.listen();
    const first = await wicked.newStream(4 * KiB);
    const second = await wicked.newStream(4 * KiB);
    await wicked.post(listener, first, 1);
    await wicked.post(listener, second, 2);
    wicked.scribble(first, 0x180, 7777);
    const lost = tcpClient(port).catch(() => undefined);
    await until("the violation", () => host.violations.length === 1);
    const served = await tcpClient(port);
    await wicked.incoming(second);
    await streamViolation(first, "RING-4");
    (await lost)?.destroy();
    served.destroy();
  });
});

describe("a frame that cannot be resets its stream", () => {
  beforeEach(shareHost);

  test("a length over the bound", async () => {
    const pipe = await wicked.newStream(256 * KiB);
    const header = Buffer.alloc(12);
    header.writeUInt32LE(65_601, 0);
    header.writeUInt32LE(Open.type, 4);
    await wicked.write(pipe, header);
    wicked.signal(pipe);
    await streamViolation(pipe, "FRM-3");
  });

  test("a length over the ring", async () => {
    const pipe = await wicked.newStream(4 * KiB);
    const header = Buffer.alloc(12);
    header.writeUInt32LE(4 * KiB - 11, 0);
    await wicked.write(pipe, header);
    wicked.signal(pipe);
    await streamViolation(pipe, "FRM-3");
  });

  test.each([0x0401, 0x8201, 0xffff_ffff])("a first frame of type %i", async (type) => {
    const pipe = await wicked.newStream(4 * KiB);
    new FrameWriter(pipe.toHost).write(type, 1, new Uint8Array(8), () => wicked.signal(pipe));
    await streamViolation(pipe, "STR-1");
  });

  test("an Open that is too short", async () => {
    const pipe = await wicked.newStream(4 * KiB);
    wicked.sendOpen(pipe, Protocol.TCP_CONNECT, new Uint8Array(3));
    await streamViolation(pipe, "FRM-6");
  });

  test("bytes on a stream that waits for a connection", async () => {
    const { pipe: listener } = await wicked.listen();
    const posted = await wicked.newStream(4 * KiB);
    await wicked.post(listener, posted, 1);
    const echo = await wicked.echo(1);
    await wicked.write(posted, Buffer.from("too early"));
    wicked.signal(posted);
    await streamViolation(posted, "LSN-3");
    wicked.finish(echo);
  });

  test("an impossible position on a stream that is given to a listener, which stays what it was", async () => {
    const { pipe: listener, port } = await wicked.listen();
    const [bad, next] = [await wicked.newStream(4 * KiB), await wicked.newStream(4 * KiB)];
    const word = (bad.place.page * layout.PAGE_BYTES + layout.PIPE_TO_HOST_PRODUCER) / 4;
    Atomics.store(wicked.region.words, word, 0x7fff_0000);
    await wicked.post(listener, bad, 7);
    const reply = await wicked.frame(listener);
    expect(ErrorReply.decode(reply.payload)).toMatchObject({ errno: 22 });
    expect(reply.requestId).toBe(7);
    await streamViolation(bad, "RING-4");
    await wicked.post(listener, next, 8);
    const client = await tcpClient(port);
    expect((await wicked.incoming(next)).requestId).toBe(8);
    client.destroy();
  });

  test("an unknown protocol is no violation but EPROTONOSUPPORT", async () => {
    const pipe = await wicked.newStream(4 * KiB);
    wicked.sendOpen(pipe, 77, new Uint8Array(0));
    await expect(wicked.opened(pipe)).rejects.toMatchObject({ errno: 93 });
    expect(host.violations).toEqual([]);
  });
});

describe("a violation on the control pipe or the superblock ends the guest", () => {
  beforeEach(shareHost);

  const control = (): number => layout.SB_CONTROL_PAGE / 4;
  const scribbleControl = (offset: number, value: number): void => {
    const page = wicked.region.words[control()]!;
    Atomics.store(wicked.region.words, (page * layout.PAGE_BYTES + offset) / 4, value);
    wicked.session.bell.signal(0);
  };

  test("an impossible write position", async () => {
    scribbleControl(0x000, 0x7fff_0000);
    await guestViolation("RING-4", 2);
  });

  test("a closed word that cannot be", async () => {
    scribbleControl(0x004, 9);
    await guestViolation("RING-10", 3);
  });

  test("closing it", async () => {
    scribbleControl(0x004, 1);
    await guestViolation("CTL-1", 7);
  });

  test("a frame of the wrong direction", async () => {
    await wicked.send({ ...Log, type: 0x8101 }, { level: 1, text: "" });
    wicked.session.bell.signal(0);
    await guestViolation("FRM-4", 5);
  });

  test("a guest state that cannot be", async () => {
    wicked.scribbleSuperblock(layout.SB_GUEST_STATE, 3);
    await guestViolation("SB-5", 1);
  });

  test("features that were not offered", async () => {
    const late = await RawGuest.connect(host.path);
    guests++;
    late.session.attach();
    await until("the reply", () => late.region.words[layout.SB_ATTACH_REPLY / 4] !== 0);
    Atomics.store(late.region.words, layout.SB_FEATURES_ACCEPTED / 4, 1);
    late.scribbleSuperblock(layout.SB_GUEST_STATE, 2);
    await until("the violation", () => host.violations.some(({ clause }) => clause === "VER-3"));
    await guestsAre(host.monitor, 2);
    late.vanish();
  });

  test("bytes on the attach socket", async () => {
    sendWithFds(wicked.socketFd, Buffer.from("hello?"));
    await guestViolation("HEL-3", 1);
  });

  test("violations on 64 streams", async () => {
    const { violations } = host.monitor.counters();
    for (let i = 1; i <= 64; i++) {
      const pipe = await wicked.newStream(4 * KiB);
      wicked.scribble(pipe, 0x000, 0x7000_0000);
      await until("the violation", () => host.monitor.counters().violations === violations + i);
    }
    await until("the guest to be gone", () => host.gone.length === 1);
    expect(host.gone[0]!.reason).toContain("64 violations on streams");
    expect(wicked.session.violation).toBe(8);
    await goodIsServed();
  });
});

describe("noise", () => {
  beforeEach(ownHost);

  test("pending bits for every stream there could be, open or not, disturb nobody", async () => {
    const echo = await wicked.echo(4 * KiB);
    for (let round = 0; round < 20; round++) {
      for (let id = 1; id <= 32_767; id++) wicked.session.bell.signal(id);
      wicked.ring();
    }
    await wicked.write(echo, Buffer.from("done"));
    expect((await wicked.readExactly(echo, 4)).toString()).toBe("done");
    await goodIsServed();
    expect(host.violations).toEqual([]);
  });

  test("bells without end slow nobody down to a stop", async () => {
    let ringing = true;
    const noise = (async () => {
      while (ringing) {
        for (let i = 0; i < 2000; i++) ringEventfd(wicked.bellToHostFd);
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    await goodIsServed();
    ringing = false;
    await noise;
  });

  test("a guest that was ended and goes on ringing costs the monitor nothing", async () => {
    wicked.scribbleSuperblock(layout.SB_GUEST_STATE, 3);
    await until("the guest to be gone", () => host.gone.length === 1);
    wicked.ring();
    await goodIsServed();
    // A reactor that spins would use all of a core.
    const cpu = process.cpuUsage();
    await new Promise((resolve) => setTimeout(resolve, 300));
    const used = process.cpuUsage(cpu);
    expect((used.user + used.system) / 1000).toBeLessThan(200);
  });

  test("an echo whose guest reads no more and writes without end stops nobody else", async () => {
    const pipe = await wicked.echo(4 * KiB);
    wicked.stopReading(pipe);
    // As fast as memory allows, from another thread: the host may see something new at every look.
    const { Worker } = await import("node:worker_threads");
    const position = pipe.place.page * layout.PAGE_BYTES;
    const worker = new Worker(
      `const { workerData: { fd, position, own } } = require("node:worker_threads");
       import("@ringway/linux").then(({ SharedMemory, duplicateFd }) => {
         const words = new Int32Array(SharedMemory.fromFd(duplicateFd(fd)).buffer);
         const writer = position / 4, reader = (position + 0x80) / 4;
         for (;;) Atomics.store(words, writer, Atomics.load(words, reader) + 4096 | 0);
       });`,
      { eval: true, workerData: { fd: wicked.memory.fd, position } },
    );
    await until("bytes to be dropped", () => Atomics.load(wicked.region.words, (position + 0x80) / 4) !== 0);
    wicked.signal(pipe);
    await goodIsServed();
    await worker.terminate();
  });

  test("an Open that is ended at once is served, whenever the host looks", async () => {
    const bells = wicked.session.bell;
    for (let i = 0; i < 500; i++) {
      const pipe = await wicked.newStream(4 * KiB);
      bells.signal(pipe.id);
      wicked.sendOpen(pipe, Protocol.ECHO, new Uint8Array(0));
      wicked.end(pipe);
      await wicked.opened(pipe);
      wicked.finish(pipe);
    }
  });

  test("lines to the log without end wait until the main thread has taken some", async () => {
    // This thread takes none while it sends: what the monitor took from the guest meanwhile, it had to keep.
    let sent = 0;
    const endMs = performance.now() + 700;
    while (performance.now() < endMs) {
      if (wicked.session.send(Log, { level: 20, text: "x".repeat(8000) }) === undefined) continue;
      sent++;
      wicked.session.bell.signal(0);
    }
    // 64 KiB of them are ahead, and a ring is full.
    expect(sent).toBeGreaterThan(8);
    expect(sent).toBeLessThan(40);
    await goodIsServed();
    // It is held back, not cut off: every line comes.
    const echo = await wicked.echo(1);
    await until("all lines", () => host.lines.filter(({ from }) => from === "guest").length === sent);
    wicked.finish(echo);
  });

  test("lines of a guest that leaves at once all come, and its exit code", async () => {
    const exits: number[] = [];
    host.monitor.on("exit", ({ code }) => exits.push(code));
    for (let i = 0; i < 600; i++) await wicked.send(Log, { level: 30, text: `line ${i}` });
    await wicked.send(Exit, { code: 7 });
    wicked.vanish();
    await until("the guest to be gone", () => host.gone.length === 1);
    expect(exits).toEqual([7]);
    const lines = host.lines.filter(({ from }) => from === "guest").map(({ msg }) => msg);
    expect(lines).toEqual(Array.from({ length: 600 }, (_, i) => `line ${i}`));
  });
});

describe("a guest that attaches again", () => {
  beforeEach(ownHost);

  test("has its old sockets closed, and begins anew", async () => {
    await using server = await tcpServer();
    const { pipe: listener, port } = await wicked.listen();
    await wicked.post(listener, await wicked.newStream(1), 1);
    await wicked.connect("127.0.0.1", server.port);
    const peer = await until("the server's end", () => server.sockets[0]);
    const ends = howItEnds(peer);
    const epoch = wicked.session.epoch;
    await wicked.attach();
    expect(wicked.session.epoch).toBe(epoch + 1);
    expect(await ends).toBe("ECONNRESET");
    await streamsAre(host.monitor, 0);
    await expect(tcpClient(port)).rejects.toThrow();
    const { pipe } = await wicked.connect("127.0.0.1", server.port);
    wicked.finish(pipe);
    await goodIsServed();
    expect(host.violations).toEqual([]);
  });

  test("a hundred times in the middle of traffic leaves nothing behind", async () => {
    await using server = await echoServer();
    const before = descriptors();
    for (let i = 0; i < 100; i++) {
      const { pipe } = await wicked.connect("127.0.0.1", server.port, { ringBytes: 64 * KiB });
      await wicked.write(pipe, pattern(32 * KiB));
      wicked.signal(pipe);
      await wicked.attach();
    }
    await streamsAre(host.monitor, 0);
    await until("the server's ends to close", () => server.sockets.every(({ destroyed }) => destroyed));
    await until("the sockets to be closed", () => descriptors() <= before);
    await goodIsServed();
  });
});
