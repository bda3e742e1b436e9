// A UDP socket: where is listened, or what a target is reached by. Each remote that is heard from is a peer, and a
// target's is one from the beginning; what comes to a group or by broadcast is the target's own. A datagram is a chunk.
//
// What comes faster than it is taken is lost, as in a kernel, and counted: a peer has room for a few.

import { once } from "node:events";
import { SocketAddress } from "node:net";
import { Duplex } from "node:stream";
import { errorLine } from "../errors.ts";
import { addressOf, everyHost } from "./hosts.ts";
import type { Endpoint, House } from "./house.ts";
import type { Datagrams } from "./network.ts";
import type { UdpOptions } from "./options.ts";
import { addressText, type ListenPlace, type Target } from "./places.ts";

export interface DatagramWhere {
  readonly place?: ListenPlace;
  readonly target?: Target;
  readonly isOnce: boolean;
  readonly group: number;
  readonly udp: UdpOptions;
}

/** Of one peer, where nobody takes them. */
const ROOM = 8;
const MAX_PEERS = 100;
const GROUPS = /^(22[4-9]|23\d)\.|^ff/i;

interface Remote {
  readonly address: string;
  readonly port: number;
}

export class DatagramEndpoint implements Endpoint {
  readonly #house: House;
  readonly #where: DatagramWhere;
  readonly #most: number;
  readonly #sockets: Datagrams[] = [];
  readonly #remotes: Map<string, RemoteStream> = new Map();
  readonly #over: AbortController = new AbortController();
  /** All that comes is the target's: it is a group, or everybody. */
  #shared: RemoteStream | undefined;
  #hasTurnedAway = false;

  constructor(house: House, where: DatagramWhere) {
    this.#house = house;
    this.#where = where;
    this.#most = house.options.maxClients ?? (where.isOnce ? 1 : MAX_PEERS);
  }

  /** There is nothing to try. */
  readonly tried: Promise<void> = Promise.resolve();

  async open(): Promise<void> {
    const { place, target } = this.#where;
    if (place !== undefined) await this.#listen(place);
    else await this.#reach(target!);
  }

