// The testee on the SDK, @ringway/guest: the same commands, as far as a program of Node's streams can do them. It reads
// ahead and writes behind, and attaches, opens and waits by itself; what would show only that is left out in
// SDK_LEAVES_OUT.

import { setImmediate as immediate, setTimeout as sleep } from "node:timers/promises";
import { type BellListener, Guest, type GuestSocket, ProtocolError } from "@ringway/guest";
import type { SharedMemory } from "@ringway/linux";
import { encode } from "../../packages/conformance/src/catalogue.ts";
import type { Command, Reply, Testee } from "../../packages/conformance/src/contract.ts";
import { Sb } from "../../packages/conformance/src/host/layout.ts";

/** One attach, and what became of it. */
interface Attempt {
  readonly controller: AbortController;
  guest?: Guest;
  error?: Error | undefined;
  gone: boolean;
}

interface Stream {
  socket?: GuestSocket;
  error?: Error & { errno?: number; code?: string };
  ended?: boolean;
}

/** What a program of the SDK can be asked: its streams, its control requests, its attach. */
export const SDK_CASES = [
  ...["superblock: ", "attach: ", "epoch: ", "failed: ", "detach: ", "version: ", "heartbeat: "],
  ...["control: a", "control: r", "control: m", "control: E", "control: L", "control: G"],
  ...["open: ", "half-close: ", "end of stream: ", "reset: ", "through: ", "a block at", "hostile: "],
  ...["ring: an empty", "ring: the guest signals data", "bell: who is rung"],
];

/** Cases of these that cannot pass over it, and why. */
export const SDK_LEAVES_OUT: Readonly<Record<string, string>> = {
  "through: after close the guest touches the block no more":
    "a stream that ended well lingers until the host has taken its bytes (packages/guest/src/stream/stream.ts)",
};

const unsupported: Reply = { unsupported: true };

export class SdkGuest implements Testee {
  readonly name = "TypeScript SDK (@ringway/guest)";
  #memory: SharedMemory | undefined;
  #listener: BellListener | undefined;
  #attempt: Attempt = { controller: new AbortController(), gone: true };
  #rings = 0;
  #streams: Map<string, Stream> = new Map();
  #replies: Reply[] = [];

  async [Symbol.asyncDispose](): Promise<void> {
    this.#leave();
  }

  async ask(command: Command, memory?: SharedMemory): Promise<Reply> {
    this.#rings = 0;
    const reply = await this.#do(command, memory);
    return this.#rings === 0 ? reply : { ...reply, rings: this.#rings };
  }

