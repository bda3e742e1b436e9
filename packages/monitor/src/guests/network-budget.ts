// What a guest may use of the network: how fast, and how much in all (accounts/rates.ts). Whoever moves something asks
// before it does, and only where `limited` says that there is anything to ask: one look at a field on the way of bytes.
//
//   takeX() ── more than 0 ──▶ it goes; what was not needed is given back by giveX()
//      ├────── 0 ────────────▶ the stream waits, and is run when it may ask again
//      └────── USED_UP ──────▶ bytes alone: the budget is over (LIM-3)
//
// Datagrams and records are whole: roomForX() in place of takeX(), and spent() when they have gone. The last of them
// may be larger than what there was.
//
// A stream that ends while it waits is forgotten (Stream).

import { Errno, type Refusal } from "@ringway/control";
import type { Account } from "../accounts/accounts.ts";
import type { After, Rate, Waiter } from "../accounts/rates.ts";
import { StreamRates } from "../accounts/stream-rates.ts";
import type { PolicyState } from "../policy/in-force.ts";
import { refusal } from "../policy/refusal.ts";
import { type Limits, type RateLimit, type Rates, UNLIMITED } from "../policy/types.ts";
import { Counter, type Counters } from "../reactor/counters.ts";

export interface NetworkHost {
  readonly counters: Counters;
  readonly after: After;
}

/** Whose it is. */
export interface NetworkHolder {
  readonly account: Account;
  readonly policy: PolicyState;
  readonly reports: { warn(reason: string): void };
}

/** The answer of takeBytes() and roomForWhole() where no byte goes any more. */
export const USED_UP = -1;

export const ALL_USED: Refusal = refusal(
  Errno.EDQUOT,
  "the guest has used up all the bytes over the network that the policy gives it (networkBytes)",
);

type ByteRate = "bytesToHost" | "bytesToGuest";

const BYTES_WAITED: readonly [Counter, Counter] = [Counter.rateBytesToHost, Counter.rateBytesToGuest];

/** Is there anything of it that the policy limits? */
function isLimited(rates: Rates, { networkBytes }: Limits): boolean {
  return networkBytes !== UNLIMITED || Object.values(rates).some(({ perSecond }) => perSecond !== UNLIMITED);
}

export class NetworkBudget {
  readonly #host: NetworkHost;
  readonly #holder: NetworkHolder;
  readonly #account: Account;
  /** What the operator has set, in place of what the policy says. */
  #set: Partial<Rates> = {};
  readonly #ofStreams: StreamRates;
  #rates: Rates;
  #mostBytes: number;
  /** By direction. */
  #bytes: readonly [RateLimit, RateLimit];
  /** Is there anything of it that the policy limits? */
  limited = false;

  constructor(host: NetworkHost, holder: NetworkHolder) {
    this.#host = host;
    this.#ofStreams = new StreamRates(host.after);
    this.#holder = holder;
    this.#account = holder.account;
    const { rates, limits } = holder.policy.policy;
    this.#rates = rates;
    this.#mostBytes = limits.networkBytes;
    this.#bytes = [rates.bytesToHost, rates.bytesToGuest];
    this.limited = isLimited(rates, limits);
  }

  /** These, until others are set, and for the rest what the policy says. */
  set(rates: Partial<Rates>): void {
    this.#set = rates;
    this.policyChanged();
  }

  /** For one stream as long as it is open, beside what its guest may; {}: only that. */
  setStream(stream: Waiter, { bytesToHost, bytesToGuest }: Pick<Partial<Rates>, ByteRate>): void {
    this.#ofStreams.set(stream, bytesToHost, bytesToGuest);
    this.#isLimited();
  }

  #isLimited(): void {
    this.limited = isLimited(this.#rates, this.#holder.policy.policy.limits) || this.#ofStreams.some;
  }

