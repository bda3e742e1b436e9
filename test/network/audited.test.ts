// What guests were allowed is in the audit file: a line when it begins, and one when it is over.

import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, constants, mkdirSync, openSync, readFileSync, readSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { Done, fileMessages, type GuestPipe, mountMessages, Protocol, unixMessages } from "@ringway/control";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { FileGuest } from "../files/wire.ts";
import { failureOf } from "../support/declined.ts";
import { heldForAll } from "../support/held.ts";
import { type LogLine, policyOf, startMonitor, type TestMonitor } from "../support/monitor.ts";
import { RawGuest } from "../support/raw-guest.ts";
import { echoServer, freePort, tcpClient, tcpServer } from "../support/tcp.ts";
import { temporaryFolder } from "../support/temporary.ts";
import { UdpGuest, udpServer } from "../support/udp.ts";
import { until } from "../support/wait.ts";

const POLICY = `version: 1
connect:
  - { id: local, allow: 127.0.0.1, protocols: [tcp, udp] }
  - { id: by-name, allow: "*.test", resolvesTo: 127.0.0.1 }
listen: [{ id: own, allow: 127.0.0.1, ports: [0, 1024-65535], protocols: [tcp, udp] }]
files: [{ id: data, guest: /data, host: ./data, access: rw }]
sockets:
  - { id: server, guest: /run/server, host: ./server, access: connect }
  - { id: service, guest: /run/service, host: ./service, access: listen }
hosts: { server.test: 127.0.0.1 }
`;
const { READ, WRITE, CREATE } = fileMessages.FileFlags;

const hold = heldForAll();
let folder: string;
let audit: string;
let host: TestMonitor;
let guest: FileGuest;

beforeAll(async () => {
  folder = temporaryFolder("audited");
  audit = join(folder, "audit");
  mkdirSync(join(folder, "data"));
  host = hold(await startMonitor(() => policyOf(POLICY, folder), { audit }));
  guest = hold(await FileGuest.attach(host.path));
});

function linesIn(text: string): LogLine[] {
  // The last may be half of one.
  return text
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as LogLine);
}

/** How many there were before this test: what they are about may come again, a port above all. */
let past: number;
beforeEach(() => {
  past = linesIn(readFileSync(audit, "utf8")).length;
});

/** This test's. */
const lines = (): LogLine[] => linesIn(readFileSync(audit, "utf8")).slice(past);

/** The one line of this kind about `what`, once it is there. */
async function line(kind: string, what: string): Promise<LogLine> {
  const found = (): LogLine[] => lines().filter((each) => each.audit === kind && each.what === what);
  await until(`the line "${kind}" of ${what}`, () => found().length > 0);
  expect(found()).toHaveLength(1);
  return found()[0]!;
}

