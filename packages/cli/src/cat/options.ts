// What a run of cat is asked for, once the words of the command line are read and fit each other.

import type { ListenPlace, Target } from "./places.ts";
import type { Range } from "./random.ts";
import type { Shape } from "./shape.ts";
import type { TlsOptions } from "./tls.ts";
import type { Forward, Input, Pair, Slow } from "./words.ts";

export interface UdpOptions {
  readonly broadcast: boolean;
  /** Join the groups that targets name. */
  readonly multicast: boolean;
  readonly loop: boolean;
  readonly ttl: number | undefined;
}

export interface CatOptions {
  readonly targets: readonly Target[];
  /** One client, or as many as --max-clients says, and then no more. */
  readonly once: readonly ListenPlace[];
  /** For ever. */
  readonly always: readonly ListenPlace[];
  readonly maxClients: number | undefined;
  readonly again: { readonly closed: boolean; readonly failed: boolean };
  /** Undefined: streams. */
  readonly udp: UdpOptions | undefined;
  readonly input: Input;
  readonly output: string;
  readonly sizes: Range;
  readonly isAscii: boolean;
  readonly exitAfterInput: boolean;
  readonly forward: Forward;
  readonly pair: Pair;
  readonly slow: Slow;
  readonly exec: string | undefined;
  readonly probe: boolean;
  readonly halfClose: boolean;
  readonly idleMs: number | undefined;
  readonly timeoutMs: number | undefined;
  readonly chunkBytes: number | undefined;
  readonly sending: Shape;
  readonly receiving: Shape;
  readonly sendBuffer: number | undefined;
  readonly receiveBuffer: number | undefined;
  readonly seed: number;
  readonly tls: TlsOptions;
  readonly label: boolean;
  readonly stats: boolean;
  readonly json: boolean;
  readonly verbose: boolean;
}
