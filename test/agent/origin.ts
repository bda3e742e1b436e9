// A server that keeps what it really got, byte for byte, and answers when it has all that a test waits for.

import type { Socket } from "node:net";
import { tcpServer } from "../support/tcp.ts";
import { until } from "../support/wait.ts";

export interface Origin extends AsyncDisposable {
  readonly port: number;
  readonly sockets: readonly Socket[];
  /** All of it, as latin1; of all connections. */
  readonly got: string;
  /** What follows the first head. */
  readonly body: string;
  /** Waits until it has got what ends with this. */
  sees(end: string): Promise<unknown>;
  /** Waits until a connection of its has ended, in order or not. */
  over(): Promise<unknown>;
}

/**
 * Answers once, as soon as it is `whole`; it keeps the connection, whatever it is told. Then, to each piece, `more`.
 */
export async function origin(
  whole: (got: string) => boolean,
  answer: string,
  more?: (piece: string) => string,
): Promise<Origin> {
  const chunks: Buffer[] = [];
  let ended = false;
  let answered = false;
  const got = (): string => Buffer.concat(chunks).toString("latin1");
  const server = await tcpServer((socket) => {
    socket.on("data", (chunk: Buffer) => {
      chunks.push(chunk);
      if (answered) {
        if (more !== undefined) socket.write(more(chunk.toString("latin1")), "latin1");
      } else if (whole(got())) {
        answered = true;
        socket.write(answer, "latin1");
      }
    });
    socket.once("end", () => {
      ended = true;
      socket.end();
    });
    socket.once("close", () => {
      ended = true;
    });
  });
  return {
    port: server.port,
    sockets: server.sockets,
    get got() {
      return got();
    },
    get body() {
      return got().slice(got().indexOf("\r\n\r\n") + 4);
    },
    sees: (end) => until(`${end} at the server`, () => got().endsWith(end)),
    over: () => until("the server's end", () => ended),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}
