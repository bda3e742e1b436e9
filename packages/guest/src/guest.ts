// The guest: everything that a program may ask its host for.

import {
  Args,
  Exit,
  Explain,
  encodeUtf8,
  GetArgs,
  Log,
  LogLevel,
  Ping,
  Pong,
  TEXT_MAX_BYTES,
  Verdict,
} from "@ringway/control";
import { Errno, invalidType, invalidValue, requireKeys, requireObject } from "@ringway/linux";
import { type AbortOptions, signalOf, throwIfAborted } from "./abort.ts";
import { integer } from "./argument-errors.ts";
import { type Attachment, retry } from "./attach/attachment.ts";
import { type AttachTarget, attachmentFor } from "./attach/target.ts";
import { codeOf, errnoError } from "./errors.ts";
import { type ExplainTarget, explainBody } from "./explain.ts";
import { GuestNetwork } from "./guest-network.ts";
import { requireTime } from "./net/socket-arguments.ts";
import { Engine } from "./stream/engine.ts";

export interface AttachOptions extends AbortOptions {
  /** Time limit, in milliseconds. Default 10 seconds. */
  readonly timeoutMs?: number | undefined;
  /**
   * How long, in microseconds, to keep looking at the pending words after activity before the guest sleeps; it stops to
   * while that rarely pays. 0 turns it off. Default 50.
   */
  readonly busyPollUs?: number | undefined;
  /**
   * A call for which the host has no room (streams, open files, ...) waits in line behind others. How long, in
   * milliseconds, before it fails if nothing is given back meanwhile. 0: it fails at once. Default 10 seconds.
   */
  readonly roomTimeoutMs?: number | undefined;
}

/** What the host wants the guest to run with. */
export interface GuestArgs {
  readonly argv: string[];
  readonly env: Record<string, string>;
}

export interface GuestEvents {
  /** The guest is not attached any more: because of an error, or (undefined) by close(). */
  detach: [error: Error | undefined];
}

const ATTACH_TIMEOUT_MS = 10_000;
/** Of AttachOptions. */
const TIMES = ["timeoutMs", "busyPollUs", "roomTimeoutMs"] as const;
/**
 * Measured: a 64-byte round trip takes 28 us with it and 60 without; 100 takes a core from the host that it waits
 * for.
 */
const BUSY_POLL_US = 50;
const ROOM_TIMEOUT_MS = 10_000;

export class Guest extends GuestNetwork<GuestEvents> {
  readonly #engine: Engine;
  readonly #attachment: Attachment;
  #closing: Promise<void> | undefined;

  private constructor(attachment: Attachment, options: AttachOptions) {
    const { busyPollUs = BUSY_POLL_US, roomTimeoutMs = ROOM_TIMEOUT_MS } = options;
    const engine = new Engine(attachment.memory, attachment.bell, busyPollUs, roomTimeoutMs);
    super(engine);
    this.#attachment = attachment;
    this.#engine = engine;
  }

  /**
   * Attaches to the monitor that listens at a Unix socket, or over a connection to it, or by memory and a doorbell,
   * or, in a virtual machine, to the one that serves it, which is waited for. Rejects with AbortError, ETIMEDOUT,
   * what connecting to the socket gives (ENOENT, ECONNREFUSED, ...), the errno with which the monitor turns the guest
   * away, ProtocolError, or what is wrong with the machine's devices (ENODEV, EACCES, EBUSY).
   */
  static async attach(to: AttachTarget, options: AttachOptions = {}): Promise<Guest> {
    requireObject(options, "options", "an object such as { timeoutMs }");
    requireKeys(options, "option", [...TIMES, "signal"]);
    const { signal } = options;
    throwIfAborted(signal);
    for (const name of TIMES) {
      if (options[name] !== undefined) requireTime(options[name], `options.${name}`);
    }
    const deadline = performance.now() + (options.timeoutMs ?? ATTACH_TIMEOUT_MS);
    for (;;) {
      const attachment = await attachmentFor(to, deadline, signal);
      try {
        const guest = Guest.#on(attachment, options);
        await guest.#attach(deadline, signal);
        return guest;
      } catch (error) {
        const isLoss = attachment.monitorReturns && codeOf(error) === "ECONNRESET";
        if (!isLoss || performance.now() >= deadline) throw error;
        await attachment.bell.closed;
      }
    }
  }

