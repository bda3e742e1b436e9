// A node among peers: it connects, listens, names each peer, and sends to one, some or all.
//
//        dial(name, connect) ─▶ connect() ─▶ hello ─▶ a peer ─ over ─▶ back-off ─▶ connect() ...
//        listen(server) ─▶ limits, bans   ─▶ hello ─▶ a peer ─ over ─▶ gone
//
// A hello is the first message each side sends, where the node has one: who does not say its name in time is refused.
// Without hellos a peer has the name it is dialled by, or its address and port. A name is one peer's: another of the
// same name is refused while the first is there. Names are what a peer says, so nothing that happens by itself bans
// one: whoever said another's name would have that one banned. Bans of names and of addresses are apart for the same
// reason. What user's code throws ends the connection it is about.
//
// Invariant: each connection is in #all, from its coming to its end, and counts for its address; a peer is in #peers
// under its name from the moment it has one. No more than maxConnections are accepted, and maxPerAddress of each.

import type { Duplex } from "node:stream";
import {
  BackOff,
  type BackOffOptions,
  Bans,
  type Ending,
  MessageStream,
  type StreamOptions,
} from "@ringway/messages";
import { type Connect, connectWithin } from "./attempt.ts";
import { Connection, type ConnectionOptions } from "./connection.ts";
import { netOf } from "./nets.ts";
import { turnTime } from "./turns.ts";

/** Of bans that are remembered, of names and of addresses: at most 1 KB each, with a name and a reason. */
const MOST_BANS = 10_000;

const MOST_NAME_BYTES = 255;
const MOST_MS = 2 ** 53 - 1;

/** All of them, as the type says. */
const REASONS: Readonly<Record<Ending["reason"], true>> = {
  Closed: true,
  EndOfStream: true,
  Malformed: true,
  Stale: true,
  Refused: true,
  Timeout: true,
  Io: true,
  Thrown: true,
};

/** As that of a stream. */
const CONNECT_TIMEOUT_MS = 5000;

