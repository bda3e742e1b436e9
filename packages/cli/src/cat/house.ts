// What an endpoint may ask of the run that it is in.

import type { Duplex, Readable, Writable } from "node:stream";
import type { Network } from "./network.ts";
import type { CatOptions } from "./options.ts";
import type { Peer } from "./peer.ts";
import type { Tls } from "./tls.ts";

export interface House {
  readonly options: CatOptions;
  readonly network: Network;
  readonly tls: Tls;
  /** Aborts when it is over. */
  readonly signal: AbortSignal;
  /** How many have come and not left: those of one endpoint. */
  count(group: number): number;
  /** A new peer; its chunks come at once. `made` may pair it before. */
  join(
    input: Readable,
    output: Writable,
    as: { label: string; group: number },
    made?: (peer: Peer) => void,
  ): Peer;
  /** Resolves with its error once it is closed. */
  closed(peer: Peer): Promise<Error | undefined>;
  /** A stream that somebody accepted; resolves once it is a peer, or is none. */
  accepted(stream: Duplex, as: { label: string; group: number }): Promise<void>;
  /** A line on stderr. */
  say(text: string): void;
  /** The same, with --verbose alone. */
  tell(text: string): void;
  /** The same, and the exit code is 1. */
  fail(text: string): void;
}

/** One word of the command line; resolves when nothing comes of it any more. */
export interface Endpoint {
  /** Resolves once the first try is over, whatever came of it: the input goes to all who are there then. */
  readonly tried: Promise<void>;
  run(): Promise<void>;
}
