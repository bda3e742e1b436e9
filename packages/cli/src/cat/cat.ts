// A run of cat: endpoints, and what becomes of the peers that they bring. It is over when no endpoint brings anybody
// any more and all have left; or when it is stopped.

import { setMaxListeners } from "node:events";
import type { Duplex, Readable, Writable } from "node:stream";
import { errorLine } from "../errors.ts";
import { Channels } from "./channels.ts";
import { DatagramEndpoint } from "./datagrams.ts";
import { Dial, dial } from "./dial.ts";
import type { Endpoint, House } from "./house.ts";
import { Hub } from "./hub.ts";
import { Listener } from "./listener.ts";
import type { Network } from "./network.ts";
import type { CatOptions, UdpOptions } from "./options.ts";
import { Peer, type PeerHandler } from "./peer.ts";
import { type Program, Programs } from "./programs.ts";
import { Random } from "./random.ts";
import { NoRouter, type Router } from "./router.ts";
import { NO_SHAPE, type Shape } from "./shape.ts";
import type { Sink } from "./sink.ts";
import type { Source } from "./source.ts";
import { Tls } from "./tls.ts";

/** What is around a run: where its lines go. */
export interface Said {
  say(text: string): void;
}

export interface Parts {
  readonly network: Network;
  readonly sink: Sink | undefined;
  /** Made once the run is there. */
  source(run: CatRun): Source;
  readonly said: Said;
}

/** Idle peers are looked for this often within their time. */
const IDLE_LOOKS = 4;
/** A group that no endpoint has. */
const PROGRAMS = -1;
const LEFT = "it was closed with bytes left that it did not take";

export class CatRun implements House, PeerHandler {
  readonly options: CatOptions;
  readonly network: Network;
  readonly tls: Tls;
  readonly peers: Set<Peer> = new Set();
  /** Of peers that have left. */
  readonly past: { peers: number; bytesIn: number; bytesOut: number; dropped: number };
  failed = false;
  readonly #over: AbortController = new AbortController();
  readonly #router: Router;
  readonly #channels: Channels | undefined;
  readonly #source: Source;
  readonly #sink: Sink | undefined;
  readonly #said: Said;
  readonly #random: Random;
  readonly #sending: Shape;
  readonly #receiving: Shape;
  readonly #counts: Map<number, number> = new Map();
  readonly #closings: Map<Peer, (error: Error | undefined) => void> = new Map();
  readonly #errors: WeakMap<Peer, Error | undefined> = new WeakMap();
  #onEmpty: (() => void) | undefined;
  readonly #programs: Programs = new Programs((text) => this.say(text));
  /** Of those who have one. */
  readonly #programOf: WeakMap<Peer, Program> = new WeakMap();
  readonly #listeners: Listener[] = [];
  #nextTarget = 0;

