// Names of hosts, asked for over one stream (PROTOCOL.md section 17). The host resolves them: what its policy lets the
// guest reach, and nothing else.

import {
  formatIp,
  HOST_MAX_BYTES,
  inet,
  type Message,
  Protocol,
  parseIp,
  resolveMessages,
} from "@ringway/control";
import { Errno } from "@ringway/linux";
import { codeOf, type ErrorContext, errnoError, lookupError } from "../errors.ts";
import type { Engine } from "../stream/engine.ts";
import { KeptRpc } from "../stream/kept-rpc.ts";
import type { Rings } from "../stream/room.ts";

const { Addresses, Names, Resolve, Reverse } = resolveMessages;

/** Requests and replies are small: at the most 16 names of 253 bytes. */
const RINGS: Rings = { toHostBytes: 8192, toGuestBytes: 8192 };

export interface NameAddress {
  readonly address: string;
  readonly family: 4 | 6;
}

export class GuestNames {
  readonly #rpc: KeptRpc;

  constructor(engine: Engine) {
    this.#rpc = new KeptRpc(engine, Protocol.RESOLVE, RINGS, "getaddrinfo");
  }

  /** All addresses of a name that the guest may have, in the host's order. Rejects as dns.lookup() does. */
  async resolve(
    name: string,
    family: 0 | 4 | 6,
    signal: AbortSignal | undefined,
  ): Promise<readonly NameAddress[]> {
    const context = { syscall: "getaddrinfo", hostname: name };
    // There is no such name.
    if (Buffer.byteLength(name) > HOST_MAX_BYTES || name.includes("\0")) {
      throw lookupError(errnoError(Errno.ENOENT, context), name);
    }
    try {
      const { addresses } = await this.#call(Resolve, { family, name }, Addresses, context, signal);
      return addresses.map((each) => ({ address: formatIp(each.address), family: each.family }));
    } catch (error) {
      // What is no name for the host exists for nobody.
      const isNoName = codeOf(error) === "EINVAL";
      throw lookupError(isNoName ? errnoError(Errno.ENOENT, context, error) : (error as Error), name);
    }
  }

  /** Rejects as dns.reverse() does; the address is one. */
  async reverse(text: string, signal: AbortSignal | undefined): Promise<string[]> {
    const context = { syscall: "getHostByAddr", hostname: text };
    try {
      const { names } = await this.#call(
        Reverse,
        { address: inet(parseIp(text)!, 0) },
        Names,
        context,
        signal,
      );
      return [...names];
    } catch (error) {
      throw lookupError(error as Error, text, context.syscall);
    }
  }

  close(): void {
    this.#rpc.close();
  }

  async #call<T, R>(
    kind: Message<T>,
    request: T,
    reply: Message<R>,
    context: ErrorContext,
    signal: AbortSignal | undefined,
  ): Promise<R> {
    const ask = async (): Promise<R> => {
      const rpc = await this.#rpc.open(signal);
      return await rpc.call(kind, request, reply, context, signal);
    };
    return await this.#rpc.withRoom("request", ask, signal);
  }
}
