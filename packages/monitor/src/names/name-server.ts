// One name server, asked through c-ares (node:dns): UDP, and TCP where the answer did not fit; CNAMEs followed within
// the answer.
//
// A c-ares channel serves one question at a time, because its cancel() ends all that are under way on it. A channel has
// a socket only while it asks, so each question has a port of its own, and descriptors are bounded by the questions at
// once: two for each (UDP, then TCP). Channels are kept for the next question: they live outside of V8's heap, which
// would not know that it has a reason to collect them.

import { Resolver } from "node:dns/promises";
import { formatHostPort, parseIp, splitHostPort } from "@ringway/control";
import { Deadline } from "@ringway/linux";
import { isPort } from "../policy/ports.ts";
import { quoted } from "../policy/text.ts";

export type Family = 4 | 6;

/** Sent again after this long, then after twice as long, and so on until the time of the question is over. */
const RESEND_MS = 1000;
const RESENDS_MAX = 8;
/** A zone with thousands of addresses must not become as many to be judged; 16 are tried at the most. */
const ADDRESSES_MAX = 64;

export interface TimedAddress {
  readonly address: string;
  /** Seconds. */
  readonly ttl: number;
}
const TIMED = { ttl: true } as const;

/** What was given as a name server is none. */
export class NameServerError extends Error {
  override readonly name: string = "NameServerError";
  readonly code: "ERR_RINGWAY_NAME_SERVER" = "ERR_RINGWAY_NAME_SERVER";
}

export class NameServer {
  readonly #address: string;
  readonly #idle: Resolver[] = [];

  /** `address`, `address:port` or `[address]:port`. Throws NameServerError. */
  constructor(text: string) {
    const { host = text, port = 53 } = splitHostPort(text) ?? {};
    // Checked in full here: Node aborts the process for some of what is none (port 0), and drops a zone.
    if (parseIp(host) === undefined || !isPort(port, 1)) {
      const forms = "192.0.2.1, 192.0.2.1:5353, 2001:db8::1 or [2001:db8::1]:5353";
      throw new NameServerError(`expected a name server such as ${forms}; found ${quoted(text)}`);
    }
    this.#address = formatHostPort(host, port);
  }

  /**
   * The addresses of one family. Rejects with c-ares' `code`: ENOTFOUND, ENODATA; ESERVFAIL and its like; ETIMEOUT
   * after `timeoutMs`; ECANCELLED once `signal` is aborted. When it has settled, nothing of the question is left.
   */
  async ask(
    name: string,
    family: Family,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<readonly string[]> {
    return (await this.askTimed(name, family, timeoutMs, signal)).map(({ address }) => address);
  }

  /** The names of an address; else as ask(). No time to live is told of them. */
  async askNames(address: string, timeoutMs: number, signal: AbortSignal): Promise<readonly string[]> {
    const question = reverseName(parseIp(address)!);
    const names = await this.#ask((channel) => channel.resolvePtr(question), timeoutMs, signal);
    return names.slice(0, ADDRESSES_MAX);
  }

  /** The same as ask(), each with its time to live. */
  async askTimed(
    name: string,
    family: Family,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<readonly TimedAddress[]> {
    const question = (channel: Resolver): Promise<TimedAddress[]> =>
      family === 4 ? channel.resolve4(name, TIMED) : channel.resolve6(name, TIMED);
    return (await this.#ask(question, timeoutMs, signal)).slice(0, ADDRESSES_MAX);
  }

  async #ask<T>(
    question: (channel: Resolver) => Promise<T>,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<T> {
    const channel = this.#idle.pop() ?? this.#channel();
    let late = false;
    const cancel = (): void => channel.cancel();
    const limit = new Deadline(timeoutMs, () => {
      late = true;
      cancel();
    });
    signal.addEventListener("abort", cancel);
    try {
      const answer = question(channel);
      if (signal.aborted) cancel();
      return await answer;
    } catch (error) {
      if (!late || signal.aborted) throw error;
      throw Object.assign(new Error(`${this.#address} did not answer`, { cause: error }), {
        code: "ETIMEOUT",
      });
    } finally {
      limit.cancel();
      signal.removeEventListener("abort", cancel);
      this.#idle.push(channel);
    }
  }

  #channel(): Resolver {
    const channel = new Resolver({ timeout: RESEND_MS, tries: RESENDS_MAX });
    channel.setServers([this.#address]);
    return channel;
  }
}

/** The name that a server is asked about an address by (RFC 1035, RFC 3596). */
function reverseName(address: Uint8Array): string {
  const parts = [...address].flatMap((byte) =>
    address.length === 4 ? [String(byte)] : [(byte >> 4).toString(16), (byte & 15).toString(16)],
  );
  return `${parts.reverse().join(".")}.${address.length === 4 ? "in-addr" : "ip6"}.arpa`;
}

/** Whether a server has said that there is no such name, or no address of the family. */
export function isAbsence(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === "ENOTFOUND" || code === "ENODATA";
}
