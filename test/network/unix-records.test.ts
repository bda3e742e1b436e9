// SEQPACKET: records of real sockets of the host through the monitor, each whole, empty ones too.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import {
  Closed,
  ErrorReply,
  type Frame,
  FrameReader,
  FrameWriter,
  type GuestPipe,
  Protocol,
  unixMessages,
} from "@ringway/control";
import {
  acceptUnix,
  canRefuseDescriptors,
  closeFd,
  Errno,
  inq,
  listenUnix,
  NO_MORE_RECORDS,
  POLLIN,
  POLLOUT,
  PollSet,
  receiveRecord,
  scratch,
  send,
  sendWithFds,
  shutdownWrite,
  tellRecords,
} from "@ringway/linux";
import { beforeAll, expect, onTestFinished, test } from "vitest";
import { KiB, pattern } from "../support/bytes.ts";
import { heldForAll } from "../support/held.ts";
import { policyOf, startMonitor, streamsAre, type TestMonitor } from "../support/monitor.ts";
import { RawGuest } from "../support/raw-guest.ts";
import { temporaryFolder } from "../support/temporary.ts";
import { until } from "../support/wait.ts";

const hold = heldForAll();
let folder: string;
let host: TestMonitor;
let guest: RawGuest;

const NAMES = ["peer", "socat", "flood"];

beforeAll(async () => {
  folder = temporaryFolder("unix-records");
  const rules = NAMES.map(
    (name) => `  - { guest: /run/${name}, host: ${join(folder, name)}, access: connect }\n`,
  );
  const listening = `  - { guest: /run/app, host: ${join(folder, "app")}, access: listen }\n`;
  const policy = `version: 1\nsockets:\n${rules.join("")}${listening}`;
  host = hold(await startMonitor(() => policyOf(policy, folder)));
  guest = hold(await RawGuest.attach(host.path));
});

const { UnixConnectRequest, UnixIncoming, UnixKind, UnixListenRequest, UnixReceived, UnixSend } =
  unixMessages;

async function connect(path: string, ringBytes = 256 * KiB): Promise<GuestPipe> {
  const pipe = await guest.newStream(ringBytes);
  const request = { kind: UnixKind.SEQPACKET, timeoutMs: 0, path };
  guest.sendOpen(pipe, Protocol.UNIX_CONNECT, UnixConnectRequest.encode(request));
  await guest.opened(pipe);
  return pipe;
}

/** A connection, and the other end's descriptor. */
async function connected(ringBytes?: number): Promise<{ pipe: GuestPipe; fd: number }> {
  const listener = listenUnix(join(folder, "peer"));
  const pipe = await connect("/run/peer", ringBytes);
  const fd = await until("the server's end", () => {
    const accepted = acceptUnix(listener);
    return accepted < 0 ? undefined : { accepted };
  });
  closeFd(listener);
  tellRecords(fd.accepted);
  onTestFinished(() => {
    guest.finish(pipe);
  });
  return { pipe, fd: fd.accepted };
}

async function put(pipe: GuestPipe, data: Uint8Array, requestId = 0): Promise<void> {
  const writer = new FrameWriter(pipe.toHost);
  await until("room", () => writer.send(UnixSend, requestId, { data }, () => guest.signal(pipe)));
}

/** The next record, or how the stream was closed. */
async function take(pipe: GuestPipe): Promise<Buffer | "end" | "reset"> {
  const reader = new FrameReader(pipe.toGuest);
  return await until("a record", () => {
    const closed = pipe.toGuest.peerClosed();
    const frame: Frame | undefined = reader.next(() => guest.signal(pipe));
    if (frame === undefined && closed === Closed.OPEN) {
      pipe.toGuest.wantData();
      return undefined;
    }
    if (frame === undefined) return closed === Closed.END ? "end" : "reset";
    expect([frame.type, frame.requestId]).toEqual([UnixReceived.type, 0]);
    return Buffer.from(UnixReceived.decode(frame.payload).data);
  });
}

const room = scratch(128 * KiB);