describe("a TCP connection", () => {
  test("has a line when it opens and one at its end, with rule, address, bytes and time", async () => {
    await using server = await echoServer();
    const what = `server.test:${server.port}`;
    const { pipe } = await guest.connect("server.test", server.port);
    const opened = await line("opened", what);
    expect(opened).toEqual({
      level: "info",
      time: expect.stringMatching(/^\d{4}-.*Z$/),
      audit: "opened",
      guest: "guest-1",
      flow: expect.any(Number),
      protocol: "tcp-connect",
      what,
      rule: "by-name",
      address: `127.0.0.1:${server.port}`,
      msg: "opened",
    });
    await guest.write(pipe, Buffer.from("twelve bytes"));
    await guest.readExactly(pipe, 12);
    guest.end(pipe);
    await guest.readAll(pipe);
    guest.finish(pipe);
    const { guest: name, flow, protocol, rule, address } = opened;
    expect(await line("closed", what)).toEqual({
      ...{
        level: "info",
        time: expect.any(String),
        audit: "closed",
        guest: name,
        flow,
        protocol,
        what,
        rule,
      },
      ...{ address, bytesToHost: 12, bytesToGuest: 12, ms: expect.any(Number), end: "end" },
      msg: "closed",
    });
  });

  test("that its guest resets ends as guest-reset, one that its peer resets as reset", async () => {
    await using server = await tcpServer();
    await using other = await tcpServer();
    const mine = await guest.connect("127.0.0.1", server.port);
    const theirs = await guest.connect("127.0.0.1", other.port);
    guest.finish(mine.pipe, "reset");
    (await until("the server's end", () => other.sockets[0])).resetAndDestroy();
    expect(await line("closed", `127.0.0.1:${server.port}`)).toMatchObject({
      end: "guest-reset",
      rule: "local",
    });
    expect(await line("closed", `127.0.0.1:${other.port}`)).toMatchObject({ end: "reset" });
    await guest.readAll(theirs.pipe);
    guest.finish(theirs.pipe);
  });

  test("on which the guest breaks the protocol ends as violation", async () => {
    await using server = await tcpServer();
    using wicked = await RawGuest.attach(host.path);
    const { pipe } = await wicked.connect("127.0.0.1", server.port);
    // The write position, past all that the ring holds.
    wicked.scribble(pipe, 0, 0x7fff_ffff);
    expect(await line("closed", `127.0.0.1:${server.port}`)).toMatchObject({ end: "violation" });
  });

  test("of a guest that is gone is cut, and its line is there", async () => {
    await using server = await tcpServer();
    const leaver = await RawGuest.attach(host.path);
    await leaver.connect("127.0.0.1", server.port);
    leaver.vanish();
    expect(await line("closed", `127.0.0.1:${server.port}`)).toMatchObject({ end: "cut" });
  });

  test("that does not come about has none", async () => {
    const nobody = await freePort();
    await failureOf(guest.connect("127.0.0.1", nobody));
    await failureOf(guest.connect("192.0.2.1", nobody));
    await using server = await echoServer();
    await guest.connect("127.0.0.1", server.port);
    // It comes after those before it.
    await line("opened", `127.0.0.1:${server.port}`);
    const about = lines().filter(({ what }) => String(what).endsWith(`:${nobody}`));
    expect(about.map(({ audit: kind, what }) => ({ kind, what }))).toEqual([
      { kind: "refused", what: `192.0.2.1:${nobody}` },
    ]);
  });
});

test("a listener has its lines, and each connection that comes to it has its own, with the peer's address", async () => {
  const asked = await freePort();
  const { pipe, port } = await guest.listen("127.0.0.1", asked);
  const what = `127.0.0.1:${port}`;
  const opened = await line("opened", what);
  expect(opened).toMatchObject({ protocol: "tcp-listen", rule: "own", address: what });
  const posted = await guest.newStream();
  await guest.post(pipe, posted, 1);
  const client = await tcpClient(port);
  const { peer } = await guest.incoming(posted);
  const accepted = await line("accepted", what);
  expect(accepted).toMatchObject({ protocol: "tcp-listen", rule: "own", address: `127.0.0.1:${peer.port}` });
  expect(accepted.flow).not.toBe(opened.flow);
  client.end("hi");
  expect((await guest.readAll(posted)).bytes.toString()).toBe("hi");
  guest.finish(posted);
  const isClosed = (): LogLine[] => lines().filter((each) => each.audit === "closed" && each.what === what);
  await until("the connection's end", () => isClosed().length === 1);
  expect(isClosed()[0]).toMatchObject({ flow: accepted.flow, bytesToGuest: 2, end: "end" });
  guest.finish(pipe);
  await until("the listener's end", () => isClosed().length === 2);
  expect(isClosed()[1]).toMatchObject({ flow: opened.flow, end: "end" });
});

