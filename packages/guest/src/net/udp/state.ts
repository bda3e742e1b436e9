// What a UDP socket is, from its making to its end: which socket of the host's it has, and who its peer is.
//
//   new ─ bind(), send() ─▶ opening ─ Opened of udp-bind ────▶ bound ─ close() ─▶ closed
//    └─── connect() ──────▶ opening ─ Opened of udp-connect ─▶ bound, connected
//                              └─ refused ─▶ new
//
// What is sent, or asked for, while it opens waits in line. A socket that is bound first and connects then keeps its
// own socket of the host's, and passes over what others send. One that was connected from the start, and that the host
// has ended because nobody used it, gets another one with the next send(), as through any NAT. Where disconnect() comes
// before that one, nothing of it counts any more: its stream is closed as soon as it is open.

import type { EventEmitter } from "node:events";
import { isIP } from "node:net";
import type { InetAddress } from "@ringway/control";
import { onAbort } from "../../abort.ts";
import { codeOf, cutOffError, lookupError } from "../../errors.ts";
import type { Engine } from "../../stream/engine.ts";
import { Hold } from "../../stream/hold.ts";
import { nodeError } from "../socket-arguments.ts";
import { alreadyConnected, notConnected, type UdpSocketOptions } from "./arguments.ts";
import { UdpChannel, type UdpTarget } from "./channel.ts";
import { type GuestUdpEvents, UdpIncoming } from "./incoming.ts";
import { bindRequest, connectRequest, openUdp, type UdpRequest } from "./opening.ts";
import { findPeer, isSame, loopback, unspecified } from "./peer.ts";

type Callback = ((error?: Error) => void) | undefined;

/** What waits for the socket to open, and what is told where disconnect() takes that away. */
interface Waiting {
  readonly work: () => void;
  readonly dropped: () => void;
}

export class UdpState {
  readonly family: 4 | 6;
  readonly incoming: UdpIncoming;
  /** Keeps the process alive while it has, or opens, a socket. */
  readonly hold: Hold;
  readonly #engine: Engine;
  readonly #options: UdpSocketOptions;
  readonly #socket: EventEmitter<GuestUdpEvents>;
  #state: "new" | "opening" | "bound" | "closed" = "new";
  #connect: "no" | "connecting" | "connected" = "no";
  #channel: UdpChannel | undefined;
  #bound: InetAddress | undefined;
  #peer: InetAddress | undefined;
  /** The host's own socket is connected, and not this one alone. */
  #isHostConnected = false;
  /** Where it was connected to, in the program's words. */
  #target: { readonly port: number; readonly address: string } | undefined;
  /** Groups that the host's socket is in, or was asked to join: another one is in none. */
  #groups: Set<string> = new Set();
  #line: Waiting[] = [];
  /** Of the opening under way, or the last: what comes of one before it is nobody's. */
  #opening = 0;
  /** It is to be closed once it is open, or not. */
  #closing = false;
  #hasListened = false;
  #stopSignal: () => void = () => {};