/** The peer's next record; undefined: there are no more. */
async function received(fd: number): Promise<Buffer | undefined> {
  const got = await until("a record at the peer", () => {
    new PollSet([{ fd, events: POLLIN }]).wait(0);
    const count = receiveRecord(fd, room.address, room.bytes.length);
    return count === -Errno.EAGAIN ? undefined : { count };
  });
  if (got.count === NO_MORE_RECORDS) return undefined;
  if (got.count < 0) throw new Error(`errno ${-got.count}`);
  return Buffer.from(room.bytes.slice(0, got.count));
}

async function sendRecord(fd: number, data: Uint8Array): Promise<void> {
  room.bytes.set(data);
  await until("the kernel's room", () => {
    new PollSet([{ fd, events: POLLOUT }]).wait(0);
    const sent = send(fd, room.address, data.length);
    if (sent < 0 && sent !== -Errno.EAGAIN) throw new Error(`errno ${-sent}`);
    return sent < 0 ? undefined : { sent };
  });
}

const sameAs = (got: Buffer | string | undefined, bytes: number): boolean =>
  Buffer.isBuffer(got) && got.equals(pattern(bytes));

const SIZES = [0, 1, 12, 0, 0, 4096, 65_535, 65_536, 3, 0];

test("records keep their bounds both ways: those of no bytes, the longest, and many at once", async () => {
  const { pipe, fd } = await connected();
  for (const bytes of SIZES) await put(pipe, pattern(bytes));
  for (const bytes of SIZES) expect(sameAs(await received(fd), bytes)).toBe(true);
  const sending = (async () => {
    for (const bytes of SIZES) await sendRecord(fd, pattern(bytes));
  })();
  for (const bytes of SIZES) expect(sameAs(await take(pipe), bytes)).toBe(true);
  await sending;
  closeFd(fd);
  expect(await take(pipe)).toBe("end");
});

test("END is shutdown(2) of that direction, behind the last record, also where that is empty", async () => {
  const { pipe, fd } = await connected();
  await put(pipe, pattern(5));
  await put(pipe, pattern(0));
  guest.end(pipe);
  expect(sameAs(await received(fd), 5)).toBe(true);
  expect(await received(fd)).toEqual(Buffer.alloc(0));
  expect(await received(fd)).toBeUndefined();
  await sendRecord(fd, pattern(7));
  await sendRecord(fd, pattern(0));
  shutdownWrite(fd);
  expect(sameAs(await take(pipe), 7)).toBe(true);
  expect(await take(pipe)).toEqual(Buffer.alloc(0));
  expect(await take(pipe)).toBe("end");
  guest.finish(pipe);
  closeFd(fd);
  await streamsAre(host.monitor, 0);
});

test("a record that is longer than its frame's ring, or than 65,536 bytes, resets the stream, and is not cut", async () => {
  const small = await connected(4 * KiB);
  await sendRecord(small.fd, pattern(4 * KiB - 12));
  expect(await take(small.pipe)).toEqual(Buffer.from(pattern(4 * KiB - 12)));
  await sendRecord(small.fd, pattern(4 * KiB - 11));
  expect(await take(small.pipe)).toBe("reset");
  closeFd(small.fd);
  const large = await connected();
  await sendRecord(large.fd, pattern(65_537));
  expect(await take(large.pipe)).toBe("reset");
  closeFd(large.fd);
  const mine = await connected();
  await put(mine.pipe, pattern(65_537));
  expect(await take(mine.pipe)).toBe("reset");
  expect(host.violations).toEqual([]);
  closeFd(mine.fd);
});

test("a record waits in the kernel until the ring has room for all of it, whatever the guest reads meanwhile", async () => {
  const { pipe, fd } = await connected(4 * KiB);
  const sizes = Array.from({ length: 200 }, (_, i) => (i * 337) % 4000);
  const sending = (async () => {
    for (const bytes of sizes) await sendRecord(fd, pattern(bytes));
    shutdownWrite(fd);
  })();
  for (const bytes of sizes) expect(sameAs(await take(pipe), bytes)).toBe(true);
  expect(await take(pipe)).toBe("end");
  await sending;
  closeFd(fd);
});