test("UDP sockets have theirs, connected or bound", async () => {
  await using server = await udpServer();
  using sender = await UdpGuest.attach(host.path);
  const connected = await sender.udpConnect("127.0.0.1", server.port);
  await connected.send("datagram");
  const to = `127.0.0.1:${server.port}`;
  expect(await line("opened", to)).toMatchObject({ protocol: "udp-connect", rule: "local", address: to });
  await until("the datagram", () => server.received.length === 1);
  sender.finish(connected.pipe);
  expect(await line("closed", to)).toMatchObject({ bytesToHost: 8, bytesToGuest: 0 });

  const bound = await sender.udpBind("127.0.0.1");
  const at = await line("opened", "127.0.0.1:0");
  expect(at).toMatchObject({ protocol: "udp-bind", rule: "own", address: `127.0.0.1:${bound.local.port}` });
});

test("Unix sockets have theirs", async () => {
  const server = createServer((socket) => socket.end("six...")).listen(join(folder, "server"));
  await once(server, "listening");
  const pipe = await guest.newStream();
  const { UnixConnectRequest, UnixKind, UnixListenRequest } = unixMessages;
  const request = { kind: UnixKind.STREAM, timeoutMs: 0, path: "/run/server" };
  guest.sendOpen(pipe, Protocol.UNIX_CONNECT, UnixConnectRequest.encode(request));
  await guest.opened(pipe);
  expect(await line("opened", "/run/server")).toMatchObject({
    protocol: "unix-connect",
    rule: "server",
    address: "",
  });
  await guest.readAll(pipe);
  guest.finish(pipe);
  expect(await line("closed", "/run/server")).toMatchObject({ bytesToGuest: 6, end: "end" });
  server.close();

  const listener = await guest.newStream();
  const listening = { kind: UnixKind.STREAM, mode: 0o600, backlog: 0, path: "/run/service" };
  guest.sendOpen(listener, Protocol.UNIX_LISTEN, UnixListenRequest.encode(listening));
  await guest.opened(listener);
  expect(await line("opened", "/run/service")).toMatchObject({ protocol: "unix-listen", rule: "service" });
  guest.finish(listener);
  expect(await line("closed", "/run/service")).toMatchObject({ end: "end" });
});

describe("a file", () => {
  test("has its lines, with what was read and written of it", async () => {
    const file = await guest.openFile("/data/requests", READ | WRITE | CREATE);
    expect(await line("opened", "/data/requests")).toMatchObject({
      protocol: "file",
      rule: "data",
      address: "",
    });
    const { Write, Written, ReadAt, Data } = fileMessages;
    await file.call(Write, { data: Buffer.from("four") }, Written);
    await file.call(ReadAt, { bytes: 3, offset: 1 }, Data);
    await file.finish();
    expect(await line("closed", "/data/requests")).toMatchObject({
      bytesToHost: 4,
      bytesToGuest: 3,
      end: "end",
    });
  });

  test("that is read as a stream has them as well", async () => {
    writeFileSync(join(folder, "data", "streamed"), "seventeen bytes..");
    const { READ: direction } = fileMessages.FileDirection;
    const [stream] = await guest.openFileStream({ path: "/data/streamed", direction, flags: READ });
    await stream.read();
    stream.let();
    const what = "/data/streamed";
    expect(await line("opened", what)).toMatchObject({ protocol: "file-stream", rule: "data" });
    expect(await line("closed", what)).toMatchObject({ bytesToHost: 0, bytesToGuest: 17, end: "end" });
  });

  test("of which the guest reads the head, and lets go, has not been reset by anybody else", async () => {
    writeFileSync(join(folder, "data", "long"), Buffer.alloc(1024 * 1024));
    const { READ: direction } = fileMessages.FileDirection;
    const request = { path: "/data/long", direction, flags: READ };
    const [stream] = await guest.openFileStream(request, 4096);
    await guest.readExactly(stream.pipe, 100);
    stream.let();
    expect(await line("closed", "/data/long")).toMatchObject({ end: "guest-reset" });
  });

  test("that a mount opens has them, from MountOpen to MountRelease; folders have none", async () => {
    const m = mountMessages;
    const body = m.MountRequest.encode({ path: Buffer.from("/data") });
    const [mount] = await guest.open(Protocol.MOUNT, body, 256 * 1024);
    const flags = m.MountFlags.READ | m.MountFlags.WRITE | m.MountFlags.CREATE;
    const open = { at: 0, flags, mode: 0o644, path: Buffer.from("mounted") };
    const { handle } = await mount.call(m.MountOpen, open, m.MountHandle);
    expect(await line("opened", "/data/mounted")).toMatchObject({ protocol: "mount", rule: "data" });
    const write = { handle, flags: 0, offset: 0, data: Buffer.from("nine more") };
    await mount.call(m.MountWrite, write, fileMessages.Written);
    await mount.call(m.MountRead, { handle, offset: 0, bytes: 9 }, fileMessages.Data);
    await mount.call(m.MountRead, { handle, offset: 4, bytes: 5 }, fileMessages.Data);
    await mount.call(m.MountRelease, { handle }, Done);
    expect(await line("closed", "/data/mounted")).toMatchObject({
      bytesToHost: 9,
      bytesToGuest: 14,
      end: "end",
    });
    expect(readFileSync(audit, "utf8")).not.toContain('"what":"/data"');
  });
});