export interface Hello<M> {
  /** What this node says first. */
  readonly message: () => M;
  /** The name in a peer's, of 1 to 255 bytes; the peer is refused where it is anything else. */
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
  /** How long the address is banned of a peer that was accepted whose end has this reason. */
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

/** What is no option of the node itself: the streams' options, and names that there are not, which a stream refuses. */
function ofStream<M>(options: PeersOptions<M>): StreamOptions<M> {
  const { onMessage, onDrain, onPeer, onGone, onRefused, hello, maxConnections, maxPerAddress, ...some } =
    options;
  const { backOff, banMs, chance, ...others } = some;
  return others;
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
  readonly #bannedNames = new Bans(MOST_BANS);
  readonly #bannedAddresses = new Bans(MOST_BANS);
  readonly #dials = new Set<Dial>();
  readonly #leaveServers: (() => void)[] = [];
  #accepted = 0;
  #isClosed = false;

  constructor(options: PeersOptions<M>) {
    const { maxConnections = 1000, maxPerAddress = 100, banMs = {} } = options;
    requireWhole("maxConnections", maxConnections, 0, 2 ** 31);
    requireWhole("maxPerAddress", maxPerAddress, 0, 2 ** 31);
    for (const [reason, ms] of Object.entries(banMs)) {
      requireReason(reason);
      requireWhole(`banMs.${reason}`, ms, 0, MOST_MS);
    }
    // These look at what they take: their errors are to be met here, and not at the first connection.
    new MessageStream(ofStream(options), 0);
    new BackOff(options.backOff);
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
    requireWhole("ms", ms, 0, MOST_MS);
    const peer = this.#peers.get(name);
    const until = turnTime() + ms;
    this.#bannedNames.add(requireName(name), reason, until);
    const entry = [...this.#all].find((entry) => entry.peer === peer && peer !== undefined);
    if (entry?.address !== undefined && entry.dialled === undefined)
      this.#bannedAddresses.add(netOf(entry.address), reason, until);
    void peer?.connection.refuse(reason);
  }

  /** Of a name, or of an address. */
  unban(who: string): void {
    this.#bannedNames.lift(who);
    this.#bannedAddresses.lift(netOf(who));
  }

  // ── Connecting and listening ───────────────────────────────────────────────────────────────────────────────────────

  /**
   * Connects, and again with back-off whenever it is over, but not while another connection has the name. `connect`
   * gives a stream that may still be connecting, in connectTimeoutMs; its signal says that nobody wants it any more.
   */
  dial(name: string, connect: Connect): Dial {
    requireName(name);
    const stopping = new AbortController();
    const backOff = new BackOff(this.#options.backOff);
    let timer: NodeJS.Timeout | undefined;
    let waitedMs = 0;
    const attempt = async (): Promise<void> => {
      const mayDial = !this.#peers.has(name) && this.#bannedNames.of(name, turnTime()) === undefined;
      const lastedMs = mayDial ? await this.#dialOnce(name, connect, stopping.signal) : 0;
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
        stopping.abort();
      },
    };
    if (this.#isClosed) return dial;
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
    const connections = [...this.#all].map(({ connection }) => connection);
    await Promise.all(connections.map((connection) => connection.close()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** For how long it was a peer, when it is over. */
  async #dialOnce(name: string, connect: Connect, stopped: AbortSignal): Promise<number> {
    let duplex: Duplex;
    try {
      duplex = await connectWithin(this.#options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS, connect, stopped);
    } catch (error) {
      if (!stopped.aborted) this.#gone({ reason: "Io", error, unsentMessages: 0, unsentBytes: 0 }, undefined);
      return 0;
    }
    const entry = this.#enter(duplex, name);
    const { connection } = entry;
    const stop = (): void => {
      // A peer stays: only what is not one yet is an attempt.
      if (entry.peer === undefined) void connection.refuse("stopped");
    };
    stopped.addEventListener("abort", stop);
    await connection.closed;
    stopped.removeEventListener("abort", stop);
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
    const ban = address === undefined ? undefined : this.#bannedAddresses.of(netOf(address), turnTime());
    if (ban !== undefined) return `banned: ${ban.reason}`;
    if (this.#accepted >= maxConnections) return `${maxConnections} connections are accepted already`;
    const same = address === undefined ? 0 : (this.#perAddress.get(netOf(address)) ?? 0);
    return same >= maxPerAddress
      ? `${maxPerAddress} connections of its address are accepted already`
      : undefined;
  }

  // ── A connection ───────────────────────────────────────────────────────────────────────────────────────────────────

  #enter(duplex: Duplex, dialled: string | undefined): Entry<M> {
    const { hello, connectTimeoutMs = CONNECT_TIMEOUT_MS } = this.#options;
    const connection = new Connection<M>(duplex, {
      ...ofStream(this.#options),
      onMessage: (message) => this.#onMessage(entry, message),
      onDrain: () => entry.peer && this.#options.onDrain?.(entry.peer),
    });
    const address = addressOf(duplex);
    const entry: Entry<M> = { connection, address, dialled, peer: undefined, sinceMs: 0 };
    this.#all.add(entry);
    if (dialled === undefined) this.#count(address, 1);
    void connection.closed.then((ending) => this.#leave(entry, ending));
    if (hello === undefined) {
      this.#whenOpen(duplex, () => this.#guard(entry, () => this.#name(entry, dialled ?? nameOf(duplex))));
    } else {
      this.#guard(entry, () => connection.queue(hello.message()));
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
      const name: unknown = this.#options.hello.nameOf(message);
      if (typeof name !== "string" || name === "") void entry.connection.refuse("a hello without a name");
      else if (!isShort(name)) void entry.connection.refuse(`a name of more than ${MOST_NAME_BYTES} bytes`);
      // A name of its own: a part of a message's text would keep all of it in memory.
      else this.#name(entry, Buffer.from(name).toString());
    }
  }

  #guard(entry: Entry<M>, call: () => void): void {
    try {
      call();
    } catch (error) {
      entry.connection.threw(error);
    }
  }

  #name(entry: Entry<M>, name: string): void {
    const { connection, address, dialled } = entry;
    if (connection.state === "CLOSED") return;
    const ban = this.#bannedNames.of(name, turnTime());
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
    if (ms !== undefined && dialled === undefined && address !== undefined) {
      const why = ending.reason === "Malformed" || ending.reason === "Refused" ? ending.what : ending.reason;
      this.#bannedAddresses.add(netOf(address), why, turnTime() + ms);
    }
    this.#gone(ending, peer);
  }

  /** There is nothing left that a throw of onGone could end: it is an uncaught exception, and dialling goes on. */
  #gone(ending: Ending, peer: Peer<M> | undefined): void {
    try {
      this.#options.onGone?.(ending, peer);
    } catch (error) {
      process.nextTick(() => {
        throw error;
      });
    }
  }

  #count(address: string | undefined, by: number): void {
    this.#accepted += by;
    if (address === undefined) return;
    const net = netOf(address);
    const count = (this.#perAddress.get(net) ?? 0) + by;
    if (count === 0) this.#perAddress.delete(net);
    else this.#perAddress.set(net, count);
  }
}

const isShort = (name: string): boolean =>
  name.length <= MOST_NAME_BYTES && Buffer.byteLength(name) <= MOST_NAME_BYTES;

function requireName(name: string): string {
  if (typeof name === "string" && name !== "" && isShort(name)) return name;
  throw new RangeError(`a name is a string of 1 to ${MOST_NAME_BYTES} bytes`);
}

function requireReason(reason: string): void {
  if (Object.hasOwn(REASONS, reason)) return;
  const known = Object.keys(REASONS).join(", ");
  throw new TypeError(`there is no option ${JSON.stringify(reason)}; those that there are: ${known}`);
}

function requireWhole(name: string, value: number, least: number, most: number): void {
  if (Number.isSafeInteger(value) && value >= least && value <= most) return;
  throw new RangeError(`${name} is a whole number from ${least} to ${most}, not ${value}`);
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
