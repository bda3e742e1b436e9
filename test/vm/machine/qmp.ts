// QEMU's monitor protocol: JSON by the line, greeting first, answers in order, events in between.

import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { until, within } from "../../support/wait.ts";

/**
 * A reset is answered when it is done, which takes seconds where TCG has much to throw away and the machine much to do.
 */
const ANSWER_MS = 20_000;

interface Waiting {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

export class Qmp implements Disposable {
  /** QEMU is gone. */
  closed = false;
  readonly #socket: Socket;
  readonly #waiting: Waiting[] = [];

  private constructor(socket: Socket) {
    this.#socket = socket;
    const lines = createInterface({ input: socket });
    lines
      .on("error", () => {})
      .on("line", (line) => {
        const message = JSON.parse(line);
        // Events, and the greeting, are of no interest here.
        if (message.error !== undefined) this.#waiting.shift()?.reject(new Error(message.error.desc));
        else if ("return" in message) this.#waiting.shift()?.resolve(message.return);
      });
    socket.on("error", () => {});
    socket.on("close", () => {
      this.closed = true;
      for (const { reject } of this.#waiting.splice(0)) reject(new Error("QEMU has closed its monitor"));
    });
  }

  static async connect(path: string): Promise<Qmp> {
    const qmp = new Qmp(await connectWhenThere(path));
    await qmp.execute("qmp_capabilities");
    return qmp;
  }

  async execute(command: string, args: object = {}): Promise<unknown> {
    const answer = new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
    this.#socket.write(`${JSON.stringify({ execute: command, arguments: args })}\n`);
    return await within(`QEMU's answer to ${command}`, answer, ANSWER_MS);
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }
}

/** A connection to a Unix socket that somebody is about to listen on. */
export async function connectWhenThere(path: string): Promise<Socket> {
  return await until(`a listener at ${path}`, async () => {
    const socket = connect(path);
    try {
      await once(socket, "connect");
      return socket;
    } catch {
      return undefined;
    }
  });
}
