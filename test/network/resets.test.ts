// What a peer had sent before it broke the connection: a direct client reads all of it and then ECONNRESET, and so does
// a guest.
//
// Each claim is made of a direct client first, in the same test, and ROUNDS times of a guest.

import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { Writable } from "node:stream";
import { Closed, type GuestPipe } from "@ringway/control";
import { Guest, type GuestSocket } from "@ringway/guest";
import { setLingerZero, shutdownWrite } from "@ringway/linux";
import { beforeAll, describe, expect, test } from "vitest";
import { KiB, MiB, sha256 } from "../support/bytes.ts";
import {
  acknowledged,
  answerEarly,
  FdServer,
  FdSocket,
  HEAD_BYTES,
  type Heard,
  heardDirectly,
  REPLY,
  ROUNDS,
  UPLOAD,
} from "../support/fd-tcp.ts";
import { heldForAll } from "../support/held.ts";
import { startMonitor, streamsAre, type TestMonitor } from "../support/monitor.ts";
import { RawGuest } from "../support/raw-guest.ts";
import { until } from "../support/wait.ts";

let host: TestMonitor;
let raw: RawGuest;
let guest: Guest;

const hold = heldForAll();
beforeAll(async () => {
  host = hold(await startMonitor());
  raw = hold(await RawGuest.attach(host.path));
  guest = hold(await Guest.attach(host.path));
});

/** More than rings and sockets hold. */
const MORE = Buffer.alloc(16 * MiB);

const summary = ({ bytes, how }: Heard): unknown => ({ bytes: bytes.length, sum: sha256(bytes), how });
const ALL_THEN_RESET = summary({ bytes: REPLY, how: "reset" });

/** One connection of a guest to a server that answers early. */
async function round(client: (port: number) => Promise<Heard>, reply?: Uint8Array): Promise<unknown> {
  using server = new FdServer();
  const answered = server.accept().then((socket) => answerEarly(socket, reply));
  const heard = await client(server.port);
  await answered;
  return summary(heard);
}

async function rounds(client: (port: number) => Promise<Heard>): Promise<unknown[]> {
  const all = [];
  for (let i = 0; i < ROUNDS; i++) all.push(await round(client));
  return all;
}

/** What a socket of the SDK gave, however slowly it was read, and how it closed. */
async function hear(socket: GuestSocket, pause: () => Promise<void> = async () => {}): Promise<Heard> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of socket) {
      chunks.push(chunk as Buffer);
      await pause();
    }
  } catch (error) {
    if ((error as { code?: string }).code !== "ECONNRESET") throw error;
    return { bytes: Buffer.concat(chunks), how: "reset" };
  }
  return { bytes: Buffer.concat(chunks), how: "end" };
}

describe("a server that answers early and closes with the upload unread: all of its answer, then ECONNRESET", () => {
  test("for a guest that drops what it has not read when it sees RESET, as RING-8 lets it", async () => {
    expect(summary(await heardDirectly())).toEqual(ALL_THEN_RESET);
    const heard = await rounds(async (port) => {
      const { pipe } = await raw.connect("127.0.0.1", port);
      await raw.write(pipe, UPLOAD);
      const received = await raw.readAll(pipe);
      raw.finish(pipe);
      return received;
    });
    expect(heard).toEqual(heard.map(() => ALL_THEN_RESET));
  });

  test("for a guest whose ring was full meanwhile, and whose writer hears of it before it has read a byte", async () => {
    const heard = await rounds(async (port) => {
      const { pipe } = await raw.connect("127.0.0.1", port, { ringBytes: 4 * KiB });
      // Before it has read anything, the host takes no more: EPIPE to the next write.
      expect(await raw.write(pipe, MORE)).toBe(false);
      expect(pipe.toGuest.peerClosed()).toBe(Closed.OPEN);
      const received = await raw.readAll(pipe);
      raw.finish(pipe);
      return received;
    });
    expect(heard).toEqual(heard.map(() => ALL_THEN_RESET));
  });

  test("for a program of the SDK that reads while it writes", async () => {
    const heard = await rounds(async (port) => {
      const socket = await guest.connect(port, "127.0.0.1");
      socket.write(UPLOAD);
      return await hear(socket);
    });
    expect(heard).toEqual(heard.map(() => ALL_THEN_RESET));
  });

  test("for a program of the SDK that reads slowly, while it still writes", async () => {
    const heard = await rounds(async (port) => {
      const socket = await guest.connect({ port, host: "127.0.0.1", ringBytes: 4 * KiB });
      const more = setInterval(() => socket.writable && socket.write(UPLOAD), 1);
      const heard = await hear(socket, () => new Promise((resolve) => setTimeout(resolve, 1)));
      clearInterval(more);
      return heard;
    });
    expect(heard).toEqual(heard.map(() => ALL_THEN_RESET));
  });

  test("for a program of the SDK that pipes into something slow, while it still writes", async () => {
    const heard = await rounds(async (port) => {
      const socket = await guest.connect({ port, host: "127.0.0.1", ringBytes: 4 * KiB });
      const chunks: Buffer[] = [];
      const slow = new Writable({
        highWaterMark: 1,
        write(chunk: Buffer, _encoding, callback) {
          chunks.push(chunk);
          setTimeout(callback, 1);
        },
      });
      const more = setInterval(() => socket.writable && socket.write(UPLOAD), 1);
      const how = once(socket, "error").then(([{ code }]) => (code === "ECONNRESET" ? "reset" : code));
      socket.pipe(slow);
      const heard = { how: await how, bytes: Buffer.concat(chunks) };
      clearInterval(more);
      return heard as Heard;
    });
    expect(heard).toEqual(heard.map(() => ALL_THEN_RESET));
  });
});

