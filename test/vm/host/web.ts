// A web server of the host's, as the guests' clients want it: a large file; one without end; many answers, given only
// once all are asked for.

import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { pipeline } from "node:stream";
import { KiB, MiB, pattern, sha256 } from "../../support/bytes.ts";

const BLOB: Buffer = pattern(16 * MiB, 3);
export const BLOB_SUM: string = sha256(BLOB);
const PART_BYTES = 20 * KiB + 7;

/** What /together/<number> answers. */
export function part(number: number): Buffer {
  return pattern(PART_BYTES, 1000 + number);
}

function* endless(): Generator<Buffer> {
  for (;;) for (let at = 0; at < BLOB.length; at += 64 * KiB) yield BLOB.subarray(at, at + 64 * KiB);
}

export class Web implements AsyncDisposable {
  readonly #server = createServer((request, response) => this.#answer(request, response));
  readonly #sockets = new Set<Socket>();
  /** Requests for /together/... that wait for the others. */
  #waiting: { number: number; response: ServerResponse }[] = [];
  #quorum = 0;
  #most = 0;

  static async start(): Promise<Web> {
    const web = new Web();
    web.#server.on("connection", (socket) => {
      web.#sockets.add(socket);
      socket.on("close", () => web.#sockets.delete(socket)).on("error", () => {});
    });
    web.#server.listen(0, "127.0.0.1", 1024);
    await once(web.#server, "listening");
    return web;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Connections now. */
  get connections(): number {
    return this.#sockets.size;
  }

  /** The most requests that were open at once since gather(). */
  get most(): number {
    return this.#most;
  }

  /** From now on requests for /together/... are answered when there are so many of them. */
  gather(quorum: number): void {
    this.#quorum = quorum;
    this.#most = 0;
    this.#waiting = [];
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const [, what, number] = request.url!.split("/");
    if (what === "blob") response.end(BLOB);
    else if (what === "endless") pipeline(endless, response, () => {});
    else if (what === "hello") response.end("hello\n");
    else if (what === "together") this.#together(Number(number), response);
    else response.writeHead(404).end();
  }

  #together(number: number, response: ServerResponse): void {
    this.#waiting.push({ number, response });
    this.#most = Math.max(this.#most, this.#waiting.length);
    if (this.#waiting.length < this.#quorum) return;
    for (const { number, response } of this.#waiting.splice(0)) response.end(part(number));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