  async run(): Promise<void> {
    const signal = AbortSignal.any([this.#house.signal, this.#over.signal]);
    if (!signal.aborted) await once(signal, "abort");
    // The peers that are left send what they have first.
    for (const remote of this.#remotes.values()) if (!remote.closed) await once(remote, "close");
    for (const socket of this.#sockets) socket.close();
  }

  async #listen({ at, text }: ListenPlace): Promise<void> {
    const { network } = this.#house;
    if ("path" in at) throw new Error(`${text}: datagrams go to ports alone`);
    const hosts = "every" in at ? everyHost(network, at.every) : [await addressOf(network, at.host)];
    let { port } = at;
    for (const host of hosts) {
      const socket = await this.#bind(host, port);
      const bound = socket.address();
      port = bound.port;
      this.#house.say(`listening at ${addressText({ host: bound.address, port })}`);
    }
  }

  async #reach({ to, from, text }: Target): Promise<void> {
    const { network } = this.#house;
    const { udp, group } = this.#where;
    if ("path" in to) throw new Error(`${text}: datagrams go to ports alone`);
    const address = asHeard(await addressOf(network, to.host));
    const any = address.includes(":") ? "::" : "0.0.0.0";
    const socket = await this.#bind(
      udp.multicast ? any : (from?.host ?? any),
      udp.multicast ? to.port : (from?.port ?? 0),
    );
    if (udp.multicast) {
      socket.addMembership(address, from?.host);
      if (from !== undefined) socket.setMulticastInterface(from.host);
    }
    const remote = { address, port: to.port };
    const stream = this.#add(socket, remote, { label: text, group });
    if (udp.multicast || udp.broadcast || GROUPS.test(address)) this.#shared = stream;
  }

  async #bind(host: string, port: number): Promise<Datagrams> {
    const { udp } = this.#where;
    const { sendBuffer, receiveBuffer } = this.#house.options;
    const isSix = host.includes(":");
    const socket = this.#house.network.datagrams(isSix ? "udp6" : "udp4", udp.multicast);
    socket.bind({ port, address: host });
    await once(socket, "listening");
    socket.on("error", (error: Error) => this.#house.fail(errorLine(error)));
    socket.on("message", (data: Buffer, remote: Remote) => this.#message(socket, data, remote));
    if (udp.broadcast) socket.setBroadcast(true);
    if (udp.ttl !== undefined) {
      if (udp.multicast) socket.setMulticastTTL(udp.ttl);
      else socket.setTTL(udp.ttl);
    }
    if (!udp.loop) socket.setMulticastLoopback(false);
    if (sendBuffer !== undefined) socket.setSendBufferSize(sendBuffer);
    if (receiveBuffer !== undefined) socket.setRecvBufferSize(receiveBuffer);
    this.#sockets.push(socket);
    return socket;
  }

  #message(socket: Datagrams, data: Buffer, remote: Remote): void {
    const key = keyOf(remote);
    const known = this.#shared ?? this.#remotes.get(key);
    // A target is heard alone: whoever else finds its port is a stranger.
    if (known === undefined && this.#where.target !== undefined) return;
    const stream = known ?? this.#come(socket, remote);
    stream?.receive(data);
    // The first of them is the one that has been silent longest.
    if (stream === undefined || stream === this.#shared || stream.destroyed) return;
    this.#remotes.delete(key);
    this.#remotes.set(key, stream);
  }

  #come(socket: Datagrams, remote: Remote): RemoteStream | undefined {
    const label = addressText({ host: remote.address, port: remote.port });
    if (this.#remotes.size >= this.#most) {
      const { isOnce } = this.#where;
      const what = isOnce ? "turned away" : "comes for the one that has been silent longest";
      if (!this.#hasTurnedAway)
        this.#house.say(`${label}: ${what}, and others: ${this.#most} at the most (-m)`);
      this.#hasTurnedAway = true;
      if (isOnce) return undefined;
      const [key, silent] = this.#remotes.entries().next().value!;
      this.#remotes.delete(key);
      silent.destroy();
    }
    return this.#add(socket, remote, { label, group: this.#where.group });
  }

  #add(socket: Datagrams, remote: Remote, as: { label: string; group: number }): RemoteStream {
    const stream = new RemoteStream(socket, remote, (error) =>
      this.#house.say(`${as.label}: not sent: ${errorLine(error)}`),
    );
    const key = keyOf(remote);
    this.#remotes.set(key, stream);
    stream.once("close", () => {
      if (this.#remotes.get(key) === stream) this.#remotes.delete(key);
      if (stream.unsent > 1) this.#house.say(`${as.label}: ${stream.unsent} datagrams could not be sent`);
      if (stream.lost > 0) this.#house.say(`${as.label}: ${stream.lost} datagrams lost: they came too fast`);
      // Whoever was to be reached is not any more; or it was the only one.
      const isLast = this.#remotes.size === 0 && (this.#where.isOnce || this.#where.target !== undefined);
      if (isLast) this.#over.abort();
    });
    this.#house.join(stream, stream, as);
    return stream;
  }
}

function keyOf({ address, port }: Remote): string {
  return `${address}|${port}`;
}

/** As the system names it: an address that was typed may be written in other ways. */
function asHeard(address: string): string {
  if (address === "0.0.0.0") return "127.0.0.1";
  if (!address.includes(":") || address.includes("%")) return address;
  const heard = new SocketAddress({ address, family: "ipv6" }).address;
  return heard === "::" ? "::1" : heard;
}

/** What comes of one remote and goes to it. That one cannot be sent is told, the others are counted; it is no end. */
class RemoteStream extends Duplex {
  /** They came while nobody took them. */
  lost = 0;
  unsent = 0;
  readonly #socket: Datagrams;
  readonly #remote: Remote;
  readonly #onUnsent: (error: Error) => void;

  constructor(socket: Datagrams, remote: Remote, onUnsent: (error: Error) => void) {
    super({ objectMode: true, readableHighWaterMark: ROOM });
    this.#socket = socket;
    this.#remote = remote;
    this.#onUnsent = onUnsent;
  }

  receive(data: Buffer): void {
    if (this.readableLength >= ROOM || this.readableEnded || this.destroyed) this.lost++;
    else this.push(data);
  }

  override _read(): void {}

  override _write(chunk: Buffer, _: BufferEncoding, done: () => void): void {
    this.#socket.send(chunk, this.#remote.port, this.#remote.address, (error) => {
      if (error) this.unsent++;
      if (error && this.unsent === 1) this.#onUnsent(error);
      done();
    });
  }
}
