// Standard input, to all peers: as it comes, or line by line. On a terminal each key is sent as it is typed ("stdin"):
// the terminal is raw then, shows what is typed only as far as the other side sends it back, and is given back in every
// case. Enter is a newline, Ctrl-D the end of input, and Ctrl-C ends.
//
//   waiting ─ a peer is there ─▶ reading ⇄ held, by a peer that has not let a chunk out ─ its end ─▶ ended
//
// Nothing is read while nobody is there to have it, nor before all targets were tried once.
//
// Invariant: what was read and not given is in `#rest`, and nothing more is read while a piece of it could be given.

import { fstatSync } from "node:fs";
import { Pacer } from "./pacer.ts";
import type { Peer } from "./peer.ts";
import type { Rest, Source } from "./source.ts";
import type { Slow } from "./words.ts";

export interface StdinOptions {
  /** A terminal gives each key, and not lines. */
  readonly keys: boolean;
  /** Largest piece, as of a datagram. */
  readonly chunkBytes: number | undefined;
  /** Only whole lines are sent, each by itself. */
  readonly byLine: boolean;
  readonly slow: Slow;
  onEnd(): void;
  /** Ctrl-C was typed. */
  onInterrupt(): void;
}

const CTRL_C = 0x03;
const CTRL_D = 0x04;
const ENTER = 0x0d;
const NEWLINE = 0x0a;
/** A line that is longer is sent in pieces: what has no end is not kept. */
const LINE_BYTES_MAX = 64 * 1024;

export class StdinSource implements Source {
  hasEnded = false;
  readonly #options: StdinOptions;
  readonly #peers: Set<Peer> = new Set();
  readonly #pacer: Pacer;
  readonly #stdin: NodeJS.ReadStream = process.stdin;
  readonly #isRaw: boolean;
  readonly #isFile: boolean;
  /** What was read and not given: pieces, where it is held, and a line that has no end yet. */
  #rest: Buffer = Buffer.alloc(0);
  /** So much of it is one line, or all that was read. */
  #due = 0;
  #isAtEnd = false;
  #holds = 2;

  constructor(options: StdinOptions) {
    this.#options = options;
    this.#pacer = new Pacer(this);
    this.#isFile = fstatSync(0, { bigint: true }).isFile();
    this.#isRaw = options.keys && this.#stdin.isTTY === true;
    this.#stdin.pause();
    this.#stdin.on("data", this.#read);
    this.#stdin.once("end", this.#ended);
    // It stays: a terminal that has hung up has an error for each thing that is asked of it.
    this.#stdin.on("error", this.#ended);
    this.#stdin.pause();
    if (!this.#isRaw) return;
    this.#stdin.setRawMode(true);
    process.on("SIGCONT", this.#again);
    process.on("exit", this.#restore);
  }

  get rest(): Rest {
    if (this.hasEnded || this.#stdin.isTTY) return "none";
    return this.#isFile ? "certain" : "possible";
  }

  begin(): void {
    this.release();
  }

  joined(peer: Peer): void {
    this.#peers.add(peer);
    if (this.#peers.size === 1) this.release();
  }

  left(peer: Peer): void {
    if (this.#peers.delete(peer) && this.#peers.size === 0) this.hold();
  }

  chunk(): void {}

  hold(): void {
    this.#holds++;
    this.#stdin.pause();
  }

  release(): void {
    this.#holds--;
    this.#giveAll();
    if (this.#holds === 0 && !this.#isAtEnd) this.#stdin.resume();
  }

  close(): void {
    this.#stdin.off("data", this.#read);
    this.#stdin.off("end", this.#ended);
    this.#stdin.pause();
    this.#restore();
    process.off("SIGCONT", this.#again);
    process.off("exit", this.#restore);
    // Whoever still has the other end keeps no process alive.
    (this.#stdin as { unref?: () => void }).unref?.();
  }

  readonly #restore = (): void => {
    if (this.#isRaw) this.#stdin.setRawMode(false);
  };

  /** It was stopped: whoever had the terminal meanwhile has set it as it liked. */
  readonly #again = (): void => {
    this.#stdin.setRawMode(false);
    this.#stdin.setRawMode(true);
  };

  readonly #read = (chunk: Buffer): void => {
    if (this.#isRaw) this.#typed(chunk);
    else this.#take(chunk);
  };

  #typed(keys: Buffer): void {
    const end = keys.findIndex((key) => key === CTRL_C || key === CTRL_D);
    const sent = Buffer.from(
      (end < 0 ? keys : keys.subarray(0, end)).map((key) => (key === ENTER ? NEWLINE : key)),
    );
    if (sent.length > 0) this.#take(sent);
    if (end < 0) return;
    if (keys[end] === CTRL_C) this.#options.onInterrupt();
    else this.#ended();
  }

  readonly #ended = (): void => {
    if (this.#isAtEnd) return;
    this.#isAtEnd = true;
    this.#stdin.off("data", this.#read);
    this.#restore();
    this.#stdin.pause();
    this.#giveAll();
  };

  #take(chunk: Buffer): void {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    this.#giveAll();
  }

  /** Piece by piece, as long as nobody holds it; what is left waits. */
  #giveAll(): void {
    while (this.#holds === 0 && !this.hasEnded) {
      if (this.#due === 0) this.#due = this.#nextBytes();
      if (this.#due === 0) break;
      const bytes = Math.min(this.#due, this.#options.chunkBytes ?? this.#due);
      const piece = this.#rest.subarray(0, bytes);
      this.#rest = this.#rest.subarray(bytes);
      this.#due -= bytes;
      this.#give(piece);
    }
    if (!this.#isAtEnd || this.hasEnded || this.#rest.length > 0) return;
    this.hasEnded = true;
    this.#options.onEnd();
  }

  #nextBytes(): number {
    const { length } = this.#rest;
    const line = this.#options.byLine ? this.#rest.indexOf(NEWLINE) + 1 : length;
    if (line > 0) return line;
    return this.#isAtEnd || length >= LINE_BYTES_MAX ? length : 0;
  }

  #give(piece: Buffer): void {
    for (const peer of this.#peers) {
      if (!peer.isDeaf) this.#pacer.give(piece, peer, undefined, this.#options.slow);
    }
  }
}
