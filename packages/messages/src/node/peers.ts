// A node among peers: it connects, listens, names each peer, and sends to one, some or all.
//
//        dial(name, connect) ─▶ connect() ─▶ hello ─▶ a peer ─ over ─▶ back-off ─▶ connect() ...
//        listen(server) ─▶ limits, bans   ─▶ hello ─▶ a peer ─ over ─▶ gone
//
// A hello is the first message each side sends, where the node has one: who does not say its name in time is refused.
// Without hellos a peer has the name it is dialled by, or its address and port. A name is one peer's: another of the
// same name is refused while the first is there.
//
// Invariant: each connection is in #all, from its coming to its end, and counts for its address; a peer is in #peers
// under its name from the moment it has one. No more than maxConnections are accepted, and maxPerAddress of each.

import type { Duplex } from "node:stream";
import { BackOff, type BackOffOptions, Bans, type Ending } from "@ringway/messages";
import { Connection, type ConnectionOptions } from "./connection.ts";
import { turnTime } from "./turns.ts";

/** Of bans that are remembered: some 100 bytes each. */
const MOST_BANS = 10_000;

export interface Hello<M> {
  /** What this node says first. */
  readonly message: () => M;
  /** The name in a peer's; undefined where it says none, and is refused. */
  readonly nameOf: (message: M) => string | undefined;
}

export interface PeersOptions<M> extends Omit<ConnectionOptions<M>, "onMessage" | "onDrain"> {
  readonly onMessage?: (message: M, peer: Peer<M>) => void;
  /** There is room again, where one of its messages was refused. */
  readonly onDrain?: (peer: Peer<M>) => void;
  readonly onPeer?: (peer: Peer<M>) => void;
  /** A peer is over, or a connection that had not become one. */
  readonly onGone?: (ending: Ending, peer: Peer<M> | undefined) => void;
  /** A connection that was not accepted, and why. */
  readonly onRefused?: (why: string, address: string | undefined) => void;
  readonly hello?: Hello<M>;
  /** Accepted at a time. Default 1000. */
  readonly maxConnections?: number;
  /** Of those, from one address; those without an address count for none. Default 100. */
  readonly maxPerAddress?: number;
  readonly backOff?: BackOffOptions;
  /** How long a peer that was accepted is banned whose end has this reason: its address, and its name. */
  readonly banMs?: Partial<Readonly<Record<Ending["reason"], number>>>;
  /** From 0 up to 1. Default Math.random(). */
  readonly chance?: () => number;
}

export interface Peer<M> {
  readonly name: string;
  readonly connection: Connection<M>;
  /** Of the other side, where it has one. */
  readonly address: string | undefined;
}

/** What accepts connections: a server of node:net, or one of the SDK's. */
export interface Accepting {
  on(event: "connection", listener: (duplex: Duplex) => void): unknown;
  off(event: "connection", listener: (duplex: Duplex) => void): unknown;
}

/** One that is dialled again and again, until it is stopped. */
export interface Dial {
  stop(): void;
}

/** What a connection is before and while it is a peer. */
interface Entry<M> {
  readonly connection: Connection<M>;
  readonly address: string | undefined;
  /** The name it was dialled by. */
  readonly dialled: string | undefined;
  peer: Peer<M> | undefined;
  /** When it became one. */
  sinceMs: number;
}

export class Peers<M> implements AsyncDisposable {
  readonly #options: PeersOptions<M>;
  readonly #peers = new Map<string, Peer<M>>();
  readonly #all = new Set<Entry<M>>();
  readonly #perAddress = new Map<string, number>();
  readonly #bans = new Bans(MOST_BANS);
  readonly #dials = new Set<Dial>();
  readonly #leaveServers: (() => void)[] = [];
  #accepted = 0;
  #isClosed = false;

  constructor(options: PeersOptions<M>) {
    this.#options = options;
  }

  // ── Who is there ───────────────────────────────────────────────────────────────────────────────────────────────────

  get(name: string): Peer<M> | undefined {
    return this.#peers.get(name);
  }

