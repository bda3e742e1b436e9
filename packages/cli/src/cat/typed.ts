// The words and options of `ringway cat` as they were typed: read, and checked against each other.

import { randomInt } from "node:crypto";
import { UsageError } from "../errors.ts";
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

export function optionsOf(words: readonly string[], typed: TypedCat): CatOptions {
  refuse(words, typed);
  const { forward, exec, chunk } = typed;
  const carries = forward !== "none" || exec !== undefined;
  const udp = udpOf(typed);
  const input = typed.input ?? (carries ? "none" : "stdin");
  const withTls = <T extends Target | ListenPlace>(place: T): T =>
    typed.tls ? { ...place, tls: true } : place;
  const fixed = chunk ?? (udp === undefined ? FIXED_BYTES : DATAGRAM_BYTES);
  return {
    targets: words.map(targetOf).map(withTls),
    once: typed.listenOnce.map(listenPlaceOf).map(withTls),
    always: typed.listen.map(listenPlaceOf).map(withTls),
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
    chunkBytes: chunk ?? (udp === undefined ? undefined : DATAGRAM_BYTES),
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

/** What does not go together, each with why. */
function refuse(words: readonly string[], typed: TypedCat): void {
  const { udp = false, forward, pair } = typed;
  const listens = typed.listenOnce.length + typed.listen.length;
  const channels = forward === "channels" || forward === "linger";
  const isTls =
    typed.tls === true ||
    [...words, ...typed.listen, ...typed.listenOnce].some((word) => word.startsWith("tls:"));
  const wrong: readonly (readonly [boolean, string])[] = [
    [words.length + listens === 0, "nothing to connect to, and nothing to listen at: HOST:PORT, -l or -L"],
    [
      udp && (typed.reconnect === true || typed.retry === true),
      "-r and -R: there is nothing to reconnect with -u",
    ],
    [udp && typed.probe === true, "-z: nobody can tell with -u"],
    [udp && typed.exec !== undefined, "-e does not go with -u"],
    [udp && isTls, "TLS does not go with -u"],
    [udp && typed.halfClose === true, "-N: datagrams have no end"],
    [
      !udp && (typed.broadcast ?? typed.mc ?? typed.mcNoLoop ?? false),
      "-b, --mc and --mc-no-loop go with -u alone",
    ],
    [!udp && typed.ttl !== undefined, "--ttl goes with -u alone"],
    [typed.probe === true && words.length === 0, "-z needs something to connect to"],
    [typed.probe === true && listens > 0, "-z listens nowhere"],
    [typed.exec !== undefined && forward !== "none", "-e and -f: each connection has one other end"],
    [
      typed.halfClose === true && (forward !== "none" || typed.exec !== undefined),
      "-N: -f and -e pass ends on by themselves",
    ],
    [pair !== undefined && !channels, "--pair goes with -f channels or -f linger alone"],
    [
      pair === "listen:connect" && (words.length === 0 || listens === 0 || udp),
      "--pair listen:connect needs -l or -L, and something to connect to, without -u",
    ],
  ];
  const found = wrong.find(([isWrong]) => isWrong);
  if (found !== undefined) throw new UsageError(found[1]);
}