  static #on(attachment: Attachment, options: AttachOptions): Guest {
    try {
      return new Guest(attachment, options);
    } catch (error) {
      attachment.bell.close();
      attachment.release();
      throw error;
    }
  }

  async #attach(deadline: number, signal: AbortSignal | undefined): Promise<void> {
    const engine = this.#engine;
    let attached = false;
    engine.hold();
    try {
      engine.start(
        () => {
          attached = true;
        },
        (error) => {
          this.#attachment.release();
          if (attached) this.emit("detach", error);
        },
      );
      // Looks by itself as well: a hypervisor drops the rings of a monitor that it has not accepted yet (ATT-4).
      await retry(deadline, signal, { syscall: "attach" }, () => {
        engine.run();
        if (engine.ended !== undefined) throw engine.ended;
        return attached ? true : undefined;
      });
    } catch (error) {
      engine.detach();
      throw error;
    } finally {
      engine.unhold();
    }
  }

  /** Is the monitor there? */
  get attached(): boolean {
    return this.#engine.ended === undefined;
  }

  /** Arguments and environment that the host has for this guest. */
  async args(options?: AbortOptions): Promise<GuestArgs> {
    const signal = signalOf(options);
    const { argv, env } = await this.#engine.control.request(GetArgs, {}, Args, { syscall: "args" }, signal);
    const pairs = env.map((entry): [string, string] => {
      const at = entry.indexOf("=");
      return at < 0 ? [entry, ""] : [entry.slice(0, at), entry.slice(at + 1)];
    });
    return { argv: [...argv], env: Object.fromEntries(pairs) };
  }

  /** A line for the host's log; cut off at 8192 bytes, dropped where the guest is detached or logs too fast. */
  log(text: string, level: "debug" | "info" | "warn" | "error" | number = "info"): void {
    const levels = { debug: LogLevel.DEBUG, info: LogLevel.INFO, warn: LogLevel.WARN, error: LogLevel.ERROR };
    const number = typeof level === "number" ? level : levels[level];
    if (number === undefined) throw invalidValue("level", level, `must be one of ${Object.keys(levels)}`);
    if (typeof text !== "string") throw invalidType("text", "of type string", text);
    const line = cut(text.replaceAll("\0", "\ufffd"));
    this.#engine.touch(() => this.#engine.control.post(Log, { level: number, text: line }, true));
  }

  /** Tells the host that this guest's program has ended with `code`, 0 to 255; resolves when the host has read it. */
  async exit(code: number, options?: AbortOptions): Promise<void> {
    integer(code, "code", 0, 255);
    signalOf(options);
    this.#engine.check();
    this.#engine.control.post(Exit, { code }, false);
    await this.ping(options);
  }

  /** A round trip over the control pipe: its time in milliseconds. */
  async ping(options?: AbortOptions): Promise<number> {
    const signal = signalOf(options);
    const start = performance.now();
    const data = encodeUtf8("ringway");
    const pong = await this.#engine.control.request(Ping, { data }, Pong, { syscall: "ping" }, signal);
    if (Buffer.compare(pong.data, data) !== 0)
      throw errnoError(
        Errno.EPROTO,
        { syscall: "ping" },
        new Error("the pong carries other bytes than its ping"),
      );
    return performance.now() - start;
  }

  /** Would the policy allow this? Nothing is opened. */
  async explain(target: ExplainTarget, options?: AbortOptions): Promise<Verdict> {
    const signal = signalOf(options);
    const asked = explainBody(target);
    return await this.#engine.control.request(Explain, asked, Verdict, { syscall: "explain" }, signal);
  }

  /**
   * Leaves the monitor. Servers stop; bytes that streams which ended still had to send are given time to go out;
   * streams that are open are destroyed without an error, calls fail with ERR_RINGWAY_DETACHED.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    if (this.#engine.ended === undefined) {
      for (const server of this.#engine.servers) server.close();
      this.closeFiles();
      this.closeNames();
      await this.#engine.quiet();
      this.#engine.detach();
    }
    await this.#attachment.bell.closed;
  }
}

/** The longest start of `text` with at most TEXT_MAX_BYTES bytes. */
function cut(text: string): string {
  if (Buffer.byteLength(text) <= TEXT_MAX_BYTES) return text;
  let bytes = Buffer.from(text).subarray(0, TEXT_MAX_BYTES - 3);
  while (bytes.length > 0 && (bytes.at(-1)! & 0xc0) === 0x80) bytes = bytes.subarray(0, -1);
  if (bytes.length > 0 && bytes.at(-1)! >= 0xc0) bytes = bytes.subarray(0, -1);
  return `${bytes.toString()}…`;
}