test("what the peer does not read waits in the guest's ring: nothing is lost, and nothing else waits for it", async () => {
  const { pipe, fd } = await connected();
  const sizes = Array.from({ length: 60 }, (_, i) => 1000 * i);
  const putting = (async () => {
    for (const bytes of sizes) await put(pipe, pattern(bytes));
    guest.end(pipe);
  })();
  await new Promise((resolve) => setTimeout(resolve, 100));
  for (const bytes of sizes) expect(sameAs(await received(fd), bytes)).toBe(true);
  expect(await received(fd)).toBeUndefined();
  await putting;
  closeFd(fd);
});

test("what the kernel does not take stays in the guest's ring, and nothing of it in the monitor", async () => {
  const { pipe, fd } = await connected(64 * KiB);
  const echo = await guest.echo(4 * KiB);
  // As long as its frame may be, so that the ring has no other beside it.
  const bytes = 64 * KiB - 12;
  const { capacity } = pipe.toHost;
  let records = 0;
  while (pipe.toHost.writable() === capacity) {
    await put(pipe, pattern(bytes));
    records++;
    // Bells are answered in their order: what may be taken is.
    for (let i = 0; i < 3; i++) {
      await guest.write(echo, Buffer.from("x"));
      await guest.readExactly(echo, 1);
    }
  }
  expect(inq(fd)).toBe((records - 1) * bytes);
  expect(records).toBeGreaterThan(1);
  for (let i = 0; i < records; i++) expect(sameAs(await received(fd), bytes)).toBe(true);
  guest.finish(echo);
  closeFd(fd);
});

test("descriptors that a peer sends along are refused or closed, and the bytes go on (UNX-7)", async () => {
  const { pipe, fd } = await connected();
  const sent = sendWithFds(fd, Buffer.from("with two"), [fd, fd]);
  expect(sent).toBe(canRefuseDescriptors() ? -Errno.EPERM : 8);
  if (sent < 0) await sendRecord(fd, Buffer.from("with two"));
  expect(String(await take(pipe))).toBe("with two");
  closeFd(fd);
  // The connection is over: the copies that came along are no more.
  expect(await take(pipe)).toBe("end");
});

test("what is no message here is answered with ENOSYS and its id, and a type that a host sends ends the stream", async () => {
  const { pipe, fd } = await connected();
  const writer = new FrameWriter(pipe.toHost);
  writer.write(0x0302, 77, new Uint8Array(3), () => guest.signal(pipe));
  const frame = await guest.frame(pipe);
  expect([frame.type, frame.requestId, ErrorReply.decode(frame.payload).errno]).toEqual([
    ErrorReply.type,
    77,
    Errno.ENOSYS,
  ]);
  await put(pipe, Buffer.from("still there"));
  expect(String(await received(fd))).toBe("still there");
  writer.write(UnixReceived.type, 0, new Uint8Array(3), () => guest.signal(pipe));
  expect(await take(pipe)).toBe("reset");
  await until("the violation", () => host.violations.find(({ clause }) => clause === "FRM-4"));
  closeFd(fd);
});

test("a peer that goes with records unread resets the stream, after those that it had sent", async () => {
  const { pipe, fd } = await connected();
  await put(pipe, Buffer.from("never read"));
  await sendRecord(fd, Buffer.from("last words"));
  await until("it is there", () => new PollSet([{ fd, events: POLLIN }]).wait(0) > 0);
  closeFd(fd);
  expect(String(await take(pipe))).toBe("last words");
  expect(await take(pipe)).toBe("reset");
});