  constructor(options: CatOptions, parts: Parts) {
    // Each connection that is dialled listens.
    setMaxListeners(0, this.#over.signal);
    this.options = options;
    this.network = parts.network;
    this.tls = new Tls(options.tls);
    this.past = { peers: 0, bytesIn: 0, bytesOut: 0, dropped: 0 };
    this.#said = parts.said;
    this.#sink = parts.sink;
    this.#random = new Random(options.seed);
    this.#sending = isShaped(options.sending) ? options.sending : NO_SHAPE;
    this.#receiving = isShaped(options.receiving) ? options.receiving : NO_SHAPE;
    if (options.forward === "channels" || options.forward === "linger" || options.exec !== undefined) {
      this.#channels = new Channels({
        linger: options.forward === "linger",
        any: options.pair === "any",
        onUnpaired: ({ label }) => this.say(`${label}: left before it had a partner`),
      });
    }
    this.#router =
      this.#channels ??
      (options.forward === "hub" ? new Hub(options.slow) : new NoRouter((peer) => this.#endedAlone(peer)));
    this.#source = parts.source(this);
  }

  get signal(): AbortSignal {
    return this.#over.signal;
  }

  /** Resolves when it is over. Rejects where it cannot listen. */
  async run(): Promise<void> {
    const { idleMs } = this.options;
    const idle =
      idleMs === undefined ? undefined : setInterval(() => this.#dropIdle(idleMs), idleMs / IDLE_LOOKS);
    try {
      this.network.onGone((error) => {
        if (!this.signal.aborted) this.fail(`--attach: ${errorLine(error)}`);
        this.leave();
      });
      const endpoints = await this.#endpoints();
      void Promise.all(endpoints.map(({ tried }) => tried)).then(() => this.#source.begin());
      await Promise.all(endpoints.map((endpoint) => endpoint.run()));
      if (this.peers.size > 0) {
        await new Promise<void>((resolve) => {
          this.#onEmpty = resolve;
        });
      }
      await this.#programs.settled();
    } finally {
      clearInterval(idle);
      this.stop();
      for (const listener of this.#listeners) listener.close();
      this.#source.close();
    }
  }

  /** Nobody comes any more; those who are there leave, with what they were sent. */
  leave(): void {
    this.#over.abort();
    for (const peer of this.peers) peer.part();
  }

  /** Now. */
  stop(): void {
    this.#over.abort();
    for (const peer of this.peers) peer.destroy();
    void this.#programs.stop();
  }

  /** By a signal: what would stay behind goes, which is sockets with a path, and programs. */
  async end(): Promise<void> {
    for (const listener of this.#listeners) listener.close();
    await this.#programs.stop();
  }

  /** The input is over: so all that there is to send. With those who have said all that they had to say. */
  inputEnded(): void {
    const { exitAfterInput, halfClose } = this.options;
    if (exitAfterInput) this.leave();
    else for (const peer of this.peers) if (halfClose || peer.hasEnded) peer.finish();
  }

  count(group: number): number {
    return this.#counts.get(group) ?? 0;
  }

  join(
    input: Readable,
    output: Writable,
    { label, group }: { label: string; group: number },
    made: (peer: Peer) => void = (peer) => this.#withProgram(peer),
  ): Peer {
    const peer = new Peer(input, output, {
      label,
      group,
      chunkBytes: this.options.udp === undefined ? this.options.chunkBytes : undefined,
      sending: this.#sending,
      receiving: this.#receiving,
      random: this.#random,
      isDatagrams: this.options.udp !== undefined,
    });
    this.peers.add(peer);
    this.#counts.set(group, this.count(group) + 1);
    made(peer);
    this.tell(`${label}: connected`);
    this.#router.joined(peer);
    this.#source.joined(peer);
    peer.begin(this);
    const { halfClose } = this.options;
    if (halfClose && this.#source.hasEnded && this.options.input !== "echo") peer.finish();
    if (this.signal.aborted) peer.part();
    return peer;
  }

  closed(peer: Peer): Promise<Error | undefined> {
    if (!this.peers.has(peer)) return Promise.resolve(this.#errors.get(peer));
    return new Promise((resolve) => void this.#closings.set(peer, resolve));
  }

  async accepted(stream: Duplex, as: { label: string; group: number }): Promise<void> {
    if (this.options.pair === "listen:connect") await this.#acceptPaired(stream, as);
    else this.join(stream, stream, as);
  }

  say(text: string): void {
    this.#said.say(`ringway: ${text}\n`);
  }

  tell(text: string): void {
    if (this.options.verbose) this.say(text);
  }

  fail(text: string): void {
    this.failed = true;
    this.say(text);
  }

  // ── Of peers ─────────────────────────────────────────────────────────────────────────────────────────────────────

  chunk(peer: Peer, chunk: Buffer): void {
    if (this.#sink !== undefined) peer.pacer.give(chunk, this.#sink, peer);
    this.#router.chunk(peer, chunk);
    this.#source.chunk(peer, chunk);
  }

  ended(peer: Peer): void {
    this.#router.ended(peer);
  }

  left(peer: Peer, why: Error | undefined): void {
    // A program may end before it has read all that there is.
    const error = peer.group === PROGRAMS && isUnread(why) ? undefined : why;
    this.#programOf.get(peer)?.left();
    this.peers.delete(peer);
    this.#counts.set(peer.group, this.count(peer.group) - 1);
    this.past.peers++;
    this.past.bytesIn += peer.bytesIn;
    this.past.bytesOut += peer.bytesOut;
    this.past.dropped += peer.droppedOut;
    this.#router.left(peer);
    this.#source.left(peer);
    this.#tellLeft(peer, error);
    this.#errors.set(peer, error);
    this.#closings.get(peer)?.(error);
    this.#closings.delete(peer);
    if (this.peers.size === 0) this.#onEmpty?.();
  }

  // ── Private ──────────────────────────────────────────────────────────────────────────────────────────────────────

  async #endpoints(): Promise<Endpoint[]> {
    const { targets, once, always, pair, udp } = this.options;
    if (udp !== undefined) return await this.#datagramEndpoints(udp);
    if ([...once, ...always].some(({ tls }) => tls)) this.tls.prepareServer();
    const places = [
      ...once.map((place) => ({ place, isOnce: true })),
      ...always.map((place) => ({ place, isOnce: false })),
    ];
    const listeners = places.map(({ place, isOnce }, group) => new Listener(this, place, { group, isOnce }));
    this.#listeners.push(...listeners);
    for (const listener of listeners) await listener.open();
    if (pair === "listen:connect") return listeners;
    const dials = targets.flatMap((target, i) =>
      Array.from({ length: target.count }, () => new Dial(this, target, places.length + i)),
    );
    return [...listeners, ...dials];
  }

  async #datagramEndpoints(udp: UdpOptions): Promise<Endpoint[]> {
    const { targets, once, always } = this.options;
    const endpoints = [
      ...once.map((place) => ({ place, isOnce: true })),
      ...always.map((place) => ({ place, isOnce: false })),
      ...targets.map((target) => ({ target, isOnce: false })),
    ].map((where, group) => new DatagramEndpoint(this, { ...where, group, udp }));
    for (const endpoint of endpoints) await endpoint.open();
    return endpoints;
  }

  /** A program for it (-e), whose input and output are its other end. */
  #withProgram(peer: Peer): void {
    const { exec } = this.options;
    if (exec === undefined) return;
    let program: Program;
    try {
      program = this.#programs.start(exec, peer.label);
    } catch (error) {
      this.#lost(`${peer.label}: ${errorLine(error)}`);
      peer.destroy();
      return;
    }
    this.#programOf.set(peer, program);
    const as = { label: `${exec} for ${peer.label}`, group: PROGRAMS };
    this.join(program.input, program.output, as, (other) => this.#channels!.pair(peer, other));
  }

  /** With a connection of its own to the next of the targets: it is read once that is there. */
  async #acceptPaired(stream: Duplex, as: { label: string; group: number }): Promise<void> {
    const { targets } = this.options;
    const target = targets[this.#nextTarget++ % targets.length]!;
    let other: Duplex;
    this.#counts.set(as.group, this.count(as.group) + 1);
    const lost = (): void => void stream.destroy();
    stream.on("error", lost);
    try {
      other = await dial(this, target);
    } catch (error) {
      if (!this.signal.aborted) this.#lost(`${target.text}: ${errorLine(error)}`);
      stream.destroy();
      return;
    } finally {
      this.#counts.set(as.group, this.count(as.group) - 1);
    }
    const group = this.#groupOf(target);
    this.join(stream, stream, as, (peer) => {
      this.join(other, other, { label: target.text, group }, (partner) =>
        this.#channels!.pair(peer, partner),
      );
    });
  }

  #groupOf(target: CatOptions["targets"][number]): number {
    const { once, always, targets } = this.options;
    return once.length + always.length + targets.indexOf(target);
  }

  /** Nobody forwards: who sends no more may still be sent the rest of the input, which ends it then. */
  #endedAlone(peer: Peer): void {
    const { hasEnded, rest } = this.#source;
    const hasRest = rest === "certain" || (rest === "possible" && !this.#makesRoom(peer));
    if (hasRest || (this.options.halfClose && !hasEnded)) return;
    peer.finish();
  }

  /** For the next, who comes or is dialled: this one's place is not kept for input that may never come. */
  #makesRoom({ group }: Peer): boolean {
    const { once, always, again } = this.options;
    if (group < once.length) return false;
    return group < once.length + always.length || again.closed;
  }

  #tellLeft({ label, droppedOut, hasLost }: Peer, error: Error | undefined): void {
    if (droppedOut > 0)
      this.say(`${label}: went without ${droppedOut} chunks, since it did not read (--slow drop)`);
    if (hasLost) this.fail(`${label}: ${error === undefined ? "" : `${errorLine(error)}, and `}${LEFT}`);
    else if (error === undefined || this.signal.aborted) this.tell(`${label}: closed`);
    else this.#lost(`${label}: ${errorLine(error)}`);
  }

  /** A connection. Who goes on, with -R or -L, has not failed. */
  #lost(text: string): void {
    if (this.options.again.failed || this.options.always.length > 0) this.say(text);
    else this.fail(text);
  }

  #dropIdle(idleMs: number): void {
    const now = performance.now();
    for (const peer of this.peers) {
      if (peer.idleMs(now) < idleMs) continue;
      this.tell(`${peer.label}: idle for too long`);
      peer.destroy();
    }
  }
}

function isUnread(error: Error | undefined): boolean {
  const { code } = (error ?? {}) as NodeJS.ErrnoException;
  return code === "EPIPE" || code === "ECONNRESET";
}

function isShaped({ delayMs, dropPercent }: Shape): boolean {
  return delayMs !== undefined || dropPercent > 0;
}