test.each([
  ["has taken its pipe away", (socket: GuestSocket, to: Writable) => void socket.unpipe(to)],
  ["has taken all its pipes away", (socket: GuestSocket) => void socket.unpipe()],
  ["has piped into what is over", (_socket: GuestSocket, to: Writable) => void to.destroy()],
])(
  "a program of the SDK that %s reads no more, and its writing fails, before that or after it",
  async (_, stop) => {
    for (const waitMs of [0, 200]) await failsOnce(stop, waitMs);
  },
);

/** Pipes into what takes one chunk and no more, until `stop`, and writes all the time. */
async function failsOnce(stop: (socket: GuestSocket, to: Writable) => void, waitMs: number): Promise<void> {
  using server = new FdServer();
  const answered = server.accept().then((socket) => answerEarly(socket));
  const socket = await guest.connect({ port: server.port, host: "127.0.0.1", ringBytes: 4 * KiB });
  const never = new Writable({ highWaterMark: 1, write() {} });
  socket.pipe(never);
  const failed = once(socket, "error");
  const more = setInterval(() => socket.writable && socket.write(UPLOAD), 1);
  await until("the first bytes", () => never.writableNeedDrain);
  await new Promise((resolve) => setTimeout(resolve, waitMs));
  expect(socket.destroyed).toBe(false);
  stop(socket, never);
  const [error] = (await failed) as [{ code: string }];
  clearInterval(more);
  expect(["EPIPE", "ECONNRESET"]).toContain(error.code);
  await answered;
}

const PACKAGES = new URL("../../packages/", import.meta.url);

function sources(): string[] {
  const all = readdirSync(PACKAGES, { recursive: true }) as string[];
  return all.filter((name) => /^[^/]+\/src\/.*\.ts$/.test(name));
}

test("no package looks at what Node keeps to itself, which a minor version of it may take away", () => {
  const files = sources();
  expect(files.length).toBeGreaterThan(100);
  const looks = files.filter((name) =>
    /_(?:readable|writable)State|\._(?:handle|events|connections)\b|process\.binding/.test(
      readFileSync(new URL(name, PACKAGES), "utf8"),
    ),
  );
  // Node tells a connection's descriptor on no other way. Without it an audit line names nobody, and nobody is let in
  // by it; and `ringway cat` leaves a socket's buffers as they are, and tells no round trips.
  expect(looks).toEqual(["linux/src/node-handles.ts"]);
});

test("no package asks of what kind a file is by numbers: after a socket Node 20 follows no link of a module's", () => {
  const files = sources();
  expect(files.length).toBeGreaterThan(100);
  // nodejs/node#51142: the answer stays in an array that realpath() of the module loader reads, where it has the path.
  // What makes images reads files of its own making.
  const asks = files.flatMap((name) => {
    if (name.startsWith("vm-image/")) return [];
    const text = readFileSync(new URL(name, PACKAGES), "utf8");
    return [...text.matchAll(/\b[lf]?statSync\((?:[^()]|\([^()]*\))*\)/g)].flatMap(([call]) =>
      call.includes("bigint: true") ? [] : [`${name}: ${call}`],
    );
  });
  expect(asks).toEqual([]);
});

test("a program of the SDK that only writes fails with EPIPE, or ECONNRESET, though bytes for it wait unread", async () => {
  using server = new FdServer();
  const answered = server.accept().then((socket) => answerEarly(socket));
  const socket = await guest.connect({ port: server.port, host: "127.0.0.1", ringBytes: 4 * KiB });
  socket.pause();
  const failed = once(socket, "error");
  const more = setInterval(() => socket.writable && socket.write(UPLOAD), 1);
  const [error] = (await failed) as [{ code: string }];
  clearInterval(more);
  expect(["EPIPE", "ECONNRESET"]).toContain(error.code);
  await answered;
});