test("an Error that waits for room when the peer goes comes all the same, and what is behind it", async () => {
  const { pipe, fd } = await connected(4 * KiB);
  await sendRecord(fd, pattern(4 * KiB - 12));
  await until("the ring is full", () => pipe.toGuest.readable() === 4 * KiB);
  await sendRecord(fd, Buffer.from("last words"));
  new FrameWriter(pipe.toHost).write(0x0302, 77, new Uint8Array(3), () => guest.signal(pipe));
  await until("it is taken", () => pipe.toHost.writable() === 4 * KiB);
  closeFd(fd);
  await until("the peer is gone", () => pipe.toHost.abandoned());
  expect(sameAs(await take(pipe), 4 * KiB - 12)).toBe(true);
  const frame = await guest.frame(pipe);
  expect([frame.type, frame.requestId]).toEqual([ErrorReply.type, 77]);
  expect(String(await take(pipe))).toBe("last words");
  expect(await take(pipe)).toBe("end");
});

const FLOOD = `
import os, socket, sys, time
peer = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
peer.bind(sys.argv[1])
peer.listen(5)
print("listening", flush=True)
peer = peer.accept()[0]
for _ in range(3):
    if os.fork() == 0: break
record = bytes(65537)
ends = time.time() + 2
try:
    while time.time() < ends: peer.send(record)
except OSError: pass
os._exit(0)
`;

test("a peer that floods records that are too long, and that nobody reads, keeps no other stream waiting", async () => {
  const flood = spawn("python3", ["-c", FLOOD, join(folder, "flood")], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const over = once(flood, "exit");
  await once(flood.stdout, "data");
  const echo = await guest.echo(4 * KiB);
  const pipe = await guest.newStream(16 * KiB);
  // Before the first of them comes, which would reset the stream.
  guest.stopReading(pipe);
  const request = { kind: UnixKind.SEQPACKET, timeoutMs: 0, path: "/run/flood" };
  guest.sendOpen(pipe, Protocol.UNIX_CONNECT, UnixConnectRequest.encode(request));
  let worstMs = 0;
  for (const endMs = performance.now() + 1500; performance.now() < endMs; ) {
    const fromMs = performance.now();
    await guest.write(echo, Buffer.from("x"));
    await guest.readExactly(echo, 1);
    worstMs = Math.max(worstMs, performance.now() - fromMs);
  }
  expect(worstMs).toBeLessThan(1500);
  guest.finish(echo);
  guest.finish(pipe);
  await over;
});

test("a guest listens for records, and socat sends them", async () => {
  const listener = await guest.newStream(4 * KiB);
  const request = { kind: UnixKind.SEQPACKET, mode: 0o600, backlog: 0, path: "/run/app" };
  guest.sendOpen(listener, Protocol.UNIX_LISTEN, UnixListenRequest.encode(request));
  await guest.opened(listener);
  const pipe = await guest.newStream(64 * KiB);
  await guest.post(listener, pipe, 5);
  const socat = spawn("socat", ["-t", "5", "-", `UNIX-CONNECT:${join(folder, "app")},type=5`], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const over = once(socat, "exit");
  const frame = await guest.frame(pipe);
  expect([frame.type, frame.requestId]).toEqual([UnixIncoming.type, 5]);
  expect(UnixIncoming.decode(frame.payload)).toMatchObject({ pid: socat.pid, uid: process.getuid!() });
  socat.stdin.write("one record");
  expect(String(await take(pipe))).toBe("one record");
  await put(pipe, Buffer.from("and its answer"));
  expect(String((await once(socat.stdout, "data"))[0])).toBe("and its answer");
  guest.end(pipe);
  socat.stdin.end();
  await over;
  guest.finish(pipe);
  guest.finish(listener);
  await streamsAre(host.monitor, 0);
});

test("socat SEQPACKET echoes the guest's records", async () => {
  const socat = spawn("socat", [`UNIX-LISTEN:${join(folder, "socat")},type=5`, "EXEC:cat"], {
    stdio: "inherit",
  });
  const over = once(socat, "exit");
  const pipe = await until("socat listens", () => connect("/run/socat", 64 * KiB).catch(() => undefined));
  for (const text of ["one", "two words", "three"]) {
    await put(pipe, Buffer.from(text));
    expect(String(await take(pipe))).toBe(text);
  }
  guest.end(pipe);
  expect(await take(pipe)).toBe("end");
  guest.finish(pipe);
  await over;
});
