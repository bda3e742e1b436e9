// The host's own sockets: node:net and node:dgram.

import { createSocket } from "node:dgram";
import { promises } from "node:dns";
import { once } from "node:events";
import { lstatSync, unlinkSync } from "node:fs";
import { connect, createServer, type NetConnectOpts } from "node:net";
import { networkInterfaces } from "node:os";
import type { Duplex } from "node:stream";
import { setSocketBuffers } from "./buffers.ts";
import type { Accepting, Address, Connecting, Datagrams, Family, Listening, Network } from "./network.ts";

export interface SocketOptions {
  readonly family: Family;
  readonly sendBuffer: number | undefined;
  readonly receiveBuffer: number | undefined;
}

const BACKLOG = 4096;

export class HostNetwork implements Network {
  readonly family: Family;
  readonly #options: SocketOptions;

  constructor(options: SocketOptions) {
    this.#options = options;
    this.family = options.family;
  }

  async connect({ to, from, signal }: Connecting): Promise<Duplex> {
    const socket = connect({
      ...to,
      ...(this.family === undefined ? {} : { family: this.family }),
      ...(from === undefined ? {} : { localAddress: from.host, localPort: from.port }),
      allowHalfOpen: true,
      noDelay: true,
    } as NetConnectOpts);
    try {
      await once(socket, "connect", { signal });
    } catch (error) {
      socket.on("error", () => {});
      socket.destroy();
      throw error;
    }
    setSocketBuffers(socket, this.#options);
    return socket;
  }

  async listen({ at, ipv6Only, onStream, onError }: Accepting): Promise<Listening> {
    if ("path" in at) await removeDeserted(at.path);
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      setSocketBuffers(socket, this.#options);
      onStream(socket);
    });
    server.listen({ ...at, ipv6Only, backlog: BACKLOG });
    await once(server, "listening");
    server.on("error", onError);
    const bound = server.address()!;
    const address: Address =
      typeof bound === "string" ? { path: bound } : { host: bound.address, port: bound.port };
    return { address, close: () => void server.close() };
  }

  datagrams(type: "udp4" | "udp6", reuseAddr: boolean): Datagrams {
    return createSocket({ type, ipv6Only: type === "udp6", reuseAddr });
  }

  async resolve(host: string): Promise<readonly { readonly address: string; readonly family: number }[]> {
    return await promises.lookup(host, {
      all: true,
      ...(this.family === undefined ? {} : { family: this.family }),
    });
  }

  localAddresses(): readonly string[] {
    const all = Object.entries(networkInterfaces()).flatMap(([name, addresses = []]) =>
      addresses
        .filter(({ family }) => this.family === undefined || family === `IPv${this.family}`)
        .map(({ address }) => (address.startsWith("fe80:") ? `${address}%${name}` : address)),
    );
    // Several interfaces may have the same one.
    return [...new Set(all)];
  }

  onGone(): void {}

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** A socket at which nobody listens any more: whoever did was killed. */
async function removeDeserted(path: string): Promise<void> {
  if (!lstatSync(path, { bigint: true, throwIfNoEntry: false })?.isSocket()) return;
  const socket = connect({ path });
  try {
    await once(socket, "connect");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ECONNREFUSED") unlinkSync(path);
  } finally {
    socket.destroy();
  }
}