test("a policy that says `audited: refusals` has no more of them; what is open still has its end", async () => {
  await using before = await echoServer();
  await using after = await echoServer();
  const open = await guest.connect("127.0.0.1", before.port);
  await host.monitor.reload(policyOf(`${POLICY}audited: refusals\n`, folder));
  const unseen = await guest.connect("127.0.0.1", after.port);
  guest.finish(unseen.pipe);
  guest.finish(open.pipe);
  await line("closed", `127.0.0.1:${before.port}`);
  await failureOf(guest.connect("192.0.2.7", 80));
  await line("refused", "192.0.2.7:80");
  expect(JSON.stringify(lines())).not.toContain(`"127.0.0.1:${after.port}"`);
  await host.monitor.reload(policyOf(POLICY, folder));
});

test("what is open when the monitor stops is cut, and has its line", async () => {
  const file = join(folder, "stopped");
  await using server = await echoServer();
  await using stopping = await startMonitor(() => policyOf(POLICY, folder), { audit: file });
  using asker = await RawGuest.attach(stopping.path);
  await asker.connect("127.0.0.1", server.port);
  await stopping.monitor.close({ drainMs: 0 });
  const kinds = linesIn(readFileSync(file, "utf8")).map(({ audit: kind, end }) => ({ kind, end }));
  expect(kinds).toEqual([
    { kind: "opened", end: undefined },
    { kind: "closed", end: "cut" },
  ]);
});

test("without an audit file what was allowed has no lines, also in the log", async () => {
  await using server = await echoServer();
  await using silent = await startMonitor();
  using asker = await RawGuest.attach(silent.path);
  const { pipe } = await asker.connect("127.0.0.1", server.port);
  asker.finish(pipe);
  await failureOf(asker.connect("192.0.2.1", 80));
  await until("the refusal", () => silent.lines.some((each) => each.audit === "refused"));
  expect(silent.lines.filter((each) => each.audit !== undefined)).toHaveLength(1);
});

/** In a line of the audit it takes six times as many bytes. */
const DEEP = `/${"\u0001".repeat(255)}`.repeat(8);

/** A file at the end of it. */
beforeAll(() => {
  mkdirSync(join(folder, "data", DEEP), { recursive: true });
  writeFileSync(join(folder, "data", DEEP, "file"), "");
});

