// Commands in a guest: the host's end of guest/testd.c, which has the frames.

import type { Socket } from "node:net";
import { until, within } from "../../support/wait.ts";

const Request = { RUN: 1, INPUT: 2, SIGNAL: 3 } as const;
const Report = { HELLO: 0, OUTPUT: 1, ERRORS: 2, EXITED: 3 } as const;
const HEADER_BYTES = 12;
const HELLO = frame(0, Report.HELLO, Buffer.from("ringway-test-hello"));
const SIGKILL = 9;

export interface Ended {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number;
}

/** A command that runs in the guest. Leaving the scope kills it. */
export class Job implements Disposable {
  readonly command: string;
  stdout = "";
  stderr = "";
  exitCode: number | undefined;
  readonly #ended: Promise<void>;
  readonly #send: (kind: number, payload: Uint8Array) => void;
  #settle: () => void = () => {};
  #lost: string | undefined;

  constructor(command: string, send: (kind: number, payload: Uint8Array) => void) {
    this.command = command;
    this.#send = send;
    this.#ended = new Promise((resolve) => {
      this.#settle = resolve;
    });
  }

  /** The first whole line of its output that has come, or will, with `text` in it. */
  async line(text: string, timeoutMs = 20_000): Promise<string> {
    return await until(
      `"${text}" from: ${this.command}`,
      () => {
        const found = this.stdout
          .split("\n")
          .slice(0, -1)
          .find((line) => line.includes(text));
        if (found === undefined) this.#check();
        if (found === undefined && this.exitCode !== undefined) throw this.failure(`ended without "${text}"`);
        return found;
      },
      timeoutMs,
    );
  }

  async end(timeoutMs = 30_000): Promise<Ended> {
    await within(`the end of: ${this.command}`, this.#ended, timeoutMs);
    this.#check();
    return { stdout: this.stdout, stderr: this.stderr, exitCode: this.exitCode! };
  }

  write(text: string): void {
    this.#send(Request.INPUT, Buffer.from(text));
  }

  kill(signal = SIGKILL): void {
    const payload = Buffer.alloc(4);
    payload.writeUInt32LE(signal);
    this.#send(Request.SIGNAL, payload);
  }

  failure(what: string): Error {
    return new Error(`${this.command}: ${what}\n${this.stdout}${this.stderr}`);
  }

  /** Of the channel alone. */
  report(kind: number, payload: Buffer): void {
    if (kind === Report.OUTPUT) this.stdout += payload.toString();
    else if (kind === Report.ERRORS) this.stderr += payload.toString();
    else if (kind === Report.EXITED) {
      this.exitCode = payload.readUInt32LE();
      this.#settle();
    }
  }

  /** Of the channel alone: its guest is no more. */
  lose(why: string): void {
    if (this.exitCode !== undefined) return;
    this.#lost = why;
    this.#settle();
  }

  #check(): void {
    if (this.#lost !== undefined) throw this.failure(this.#lost);
  }

  [Symbol.dispose](): void {
    if (this.exitCode === undefined && this.#lost === undefined) this.kill();
  }
}

export class Jobs implements Disposable {
  /** Boots that have come as far as to take commands. */
  boots = 0;
  readonly #socket: Socket;
  readonly #jobs = new Map<number, Job>();
  #inbox: Buffer = Buffer.alloc(0);
  #greeted = false;
  #lastId = 0;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (bytes) => this.#receive(bytes));
    socket.on("error", () => {});
    socket.on("close", () => this.#lose("QEMU is gone"));
  }

  start(command: string): Job {
    const id = ++this.#lastId;
    const send = (kind: number, payload: Uint8Array): void =>
      void this.#socket.write(frame(id, kind, payload));
    const job = new Job(command, send);
    this.#jobs.set(id, job);
    send(Request.RUN, Buffer.from(command));
    return job;
  }

  /** The guest is about to start again: what it was saying may be cut off, up to the next hello. */
  restarted(): void {
    this.#greeted = false;
    this.#lose("the guest was reset");
  }

  #lose(why: string): void {
    for (const job of this.#jobs.values()) job.lose(why);
    this.#jobs.clear();
  }

  #receive(bytes: Buffer): void {
    this.#inbox = Buffer.concat([this.#inbox, bytes]);
    if (!this.#greeted) {
      const at = this.#inbox.indexOf(HELLO);
      if (at < 0) return;
      this.#inbox = this.#inbox.subarray(at + HELLO.length);
      this.#greeted = true;
      this.boots++;
    }
    while (this.#inbox.length >= HEADER_BYTES) {
      const [id, kind, length] = [0, 4, 8].map((at) => this.#inbox.readUInt32LE(at)) as [
        number,
        number,
        number,
      ];
      if (this.#inbox.length < HEADER_BYTES + length) return;
      this.#jobs.get(id)?.report(kind, this.#inbox.subarray(HEADER_BYTES, HEADER_BYTES + length));
      this.#inbox = this.#inbox.subarray(HEADER_BYTES + length);
    }
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }
}

function frame(id: number, kind: number, payload: Uint8Array): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt32LE(id, 0);
  header.writeUInt32LE(kind, 4);
  header.writeUInt32LE(payload.length, 8);
  return Buffer.concat([header, payload]);
}
