// Where what peers are sent comes from.

import type { Peer } from "./peer.ts";

export interface Source {
  /** Whoever was to be reached has been tried. */
  begin(): void;
  joined(peer: Peer): void;
  left(peer: Peer): void;
  /** Of a peer: for who answers. */
  chunk(peer: Peer, chunk: Buffer): void;
  /** Nothing comes of it any more. */
  readonly hasEnded: boolean;
  close(): void;
}

/** Nothing is sent. */
export class NoSource implements Source {
  readonly hasEnded: boolean = true;
  begin(): void {}
  joined(): void {}
  left(): void {}
  chunk(): void {}
  close(): void {}
}

/** Each peer gets back what it sent. */
export class EchoSource implements Source {
  readonly hasEnded: boolean = true;
  begin(): void {}
  joined(): void {}
  left(): void {}
  close(): void {}

  chunk(peer: Peer, chunk: Buffer): void {
    peer.pacer.give(chunk, peer, peer);
  }
}
