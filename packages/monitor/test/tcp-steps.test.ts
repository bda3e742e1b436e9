// One step of a relay, with a real socket and the other side of the ring played: one who gives a byte, or room for one,
// as soon as the one before was taken, which a thread of a guest's does on a processor of its own.

import { type ChildProcess, spawn } from "node:child_process";
import { createServer, type Server, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { closeFd, connect, EPOLLIN, EPOLLOUT, Epoll, inq, tcpSocket } from "@ringway/linux";
import { afterEach, beforeEach, expect, test } from "vitest";
import { scratch } from "../../linux/src/libc.ts";
import { SocketBudget } from "../src/accounts/socket-budget.ts";
import type { Relay } from "../src/guests/relay.ts";
import type { Stream } from "../src/guests/stream.ts";
import { ECHO } from "../src/relays/echo.ts";
import type { RelayHost } from "../src/relays/host.ts";
import { TCP_EVENTS, TcpRelay } from "../src/relays/tcp-relay.ts";

const noop = (): void => {};
/** A step of so many system calls takes a good part of a millisecond. */
const PIECES_MAX = 200;

const memory = scratch(65_536);
let server: Server;
let sockets: Socket[];
let fds: number[];

beforeEach(async () => {
  [sockets, fds] = [[], []];
  server = createServer((socket) => sockets.push(socket.on("error", noop)));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
});

afterEach(() => {
  for (const fd of fds) closeFd(fd);
  for (const socket of sockets) socket.destroy();
  server.close();
});

class Ring {
  readonly capacity = 65_536;
  readonly wantsData = false;
  pieces = 0;
  readonly taken: number[] = [];
  readonly #bytes: number;

  /** There are always so many bytes, or there is always room for so many. */
  constructor(bytes: number) {
    this.#bytes = bytes;
  }

  readable = (): number => this.#bytes;
  writable = (): number => this.#bytes;
  peerClosed = (): number => 0;
  abandoned = (): boolean => false;
  spanBytes = (bytes: number): number => bytes;
  spanOffset = (): number => 0;
  wantData = (): boolean => false;
  wantSpace = (): boolean => false;
  unwantData = noop;
  unwantSpace = noop;
  end = noop;
  advance(bytes: number): boolean {
    this.pieces++;
    for (let i = 0; i < bytes; i++) this.taken.push(memory.bytes[i]!);
    return false;
  }
}

const host = {
  reactor: { rewire: noop, cancel: noop, after: () => ({}) },
  keepAlives: { add: noop, delete: noop },
} as unknown as RelayHost;

function streamOf(toHost: Ring, toGuest: Ring, take: (relay: Relay) => void = noop): Stream {
  return {
    ...{
      pipe: { toHost, toGuest },
      moved: noop,
      run: noop,
      signal: noop,
      signalNow: noop,
      opened: noop,
      become: take,
    },
    guest: {
      ...{
        memory: { address: memory.address },
        region: { bytes: memory.bytes, words: new Int32Array(memory.bytes.buffer) },
      },
      account: { sockets: new SocketBudget() },
      policy: { policy: { limits: { socketBytes: 64 << 20 } } },
      budget: { network: { limited: false } },
    },
  } as unknown as Stream;
}

/** A connection to a port of this machine. */
async function connected(port: number): Promise<number> {
  const fd = tcpSocket(4);
  fds.push(fd);
  connect(fd, { family: 4, address: Uint8Array.of(127, 0, 0, 1), port });
  const epoll = new Epoll(1);
  epoll.add(fd, EPOLLOUT, 0, 0);
  while (epoll.wait(0) === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  epoll.close();
  return fd;
}

const portOf = (): number => (server.address() as { port: number }).port;

async function queued(fd: number, bytes: number): Promise<void> {
  while (inq(fd) < bytes) await new Promise((resolve) => setTimeout(resolve, 1));
}

test("to a peer, of one byte at a time, ends after some pieces", async () => {
  const toHost = new Ring(1);
  const relay = new TcpRelay(host, streamOf(toHost, new Ring(0)), await connected(portOf()), 1);
  expect(relay.step()).toBe(true);
  expect(toHost.pieces).toBeGreaterThan(0);
  expect(toHost.pieces).toBeLessThan(PIECES_MAX);
});

test("from a peer, of one byte at a time, ends after some pieces", async () => {
  const toGuest = new Ring(1);
  const fd = await connected(portOf());
  while (sockets.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  sockets[0]!.write(Buffer.alloc(4096));
  await queued(fd, 4096);
  const relay = new TcpRelay(host, streamOf(new Ring(0), toGuest), fd, 1);
  relay.onEvents(EPOLLIN);
  expect(relay.step()).toBe(true);
  expect(toGuest.pieces).toBeGreaterThan(0);
  expect(toGuest.pieces).toBeLessThan(PIECES_MAX);
});

test("of an echo, of one byte at a time, ends after some pieces", () => {
  const toHost = new Ring(1);
  let relay: Relay | undefined;
  const stream = streamOf(toHost, new Ring(65_536), (echo) => {
    relay = echo;
  });
  ECHO.open(host, stream, 1, { asked: undefined, decision: { allowed: true } } as never);
  expect(relay!.step()).toBe(true);
  expect(toHost.pieces).toBeLessThan(PIECES_MAX);
});

const URGENT = `
import fcntl, socket, struct, sys, termios, time
listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen(1)
print(listener.getsockname()[1], flush=True)
peer, _ = listener.accept()
peer.send(b"abc")
peer.send(b"d", socket.MSG_OOB)
peer.send(b"efg")
while struct.unpack("i", fcntl.ioctl(peer, termios.TIOCOUTQ, b"0000"))[0]:
    time.sleep(0.001)
print("acknowledged", flush=True)
sys.stdin.read()
`;

test("takes what is behind a peer's urgent byte too, which ends a recv()", async () => {
  const peer: ChildProcess = spawn("python3", ["-c", URGENT], { stdio: ["pipe", "pipe", "inherit"] });
  try {
    // A line of Python's may come in two pieces.
    const lines = createInterface({ input: peer.stdout! })[Symbol.asyncIterator]();
    const fd = await connected(Number((await lines.next()).value));
    // Sent is not yet arrived, not even over a loopback; acknowledged is.
    expect(await lines.next()).toEqual({ done: false, value: "acknowledged" });
    const epoll = new Epoll(1);
    epoll.add(fd, TCP_EVENTS, 0, 0);
    expect(epoll.wait(0)).toBe(1);
    const events = epoll.events(0);
    epoll.close();
    const toGuest = new Ring(1000);
    const stream = streamOf(new Ring(0), toGuest);
    const relay = new TcpRelay(host, stream, fd, 1);
    Object.assign(stream, { run: () => relay.step() });
    relay.onEvents(events);
    expect(Buffer.from(toGuest.taken).toString()).toBe("abcefg");
  } finally {
    peer.kill("SIGKILL");
  }
});