describe("a server that ends in order, and breaks the connection afterwards", () => {
  /** FIN, and then RST: to whoever still sends. */
  async function endThenReset(socket: FdSocket): Promise<void> {
    await socket.readExactly(HEAD_BYTES);
    await socket.send(REPLY);
    shutdownWrite(socket.fd);
    await socket.closeUnread();
  }

  test("has ended: all of its answer, then the end, and no RESET takes that back; writing fails", async () => {
    using direct = new FdServer();
    const client = await FdSocket.connect(direct.port);
    const answered = direct.accept().then(endThenReset);
    await client.send(UPLOAD);
    await answered;
    expect(summary(await client.hear())).toEqual(summary({ bytes: REPLY, how: "end" }));
    expect(await client.send(UPLOAD)).toBe(false);
    client.close();
    for (let i = 0; i < ROUNDS; i++) {
      using server = new FdServer();
      const done = server.accept().then(endThenReset);
      const { pipe } = await raw.connect("127.0.0.1", server.port, { ringBytes: i % 2 === 0 ? 4 * KiB : 0 });
      await raw.write(pipe, UPLOAD);
      await done;
      expect(summary(await raw.readAll(pipe))).toEqual(summary({ bytes: REPLY, how: "end" }));
      await until("the host to take no more", () => pipe.toHost.abandoned());
      expect(pipe.toGuest.peerClosed()).toBe(Closed.END);
      raw.finish(pipe);
    }
  });
});

describe("a client that sends and breaks the connection", () => {
  /** A stream posted to a listener of the raw guest's, and its port. */
  async function listening(): Promise<{ listener: GuestPipe; port: number }> {
    const { pipe, port } = await raw.listen();
    return { listener: pipe, port };
  }

  test("is heard in full by a guest that has accepted it", async () => {
    const { listener, port } = await listening();
    for (let i = 0; i < ROUNDS; i++) {
      const posted = await raw.newStream(4 * KiB);
      await raw.post(listener, posted, 1);
      const client = await FdSocket.connect(port);
      await raw.incoming(posted);
      const told = answerEarly(client);
      await raw.write(posted, UPLOAD);
      expect(summary(await raw.readAll(posted))).toEqual(ALL_THEN_RESET);
      await told;
      raw.finish(posted);
    }
    raw.finish(listener);
  });

  test("is heard in full, too, where it was gone before it was accepted", async () => {
    using server = new FdServer();
    const direct = await FdSocket.connect(server.port);
    await direct.send(REPLY);
    setLingerZero(direct.fd);
    direct.close();
    expect(summary(await (await server.accept()).hear())).toEqual(ALL_THEN_RESET);
    const { listener, port } = await listening();
    for (let i = 0; i < ROUNDS; i++) {
      const client = await FdSocket.connect(port);
      const from = await client.send(REPLY);
      expect(from).toBe(true);
      setLingerZero(client.fd);
      client.close();
      const posted = await raw.newStream(0);
      await raw.post(listener, posted, 1);
      await raw.incoming(posted);
      expect(summary(await raw.readAll(posted))).toEqual(ALL_THEN_RESET);
      raw.finish(posted);
    }
    raw.finish(listener);
  });
});

test("a RST behind a full ring comes after all that was acknowledged to whoever sent it", async () => {
  using server = new FdServer();
  const { pipe } = await raw.connect("127.0.0.1", server.port, { ringBytes: 4 * KiB });
  const peer = await server.accept();
  const sent = await peer.sendUntilFull();
  const taken = acknowledged(peer, sent);
  setLingerZero(peer.fd);
  peer.close();
  await until("the host to take no more", () => pipe.toHost.abandoned());
  expect(pipe.toGuest.peerClosed()).toBe(Closed.OPEN);
  const { bytes, how } = await raw.readAll(pipe);
  expect({ how, taken: bytes.length }).toEqual({ how: "reset", taken });
  expect(sha256(bytes)).toBe(sha256(sent.subarray(0, taken)));
  raw.finish(pipe);
});

test("a stream that broke with bytes unread is the guest's until it reads them, or gives it up; then it is free", async () => {
  await streamsAre(host.monitor, 0);
  using server = new FdServer();
  const answered = server.accept().then((socket) => answerEarly(socket));
  const { pipe } = await raw.connect("127.0.0.1", server.port, { ringBytes: 4 * KiB });
  await raw.write(pipe, UPLOAD);
  await answered;
  await until("the host to take no more", () => pipe.toHost.abandoned());
  expect(host.monitor.counters().streams).toBe(1);
  raw.finish(pipe);
  await streamsAre(host.monitor, 0);
});
