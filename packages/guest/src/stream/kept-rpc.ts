// A framed stream that many calls share: opened when it is first needed, kept then, and opened again where it was lost.
// Names of files have one, and names of hosts.

import { encodeUtf8 } from "@ringway/control";
import { throwIfAborted, unlessAborted } from "../abort.ts";
import type { Engine } from "./engine.ts";
import { decodeNothing, openStream } from "./open-stream.ts";
import { type Resource, type Rings, ringWish } from "./room.ts";
import { Rpc } from "./rpc.ts";
import { withRoom } from "./with-room.ts";

export class KeptRpc {
  readonly #engine: Engine;
  readonly #protocol: number;
  readonly #rings: Rings;
  readonly #syscall: string;
  #rpc: Rpc | undefined;
  #opening: Promise<Rpc> | undefined;

  /** Of a protocol whose Open has an empty body; `syscall` is for errors of the opening. */
  constructor(engine: Engine, protocol: number, rings: Rings, syscall: string) {
    this.#engine = engine;
    this.#protocol = protocol;
    this.#rings = rings;
    this.#syscall = syscall;
  }

  /** The stream, opened if it is not there. One caller's abort does not take it from the others. */
  async open(signal: AbortSignal | undefined): Promise<Rpc> {
    this.#engine.check();
    throwIfAborted(signal);
    if (this.#rpc !== undefined) return this.#rpc;
    this.#opening ??= this.#connect().finally(() => {
      this.#opening = undefined;
    });
    return await unlessAborted(this.#opening, signal);
  }

  /**
   * Requests need no room as a rule, so they do not stand in line; where the host has none, they wait their turn for
   * what they lack.
   */
  async withRoom<T>(lacks: Resource, ask: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    return await withRoom(this.#engine, lacks, ask, signal);
  }

  /** Ends the stream, if there is one. */
  close(): void {
    this.#rpc?.close();
  }

  async #connect(): Promise<Rpc> {
    const request = {
      protocol: this.#protocol,
      body: encodeUtf8(""),
      rings: ringWish(undefined, this.#rings),
      context: { syscall: this.#syscall },
    };
    const { stream } = await openStream(this.#engine, request, decodeNothing);
    const rpc = new Rpc(stream, (ended) => {
      if (this.#rpc === ended) this.#rpc = undefined;
    });
    this.#rpc = rpc.ended ? undefined : rpc;
    return rpc;
  }
}
