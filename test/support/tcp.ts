// The world outside: TCP servers and clients of node:net, and sockets that misbehave in ways that node:net cannot.

import { createSocket } from "node:dgram";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import {
  bind,
  closeFd,
  connect as connectFd,
  type InetAddress,
  listen,
  localAddress,
  setReuseAddress,
  tcpSocket,
} from "@ringway/linux";
import { until, within } from "./wait.ts";

export interface TestServer extends AsyncDisposable {
  readonly server: Server;
  readonly host: string;
  readonly port: number;
  /** Connections in the order in which they came. */
  readonly sockets: Socket[];
}

/** Listens on a port of its own; sockets allow half-open and swallow their errors. */
export async function tcpServer(
  onConnection: (socket: Socket) => void = () => {},
  host = "127.0.0.1",
): Promise<TestServer> {
  const sockets: Socket[] = [];
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    socket.on("error", () => {});
    sockets.push(socket);
    onConnection(socket);
  });
  server.listen(0, host, 4096);
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    server,
    host,
    port,
    sockets,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export const echoServer = (host?: string): Promise<TestServer> =>
  tcpServer((socket) => void socket.pipe(socket), host);

/** A client connection, half-open, its errors left to the caller's own listeners. */
export async function tcpClient(port: number, host = "127.0.0.1"): Promise<Socket> {
  const socket = connect({ port, host, allowHalfOpen: true, noDelay: true });
  socket.on("error", () => {});
  await within(`a connection to ${host}:${port}`, once(socket, "connect"));
  return socket;
}

/** Everything until the end of stream; rejects with what breaks it. */
export function readAll(socket: NodeJS.ReadableStream, timeoutMs?: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  const all = new Promise<Buffer>((resolve, reject) => {
    socket.on("data", (chunk: Buffer) => chunks.push(chunk));
    socket.once("end", () => resolve(Buffer.concat(chunks)));
    socket.once("error", reject);
    socket.once("close", () => reject(new Error("closed before its end")));
    socket.resume();
  });
  return within("the end of a stream", all, timeoutMs);
}

/** How a socket closes: "end" of stream, or the code of its error. */
export function howItEnds(socket: Duplex, timeoutMs?: number): Promise<string> {
  socket.resume();
  const ended = new Promise<string>((resolve) => {
    socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    socket.once("end", () => resolve("end"));
    socket.once("close", () => resolve("close"));
  });
  return within("a socket to close", ended, timeoutMs);
}

/**
 * Below the ports that a kernel gives out by itself, to who binds to 0 and to who connects: nobody comes by one of
 * these unasked, nor is who connects to one before anybody listens there connected to himself. A process begins at its
 * own.
 */
const FREE = { first: 10_000, count: 10_000, ofOneProcess: 16 };
let nextFree = (process.pid * FREE.ofOneProcess) % FREE.count;

/** A port of 127.0.0.1 that nobody has for TCP or UDP: programs that take datagrams often want both. */
export function freePort(): Promise<number> {
  return until("a port that is free", async () => {
    const port = FREE.first + nextFree;
    nextFree = (nextFree + 1) % FREE.count;
    const server = createServer();
    const socket = createSocket("udp4");
    const bound = [once(server, "listening"), once(socket, "listening")];
    server.listen(port, "127.0.0.1");
    socket.bind(port, "127.0.0.1");
    const isFree = (await Promise.allSettled(bound)).every(({ status }) => status === "fulfilled");
    for (const each of [server, socket])
      await new Promise<void>((resolve) => void each.close(() => resolve()));
    return isFree && port;
  });
}

const loopback = (port: number, last: number): InetAddress => ({
  family: 4,
  port,
  address: Uint8Array.of(127, 0, 0, last),
});

/** A listening socket whose backlog is full: who connects hears nothing, until somebody accepts. */
export interface SilentServer extends Disposable {
  readonly port: number;
  readonly fd: number;
  /** Ports of the connections that fill it. */
  readonly fillers: ReadonlySet<number>;
  /** Gives the fillers up: those that still wait for room send no more, so that others find it. */
  giveWay(): void;
}

/** On 127.0.0.`last`. */
export function silentServer(last = 1, at = 0): SilentServer {
  const fd = tcpSocket(4);
  setReuseAddress(fd);
  bind(fd, loopback(at, last));
  listen(fd, 0);
  const { port } = localAddress(fd);
  // One waits in a backlog of 0; more than enough are started, and the kernel drops what has no room.
  const fillers = Array.from({ length: 4 }, () => {
    const filler = tcpSocket(4);
    connectFd(filler, loopback(port, last));
    return filler;
  });
  const ports = new Set(fillers.map((filler) => localAddress(filler).port));
  const giveWay = (): void => {
    for (const filler of fillers.splice(0)) closeFd(filler);
  };
  return {
    port,
    fd,
    fillers: ports,
    giveWay,
    [Symbol.dispose]() {
      giveWay();
      closeFd(fd);
    },
  };
}

/** Local ports of the IPv4 sockets that are connected, or connecting, to a port of this host. */
export function clientPorts(port: number): number[] {
  // sl: local address:port remote address:port state ..., in hex
  const lines = readFileSync("/proc/net/tcp", "utf8").split("\n").slice(1, -1);
  const ends = lines.map((line) => line.trim().split(/\s+/).slice(1, 3));
  const portOf = (end: string): number => Number.parseInt(end.split(":")[1]!, 16);
  return ends.filter(([, remote]) => portOf(remote!) === port).map(([local]) => portOf(local!));
}
