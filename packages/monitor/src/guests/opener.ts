// The protocols, as guests see them: what serves a stream from its beginning, and what an Open would be answered. The
// thread's main file hands it in (relays/table.ts).

import type { InetAddress } from "@ringway/control";
import type { PolicyState } from "../policy/in-force.ts";
import type { KnownNames } from "../policy/known-names.ts";
import type { Decision } from "../policy/types.ts";
import type { Relay } from "./relay.ts";
import type { Granted, Stream } from "./stream.ts";

/** What an answer depends on beside the question. */
export interface Explained {
  readonly policy: PolicyState;
  readonly names: KnownNames;
  readonly tenant: string | undefined;
}

export interface Opener {
  /** Waits for the Open of a stream that nothing was sent on yet. */
  relayFor(stream: Stream): Relay;
  /** Would an Open be allowed? Throws ProtocolError where `body` is not what the protocol's Open carries (CTL-7). */
  explain(guest: Explained, protocol: number, body: Uint8Array): Decision;
  /** Whether streams of a protocol carry bytes over the network. */
  isOverNetwork(protocol: number): boolean;
  /** Would what was opened so be allowed now, and where it leads to? */
  allowsStill(guest: Explained, protocol: number, granted: Granted, to: InetAddress | undefined): boolean;
}
