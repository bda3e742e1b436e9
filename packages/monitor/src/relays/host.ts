// What all relays of one thread share of the host.

import { IO_MAX_BYTES } from "@ringway/control";
import { type Scratch, scratch } from "@ringway/linux";
import type { DiskPool } from "../disk/pool.ts";
import type { Lookups } from "../names/lookups.ts";
import type { OwnPorts } from "../policy/own-ports.ts";
import type { Counters } from "../reactor/counters.ts";
import type { Reactor } from "../reactor/reactor.ts";
import { KeepAlives } from "./keep-alives.ts";
import { Partings } from "./partings.ts";

export interface RelayHostParts {
  readonly reactor: Reactor;
  readonly counters: Counters;
  readonly disk: DiskPool;
  readonly lookups: Lookups;
  readonly ownPorts: OwnPorts;
}

export class RelayHost {
  readonly reactor: Reactor;
  readonly counters: Counters;
  readonly disk: DiskPool;
  readonly lookups: Lookups;
  readonly ownPorts: OwnPorts;
  readonly partings: Partings;
  readonly keepAlives: KeepAlives;
  #scratch: Scratch | undefined;

  constructor({ reactor, counters, disk, lookups, ownPorts }: RelayHostParts) {
    this.reactor = reactor;
    this.counters = counters;
    this.disk = disk;
    this.lookups = lookups;
    this.ownPorts = ownPorts;
    this.partings = new Partings(reactor);
    this.keepAlives = new KeepAlives(reactor);
  }

  /** IO_MAX_BYTES for one system call, and what follows it at once. */
  get scratch(): Scratch {
    this.#scratch ??= scratch(IO_MAX_BYTES);
    return this.#scratch;
  }
}