test("of hundreds of files that end at once, with their guest or with the monitor, each has its line", async () => {
  const FILES = 400;
  const file = join(folder, "many");
  const policy = `${POLICY}limits: { auditBytes: 1GiB, openFiles: 1000 }\n`;
  await using busy = await startMonitor(() => policyOf(policy, folder), { audit: file });
  const body = fileMessages.FileOpen.encode({ path: `/data${DEEP}/file`, flags: READ, mode: 0 });
  const openMany = async (asker: FileGuest): Promise<void> => {
    const pipes: GuestPipe[] = [];
    for (let i = 0; i < FILES; i++) pipes.push(await asker.newStream(4096));
    for (const pipe of pipes) asker.sendOpen(pipe, Protocol.FILE, body);
    for (const pipe of pipes) await asker.opened(pipe);
  };
  const leaver = await FileGuest.attach(busy.path);
  using stayer = await FileGuest.attach(busy.path);
  await openMany(leaver);
  await openMany(stayer);
  leaver.vanish();
  await failureOf(stayer.connect("192.0.2.9", 80));
  await busy.monitor.close({ drainMs: 0 });
  const lines = linesIn(readFileSync(file, "utf8"));
  const count = (kind: string): number => lines.filter((each) => each.audit === kind).length;
  expect(["opened", "refused", "closed"].map(count)).toEqual([2 * FILES, 1, 2 * FILES]);
  expect(lines).toHaveLength(4 * FILES + 1);
});

test("past `auditBytes` the guest waits for the next second, and no line is lost", async () => {
  const FILES = 8;
  const file = join(folder, "paced");
  const policy = `${POLICY}limits: { auditBytes: 64KiB }\n`;
  await using paced = await startMonitor(() => policyOf(policy, folder), { audit: file });
  using asker = await FileGuest.attach(paced.path);
  // All at once: more than may be written in a second.
  const body = fileMessages.FileOpen.encode({ path: `/data${DEEP}/file`, flags: READ, mode: 0 });
  const pipes: GuestPipe[] = [];
  for (let i = 0; i < FILES; i++) pipes.push(await asker.newStream(4096));
  for (const pipe of pipes) asker.sendOpen(pipe, Protocol.FILE, body);
  for (const pipe of pipes) await asker.opened(pipe);
  for (const pipe of pipes) asker.finish(pipe);
  const kinds = (kind: string): number =>
    linesIn(readFileSync(file, "utf8")).filter((each) => each.audit === kind).length;
  await until("all lines", () => kinds("closed") === FILES);
  expect(kinds("opened")).toBe(FILES);
  expect(paced.monitor.counters().quotaLines).toBeGreaterThan(0);
});

test("with `audit: required` who opens something waits while no line can be written, and nobody else", async () => {
  const OPENED = 100;
  const fifo = join(folder, "fifo");
  execFileSync("mkfifo", [fifo]);
  const reader = openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK);
  using _reader = { [Symbol.dispose]: () => closeSync(reader) };
  const policy = `${POLICY}audit: required\n`;
  await using strict = await startMonitor(() => policyOf(policy, folder), { audit: fifo });
  using asker = await FileGuest.attach(strict.path);
  using other = await RawGuest.attach(strict.path);
  const quiet: GuestPipe = await other.echo();
  let opened = 0;
  const opening = (async () => {
    for (; opened < OPENED; opened++) {
      const file = await asker.openFile(`/data${DEEP}/file`, READ);
      file.let();
    }
  })();
  const cannot = (): boolean =>
    strict.lines.some(({ msg }) => msg.startsWith("audit lines cannot be written"));
  await until("the fifo to be full", cannot);
  await other.write(quiet, Buffer.from("still served"));
  expect((await other.readExactly(quiet, 12)).toString()).toBe("still served");
  // What fits the fifo and the monitor is far less.
  expect(opened).toBeLessThan(OPENED);

  const chunk = Buffer.alloc(1024 * 1024);
  let text = "";
  const reading = setInterval(() => {
    try {
      text += chunk.toString("utf8", 0, readSync(reader, chunk));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
    }
  }, 1);
  using _reading = { [Symbol.dispose]: () => clearInterval(reading) };
  await opening;
  const flows = (kind: string): unknown[] =>
    linesIn(text)
      .filter((each) => each.audit === kind)
      .map(({ flow }) => flow);
  await until("all lines", () => flows("closed").length === OPENED);
  const all = Array.from({ length: OPENED }, (_, index) => index + 1);
  expect(flows("opened")).toEqual(all);
  expect(flows("closed")).toEqual(all);
});
