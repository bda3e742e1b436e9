// A guest's sockets: what a monitor's policy allows, through @ringway/guest.

import type { Duplex } from "node:stream";
import { Guest, type SocketAddress } from "@ringway/guest";
import { UsageError } from "../errors.ts";
import type { Accepting, Address, Connecting, Datagrams, Family, Listening, Network } from "./network.ts";

export class GuestNetwork implements Network {
  readonly family: Family;
  readonly #guest: Guest;

  private constructor(guest: Guest, family: Family) {
    this.#guest = guest;
    this.family = family;
  }

  /** To the monitor that listens at this path. */
  static async attach(path: string, family: Family): Promise<GuestNetwork> {
    return new GuestNetwork(await Guest.attach(path), family);
  }

  async connect({ to, from, signal }: Connecting): Promise<Duplex> {
    if (from !== undefined)
      throw new UsageError("SOURCE=TARGET: over --attach the host picks where it comes from");
    if ("path" in to) return await this.#guest.connect({ ...to, allowHalfOpen: true, signal });
    const host = this.family === undefined ? to.host : (await this.resolve(to.host))[0]!.address;
    return await this.#guest.connect({ host, port: to.port, allowHalfOpen: true, signal });
  }

  async listen({ at, onStream, onError }: Accepting): Promise<Listening> {
    const server = await this.#guest.listen({ ...at, allowHalfOpen: true }, onStream);
    server.on("error", onError);
    const bound = server.address<SocketAddress | string>()!;
    const address: Address =
      typeof bound === "string" ? { path: bound } : { host: bound.address, port: bound.port };
    return { address, close: () => void server.close() };
  }

  datagrams(type: "udp4" | "udp6", reuseAddr: boolean): Datagrams {
    return this.#guest.udp({ type, ipv6Only: type === "udp6", reuseAddr }) as unknown as Datagrams;
  }

  async resolve(host: string): Promise<readonly { readonly address: string; readonly family: number }[]> {
    return await new Promise((resolve, reject) => {
      this.#guest.lookup(host, { all: true, family: this.family ?? 0 }, (error, addresses) => {
        if (error === null) resolve(addresses);
        else reject(error);
      });
    });
  }

  onGone(callback: (error: Error) => void): void {
    this.#guest.once("detach", (error) => {
      if (error !== undefined) callback(error);
    });
  }

  /** The host knows its own, and tells no guest. */
  localAddresses(): undefined {
    return undefined;
  }

  async close(): Promise<void> {
    await this.#guest.close();
  }
}
