// The words and options of `ringway cat` as they were typed: read; refusals.ts has what does not
// fit each other.

import { randomInt } from "node:crypto";
import type { Family } from "./network.ts";
import type { CatOptions, UdpOptions } from "./options.ts";
import { type ListenPlace, listenPlaceOf, type Target, targetOf } from "./places.ts";
import type { Range } from "./random.ts";
import { pinOf } from "./tls.ts";
import type { Forward, Input, Pair, Slow } from "./words.ts";

/** As commander gives them. */
export interface TypedCat {
  readonly listenOnce: readonly string[];
  readonly listen: readonly string[];
  readonly maxClients?: number;
  readonly attach?: string;
  readonly ipv4?: boolean;
  readonly ipv6?: boolean;
  readonly reconnect?: boolean;
  readonly retry?: boolean;
  readonly udp?: boolean;
  readonly broadcast?: boolean;
  readonly mc?: boolean;
  readonly mcNoLoop?: boolean;
  readonly ttl?: number;
  readonly input?: Input;
  readonly output?: string;
  readonly label?: boolean;
  readonly sizes?: Range;
  readonly ascii?: boolean;
  readonly seed?: number;
  readonly exitAfterInput?: boolean;
  readonly forward: Forward;
  readonly pair?: Pair;
  readonly slow: Slow;
  readonly exec?: string;
  readonly probe?: boolean;
  readonly halfClose?: boolean;
  readonly idle?: number;
  readonly timeout?: number;
  readonly chunk?: number;
  readonly sendBuffer?: number;
  readonly receiveBuffer?: number;
  readonly sendDelay?: Range;
  readonly receiveDelay?: Range;
  readonly sendDrop?: number;
  readonly receiveDrop?: number;
  readonly tls?: boolean;
  readonly tlsPin?: string;
  readonly tlsCa?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly tlsName?: string;
  readonly stats?: boolean;
  readonly json?: boolean;
  readonly verbose?: boolean;
}

const RANDOM_SIZES: Range = [1, 1450];
const FIXED_BYTES = 64 * 1024;
/** Of UDP: what fits in a frame of most networks. */
const DATAGRAM_BYTES = 1400;
/** The largest of IPv4. */
export const DATAGRAM_MAX = 65_507;

export function optionsOf(words: readonly string[], typed: TypedCat): CatOptions {
  const { forward, exec, chunk } = typed;
  const carries = forward !== "none" || exec !== undefined;
  const udp = udpOf(typed);
  const input = typed.input ?? (carries ? "none" : "stdin");
  const withTls = <T extends Target | ListenPlace>(place: T): T =>
    typed.tls ? { ...place, tls: true } : place;
  const fixed = chunk ?? (udp === undefined ? FIXED_BYTES : DATAGRAM_BYTES);
  const targets = words.map(targetOf).map(withTls);
  const once = typed.listenOnce.map(listenPlaceOf).map(withTls);
  const always = typed.listen.map(listenPlaceOf).map(withTls);
  return {
    targets,
    once,
    always,
    maxClients: typed.maxClients,
    again: { closed: typed.reconnect ?? false, failed: typed.retry ?? false },
    udp,
    input,
    output: typed.output ?? (carries ? "none" : "stdout"),
    sizes: typed.sizes ?? (input === "fixed" ? [fixed, fixed] : RANDOM_SIZES),
    isAscii: typed.ascii ?? false,
    exitAfterInput: typed.exitAfterInput ?? false,
    forward,
    pair: typed.pair ?? "apart",
    slow: typed.slow,
    exec,
    probe: typed.probe ?? false,
    halfClose: typed.halfClose ?? false,
    idleMs: typed.idle,
    timeoutMs: typed.timeout,
    chunkBytes: chunk ?? (udp === undefined ? undefined : input === "lines" ? DATAGRAM_MAX : DATAGRAM_BYTES),
    sending: { delayMs: typed.sendDelay, dropPercent: typed.sendDrop ?? 0 },
    receiving: { delayMs: typed.receiveDelay, dropPercent: typed.receiveDrop ?? 0 },
    sendBuffer: typed.sendBuffer,
    receiveBuffer: typed.receiveBuffer,
    seed: typed.seed ?? randomInt(2 ** 32),
    tls: {
      pin: typed.tlsPin === undefined ? undefined : pinOf(typed.tlsPin),
      ca: typed.tlsCa,
      certificate: typed.tlsCert,
      key: typed.tlsKey,
      name: typed.tlsName,
    },
    label: typed.label ?? false,
    stats: typed.stats === true || typed.json === true,
    json: typed.json ?? false,
    verbose: typed.verbose ?? false,
  };
}

/** Undefined: any. */
export function familyOf({ ipv4 = false, ipv6 = false }: TypedCat): Family {
  if (ipv4 === ipv6) return undefined;
  return ipv4 ? 4 : 6;
}

function udpOf(typed: TypedCat): UdpOptions | undefined {
  if (!typed.udp) return undefined;
  return {
    broadcast: typed.broadcast ?? false,
    multicast: typed.mc ?? false,
    loop: !typed.mcNoLoop,
    ttl: typed.ttl,
  };
}