  names(): string[] {
    return [...this.#peers.keys()];
  }

  /**
   * Sends to one peer, to some, or to all, and gives the names of those that did not take it: they are not there, or
   * their queue is full.
   */
  send(message: M, to: string | Iterable<string> = this.#peers.keys()): string[] {
    const names = typeof to === "string" ? [to] : [...to];
    return names.filter((name) => this.#peers.get(name)?.connection.queue(message) !== true);
  }

  /** Breaks it off with a peer, and has it not back for so long: its name, and its address where it was accepted. */
  ban(name: string, reason: string, ms: number): void {
    const peer = this.#peers.get(name);
    const until = turnTime() + ms;
    this.#bans.add(name, reason, until);
    const entry = [...this.#all].find((entry) => entry.peer === peer && peer !== undefined);
    if (entry?.address !== undefined && entry.dialled === undefined)
      this.#bans.add(entry.address, reason, until);
    void peer?.connection.refuse(reason);
  }

  /** Of a name, or of an address. */
  unban(who: string): void {
    this.#bans.lift(who);
  }

  // ── Connecting and listening ───────────────────────────────────────────────────────────────────────────────────────

  /** Connects, and again with back-off whenever it is over. `connect` gives a stream that may still be connecting. */
  dial(name: string, connect: () => Duplex | Promise<Duplex>): Dial {
    const backOff = new BackOff(this.#options.backOff);
    let timer: NodeJS.Timeout | undefined;
    let waitedMs = 0;
    const attempt = async (): Promise<void> => {
      const isBanned = this.#bans.of(name, turnTime()) !== undefined;
      const lastedMs = isBanned ? 0 : await this.#dialOnce(name, connect);
      if (!this.#dials.has(dial)) return;
      // One that accepts and goes away at once is no success.
      if (lastedMs > waitedMs) backOff.succeeded();
      waitedMs = backOff.failed((this.#options.chance ?? Math.random)());
      timer = setTimeout(attempt, waitedMs);
    };
    const dial = {
      stop: (): void => {
        this.#dials.delete(dial);
        clearTimeout(timer);
      },
    };
    this.#dials.add(dial);
    void attempt();
    return dial;
  }

  /** Serves what a server accepts. Whoever made the server closes it. */
  listen(server: Accepting): void {
    const accept = (duplex: Duplex): void => this.#accept(duplex);
    server.on("connection", accept);
    this.#leaveServers.push(() => server.off("connection", accept));
  }

  /** Stops dialling and accepting, sends what is queued, and ends all. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const dial of this.#dials) dial.stop();
    for (const leave of this.#leaveServers.splice(0)) leave();
    await Promise.all([...this.#all].map(({ connection }) => connection.close()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** For how long it was a peer, when it is over. */
  async #dialOnce(name: string, connect: () => Duplex | Promise<Duplex>): Promise<number> {
    let duplex: Duplex;
    try {
      duplex = await connect();
    } catch (error) {
      this.#options.onGone?.({ reason: "Io", error, unsentMessages: 0, unsentBytes: 0 }, undefined);
      return 0;
    }
    if (this.#isClosed) {
      duplex.destroy();
      return 0;
    }
    const entry = this.#enter(duplex, name);
    await entry.connection.closed;
    return entry.peer === undefined ? 0 : turnTime() - entry.sinceMs;
  }

  #accept(duplex: Duplex): void {
    const address = addressOf(duplex);
    const why = this.#whyNot(address);
    if (why === undefined) {
      this.#enter(duplex, undefined);
      return;
    }
    // Whatever comes after it is refused is no one's error.
    duplex.on("error", () => {});
    duplex.destroy();
    this.#options.onRefused?.(why, address);
  }

  #whyNot(address: string | undefined): string | undefined {
    const { maxConnections = 1000, maxPerAddress = 100 } = this.#options;
    const ban = address === undefined ? undefined : this.#bans.of(address, turnTime());
    if (ban !== undefined) return `banned: ${ban.reason}`;
    if (this.#accepted >= maxConnections) return `${maxConnections} connections are accepted already`;
    const same = address === undefined ? 0 : (this.#perAddress.get(address) ?? 0);
    return same >= maxPerAddress
      ? `${maxPerAddress} connections of its address are accepted already`
      : undefined;
  }

  // ── A connection ───────────────────────────────────────────────────────────────────────────────────────────────────

  #enter(duplex: Duplex, dialled: string | undefined): Entry<M> {
    const { hello, connectTimeoutMs = 5000 } = this.#options;
    const connection = new Connection<M>(duplex, {
      ...this.#options,
      onMessage: (message) => this.#onMessage(entry, message),
      onDrain: () => entry.peer && this.#options.onDrain?.(entry.peer),
    });
    const address = addressOf(duplex);
    const entry: Entry<M> = { connection, address, dialled, peer: undefined, sinceMs: 0 };
    this.#all.add(entry);
    if (dialled === undefined) this.#count(address, 1);
    void connection.closed.then((ending) => this.#leave(entry, ending));
    if (hello === undefined) this.#whenOpen(duplex, () => this.#name(entry, dialled ?? nameOf(duplex)));
    else {
      connection.queue(hello.message());
      const timer = setTimeout(
        () => entry.peer === undefined && connection.refuse("no hello"),
        connectTimeoutMs,
      );
      void connection.closed.then(() => clearTimeout(timer));
    }
    return entry;
  }

  #whenOpen(duplex: Duplex, then: () => void): void {
    if ("connecting" in duplex && duplex.connecting === true) duplex.once("connect", then);
    else then();
  }

  #onMessage(entry: Entry<M>, message: M): void {
    if (entry.peer !== undefined) this.#options.onMessage?.(message, entry.peer);
    else if (this.#options.hello !== undefined) {
      const name = this.#options.hello.nameOf(message);
      if (name === undefined) void entry.connection.refuse("a hello without a name");
      else this.#name(entry, name);
    }
  }

  #name(entry: Entry<M>, name: string): void {
    const { connection, address, dialled } = entry;
    if (connection.state === "CLOSED") return;
    const ban = this.#bans.of(name, turnTime());
    if (ban !== undefined) void connection.refuse(`banned: ${ban.reason}`);
    else if (dialled !== undefined && dialled !== name) void connection.refuse(`${name} is not ${dialled}`);
    else if (this.#peers.has(name)) void connection.refuse(`a peer of the name ${name} is there already`);
    else {
      entry.peer = { name, connection, address };
      entry.sinceMs = turnTime();
      this.#peers.set(name, entry.peer);
      this.#options.onPeer?.(entry.peer);
    }
  }

  #leave(entry: Entry<M>, ending: Ending): void {
    const { peer, address, dialled } = entry;
    this.#all.delete(entry);
    if (dialled === undefined) this.#count(address, -1);
    if (peer !== undefined) this.#peers.delete(peer.name);
    const ms = this.#options.banMs?.[ending.reason];
    if (ms !== undefined && dialled === undefined) {
      const why = ending.reason === "Malformed" || ending.reason === "Refused" ? ending.what : ending.reason;
      for (const who of [address, peer?.name])
        if (who !== undefined) this.#bans.add(who, why, turnTime() + ms);
    }
    this.#options.onGone?.(ending, peer);
  }

  #count(address: string | undefined, by: number): void {
    this.#accepted += by;
    if (address === undefined) return;
    const count = (this.#perAddress.get(address) ?? 0) + by;
    if (count === 0) this.#perAddress.delete(address);
    else this.#perAddress.set(address, count);
  }
}

/** What sockets say of the other side; other streams say nothing. */
function addressOf(duplex: Duplex): string | undefined {
  const { remoteAddress } = duplex as { remoteAddress?: unknown };
  return typeof remoteAddress === "string" ? remoteAddress : undefined;
}

let unnamed = 0;

function nameOf(duplex: Duplex): string {
  const { remotePort } = duplex as { remotePort?: unknown };
  const address = addressOf(duplex);
  return address === undefined ? `#${++unnamed}` : `${address}:${String(remotePort)}`;
}