  /** Another policy is in force for the guest. Who waits for a rate that is another now goes by that one. */
  policyChanged(): void {
    const { rates: ofPolicy, limits } = this.#holder.policy.policy;
    const rates: Rates = { ...ofPolicy, ...this.#set };
    const before = this.#rates;
    this.#rates = rates;
    this.#mostBytes = limits.networkBytes;
    this.#bytes = [rates.bytesToHost, rates.bytesToGuest];
    this.#isLimited();
    const { bytes, connections, datagrams, lookups } = this.#account.network;
    const of = { bytesToHost: bytes[0], bytesToGuest: bytes[1], connections, datagrams, lookups };
    for (const key of Object.keys(of) as (keyof Rates)[]) {
      of[key].limitChanged(before[key], rates[key], this.#host.after);
    }
  }

  /** Why nothing new may be begun, where the bytes are used up. */
  get usedUp(): Refusal | undefined {
    if (this.#account.network.usedBytes < this.#mostBytes) return undefined;
    this.#over();
    return ALL_USED;
  }

  /** One line for the operator: streams that are reset for it say nothing in the log. */
  #over(): void {
    this.#hit(Counter.quotaNetworkBytes);
    const { network } = this.#account;
    if (network.toldMost === this.#mostBytes) return;
    network.toldMost = this.#mostBytes;
    this.#holder.reports.warn(
      `the guest's limit of bytes over the network is reached: networkBytes, ${this.#mostBytes}`,
    );
  }

  /** Up to `wanted` bytes, in a Direction; 0: `waiter` waits; USED_UP. */
  takeBytes(direction: 0 | 1, wanted: number, waiter: Waiter): number {
    const { network } = this.#account;
    const left = this.#bytesLeft();
    if (left === USED_UP) return USED_UP;
    const counter = BYTES_WAITED[direction];
    const own = this.#ofStreams.of(waiter);
    let most = Math.min(wanted, left);
    if (own !== undefined)
      most = this.#take(own.rates[direction], own.limits[direction], most, waiter, counter);
    if (most === 0) return 0;
    const taken = this.#take(network.bytes[direction], this.#bytes[direction], most, waiter, counter);
    own?.rates[direction].give(most - taken);
    network.usedBytes += taken;
    return taken;
  }

  giveBytes(direction: 0 | 1, bytes: number, waiter: Waiter): void {
    const { network } = this.#account;
    network.usedBytes -= bytes;
    const own = this.#ofStreams.of(waiter);
    if (own !== undefined && own.limits[direction].perSecond !== UNLIMITED) own.rates[direction].give(bytes);
    if (this.#bytes[direction].perSecond !== UNLIMITED) network.bytes[direction].give(bytes);
  }

  /** Bytes within which something whole may begin to go, in a Direction; 0: `waiter` waits; USED_UP. */
  roomForWhole(direction: 0 | 1, waiter: Waiter): number {
    const left = this.#bytesLeft();
    if (left === USED_UP) return USED_UP;
    const counter = BYTES_WAITED[direction];
    const own = this.#ofStreams.of(waiter);
    const most = own && this.#room(own.rates[direction], own.limits[direction], waiter, counter);
    if (most === 0) return 0;
    const rate = this.#account.network.bytes[direction];
    return Math.min(left, most ?? left, this.#room(rate, this.#bytes[direction], waiter, counter));
  }

  /** How many datagrams may go, either way; 0: `waiter` waits. */
  roomForDatagrams(waiter: Waiter): number {
    const { datagrams } = this.#account.network;
    return this.#room(datagrams, this.#rates.datagrams, waiter, Counter.rateDatagrams);
  }

  /** So much of a stream has gone, whole, in a Direction. */
  spent(direction: 0 | 1, bytes: number, stream: Waiter, datagrams = 0): void {
    const { network } = this.#account;
    network.usedBytes += bytes;
    const own = this.#ofStreams.of(stream);
    if (own !== undefined && own.limits[direction].perSecond !== UNLIMITED) own.rates[direction].spend(bytes);
    if (this.#bytes[direction].perSecond !== UNLIMITED) network.bytes[direction].spend(bytes);
    if (this.#rates.datagrams.perSecond !== UNLIMITED) network.datagrams.spend(datagrams);
  }

  /** Another connection: one that the guest asks for, or that comes to it. False: `waiter` waits. */
  takeConnection(waiter: Waiter): boolean {
    const { connections } = this.#account.network;
    return this.#take(connections, this.#rates.connections, 1, waiter, Counter.rateConnections) > 0;
  }

  /** There was none. */
  giveConnection(): void {
    if (this.#rates.connections.perSecond !== UNLIMITED) this.#account.network.connections.give(1);
  }

  /** Another name or address is looked up. False: `waiter` waits. */
  takeLookup(waiter: Waiter): boolean {
    const { lookups } = this.#account.network;
    return this.#take(lookups, this.#rates.lookups, 1, waiter, Counter.rateLookups) > 0;
  }

  /** It is over, and waits for nothing. */
  forget(waiter: Waiter): void {
    const { bytes, connections, datagrams, lookups } = this.#account.network;
    for (const rate of [...bytes, connections, datagrams, lookups]) rate.forget(waiter);
    if (!this.#ofStreams.some) return;
    this.#ofStreams.forget(waiter);
    this.#isLimited();
  }

  #bytesLeft(): number {
    const left = this.#mostBytes - this.#account.network.usedBytes;
    if (left > 0) return left;
    this.#over();
    return USED_UP;
  }

  #room(rate: Rate, limit: RateLimit, waiter: Waiter, counter: Counter): number {
    if (limit.perSecond === UNLIMITED) return UNLIMITED;
    const room = rate.room(limit, waiter, this.#host.after);
    if (room === 0) this.#hit(counter);
    return room;
  }

  #take(rate: Rate, limit: RateLimit, wanted: number, waiter: Waiter, counter: Counter): number {
    if (limit.perSecond === UNLIMITED) return wanted;
    const taken = rate.take(wanted, limit, waiter, this.#host.after);
    if (taken === 0) this.#hit(counter);
    return taken;
  }

  #hit(counter: Counter): void {
    this.#host.counters.add(counter);
    this.#account.tally.hit(counter);
  }
}
