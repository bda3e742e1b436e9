// The bench's end of what it tells a guest to do: vmload connects to it through the medium under test, then gets one
// line after the other and answers each with a line of JSON (native/bench/vmload.c).

import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { createInterface } from "node:readline";

interface Waiting {
  resolve(answer: string): void;
  reject(error: Error): void;
}

export class Control implements Disposable {
  readonly #name: string;
  readonly #server: Server;
  /** Settled by the first connection, or by what ended the machine before. */
  readonly #connected: Promise<Socket>;
  #fail: (error: Error) => void = () => {};
  #waiting: Waiting | undefined;
  #failure: Error | undefined;

  private constructor(name: string, server: Server) {
    this.#name = name;
    this.#server = server;
    this.#connected = new Promise((resolve, reject) => {
      this.#fail = (error) => {
        this.#failure ??= error;
        reject(error);
        this.#waiting?.reject(error);
        this.#waiting = undefined;
      };
      server.once("connection", (socket) => {
        socket.setNoDelay(true);
        socket.on("error", () => {});
        socket.on("close", () => this.#fail(new Error(`${name} has closed its connection`)));
        createInterface({ input: socket })
          .on("error", () => {})
          .on("line", (line) => {
            this.#waiting?.resolve(line);
            this.#waiting = undefined;
          });
        resolve(socket);
      });
    });
    this.#connected.catch(() => {});
  }

  static async listen(name: string): Promise<Control> {
    const server = createServer();
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(0, "127.0.0.1", resolve);
    });
    return new Control(name, server);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Nothing more is to come: what is waited for rejects with `why`. */
  end(why: string): void {
    this.#fail(new Error(why));
  }

  /** Until the guest is there. */
  async connected(timeoutMs: number): Promise<void> {
    await this.#within(this.#connected, "starting", timeoutMs);
  }

  async request(line: string, timeoutMs: number): Promise<unknown> {
    const socket = await this.#connected;
    if (this.#failure !== undefined) throw this.#failure;
    const answer = new Promise<string>((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
    socket.write(`${line}\n`);
    return JSON.parse(await this.#within(answer, `"${line}"`, timeoutMs));
  }

  async #within<T>(promise: Promise<T>, what: string, timeoutMs: number): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(new Error(`${this.#name}: ${what} took longer than ${timeoutMs / 1000} s`));
      }, timeoutMs);
    });
    try {
      return await Promise.race([promise, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  [Symbol.dispose](): void {
    this.#fail(new Error(`${this.#name} was ended`));
    this.#server.close();
    void this.#connected.then(
      (socket) => socket.destroy(),
      () => {},
    );
  }
}