  get #guest(): Guest | undefined {
    return this.#attempt.guest;
  }

  get #error(): Error | undefined {
    return this.#attempt.error;
  }

  #leave(): void {
    this.#attempt.controller.abort();
    this.#listener?.gone(new Error("the test is over"));
    this.#listener = undefined;
  }

  /** Everything that follows from what was done has happened. */
  async #settle(): Promise<void> {
    for (let i = 0; i < 6; i++) await immediate();
  }

  async #do(command: Command, memory: SharedMemory | undefined): Promise<Reply> {
    switch (command.do) {
      case "attach":
        if (memory !== undefined) this.#memory = memory;
        return await this.#attach(this.#memory!);
      case "poll":
        this.#listener?.bell();
        await this.#settle();
        // Guest.attach() resolves at its next look.
        for (let i = 0; i < 8 && this.#state().status === "waiting" && this.#answered(); i++) await sleep(4);
        return this.#state();
      case "detach":
        void this.#guest?.close();
        await this.#settle();
        return { status: "ok" };
      case "open":
        return await this.#open(command);
      case "control":
        return await this.#control(command.message, command.fields as Record<string, never>);
      case "reply":
        if (this.#error instanceof ProtocolError) return this.#state();
        return this.#replies.shift() ?? { status: "again" };
      case "opened":
      case "send":
      case "recv":
      case "end":
      case "close":
      case "reset":
        return await this.#onStream(command);
      default:
        return unsupported;
    }
  }

  async #attach(memory: SharedMemory): Promise<Reply> {
    this.#leave();
    const attempt: Attempt = { controller: new AbortController(), gone: false };
    this.#attempt = attempt;
    this.#streams = new Map();
    this.#replies = [];
    const doorbell = {
      ring: () => void this.#rings++,
      listen: (listener: BellListener) => {
        this.#listener = listener;
      },
      close: () => {
        this.#listener = undefined;
      },
    };
    Guest.attach(
      { memory: memory.buffer, doorbell },
      { busyPollUs: 0, signal: attempt.controller.signal },
    ).then(
      (guest) => {
        attempt.guest = guest;
        guest.on("detach", (error) => {
          attempt.error = error;
          attempt.gone = true;
        });
      },
      (error: Error) => {
        attempt.error = error;
        attempt.gone = true;
      },
    );
    await this.#settle();
    return this.#error instanceof ProtocolError ? this.#state() : { status: "ok" };
  }

  #word(offset: number): number {
    return new Uint32Array(this.#memory!.buffer)[offset / 4]!;
  }

  #answered(): boolean {
    return this.#word(Sb.REPLY) === this.#word(Sb.REQUEST);
  }

  #state(): Reply {
    const error = this.#error;
    if (error instanceof ProtocolError) return { status: "violation", violation: error.violation };
    const violation = this.#word(Sb.VIOLATION);
    if ((error as { code?: string })?.code === "ERR_RINGWAY_VIOLATION")
      return { status: "failed", violation };
    if (this.#attempt.gone) return { status: "lost" };
    return { status: this.#guest === undefined ? "waiting" : "attached" };
  }

  async #open({
    stream: name,
    protocol,
    body,
    toHost,
    toGuest,
  }: Extract<Command, { do: "open" }>): Promise<Reply> {
    if (protocol !== 1 || body !== "" || toHost !== toGuest) return unsupported;
    if (this.#guest === undefined) return { status: "lost" };
    const stream: Stream = {};
    this.#streams.set(name, stream);
    const failed = (error: Error): void => {
      stream.error ??= error;
    };
    this.#guest.echo({ ringBytes: toHost, allowHalfOpen: true }).then((socket) => {
      stream.socket = socket;
      socket.on("error", failed);
      socket.on("end", () => {
        stream.ended = true;
      });
    }, failed);
    await this.#settle();
    return { status: "ok" };
  }

  async #control(name: string, fields: Record<string, never>): Promise<Reply> {
    const guest = this.#guest;
    if (guest === undefined) return { status: "lost" };
    const answered = (reply: Reply): void => void this.#replies.push(reply);
    const failed = (error: Error & { errno?: number }): void =>
      answered({ status: "refused", ...(error.errno === undefined ? {} : { errno: -error.errno }) });
    if (name === "Log") guest.log(fields.text!, fields.level!);
    else if (name === "Exit") guest.exit(fields.code!).catch(() => {});
    else if (name === "GetArgs") {
      guest.args().then(({ argv, env }) => {
        const list = Object.entries(env).map(([key, value]) => `${key}=${value}`);
        const payload = Buffer.from(encode("Args", { argv, env: list })).toString("hex");
        answered({ status: "ok", type: 0x8102, payload });
      }, failed);
    } else return unsupported;
    await this.#settle();
    return { status: "ok" };
  }

  async #onStream(command: Extract<Command, { stream: string }>): Promise<Reply> {
    const stream = this.#streams.get(command.stream);
    if (stream === undefined) return { status: "closed" };
    // A program hears of what the host did whenever it looks: the bell is spurious at worst (BELL-8).
    const { socket } = stream;
    if (command.do === "opened" && stream.error === undefined) {
      return socket === undefined ? { status: "again" } : { status: "ok", payload: "" };
    }
    if (command.do === "recv") {
      socket?.read(0);
      this.#listener?.bell();
      await this.#settle();
      const chunk = socket?.read(Math.min(command.max, socket.readableLength)) as Buffer | null | undefined;
      if (chunk) return { status: "ok", data: chunk.toString("hex") };
      await this.#settle();
    }
    if (command.do === "send" && socket !== undefined && stream.error === undefined) {
      if (socket.writableEnded) return { status: "closed" };
      socket.write(Buffer.from(command.data, "hex"));
      await this.#settle();
    }
    if (stream.error !== undefined) return this.#failure(stream.error);
    if (socket === undefined) return { status: "again" };
    switch (command.do) {
      case "send":
        return { status: "ok", bytes: command.data.length / 2 };
      case "recv":
        return { status: stream.ended ? "end" : "again" };
      case "end":
        socket.end();
        break;
      case "close":
        socket.destroy();
        break;
      case "reset":
        socket.resetAndDestroy();
        break;
      default:
        return unsupported;
    }
    await this.#settle();
    return { status: "ok" };
  }

  #failure(error: Error & { errno?: number; code?: string }): Reply {
    if (error instanceof ProtocolError) return { status: "violation", violation: error.violation };
    if (this.#error instanceof ProtocolError)
      return { status: "violation", violation: this.#error.violation };
    if (error.code === "ECONNRESET") return { status: "reset" };
    if (error.code === "EPIPE" || error.code === "ERR_STREAM_DESTROYED") return { status: "closed" };
    return { status: "refused", ...(error.errno === undefined ? {} : { errno: -error.errno }) };
  }
}
