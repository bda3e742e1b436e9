// Where what peers are sent comes from.

import type { Peer } from "./peer.ts";

/**
 * What of it is still to come: all that there is, as of a file; what may come, as through a pipe; or nothing that
 * anybody waits for who has said all himself, as of a terminal.
 */
export type Rest = "certain" | "possible" | "none";

export interface Source {
  /** Whoever was to be reached has been tried. */
  begin(): void;
  joined(peer: Peer): void;
  left(peer: Peer): void;
  /** Of a peer: for who answers. */
  chunk(peer: Peer, chunk: Buffer): void;
  /** Nothing comes of it any more. */
  readonly hasEnded: boolean;
  readonly rest: Rest;
  close(): void;
}

/** Nothing is sent. */
export class NoSource implements Source {
  readonly hasEnded: boolean = true;
  readonly rest: Rest = "none";
  begin(): void {}
  joined(): void {}
  left(): void {}
  chunk(): void {}
  close(): void {}
}

/** Each peer gets back what it sent. */
export class EchoSource implements Source {
  readonly hasEnded: boolean = true;
  readonly rest: Rest = "none";
  begin(): void {}
  joined(): void {}
  left(): void {}
  close(): void {}

  chunk(peer: Peer, chunk: Buffer): void {
    peer.pacer.give(chunk, peer, peer);
  }
}