  constructor(engine: Engine, options: UdpSocketOptions, socket: EventEmitter<GuestUdpEvents>) {
    this.#engine = engine;
    this.#options = options;
    this.#socket = socket;
    this.family = options.type === "udp4" ? 4 : 6;
    this.incoming = new UdpIncoming(socket);
    this.hold = new Hold(engine);
    const { signal } = options;
    if (signal === undefined) return;
    if (signal.aborted) this.close();
    else {
      this.#stopSignal = onAbort(signal, () => {
        if (this.#state !== "closed") this.close();
      });
    }
  }

  /** The host's socket, while there is one. */
  get channel(): UdpChannel | undefined {
    return this.#channel;
  }

  get groups(): Set<string> {
    return this.#groups;
  }

  /** The address that it has, or had last. */
  get bound(): InetAddress | undefined {
    return this.#bound;
  }

  get phase(): "new" | "opening" | "bound" | "closed" {
    return this.#state;
  }

  get isConnected(): boolean {
    return this.#connect === "connected";
  }

  /** Of a connected one. */
  get peer(): InetAddress | undefined {
    return this.#connect === "connected" ? this.#peer : undefined;
  }

  /** Throws where it is closed. */
  check(): void {
    if (this.#state === "closed") throw nodeError(Error, "ERR_SOCKET_DGRAM_NOT_RUNNING", "Not running");
  }

  // ---- bind, connect

  /** Has it bound. */
  bind(port: number, address: string): void {
    this.#begin();
    const request = bindRequest(this.#options, this.family, port, address);
    if (request instanceof Error) process.nextTick(() => this.#failed(request));
    else this.#open(request, (error) => error !== undefined && this.#failed(error));
  }

  /** At whatever port of every address, unless it is bound already. */
  bindAnywhere(): void {
    if (this.#state === "new") this.bind(0, unspecified(this.family));
  }

  /** As it was connected last, or as one that is bound; unless it is open already. */
  open(): void {
    if (this.#state !== "new") return;
    if (this.#connect !== "connected") this.bindAnywhere();
    else this.#openConnected((error) => error !== undefined && this.#socket.emit("error", error));
  }

  /** Now, or once it is open; never where that fails. `dropped`: nor where it is disconnected before. */
  whenOpen(work: () => void, dropped: () => void = () => {}): void {
    if (this.#state === "opening") this.#line.push({ work, dropped });
    else work();
  }

  connect(port: number, address: string, callback: Callback): void {
    if (this.#connect !== "no") throw alreadyConnected();
    this.check();
    this.#connect = "connecting";
    this.#target = { port, address: address || loopback(this.family) };
    const done = (error?: Error): void => this.#connected(error, callback);
    if (this.#state === "new") {
      if (callback !== undefined) this.#socket.once("connect", callback as () => void);
      this.#openConnected(done);
    } else this.whenOpen(() => this.#connectBound(done, callback));
  }

  disconnect(): void {
    if (this.#connect !== "connected") throw notConnected();
    this.check();
    this.#connect = "no";
    this.#peer = undefined;
    this.#target = undefined;
    if (!this.#isHostConnected) return;
    // The host's socket has one peer for good: the next one is another.
    this.#isHostConnected = false;
    this.#channel?.close();
    this.#channel = undefined;
    this.#groups = new Set();
    this.#state = "new";
    // It was for the peer, or for a socket that is none.
    for (const { dropped } of this.#line.splice(0)) dropped();
    this.bindAnywhere();
  }

  #begin(): void {
    this.#state = "opening";
    this.hold.atWork = true;
  }

  #openConnected(done: (error?: Error) => void): void {
    const { port, address } = this.#target!;
    this.#begin();
    const fail = (error: Error): void => {
      this.#state = "new";
      this.#groups = new Set();
      this.hold.atWork = false;
      done(isIP(address) ? error : lookupError(error, address));
      this.#runLine();
    };
    const request = connectRequest(this.family, port, address);
    if (request instanceof Error) process.nextTick(fail, request);
    else this.#open(request, (error) => (error === undefined ? done() : fail(error)));
  }

  /** `opened` is told why not, or nothing once the socket is bound. */
  #open(request: UdpRequest, opened: (error?: Error) => void): void {
    const engine = this.#engine;
    const opening = ++this.#opening;
    const failed = (error: Error): void => {
      if (opening === this.#opening) opened(error);
    };
    openUdp(engine, this.#options.ringBytes, request).then(({ stream, opened: { local, peer } }) => {
      if (opening !== this.#opening) {
        stream.finish();
        return;
      }
      if (!stream.open) {
        opened(cutOffError(request.context.syscall, engine.ended));
        return;
      }
      const target = this.#targetOf(() => channel);
      const channel: UdpChannel = new UdpChannel(stream, this.family, peer === undefined, target);
      this.#channel = channel;
      this.#bound = local;
      this.#state = "bound";
      if (peer !== undefined) {
        this.#peer = peer;
        this.#isHostConnected = true;
      }
      // Told once: the host's socket may be another later.
      const isFirst = !this.#hasListened;
      this.#hasListened = true;
      if (isFirst) this.#socket.emit("listening");
      opened();
      this.#runLine();
      engine.touch(() => channel.step());
    }, failed);
  }

  /** It is not bound: as dgram, it may be bound again, and what waits finds that out. */
  #failed(error: Error): void {
    this.#state = "new";
    this.hold.atWork = false;
    // What was to be sent is dropped, as dgram does; and what was to be joined.
    this.#line = [];
    this.#groups = new Set();
    if (this.#closing) this.#close();
    this.#socket.emit("error", error);
  }

  #runLine(): void {
    const line = this.#line.splice(0);
    for (const { work } of line) if (this.#channel !== undefined) work();
    if (this.#closing && this.#state !== "closed") this.#close();
  }

  #connected(error: Error | undefined, callback: Callback): void {
    if (error === undefined) {
      this.#connect = "connected";
      process.nextTick(() => this.#socket.emit("connect"));
      return;
    }
    this.#connect = "no";
    this.#target = undefined;
    process.nextTick(() => {
      if (callback === undefined) this.#socket.emit("error", error);
      else {
        this.#socket.removeListener("connect", callback as () => void);
        callback(error);
      }
    });
  }

  /** One that is bound already: its peer is the only one that it hears. */
  #connectBound(done: (error?: Error) => void, callback: Callback): void {
    if (callback !== undefined) this.#socket.once("connect", callback as () => void);
    const { port, address } = this.#target!;
    findPeer(this.#channel!, this.family, port, address, "connect").then((peer) => {
      this.#peer = peer;
      done();
    }, done);
  }

  // ---- what the host tells

  #targetOf(channel: () => UdpChannel): UdpTarget {
    const { incoming } = this;
    let lost = 0;
    return {
      message: (data, from) => {
        if (channel() !== this.#channel) return;
        if (from === undefined) incoming.message(data, this.#peer!);
        else if (this.#connect !== "connected" || isSame(from, this.#peer!)) incoming.message(data, from);
      },
      error: (error) => {
        if (channel() === this.#channel) incoming.error(error, this.#isHostConnected);
      },
      lost: (datagrams) => {
        // Of this socket of the host's, modulo 2^32 (UDP-10): there may have been others before it.
        incoming.losses((datagrams - lost) >>> 0);
        lost = datagrams;
      },
      ended: (error) => {
        if (channel() === this.#channel) this.#ended(error);
      },
    };
  }

  #ended(error: Error | undefined): void {
    this.#channel = undefined;
    if (error === undefined && this.#connect === "connected" && this.#isHostConnected) {
      this.#state = "new";
      return;
    }
    this.#over();
    const told = codeOf(error) === "ERR_RINGWAY_DETACHED" ? undefined : error;
    process.nextTick(() => {
      if (told !== undefined) this.#socket.emit("error", told);
      this.#socket.emit("close");
    });
  }

  // ---- the end

  close(): void {
    if (this.#state === "opening") {
      this.#closing = true;
      return;
    }
    this.check();
    this.#close();
  }

  #close(): void {
    this.#over();
    this.#line = [];
    this.#channel?.close();
    process.nextTick(() => this.#socket.emit("close"));
  }

  #over(): void {
    this.#state = "closed";
    this.#stopSignal();
    this.hold.atWork = false;
  }
}
