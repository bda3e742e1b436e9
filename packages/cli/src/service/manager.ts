// What a service manager is told of a monitor (sd_notify(3)): when it serves, reads its files again, and stops, with a
// line for people each time; and that it is alive, where the manager wants to know.
//
//   starting ── ready() ──> READY ── reloads() ──> RELOADING ── all of them over ──> READY
//                             └── stopping() ──> STOPPING
//
// It is alive where the reactor's thread has answered a question, which takes a turn of its loop, and this thread has
// sent the word: a monitor of which one stands still is ended and started anew. Once it stops, the reactor answers no
// more, and the end has a limit of its own: what the drain may take and a little more, which the manager is told, so
// that its own limit cuts no drain off. Nothing here waits: a word for which the manager has no room is sent again.

import { Errno, errnoMessage, sendUnixDatagram } from "@ringway/linux";
import type { Logger } from "pino";
import { plain } from "../admin/text.ts";
import { errorLine } from "../errors.ts";

/** How soon a word is sent again for which there was no room. */
const AGAIN_MS = 100;
/** Words that wait: more, and nobody reads them. */
const WAITING_MAX = 16;
/** What the end may take beside the drain: threads, what is learned, lines that are not out yet. */
const END_MS = 5000;

export class ServiceManager {
  readonly #socket: string;
  readonly #aliveMs: number | undefined;
  readonly #log: Logger;
  readonly #waiting: string[] = [];
  #reloads = 0;
  #status = "";
  #isStopping = false;

  private constructor(socket: string, aliveMs: number | undefined, log: Logger) {
    this.#socket = socket;
    this.#aliveMs = aliveMs;
    this.#log = log;
  }

  /** Undefined: there is none. The environment says nothing of it from then on. */
  static ofProcess(log: Logger): ServiceManager | undefined {
    const { NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID = String(process.pid) } = process.env;
    // A program that this one starts is not the service.
    for (const name of ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"]) delete process.env[name];
    if (NOTIFY_SOCKET === undefined || NOTIFY_SOCKET === "") return undefined;
    const everyMs = Number(WATCHDOG_USEC) / 1000;
    const isAsked = WATCHDOG_PID === String(process.pid) && everyMs > 0;
    return new ServiceManager(NOTIFY_SOCKET, isAsked ? everyMs / 2 : undefined, log);
  }

  /** `pulse` resolves once the reactor has turned, and rejects when it is gone. */
  ready(status: string, pulse: () => Promise<unknown>): void {
    this.#status = plain(status);
    this.#send(`READY=1\nSTATUS=${this.#status}`);
    if (this.#aliveMs !== undefined) void this.#live(this.#aliveMs, pulse);
  }

  /** `work` resolves with what is to be said of it, where it did not go well; an error of it is said as well. */
  async reloads(work: () => Promise<string | undefined>): Promise<void> {
    this.#reloads++;
    const atUs = process.hrtime.bigint() / 1000n;
    this.#send(`RELOADING=1\nMONOTONIC_USEC=${atUs}\nSTATUS=reading its files again`);
    const problem = await work().catch((error: unknown) => {
      this.#log.error({ err: error }, `reading the files again failed: ${errorLine(error)}`);
      return errorLine(error);
    });
    this.#reloads--;
    if (this.#reloads > 0 || this.#isStopping) return;
    const refused = problem === undefined ? "" : `; what it read last was refused: ${plain(problem)}`;
    this.#send(`READY=1\nSTATUS=${this.#status}${refused}`);
  }

  /** `drainMs`: how long that may take, beside the end itself. */
  stopping(why: string, drainMs: number): void {
    this.#isStopping = true;
    const mayTakeUs = (drainMs + END_MS) * 1000;
    this.#send(`STOPPING=1\nSTATUS=${plain(why)}\nEXTEND_TIMEOUT_USEC=${mayTakeUs}`);
    if (this.#aliveMs !== undefined) void this.#live(this.#aliveMs, async () => {});
  }

  async #live(everyMs: number, pulse: () => Promise<unknown>): Promise<void> {
    const wasStopping = this.#isStopping;
    try {
      while (wasStopping === this.#isStopping) {
        await pulse();
        if (wasStopping !== this.#isStopping) return;
        if (this.#waiting.length === 0) this.#send("WATCHDOG=1");
        await new Promise((resolve) => setTimeout(resolve, everyMs).unref());
      }
    } catch {
      // The monitor is closed.
    }
  }

  #send(words: string): void {
    if (this.#waiting.length >= WAITING_MAX) this.#waiting.shift();
    this.#waiting.push(words);
    if (this.#waiting.length === 1) this.#sendWaiting();
  }

  #sendWaiting(): void {
    for (let words = this.#waiting[0]; words !== undefined; words = this.#waiting[0]) {
      const result = sendUnixDatagram(this.#socket, words);
      if (result === -Errno.EAGAIN) {
        setTimeout(() => this.#sendWaiting(), AGAIN_MS).unref();
        return;
      }
      if (result < 0) {
        this.#log.warn(
          { socket: this.#socket },
          `the service manager was not told: ${errnoMessage(-result)}`,
        );
      }
      this.#waiting.shift();
    }
  }
}
