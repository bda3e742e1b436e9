// Which prefixes of NAT64 the network has: what its name servers say of ipv4only.arpa (RFC 7050). Asked for when a name first has an IPv6
// address, and again when what is known is over.
//
//   UNKNOWN ── an IPv6 address ──▶ ASKED ── answered ──▶ KNOWN ── its time over, and another IPv6 address ──▶ ASKED AGAIN
//                                    └─ addresses wait for it,                          what was known holds meanwhile ─┘
//                                       50 ms at the most
//
// A name server may lie here as anywhere, so prefixes make nothing public (policy/special.ts): they make more be refused.

import { isIPv6 } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { parseAddress } from "../policy/addresses.ts";
import { NAT64_NAME, nat64Prefixes } from "../policy/nat64.ts";
import { isAbsence, type NameServer, type TimedAddress } from "./name-server.ts";

export interface Nat64Listener {
  /** Told once for each answer; none where the network has no NAT64. */
  readonly found: (prefixes: readonly string[]) => void;
  /** Nothing is asked any more once it is aborted. */
  readonly signal: AbortSignal;
}

/** As long as RFC 8305 lets an answer wait for another. */
const WAIT_MS = 50;
/** For how long an answer counts, whatever its time to live is; and one that says that there is no NAT64, which tells no time. */
const TTL_S = { least: 60, most: 86_400, ofAbsence: 600 };
/** Nobody answered: the next to ask. */
const RETRY_S = 60;

export class Nat64Discovery {
  readonly #servers: readonly NameServer[];
  readonly #timeoutMs: number;
  readonly #listener: Nat64Listener;
  #asking: Promise<void> | undefined;
  #isKnown = false;
  #untilMs = 0;

  constructor(servers: readonly NameServer[], timeoutMs: number, listener: Nat64Listener) {
    this.#servers = servers;
    this.#timeoutMs = timeoutMs;
    this.#listener = listener;
  }

  /** Resolves when these addresses may be told. */
  async before(addresses: readonly string[]): Promise<void> {
    if (!addresses.some(isIPv6)) return;
    if (performance.now() >= this.#untilMs && !this.#listener.signal.aborted) {
      this.#asking ??= this.#ask().finally(() => {
        this.#asking = undefined;
      });
    }
    if (!this.#isKnown) await Promise.race([this.#asking, delay(WAIT_MS, undefined, { ref: false })]);
  }

  async #ask(): Promise<void> {
    for (const server of this.#servers) {
      try {
        this.#learn(await server.askTimed(NAT64_NAME, 6, this.#timeoutMs, this.#listener.signal));
        return;
      } catch (error) {
        if (this.#listener.signal.aborted) return;
        if (!isAbsence(error)) continue;
        this.#learn([]);
        return;
      }
    }
    // What was known before is better than nothing.
    this.#keepFor(RETRY_S);
  }

  #learn(answers: readonly TimedAddress[]): void {
    const parsed = answers.flatMap(({ address }) => parseAddress(address) ?? []);
    const ttls = answers.map(({ ttl }) => ttl);
    const ttl = Math.max(TTL_S.least, Math.min(TTL_S.most, ...ttls));
    this.#listener.found(nat64Prefixes(parsed).map(({ text }) => text));
    this.#keepFor(answers.length === 0 ? TTL_S.ofAbsence : ttl);
  }

  #keepFor(seconds: number): void {
    this.#isKnown = true;
    this.#untilMs = performance.now() + 1000 * seconds;
  }
}
