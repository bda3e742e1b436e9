// Where is listened: once (-l), for as many clients as there may be, and then no more; or for ever (-L), for so many at
// the same time. Who is too many is closed at once, and counted.

import { once } from "node:events";
import type { Duplex } from "node:stream";
import { errorLine } from "../errors.ts";
import { everyHost } from "./hosts.ts";
import type { Endpoint, House } from "./house.ts";
import type { Listening } from "./network.ts";
import { addressText, type ListenPlace } from "./places.ts";

const MAX_CLIENTS = { once: 1, always: 1000 } as const;
/** Looked for again, where one port is wanted at several addresses and one of them has it already. */
const PORT_TRIES = 10;

interface Where {
  readonly host: string;
  readonly port: number;
}

export class Listener implements Endpoint {
  readonly #house: House;
  readonly #place: ListenPlace;
  readonly #group: number;
  readonly #isOnce: boolean;
  readonly #most: number;
  #listening: Listening[] = [];
  #accepted = 0;
  /** Accepted, and not peers yet. */
  readonly #takes: Set<Promise<void>> = new Set();
  /** On their way through TLS. */
  #coming = 0;
  readonly #over: AbortController = new AbortController();

  constructor(house: House, place: ListenPlace, { group, isOnce }: { group: number; isOnce: boolean }) {
    this.#house = house;
    this.#place = place;
    this.#group = group;
    this.#isOnce = isOnce;
    this.#most = house.options.maxClients ?? MAX_CLIENTS[isOnce ? "once" : "always"];
  }

  /** There is nothing to try. */
  readonly tried: Promise<void> = Promise.resolve();

  /** Listens; rejects where it cannot. */
  async open(): Promise<void> {
    this.#listening = await this.#listen();
    for (const { address } of this.#listening) this.#house.say(`listening at ${addressText(address)}`);
  }

  async run(): Promise<void> {
    const signal = AbortSignal.any([this.#house.signal, this.#over.signal]);
    if (!signal.aborted) await once(signal, "abort");
    this.close();
    await Promise.all(this.#takes);
  }

  /** Nobody is accepted any more; those who are there stay. */
  close(): void {
    for (const each of this.#listening.splice(0)) each.close();
  }

  async #listen(): Promise<Listening[]> {
    const { at } = this.#place;
    if (!("every" in at)) return [await this.#listenAt(at)];
    for (let tries = 1; ; tries++) {
      try {
        return await this.#listenAtAll(
          everyHost(this.#house.network, at.every).map((host) => ({ host, port: at.port })),
        );
      } catch (error) {
        const isTaken = (error as NodeJS.ErrnoException).code === "EADDRINUSE";
        if (at.port !== 0 || !isTaken || tries === PORT_TRIES) throw error;
      }
    }
  }

  /** One port at each; an address of a family that this machine has not is left out. */
  async #listenAtAll(wanted: readonly Where[]): Promise<Listening[]> {
    const open: Listening[] = [];
    let missing: unknown;
    try {
      for (const where of wanted) {
        const first = open[0]?.address;
        const port = first !== undefined && "port" in first ? first.port : where.port;
        try {
          open.push(await this.#listenAt({ ...where, port }));
        } catch (error) {
          const { code } = error as NodeJS.ErrnoException;
          if (code !== "EAFNOSUPPORT" && code !== "EADDRNOTAVAIL") throw error;
          missing = error;
        }
      }
    } catch (error) {
      for (const each of open) each.close();
      throw error;
    }
    if (open.length === 0) throw missing;
    return open;
  }

  async #listenAt(at: Where | { readonly path: string }): Promise<Listening> {
    const { network } = this.#house;
    const isName = "host" in at && network.family !== undefined;
    const to = isName ? { ...at, host: (await network.resolve(at.host))[0]!.address } : at;
    return await network.listen({
      at: to,
      ipv6Only: "host" in to && to.host.includes(":"),
      onStream: (stream) => this.#accept(stream),
      onError: (error) => this.#failed(error),
    });
  }

  #accept(stream: Duplex): void {
    const house = this.#house;
    const label = remoteOf(stream) ?? `a client of ${this.#place.text}`;
    const count = (this.#isOnce ? this.#accepted : house.count(this.#group)) + this.#coming;
    if (count >= this.#most) {
      house.say(`${label}: turned away: ${this.#most} at the most (-m)`);
      stream.on("error", () => {});
      stream.destroy();
      return;
    }
    const taken = this.#take(stream, label).catch((error: unknown) => {
      house.fail(`${label}: ${errorLine(error)}`);
      stream.destroy();
    });
    this.#takes.add(taken);
    void taken.then(() => this.#takes.delete(taken));
  }

  /** With -l it is one of those that there may be: who got no further than TLS is none. */
  #count(): void {
    this.#accepted++;
    if (this.#isOnce && this.#accepted === this.#most) this.#over.abort();
  }

  async #take(stream: Duplex, label: string): Promise<void> {
    const house = this.#house;
    const as = { label, group: this.#group };
    if (!this.#place.tls) {
      this.#count();
      await house.accepted(stream, as);
      return;
    }
    this.#coming++;
    const secure = await house.tls.accept(stream, house.signal).catch((error: unknown) => {
      if (!house.signal.aborted) house.say(`${label}: ${errorLine(error)}`);
    });
    this.#coming--;
    if (!secure) return;
    this.#count();
    await house.accepted(secure, as);
  }

  #failed(error: Error): void {
    this.#house.fail(`${this.#place.text}: ${errorLine(error)}`);
    this.#over.abort();
  }
}

function remoteOf(stream: Duplex): string | undefined {
  const { remoteAddress, remotePort } = stream as { remoteAddress?: string; remotePort?: number };
  if (remoteAddress === undefined || remotePort === undefined) return undefined;
  return addressText({ host: remoteAddress, port: remotePort });
}
