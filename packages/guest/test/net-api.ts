// The same calls on node:net and on the guest: what both sides of the comparing tests share.

import { once } from "node:events";
import * as net from "node:net";
import type { Guest } from "@ringway/guest";
import { freePort } from "../../../test/support/tcp.ts";

// Rows pass what types forbid, too.
// biome-ignore lint/suspicious/noExplicitAny: that is what they are for
export type Loose = any;

/** What rows are run on. */
export interface Api {
  /** As new net.Socket(). */
  socket(...args: unknown[]): Loose;
  /** As net.createConnection(). */
  connect(...args: unknown[]): Loose;
  /** As net.createServer(). */
  server(...args: unknown[]): Loose;
}

export const nodeApi: Api = {
  socket: (...args) => watched(new net.Socket(...(args as []))),
  connect: (...args) => watched(net.createConnection(...(args as [number]))),
  server: (...args) => net.createServer(...(args as [])),
};

export function guestApi(guest: Guest): Api {
  return {
    socket: (...args) => watched(guest.createSocket(...(args as []))),
    connect: (...args) => watched(guest.createConnection(...(args as [number]))),
    server: (...args) => guest.createServer(...(args as [])),
  };
}

/** What a call comes to: its value, or the class and the code of what it throws. */
export function outcome(call: () => unknown): unknown {
  try {
    return call();
  } catch (error) {
    const { name, code } = error as { name: string; code?: string };
    return `${name} ${code}`;
  }
}

/** The fields of an error that do not name places of one run. */
export function told(error: unknown): unknown {
  if (error === null || error === undefined) return error;
  const { code, errno, syscall, message } = error as NodeJS.ErrnoException;
  return code === undefined ? { message } : { code, errno, syscall };
}

const EVENTS = ["connect", "ready", "data", "end", "finish", "timeout", "error", "close", "listening"];

/** What an emitter emits, in order: 'data' that come one after the other are one. */
export function trace(emitter: Loose, events: string[] = EVENTS): string[] {
  const seen: string[] = [];
  for (const event of events.filter((event) => event !== "data")) {
    emitter.on(event, (...args: unknown[]) => {
      const details = args.map((arg) => (arg instanceof Error ? ((arg as Loose).code ?? arg.message) : arg));
      seen.push([event, ...(event === "close" || event === "error" ? details : [])].join(" "));
    });
  }
  return seen;
}

/** Those that have emitted 'close': a stream is `closed` before that. */
const over = new WeakSet<object>();

function watched(emitter: Loose): Loose {
  return emitter.on("close", () => over.add(emitter));
}

export async function closed(emitter: Loose): Promise<void> {
  if (!over.has(emitter)) await new Promise((resolve) => emitter.once("close", resolve));
  over.delete(emitter);
  await new Promise((resolve) => setImmediate(resolve));
}

/** Servers of node:net that a guest may connect to. */
export interface Peers extends AsyncDisposable {
  readonly echo: number;
  /** Says hello and ends; reads on. */
  readonly greeter: number;
  /** Breaks the connection at the first bytes. */
  readonly breaker: number;
  /** Takes everything, says nothing. */
  readonly silent: number;
  /** Nobody listens there. */
  readonly nobody: number;
  /** How the connections of `silent` ended: "end", or the code of an error. */
  readonly ends: string[];
}

export async function startPeers(): Promise<Peers> {
  const servers: net.Server[] = [];
  const sockets = new Set<net.Socket>();
  const ends: string[] = [];
  const start = async (onConnection: (socket: net.Socket) => void): Promise<number> => {
    const server = net.createServer({ allowHalfOpen: true }, (socket) => {
      sockets.add(socket);
      socket.on("error", () => {});
      onConnection(socket);
    });
    servers.push(server.listen(0, "127.0.0.1"));
    await once(server, "listening");
    return (server.address() as net.AddressInfo).port;
  };
  const ports = {
    echo: await start((socket) => void socket.pipe(socket)),
    greeter: await start((socket) => void socket.resume().end("hello")),
    breaker: await start((socket) => void socket.once("data", () => socket.resetAndDestroy())),
    silent: await start((socket) => {
      socket.resume();
      socket.once("end", () => {
        ends.push("end");
        socket.end();
      });
      socket.once("error", (error) => void ends.push((error as Loose).code));
    }),
  };
  return {
    ...ports,
    nobody: await freePort(),
    ends,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
    },
  };
}
