// Where flow records go: a file, by a thread of its own (logs/writer.ts), or a Unix socket that somebody listens at.
//
//   file     what it does not take is lost, counted, and said in its place
//   socket   CONNECTING ── connected ──▶ OPEN ── broken, or ended ──▶ RESTS ── AGAIN_MS, or reopen() ──▶ CONNECTING
//            OPEN, and more than WAITING_MAX waits: what comes is lost. So it is elsewhere, and with what waits when it
//            breaks. Once there is room, a line says how many. One that ends has END_MS to take what waits
//
// Invariant of a socket: of each record the kernel has all, or it is counted as lost. What a listener makes of what the
// kernel has, nobody here knows.
//
// Nothing here waits, or stops a monitor: who reads no records has none.

import { connect, type Socket } from "node:net";
import { within } from "@ringway/linux";
import type { Logger } from "pino";
import { LogWriter } from "./logs/writer.ts";

const WAITING_MAX: number = 1024 * 1024;
const AGAIN_MS = 1000;
const END_MS = 1000;
const UNIX = "unix:";

export interface FlowDestination {
  /** Whole lines, of so many records. */
  write(text: string, lines: number): void;
  /** So many were lost before they came here. */
  lose(lines: number): void;
  reopen(): Promise<void>;
  close(): Promise<void>;
}

/** `place`: a path, or "unix:" and that of a socket. Rejects with SystemError where the file cannot be opened. */
export async function openFlows(place: string, log: Logger): Promise<FlowDestination> {
  if (place.startsWith(UNIX)) return new FlowSocket(place.slice(UNIX.length), log);
  return new FlowFile(await LogWriter.open(place), log);
}

/** The path in it. */
export function flowsPath(place: string): string {
  return place.startsWith(UNIX) ? place.slice(UNIX.length) : place;
}

const lostLine = (lost: number): string => `${JSON.stringify({ time: new Date().toISOString(), lost })}\n`;

class FlowFile implements FlowDestination {
  readonly #writer: LogWriter;

  constructor(writer: LogWriter, log: Logger) {
    this.#writer = writer;
    writer.on("failing", (errno) => log.error({ errno }, `flow records cannot be written: ${errno}`));
    writer.on("writing", () => log.info("flow records are written again"));
    writer.on("error", (error) => log.error({ err: error }, "flow records are written no more"));
  }

  write(text: string, lines: number): void {
    if (!this.#writer.offer(text)) this.#writer.lose(lines, Buffer.byteLength(text), "EAGAIN");
  }

  lose(lines: number): void {
    this.#writer.write(lostLine(lines));
  }

  reopen(): Promise<void> {
    return this.#writer.reopen();
  }

  close(): Promise<void> {
    return this.#writer.close();
  }
}

class FlowSocket implements FlowDestination {
  readonly #path: string;
  readonly #log: Logger;
  #socket: Socket | undefined;
  #isOpen = false;
  #lost = 0;
  /** Of sockets that take what waits, and no more. */
  readonly #ends: Set<Promise<void>> = new Set();
  #resting: NodeJS.Timeout | undefined;
  #isOver = false;
  /** It was said that nobody takes them. */
  #isSaid = false;

  constructor(path: string, log: Logger) {
    this.#path = path;
    this.#log = log;
    this.#connect();
  }

  #connect(): void {
    clearTimeout(this.#resting);
    const socket = connect({ path: this.#path });
    this.#socket = socket;
    socket.unref();
    socket.on("connect", () => {
      if (this.#socket === socket) this.#isOpen = true;
    });
    // What is said there is nothing to us.
    socket.resume();
    socket.on("error", (error) => this.#say(error.message));
    socket.on("close", () => {
      if (this.#socket !== socket || this.#isOver) return;
      this.#isOpen = false;
      this.#resting = setTimeout(() => this.#connect(), AGAIN_MS);
      this.#resting.unref();
    });
  }

  #say(why: string): void {
    if (!this.#isSaid) this.#log.error(`flow records are not taken: ${why}`);
    this.#isSaid = true;
  }

  write(text: string, lines: number): void {
    const socket = this.#socket;
    if (socket === undefined || !this.#isOpen || socket.writableLength > WAITING_MAX) {
      this.#lost += lines;
      if (this.#isOpen) this.#say("who listens reads too slowly");
      return;
    }
    this.#sayLost(socket);
    if (this.#isSaid) this.#log.info("flow records are taken again");
    this.#isSaid = false;
    this.#send(socket, text, lines);
  }

  /** What the kernel has not taken when the socket breaks is lost. */
  #send(socket: Socket, text: string, lines: number): void {
    socket.write(text, (error) => {
      // Of a write that was under way, Node tells no error then.
      if (error || socket.destroyed) this.#lost += lines;
    });
  }

  #sayLost(socket: Socket): void {
    const lost = this.#lost;
    this.#lost = 0;
    if (lost > 0) this.#send(socket, lostLine(lost), lost);
  }

  lose(lines: number): void {
    this.#lost += lines;
  }

  async reopen(): Promise<void> {
    if (this.#isOver) return;
    this.#isOpen = false;
    this.#end();
    this.#connect();
  }

  async close(): Promise<void> {
    this.#isOver = true;
    clearTimeout(this.#resting);
    if (this.#isOpen) this.#sayLost(this.#socket!);
    this.#isOpen = false;
    this.#end();
    await Promise.all(this.#ends);
    if (this.#lost > 0) this.#log.error({ records: this.#lost }, `${this.#lost} flow records were not taken`);
  }

  #end(): void {
    const socket = this.#socket;
    if (socket === undefined || socket.destroyed) return;
    const end = ended(socket).finally(() => this.#ends.delete(end));
    this.#ends.add(end);
  }
}

/** Once it is closed, and each write was called back. */
async function ended(socket: Socket): Promise<void> {
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  socket.destroySoon();
  await within(closed, END_MS);
  socket.destroy();
  await closed;
}
