// Which prefixes of NAT64 the network has: what its name servers say of ipv4only.arpa (RFC 7050). Asked for when the
// monitor starts, or, where it has nothing to judge yet, when a name first has an IPv6 address; and again when what is
// known is over.
//
//   UNKNOWN ─────▶ ASKED ── answered ──▶ KNOWN ── its time over, and an IPv6 address ──▶ ASKED AGAIN
//      ▲             │ IPv6 addresses wait                              what was known holds meanwhile
//      │             ├─ nobody answered, and it was the start's question ──▶ UNKNOWN
//      └── 60 s ── UNTOLD ◀── nobody answered: addresses pass, as where there is no prefix
//
// An address that is told too early may be the network's own way to 10.0.0.1. So it waits, for as long as anybody wants
// it. A name server may lie here as anywhere: prefixes make nothing public (policy/special.ts), they make more be
// refused.

import { parseIp } from "@ringway/control";
import { NAT64_NAME, nat64Prefixes } from "../policy/nat64.ts";
import { parseAddress } from "../policy/networks.ts";
import { isAbsence, type NameServer, type TimedAddress } from "./name-server.ts";

export interface Nat64Listener {
  /** Told once for each answer; none where the network has no NAT64. */
  readonly found: (prefixes: readonly string[]) => void;
  /** Nothing is asked any more once it is aborted. */
  readonly signal: AbortSignal;
  /** Not first for a name: literal addresses are judged, too. */
  readonly atOnce?: boolean;
}

/**
 * For how long an answer counts, whatever its time to live is; and one that says that there is no NAT64, which tells no
 * time.
 */
const TTL_S = { least: 60, most: 86_400, ofAbsence: 600 };
/** Nobody answered: the next to ask. */
const RETRY_S = 60;

export class Nat64Discovery {
  readonly #servers: readonly NameServer[];
  readonly #timeoutMs: number;
  readonly #listener: Nat64Listener;
  #asking: Promise<void> | undefined;
  #isKnown = false;
  /** No question before. */
  #untilMs = 0;

  constructor(servers: readonly NameServer[], timeoutMs: number, listener: Nat64Listener) {
    this.#servers = servers;
    this.#timeoutMs = timeoutMs;
    this.#listener = listener;
    // That nobody answers yet says nothing of the time when names have addresses.
    if (listener.atOnce === true) this.#begin(0);
  }

  /** Resolves when these addresses may be told, or `signal` says that nobody wants them. */
  async before(addresses: readonly string[], signal: AbortSignal): Promise<void> {
    if (!addresses.some((address) => parseIp(address)?.length === 16)) return;
    while (!this.#listener.signal.aborted && !signal.aborted) {
      if (performance.now() >= this.#untilMs) this.#begin(RETRY_S);
      if (this.#isKnown || this.#asking === undefined) return;
      await settled(this.#asking, signal);
    }
  }

  /** One question at a time. */
  #begin(retryS: number): void {
    this.#asking ??= this.#ask(retryS).finally(() => {
      this.#asking = undefined;
    });
  }

  async #ask(retryS: number): Promise<void> {
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
    this.#untilMs = performance.now() + 1000 * retryS;
  }

  #learn(answers: readonly TimedAddress[]): void {
    const parsed = answers.flatMap(({ address }) => parseAddress(address) ?? []);
    const ttls = answers.map(({ ttl }) => ttl);
    const ttlS =
      answers.length === 0 ? TTL_S.ofAbsence : Math.max(TTL_S.least, Math.min(TTL_S.most, ...ttls));
    this.#listener.found(nat64Prefixes(parsed).map(({ text }) => text));
    this.#isKnown = true;
    this.#untilMs = performance.now() + 1000 * ttlS;
  }
}

function settled(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    void promise.then(resolve);
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
