// HTTP over the guest's streams: agents for node:http and node:https, and a connector for undici and fetch.
//
// TLS runs in the guest: the host sees only what is encrypted.

import * as http from "node:http";
import * as https from "node:https";
import { isIP, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import * as tls from "node:tls";
import { requireObject } from "@ringway/linux";
import type { ConnectOptions, ConnectTarget } from "./connect.ts";
import type { GuestSocket } from "./socket.ts";
import { requireTime } from "./socket-arguments.ts";

/** What the agents and the connector need of a guest: a Guest, or what makes its connections otherwise. */
export interface Connects {
  createConnection(options: ConnectOptions): GuestSocket;
}

/** How node:http hears of a connection that is not there at once. */
export type OnSocket = (error: Error | null, socket: Duplex) => void;

/** An http.Agent whose connections go through the host. */
export class GuestHttpAgent extends http.Agent {
  readonly #guest: Connects;

  constructor(guest: Connects, options?: http.AgentOptions) {
    super(options);
    this.#guest = guest;
  }

  override createConnection(options: http.ClientRequestArgs, _callback?: OnSocket): Duplex {
    // The agent's time limit: http.request() itself sets only one of its own.
    return this.#guest.createConnection({ ...target(options, 80), timeout: options.timeout });
  }
}

/** An https.Agent whose connections go through the host, with TLS in the guest. */
export class GuestHttpsAgent extends https.Agent {
  readonly #guest: Connects;

  constructor(guest: Connects, options?: https.AgentOptions) {
    super(options);
    this.#guest = guest;
  }

  override createConnection(options: https.RequestOptions, callback?: OnSocket): Duplex | null | undefined {
    const stream = this.#guest.createConnection(target(options, 443));
    // https.Agent makes the TLS connection itself over a socket that it is given, and keeps its sessions.
    const over = super.createConnection({ ...options, socket: stream } as https.RequestOptions, callback);
    // As for http; over a socket that is given, tls.connect() does not set it.
    if (options.timeout) (over as tls.TLSSocket).setTimeout(options.timeout);
    quietAtTheEnd(over, stream);
    return over;
  }
}

/**
 * TLS tells whoever has the connection of every error of the stream below it, also when nobody listens any more:
 * after its own first, such as a certificate that it does not trust; and after the program has ended it, when the
 * peer's answer to the last bytes may be a reset, which a socket of the kernel's would not tell either. Unheard,
 * either would end the process. So then the connection closes, and no more.
 */
function quietAtTheEnd(connection: Duplex | null | undefined, stream: GuestSocket): void {
  if (connection == null) return;
  const listeners = stream.listeners("error") as ((error: Error) => void)[];
  stream.removeAllListeners("error");
  stream.on("error", (error) => {
    if (connection.destroyed || connection.writableEnded) connection.destroy();
    else for (const listener of listeners) listener.call(stream, error);
  });
}

/** With what createConnection() refuses, if it is there. A socketPath goes before host and port, as in node:http. */
function target(options: http.ClientRequestArgs, defaultPort: number): ConnectTarget {
  const { localAddress, localPort, socketPath } = options as http.ClientRequestArgs & { localPort?: number };
  const host = options.host ?? options.hostname ?? "localhost";
  const port = Number(options.port ?? options.defaultPort ?? defaultPort);
  if (socketPath) return { path: socketPath };
  return { ...{ localAddress, localPort }, host: unbracket(host), port };
}

/** What undici passes to a connector. */
export interface ConnectorOptions {
  readonly hostname: string;
  readonly host?: string | undefined;
  readonly protocol: string;
  readonly port: string;
  readonly servername?: string | null | undefined;
}

/**
 * A connector for undici: `new Agent({ connect: createConnector(guest) })`. The socket is a GuestSocket, typed as
 * what it behaves like, or a TLSSocket over one.
 */
export type Connector = (
  options: ConnectorOptions,
  callback: (...result: [error: null, socket: Socket] | [error: Error, socket: null]) => void,
) => void;

export interface ConnectorInit {
  /** For https: a certificate authority, client certificate, and so on. */
  readonly tls?: tls.ConnectionOptions | undefined;
  /** Time limit of connecting, in milliseconds. Default 10 seconds. */
  readonly timeoutMs?: number | undefined;
}

/** Makes a connector, for undici's Agent and Client, and through `dispatcher` for fetch. */
export function createConnector(guest: Connects, init: ConnectorInit = {}): Connector {
  requireObject(init, "init", "an object such as { tls, timeoutMs }");
  const timeoutMs = init.timeoutMs ?? 10_000;
  requireTime(timeoutMs, "init.timeoutMs");
  return (options, callback) => {
    const secure = options.protocol === "https:";
    const host = unbracket(options.hostname);
    const port = Number(options.port || (secure ? 443 : 80));
    const raw = guest.createConnection({ host, port, timeoutMs });
    let socket: GuestSocket | tls.TLSSocket = raw;
    if (secure) {
      const servername = options.servername ?? (isIP(host) ? "" : host);
      socket = tls.connect({ ALPNProtocols: ["http/1.1"], ...init.tls, servername, socket: raw });
      quietAtTheEnd(socket, raw);
    }
    const timer = setTimeout(() => {
      const error = Object.assign(new Error("Connect Timeout Error"), { code: "UND_ERR_CONNECT_TIMEOUT" });
      raw.destroy(error);
    }, timeoutMs);
    const onError = (error: Error): void => {
      clearTimeout(timer);
      callback(error, null);
    };
    socket.once("error", onError);
    socket.once(secure ? "secureConnect" : "connect", () => {
      clearTimeout(timer);
      socket.removeListener("error", onError);
      callback(null, socket as unknown as Socket);
    });
  };
}

/** "[::1]" as it stands in a URL, without its brackets. */
function unbracket(host: string): string {
  return host.startsWith("[") && host.endsWith("]") ? host.slice(1, -1) : host;
}
