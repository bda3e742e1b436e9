// What all relays of one thread share of the host.

import { performance } from "node:perf_hooks";
import { IO_MAX_BYTES, Protocol } from "@ringway/control";
import { DatagramBatch, DatagramInbox, ReadBatch, type Scratch, scratch } from "@ringway/linux";
import type { Account } from "../accounts/accounts.ts";
import type { DiskPool } from "../disk/pool.ts";
import type { Lookups } from "../names/lookups.ts";
import type { OwnPorts } from "../policy/own-ports.ts";
import type { OwnSockets } from "../policy/own-sockets.ts";
import { Counter, type Counters } from "../reactor/counters.ts";
import { Histogram } from "../reactor/histogram.ts";
import type { Reactor } from "../reactor/reactor.ts";
import { LockTurns } from "./files/mount/lock-turns.ts";
import { KeepAlives } from "./keep-alives.ts";
import { Partings } from "./partings.ts";
import { PublishedPorts } from "./published.ts";
import { BatchFrames } from "./udp/frames.ts";

/** How long a guest has waited for a connection, with the lookup of its name. */
const CONNECT_SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

export interface RelayHostParts {
  readonly reactor: Reactor;
  readonly counters: Counters;
  readonly disk: DiskPool;
  readonly lookups: Lookups;
  readonly ownPorts: OwnPorts;
  readonly ownSockets: OwnSockets;
}

/** Datagrams on their way, within one step of one relay. */
export interface Datagrams {
  readonly batch: DatagramBatch;
  /** Where those of the batch are in their ring. */
  readonly frames: BatchFrames;
  readonly inbox: DatagramInbox;
}

/** Reads of a mount that one call into the kernel makes: a guest waits for all of them. */
export const READS_TOGETHER_MAX = 8;

export class RelayHost {
  readonly reactor: Reactor;
  readonly counters: Counters;
  readonly disk: DiskPool;
  readonly lookups: Lookups;
  readonly ownPorts: OwnPorts;
  readonly ownSockets: OwnSockets;
  readonly published: PublishedPorts;
  readonly partings: Partings;
  readonly keepAlives: KeepAlives;
  /** By Protocol. */
  readonly connectTimes: ReadonlyMap<number, Histogram> = new Map([
    [Protocol.TCP_CONNECT, new Histogram(CONNECT_SECONDS)],
    [Protocol.UNIX_CONNECT, new Histogram(CONNECT_SECONDS)],
  ]);
  readonly #lockTurns: WeakMap<Account, LockTurns> = new WeakMap();
  #scratch: Scratch | undefined;
  #datagrams: Datagrams | undefined;
  #reads: ReadBatch | undefined;

  constructor({ reactor, counters, disk, lookups, ownPorts, ownSockets }: RelayHostParts) {
    this.reactor = reactor;
    this.counters = counters;
    this.disk = disk;
    this.lookups = lookups;
    this.ownPorts = ownPorts;
    this.ownSockets = ownSockets;
    this.published = new PublishedPorts(reactor, ownPorts);
    this.partings = new Partings(reactor);
    this.keepAlives = new KeepAlives(reactor);
  }

  /** One that was asked for at `sinceMs` is there. */
  connected(protocol: number, sinceMs: number): void {
    this.counters.add(Counter.connections);
    this.connectTimes.get(protocol)?.observe((performance.now() - sinceMs) / 1000);
  }

  /** Of all guests of a key. */
  lockTurns(account: Account): LockTurns {
    const turns = this.#lockTurns.get(account) ?? new LockTurns(this.reactor);
    this.#lockTurns.set(account, turns);
    return turns;
  }

  /** IO_MAX_BYTES for one system call, and what follows it at once. */
  get scratch(): Scratch {
    this.#scratch ??= scratch(IO_MAX_BYTES);
    return this.#scratch;
  }

  get datagrams(): Datagrams {
    if (this.#datagrams === undefined) {
      const batch = new DatagramBatch();
      this.#datagrams = { batch, frames: new BatchFrames(batch.capacity), inbox: new DatagramInbox() };
    }
    return this.#datagrams;
  }

  get reads(): ReadBatch {
    this.#reads ??= new ReadBatch(READS_TOGETHER_MAX);
    return this.#reads;
  }
}
