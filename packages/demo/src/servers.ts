// What runs on the host, outside of the guest: a file server that the policy opens, and a private service that it does
// not, and that must see nobody.

import * as http from "node:http";
import { createServer, type Server } from "node:net";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { bodyOf } from "./body.ts";

/** As in demo/policy.yaml. */
const OPEN_PORTS = { first: 18_000, last: 18_499 } as const;
const PRIVATE_PORTS = { first: 18_500, last: 18_999 } as const;

export interface Running {
  readonly port: number;
  /** Connections so far. */
  readonly connections: number;
  close(): void;
}

/** Serves `bytes` bytes of the seed's body at /body. */
export async function startFileServer(seed: Buffer, bytes: number): Promise<Running> {
  const server = http.createServer((request, response) => {
    if (request.url !== "/body") {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { "content-type": "application/octet-stream", "content-length": bytes });
    // A guest that goes away is the guest's business.
    pipeline(
      Readable.from(bodyOf(seed, bytes), { objectMode: false, highWaterMark: 1024 * 1024 }),
      response,
    ).catch(() => {});
  });
  return await listen(server, OPEN_PORTS);
}

export async function startPrivateService(): Promise<Running> {
  return await listen(
    createServer((socket) => socket.end("not for guests\n")),
    PRIVATE_PORTS,
  );
}

async function listen(server: Server, { first, last }: { first: number; last: number }): Promise<Running> {
  let connections = 0;
  server.on("connection", () => connections++);
  // Begins somewhere, so that two demos at once seldom meet.
  const count = last - first + 1;
  const begin = Math.floor(Math.random() * count);
  for (let i = 0; i < count; i++) {
    const port = first + ((begin + i) % count);
    if (!(await tryListen(server, port))) continue;
    return {
      port,
      get connections() {
        return connections;
      },
      close: () => {
        server.close();
        if (server instanceof http.Server) server.closeAllConnections();
      },
    };
  }
  throw new Error(`no port from ${first} to ${last} is free on 127.0.0.1`);
}

function tryListen(server: Server, port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const onError = (error: NodeJS.ErrnoException): void => {
      server.removeListener("listening", onListening);
      if (error.code === "EADDRINUSE" || error.code === "EACCES") resolve(false);
      else reject(error);
    };
    const onListening = (): void => {
      server.removeListener("error", onError);
      resolve(true);
    };
    server.once("error", onError);
    server.once("listening", onListening);
    server.listen(port, "127.0.0.1");
  });
}
